"""``rushes apply``: find the recordings of a folder, answer about each, write label files and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.prepare.outcomes import Outcomes, write_account
from rushes.recipe.annotation import FormatName
from rushes.runs.apply.answer import (
    answer,
    receipts_of,
    require_same,
    spec_of_answers,
    ticks_of,
)
from rushes.runs.apply.contract import Apply
from rushes.runs.apply.found import Found, find
from rushes.runs.apply.labelled import Labelled, least_sure_first
from rushes.runs.apply.labels import Written, write_labels
from rushes.runs.apply.page import PAGE, write_page
from rushes.runs.run import Run
from rushes.stages import Inventory, OpenStage, make_folder, read_json, read_quarantine, working
from rushes.stages.inventory import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of a folder of recordings.

    Attributes:
        out: where everything stands.
        labelled: recordings that were answered about, those of which the model is least sure first.
        outcomes: what became of each recording.
        files: what became of each file.
        bad: entries of the quarantine.
        written: label files.
        remark: how labels follow from what the model says.
    """

    out: Path
    labelled: Sequence[Labelled]
    outcomes: Outcomes
    files: Inventory
    bad: Sequence[Mapping[str, Any]]
    written: Written
    remark: str

    @property
    def page(self) -> Path:
        """The page."""
        return self.out / PAGE

    def text(self) -> str:
        """For people; where everything stands comes last."""
        told = [self.outcomes.summary(), *self.files.text(), f"labels: {self.remark}"]
        told += [f"faulty: {printable(one['name'])}: {one['reason']['message']}" for one in self.bad]
        told += [
            f"kept: {printable(name)} was changed since it was written; move it away to have it written again"
            for name in self.written.kept
        ]
        told += [f"not written: {printable(name)}: {why}" for name, why in self.written.refused.items()]
        told += [f"lost: {note}" for note in self.written.lost]
        told += [f"label file: {self.out / name}" for name in self.written.whole]
        if self.written.each:
            told.append(f"label files: {len(self.written.each):,} below {self.out}")
        return "\n".join([*told, f"page: {self.page}"])

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "out": str(self.out),
            "page": str(self.page),
            "recordings": [one.to_json() for one in self.labelled],
            "quarantine": list(self.bad),
            "labels": self.written.to_json() | {"how": self.remark},
            "account": {"recordings": self.outcomes.to_json(), "files": self.files.to_json()},
        }


def apply_run(
    run: Run[Any],
    folder: Path,
    out: Path,
    formats: Sequence[FormatName],
    *,
    workers: int,
    tell: Callable[[int, int, str], None],
) -> Applied:
    """Label the recordings of a folder with the trained model of a run; nothing is trained.

    Args:
        run: whose training is done.
        folder: of recordings; what is in it is only read.
        out: where answers go; another folder.
        formats: of label files, see `rushes.runs.apply.labels.formats_of`.
        workers, tell: see `rushes.runs.apply.answer.answer`.

    Raises:
        RecipeError: the task gives no labels over time, or there is no such folder.
        SourceError: no recording lies in it.
        StageError: the model is not trained, or another model's answers stand in ``out``.
    """
    apply = run.task.apply(run)
    found = find(folder, out, apply.recording_of)
    apply.require_trained("apply")
    spec = spec_of_answers(run, apply)
    make_folder(out)
    require_same(spec, out)
    with working(spec, out, reopen=True) as stage:
        outcomes = answer(run, stage, found, workers=workers, tell=tell)
        labelled = labelled_of(stage.folder, found, apply)
        written = write_labels(labelled, out, stage.folder, formats, apply.model, apply.player)
        files = found.inventory.settle(outcomes.of_recordings({}))
        write_account(out, outcomes, files)
        head = _head(run, stage, apply.remark, outcomes, files)
        write_page(head, labelled, apply.labels, apply.player, found.root, out)
        bad = [{**one, "name": found.names[one["unit"]]} for one in read_quarantine(stage.folder)]
        stage.finish({"account": [outcomes.summary(), files.summary()]}, {"recordings": len(labelled)})
    return Applied(
        out=out,
        labelled=labelled,
        outcomes=outcomes,
        files=files,
        bad=bad,
        written=written,
        remark=apply.remark,
    )


def labelled_of(folder: Path, found: Found, apply: Apply[Any]) -> list[Labelled]:
    """The recordings that were answered about, those of which the model is least sure first."""
    rows = []
    for key, receipt in receipts_of(folder, found.names).items():
        ticks = ticks_of(folder, key, apply.labels)
        rows.append(Labelled.of(found.names[key], key, receipt, ticks, apply.shown(ticks), apply.background))
    return least_sure_first(rows)


def _head(run: Run[Any], stage: OpenStage, remark: str, outcomes: Outcomes, files: Inventory) -> Any:
    from datetime import datetime

    from rushes.evaluate.pages import Head, Section, account
    from rushes.stages import read_done

    weights = run.maker("weights")
    done = read_done(run.folder(weights))
    assert done is not None
    return Head(
        title=run.recipe.name,
        what="recordings as a trained model labels them, to look at and to correct",
        date=datetime.fromisoformat(done["finished"]),
        command=printable(read_json(stage.folder / "recipe.json").get("command", "")),
        model=str(getattr(getattr(run.recipe, "model", None), "name", run.task.name)),
        sizes={"recordings": outcomes.planned},
        more={"labels": remark},
        closing=[
            Section(
                "What became of every file",
                account({"recordings": outcomes.to_json(), "files": files.to_json()}),
            )
        ],
    )
