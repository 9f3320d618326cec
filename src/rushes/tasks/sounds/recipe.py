"""The recipe of the sounds task: short sounds with a class each, or nights of them, and small nets for a wearable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from rushes.recipe.annotation import Background
from rushes.recipe.labelled import LabelledSource
from rushes.recipe.net import Net
from rushes.recipe.pattern import Pattern, groups_of
from rushes.recipe.sections import (
    NAMED,
    Count,
    Evaluate,
    Prepare,
    Recipe,
    Seconds,
    Section,
    Share,
    Source,
    SplitBySides,
    Train,
    form_of_split,
)
from rushes.recipe.shares import Shares
from rushes.recipe.signing import UNSIGNED
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

Rate = Annotated[float, Field(gt=0.0, le=1.0)]


def _is_known(kind: Any) -> Any:
    if kind not in ("dreamcatcher", "folder"):
        raise ValueError(f"expected 'dreamcatcher', 'folder' or 'recordings', found {kind!r}"[:200])
    return kind


class SoundSource(Source):
    """Where the recordings are.

    Attributes:
        kind: layout of the recordings: ``dreamcatcher`` for the dataset's archives, ``folder`` for sound
            files anywhere below a folder.
        root: folder of the recordings, or its URL, as ``s3://bucket/prefix``; null takes the twin's.
        pattern: regular expression on a file's path below ``root``, with the named group ``label`` and, if it
            can be told, ``group``: who must not stand on two sides. Null takes the layout's own: the class is
            the folder that a file lies in.
        table: CSV below ``root`` with the columns ``file`` and ``label``, and ``group`` and ``split`` if they
            are known, in place of ``pattern``.
        split: ``index`` takes the sides that the source gives, ``shares`` deals groups out by ``shares``, or
            lists of groups under train, val and test.
        shares: of each side.
    """

    kind: Annotated[Literal["dreamcatcher", "folder"], BeforeValidator(_is_known)] = "dreamcatcher"
    pattern: Pattern | None = None
    table: str | None = None
    split: Annotated[
        Annotated[Literal["index", "shares"], Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)
    ] = "index"
    shares: Shares = Shares()

    @field_validator("pattern")
    @classmethod
    def _names_a_label(cls, pattern: str | None) -> str | None:
        if pattern is not None and "label" not in groups_of(pattern):
            raise ValueError("no named group label; write it as (?P<label>...)")
        return pattern

    @model_validator(mode="after")
    def _one_way_to_a_label(self) -> SoundSource:
        if self.pattern is not None and self.table is not None:
            raise ValueError("pattern and table both say what a sound's class is: leave one out")
        return self


class RecordingSource(LabelledSource):
    """Long recordings, such as nights, with labels in the files of whatever tool.

    They are cut into windows of ``preprocessing.clip_s``. A window has the class of the event with most time in it,
    where that is at least ``share`` of it; else it is background; one of which half or more has no label, or an
    ignored one, is left out. Events are the classes of ``preprocessing.labels`` but for ``background``.

    Attributes:
        kind: layout of the recordings.
        background_in: where the time that nobody labelled is background: in all of a recording, which somebody
            listened to as a whole, or between its first label and its last.
        hop_s: from the start of a window to that of the next; null takes half of ``preprocessing.clip_s``.
        share: of a window, from which on it has the class of an event.
    """

    kind: Literal["recordings"] = "recordings"
    background_in: Background = "recording"
    hop_s: Annotated[float, Field(ge=0.001)] | None = None
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


FILES, RECORDINGS = "<files>", "<recordings>"
"""Forms of a source; ``<...>`` keeps them out of the places that faults name."""


def form_of_source(value: Any) -> str:
    """Whether sounds have a class each, or are long recordings with labels."""
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return RECORDINGS if kind == "recordings" else FILES


class SleepTwin(Section):
    """The synthetic dataset: how much of it, and how hard.

    Attributes:
        train, val, test: wearers of each side.
        clips: of each wearer.
        difficulty: 0 (trivial) to 1 (hard).
        seed: of everything that is drawn.
    """

    train: Annotated[int, Field(ge=2)] = 10
    val: Count = 4
    test: Count = 4
    clips: Count = 80
    difficulty: Share = 0.5
    seed: int = 0


class PrepareSounds(Prepare):
    """From sounds to shards of spectrograms.

    Attributes:
        longest_s: a longer sound is set aside with its length: only its first ``preprocessing.clip_s`` would be
            heard, and may not be what its class says.
    """

    longest_s: Seconds = 30.0


class TrainOnSounds(Train):
    """How to train; the best epoch on the validation side is kept.

    Attributes:
        epochs: at most.
        patience: epochs without a better macro-F1 on the validation side after which training stops.
        batch_size: clips of an optimizer step.
        learning_rate: highest rate of the cosine schedule.
        floor: share of it that the cosine falls to.
        weight_decay: of matrices.
        clip_norm: greatest norm of a gradient; null does not clip.
        class_weights: of the loss, one for each class; ``balanced`` makes every class count the same.
        checkpoint_every, keep: optimizer steps between two checkpoints beside that of each epoch, and how
            many stay.
    """

    epochs: Count = 50
    patience: Count = 5
    batch_size: Count = 64
    learning_rate: Rate = 1e-3
    floor: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 1e-5
    clip_norm: Annotated[float, Field(gt=0.0)] | None = None
    class_weights: Literal["balanced"] | tuple[Annotated[float, Field(gt=0.0)], ...] | None = "balanced"
    checkpoint_every: Annotated[Count, UNSIGNED] = 1000
    keep: Annotated[Count, UNSIGNED] = 2


class Teacher(Section):
    """The net that teaches: trained as if by a recipe of its own, so that it is trained once for all pupils.

    Attributes:
        model: which net.
        train: how it is trained.
    """

    model: Net = Net(net="crnn")
    train: TrainOnSounds = TrainOnSounds()


class Distil(Section):
    """Knowledge distillation: the loss is ``soft_weight * temperature**2 * KL + (1 - soft_weight) * CE``.

    Attributes:
        teacher: the net that teaches.
        soft_weight: share of the teacher's opinion in it, 0 (none) to 1 (nothing else); alpha elsewhere.
        temperature: by which both nets' logits are divided; elsewhere tau.
    """

    teacher: Annotated[Teacher, UNSIGNED] = Teacher()
    soft_weight: Share = 0.7
    temperature: Annotated[float, Field(ge=0.1, le=100.0)] = 5.0


class Timelines(Section):
    """How whole recordings are measured: what is heard in them as events, beside the events that were labelled.

    Attributes:
        smooth_s: about the length of the running median by which probabilities are smoothed; for the system
            ``smoothed`` an event of less than half of that is none. Null takes ``preprocessing.clip_s``.
        collar_s: how far the onset of an event may be off; its offset too, or by ``offset_percent`` of its length.
        offset_percent: see there.
        segment_s: length of the segments of segment-based figures.
    """

    smooth_s: Annotated[float, Field(gt=0.0, le=3600.0)] | None = None
    collar_s: Annotated[float, Field(gt=0.0, le=60.0)] = 0.2
    offset_percent: Annotated[int, Field(ge=0, le=100)] = 20
    segment_s: Annotated[float, Field(ge=0.01, le=3600.0)] = 1.0


class EvaluateSounds(Evaluate):
    """What is measured, on what.

    Attributes:
        batch_size: clips answered at a time.
    """

    batch_size: Annotated[Count, UNSIGNED] = 64


class Deploy(Section):
    """The device that the net is for.

    Attributes:
        max_bytes: of its weights, 8 bits each where that can be.
        max_macs_per_s: multiplications and additions for a second of sound.
        calibration: clips of the training side by which the ranges of 8 bits are chosen.
        runs: timed calls behind the latency.
    """

    max_bytes: Count = 128_000
    max_macs_per_s: Count = 30_000_000
    calibration: Count = 128
    runs: Annotated[int, Field(ge=10, le=10_000)] = 200


class SoundsRecipe(Recipe):
    """A whole job of the sounds task.

    Attributes:
        source: where the recordings are.
        twin: synthetic recordings, for as long as ``source.root`` is null.
        preprocessing: how a sound becomes a spectrogram; trained, measured and served with the same one.
        prepare: which sounds are heard, and how large a shard may be.
        model: which net.
        train: how to train.
        distil: learn from a teacher as well; null does not.
        evaluate: what is measured, on what.
        timelines: how whole recordings are measured, where there are any.
        deploy: the device that the net is for.
    """

    task: Literal["sounds"] = "sounds"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "sounds"
    source: Annotated[
        Annotated[SoundSource, Tag(FILES)] | Annotated[RecordingSource, Tag(RECORDINGS)],
        Discriminator(form_of_source),
    ] = SoundSource()
    twin: SleepTwin = SleepTwin()
    preprocessing: SoundPreprocessing = SoundPreprocessing()
    prepare: PrepareSounds = PrepareSounds()
    model: Net = Net()
    train: TrainOnSounds = TrainOnSounds()
    distil: Distil | None = None
    evaluate: EvaluateSounds = EvaluateSounds()
    timelines: Timelines = Timelines()
    deploy: Deploy = Deploy()

    @model_validator(mode="after")
    def _parts_fit(self) -> SoundsRecipe:
        classes = len(self.preprocessing.labels)
        trained = [("train", self.train)]
        if self.distil is not None:
            trained.append(("distil.teacher.train", self.distil.teacher.train))
        for place, train in trained:
            if isinstance(train.class_weights, tuple) and len(train.class_weights) != classes:
                raise ValueError(
                    f"{place}.class_weights has {len(train.class_weights)} weights for {classes} classes"
                )
        if self.prepare.longest_s < self.preprocessing.clip_s:
            raise ValueError(
                f"prepare.longest_s is {self.prepare.longest_s:g} s, and preprocessing.clip_s "
                f"{self.preprocessing.clip_s:g} s: no sound may fill a clip"
            )
        if isinstance(self.source, RecordingSource):
            self._require_classes(self.source)
        split, needed = self.source.split, dict.fromkeys(("train", "val", self.evaluate.split))
        if isinstance(split, dict) and (missing := [side for side in needed if side not in split]):
            raise ValueError(f"source.split has nobody for {' and '.join(missing)}")
        return self

    def _require_classes(self, source: RecordingSource) -> None:
        """See that background is a class beside at least one event, and that windows leave nothing out."""
        labels, clip_s = self.preprocessing.labels, self.preprocessing.clip_s
        if source.background is not None and source.background not in labels:
            raise ValueError(
                f"source.background is {source.background}, which is not among preprocessing.labels "
                f"({', '.join(labels)}); add it there"
            )
        if source.hop_s is not None and source.hop_s > clip_s:
            raise ValueError(
                f"source.hop_s is {source.hop_s:g} s, and preprocessing.clip_s {clip_s:g} s: what lies between two "
                "windows would not be heard"
            )


RECIPE = SoundsRecipe
