"""The twin of driving, its script: which clips there are, what each lacks, on which clocks, and the truth.

No pixels here. A clip is a drive of some seconds, seen by the cameras of a rig, each on its own clock, with
a table of the vehicle's poses that starts earlier, ends later and runs at another rate than the pictures.
Scene, light, country and hour are drawn independently of the speed: only motion tells it.

`motion` knows where the vehicle is, the other files draw what its cameras see, and `writer` writes it down in
the layout of the PhysicalAI-Autonomous-Vehicles dataset.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rushes.runs.drawing import require, seeded
from rushes.tasks.driving.recipe import RoadTwin
from rushes.tasks.driving.sources.physical_ai_av.layout import CAMERAS
from rushes.tasks.driving.twin.motion import RoadMotion, draw_motion

Split = Literal["train", "val", "test"]
SceneKind = Literal["town", "suburb", "country"]

REFERENCE = CAMERAS[0]
"""The camera that no clip lacks."""

COUNTRIES = ("Austria", "Finland", "Germany", "Italy", "Portugal", "United States")
PLATFORMS = ("hyperion_8", "hyperion_8.1")

EXTRA_FRAMES = 5
"""Frames beyond the clip's length: a real clip of 20 s at 30 frames a second has 605."""


@dataclass(frozen=True, slots=True)
class DrivingSettings:
    """How much of a twin, how hard, and in which form.

    Attributes:
        train, val, test: clips of each split, damaged ones included.
        clip_s: length of a clip, seconds; 20 in the real dataset.
        cameras: those to draw, of `CAMERAS`; the others are absent from the whole twin.
        size: width and height of the pictures, pixels.
        fps: frames a second.
        gop: frames from one key frame to the next.
        b_frames: B-frames in a row at most.
        difficulty: 0 (trivial) to 1 (hard): texture and noise, clutter, light, changes of speed.
        missing_share: share of clips in which a camera other than the front wide one is absent.
        without_egomotion: train clips without a table of poses.
        invalid: train clips that the index marks as not valid.
        chunk_clips: clips in one series of archives; about 100 in the real dataset.
        seed: same seed and settings, same files.

    Raises:
        SourceError: a value out of its range.
    """

    train: int = 8
    val: int = 2
    test: int = 4
    clip_s: float = 8.0
    cameras: tuple[str, ...] = CAMERAS
    size: tuple[int, int] = (480, 270)
    fps: int = 30
    gop: int = 30
    b_frames: int = 1
    difficulty: float = 0.5
    missing_share: float = 0.1
    without_egomotion: int = 1
    invalid: int = 1
    chunk_clips: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        counts, cameras = (self.train, self.val, self.test), self.cameras
        damaged, shares = (self.without_egomotion, self.invalid), (self.difficulty, self.missing_share)
        require(
            {
                f"train, val, test must be 0 or more, found {self.train}, {self.val}, {self.test}": (
                    min(counts) >= 0 and self.clips >= 1
                ),
                f"clip_s must be 0.5 to 120, found {self.clip_s}": 0.5 <= self.clip_s <= 120.0,
                f"cameras must be some of {', '.join(CAMERAS)}, each once, found {cameras}": (
                    0 < len(cameras) == len(set(cameras) & set(CAMERAS))
                ),
                f"size must be even, 32 to 4096, found {self.size}": all(
                    side % 2 == 0 and 32 <= side <= 4096 for side in self.size
                ),
                f"fps must be 1 to 120, found {self.fps}": 1 <= self.fps <= 120,
                f"gop must be 1 or more, b_frames 0 to 3, found {self.gop} and {self.b_frames}": (
                    self.gop >= 1 and 0 <= self.b_frames <= 3
                ),
                f"difficulty and missing_share must be 0 to 1, found {self.difficulty}, {self.missing_share}": all(
                    0.0 <= share <= 1.0 for share in shares
                ),
                f"without_egomotion and invalid count train clips, of which there are {self.train}, "
                f"found {self.without_egomotion} and {self.invalid}": (
                    min(damaged) >= 0 and sum(damaged) <= self.train
                ),
                f"chunk_clips must be at least 1, found {self.chunk_clips}": self.chunk_clips >= 1,
            }
        )

    @property
    def clips(self) -> int:
        """Clips of all splits."""
        return self.train + self.val + self.test


def settings_of(twin: RoadTwin, cameras: Sequence[str]) -> DrivingSettings:
    """What a recipe wants drawn, by the cameras of its setup."""
    return DrivingSettings(
        train=twin.train,
        val=twin.val,
        test=twin.test,
        clip_s=twin.clip_s,
        cameras=tuple(sorted(cameras)),
        size=twin.picture,
        difficulty=twin.difficulty,
        missing_share=twin.missing,
        seed=twin.seed,
    )


