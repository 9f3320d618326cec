"""The sections that recipes of all tasks share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from rushes.recipe.preprocessing import FramePreprocessing, Preprocessing
from rushes.recipe.signing import UNSIGNED, Signs

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0.0)]
Side = Literal["train", "val", "test"]
Comparison = Literal["untrained", "no_vision", "shuffled"]
Precision = Literal["float32", "bfloat16", "float16"]

Order = Literal["shuffled", "streamed"]
"""Of training samples: shuffled evenly, or shard by shard, where a cache does not hold all shards at once."""

FamilyName = Literal["vlm", "frozen"]
"""Of models: a vision language model, or a small head on the features of a frozen encoder."""

TINY = "tiny"
FROZEN: Final = "frozen"
SIZES = (3, 7, 32, 72)  # billions of parameters
RELEASED = tuple(f"Qwen/Qwen2.5-VL-{size}B-Instruct" for size in SIZES)


def nearest_released(name: str) -> str | None:
    """The released checkpoint nearest in size, if ``name`` names one that was never released; else None.

    >>> nearest_released("Qwen/Qwen2.5-VL-2B")
    'Qwen/Qwen2.5-VL-3B-Instruct'
    """
    asked = re.search(r"qwen2\.?5-vl", name, re.IGNORECASE) is not None and not Path(name).is_dir()
    size = re.search(r"(?<!\d)(\d+)B", name, re.IGNORECASE)
    billions = 0 if size is None else int(size[1])
    if not asked or billions in SIZES:
        return None
    return min(zip(SIZES, RELEASED, strict=True), key=lambda known: abs(known[0] - billions))[1]


NAMED, BY_SIDES = "<name>", "<sides>"
"""Forms of a split; ``<...>`` keeps them out of the places that faults name."""

SplitBySides = Annotated[dict[Side, Annotated[tuple[str, ...], Field(min_length=1)]], Tag(BY_SIDES)]


def form_of_split(value: Any) -> str:
    """Whether a split is named or spelt out."""
    return BY_SIDES if isinstance(value, Mapping) else NAMED


def _place(root: Any) -> Path | str:
    """A URL as it stands, a path with ``~`` filled in."""
    if not isinstance(root, Path | str):
        raise ValueError(f"expected a folder or a URL such as s3://bucket/prefix, found {root!r}"[:200])
    return root if "://" in str(root) else Path(root).expanduser()


PLACES = (("source", "root"), ("source", "attributes"), ("source", "sides"), ("probe", "root"))
"""Keys that hold a path, in the tasks that have them; it begins at the folder of the file that says it."""

File = Annotated[Path, AfterValidator(Path.expanduser)]
"""A file that a recipe names."""

Root = Annotated[Path | str, BeforeValidator(_place)]
"""Folder of recordings: a path, or a URL that fsspec knows, which stays text."""


class Section(BaseModel):
    """A part of the recipe: frozen, and without room for a misspelt key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(Section):
    """Where the recordings are.

    Attributes:
        root: folder of raw recordings, relative to the recipe's own where it is relative, or a URL, as
            ``s3://bucket/prefix``; null takes the twin's.
    """

    root: Annotated[Root | None, UNSIGNED] = None


class Prepare(Section):
    """From recordings to shards.

    Attributes:
        shard_bytes: greatest size of a shard.
        max_quarantine: greatest share of bad recordings.
        timeout_s: longest time for one recording.
        memory_gb: greatest private memory of one process, its imports (about 0.1) included; null is no bound.
        workers: processes; 0 works in this one, without the two bounds.
    """

    shard_bytes: Annotated[int, Field(ge=1_000_000, le=200_000_000)] = 200_000_000
    max_quarantine: Annotated[Share, UNSIGNED] = 0.1
    timeout_s: Annotated[Seconds, UNSIGNED] = 3600.0
    memory_gb: Annotated[Annotated[float, Field(ge=0.5)] | None, UNSIGNED] = 8.0
    workers: Annotated[int, Field(ge=0, le=256), UNSIGNED] = 2

    @property
    def memory_bytes(self) -> int | None:
        """``memory_gb`` in bytes."""
        return None if self.memory_gb is None else round(self.memory_gb * 1e9)


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


