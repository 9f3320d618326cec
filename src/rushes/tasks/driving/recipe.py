"""The recipe of the driving task: synchronised cameras of a vehicle and its own motion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

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
from rushes.tasks.driving.preprocessing import RigPreprocessing

BY_DEFAULT, BY_INDEX = "default", "index"
"""Splits with a meaning of their own, see `RigSource`."""

SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=100)]
PictureSide = Annotated[int, Field(ge=32, le=4096, multiple_of=2)]


class RigSource(Source):
    """Where the recordings are.

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
    split: Annotated[Annotated[SplitName, Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)] = (
        BY_DEFAULT
    )


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
    source: RigSource = RigSource()
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
