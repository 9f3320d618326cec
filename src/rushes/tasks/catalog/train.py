"""How two encoders are taught which picture and which words belong together, and where the tiny base comes from.

rushes train recipes/catalog-twin.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rushes.media.image import encode_jpeg
from rushes.models.clip import DualEncoder, build, save
from rushes.prepare.pair import Pair, Words
from rushes.recipe.clip import Clip
from rushes.recipe.contrastive import PRETRAINING, ContrastiveTrain
from rushes.recipe.sections import TINY, Precision
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell
from rushes.stages import OpenStage, weights_sha256
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.twin.other import pairs
from rushes.train.batches import Samples, ShardSamples
from rushes.train.contrastive import train
from rushes.train.loop import FitResult

HELD_OUT = 256
"""Drawn pairs by which the best epoch of the base is chosen."""


def pretrain(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Teach the tiny model colours, materials and shapes on things that no shop sells."""
    size, count = run.recipe.preprocessing.size, run.recipe.model.drawn_pairs
    tell("pretrain", 0, 1, f"draws {count:,} pictures")
    drawn = [
        Pair(
            key=f"{number:016x}",
            picture=encode_jpeg(picture, run.recipe.preprocessing.jpeg_quality),
            words=Words(caption, caption, caption, (caption,)),
        )
        for number, (picture, caption) in enumerate(pairs(count + HELD_OUT, size, PRETRAINING.seed))
    ]
    encoder = build(Clip(name=TINY), size, seed=PRETRAINING.seed)
    # In float32, whatever the run computes in: it is the base of them all.
    return _taught(run, stage, tell, encoder, drawn[:count], drawn[count:], PRETRAINING, "float32")


def teach(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Teach a model on the prepared products; where nothing learns, its weights are stored as they are.

    Raises:
        ModelError: the base is not the one that the run's signatures name.
    """
    recipe, settings = run.recipe, run.recipe.train
    encoder = build(
        recipe.model,
        recipe.preprocessing.size,
        seed=settings.seed,
        pretrained=run.folder("pretrain") / "model" if recipe.model.is_tiny else None,
        sigmoid=settings.loss == "sigmoid",
    )
    run.require_base(encoder.origin)
    if recipe.model.scenario == "zero_shot":
        save(encoder, stage.folder / "model", recipe.preprocessing)
        tell("train", 1, 1, "nothing learns: the base as it is")
        return {"steps": 0, "weights": weights_sha256(stage.folder / "model")}, {"samples": 0}
    samples = ShardSamples(run.training_samples(settings.order), Pair.of)
    validation = ShardSamples(run.samples("val"), Pair.of)
    return _taught(run, stage, tell, encoder, samples, validation, settings, recipe.model.precision)


def _taught(
    run: Run[CatalogRecipe],
    stage: OpenStage,
    tell: Tell,
    encoder: DualEncoder,
    samples: Samples,
    validation: Samples,
    settings: ContrastiveTrain,
    precision: Precision,
) -> Made:
    """Train, and store the weights of the best epoch."""
    name = stage.spec.name
    batch = settings.fitted(len(samples)).batch_size
    epoch = -(-len(samples) // batch)
    total = settings.epochs * epoch
    result = train(
        encoder,
        samples,
        validation,
        settings,
        stage.folder,
        stage.spec.signature,
        precision=precision,
        on_event=partial(_narrate, partial(tell, name), total, run.home(name).checkpoint),
    )
    save(encoder, stage.folder / "model", run.recipe.preprocessing)
    tell(name, total, total, "out of patience" if result.stopped_early else "all epochs done")
    summary = {"batch": batch, **_summary(result, epoch, stage.folder / "model")}
    return summary, {"samples": len(samples)}


def _narrate(
    tell: Callable[[float, float, str], None],
    total: int,
    publish: Callable[[Path], None],
    event: Mapping[str, Any],
) -> None:
    """Pass on what a training tells, and every checkpoint to wherever the workspace is."""
    if event["kind"] == "checkpoint":
        publish(Path(event["checkpoint"]))
    elif event["kind"] == "train":
        tell(event["step"], total, f"loss {event['loss']:.3f}, {event['samples_per_s']:.0f} pairs/s")
    elif event["kind"] == "note":
        tell(0, total, event["note"])
    elif event["kind"] == "validation":
        tell(event["step"], total, f"validation R@10 {event['recall_10']:.3f}")


def _summary(result: FitResult, epoch: int, model: Path) -> dict[str, Any]:
    return {
        "steps": result.steps,
        "loss": result.last_loss,
        "best": result.best,
        "epochs": result.steps // epoch,
        "best_epoch": None if result.best_step is None else result.best_step // epoch,
        "samples_per_s": result.samples_per_s,
        "data_wait_share": result.data_wait_share,
        "weights": weights_sha256(model),
    }