def require_checkpoint(name: str, otherwise: str) -> str:
    """A model's name with ``~`` filled in; a path must be that of a checkpoint folder.

    Args:
        name: of a folder, on the hub, or of a kind of model.
        otherwise: what else may be written, for the error.
    """
    if name.startswith("~"):
        name = str(Path(name).expanduser())
    if name.startswith(("/", ".")) and not Path(name, "config.json").is_file():
        raise ValueError(
            f"no checkpoint in {name!r}: config.json is missing; write a folder that save_pretrained wrote, "
            f"{otherwise}"
        )
    return name


class Model(Section):
    """Which weights to start from.

    Attributes:
        name: ``tiny``, which is built from nothing and trained as a whole; a checkpoint folder; or a name on
            the hub. What is signed is the content: a copy of a folder elsewhere is the same.
        revision: of a name on the hub: a commit, or a branch or tag; null is its main branch.
        adapter: train LoRA, and leave the weights as they are; null trains all weights.
        precision: type of the weights.
        nf4: 4-bit weights, for an adapter.
    """

    name: Annotated[str, Field(min_length=1), UNSIGNED] = TINY
    revision: Annotated[Annotated[str, Field(min_length=1)] | None, UNSIGNED] = None
    adapter: Lora | None = None
    precision: Precision = "float32"
    nf4: bool = False

    @field_validator("name")
    @classmethod
    def _exists(cls, name: str) -> str:
        name = require_checkpoint(name, f"or one of {', '.join(RELEASED)}")
        if (near := nearest_released(name)) is not None:
            raise ValueError(
                f"no checkpoint {name!r} was ever released; write {near}, or a checkpoint folder"
            )
        return name

    @model_validator(mode="after")
    def _adapter_fits(self) -> Model:
        if self.nf4 and self.adapter is None:
            raise ValueError("4-bit weights cannot be trained: add model.adapter, or set nf4: false")
        if self.precision == "float16" and self.adapter is None:
            raise ValueError(
                "weights in float16 cannot be trained: add model.adapter, or take bfloat16 or float32"
            )
        if self.name == TINY and self.adapter is not None:
            raise ValueError("tiny starts from random weights and is trained whole: leave model.adapter out")
        if self.name == TINY and self.precision != "float32":
            raise ValueError("tiny is built and trained in float32: leave model.precision out")
        if self.revision is not None and (self.name == TINY or Path(self.name).is_dir()):
            raise ValueError("only a name on the hub has a revision: leave model.revision out")
        return self


class Frozen(Section):
    """A frozen encoder of frames with a small head that is trained: a first model without a GPU.

    Attributes:
        name: ``frozen``.
    """

    name: Literal["frozen"] = FROZEN


def family_of(model: Any) -> FamilyName:
    """The family of a model section, as it is written or as it was read."""
    name = model.get("name") if isinstance(model, Mapping) else getattr(model, "name", None)
    return "frozen" if name == FROZEN else "vlm"


AnyModel = Annotated[
    Annotated[Model, Tag("<vlm>")] | Annotated[Frozen, Tag("<frozen>")],
    Discriminator(lambda model: f"<{family_of(model)}>"),
]


class Phase(Section):
    """One phase of training.

    Attributes:
        ask: what is asked; each task has its own choices.
        steps: optimizer steps.
        batch_size, accumulate: samples per forward pass and passes per optimizer step.
        learning_rate: peak of the cosine schedule.
    """

    ask: str
    steps: Count = 300
    batch_size: Count = 2
    accumulate: Count = 8
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-4