@dataclass(frozen=True, slots=True)
class DrivingUnit:
    """One clip: what is drawn by itself, and all that the tables say of it.

    Attributes:
        clip_id: a UUID.
        chunk: number of its archive series.
        split: side of the source's own index.
        valid: what the index says of it.
        cameras: those that are there.
        egomotion: whether the table of poses is there.
        scene: what stands along the road.
        country, month, hour, platform: tags of the data collection.
    """

    clip_id: str
    chunk: int
    split: Split
    valid: bool
    cameras: tuple[str, ...]
    egomotion: bool
    scene: SceneKind
    country: str
    month: int
    hour: int
    platform: str

    @property
    def key(self) -> str:
        """Unique in the twin."""
        return self.clip_id


def units(settings: DrivingSettings) -> list[DrivingUnit]:
    """The clips of a twin, chunk by chunk; splits and damages are spread over all chunks."""
    rng = seeded(settings.seed, "clips")
    sides = [side for side in get_args(Split) for _ in range(getattr(settings, side))]
    splits = [sides[number] for number in rng.permutation(len(sides))]
    train = rng.permutation([number for number, split in enumerate(splits) if split == "train"]).tolist()
    blind, invalid = (
        train[: settings.without_egomotion],
        train[settings.without_egomotion :][: settings.invalid],
    )
    lacking = rng.permutation(settings.clips)[: round(settings.missing_share * settings.clips)].tolist()
    return [
        _unit(settings, number, split, number not in invalid, number not in blind, number in lacking)
        for number, split in enumerate(splits)
    ]


def truth(settings: DrivingSettings, key: str) -> RoadMotion:
    """Where the vehicle of clip ``key`` truly is: ``truth(settings, key).at(times_s)`` on the clip's clock.

    Known over the whole table of poses and a little beyond.
    """
    rng = seeded(settings.seed, "motion", key)
    before_s, after_s = rng.uniform(0.6, 1.4, 2) * settings.clip_s + 1.0
    return draw_motion(rng, -before_s, settings.clip_s + after_s, settings.difficulty)


def frame_timestamps(settings: DrivingSettings, key: str, camera: str) -> np.ndarray:
    """True times of a camera's frames, int64 microseconds of the clip's clock, (frames,).

    Every camera is triggered on its own: it begins up to half a period before zero, and each frame comes a
    little early or late. Some cameras have one frame less.
    """
    period_us = 1e6 / settings.fps
    frames = round(settings.clip_s * settings.fps) + EXTRA_FRAMES
    rng = seeded(settings.seed, "frames", key, camera)
    if camera != REFERENCE:
        frames -= int(rng.integers(2))
    first_us = -rng.uniform(0.05, 0.5) * period_us
    jitter_us = rng.uniform(-0.012, 0.012, frames) * period_us
    return np.rint(first_us + np.arange(frames) * period_us + jitter_us).astype(np.int64)


def egomotion_timestamps(settings: DrivingSettings, key: str) -> np.ndarray:
    """Times of the rows of the table of poses, int64 microseconds; 84 to 100 a second, drawn per clip."""
    motion, rng = truth(settings, key), seeded(settings.seed, "egomotion", key)
    period_us = 1e6 / rng.uniform(84.0, 100.0)
    first_us, last_us = motion.start_s * 1e6 + period_us, motion.end_s * 1e6 - period_us
    rows = int((last_us - first_us) // period_us)
    jitter_us = rng.uniform(-0.03, 0.03, rows) * period_us
    return np.rint(first_us + np.arange(rows) * period_us + jitter_us).astype(np.int64)


def _unit(
    settings: DrivingSettings, number: int, split: Split, valid: bool, egomotion: bool, lacking: bool
) -> DrivingUnit:
    clip_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"twin of driving/{settings.seed}/{number}"))
    rng = seeded(settings.seed, "tags", clip_id)
    optional = [camera for camera in settings.cameras if camera != REFERENCE]
    lost = str(rng.choice(optional)) if lacking and optional else None
    return DrivingUnit(
        clip_id=clip_id,
        chunk=number // settings.chunk_clips,
        split=split,
        valid=valid,
        cameras=tuple(camera for camera in settings.cameras if camera != lost),
        egomotion=egomotion,
        scene=get_args(SceneKind)[rng.integers(3)],
        country=str(rng.choice(COUNTRIES)),
        month=int(rng.integers(1, 13)),
        hour=int(rng.integers(7, 20)),
        platform=str(rng.choice(PLATFORMS)),
    )
