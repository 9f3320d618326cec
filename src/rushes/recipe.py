"""The recipe: one YAML file that says everything about one job.

Every section has a default for every field, so a recipe names only what differs. `recipe_file` reads one and
refuses a wrong one as a whole.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from rushes.contract import Preprocessing

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0.0)]
MediaName = Literal["video", "frames"]
LabelSetName = Literal["openpack", "classes10"]
SplitName = Literal["earlier", "colour"]
Side = Literal["train", "val", "test"]

TINY = "tiny"
RELEASED = tuple(f"Qwen/Qwen2.5-VL-{size}-Instruct" for size in ("3B", "7B", "32B", "72B"))


def nearest_released(name: str) -> str | None:
    """The released checkpoint that ``name`` may mean, if it names one that was never released; else None.

    >>> nearest_released("Qwen/Qwen2.5-VL-2B")
    'Qwen/Qwen2.5-VL-32B-Instruct'
    """
    asked = re.search(r"qwen2\.?5-vl", name, re.IGNORECASE) is not None and not Path(name).is_dir()
    if not asked or re.search(r"(?<!\d)(3|7|32|72)B", name, re.IGNORECASE):
        return None
    return difflib.get_close_matches(name, RELEASED, n=1, cutoff=0.0)[0]


def _form_of_split(value: Any) -> str:
    return "<sides>" if isinstance(value, Mapping) else "<name>"


NamedSplit = Annotated[SplitName, Tag("<name>")]
SplitOfSubjects = Annotated[dict[Side, Annotated[tuple[str, ...], Field(min_length=1)]], Tag("<sides>")]


class Section(BaseModel):
    """A part of the recipe: frozen, and without room for a misspelt key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(Section):
    """Where the recordings are.

    Attributes:
        kind: layout of the recordings.
        root: folder of raw recordings; null takes the twin's.
        media: frame folders as the dataset has them, or one normalised video per session.
        labels: label set, ``openpack`` or ``classes10``.
        split: a named split, or lists of subject ids under train, val and test.
    """

    kind: Literal["openpack"] = "openpack"
    root: Path | None = None
    media: MediaName = "video"
    labels: LabelSetName = "openpack"
    split: Annotated[NamedSplit | SplitOfSubjects, Discriminator(_form_of_split)] = "earlier"

    @field_validator("root")
    @classmethod
    def _home(cls, root: Path | None) -> Path | None:
        return None if root is None else root.expanduser()


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


class Prepare(Section):
    """From recordings to shards.

    Attributes:
        boundary_window_s: no clip asks about a moment nearer than this to a boundary.
        wide_pairs: pairs of operations whose boundary is drawn less sharply by annotators.
        wide_window_s: the same distance for those pairs.
        window_stride_s: step of the sliding windows of a timeline.
        window_splits: splits whose whole sessions are cut into windows.
        shard_bytes: greatest size of a shard.
        max_quarantine: greatest share of bad sessions.
        timeout_s: longest time for one recording.
        workers: processes; 0 works in this one. Not part of the signature.
    """

    boundary_window_s: Annotated[float, Field(ge=0.0, le=5.0)] = 0.5
    wide_pairs: tuple[tuple[str, str], ...] = ()
    wide_window_s: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    window_stride_s: Seconds = 1.0
    window_splits: tuple[Literal["train", "val", "test"], ...] = ("val", "test")
    shard_bytes: Annotated[int, Field(ge=1_000_000, le=200_000_000)] = 200_000_000
    max_quarantine: Share = 0.1
    timeout_s: Seconds = 3600.0
    workers: Annotated[int, Field(ge=0, le=256)] = 2


class Lora(Section):
    """LoRA on the seven projections of the language model.

    Attributes:
        rank: of the two factors of an update.
        alpha: the update counts ``alpha / rank`` times.
        dropout: of its input.
    """

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05


