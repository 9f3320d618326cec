"""What each stage does: folders of the stages before it in, its own folder filled.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from rushes.errors import SourceError, StageError
from rushes.runs.check import sides
from rushes.runs.proof import digest, proof
from rushes.runs.run import METRICS_FILE, REPORT_FILE, Outcome, Run, StageName, Tell
from rushes.stages import OpenStage, read_done, read_json, working, write_json

Work = Callable[[Run, OpenStage, Tell], tuple[Mapping[str, Any], Mapping[str, int]]]


def _twin(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.engine import Unit, map_units
    from rushes.stages import account, write_receipt
    from rushes.twins.operations import TwinSettings, units

    twin = run.recipe.twin
    settings = TwinSettings(
        subjects=twin.subjects,
        sessions=twin.sessions,
        boxes=twin.boxes,
        difficulty=twin.difficulty,
        media=(run.recipe.source.media,),
        seed=twin.seed,
    )
    sessions = {unit.key: unit for unit in units(settings)}
    todo = account(stage.folder, list(sessions)).pending
    tell("twin", len(sessions) - len(todo), len(sessions), "drawing")
    draw = partial(_draw, stage.folder / "raw", settings=settings)
    done = len(sessions) - len(todo)
    for result in map_units(
        draw, [Unit(key, sessions[key]) for key in todo], workers=run.recipe.prepare.workers
    ):
        if result.error is not None:
            raise StageError(f"{result.error.type}: {result.error.message}", where=result.key)
        write_receipt(stage.folder, result.key, result.value)
        done += 1
        tell("twin", done, len(sessions), result.key)
    return {"sessions": len(sessions)}, account(stage.folder, list(sessions)).close(0.0).counts


def _draw(root: Path, unit: Any, settings: Any) -> dict[str, Any]:
    """Draw one session; its receipt, with the hash of each file."""
    from rushes.twins.openpack_writer import write_unit

    written = write_unit(root, unit, settings)
    return {**asdict(written), "files": {name: digest(root / name) for name in written.files}}


def _prepare(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.engine import UnitDone
    from rushes.prepare.stage import prepare
    from rushes.sources.openpack import assign_splits

    recipe, scan = run.recipe, run.scan
    assigned = assign_splits(scan.recordings, recipe.source.split)
    total, done = len(assigned.side_of), 0
    concerned = set(chain.from_iterable(sides(recipe).values()))
    for side in ("train", recipe.evaluate.split):
        if side not in assigned.side_of.values():
            raise SourceError(
                f"no recording on side {side} of the split; {len(assigned.skipped)} are on no side",
                where=scan.root,
                cure="list under source.split the subjects that are there; `rushes audit RECIPE` shows them",
            )

    def on_event(event: object) -> None:
        nonlocal done
        if isinstance(event, UnitDone):
            done += 1
            tell("prepare", done, total, event.result.key)

    tell("prepare", 0, total, "decoding")
    asked = recipe.prepare
    prepared = prepare(
        scan.recordings,
        assigned.side_of,
        stage.folder,
        run.contract,
        run.cutting,
        faults={fault.key: fault.reason() for fault in scan.faults if fault.subject in concerned},
        window_splits=asked.window_splits,
        shard_bytes=asked.shard_bytes,
        max_quarantine=asked.max_quarantine,
        timeout_s=asked.timeout_s,
        workers=asked.workers,
        on_event=on_event,
    )
    return prepared.summary(), prepared.account.counts


def _train(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.models import vlm as family
    from rushes.shards.read import ShardDataset
    from rushes.train.vlm import train

    recipe = run.recipe
    clips = ShardDataset.open(run.folder("prepare"), "train")
    settings = recipe.train
    total = sum(phase.steps for phase in settings.phases)

    def on_event(event: Mapping[str, Any]) -> None:
        if event["kind"] == "train":
            speed = f"loss {event['loss']:.3f}, {event['samples_per_s']:.0f} clips/s"
            tell("train", event["before"] + event["step"], total, f"{event['phase']}: {speed}")

    results = train(_base(run), clips, settings, stage.folder, stage.spec.signature, on_event=on_event)
    last = results[-1]
    summary = {
        "steps": sum(result.steps for result in results),
        "loss": last.last_loss,
        "samples_per_s": last.samples_per_s,
        "data_wait_share": last.data_wait_share,
        "weights": family.weights_sha256(stage.folder / "model"),
    }
    return summary, {"clips": len(clips)}


def _base(run: Run) -> Any:
    """The model before training."""
    from rushes.models import vlm as family

    model = run.recipe.model
    vlm = family.load(
        model.name, run.contract, seed=run.recipe.train.seed, precision=model.precision, nf4=model.nf4
    )
    if model.adapter is None:
        return vlm
    return family.adapt(vlm, model.adapter.rank, model.adapter.alpha, model.adapter.dropout)


def _predict(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.models import vlm as family
    from rushes.predict.operations.answer import Answerer
    from rushes.predict.operations.table import predict, write_predictions
    from rushes.shards.read import ShardDataset

    recipe, asked = run.recipe, run.recipe.evaluate
    trained = family.restore(
        run.folder("train") / "model", precision=recipe.model.precision, nf4=recipe.model.nf4
    )
    answerers = {"model": Answerer(trained, asked.batch_size)}
    for variant in asked.compare:
        shown = _base(run) if variant == "untrained" else trained
        answerers[variant] = Answerer(shown, asked.batch_size)
    clips = ShardDataset.open(run.folder("prepare"), asked.split)
    table = predict(
        answerers,
        clips,
        asked.split,
        recipe.train.seed,
        on_progress=lambda done, total: tell("predict", done, total, "answers"),
    )
    write_predictions(table, stage.folder)
    return {"variants": list(answerers)}, {"answers": len(table)}


def _evaluate(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    from rushes.evaluate.operations.measure import evaluate
    from rushes.predict.operations.table import read_predictions, train_answers
    from rushes.prepare.stage import RECORDINGS
    from rushes.shards.manifest import load_manifest
    from rushes.shards.read import ShardDataset

    asked, prepared = run.recipe.evaluate, run.folder("prepare")
    tell("evaluate", 0, 1, "resampling")
    metrics = evaluate(
        read_predictions(run.folder("predict")),
        train_answers(ShardDataset.open(prepared, "train")),
        read_json(prepared / RECORDINGS),
        run.contract.labels,
        run.contract.clip_s,
        run.recipe.prepare.window_stride_s,
        asked.contract_clips,
        asked.resamples,
        {
            "signatures": {name: spec.signature for name, spec in run.specs.items()},
            "dataset": load_manifest(prepared).checksum,
            "weights": (read_done(run.folder("train")) or {})["summary"]["weights"],
            "seed": run.recipe.train.seed,
        },
    )
    write_json(stage.folder / METRICS_FILE, metrics)
    tell("evaluate", 1, 1, "resampling")
    return {"clips": metrics["all"]["n"]}, {"clips": metrics["all"]["n"]}


def _report(run: Run, stage: OpenStage, tell: Tell) -> tuple[Mapping, Mapping]:
    import numpy as np

    from rushes.evaluate.operations.report import write_report
    from rushes.predict.operations.table import read_predictions
    from rushes.prepare.operations.sample import Sample
    from rushes.shards.read import ShardDataset
    from rushes.train.events import read_events

    tell("report", 0, 1, "drawing")
    clips = ShardDataset.open(run.folder("prepare"), run.recipe.evaluate.split)
    number_of = {key: number for number, key in enumerate(clips.keys())}
    write_report(
        stage.folder / REPORT_FILE,
        run.metrics(),
        read_predictions(run.folder("predict")),
        title=run.recipe.name,
        losses={
            path.parent.name: [
                (event["step"], event["loss"]) for event in read_events(path) if event["kind"] == "train"
            ]
            for path in sorted(run.folder("train").glob("phase-*/events.jsonl"))
        },
        contract=run.contract.model_dump(mode="json"),
        sample_of=lambda key: Sample.of(key, clips.sample(number_of[key])),
        signals_of=lambda key: np.load(io.BytesIO(clips.sample(number_of[key])["signals.npy"])),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"clips": len(clips)}


WORK: dict[StageName, Work] = {
    "twin": _twin,
    "prepare": _prepare,
    "train": _train,
    "predict": _predict,
    "evaluate": _evaluate,
    "report": _report,
}


def do(run: Run, name: StageName, tell: Tell) -> Outcome:
    """Do one stage whose inputs are done, or say that it is done already.

    Raises:
        StageError: a stage before it is not done.
    """
    began = time.monotonic()
    spec, state = run.specs[name], run.status(name)
    if state.state == "done":
        return Outcome(name, spec.signature, "done", state.folder, time.monotonic() - began, state.reason)
    require_inputs(run, name)
    with working(spec, run.workspace) as stage:
        perform(run, name, stage, tell)
    return Outcome(name, spec.signature, "ran", stage.folder, time.monotonic() - began, state.reason)


def require_inputs(run: Run, name: StageName) -> None:
    """Raise a StageError unless all stages that this one reads are done."""
    for needed in run.specs[name].inputs:
        if run.status(needed).state != "done":
            raise StageError(
                f"{name} needs {needed}, which is not done",
                where=run.folder(needed),
                cure=f"run `rushes {needed} RECIPE`, or `rushes run RECIPE` for all stages",
            )


def perform(run: Run, name: StageName, stage: OpenStage, tell: Tell) -> None:
    """Do the work of an open stage and close it, with the proof of what it made and of what."""
    summary, counts = WORK[name](run, stage, tell)
    stage.finish({**summary, **proof(run, name)}, counts)
