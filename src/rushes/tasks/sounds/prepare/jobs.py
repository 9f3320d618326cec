"""The units of work of a scan: blocks of short sounds, or long recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rushes.prepare.stage import Job as AnyJob
from rushes.tasks.sounds.prepare.recording import RecordingJob, prepare_recording
from rushes.tasks.sounds.prepare.unit import Job, members_of, prepare_unit
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.sources.blocks import SoundScan
from rushes.tasks.sounds.sources.recordings import RecordingScan
from rushes.tasks.sounds.sources.windows import Cutting


@dataclass(frozen=True, slots=True)
class Jobs:
    """What there is to prepare.

    Attributes:
        jobs: key of a unit -> job.
        unit: prepares one of them; returns its receipt.
        members: key of a unit -> keys of the recordings in it, where it is a block of them and they are known.
    """

    jobs: Mapping[str, AnyJob]
    unit: Callable[[Any], dict[str, Any]]
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)


def jobs_of(scan: SoundScan | RecordingScan, recipe: SoundsRecipe, folder: Path) -> Jobs:
    """The jobs of a scan, which write below ``folder``."""
    preprocessing, asked = recipe.preprocessing, recipe.prepare
    if isinstance(scan, RecordingScan):
        assert isinstance(recipe.source, RecordingSource), "a scan is of the recipe's own source"
        cutting = Cutting.of(recipe.source, preprocessing)
        recordings = {
            one.key: RecordingJob(one, cutting, preprocessing, folder, asked.shard_bytes)
            for one in scan.recordings
        }
        return Jobs(recordings, prepare_recording)
    blocks = {
        block.key: Job(block, preprocessing, asked.longest_s, folder, asked.shard_bytes)
        for block in scan.blocks
    }
    return Jobs(blocks, prepare_unit, members_of(scan))