class Model(Section):
    """Which weights to start from.

    Attributes:
        name: ``tiny``, which is built from nothing and trained as a whole; a checkpoint folder; or a name on
            the hub.
        adapter: train LoRA, and leave the weights as they are; null trains all weights.
        precision: type of the weights.
        nf4: 4-bit weights, for an adapter.
    """

    name: Annotated[str, Field(min_length=1)] = TINY
    adapter: Lora | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    nf4: bool = False

    @field_validator("name")
    @classmethod
    def _released(cls, name: str) -> str:
        if (near := nearest_released(name)) is not None:
            raise ValueError(
                f"no checkpoint {name!r} was ever released; write {near}, or a checkpoint folder"
            )
        return name

    @model_validator(mode="after")
    def _adapter_fits(self) -> Model:
        if self.nf4 and self.adapter is None:
            raise ValueError("4-bit weights cannot be trained: add model.adapter, or set nf4: false")
        if self.name == TINY and self.adapter is not None:
            raise ValueError("tiny starts from random weights and is trained whole: leave model.adapter out")
        return self


class Phase(Section):
    """One phase of training.

    Attributes:
        ask: single frames (``captions``) or whole clips (``clips``).
        steps: optimizer steps.
        batch_size, accumulate: clips per forward pass and passes per optimizer step.
        learning_rate: peak of the cosine schedule.
    """

    ask: Literal["captions", "clips"] = "clips"
    steps: Count = 300
    batch_size: Count = 2
    accumulate: Count = 8
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-4


class Train(Section):
    """How to train: phases one after the other, the rest shared by all.

    Attributes:
        phases: at least one.
        warmup: share of a phase's steps in which the learning rate rises.
        weight_decay: of matrices.
        clip_norm: greatest norm of a gradient.
        muon: learning rate of Muon on hidden matrices in units of the phase's; 0 is AdamW alone, which is
            right for adapters; a model that starts from nothing learns twice as fast with 5.
        augment: change pictures at random.
        checkpoint_every, keep: optimizer steps between two checkpoints, and how many stay. Neither these nor
            ``log_every`` are part of the signature.
        log_every: optimizer steps between two reports of the loss.
        seed: of weights, order and everything drawn.
    """

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = (Phase(),)
    warmup: Share = 0.05
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    clip_norm: Seconds = 1.0
    muon: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    augment: bool = True
    checkpoint_every: Count = 50
    keep: Count = 3
    log_every: Count = 10
    seed: int = 0


class Evaluate(Section):
    """What is measured, on what.

    Attributes:
        split: the split that is reported.
        contract_clips: size of the contract subset, the first clips in alphabetical order.
        compare: what else answers the same questions, beside the trained model.
        resamples: bootstrap draws behind every interval.
        batch_size: clips answered at a time.
    """

    split: Literal["val", "test"] = "test"
    contract_clips: Count = 30
    compare: tuple[Literal["untrained", "no_vision", "shuffled"], ...] = (
        "untrained",
        "no_vision",
        "shuffled",
    )
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    batch_size: Count = 16


class Recipe(Section):
    """A whole job.

    Attributes:
        task: what is learnt.
        name: of the report.
        source: where the recordings are.
        twin: synthetic recordings, for as long as ``source.root`` is null.
        preprocessing: how a clip becomes a question; trained, measured and served with the same one.
        prepare: from recordings to shards.
        model: which weights to start from.
        train: how to train.
        evaluate: what is measured, on what.
    """

    task: Literal["operations"] = "operations"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "operations"
    source: Source = Source()
    twin: Twin = Twin()
    preprocessing: Preprocessing = Preprocessing()
    prepare: Prepare = Prepare()
    model: Model = Model()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _split_has_what_is_used(self) -> Recipe:
        if self.preprocessing.labels or self.preprocessing.label_set:
            raise ValueError("preprocessing.labels and label_set follow from source.labels: leave them out")
        split, asked = self.source.split, self.evaluate.split
        if isinstance(split, dict) and (missing := [side for side in ("train", asked) if side not in split]):
            raise ValueError(f"source.split names nobody for {' and '.join(missing)}")
        return self
