"""Work that a small task can take as it is: samples from recordings, and a page from a scorecard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import SourceError
from rushes.prepare.stage import Planned, prepare, remove_shards
from rushes.runs.run import Run
from rushes.runs.stage import REPORT_FILE, Made, Tell, is_drawn
from rushes.shards.manifest import split_folder
from rushes.shards.write import ShardWriter
from rushes.stages import OpenStage, read_json, write_atomic

if TYPE_CHECKING:
    from rushes.evaluate.pages import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A recording that is to become samples.

    Attributes:
        side: of the split.
        content: whatever its samples are cut from; a small value that can be sent to another process.
        truth: what is known of it, for ``recordings.json``.
    """

    side: str
    content: Any
    truth: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A training example.

    Attributes:
        key: unique in the dataset.
        fields: content by field, ``{"meta.json": ...}``.
        group: who or what must not stand on two sides.
        label: for the index; None where it has none.
    """

    key: str
    fields: Mapping[str, bytes]
    group: str
    label: str | None = None


SamplesOf = Callable[[Any], Iterable[Sample]]
"""Content of a recording -> its samples; a function at the top of a module, so that it can travel.

Raises a MediaError, SourceError or ValueError where the recording does not hold, which puts it into the
quarantine."""


def prepare_samples(
    run: Run[Any], stage: OpenStage, tell: Tell, recordings: Mapping[str, Raw], samples_of: SamplesOf
) -> Made:
    """Cut recordings into samples, one unit a recording; a `rushes.runs.stage.Work` but for its last two.

    Args:
        run, stage, tell: what every stage gets.
        recordings: by key.
        samples_of: cuts one.
    """
    asked = run.recipe.prepare
    planned = Planned(
        jobs={
            key: _Job(key, raw.side, raw.content, raw.truth, stage.folder, samples_of, asked.shard_bytes)
            for key, raw in recordings.items()
        },
        splits={raw.side for raw in recordings.values()},
        needed=("train", run.recipe.evaluate.split),
        faults={fault.key: fault.reason() for fault in run.scan.faults},
    )
    return fill_dataset(run, stage, tell, planned, _prepare_unit)


def fill_dataset(
    run: Run[Any], stage: OpenStage, tell: Tell, planned: Planned, unit: Callable[[Any], dict[str, Any]]
) -> Made:
    """Prepare what is planned, unit by unit; a `rushes.runs.stage.Work` but for its last two.

    Args:
        run, stage, tell: what every stage gets.
        planned, unit: see `rushes.prepare.stage.prepare`.
    """
    name = stage.spec.name
    prepared = prepare(
        replace(planned, inventory=run.inventory),
        unit,
        run.home(name),
        run.recipe.preprocessing,
        run.recipe.prepare,
        engine=run.engine,
        on_progress=partial(tell, name),
    )
    return prepared.summary(), prepared.account.counts


@dataclass(frozen=True, slots=True)
class _Job:
    """A `rushes.prepare.stage.Job`."""

    key: str
    split: str
    content: Any
    known: Mapping[str, Any]
    folder: Path
    samples_of: SamplesOf
    shard_bytes: int
    length_s: float = 0.0

    @property
    def place(self) -> Path | str:
        """Where a fault of it is."""
        return self.content if isinstance(self.content, Path) else self.key

    def truth(self) -> dict[str, Any]:
        return dict(self.known)


def _prepare_unit(job: _Job) -> dict[str, Any]:
    remove_shards(job.folder, job.split, job.key)  # of a run that was killed before its receipt
    count = 0
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, job.key, job.shard_bytes, split=job.split) as writer:
        try:
            for sample in job.samples_of(job.content):
                writer.write(sample.key, sample.fields, group=sample.group, label=sample.label)
                count += 1
        except ValueError as error:  # broken JSON and text, and whatever numpy refuses
            raise SourceError(f"it does not hold: {error}", where=job.place) from error
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": count,
        "clips": {"sample": count},
        "duration_s": 0.0,
    }


def report(run: Run[Any], stage: OpenStage, tell: Tell) -> Made:
    """Write the page that any scorecard gives; a `rushes.runs.stage.Work`."""
    from rushes.evaluate.pages import Section, facts, page, parts, result, systems

    card = run.scorecard()
    kinds = dict.fromkeys(part.kind for part in card.parts[1:])
    sections = [
        Section("Result", result(card)),
        Section("All systems", systems(card)),
        *(Section(f"By {kind}", parts(card, kind)) for kind in kinds),
        Section("Preprocessing", facts(run.recipe.preprocessing.model_dump(mode="json"))),
        Section("Provenance", facts(card.provenance)),
    ]
    write_atomic(stage.folder / REPORT_FILE, page(head_of(run), sections))
    return {"file": REPORT_FILE}, {}


def head_of(run: Run[Any], model: str = "", **sizes: object) -> Head:
    """Head of the page of a run.

    Args:
        run: measured.
        model: what was trained, in a few words; the name in the recipe without it.
        sizes: what was counted, beside the samples of the side that was measured.
    """
    from rushes.evaluate.pages import Head, Section, account
    from rushes.evaluate.scorecard import counted

    card = run.scorecard()
    whole = card.all
    begun = read_json(run.folder(run.maker("figures")) / "recipe.json")  # a repair keeps it
    return Head(
        title=run.recipe.name,
        what=f"report of a run of {run.task.name}"
        + (", on drawn recordings" if is_drawn(run.recipe) else ""),
        date=datetime.fromisoformat(begun["created"]),
        command=begun.get("command", ""),
        model=model or str(getattr(getattr(run.recipe, "model", None), "name", run.task.name)),
        sizes={
            "training samples": len(run.samples("train")),
            f"{card.split} samples": f"{whole.n:,} in {counted(whole.clusters.count, whole.clusters.by)}",
            **sizes,
        },
        closing=[Section("What became of every file", account(told))] if (told := run.account()) else [],
    )
