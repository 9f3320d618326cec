"""How runs stand: over their seeds, against their control, and against the trivial baselines.

A difference is always *gain*: positive is better, whatever way the metric points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rushes.campaign.manifest.schema import WORTH
from rushes.campaign.records import Figure, Result, Trial
from rushes.metrics.estimate import CONFIDENCE, UNBOUNDED, Bounds, of_differences
from rushes.tasks import TASKS


@dataclass(frozen=True, slots=True)
class Board:
    """What all runs of a campaign are measured by.

    Attributes:
        campaign: its name.
        task: of its recipe.
        metric: figure of the validation side that ranks runs.
        lower_is_better: whether the metric is an error.
        worth: by how much a run must be better than each trivial system, as a share of that one's figure.
    """

    campaign: str
    task: str
    metric: str
    lower_is_better: bool = False
    worth: float = WORTH

    @property
    def asked(self) -> str:
        """What a run must show in order to count, for people."""
        return f"better than every trivial system by {100 * self.worth:g} % of its figure"

    def range_of(self, figure: str) -> Bounds:
        """What a figure can be; unbounded where the task does not know it."""
        figures = TASKS[self.task].figures
        return figures[figure].range if figure in figures else UNBOUNDED

    @property
    def gains(self) -> Bounds:
        """What a gain in the metric can be."""
        return of_differences(self.range_of(self.metric))

    def gain(self, value: float, other: float) -> float:
        """By how much ``value`` is better than ``other``."""
        return other - value if self.lower_is_better else value - other


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of several seeds.

    Attributes:
        mean: of them.
        sd: sample standard deviation; None for one seed.
        low, high: Student's t interval of the mean at 95 %; None for one seed, which tells no spread.
        n: seeds.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n: int


def spread(values: Iterable[float], bounds: Bounds = UNBOUNDED) -> Spread:
    """Mean and deviation of one value a seed, with Student's t interval, see `rushes.metrics.paired.paired_t`.

    Args:
        values: at least one.
        bounds: what their mean can be.

    >>> found = spread([1.0, 2.0, 3.0])
    >>> found.mean, found.sd, round(found.low, 3), round(found.high, 3)
    (2.0, 1.0, -0.484, 4.484)
    >>> spread([0.5])
    Spread(mean=0.5, sd=None, low=None, high=None, n=1)
    """
    from rushes.metrics.paired import paired_t

    array = np.asarray(list(values), dtype=np.float64)
    n, mean = len(array), float(array.mean())
    if n == 1:
        return Spread(mean, None, None, None, 1)
    found = paired_t(array, CONFIDENCE, bounds)
    return Spread(mean, float(array.std(ddof=1)), found.low, found.high, n)


@dataclass(frozen=True, slots=True)
class Standing:
    """A run over all its seeds.

    Attributes:
        name, group, phase: of it.
        seeds: that count: they were admitted.
        asked: seeds, with which every run of the campaign is done.
        states: how many seeds are in which state.
        control: the run it is compared with, or the trivial system.
        against_run: whether the control is a run.
        validation: figures of the validation side over seeds.
        test: figures of the test side over the seeds for which it was opened.
        difference: paired gain over the control, over the seeds that both have; None where there is none.
        test_difference: the same on the test side, over the seeds for which it was opened for both; None
            where the control is no run.
        costs: means over seeds, moments left out.
        lone: with one seed only, the metric with the interval over that run's clips.
    """

    name: str
    group: str
    phase: str
    seeds: tuple[int, ...]
    asked: int
    states: Mapping[str, int]
    control: str | None
    against_run: bool
    validation: Mapping[str, Spread]
    test: Mapping[str, Spread]
    difference: Spread | None
    test_difference: Spread | None
    costs: Mapping[str, float]
    lone: Figure | None

    @property
    def partial(self) -> str | None:
        """How many seeds are behind its means, where some are lost or still to be done; else None."""
        count = len(self.seeds)
        return f"mean of {count} of {self.asked} seeds" if 0 < count < self.asked else None


def aggregate(board: Board, results: Sequence[Result]) -> list[Standing]:
    """Every run over its seeds, in the order in which runs first stand among ``results``."""
    by_name: dict[str, list[Result]] = {}
    for result in results:
        by_name.setdefault(result.trial.name, []).append(result)
    asked = len({result.trial.seed for result in results})
    return [
        _standing(board, sorted(own, key=lambda r: r.trial.seed), results, asked) for own in by_name.values()
    ]


def _standing(board: Board, own: Sequence[Result], results: Sequence[Result], asked: int) -> Standing:
    trial = own[0].trial
    done = [result for result in own if result.state == "done"]
    gains = [gain for one in done if (gain := difference_by_seed(board, one, results)) is not None]
    control = control_of(board, trial, results)
    opened = _test_gains(board, done, control, results)
    against_run = trial.control is not None
    if not against_run and done:
        control = baseline_of(board, done[0])[0]
    lone = done[0].figures if len(done) == 1 else None
    return Standing(
        name=trial.name,
        group=trial.group,
        phase=trial.phase,
        seeds=tuple(result.trial.seed for result in done),
        asked=asked,
        states=dict(Counter(result.state for result in own)),
        control=control,
        against_run=against_run,
        validation=_spreads([result.figures for result in done], board),
        test=_spreads([result.test for result in done], board),
        difference=spread(gains, board.gains) if gains else None,
        test_difference=spread(opened, board.gains) if opened else None,
        costs={name: known.mean for name, known in _spreads([_numbers(one.costs) for one in done]).items()},
        lone=(lone or {}).get(board.metric),
    )


def _test_gains(
    board: Board, own: Sequence[Result], control: str | None, results: Sequence[Result]
) -> list[float]:
    """Gains over the control on the test side, one for each seed for which both were opened and count."""
    theirs = {
        one.trial.seed: one.test[board.metric]["value"]
        for one in results
        if one.trial.name == control and one.state == "done" and one.test and board.metric in one.test
    }
    return [
        board.gain(one.test[board.metric]["value"], theirs[one.trial.seed])
        for one in own
        if one.test and board.metric in one.test and one.trial.seed in theirs
    ]


def _spreads(sides: Sequence[Mapping[str, Figure] | None], board: Board | None = None) -> dict[str, Spread]:
    """Of every figure that all sides that are open have, within its bounds where the board knows it."""
    opened = [side for side in sides if side]
    if not opened:
        return {}
    shared = [name for name in opened[0] if all(name in side for side in opened)]
    return {
        name: spread((side[name]["value"] for side in opened), board.range_of(name) if board else UNBOUNDED)
        for name in shared
    }


def _numbers(costs: Mapping[str, float | str] | None) -> dict[str, Figure]:
    return {name: {"value": value} for name, value in (costs or {}).items() if not isinstance(value, str)}


def control_of(board: Board, trial: Trial, results: Sequence[Result]) -> str | None:
    """Name of the run that a trial is compared with; of a group, the best on the validation side.

    None where it is compared with the trivial baseline, or where nothing of its control counts.
    """
    if trial.control is None:
        return None
    names = {one.trial.name for one in results}
    if trial.control in names:
        return trial.control
    return best_of(board, [one for one in results if one.trial.group == trial.control])


def best_of(board: Board, results: Sequence[Result]) -> str | None:
    """Name of the run with the best mean of the metric over seeds on the validation side.

    Only runs with as many seeds that count as any other has are looked at, so that no run wins by having
    lost its bad seeds. Ties go to the name that sorts first.
    """
    values: dict[str, list[float]] = {}
    for result in results:
        if (value := result.value(board.metric)) is not None:
            values.setdefault(result.trial.name, []).append(value)
    if not values:
        return None
    most = max(map(len, values.values()))
    means = {name: sum(found) / len(found) for name, found in values.items() if len(found) == most}
    sign = 1 if board.lower_is_better else -1
    return min(means, key=lambda name: (sign * means[name], name))


def baseline_of(board: Board, result: Result) -> tuple[str | None, float | None]:
    """The best trivial system of the validation side and its value; None where no system has the metric."""
    values = {
        name: found[board.metric]
        for name, found in (result.baselines or {}).items()
        if found.get(board.metric) is not None
    }
    if not values:
        return None, None
    sign = 1 if board.lower_is_better else -1
    best = min(values, key=lambda name: (sign * values[name], name))
    return best, values[best]


def difference_by_seed(board: Board, result: Result, results: Sequence[Result]) -> float | None:
    """Gain of a trial over its control with the same seed, or over the best trivial system.

    None where either does not count.
    """
    value = result.value(board.metric)
    if value is None:
        return None
    if result.trial.control is None:
        baseline = baseline_of(board, result)[1]
        return None if baseline is None else board.gain(value, baseline)
    name = control_of(board, result.trial, results)
    for other in results:
        if (other.trial.name, other.trial.seed) == (name, result.trial.seed):
            against = other.value(board.metric)
            return None if against is None else board.gain(value, against)
    return None
