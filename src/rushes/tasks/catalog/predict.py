"""Every product as vectors, before and after training, and further questions about the side that is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rushes.models.clip import DualEncoder, build, on_best_device, restore
from rushes.predict.embedding import Encoders, Kind, embed_items, embed_queries, forget
from rushes.predict.vectors import QUERIES, VECTORS, System
from rushes.prepare.pair import Pair
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell
from rushes.shards.manifest import load_manifest
from rushes.stages import OpenStage
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.train.batches import ShardSamples
from rushes.train.threads import threads_for

SIDES = ("train", "val", "test", "probe")


def model_of(run: Run[CatalogRecipe], system: System) -> DualEncoder:
    """The trained model of a run, or the one that training began from, on the best device.

    Raises:
        ModelError: its weights do not hold, or the base is not the one that the run's signatures name.
    """
    recipe = run.recipe
    if system == "model" and recipe.model.scenario != "zero_shot":
        return on_best_device(restore(run.folder("train") / "model", recipe.model))
    asked = recipe.model.model_copy(update={"scenario": "zero_shot"})
    pretrained = run.folder("pretrain") / "model" if "pretrain" in run.stages else None
    seed, sigmoid = recipe.train.seed, recipe.train.loss == "sigmoid"
    encoder = build(asked, recipe.preprocessing.size, seed=seed, pretrained=pretrained, sigmoid=sigmoid)
    run.require_base(encoder.origin)
    return on_best_device(encoder)


def embed(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Fill the folder of the stage ``embed``."""
    recipe = run.recipe
    base = model_of(run, "base")
    model = base if recipe.model.scenario == "zero_shot" else model_of(run, "model")
    encoders: Encoders = {"base": base, "model": model}
    there = load_manifest(run.folder(run.dataset)).splits
    sides = {side: ShardSamples(run.samples(side), Pair.of) for side in SIDES if side in there}
    reported, batch_size = sides[recipe.evaluate.split], recipe.evaluate.batch_size
    kinds = _kinds(recipe.evaluate.languages, encoders, _untrained(run))
    items = sum(map(len, sides.values()))
    total = items + len(kinds) * len(reported)
    with threads_for(base):
        cut = embed_items(
            stage.folder / VECTORS,
            sides,
            encoders,
            batch_size,
            lambda done: tell("embed", done, total, "pictures and words"),
        )
        counts = embed_queries(
            stage.folder / QUERIES,
            reported,
            kinds,
            encoders,
            batch_size,
            lambda done: tell("embed", items + done, max(total, items + done), "further questions"),
        )
    tell("embed", total, total, "vectors")
    return {"width": base.width}, {"items": items, "cut_texts": cut, **counts}


def _untrained(run: Run[CatalogRecipe]) -> DualEncoder:
    encoder = model_of(run, "base")
    forget(encoder, run.recipe.train.seed)
    return encoder


def _kinds(languages: Sequence[str], encoders: Encoders, untrained: DualEncoder) -> list[Kind]:
    """Views, titles in other languages, and what an untrained model makes of picture and words."""

    def title(language: str, pair: Pair) -> Iterator[str]:
        if language in pair.words.titles:
            yield pair.words.titles[language]

    alone: Encoders = {"model": untrained}
    return [
        Kind("view", lambda pair: pair.views, encoders),
        *(Kind(f"language:{language}", partial(title, language), encoders) for language in languages),
        Kind("untrained:picture", lambda pair: [pair.picture], alone),
        Kind("untrained:text", lambda pair: [pair.words.text], alone),
    ]
