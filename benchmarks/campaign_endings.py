"""Three small campaigns whose gates end differently: passed, passed after tuning, failed for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from campaign_command import GATE_FAILED, Asked, tell, write_manifest
from report import Figure

RECIPE = """\
task: sounds
name: small
twin: {train: 4, val: 3, test: 3, clips: 24, difficulty: 0.0}
preprocessing: {clip_s: 2.0}
train: {epochs: 2, patience: 12, batch_size: 8, learning_rate: 0.005}
deploy: {calibration: 16, runs: 10}
"""
MANIFEST = """\
campaign: NAME
recipe: small.yaml
seeds: SEEDS
metric: f1_macro
phases:
  - name: base
    runs:
      teacher: {set: {model: {net: crnn}, train.epochs: EPOCHS}}
      student: {}
  - name: gate
    gate:
      better: [teacher]
      than: [student]
      margin: MARGIN
      otherwise:
        budget: 2
        runs:
          teacher-tuned:
            set: {model: {net: crnn}}
            cells:
              - {train.epochs: 1, train.learning_rate: 0.0003}
              - {train.epochs: 8}
            control: teacher
  - name: kd
    after: gate
    runs:
      pupil:
        take: {distil.teacher.model: gate.model, distil.teacher.train: gate.train}
        control: student
select: [teacher, student, pupil]
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """A campaign and how it must end.

    Attributes:
        name: of the campaign.
        epochs: of the teacher at first; after one it hears little.
        margin: that the gate asks for.
        code: of the process.
        attempts: how often the gate is asked.
        pupils: whether these are trained.
    """

    name: str
    epochs: int
    margin: float
    code: int
    attempts: int
    pupils: bool


ENDINGS = (
    Ending("passes", 8, 0.05, 0, 1, True),
    Ending("tunes", 1, 0.05, 0, 3, True),
    Ending("runs-out", 1, 0.5, GATE_FAILED, 3, False),
)


def endings(asked: Asked) -> Iterator[Figure]:
    """Each campaign as a whole process, all in one workspace; the gate's words are told."""
    seeds = [0] if asked.quick else [0, 1, 2]
    for ending in ENDINGS:
        manifest = MANIFEST.replace("NAME", ending.name).replace("SEEDS", str(seeds))
        manifest = manifest.replace("EPOCHS", str(ending.epochs)).replace("MARGIN", str(ending.margin))
        path = write_manifest(asked.folder, RECIPE, manifest)
        workers = str(asked.workers)
        answer = tell("run", path, asked.folder / "ws", "--workers", workers, codes=(0, 1, GATE_FAILED))
        (verdict,) = answer.told["verdicts"]
        pupils = sum(one["group"] == "pupil" for one in answer.told["results"])
        what = f"gate {ending.name}"
        yield _exactly(f"{what}: exit code", answer.code, ending.code)
        yield _exactly(f"{what}: times asked", len(verdict["attempts"]), ending.attempts)
        yield _exactly(f"{what}: pupils trained", pupils, len(seeds) if ending.pupils else 0)
        for number, said in enumerate(verdict["attempts"], start=1):
            yield Figure(f"{what}: answer {number}, margin {ending.margin:g}", said)
        states = ", ".join(f"{count} {state}" for state, count in answer.states().items() if count)
        yield Figure(f"{what}: runs", states)
        yield Figure(f"{what}: seconds", answer.wall_s)


def _exactly(figure: str, value: int, bar: int) -> Figure:
    return Figure(figure, value, f"== {bar}", value == bar)
