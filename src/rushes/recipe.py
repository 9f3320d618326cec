"""The recipe: one YAML file that says everything about one job.

Every section has a default for every field, so a recipe names only what differs. A wrong recipe is refused as
a whole: all faults at once, each with its line.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from rushes.contract import Preprocessing
from rushes.errors import RecipeError

MAX_RECIPE_BYTES = 1_000_000

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0.0)]
MediaName = Literal["video", "frames"]


class Section(BaseModel):
    """A part of the recipe: frozen, and without room for a misspelt key."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """Where the recordings are.

    Attributes:
        root: folder of raw recordings; null takes the twin's.
        media: frame folders as the dataset has them, or one normalised video per session.
        labels: label set, ``openpack`` or ``classes10``.
        split: a named split, or lists of subject ids under train, val and test.
    """

    kind: Literal["openpack"] = "openpack"
    root: Path | None = None
    media: MediaName = "video"
    labels: str = "openpack"
    split: str | dict[Literal["train", "val", "test"], tuple[str, ...]] = "earlier"


class Twin(Section):
    """The synthetic dataset: how much of it, how hard, in which form."""

    subjects: Count = 8
    sessions: Count = 1
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
    """LoRA on the seven projections of the language model."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05


class Model(Section):
    """Which weights to start from; ``tiny`` is built from nothing and trained as a whole."""

    name: str = "tiny"
    adapter: Lora | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    nf4: bool = False

    @model_validator(mode="after")
    def _adapter_fits(self) -> Model:
        if self.nf4 and self.adapter is None:
            raise ValueError("4-bit weights cannot be trained: add model.adapter, or set nf4: false")
        if self.name == "tiny" and self.adapter is not None:
            raise ValueError("tiny starts from random weights and is trained whole: leave model.adapter out")
        return self


class Phase(Section):
    """One phase of training.

    Attributes:
        ask: single frames (``captions``) or whole clips (``clips``).
        steps: optimizer steps.
        questions: whole questions per clip; they share the clip's pictures.
        moments: further questions per clip that are answered by the operation alone.
        batch_size, accumulate: clips per forward pass and passes per optimizer step.
        learning_rate: peak of the cosine schedule.
    """

    ask: Literal["captions", "clips"] = "clips"
    steps: Count = 300
    questions: Annotated[int, Field(ge=1, le=32)] = 1
    moments: Annotated[int, Field(ge=0, le=64)] = 0
    batch_size: Count = 2
    accumulate: Count = 8
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-4


class Train(Section):
    """How to train: phases one after the other, the rest shared by all.

    Attributes:
        phases: at least one.
        warmup: share of a phase's steps in which the learning rate rises.
        muon: learning rate of Muon on hidden matrices in units of the phase's; 0 is AdamW alone, which is
            right for adapters; a model that starts from nothing learns twice as fast with 5.
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
    """A whole job."""

    task: Literal["operations"] = "operations"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "operations"
    source: Source = Source()
    twin: Twin = Twin()
    preprocessing: Preprocessing = Preprocessing()
    prepare: Prepare = Prepare()
    model: Model = Model()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``section.key=value`` texts, values in YAML, applied in order.

    Raises:
        RecipeError: with every fault, its line, and the near name for a misspelt key.
    """
    text = _read(path)
    try:
        tree, root = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError.of([f"not YAML: {error}"], path) from None
    if not isinstance(tree, dict):
        raise RecipeError.of([f"expected keys such as task and source, found {type(tree).__name__}"], path)
    faults = _override(tree, overrides)
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        faults += [_fault(detail, root, path.name) for detail in error.errors()]
    if faults:
        raise RecipeError.of(faults, path)
    return recipe


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_RECIPE_BYTES:
            raise RecipeError.of([f"a recipe is at most {MAX_RECIPE_BYTES} bytes long"], path)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError.of([f"cannot be read: {error}"], path) from None


def _override(tree: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Write ``a.b=c`` texts into ``tree``; returns what was wrong with them."""
    faults = []
    for text in overrides:
        place, equals, value = text.partition("=")
        keys = place.split(".")
        if not equals or not all(keys):
            faults.append(f"--set {text}: write it as section.key=value")
            continue
        node: Any = tree
        for key in keys[:-1]:
            node = node[int(key)] if isinstance(node, list) and key.isdigit() else node.setdefault(key, {})
            if not isinstance(node, dict | list):
                break
        try:
            leaf: Any = int(keys[-1]) if isinstance(node, list) else keys[-1]
            node[leaf] = yaml.safe_load(value)
        except (TypeError, ValueError, IndexError, yaml.YAMLError) as error:
            faults.append(f"--set {text}: {error}")
    return faults


def _fault(detail: ErrorDetails, root: yaml.Node, name: str) -> str:
    """One pydantic error as ``file:line: place: what, and the near name``."""
    place = [part for part in detail["loc"] if part != "[key]"]
    line = _line(root, place)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "unknown key"
        near = difflib.get_close_matches(str(place[-1]), _siblings(place[:-1]), n=1, cutoff=0.5)
        message += (
            f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(_siblings(place[:-1]))}"
        )
    elif "input" in detail and not isinstance(detail["input"], Mapping | list | tuple):
        message += f", found {detail['input']!r}"
    return f"{name}:{line}: {'.'.join(map(str, place))}: {message}"


def _line(node: yaml.Node | None, place: Sequence[str | int]) -> int:
    """Line (from 1) of the deepest key of ``place`` that the file holds."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _siblings(place: Sequence[str | int]) -> list[str]:
    """Keys that the section at ``place`` knows."""
    section: Any = Recipe
    for part in place:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation if part in section.model_fields else section
        section = next((kind for kind in _models(annotation)), section)
    return list(section.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Pydantic models anywhere inside a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
