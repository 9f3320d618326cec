"""What a campaign speaks of: trials, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rushes.runs.looks import Look

State = Literal["done", "collapsed", "invalid", "failed"]
"""``collapsed``: whole, but worth nothing, e.g. a net that answers with one class. ``invalid``: its files
contradict each other. ``failed``: a stage ended with an error. Only ``done`` has a rank."""

Figure = Mapping[str, float]
"""``value`` with its interval ``low``, ``high`` and the number ``n`` of rows behind it."""


def text_of(figure: Figure, sign: str = "") -> str:
    """A figure with its interval, if it has one; ``sign`` is that of a format.

    >>> text_of({"value": 0.5, "low": 0.25, "high": 0.75}), text_of({"value": 0.5}, "+")
    ('0.5000 [0.2500, 0.7500]', '+0.5000')
    """
    ends = ""
    if figure.get("low") is not None:
        ends = f" [{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"
    return f"{figure['value']:{sign}.4f}{ends}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a campaign: the manifest's recipe with overrides and a seed.

    Attributes:
        name: of the cell, the same for all seeds, e.g. ``cbam-reduction8-kernel3``.
        group: the entry of the manifest that it comes from, e.g. ``cbam``.
        phase: in which it runs.
        seed: of weights and order.
        overrides: dotted key of the recipe -> value, plain data.
        control: run or group that it is compared with; None compares with the task's trivial baseline.
    """

    name: str
    group: str
    phase: str
    seed: int
    overrides: Mapping[str, Any]
    control: str | None = None

    @property
    def key(self) -> str:
        """Unique in the campaign."""
        return f"{self.name}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial, all of it read from finished stages.

    Attributes:
        trial: which.
        state: whether it counts.
        faults: what admission found; empty where ``state`` is done.
        signatures: of its stages, by name.
        fingerprints: ``dataset``, ``weights`` and ``predictions``: hashes of content, none empty.
        figures: on the validation side, by name.
        baselines: trivial systems on the validation side: values by name.
        test: figures on the test side; None while it is sealed for this trial.
        costs: parameters, MACs, bytes, latency, ``seconds``, ``started``, ``ended`` (UTC, ISO 8601):
            whatever is known, under the names of the leaderboard's columns.
        error: the error that ended it, where it failed.
        final: whether the error is the recipe's own, so that another try would end the same way.
        test_faults: what admission found on the test side; the validation side stands by itself.
        collapsed: the one class that it answers with, where it collapsed to one.
        best_epoch, epochs: the epoch whose weights were kept, and how many were trained; None where the
            task counts steps.
    """

    trial: Trial
    state: State
    faults: tuple[str, ...] = ()
    signatures: Mapping[str, str] | None = None
    fingerprints: Mapping[str, str] | None = None
    figures: Mapping[str, Figure] | None = None
    baselines: Mapping[str, Mapping[str, float]] | None = None
    test: Mapping[str, Figure] | None = None
    costs: Mapping[str, float | str] | None = None
    error: str | None = None
    final: bool = False
    test_faults: tuple[str, ...] = ()
    collapsed: str | None = None
    best_epoch: int | None = None
    epochs: int | None = None

    def value(self, metric: str) -> float | None:
        """The figure of the validation side, None where there is none that counts."""
        if self.state != "done" or self.figures is None or metric not in self.figures:
            return None
        return self.figures[metric]["value"]

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``results/``."""
        return asdict(self)

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Result:
        """From the form that :meth:`to_json` gives."""
        return cls(
            **{
                **saved,
                "trial": Trial(**saved["trial"]),
                "faults": tuple(saved["faults"]),
                "test_faults": tuple(saved["test_faults"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate decided, with every number that it used.

    Attributes:
        gate: its name.
        passed: whether what comes after it may begin.
        metric, margin, confidence: what was asked.
        better, than: names of the two runs that were compared, the best of each side.
        by_seed: seed -> value of ``better``, value of ``than``.
        difference: mean of the paired differences with its interval; ``n`` seeds, or clips where one seed is
            all there is. Without any key where no run of a side counts.
        test: which test gave the interval, e.g. ``paired t over seeds``; begins with ``none`` where there is
            none.
        attempts: one line for each time it was asked: runs spent, what was compared, difference.
        candidates: name -> mean of the metric over seeds, of every run that was looked at.
        values: name -> seed -> the metric, of the same runs.
        asked: how many times the gate was asked, this time included.
        tested_at: confidence of the interval: that asked for, corrected for the times it was asked before,
            ``1 - (1 - confidence) / asked``; without one asked for 0.95.
        lower_is_better: of the metric; ``difference`` is positive where ``better`` is better all the same.
        split: side of the data on which all of it was measured.
        entry: hash of the asking in the record of gates; empty where it was not put on record.
    """

    gate: str
    passed: bool
    metric: str
    margin: float
    confidence: float | None
    better: str
    than: str
    by_seed: Mapping[int, tuple[float, float]]
    difference: Figure
    test: str
    attempts: tuple[str, ...]
    candidates: Mapping[str, float]
    values: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    asked: int = 1
    tested_at: float | None = None
    lower_is_better: bool = False
    split: str = "val"
    entry: str = ""

    def gain(self, ours: float, theirs: float) -> float:
        """By how much a value of ``better`` is better than one of ``than``."""
        return theirs - ours if self.lower_is_better else ours - theirs

    @property
    def empty(self) -> str:
        """Sides of which no run counts, e.g. ``better and than``; empty where two runs were compared."""
        sides = {"better": self.better, "than": self.than}
        return " and ".join(side for side, name in sides.items() if not name)

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``verdicts/``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Selection:
    """The best run of a group on the validation side: what the test side is opened for.

    Attributes:
        group: of which it is the best.
        name: of the run.
        metric: by which it was chosen.
        candidates: name -> mean of the metric over seeds on the validation side, of every run looked at.
        seeds: over which.
    """

    group: str
    name: str
    metric: str
    candidates: Mapping[str, float]
    seeds: tuple[int, ...]

    def admits(self, trial: Trial) -> bool:
        """Whether the test figures of a trial may be read."""
        return trial.name == self.name and trial.seed in self.seeds


@dataclass(frozen=True, slots=True)
class Opened:
    """A frozen selection with which the test side was looked at.

    Attributes:
        number: of the look, in the record of its workspace.
        campaign: its name.
        selections: what was frozen.
        hash: SHA-256 of the canonical JSON of campaign and selections.
    """

    number: int
    campaign: str
    selections: tuple[Selection, ...]
    hash: str

    def admits(self, trial: Trial) -> bool:
        """Whether the test figures of a trial may be read."""
        return any(one.admits(trial) for one in self.selections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a campaign has decided, as its pages and logs take it.

    Attributes:
        verdicts, selections, openings: in the order in which they were made.
        looks: at the test side, by whomever, in order.
        skipped: phase or run -> why it was not done.
        reasons: run or group -> why it is below what it is compared with, as the manifest says.
        manifest: its file.
    """

    verdicts: Sequence[Verdict] = ()
    selections: Sequence[Selection] = ()
    openings: Sequence[Opened] = ()
    looks: Sequence[Look] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    manifest: str = "campaign.yaml"