class Train(Section):
    """How to train.

    Attributes:
        seed: of weights, order and everything drawn.
        order: ``shuffled`` evenly, or ``streamed`` shard by shard, a few shards mixed at a time, which brings
            each shard of a remote dataset once an epoch where a cache does not hold all of them.
        checkpoint_every, keep: optimizer steps between two checkpoints, and how many stay.
        log_every: optimizer steps between two reports of the loss.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    order: Order = "shuffled"
    checkpoint_every: Annotated[Count, UNSIGNED] = 50
    keep: Annotated[Count, UNSIGNED] = 3
    log_every: Annotated[Count, UNSIGNED] = 10


class VlmTrain(Train):
    """How to train a vision language model: phases one after the other, the rest shared by all.

    Attributes:
        phases: at least one.
        warmup: share of a phase's steps in which the learning rate rises.
        weight_decay: of matrices.
        clip_norm: greatest norm of a gradient.
        muon: learning rate of Muon on hidden matrices in units of the phase's; 0 is AdamW alone, which is
            right for adapters; a model that starts from nothing learns twice as fast with 5.
        augment: change pictures at random.
    """

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    warmup: Share = 0.05
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    clip_norm: Seconds = 1.0
    muon: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    augment: bool = True


class Evaluate(Section):
    """What is measured, on what.

    Attributes:
        split: the side that is reported.
        batch_size: samples answered at a time.
    """

    split: Literal["val", "test"] = "test"
    batch_size: Annotated[Count, UNSIGNED] = 16


class VlmEvaluate(Evaluate):
    """What is measured, on what, beside which ablations.

    Attributes:
        compare: what else answers the same questions, beside the trained model.
        workers: processes that answer, each with the models in its own memory and one thread; 0 answers in
            this one, or, with ``--engine ray``, in as many as prepare has.
    """

    compare: Annotated[tuple[Comparison, ...], Signs("predict")] = ("untrained", "no_vision", "shuffled")
    workers: Annotated[int, Field(ge=0, le=256), UNSIGNED] = 0


class Serve(Section):
    """Bounds of a service; no answer depends on them.

    Attributes:
        at_once: requests that are worked on together.
        queue: more that may wait; whoever comes then is refused.
        max_mb: of what is uploaded in one request.
        max_pixels: width times height of a frame.
        max_frames: frames of a recording.
        max_s: seconds of a recording.
        max_decoded_gb: of all decoded frames of a recording.
        disk_mb: of all uploads together.
        memory_mb: of the process that decodes one upload.
        upload_s: longest time for an upload.
        deadline_s: longest time for an answer, from the moment that the upload is there.
        drain_s: how long a service that is told to stop waits for what it has begun.
        warm: processes that wait for an upload to decode.
    """

    at_once: Annotated[int, Field(ge=1, le=256)] = 4
    queue: Annotated[int, Field(ge=0, le=10_000)] = 8
    max_mb: Annotated[float, Field(gt=0.0)] = 512.0
    max_pixels: Count = 4096 * 2304
    max_frames: Count = 4 * 3600 * 30
    max_s: Seconds = 4 * 3600.0
    max_decoded_gb: Annotated[float, Field(gt=0.0)] = 4096.0
    disk_mb: Annotated[float, Field(gt=0.0)] = 4096.0
    memory_mb: Annotated[int, Field(ge=64)] = 1024
    upload_s: Seconds = 300.0
    deadline_s: Seconds = 1800.0
    drain_s: Seconds = 30.0
    warm: Annotated[int, Field(ge=0, le=64)] = 2


class Recipe(Section):
    """A whole job; each task has its own, with what only it needs.

    Attributes:
        task: what is learnt.
        name: of the report.
        source: where the recordings are.
        preprocessing: from a recording to what the model sees; trained, measured and served with the same one.
        prepare: from recordings to shards.
        train: how to train.
        evaluate: what is measured, on what.
        serve: what a service takes, and how much of it.
    """

    task: str
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    source: Source = Source()
    preprocessing: Preprocessing
    prepare: Prepare = Prepare()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    serve: Annotated[Serve, UNSIGNED] = Serve()


class VlmRecipe(Recipe):
    """A job that fine-tunes a vision language model, or trains another model that answers the same questions.

    Attributes:
        model: which weights to start from, or ``frozen``.
        families: of the models that the task has.
    """

    preprocessing: FramePreprocessing
    model: AnyModel = Model()
    train: VlmTrain
    evaluate: VlmEvaluate = VlmEvaluate()

    families: ClassVar[tuple[FamilyName, ...]] = ("vlm",)

    @field_validator("model")
    @classmethod
    def _has_family(cls, model: Model | Frozen) -> Model | Frozen:
        if (family := family_of(model)) not in cls.families:
            raise ValueError(
                f"{cls.model_fields['task'].default} has no {family} model; write {TINY}, a checkpoint folder, "
                f"or one of {', '.join(RELEASED)}"
            )
        return model
