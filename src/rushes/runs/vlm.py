"""What the tasks that fine-tune a vision language model share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rushes.runs.run import Run, Tell
from rushes.stages import OpenStage, read_done


def base_model(run: Run) -> Any:
    """The model before training."""
    from rushes.models import vlm as family

    model = run.recipe.model
    vlm = family.load(
        model.name, run.contract, seed=run.recipe.train.seed, precision=model.precision, nf4=model.nf4
    )
    if model.adapter is None:
        return vlm
    return family.adapt(vlm, model.adapter.rank, model.adapter.alpha, model.adapter.dropout)


def trained_model(run: Run) -> Any:
    """The model after training."""
    from rushes.models import vlm as family

    model = run.recipe.model
    return family.restore(run.folder("train") / "model", precision=model.precision, nf4=model.nf4)


def train_model(
    run: Run,
    stage: OpenStage,
    tell: Tell,
    sample_of: Callable[[str, Mapping[str, Any]], Any],
    collator: Callable[..., Any],
) -> tuple[Mapping, Mapping]:
    """Train on the prepared samples.

    Args:
        run, stage, tell: what every stage gets.
        sample_of: key and members of a sample -> what the collator takes.
        collator: made of the model, what a phase asks, and whether pictures are changed at random.
    """
    from rushes.models import vlm as family
    from rushes.train.batches import ShardSamples
    from rushes.train.vlm import train

    settings = run.recipe.train
    samples = ShardSamples(run.samples("train"), sample_of)
    total = sum(phase.steps for phase in settings.phases)

    home = run.home("train")

    def on_event(event: Mapping[str, Any]) -> None:
        if event["kind"] == "checkpoint":
            home.checkpoint(Path(event["checkpoint"]))
        elif event["kind"] == "train":
            speed = f"loss {event['loss']:.3f}, {event['samples_per_s']:.0f} samples/s"
            tell("train", event["before"] + event["step"], total, f"{event['phase']}: {speed}")

    vlm = base_model(run)
    results = train(
        vlm,
        samples,
        partial(collator, vlm, augmented=settings.augment),
        settings,
        stage.folder,
        stage.spec.signature,
        on_event=on_event,
    )
    last = results[-1]
    summary = {
        "steps": sum(result.steps for result in results),
        "loss": last.last_loss,
        "samples_per_s": last.samples_per_s,
        "data_wait_share": last.data_wait_share,
        "weights": family.weights_sha256(stage.folder / "model"),
    }
    return summary, {"samples": len(samples)}


def let_answer(
    run: Run,
    stage: OpenStage,
    tell: Tell,
    answerer: Callable[[Any, int], Any],
    predict: Callable[..., Any],
) -> tuple[Mapping, Mapping]:
    """Let the trained model, and what it is compared with, answer about the samples that are reported.

    Args:
        run, stage, tell: what every stage gets.
        answerer: made of a model and the number of samples that are answered at a time.
        predict: asks answerers by variant; gives the table of their answers.
    """
    from rushes.predict.table import write_predictions

    asked = run.recipe.evaluate
    trained = trained_model(run)
    answerers = {"model": answerer(trained, asked.batch_size)}
    for variant in asked.compare:
        shown = base_model(run) if variant == "untrained" else trained
        answerers[variant] = answerer(shown, asked.batch_size)
    table = predict(
        answerers,
        run.samples(asked.split),
        asked.split,
        run.recipe.train.seed,
        on_progress=lambda done, total: tell("predict", done, total, "answers"),
    )
    write_predictions(table, stage.folder)
    return {"variants": list(answerers)}, {"answers": len(table)}


def provenance(run: Run) -> dict[str, Any]:
    """What the figures of a run belong to."""
    from rushes.shards.manifest import load_manifest

    return {
        "signatures": {name: spec.signature for name, spec in run.specs.items()},
        "dataset": load_manifest(run.folder("prepare")).checksum,
        "weights": (read_done(run.folder("train")) or {})["summary"]["weights"],
        "seed": run.recipe.train.seed,
    }


def _number_of_phase(events: Path) -> int:
    return int(events.parent.name.split("-")[1])


def losses(run: Run) -> dict[str, list[tuple[int, float]]]:
    """The (step, loss) points of each phase of training."""
    from rushes.train.events import read_events

    return {
        path.parent.name: [
            (event["step"], event["loss"]) for event in read_events(path) if event["kind"] == "train"
        ]
        for path in sorted(run.folder("train").glob("phase-*/events.jsonl"), key=_number_of_phase)
    }
