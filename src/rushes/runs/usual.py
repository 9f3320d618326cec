"""The usual stages: twin, prepare, look, train, predict, evaluate, report. A task takes them, or replaces fields.

Recipes are imported inside of functions: `rushes --help` asks every task for its stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rushes.runs.stage import Cost, Stage, is_drawn


def samples(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    """All samples of the dataset; a `rushes.runs.stage.Amount`."""
    return sum(clips.values())


def asked(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float | None:
    """Samples of the side that is reported; a `rushes.runs.stage.Amount`."""
    return clips.get(part["evaluate"]["split"])


def frames(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    """Frames of all samples of the dataset; a `rushes.runs.stage.Amount`."""
    return float(sum(clips.values()) * dataset["preprocessing"]["frames"])


def is_frozen(recipe: Any) -> bool:
    """Whether a head on a frozen encoder is to be trained; a `Stage.asked`."""
    from rushes.recipe.sections import family_of

    return family_of(recipe.model) == "frozen"


def head_signs(recipe: Any) -> Mapping[str, Any]:
    """The head of a recipe that trains one; a `Stage.signs`."""
    from rushes.recipe.frozen import HEAD

    return {"head": HEAD.model_dump(mode="json")} if is_frozen(recipe) else {}


def encoding_signs(recipe: Any) -> Mapping[str, Any]:
    """The encoder that a head is trained on; a `Stage.signs`."""
    from rushes.recipe.frozen import ENCODING

    return {"encoding": ENCODING.model_dump(mode="json")}


TWIN = Stage(
    name="twin",
    purpose="Draw the synthetic recordings of a recipe.",
    makes="recordings",
    sections=("twin",),
    asked=is_drawn,
    units=True,
    cost=Cost(amount=samples),
)
PREPARE = Stage(
    name="prepare",
    purpose="Cut recordings into samples, choose frames, write shards.",
    makes="dataset",
    sections=("source", "preprocessing", "prepare"),
    inputs=("twin",),
    units=True,
    cost=Cost(amount=samples, assumed_s=0.05),  # a clip of video of five seconds on a core of 2024
)
FEATURES = Stage(
    name="features",
    purpose="Let a frozen encoder see every frame, once.",
    makes="features",
    signs=encoding_signs,
    inputs=("prepare",),
    asked=is_frozen,
    units=True,
    cost=Cost(amount=frames, assumed_s=1 / 130),  # 160 pixels on a core with AVX2
)
LOOK = Stage(
    name="look",
    purpose="Show the prepared dataset as a page, before anything is trained; prepare it first.",
    makes="files",
    sections=("name",),
    inputs=("prepare",),
    reads=("look.html",),
    apart=True,
    cost=Cost(assumed_s=20.0),
)
TRAIN = Stage(
    name="train",
    purpose="Train the model on the prepared samples.",
    makes="weights",
    sections=("model", "train"),
    inputs=("prepare",),
)
PREDICT = Stage(
    name="predict",
    purpose="Let the trained model answer about the side that is reported.",
    makes="answers",
    sections=("evaluate",),
    inputs=("prepare", "train"),
    reads=("predictions.parquet",),
    cost=Cost(amount=asked, of_model=True),
)
EVALUATE = Stage(
    name="evaluate",
    purpose="Measure the answers against truth and baselines.",
    makes="figures",
    sections=("evaluate",),
    inputs=("prepare", "train", "predict"),
    cost=Cost(assumed_s=3.0),
)
REPORT = Stage(
    name="report",
    purpose="Write the HTML report.",
    makes="page",
    sections=("name",),
    inputs=("prepare", "train", "predict", "evaluate"),
    cost=Cost(assumed_s=5.0),
)
