"""What each stage of an operations run does.

Imports stand inside of the functions, so that asking for one stage loads no other.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial

from rushes.errors import SourceError
from rushes.runs.drawing import draw_units
from rushes.runs.preview import preview
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, REPORT_FILE, Made, StageName, Tell, Work
from rushes.runs.vlm_work import let_answer, losses, take_features, train_model
from rushes.stages import OpenStage, read_json
from rushes.tasks.operations.recipe import OperationsRecipe


def _twin(run: Run[OperationsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.tasks.operations.twin.script import TwinSettings, units
    from rushes.tasks.operations.twin.writer import write_unit

    settings = TwinSettings(**run.recipe.twin.model_dump(), media=(run.recipe.drawn.media,))
    write = partial(write_unit, settings=settings)
    return draw_units(run, stage, tell, {unit.key: unit for unit in units(settings)}, write)


def _prepare(run: Run[OperationsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.media.sampling import motion_for
    from rushes.prepare.stage import Planned
    from rushes.runs.usual_work import fill_dataset
    from rushes.tasks.operations.prepare.unit import Job, prepare_unit
    from rushes.tasks.operations.sources.kinds import source_of

    motion_for(run.recipe.preprocessing.sampler)  # what it needs is missing for every session alike
    recipe, scan = run.recipe, run.scan
    sides = source_of(recipe.source).sides(scan)
    needed = ("train", recipe.evaluate.split)
    for side in needed:
        if side not in sides.side_of.values():
            raise SourceError(
                f"no recording that holds on side {side} of the split; {len(scan.faults)} do not hold, "
                f"{len(sides.skipped)} are left out",
                where=scan.root,
                cure=f"{sides.cure}; `rushes audit RECIPE` says what is there",
            )

    planned = Planned(
        jobs=Job.of(scan.recordings, sides.side_of, stage.folder, recipe.preprocessing, recipe.prepare),
        splits=sides.side_of.values(),
        needed=needed,
        skipped=sides.skipped,
        faults={fault.key: fault.reason() for fault in scan.faults if fault.key not in sides.skipped},
    )
    return fill_dataset(run, stage, tell, planned, prepare_unit)


def _evaluate(run: Run[OperationsRecipe], stage: OpenStage, tell: Tell) -> Made:
    from rushes.predict.table import read_predictions
    from rushes.prepare.stage import RECORDINGS
    from rushes.tasks.operations.evaluate.measure import evaluate
    from rushes.tasks.operations.predict.table import SCHEMA, train_answers

    recipe = run.recipe
    tell("evaluate", 0, 1, "figures")
    card = evaluate(
        read_predictions(run.folder("predict"), SCHEMA),
        train_answers(run.samples("train")),
        read_json(run.folder("prepare") / RECORDINGS),
        recipe.preprocessing.labels,
        split=recipe.evaluate.split,
        clip_s=recipe.preprocessing.clip_s,
        stride_s=recipe.prepare.window_stride_s,
        first_clips=recipe.evaluate.first_clips,
        provenance=run.provenance(),
    )
    card.write(stage.folder / METRICS_FILE)
    tell("evaluate", 1, 1, "figures")
    return {"clips": card.all.n}, {"clips": card.all.n}


def _report(run: Run[OperationsRecipe], stage: OpenStage, tell: Tell) -> Made:
    import numpy as np

    from rushes.predict.table import read_predictions
    from rushes.runs.usual_work import head_of
    from rushes.tasks.operations.predict.table import SCHEMA
    from rushes.tasks.operations.prepare.sample import Sample
    from rushes.tasks.operations.report.page import write_report

    tell("report", 0, 1, "drawing")
    clips, preprocessing = run.samples(run.recipe.evaluate.split), run.recipe.preprocessing
    number_of = {key: number for number, key in enumerate(clips.keys())}
    write_report(
        stage.folder / REPORT_FILE,
        head_of(run, clip=f"{preprocessing.clip_s:g} s, {preprocessing.frames} frames"),
        run.scorecard(),
        read_predictions(run.folder("predict"), SCHEMA),
        losses=losses(run),
        preprocessing=preprocessing.model_dump(mode="json"),
        sample_of=lambda key: Sample.of(key, clips.sample(number_of[key])),
        signals_of=lambda key: np.load(io.BytesIO(clips.sample(number_of[key])["signals.npy"])),
    )
    tell("report", 1, 1, "drawing")
    return {"file": REPORT_FILE}, {"clips": len(clips)}


WORK: Mapping[StageName, Work] = {
    "twin": _twin,
    "prepare": _prepare,
    "look": preview,
    "features": take_features,
    "train": train_model,
    "predict": let_answer,
    "evaluate": _evaluate,
    "report": _report,
}
