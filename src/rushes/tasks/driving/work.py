"""What each stage of a driving run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rushes.errors import SourceError
from rushes.runs.drawing import draw_in_parts
from rushes.runs.preview import preview
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, REPORT_FILE, Made, StageName, Tell, Work
from rushes.runs.vlm_work import let_answer, losses, train_model
from rushes.stages import OpenStage
from rushes.tasks.driving.recipe import DrivingRecipe


def _twin(run: Run[DrivingRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.driving.twin.script import settings_of, units
    from rushes.tasks.driving.twin.writer import PARTS, assemble, remove_parts, write_unit

    settings = settings_of(run.recipe.twin, run.recipe.preprocessing.setup.cameras)
    return draw_in_parts(
        run,
        stage,
        tell,
        {unit.key: unit for unit in units(settings)},
        write=partial(write_unit, settings=settings),
        pack=partial(assemble, settings=settings),
        remove=remove_parts,
        parts=PARTS,
    )


def _prepare(run: Run[DrivingRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.prepare.stage import Planned
    from rushes.runs.usual_work import fill_dataset
    from rushes.tasks.driving.prepare.unit import Job, prepare_unit
    from rushes.tasks.driving.sources import layout_of
    from rushes.tasks.driving.sources.layout import require_whole_groups
    from rushes.tasks.driving.sources.recording import motion_evidence
    from rushes.tasks.driving.sources.trajectory import refuse_other_conventions

    recipe, scan = run.recipe, run.scan
    source = layout_of(recipe.source, recipe.preprocessing.setup.cameras)
    side_of = source.sides(scan)
    require_whole_groups(scan.recordings, side_of)
    first = next((f", the first since {fault.message} ({fault.where})" for fault in scan.faults), "")
    needed = ("train", recipe.evaluate.split)
    for side in needed:
        if side not in side_of.values():
            raise SourceError(
                f"no clip on side {side} of the split has {', '.join(run.recipe.preprocessing.setup.cameras)} and its "
                f"motion; {len(scan.skipped)} clips are skipped, {len(scan.faults)} do not hold{first}",
                where=scan.root,
                cure="choose another setup, or take more recordings; `rushes audit RECIPE` shows what is there",
            )
    refuse_other_conventions(
        motion_evidence([one for one in scan.recordings if one.key in side_of]), scan.root
    )
    told = source.fates(scan)
    planned = Planned(
        jobs=Job.of(scan.recordings, side_of, stage.folder, recipe.preprocessing, recipe.prepare),
        splits=side_of.values(),
        needed=needed,
        skipped={clip: claim.reason for clip, claim in told.items() if claim.fate == "skipped"},
        faults={one.key: one.reason() for one in scan.faults if told[one.key].fate == "faulty"},
    )
    return fill_dataset(run, stage, tell, planned, prepare_unit)


def _evaluate(run: Run[DrivingRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.predict.table import read_predictions
    from rushes.tasks.driving.evaluate.measure import evaluate
    from rushes.tasks.driving.predict.table import SCHEMA, train_targets

    tell("evaluate", 0, 1, "measuring")
    card = evaluate(
        read_predictions(run.folder("predict"), SCHEMA),
        train_targets(run.samples("train")),
        split=run.recipe.evaluate.split,
        span_s=run.recipe.preprocessing.span_s,
        provenance=run.provenance(),
    )
    card.write(stage.folder / METRICS_FILE)
    tell("evaluate", 1, 1, "measuring")
    return {"windows": card.all.n}, {"windows": card.all.n}


def _report(run: Run[DrivingRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.predict.table import read_predictions
    from rushes.runs.usual_work import head_of
    from rushes.tasks.driving.predict.table import SCHEMA
    from rushes.tasks.driving.prepare.sample import Sample
    from rushes.tasks.driving.report.page import write_report

    tell("report", 0, 1, "drawing")
    card, windows = run.scorecard(), run.samples(run.recipe.evaluate.split)
    number_of = {key: number for number, key in enumerate(windows.keys())}
    counted = card.details["windows"]
    write_report(
        stage.folder / REPORT_FILE,
        head_of(run, clips=counted["clips"], window=f"{counted['span_s']:g} s"),
        card,
        read_predictions(run.folder("predict"), SCHEMA),
        losses=losses(run),
        preprocessing=run.recipe.preprocessing.model_dump(mode="json"),
        sample_of=lambda key: Sample.of(key, windows.sample(number_of[key])),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"windows": len(windows)}


WORK: Mapping[StageName, Work] = {
    "twin": _twin,
    "prepare": _prepare,
    "look": preview,
    "train": train_model,
    "predict": let_answer,
    "evaluate": _evaluate,
    "report": _report,
}
