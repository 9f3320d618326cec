"""The contract: what a finished run must show, on values, before it has a row in a leaderboard.

Hashes first: every stage is finished, and its files are what was written. Then values, as if no hash could be
trusted: figures follow from the predictions, predictions from the weights, losses are finite, more than one
class is answered, and a system that hears and sees nothing is beaten. A run that is whole and worth nothing
has *collapsed*; one whose files contradict each other is *invalid*.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rushes.campaign.judging.hashing import Hashed, known_faults
from rushes.campaign.judging.standing import NOT_TRIVIAL, Board
from rushes.campaign.records import State
from rushes.errors import AnswerError, MediaError, ModelError, ShardError, SourceError, StageError
from rushes.runs.admission import (
    Fault,
    check_figures,
    check_losses,
    contradictions,
    not_finite,
)
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, StageName
from rushes.runs.verify import verify_run
from rushes.stages import OpenStage, read_done, read_json

DAMAGED = (
    *(SourceError, MediaError, ShardError, StageError, ModelError, AnswerError),
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
)
"""What a reader raises of a damaged file. What the machine refuses (memory, a device, room on the disk, one
more open file) is not among it: that says nothing of the run."""

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What opening a file raises where none stands."""


def check_run(
    run: Run,
    board: Board,
    *,
    without: Collection[StageName] = (),
    hashed: Mapping[str, Hashed] | None = None,
) -> list[Fault]:
    """Everything in which a finished run breaks the contract; nothing in its folders is written.

    May load the model of the run, so it belongs into a worker. What damaged files raise is among the
    faults; what the machine refuses is raised, so that a run that could not be judged is judged again.

    Args:
        run: whose stages are to be done.
        board: the metric in which trivial systems must be beaten, and by how much.
        without: stages that the run may lack.
        hashed: stages that were hashed a moment ago for several runs, by the name of their folder; whichever
            is not among them, or was changed since, is hashed here.

    Raises:
        OSError, MemoryError, RuntimeError, RushesError: there is no room, memory, device or storage to
            judge the run with.
    """
    # What does not hold as a file has no values worth a look.
    files, worth = partial(_files, without=without, hashed=hashed or {}), partial(_worth, board=board)
    values = (_provenance, _losses, _again, run.task.admission)
    for checks in ((files,), values, (worth,)):
        if found := [fault for check in checks for fault in _caught(check, run)]:
            return found
    return []


def state_of(faults: Collection[Fault]) -> State:
    """The state of a run of which the contract says ``faults``.

    >>> state_of([]), state_of([Fault("worth", "no better than majority", kind="collapsed")])
    ('done', 'collapsed')
    """
    if not faults:
        return "done"
    return "collapsed" if all(fault.kind == "collapsed" for fault in faults) else "invalid"


def _caught(check: Callable[[Run], Iterable[Fault]], run: Run) -> list[Fault]:
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


def _tells_of(run: Run, error: Exception) -> bool:
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


def _of_content(run: Run, error: OSError) -> bool:
    """Whether a file of the run is absent, or is no such file as its reader (Arrow, say) can read."""
    if error.errno is None:
        return True
    if not isinstance(error, ABSENT) or not isinstance(error.filename, str | bytes):
        return False
    path = Path(os.fsdecode(error.filename)).absolute()
    return any(path.is_relative_to(run.folder(name).absolute()) for name in run.specs)


def _files(run: Run, without: Collection[StageName], hashed: Mapping[str, Hashed]) -> Iterable[Fault]:
    """Every stage is done, and every file is what was written, from what now stands before it."""
    checked = verify_run(run, repair=False, known=known_faults(run, hashed))
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


def _provenance(run: Run) -> Iterable[Fault]:
    """The figures name the data, the weights and the stages that stand there, and none is blank."""
    from rushes.shards.manifest import load_manifest

    where = str(run.folder("evaluate") / METRICS_FILE)
    said: Mapping[str, Any] = run.metrics()["provenance"]
    recorded = (read_done(run.folder("train")) or {})["summary"].get("weights")
    there = {
        "dataset": load_manifest(run.folder(run.dataset)).checksum,
        "weights": run.task.weights_sha256(run.folder("train") / "model"),
    }
    for name, expected in there.items():
        if not said.get(name):
            yield Fault("fingerprints", f"the figures name no {name}", where)
        elif said[name] != expected:
            message = f"figures of {name} {said[name]:.12}..., there is {expected:.12}..."
            yield Fault("fingerprints", message, where)
    if recorded != there["weights"]:
        message = f"weights {recorded or 'blank'} are recorded, there is {there['weights']:.12}..."
        yield Fault("fingerprints", message, str(run.folder("train") / "DONE"))
    signatures: Mapping[str, str] = said.get("signatures") or {}
    for name, signature in run.specs["evaluate"].inputs.items():
        if signatures.get(name) != signature:
            message = f"figures of {name} {signatures.get(name) or '(blank)'}, this run has {signature}"
            yield Fault("fingerprints", message, where)


def _losses(run: Run) -> Iterable[Fault]:
    """Every training log is whole, its steps rise and its numbers are finite."""
    logs = sorted(run.folder("train").rglob("events.jsonl"))
    if not logs:
        yield Fault("losses", "training left no log", str(run.folder("train")))
    for path in logs:
        yield from check_losses(path)


def _again(run: Run) -> Iterable[Fault]:
    """Evaluating the predictions once more gives the same figures, see `contradictions`."""
    stored = run.metrics()
    where = str(run.folder("evaluate") / METRICS_FILE)
    if odd := not_finite(stored):
        yield Fault("figures", f"{odd[0]} is not finite", where)
        return
    yield from check_figures(stored, where)
    with tempfile.TemporaryDirectory(prefix="rushes-contract-") as folder:
        stage = OpenStage(run.specs["evaluate"], Path(folder), time.monotonic())
        run.task.work[run.maker("figures")](run, stage, lambda name, done, total, note: None)
        measured = read_json(Path(folder) / METRICS_FILE)
    # Runs that differ in a later stage only share this one; `_provenance` has looked at what it rests on.
    for place, said, found in contradictions(stored | {"provenance": {}}, measured | {"provenance": {}})[:5]:
        yield Fault("figures", f"{place} is {said}, the predictions give {found}", where)


def _worth(run: Run, board: Board) -> Iterable[Fault]:
    """Every trivial system is beaten by what the board asks for."""
    head = run.task.headline(run.metrics())
    value = head["metrics"].get(board.metric)
    if value is None:
        known = ", ".join(head["metrics"])
        yield Fault("worth", f"there is no figure {board.metric}; there are {known}")
        return
    rivals = {
        name: found[board.metric]
        for name, found in head["baselines"].items()
        if name not in NOT_TRIVIAL and found.get(board.metric) is not None
    }
    for name, rival in rivals.items():
        if board.gain(value, rival) < board.worth * abs(rival) or board.gain(value, rival) <= 0:
            message = f"{board.metric} {value:.4f}, `{name}` has {rival:.4f}; asked for {board.asked}"
            yield Fault("worth", message, kind="collapsed")
