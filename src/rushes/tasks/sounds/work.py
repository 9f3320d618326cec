"""What each stage of a sounds run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import SourceError
from rushes.recipe.net import Net
from rushes.runs.drawing import draw_in_parts
from rushes.runs.preview import preview
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, REPORT_FILE, Made, StageName, Tell, Work
from rushes.stages import OpenStage, read_json, weights_sha256
from rushes.tasks.sounds.recipe import Distil, RecordingSource, SoundsRecipe, TrainOnSounds

if TYPE_CHECKING:
    import pyarrow as pa

    from rushes.models.nets import SoundNet
    from rushes.tasks.sounds.evaluate.timeline import Timeline

TEACHER = "teacher"
"""Folder of a teacher's predictions inside of the pupil's."""


def _twin(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.sounds.twin.script import units
    from rushes.tasks.sounds.twin.writer import PARTS, assemble, remove_parts, write_unit

    settings = run.recipe.twin
    return draw_in_parts(
        run,
        stage,
        tell,
        {unit.wearer: unit for unit in units(settings)},
        write=partial(write_unit, settings=settings),
        pack=partial(assemble, settings=settings),
        remove=remove_parts,
        parts=PARTS,
    )


def _features(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.prepare.stage import Planned, prepare
    from rushes.tasks.sounds.prepare.jobs import jobs_of
    from rushes.tasks.sounds.prepare.sample import metas
    from rushes.tasks.sounds.sources.sides import SIDES, require_apart

    asked, scan = run.recipe.prepare, run.scan
    work = jobs_of(scan, run.recipe, stage.folder)
    found = {job.split for job in work.jobs.values()}
    needed = dict.fromkeys((*SIDES[:2], run.recipe.evaluate.split))
    if missing := [side for side in needed if side not in found]:
        raise SourceError(
            f"no sound of {', '.join(run.recipe.preprocessing.labels)} on side {' and '.join(missing)}",
            where=scan.root,
            cure="`rushes audit RECIPE` shows what is there; change source.split, source.shares.seed or "
            "preprocessing.labels",
        )
    planned = Planned(
        jobs=work.jobs,
        splits=SIDES,
        needed=needed,
        skipped=scan.skipped,
        faults={fault.key: fault.reason() for fault in scan.faults},
        members=work.members,
        inventory=run.inventory,
    )
    prepared = prepare(
        planned,
        work.unit,
        run.home("features"),
        run.recipe.preprocessing,
        asked,
        engine=run.engine,
        on_progress=partial(tell, "features"),
    )
    # An archive tells its groups only when it is read.
    sides = [side for side, count in prepared.manifest.samples.items() if count]
    require_apart(
        (meta["group"], side, meta["recording"]) for side in sides for meta in metas(run.samples(side))
    )
    return prepared.summary(), prepared.account.counts


def _teacher(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    teacher = _distil(run).teacher
    return _trained(run, "teacher", stage, tell, teacher.model, teacher.train)


def _logits(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.sounds.predict.logits import logits_of, write_logits
    from rushes.tasks.sounds.train import FeatureSet

    samples, labels = run.samples("train"), run.recipe.preprocessing.labels
    tell("logits", 0, 1, "the teacher answers")
    found = logits_of(
        net_of(run, "teacher"), FeatureSet(samples, labels).features(), run.recipe.evaluate.batch_size
    )
    write_logits(stage.folder, list(samples.keys()), labels, found)
    tell("logits", 1, 1, "the teacher answers")
    return {}, {"samples": len(samples)}


def _train(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    return _trained(run, "train", stage, tell, run.recipe.model, run.recipe.train, run.recipe.distil)


def _trained(
    run: Run[SoundsRecipe],
    name: StageName,
    stage: OpenStage,
    tell: Tell,
    model: Net,
    settings: TrainOnSounds,
    distil: Distil | None = None,
) -> Made:
    from rushes.models.nets import build
    from rushes.tasks.sounds.predict.logits import read_logits
    from rushes.tasks.sounds.train import FeatureSet, train

    labels, samples = run.recipe.preprocessing.labels, run.training_samples(settings.order)
    logits = None if distil is None else read_logits(run.folder("logits"), list(samples.keys()), labels)
    taught = FeatureSet(samples, labels, logits=logits)
    epoch = -(-len(taught) // settings.batch_size)
    total = settings.epochs * epoch
    home = run.home(name)

    def on_event(event: Mapping[str, Any]) -> None:
        if event["kind"] == "checkpoint":
            home.checkpoint(Path(event["checkpoint"]))
        elif event["kind"] == "train":
            tell(
                name, event["step"], total, f"loss {event['loss']:.3f}, {event['samples_per_s']:.0f} sounds/s"
            )
        elif event["kind"] == "validation":
            tell(name, event["step"], total, f"validation macro-F1 {event['f1_macro']:.3f}")

    result = train(
        build(model, run.recipe.preprocessing, seed=settings.seed),
        taught,
        FeatureSet(run.samples("val"), labels),
        settings,
        stage.folder,
        stage.spec.signature,
        distil=distil,
        on_event=on_event,
    )
    tell(name, total, total, "out of patience" if result.stopped_early else "all epochs done")
    summary = {
        "steps": result.steps,
        "loss": result.last_loss,
        "best": result.best,
        "epochs": result.steps // epoch,
        "best_epoch": None if result.best_step is None else result.best_step // epoch,
        "samples_per_s": result.samples_per_s,
        "data_wait_share": result.data_wait_share,
        "weights": weights_sha256(stage.folder / "model"),
    }
    return summary, {"samples": len(taught)}


def _predict(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.predict.table import write_predictions
    from rushes.tasks.sounds.predict.logits import logits_of
    from rushes.tasks.sounds.predict.table import predictions_table
    from rushes.tasks.sounds.prepare.sample import metas
    from rushes.tasks.sounds.train import FeatureSet

    samples = run.samples(run.recipe.evaluate.split)
    found, heard = list(metas(samples)), FeatureSet(samples, run.recipe.preprocessing.labels)
    asked: dict[StageName, Path] = {"train": stage.folder}
    if "teacher" in run.specs:
        asked["teacher"] = stage.folder / TEACHER
    for done, (name, folder) in enumerate(asked.items()):
        tell("predict", done, len(asked), "answers")
        table = predictions_table(
            list(samples.keys()),
            [meta["group"] for meta in found],
            [meta["label"] for meta in found],
            logits_of(net_of(run, name), heard.features(), run.recipe.evaluate.batch_size),
        )
        folder.mkdir(exist_ok=True)
        write_predictions(table, folder)
    tell("predict", len(asked), len(asked), "answers")
    return {"variants": list(asked)}, {"answers": len(samples) * len(asked)}


def _evaluate(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.models.net_costs import macs, parameters
    from rushes.predict.table import read_predictions
    from rushes.tasks.sounds.evaluate.measure import evaluate
    from rushes.tasks.sounds.predict.table import SCHEMA
    from rushes.tasks.sounds.train import FeatureSet, weights_of_classes

    tell("evaluate", 0, 1, "figures")
    recipe, preprocessing = run.recipe, run.recipe.preprocessing
    counts = FeatureSet(run.samples("train"), preprocessing.labels).counts
    train = dict(zip(preprocessing.labels, counts.tolist(), strict=True))
    predictions = read_predictions(run.folder("predict"), SCHEMA)
    card = evaluate(
        predictions,
        train,
        preprocessing.labels,
        weights_of_classes(recipe.train.class_weights, counts, preprocessing.labels),
        split=recipe.evaluate.split,
        provenance=run.provenance(),
        remarks=_heard_in_part(run),
        costs={
            "parameters": parameters(recipe.model, preprocessing.labels),
            "macs_per_clip": macs(recipe.model, preprocessing),
        },
        teacher=(
            read_predictions(run.folder("predict") / TEACHER, SCHEMA) if "teacher" in run.specs else None
        ),
        timeline=_timeline(run, predictions, train),
    )
    card.write(stage.folder / METRICS_FILE)
    tell("evaluate", 1, 1, "figures")
    return {"sounds": card.all.n}, {"sounds": card.all.n}


def _timeline(run: Run[SoundsRecipe], predictions: pa.Table, train: Mapping[str, int]) -> Timeline | None:
    """Whole recordings of the reported side; None where sounds have a class each."""
    from rushes.prepare.stage import RECORDINGS
    from rushes.tasks.sounds.evaluate.answers import read_answers
    from rushes.tasks.sounds.evaluate.timeline import timeline
    from rushes.tasks.sounds.prepare.sample import metas
    from rushes.tasks.sounds.sources.windows import Cutting

    recipe = run.recipe
    if not isinstance(recipe.source, RecordingSource):
        return None
    sounds = run.samples(recipe.evaluate.split)
    return timeline(
        read_answers(predictions, recipe.preprocessing.labels),
        {
            key: (meta["recording"], meta["start_s"])
            for key, meta in zip(sounds.keys(), metas(sounds), strict=True)
        },
        read_json(run.folder("features") / RECORDINGS),
        Cutting.of(recipe.source, recipe.preprocessing),
        recipe.timelines,
        train,
    )


def _heard_in_part(run: Run[SoundsRecipe]) -> list[str]:
    """In words, of how many sounds of the reported side the clip is only the beginning."""
    from rushes.tasks.sounds.prepare.sample import metas

    clip_s, sounds = run.recipe.preprocessing.clip_s, run.samples(run.recipe.evaluate.split)
    longer = sum(meta["length_s"] > clip_s for meta in metas(sounds))
    return (
        [f"of {longer:,} of {len(sounds):,} sounds only the first {clip_s:g} s are heard"] if longer else []
    )


def _export(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.sounds.export import export
    from rushes.tasks.sounds.prepare.sample import Sample

    taught, heard = run.samples("train"), run.samples(run.recipe.evaluate.split)
    # Evenly over the side: its first sounds may all be of one class.
    count = min(run.recipe.deploy.calibration, len(taught))
    chosen = [number * len(taught) // count for number in range(count)]

    asked = run.recipe.deploy
    tell("export", 0, 1, "ONNX and 8 bits")
    report = export(
        net_of(run, "train"),
        (Sample.of(taught.key(number), taught.sample(number)) for number in chosen),
        (Sample.of(heard.key(number), heard.sample(number)) for number in range(len(heard))),
        stage.folder,
        max_bytes=asked.max_bytes,
        max_macs_per_s=asked.max_macs_per_s,
        runs=asked.runs,
        batch_size=run.recipe.evaluate.batch_size,
    )
    tell("export", 1, 1, "ONNX and 8 bits")
    return {"fits": report["verdict"]["fits"]}, {}


def _report(run: Run[SoundsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.models.net_costs import parameters
    from rushes.predict.table import read_predictions
    from rushes.runs.proof import require_whole
    from rushes.runs.usual_work import head_of
    from rushes.tasks.sounds.export import DEPLOY_FILE
    from rushes.tasks.sounds.predict.table import SCHEMA
    from rushes.tasks.sounds.prepare.sample import Sample
    from rushes.tasks.sounds.report.page import write_report
    from rushes.train.events import read_events

    tell("report", 0, 1, "drawing")
    require_whole(run, "train", ("events.jsonl",))
    recipe, preprocessing = run.recipe, run.recipe.preprocessing
    sounds = run.samples(recipe.evaluate.split)
    number_of = {key: number for number, key in enumerate(sounds.keys())}
    size = parameters(recipe.model, preprocessing.labels)
    write_report(
        stage.folder / REPORT_FILE,
        head_of(run, f"{recipe.model.net}, {size:,} parameters", classes=len(preprocessing.labels)),
        run.scorecard(),
        read_predictions(run.folder("predict"), SCHEMA),
        events=read_events(run.folder("train") / "events.jsonl"),
        preprocessing=preprocessing.model_dump(mode="json"),
        sample_of=lambda key: Sample.of(key, sounds.sample(number_of[key])),
        deploy=read_json(run.folder("export") / DEPLOY_FILE),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"sounds": len(sounds)}


def net_of(run: Run[SoundsRecipe], name: StageName) -> SoundNet:
    """The net that the stage ``train`` or ``teacher`` trained."""
    from rushes.models.nets import load

    return load(run.folder(name) / "model", type(run.recipe.preprocessing))


def _distil(run: Run[SoundsRecipe]) -> Distil:
    assert run.recipe.distil is not None, "only a recipe with distil has the stages of a teacher"
    return run.recipe.distil


WORK: Mapping[StageName, Work] = {
    "twin": _twin,
    "features": _features,
    "look": preview,
    "teacher": _teacher,
    "logits": _logits,
    "train": _train,
    "predict": _predict,
    "evaluate": _evaluate,
    "export": _export,
    "report": _report,
}
