"""How long a stage will take: from finished stages of its kind, scaled by what there is to do in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rushes.campaign.tasks import TASKS
from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.stages import StageSpec, read_done, spec_of_folder

OF_CLIPS = ("twin", "features", "logits", "predict")
BACKWARD = 3
"""Training costs a pass forward, and twice that backward."""


@dataclass(frozen=True, slots=True)
class Cost:
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

    def of(self, run: Run, name: str) -> Cost:
        """The estimate for a stage of a run that is to do."""
        kind, spec, task = run.specs[name].name, run.specs[name], TASKS[run.recipe.task]
        dataset = run.specs[run.dataset]
        clips = self.clips.get(dataset.signature) or task.drawn(run)
        work = _work(spec, clips, dataset)
        if work is None:
            return Cost(None, "unknown")
        if known := self.seconds.get(kind):
            return Cost(work * median(known), f"{len(known)} finished")
        if name in task.assumed:
            return Cost(work * task.assumed[name], "assumed")
        return Cost(None, "unknown")


def read_rates(workspace: Path) -> Rates:
    """What the finished stages of a workspace tell; unreadable ones tell nothing."""
    finished = list(_finished(workspace))
    specs = {spec.signature: spec for spec, _ in finished}
    clips = {
        spec.signature: samples
        for spec, done in finished
        if isinstance(samples := done["summary"].get("samples"), Mapping)
    }
    seconds: dict[str, list[float]] = {}
    for spec, done in finished:
        dataset = next((specs[s] for k, s in spec.inputs.items() if s in clips and s in specs), spec)
        work = _work(spec, clips.get(dataset.signature), dataset)
        if work:
            seconds.setdefault(spec.name, []).append(float(done["seconds"]) / work)
    return Rates({kind: tuple(values) for kind, values in seconds.items()}, clips)


def _finished(workspace: Path) -> Iterator[tuple[StageSpec, dict[str, Any]]]:
    for path in sorted(Path(workspace).glob("*/DONE")):
        try:
            done, spec = read_done(path.parent), spec_of_folder(path.parent)
        except StageError:  # of a folder that is none of ours
            continue
        if done is not None and spec.folder(Path(workspace)) == path.parent:
            yield spec, done


def _work(spec: StageSpec, clips: Mapping[str, int] | None, dataset: StageSpec) -> float | None:
    """What there is to do in a stage, in units of its kind; None where that cannot be told."""
    part = spec.recipe
    if spec.name == "train" and "net" in part["model"]:
        if clips is None:
            return None
        return BACKWARD * part["train"]["epochs"] * clips.get("train", 0) * float(_macs(part, dataset))
    if spec.name == "train":
        phases = part["train"].get("phases", ())
        return float(sum(one["steps"] * one["batch_size"] * one["accumulate"] for one in phases))
    if spec.name in OF_CLIPS:
        side = {"predict": part.get("split"), "logits": "train"}.get(spec.name)
        if clips is None:
            return None
        return float(sum(clips.values()) if side is None else clips.get(side, 0))
    return 1.0


def _macs(part: Mapping[str, Any], dataset: StageSpec) -> int:
    """Multiplications of the net for one clip."""
    from rushes.contract import SoundContract
    from rushes.models.sound_cost import macs
    from rushes.recipe.sounds import SoundModel

    return macs(SoundModel(**part["model"]), SoundContract(**dataset.recipe["preprocessing"]))
