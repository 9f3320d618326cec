"""The task `sounds`: short sounds with a class each, from files to a small net and the device that it fits on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.runs.stage import Cost, Stage, is_drawn
from rushes.runs.task import Compare, Imported, Task
from rushes.runs.usual import EVALUATE, LOOK, PREDICT, PREPARE, REPORT, TRAIN, TWIN, asked, samples

if TYPE_CHECKING:
    from rushes.metrics.estimate import Estimate
    from rushes.runs.admission.values import Fault
    from rushes.runs.apply.contract import Apply
    from rushes.runs.run import Run
    from rushes.runs.source import Audit
    from rushes.tasks.sounds.recipe import SoundsRecipe
    from rushes.tasks.sounds.report.samples import SoundViewer
    from rushes.tasks.sounds.sources.dreamcatcher import DreamCatcher
    from rushes.tasks.sounds.sources.folder import SoundFolder
    from rushes.tasks.sounds.sources.recordings import Recordings

BYTES_PER_SOUND = 2e5
"""Of the twin's archives, as measured."""

MACS_PER_S = 1.5e10
"""Multiplications with an addition that one thread does in a second of training: 13 to 19 thousand million
were measured on one core of a busy server."""

BACKWARD = 3
"""Training costs a pass forward, and twice that backward."""


