"""Admission: what a finished run must show, on values, before anybody believes its figures.

Hashes first: every stage is finished, and its files are what was written. Then values, as if no hash could be
trusted: figures follow from the predictions, predictions from the weights, losses are finite, more than one
class is answered. A run that is whole and worth nothing has *collapsed*; one whose files contradict each
other is *invalid*.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rushes.errors import AnswerError, MediaError, ModelError, ShardError, SourceError, StageError
from rushes.runs.admission.values import (
    Fault,
    check_figures,
    check_losses,
    contradictions,
    not_finite,
)
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, StageName
from rushes.runs.verify import Fault as BrokenFile
from rushes.runs.verify import verify_run
from rushes.stages import OpenStage, read_done, read_json, weights_sha256

DAMAGED = (
    *(SourceError, MediaError, ShardError, StageError, ModelError, AnswerError),
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
)
"""What a reader raises of a damaged file. What the machine refuses (memory, a device, room on the disk, one
more open file) is not among it: that says nothing of the run."""

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What opening a file raises where none stands."""


def admit(
    run: Run[Any],
    *,
    without: Collection[StageName] = (),
    known: Mapping[StageName, Sequence[BrokenFile]] | None = None,
) -> list[Fault]:
    """Everything in which a finished run contradicts itself; nothing in its folders is written.

    May load the model, so it belongs into a worker. What damaged files raise is among the faults; what the
    machine refuses is raised, so that a run that could not be judged is judged again.

    Args:
        run: whose stages are to be done.
        without: stages that the run may lack.
        known: faults of stages that were hashed a moment ago; they are not hashed again.

    Raises:
        OSError, MemoryError, RuntimeError, RushesError: there is no room, memory, device or storage to
            judge the run with.
    """
    # What does not hold as a file has no values worth a look.
    files = partial(_files, without=without, known=known or {})
    for checks in ((files,), (_provenance, _losses, _again, run.task.admission)):
        if found := [fault for check in checks for fault in caught(check, run)]:
            return found
    return []


def caught(check: Callable[[Run[Any]], Iterable[Fault]], run: Run[Any]) -> list[Fault]:
    """What a check finds; whatever a damaged file makes a reader raise is a finding as well."""
    try:
        return list(check(run))
    except Exception as error:
        if not _tells_of(run, error):
            raise
        where = getattr(error, "where", None)
        message = f"cannot be checked: {type(error).__name__}: {getattr(error, 'message', error)}"
        named = check.func if isinstance(check, partial) else check
        return [Fault(named.__name__.strip("_"), message, where)]


def _tells_of(run: Run[Any], error: Exception) -> bool:
    """Whether an error tells of the run's files, and not of the machine that reads them."""
    from pyarrow import ArrowException
    from safetensors import SafetensorError

    if any(
        isinstance(one, MemoryError) or (isinstance(one, OSError) and not _of_content(run, one))
        for one in _chain(error)
    ):
        return False
    return isinstance(error, (*DAMAGED, ArrowException, SafetensorError, OSError))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_content(run: Run[Any], error: OSError) -> bool:
    """Whether a file of the run is absent, or is no such file as its reader (Arrow, say) can read."""
    if error.errno is None:
        return True
    if not isinstance(error, ABSENT) or not isinstance(error.filename, str | bytes):
        return False
    path = Path(os.fsdecode(error.filename)).absolute()
    return any(path.is_relative_to(run.folder(name).absolute()) for name in run.specs)


def _files(
    run: Run[Any], without: Collection[StageName], known: Mapping[StageName, Sequence[BrokenFile]]
) -> Iterable[Fault]:
    """Every stage is done, and every file is what was written, from what now stands before it."""
    checked = verify_run(run, repair=False, known=known)
    for name in checked.unfinished:
        if name not in without:
            _require_readable(run.folder(name) / "DONE")
            yield Fault("files", f"stage {name} is not done", str(run.folder(name)))
    for fault in checked.remaining:
        _require_readable(fault.path)
        yield Fault("files", f"{fault.stage}: {fault.reason}", str(fault.path))
    for name in checked.stale:
        message = f"stage {name} was made from other content than stands before it now"
        yield Fault("files", message, str(run.folder(name)))


def _require_readable(path: Path) -> None:
    """Raise what the machine says where it lets nobody open a file; that there is none is the run's fault."""
    try:
        path.open("rb").close()
    except ABSENT:
        return


def _provenance(run: Run[Any]) -> Iterable[Fault]:
    """The figures name the data, the weights and the stages that stand there, and none is blank."""
    from rushes.shards.manifest import load_manifest

    where = str(run.folder(run.maker("figures")) / METRICS_FILE)
    said: Mapping[str, Any] = run.scorecard().provenance
    recorded = (read_done(run.folder(run.maker("weights"))) or {})["summary"].get("weights")
    there = {
        "dataset": load_manifest(run.folder(run.dataset)).checksum,
        "weights": weights_sha256(run.folder(run.maker("weights")) / "model"),
    }
    for name, expected in there.items():
        if not said.get(name):
            yield Fault("fingerprints", f"the figures name no {name}", where)
        elif said[name] != expected:
            message = f"figures of {name} {said[name]:.12}..., there is {expected:.12}..."
            yield Fault("fingerprints", message, where)
    if recorded != there["weights"]:
        message = f"weights {recorded or 'blank'} are recorded, there is {there['weights']:.12}..."
        yield Fault("fingerprints", message, str(run.folder(run.maker("weights")) / "DONE"))
    signatures: Mapping[str, str] = said.get("signatures") or {}
    for name, signature in run.specs[run.maker("figures")].inputs.items():
        if signatures.get(name) != signature:
            message = f"figures of {name} {signatures.get(name) or '(blank)'}, this run has {signature}"
            yield Fault("fingerprints", message, where)


def _losses(run: Run[Any]) -> Iterable[Fault]:
    """Every training log is whole, its steps rise and its numbers are finite."""
    logs = sorted(run.folder(run.maker("weights")).rglob("events.jsonl"))
    if not logs and run.task.learns(run.recipe):
        yield Fault("losses", "training left no log", str(run.folder(run.maker("weights"))))
    for path in logs:
        yield from check_losses(path)


def _again(run: Run[Any]) -> Iterable[Fault]:
    """Evaluating the predictions once more gives the same figures, see `contradictions`."""
    stored = read_json(run.folder(run.maker("figures")) / METRICS_FILE)
    where = str(run.folder(run.maker("figures")) / METRICS_FILE)
    if odd := not_finite(stored):
        yield Fault("figures", f"{odd[0]} is not finite", where)
        return
    yield from check_figures(stored, where)
    with tempfile.TemporaryDirectory(prefix="rushes-admission-") as folder:
        stage = OpenStage(run.specs[run.maker("figures")], Path(folder), time.monotonic())
        run.task.work[run.maker("figures")](run, stage, lambda name, done, total, note: None)
        measured = read_json(Path(folder) / METRICS_FILE)
    # Runs that differ in a later stage only share this one; `_provenance` has looked at what it rests on.
    for place, said, found in contradictions(stored | {"provenance": {}}, measured | {"provenance": {}})[:5]:
        yield Fault("figures", f"{place} is {said}, the predictions give {found}", where)
