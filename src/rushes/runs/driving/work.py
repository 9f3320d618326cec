"""What each stage of a driving run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.runs.driving.run import DrivingRun
from rushes.runs.run import METRICS_FILE, REPORT_FILE, Tell
from rushes.runs.vlm import base_model, losses, provenance, train_model, trained_model
from rushes.stages import OpenStage, write_json


def _train(run: DrivingRun, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.prepare.driving.sample import Sample
    from rushes.train.driving import Collator

    return train_model(run, stage, tell, Sample.of, Collator)


def _predict(run: DrivingRun, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.predict.driving.answer import Answerer
    from rushes.predict.driving.table import predict
    from rushes.predict.table import write_predictions
    from rushes.shards.read import ShardDataset

    asked = run.recipe.evaluate
    trained = trained_model(run)
    answerers = {"model": Answerer(trained, asked.batch_size)}
    for variant in asked.compare:
        shown = base_model(run) if variant == "untrained" else trained
        answerers[variant] = Answerer(shown, asked.batch_size)
    table = predict(
        answerers,
        ShardDataset.open(run.folder("prepare"), asked.split),
        asked.split,
        run.recipe.train.seed,
        on_progress=lambda done, total: tell("predict", done, total, "answers"),
    )
    write_predictions(table, stage.folder)
    return {"variants": list(answerers)}, {"answers": len(table)}


def _evaluate(run: DrivingRun, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.evaluate.driving.measure import evaluate
    from rushes.predict.driving.table import SCHEMA, train_targets
    from rushes.predict.table import read_predictions
    from rushes.shards.read import ShardDataset

    tell("evaluate", 0, 1, "resampling")
    metrics = evaluate(
        read_predictions(run.folder("predict"), SCHEMA),
        train_targets(ShardDataset.open(run.folder("prepare"), "train")),
        resamples=run.recipe.evaluate.resamples,
        provenance=provenance(run),
    )
    write_json(stage.folder / METRICS_FILE, metrics)
    tell("evaluate", 1, 1, "resampling")
    return {"windows": metrics["all"]["n"]}, {"windows": metrics["all"]["n"]}


def _report(run: DrivingRun, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.evaluate.driving.report import write_report
    from rushes.predict.driving.table import SCHEMA
    from rushes.predict.table import read_predictions
    from rushes.prepare.driving.sample import Sample
    from rushes.shards.read import ShardDataset

    tell("report", 0, 1, "drawing")
    windows = ShardDataset.open(run.folder("prepare"), run.recipe.evaluate.split)
    number_of = {key: number for number, key in enumerate(windows.keys())}
    write_report(
        stage.folder / REPORT_FILE,
        run.metrics(),
        read_predictions(run.folder("predict"), SCHEMA),
        title=run.recipe.name,
        losses=losses(run),
        contract=run.contract.model_dump(mode="json"),
        sample_of=lambda key: Sample.of(key, windows.sample(number_of[key])),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"windows": len(windows)}
