"""The recipe of the operations task: footage of people at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from rushes.recipe.labelled import LabelledSource, Word
from rushes.recipe.sections import (
    NAMED,
    Count,
    FamilyName,
    Phase,
    Prepare,
    Seconds,
    Section,
    Share,
    Source,
    SplitBySides,
    VlmEvaluate,
    VlmRecipe,
    VlmTrain,
    family_of,
    form_of_split,
)
from rushes.recipe.signing import Signs
from rushes.tasks.operations.preprocessing import ClipPreprocessing

MediaName = Literal["video", "frames"]
LabelSetName = Literal["openpack", "classes10"]
SplitName = Literal["earlier", "colour"]

OF_OPENPACK, OF_TABLE = "<openpack>", "<table>"
"""Layouts of a source; ``<...>`` keeps them out of the places that faults name."""


def _is_known(kind: Any) -> Any:
    if kind != "openpack":
        raise ValueError(f"expected 'openpack' or 'table', found {kind!r}"[:200])
    return kind


class OpenPackSource(Source):
    """Recordings in OpenPack's layout.

    Attributes:
        kind: layout of the recordings.
        media: frame folders as the dataset has them, or one normalised video per session.
        labels: label set, ``openpack`` or ``classes10``.
        split: a named split, or lists of subject ids under train, val and test.
    """

    kind: Annotated[Literal["openpack"], BeforeValidator(_is_known)] = "openpack"
    media: MediaName = "video"
    labels: LabelSetName = "openpack"
    split: Annotated[Annotated[SplitName, Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)] = (
        "earlier"
    )


class TableSource(LabelledSource):
    """Videos and folders of frames, with labels in the files of whatever tool.

    Attributes:
        kind: layout of the recordings.
        labels: to learn, in the order of all tables; null takes all that the annotation has, as they come.
            Others are counted, and their time is left out.
    """

    kind: Literal["table"] = "table"
    labels: Annotated[tuple[Word, ...], Field(min_length=1)] | None = None


def form_of_source(value: Any) -> str:
    """Which layout a source has."""
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return OF_TABLE if kind == "table" else OF_OPENPACK


class Twin(Section):
    """The synthetic dataset: how much of it, and how hard; its form is ``source.media``.

    Attributes:
        subjects: how many subject ids, in OpenPack's order: U0101, U0102, ...
        sessions: sessions of each subject.
        boxes: boxes packed in a session; a box takes about 45 s.
        difficulty: 0 (trivial) to 1 (hard).
        seed: of everything that is drawn.
    """

    subjects: Annotated[int, Field(ge=1, le=21)] = 8
    sessions: Annotated[int, Field(ge=1, le=9)] = 1
    boxes: Count = 4
    difficulty: Share = 0.5
    seed: int = 0


class PrepareClips(Prepare):
    """From sessions to shards of clips.

    Attributes:
        boundary_window_s: no clip asks about a moment nearer than this to a boundary.
        wide_pairs: pairs of operations whose boundary is drawn less sharply by annotators.
        wide_window_s: the same distance for those pairs.
        window_stride_s: step of the sliding windows of a timeline.
        window_splits: splits whose whole sessions are cut into windows.
        boundary_boost: how much more frames near the true boundary count for the entropy, motion and flow
            samplers, in training clips alone, since service knows no boundary: 0.5 is the earlier systems'
            factor 1.5.
    """

    boundary_window_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.5
    wide_pairs: tuple[tuple[str, str], ...] = ()
    wide_window_s: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    window_stride_s: Seconds = 1.0
    window_splits: tuple[Literal["train", "val", "test"], ...] = ("val", "test")
    boundary_boost: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0


class ClipPhase(Phase):
    """One phase of training.

    Attributes:
        ask: single frames (``captions``) or whole clips (``clips``).
    """

    ask: Literal["captions", "clips"] = "clips"


class TrainOnClips(VlmTrain):
    """How to train."""

    phases: Annotated[tuple[ClipPhase, ...], Field(min_length=1)] = (ClipPhase(),)


TRAIN_A_HEAD = TrainOnClips(
    phases=(ClipPhase(steps=600, batch_size=16, accumulate=1, learning_rate=1e-3),), augment=False
)
"""What a recipe leaves out of ``train`` where a head on frozen features is trained."""


class EvaluateClips(VlmEvaluate):
    """What is measured, on what.

    Attributes:
        first_clips: how many clips, in alphabetical order, are measured by themselves as well, as earlier
            systems were.
    """

    first_clips: Annotated[Count, Signs("evaluate")] = 30


class OperationsRecipe(VlmRecipe):
    """A whole job of the operations task.

    Attributes:
        twin: synthetic recordings, for as long as ``source.root`` is null.
    """

    task: Literal["operations"] = "operations"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "operations"
    source: Annotated[
        Annotated[OpenPackSource, Tag(OF_OPENPACK)] | Annotated[TableSource, Tag(OF_TABLE)],
        Discriminator(form_of_source),
    ] = OpenPackSource()
    twin: Twin = Twin()
    preprocessing: ClipPreprocessing = ClipPreprocessing()
    prepare: PrepareClips = PrepareClips()
    train: TrainOnClips = TrainOnClips()
    evaluate: EvaluateClips = EvaluateClips()

    families: ClassVar[tuple[FamilyName, ...]] = ("vlm", "frozen")

    @model_validator(mode="before")
    @classmethod
    def _a_head_has_its_own_defaults(cls, asked: Any) -> Any:
        if not isinstance(asked, Mapping) or family_of(asked.get("model")) != "frozen":
            return asked
        train = asked.get("train", {})
        if not isinstance(train, Mapping):
            return asked
        return {**asked, "train": {**TRAIN_A_HEAD.model_dump(include={"phases", "augment"}), **train}}

    @model_validator(mode="after")
    def _a_head_can_be_trained_so(self) -> OperationsRecipe:
        if family_of(self.model) != "frozen":
            return self
        if self.train.augment:
            raise ValueError("a frozen encoder sees every picture once, as it is: leave train.augment out")
        if any(phase.ask != "clips" for phase in self.train.phases):
            raise ValueError(
                "a head on frozen features is taught whole clips: write ask: clips in train.phases"
            )
        return self

    @property
    def drawn(self) -> OpenPackSource:
        """The source of a recipe whose recordings are drawn: the twin has no other layout."""
        assert isinstance(self.source, OpenPackSource), "a table without a root is a fault of its recipe"
        return self.source

    @model_validator(mode="after")
    def _split_has_what_is_used(self) -> OperationsRecipe:
        if self.preprocessing.labels or self.preprocessing.label_set:
            raise ValueError("preprocessing.labels and label_set follow from source.labels: leave them out")
        if self.prepare.boundary_boost and self.preprocessing.sampler not in ("entropy", "motion", "flow"):
            raise ValueError(
                f"prepare.boundary_boost: the sampler {self.preprocessing.sampler} knows no boundary; take "
                "entropy, motion or flow, or leave it out"
            )
        split, asked = self.source.split, self.evaluate.split
        if isinstance(split, dict) and (missing := [side for side in ("train", asked) if side not in split]):
            raise ValueError(f"source.split names nobody for {' and '.join(missing)}")
        return self


RECIPE = OperationsRecipe
