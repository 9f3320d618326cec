"""Recordings that nobody labelled through the trained model of a run, one unit a recording.

    OUT/index.html                the page; segments.csv and labels/ beside it: see their modules
    OUT/account.json              what became of every recording and of every file of the folder
    OUT/apply-<signature>/        units with receipts, quarantine, and answers/<unit>.parquet, tick after tick

A unit is answered once: it stands as long as its recording, the weights and the preprocessing are the same. So
a folder may grow, and the same command labels what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from rushes.engine import Unit, map_units
from rushes.errors import StageError, is_of_the_machine
from rushes.predict.ticks import Ticks, read_ticks, write_ticks
from rushes.prepare.outcomes import Outcomes
from rushes.prepare.stage import is_bad_input, reason_of
from rushes.runs.apply.contract import Apply
from rushes.runs.apply.found import Found, content_of
from rushes.runs.run import Run, RunJob
from rushes.stages import (
    OpenStage,
    StageSpec,
    account,
    quarantine,
    read_done,
    read_receipt,
    sha256_file,
    status,
    write_receipt,
)
from rushes.stages.inventory import printable

ANSWERS = "answers"


class Job(NamedTuple):
    """A recording to be answered about: key of its unit, where it lies, and what tells it from another."""

    key: str
    recording: Path
    content: str

    @classmethod
    def of(cls, key: str, recording: Path) -> Job:
        """Of a recording as it lies there; one that this user may not read tells nothing, and fails later."""
        try:
            return cls(key, recording, content_of(recording))
        except OSError as error:
            if is_of_the_machine(error):
                raise
            return cls(key, recording, "")


@dataclass(frozen=True)
class Labelling:
    """The trained model of a run before recordings, in this process or in one that it was sent to.

    Attributes:
        job: what makes the run again.
        folder: of the stage; answers go to ``answers`` in it.
    """

    job: RunJob
    folder: Path

    @cached_property
    def apply(self) -> Apply[Any]:
        """How its task labels recordings."""
        run = self.job.run()
        applied: Apply[Any] = run.task.apply(run)
        return applied

    def receipt_of(self, job: Job) -> dict[str, Any]:
        """Answer about a recording, tick after tick, and write the answers down.

        Raises:
            MediaError: the recording does not hold.
        """
        from rushes.train.threads import one_thread

        with one_thread():  # sums depend in their last bits on the threads that share them
            ticks, about = self.apply.ticks(job.recording)
        path = answers_of(self.folder, job.key)
        write_ticks(ticks, path)
        return {
            "content": job.content,
            "answers": sha256_file(path),
            "samples": int(ticks.asked.sum()),
            "ticks": len(ticks.said),
            "duration_s": None if about.duration_s is None else float(about.duration_s),
            "rate": None if about.fps is None else str(about.fps),
        }


def answers_of(folder: Path, key: str) -> Path:
    """Where the answers of a unit stand in the folder of their stage."""
    return folder / ANSWERS / f"{key}.parquet"


def spec_of_answers(run: Run[Any], apply: Apply[Any]) -> StageSpec:
    """What answers depend on, the recordings apart."""
    weights = run.maker("weights")
    done = read_done(run.folder(weights))
    assert done is not None, "`require_trained` says so"
    return StageSpec(
        "apply",
        1,
        {"task": run.task.name, "weights": done["summary"]["weights"], **apply.signs},
        {name: run.specs[name].signature for name in (run.dataset, weights)},
        owner=run.recipe.name,
    )


def require_same(spec: StageSpec, out: Path) -> None:
    """Refuse a folder that holds answers of another model: its label files would mix with ours.

    Raises:
        StageError: says what differs.
    """
    others = [one for one in out.glob(f"{spec.name}-*/recipe.json") if one.parent != spec.folder(out)]
    if others and not spec.folder(out).is_dir():
        raise StageError(
            f"another model's answers stand there: this one {status(spec, out).reason}",
            where=others[0].parent,
            cure="give --out a new folder, or move that one away",
        )


def answer(
    run: Run[Any],
    stage: OpenStage,
    found: Found,
    *,
    workers: int,
    tell: Callable[[int, int, str], None],
) -> Outcomes:
    """Answer about every recording that has no valid receipt, under the lock of the stage.

    Args:
        run: whose model answers.
        stage: open.
        found: the recordings.
        workers: processes, each with the model in its memory; 0 answers in this one, and a recording that
            brings the decoder down then ends the command.
        tell: told how many of how many recordings are done, and the last one's name.

    Returns:
        What became of each recording; whatever does not hold is in quarantine, and tried again next time.

    Raises:
        UnitError: a unit failed for another reason than its recording.
    """
    folder, names = stage.folder, found.names
    jobs = {key: Job.of(key, found.root / name) for key, name in names.items()}
    todo = [Unit(key, job) for key, job in jobs.items() if not _is_whole(folder, job)]
    reused = len(jobs) - len(todo)
    tell(reused, len(jobs), "looking")
    labelling = Labelling(RunJob.of(run), folder)
    with closing(map_units(labelling.receipt_of, todo, workers=workers)) as results:
        for done, result in enumerate(results, reused + 1):
            if result.error is None:
                write_receipt(folder, result.key, result.value)
            elif is_bad_input(result.error):
                quarantine(folder, result.key, reason_of(result.error, result.attempts))
            else:
                raise result.error.to_error(printable(names[result.key]))
            tell(done, len(jobs), printable(names[result.key]))
    _forget(folder, names)
    closed = account(folder, list(names)).close(1.0)
    return Outcomes.of(closed, {}, receipts_of(folder, names))


def receipts_of(folder: Path, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Receipts of the units that are done, in the order of the recordings."""
    found = ((key, read_receipt(folder, key)) for key in names)
    return {key: receipt for key, receipt in found if receipt is not None}


def ticks_of(folder: Path, key: str, labels: tuple[str, ...]) -> Ticks:
    """The answers of a unit that is done."""
    return read_ticks(answers_of(folder, key), labels)


def _is_whole(folder: Path, job: Job) -> bool:
    receipt, path = read_receipt(folder, job.key), answers_of(folder, job.key)
    if receipt is None or not job.content or receipt.get("content") != job.content:
        return False
    return path.is_file() and sha256_file(path) == receipt.get("answers")


def _forget(folder: Path, names: Mapping[str, str]) -> None:
    """Take the receipts of recordings that are gone; what they were answered stays, with their label files."""
    for kind in ("units", "quarantine"):
        for path in folder.glob(f"{kind}/*.json"):
            if path.stem not in names:
                path.unlink()
