"""Work that a small task can take as it is: samples from recordings, and a page from a scorecard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rushes.prepare.stage import Planned, prepare, remove_shards
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell
from rushes.shards.manifest import split_folder
from rushes.shards.write import ShardWriter
from rushes.stages import OpenStage


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

Raises a MediaError or SourceError where the recording does not hold, which puts it into the quarantine."""


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
            key: _Job(key, raw, stage.folder, samples_of, asked.shard_bytes)
            for key, raw in recordings.items()
        },
        splits={raw.side for raw in recordings.values()},
        needed=("train", run.recipe.evaluate.split),
        faults={fault.key: fault.reason() for fault in run.scan.faults},
    )
    prepared = prepare(
        planned,
        _prepare_unit,
        run.home(stage.spec.name),
        run.recipe.preprocessing,
        asked,
        engine=run.engine,
        on_progress=partial(tell, stage.spec.name),
    )
    return prepared.summary(), prepared.account.counts


@dataclass(frozen=True, slots=True)
class _Job:
    """A `rushes.prepare.stage.Job`."""

    key: str
    raw: Raw
    folder: Path
    samples_of: SamplesOf
    shard_bytes: int

    @property
    def split(self) -> str:
        return self.raw.side

    @property
    def length_s(self) -> float:
        return 0.0

    def truth(self) -> dict[str, Any]:
        return dict(self.raw.truth)


def _prepare_unit(job: _Job) -> dict[str, Any]:
    remove_shards(job.folder, job.split, job.key)  # of a run that was killed before its receipt
    count = 0
    place = split_folder(job.folder, job.split)
    with ShardWriter(place, job.key, job.shard_bytes, split=job.split) as writer:
        for sample in job.samples_of(job.raw.content):
            writer.write(sample.key, sample.fields, group=sample.group, label=sample.label)
            count += 1
        shards = writer.close()
    return {
        "split": job.split,
        "shards": [shard.to_json() for shard in shards],
        "samples": count,
        "clips": {"sample": count},
        "duration_s": 0.0,
    }
