"""The recipe of the driving task: synchronised cameras of a vehicle and its own motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from rushes.recipe.pattern import Pattern, groups_of
from rushes.recipe.sections import (
    NAMED,
    Count,
    Phase,
    Prepare,
    Section,
    Share,
    Source,
    SplitBySides,
    VlmRecipe,
    VlmTrain,
    form_of_split,
)
from rushes.recipe.shares import Shares
from rushes.tasks.driving.preprocessing import RigPreprocessing

BY_DEFAULT, BY_INDEX = "default", "index"
"""Splits with a meaning of their own, see `ChunkSource`."""

ARCHIVES = "physical_ai_av"
"""Layout of a recipe that names none."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=100)]
PictureSide = Annotated[int, Field(ge=32, le=4096, multiple_of=2)]


class ChunkSource(Source):
    """Where the recordings are: a copy of PhysicalAI-Autonomous-Vehicles.

    Attributes:
        kind: layout of the recordings.
        root: folder with ``features.csv``, or its URL, as ``s3://bucket/prefix``; null takes the twin's.
        chunks: which chunks are used; all that are there without it.
        egomotion: the poses as recorded, or those computed afterwards (``offline``, where they are).
        split: ``default``, the sides of ``splits/default.parquet`` or, where there is none, of the clip index, as
            the publisher's kit takes them; ``index``, the clip index's own; the name of another table below
            ``splits/``; or lists of clip ids under train, val and test.
    """

    kind: Literal["physical_ai_av"] = "physical_ai_av"
    chunks: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    egomotion: Literal["recorded", "offline"] = "recorded"
    split: Annotated[Annotated[FileName, Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)] = (
        BY_DEFAULT
    )


Frame = Literal["enu", "ned"]
Offset = Annotated[float, Field(ge=-1e10, le=1e10)]


class FileSource(Source):
    """Where the recordings are, where each drive has files of its own.

    Attributes:
        group: regular expression on a drive's name with the named group ``group``: who must not stand on two sides;
            null takes what the layout knows, and else the drive itself.
        split: ``index``, the sides that the layout's own table gives; ``shares``, groups dealt out by ``shares``; or
            lists of groups under train, val and test.
        shares: of each side.
    """

    group: Pattern | None = None
    split: Annotated[
        Annotated[Literal["index", "shares"], Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)
    ] = "shares"
    shares: Shares = Shares()

    @field_validator("group")
    @classmethod
    def _names_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None and "group" not in groups_of(pattern):
            raise ValueError("no named group group; write it as (?P<group>...)")
        return pattern


class RigSource(FileSource):
    """Where the recordings are: a folder for each drive, with a video of each camera and poses or GPS fixes.

    Attributes:
        kind: layout of the recordings.
        cameras: camera of the setup -> pattern of its file's name without the suffix, as ``*_F``; null: cameras are
            called as their files.
        offset_s: seconds that are added to the cameras' times to give those of the poses; one number, or camera ->
            number. Null adds nothing, and refuses a video of which nothing says when it begins; so does one number
            of a video without a table of times where other videos have one.
        frame: world of ``poses.csv``: ``enu``, x east, y north, z up (or any other z-up world whose y is to the left
            of x), of a vehicle with x forward, y left, z up; or ``ned``, x north, y east, z down, of a vehicle with
            x forward, y right, z down.
        fix_sigma_m: standard deviation of each axis of a GPS fix.
        heading_above_mps: a vehicle that is slower has no heading by GPS.
    """

    kind: Literal["rig"] = "rig"
    cameras: Annotated[dict[str, str], Field(min_length=1)] | None = None
    offset_s: Offset | dict[str, Offset] | None = None
    frame: Frame | None = None
    fix_sigma_m: Annotated[float, Field(gt=0.0, le=100.0)] = 1.5
    heading_above_mps: Annotated[float, Field(gt=0.0, le=20.0)] = 1.0


class KittiSource(FileSource):
    """Where the recordings are: raw data of KITTI, whose cameras are ``image_00`` to ``image_03``.

    Attributes:
        kind: layout of the recordings.
    """

    kind: Literal["kitti"] = "kitti"


class NuScenesSource(FileSource):
    """Where the recordings are: nuScenes, whose cameras are ``CAM_FRONT`` and the like.

    Attributes:
        kind: layout of the recordings.
        version: folder of the tables.
    """

    kind: Literal["nuscenes"] = "nuscenes"
    version: FileName = "v1.0-trainval"


def kind_of(source: Any) -> Any:
    """Layout of a source, by its ``kind``."""
    return source.get("kind", ARCHIVES) if isinstance(source, Mapping) else getattr(source, "kind", ARCHIVES)


AnySource = Annotated[
    Annotated[ChunkSource, Tag(ARCHIVES)]
    | Annotated[RigSource, Tag("rig")]
    | Annotated[KittiSource, Tag("kitti")]
    | Annotated[NuScenesSource, Tag("nuscenes")],
    Discriminator(kind_of),
]


class RoadTwin(Section):
    """The synthetic dataset: how much of it, and how hard. It has the cameras of the setup.

    Attributes:
        train, val, test: clips of each side; of the training clips one has no poses, and the index calls
            another one invalid.
        clip_s: length of a clip; real ones last 20 s.
        picture: (width, height) in pixels of a camera's video.
        difficulty: 0 (trivial) to 1 (hard).
        missing: share of the clips that lack a camera.
        seed: of everything that is drawn.
    """

    train: Annotated[int, Field(ge=3)] = 48
    val: Count = 6
    test: Count = 12
    clip_s: Annotated[float, Field(ge=2.0, le=60.0)] = 8.0
    picture: tuple[PictureSide, PictureSide] = (256, 144)
    difficulty: Share = 0.5
    missing: Share = 0.05
    seed: int = 0


class PrepareWindows(Prepare):
    """From rigs to shards of windows.

    Attributes:
        stride: moments from the start of one window to the start of the next.
        max_quarantine: greatest share of bad clips; one that lacks a camera of the setup is skipped, not bad.
    """

    stride: Count = 8
    max_quarantine: Share = 0.25


class WindowPhase(Phase):
    """One phase of training.

    Attributes:
        ask: two pictures (``pairs``) or whole windows (``windows``).
    """

    ask: Literal["pairs", "windows"] = "windows"


class TrainOnWindows(VlmTrain):
    """How to train."""

    phases: Annotated[tuple[WindowPhase, ...], Field(min_length=1)] = (WindowPhase(),)


class DrivingRecipe(VlmRecipe):
    """A whole job of the driving task.

    Attributes:
        twin: synthetic recordings, for as long as ``source.root`` is null.
    """

    task: Literal["driving"] = "driving"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "driving"
    source: AnySource = ChunkSource()
    twin: RoadTwin = RoadTwin()
    preprocessing: RigPreprocessing = RigPreprocessing()
    prepare: PrepareWindows = PrepareWindows()
    train: TrainOnWindows = TrainOnWindows()

    @model_validator(mode="after")
    def _split_has_what_is_used(self) -> DrivingRecipe:
        split, asked = self.source.split, self.evaluate.split
        if isinstance(split, dict) and (missing := [side for side in ("train", asked) if side not in split]):
            raise ValueError(f"source.split names nobody for {' and '.join(missing)}")
        return self


RECIPE = DrivingRecipe