def _taught(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    return clips.get("train", 0)


def _macs(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    """Multiplications of a whole training."""
    from rushes.models.net_costs import macs
    from rushes.recipe.net import Net
    from rushes.tasks.sounds.preprocessing import SoundPreprocessing

    once = macs(Net(**part["model"]), SoundPreprocessing(**dataset["preprocessing"]))
    return float(BACKWARD * part["train"]["epochs"] * clips.get("train", 0) * once)


def _source(recipe: SoundsRecipe) -> Mapping[str, Any]:
    """The source, less the seed of shares by which nobody is dealt out.

    Sounds whose sides do not depend on it were signed before there was a seed, and keep their signature. Those that
    do were dealt out by another rule then, and have a new one.
    """
    from rushes.recipe.signing import signed

    source = signed(recipe, ("source",), "features")["source"]
    if recipe.source.kind != "recordings" and recipe.source.split != "shares":
        del source["shares"]["seed"]
    return {"source": source}


def _timelines(recipe: SoundsRecipe) -> Mapping[str, Any]:
    """How whole recordings are measured, where there are any; their windows once counted one by one in intervals."""
    from rushes.recipe.signing import signed

    if recipe.source.kind != "recordings":
        return {}
    return {**signed(recipe, ("timelines",), "evaluate"), "windows": "of one recording move together"}


def _distils(recipe: SoundsRecipe) -> bool:
    return recipe.distil is not None


def _teacher(recipe: SoundsRecipe) -> Mapping[str, Any]:
    """As the training of a run of its own, down to the signature: a teacher is trained once for all pupils."""
    from rushes.recipe.signing import signed

    assert recipe.distil is not None, "only a recipe with distil has a teacher"
    return {**signed(recipe.distil.teacher, ("model", "train"), "train"), "distil": None}


def _compare_macro_f1(ours: Run[SoundsRecipe], theirs: Run[SoundsRecipe], confidence: float) -> Estimate:
    """Over the clips that both runs answered."""
    from rushes.predict.table import read_predictions
    from rushes.tasks.sounds.evaluate.measure import compare_macro_f1
    from rushes.tasks.sounds.predict.table import SCHEMA

    first, second = (read_predictions(run.bring("predict"), SCHEMA) for run in (ours, theirs))
    labels, windows = ours.recipe.preprocessing.labels, ours.recipe.source.kind == "recordings"
    return compare_macro_f1(first, second, labels, windows=windows, confidence=confidence)


class Sounds(Task["SoundsRecipe"]):
    """Which of the classes is heard?"""

    name = "sounds"
    stages = (
        replace(TWIN, cost=Cost(amount=samples, assumed_s=0.01)),
        replace(
            PREPARE,
            name="features",
            purpose="Turn sounds into spectrograms, write shards.",
            signs=_source,
            version=2,
            cost=Cost(amount=samples, assumed_s=0.02),
        ),
        replace(LOOK, inputs=("features",)),
        Stage(
            name="teacher",
            purpose="Train the net that a smaller one learns from.",
            makes="weights",
            signs=_teacher,
            inputs=("features",),
            asked=_distils,
            like="train",
            shared=True,
            cost=Cost(amount=_macs, assumed_s=1 / MACS_PER_S),
        ),
        Stage(
            name="logits",
            purpose="Let the teacher answer about the training side, once for all pupils.",
            makes="answers",
            inputs=("features", "teacher"),
            asked=_distils,
            reads=("logits.safetensors",),
            shared=True,
            cost=Cost(amount=_taught, assumed_s=0.005),
        ),
        replace(
            TRAIN,
            sections=("model", "train", "distil"),
            inputs=("features", "logits"),
            cost=Cost(amount=_macs, assumed_s=1 / MACS_PER_S),
        ),
        replace(
            PREDICT,
            inputs=("features", "teacher", "train"),
            reads=("predictions.parquet", "teacher/predictions.parquet"),
            cost=Cost(amount=asked, assumed_s=0.005),
        ),
        replace(
            EVALUATE, signs=_timelines, inputs=("features", "train", "predict"), cost=Cost(assumed_s=2.0)
        ),
        Stage(
            name="export",
            purpose="Write the net as ONNX, also in 8 bits, and say whether it fits its device.",
            makes="files",
            sections=("evaluate", "deploy"),
            inputs=("features", "train"),
            version=2,
            reads=("model.onnx", "model.int8.onnx"),
            cost=Cost(assumed_s=10.0),
        ),
        replace(
            REPORT,
            inputs=("features", "teacher", "train", "predict", "evaluate", "export"),
            cost=Cost(assumed_s=2.0),
        ),
    )

    def faults(self, recipe: SoundsRecipe) -> Iterator[tuple[str, str]]:
        """Sides and classes that the twin or the kind of source does not have."""
        from rushes.tasks.sounds.check import faults

        yield from faults(recipe)

    def source(self, recipe: SoundsRecipe) -> DreamCatcher | SoundFolder | Recordings:
        """See `Task.source`."""
        from rushes.tasks.sounds.sources.kinds import source_of

        return source_of(recipe)

    def audit(self, run: Run[SoundsRecipe]) -> Audit:
        """What there is of each class on each side; archives are read to their end, nothing is decoded."""
        from rushes.tasks.sounds.sources.kinds import audit_of_scan

        return audit_of_scan(run.scan, run.recipe)

    def viewer(self, run: Run[SoundsRecipe]) -> SoundViewer:
        """Spectrograms that play, as far as the recordings can be read again."""
        from rushes.tasks.sounds.report.samples import viewer_of

        return viewer_of(run.scan, run.recipe)

    def apply(self, run: Run[SoundsRecipe]) -> Apply[SoundsRecipe]:
        """See `Task.apply`."""
        from rushes.tasks.sounds.apply import ApplyToSounds

        return ApplyToSounds(run)

    def to_draw(self, recipe: SoundsRecipe) -> str:
        """Wearers, their sounds and the room that these take."""
        asked = recipe.twin
        wearers = asked.train + asked.val + asked.test
        sounds = wearers * asked.clips
        return f"{sounds:,} sounds of {wearers} wearers, about {sounds * BYTES_PER_SOUND / 1e6:,.0f} MB"

    def notes(self, run: Run[SoundsRecipe], stage: Stage) -> tuple[str, ...]:
        """See `Task.notes`; of training, how large the net is."""
        if stage.makes != "weights":
            return super().notes(run, stage)
        from rushes.models.net_costs import macs, parameters

        recipe, preprocessing = run.recipe, run.recipe.preprocessing
        distil = None if stage.name == "train" else recipe.distil
        net = recipe.model if distil is None else distil.teacher.model
        size = parameters(net, preprocessing.labels)
        per_s = macs(net, preprocessing) / preprocessing.clip_s
        return (f"{size:,} parameters, {per_s / 1e6:.1f} million multiplications and additions a second",)

    @property
    def compare(self) -> Mapping[str, Compare]:
        """See `Task.compare`."""
        return {"f1_macro": _compare_macro_f1}

    def measured(self, run: Run[Any]) -> list[tuple[str, str]]:
        """Clips and their classes, as the predictions say."""
        from rushes.predict.table import read_predictions
        from rushes.tasks.sounds.predict.table import SCHEMA

        table = read_predictions(run.bring("predict"), SCHEMA)
        return list(zip(*(table[name].to_pylist() for name in ("key", "label")), strict=True))

    def admission(self, run: Run[Any]) -> Iterator[Fault]:
        """Figures follow from logits, logits from the weights, and more than one class is answered."""
        from rushes.tasks.sounds.admission import check_sounds

        yield from check_sounds(run)

    def costs(self, run: Run[SoundsRecipe]) -> Mapping[str, float]:
        """What the net takes on its device, of the finished export."""
        from rushes.stages import read_json
        from rushes.tasks.sounds.export import DEPLOY_FILE, costs_of

        return costs_of(read_json(run.folder("export") / DEPLOY_FILE))

    @property
    def read_earlier(self) -> Callable[[Path, str | None], Imported] | None:
        """See `Task.read_earlier`."""
        from rushes.tasks.sounds.earlier_leaderboard import import_legacy

        return import_legacy

    def drawn(self, recipe: SoundsRecipe) -> Mapping[str, int] | None:
        """Clips on each side of a twin; None where there are recordings."""
        twin = recipe.twin
        return (
            {side: getattr(twin, side) * twin.clips for side in ("train", "val", "test")}
            if is_drawn(recipe)
            else None
        )
