"""How long a stage will take: from finished stages of its kind, scaled by what there is to do in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.runs.stage import Stage
from rushes.runs.task import Task
from rushes.stages import StageSpec, canonical_json, read_done, spec_of_folder


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated length of a stage.

    Attributes:
        seconds: by one process; None where there is nothing to tell it from.
        basis: where the estimate comes from.
    """

    seconds: float | None
    basis: str

    def text(self) -> str:
        """For people."""
        if self.seconds is None:
            return "nothing tells how long it takes"
        return f"about {duration(self.seconds)}: an estimate, {self.basis}"


NO_COST = Estimate(None, "")
"""Of what is not to do."""


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> [duration(seconds) for seconds in (0.2, 75, 3600, 100_000)]
    ['1 s', '1 min 15 s', '1 h', '27 h 46 min']
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    larger, smaller = ("h", "min") if whole >= 3600 else ("min", "s")
    whole = whole // 60 if whole >= 3600 else whole
    text = f"{whole // 60} {larger}"
    return f"{text} {whole % 60} {smaller}" if whole % 60 else text


def rate(per_s: float, noun: str) -> str:
    """How fast something goes, as people say it; slow things by the time that one of them takes.

    >>> [rate(per_s, "sample") for per_s in (812.4, 3.14, 0.05, 0.0)]
    ['812 samples/s', '3.1 samples/s', 'a sample in 20 s', 'too few samples to tell how fast']
    """
    if per_s <= 0:
        return f"too few {noun}s to tell how fast"
    if per_s < 1:
        return f"a {noun} in {duration(1 / per_s)}"
    return f"{per_s:,.1f} {noun}s/s" if per_s < 10 else f"{per_s:,.0f} {noun}s/s"


@dataclass(frozen=True, slots=True)
class Rates:
    """What finished stages tell.

    Attributes:
        seconds: kind of stage, and the model of those whose length grows with it -> seconds for a unit of
            work, of each finished one.
        clips: signature of a dataset -> clips on each side.
    """

    seconds: Mapping[tuple[str, str], tuple[float, ...]]
    clips: Mapping[str, Mapping[str, int]]

    def of(self, run: Run[Any], name: str, expected: Mapping[str, int] | None = None) -> Estimate:
        """The estimate for a stage of a run that is to do.

        Args:
            run: whose stage.
            name: of the stage.
            expected: samples on each side, where the dataset is not there to tell.
        """
        stage, spec, dataset = run.stages[name], run.specs[name], run.specs[run.dataset]
        clips = self.clips.get(dataset.signature) or expected or run.task.drawn(run.recipe)
        work = _work(stage, spec, clips, dataset)
        if work is None:
            return Estimate(None, "unknown")
        model = _model(stage, [spec, *(run.specs[needed] for needed in stage.inputs if needed in run.specs)])
        if known := self.seconds.get((spec.name, model)):
            return Estimate(work * median(known), f"{len(known)} finished")
        if stage.cost.assumed_s is not None:
            return Estimate(work * stage.cost.assumed_s, "assumed")
        return Estimate(None, "unknown")


def read_rates(workspace: Path, task: Task[Any]) -> Rates:
    """What the finished stages of a task in a workspace tell; unreadable ones tell nothing."""
    kinds = {stage.kind: stage for stage in task.stages}
    finished = [one for one in _finished(workspace) if one[0].recipe.get("task") == task.name]
    specs = {spec.signature: spec for spec, _ in finished}
    clips = {
        spec.signature: samples
        for spec, done in finished
        if isinstance(samples := done["summary"].get("samples"), Mapping)
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    for spec, done in finished:
        dataset = next((specs[s] for k, s in spec.inputs.items() if s in clips and s in specs), spec)
        stage = kinds[spec.name]
        work = _work(stage, spec, clips.get(dataset.signature), dataset)
        if work:
            model = _model(stage, [spec, *(specs[one] for one in spec.inputs.values() if one in specs)])
            seconds.setdefault((spec.name, model), []).append(float(done["seconds"]) / work)
    return Rates({kind: tuple(values) for kind, values in seconds.items()}, clips)


def _finished(workspace: Path) -> Iterator[tuple[StageSpec, dict[str, Any]]]:
    for path in sorted(Path(workspace).glob("*/DONE")):
        try:
            done, spec = read_done(path.parent), spec_of_folder(path.parent)
        except StageError:  # not the folder of a stage
            continue
        if done is not None and spec.folder(Path(workspace)) == path.parent:
            yield spec, done


def _work(stage: Stage, spec: StageSpec, clips: Mapping[str, int] | None, dataset: StageSpec) -> float | None:
    """How much there is to do in a stage; None where that cannot be told."""
    if stage.cost.amount is None:
        return 1.0
    if clips is None and stage.cost.of_samples:
        return None
    return stage.cost.amount(spec.recipe, clips or {}, dataset.recipe)


def _model(stage: Stage, specs: Iterable[StageSpec]) -> str:
    """What a stage and those before it say of the model and its base, where its size decides how long it takes."""
    if not stage.cost.of_model:
        return ""
    return canonical_json(
        [[spec.recipe["model"], spec.fingerprint] for spec in specs if "model" in spec.recipe]
    )
