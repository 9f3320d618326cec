"""How long a stage will take: from finished stages of its kind, scaled by what there is to do in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.runs.stage import Stage
from rushes.runs.task import Task
from rushes.stages import StageSpec, read_done, spec_of_folder


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated length of a stage.

    Attributes:
        seconds: by one process; None where there is nothing to tell it from.
        basis: where the estimate comes from.
    """

    seconds: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class Rates:
    """What finished stages tell.

    Attributes:
        seconds: kind of stage -> seconds for a unit of its work, of each finished one.
        clips: signature of a dataset -> clips on each side.
    """

    seconds: Mapping[str, tuple[float, ...]]
    clips: Mapping[str, Mapping[str, int]]

    def of(self, run: Run[Any], name: str) -> Estimate:
        """The estimate for a stage of a run that is to do."""
        stage, spec, dataset = run.stages[name], run.specs[name], run.specs[run.dataset]
        clips = self.clips.get(dataset.signature) or run.task.drawn(run.recipe)
        work = _work(stage, spec, clips, dataset)
        if work is None:
            return Estimate(None, "unknown")
        if known := self.seconds.get(spec.name):
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
    seconds: dict[str, list[float]] = {}
    for spec, done in finished:
        dataset = next((specs[s] for k, s in spec.inputs.items() if s in clips and s in specs), spec)
        work = _work(kinds[spec.name], spec, clips.get(dataset.signature), dataset)
        if work:
            seconds.setdefault(spec.name, []).append(float(done["seconds"]) / work)
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
    return float(stage.cost.amount(spec.recipe, clips or {}, dataset.recipe))
