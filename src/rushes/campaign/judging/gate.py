"""A gate: whether the best run of one side is better than the best run of the other, by enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from rushes.campaign.records import Result, Verdict, text_of
from rushes.errors import GateError, MetricError
from rushes.metrics.estimate import CONFIDENCE, Estimate

SeedTest = Callable[[Sequence[float], float], Estimate]
"""Paired differences, one a seed, and a confidence -> their mean with its interval."""

ClipTest = Callable[[Result, Result, float], Estimate | None]
"""Two results of one seed, confidence -> difference of the metric over the same clips with its interval; None
where no such test is known."""

OVER_SEEDS, OVER_CLIPS = "paired t over seeds", "paired bootstrap over clips"
NO_TEST, NO_SPREAD = "none", "none: all seeds differ by the same, which tells no spread"

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Question:
    """What a gate asks.

    Attributes:
        gate: its name.
        metric: by which runs are compared, on the validation side.
        margin: by which the mean must be better.
        confidence: at which the paired difference must also lie above zero; None asks for the margin alone.
        lower_is_better: of the metric.
        seeds: every run that takes part is done with each.
        better, than: names of the runs on each side, in order.
    """

    gate: str
    metric: str
    margin: float
    confidence: float | None
    lower_is_better: bool
    seeds: tuple[int, ...]
    better: tuple[str, ...]
    than: tuple[str, ...]


def values_of(
    results: Iterable[Result], names: Sequence[str], seeds: Sequence[int], metric: str
) -> dict[str, tuple[float, ...]]:
    """Values on the validation side, one a seed, of the runs that count: those done with every seed.

    The order is that of ``names``.
    """
    found = {(result.trial.name, result.trial.seed): result.value(metric) for result in results}
    values: dict[str, tuple[float, ...]] = {}
    for name in names:
        of_seeds = [value for seed in seeds if (value := found.get((name, seed))) is not None]
        if len(of_seeds) == len(seeds):
            values[name] = tuple(of_seeds)
    return values


def best(values: Mapping[str, Sequence[float]], *, lower_is_better: bool = False) -> str | None:
    """Name of the run with the best mean, the first of equals; None if there is no run.

    >>> best({"a": [0.5, 0.7], "b": [0.6, 0.8], "c": [0.8, 0.6]})
    'b'
    """
    sign = -1.0 if lower_is_better else 1.0
    # Sums of the same numbers in another order may differ in their last digits.
    means = {name: round(sign * fmean(of_seeds), 12) for name, of_seeds in values.items()}
    return max(means, key=lambda name: means[name], default=None)


def corrected(confidence: float, asked: int) -> float:
    """Confidence that a gate needs when it is asked for the ``asked``-th time, after Bonferroni.

    Every further try is one more chance to pass by luck, so the error rate is divided by the number of tries.

    >>> corrected(0.95, 1), round(corrected(0.95, 5), 6)
    (0.95, 0.99)
    """
    return confidence if asked == 1 else 1.0 - (1.0 - confidence) / asked


def decide(
    question: Question,
    results: Sequence[Result],
    *,
    seed_test: SeedTest,
    clip_test: ClipTest | None = None,
    tried: Sequence[str] = (),
    attempts: Sequence[str] = (),
    number_of: Callable[[Mapping[str, Any]], tuple[int, str]] | None = None,
) -> Verdict:
    """Compare the best of both sides, seed by seed.

    The gate passes where the mean of the paired differences reaches the margin and, if a confidence is asked
    for, their interval lies above zero at this confidence, corrected for the number of times that the gate
    was asked (`corrected`). A run that is not done with every seed does not take part; a side without any run
    does not pass. Equal differences of all seeds tell no spread, so they have no interval and reach no
    confidence.

    Args:
        question: what is asked.
        results: what came of the trials; those of other runs are left aside.
        seed_test: gives the interval of two seeds and more: `rushes.metrics.paired.paired_t`.
        clip_test: gives the interval of a single seed; None leaves it without one, so that no confidence
            can be reached.
        tried: names of further runs on the better side, of the gate's ``otherwise``, in order.
        attempts: what earlier verdicts of this gate said, one line each; this one adds its own.
        number_of: puts an asking on record; tells how many there were with it, since the manifest may no longer
            name all of them, and the hash of its entry. None counts ``attempts`` alone.

    Raises:
        MetricError: the test's difference is not that of the results.
    """
    names = [*question.better, *tried], question.than
    sides = [values_of(results, side, question.seeds, question.metric) for side in names]
    sought = {*names[0], *names[1]}
    runs = {result.trial.key: result.trial.overrides for result in results if result.trial.name in sought}
    asking = {**asdict(question), "tried": tried, "runs": runs, "values": sides}
    number, entry = (0, "") if number_of is None else number_of(asking)
    asked = _asked(question, sides[0] | sides[1], attempts, max(len(attempts) + 1, number), entry)
    better, than = (best(side, lower_is_better=question.lower_is_better) for side in sides)
    if better is None or than is None:
        lost = replace(asked, better=better or "", than=than or "")
        line = f"{len(tried)} tried: no run of {lost.empty} is done with every seed, not passed"
        return replace(lost, attempts=(*attempts, line))
    ours, theirs = sides[0][better], sides[1][than]
    gains = [asked.gain(*pair) for pair in zip(ours, theirs, strict=True)]
    of_clips = None if clip_test is None else partial(clip_test, *_lone_pair(question, results, better, than))
    estimate, test = _tested(gains, asked.tested_at or CONFIDENCE, seed_test, of_clips)
    if estimate is not None and abs(estimate.value - fmean(gains)) > 1e-6:
        raise MetricError(
            f"the {test} finds a difference of {estimate.value:.6f}, the results one of {fmean(gains):.6f}",
            where=f"gate {question.gate}: {better} against {than}",
            cure="the predictions are not those that were measured: run `rushes verify` on both",
        )
    difference = _difference(gains, estimate)
    surely = question.confidence is None or difference.get("low", 0.0) > 0.0
    passed = difference["value"] >= question.margin - ROUNDING and surely
    line = (
        f"{len(tried)} tried: {better} {fmean(ours):.4f} against {than} {fmean(theirs):.4f}, "
        f"{text_of(difference, '+')}, {'passed' if passed else 'not passed'}"
    )
    return replace(
        asked,
        passed=passed,
        better=better,
        than=than,
        by_seed={seed: (ours[i], theirs[i]) for i, seed in enumerate(question.seeds)},
        difference=difference,
        test=test,
        attempts=(*attempts, line),
    )


def _asked(
    question: Question, values: Mapping[str, Sequence[float]], attempts: Sequence[str], asked: int, entry: str
) -> Verdict:
    """The verdict before anything is compared: not passed."""
    return Verdict(
        gate=question.gate,
        passed=False,
        metric=question.metric,
        margin=question.margin,
        confidence=question.confidence,
        better="",
        than="",
        by_seed={},
        difference={},
        test=NO_TEST,
        attempts=tuple(attempts),
        candidates={name: fmean(of_seeds) for name, of_seeds in values.items()},
        values={name: dict(zip(question.seeds, of_seeds, strict=True)) for name, of_seeds in values.items()},
        asked=asked,
        tested_at=corrected(question.confidence or CONFIDENCE, asked if question.confidence else 1),
        lower_is_better=question.lower_is_better,
        entry=entry,
    )


def _lone_pair(
    question: Question, results: Sequence[Result], better: str, than: str
) -> tuple[Result, Result]:
    """The results of the first seed, the one whose value should be larger first."""
    by_name = {(result.trial.name, result.trial.seed): result for result in results}
    larger, smaller = (than, better) if question.lower_is_better else (better, than)
    return by_name[larger, question.seeds[0]], by_name[smaller, question.seeds[0]]


def _tested(
    gains: Sequence[float],
    confidence: float,
    seed_test: SeedTest,
    of_clips: Callable[[float], Estimate | None] | None,
) -> tuple[Estimate | None, str]:
    """The mean gain with its interval, over seeds or over the clips of a single one, and the test's name."""
    if len(gains) == 1:
        estimate = None if of_clips is None else of_clips(confidence)
        return estimate, NO_TEST if estimate is None else OVER_CLIPS
    if max(gains) - min(gains) <= ROUNDING:
        return None, NO_SPREAD
    return seed_test(gains, confidence), OVER_SEEDS


def _difference(gains: Sequence[float], estimate: Estimate | None) -> dict[str, float]:
    """The mean gain, with its interval where a test gave one."""
    if estimate is None:
        return {"value": fmean(gains), "n": len(gains)}
    if estimate.low is None or estimate.high is None:
        return {"value": fmean(gains), "n": estimate.n}
    return {"value": fmean(gains), "low": estimate.low, "high": estimate.high, "n": estimate.n}


def failure(verdict: Verdict) -> GateError:
    """The error that ends a campaign at a gate that failed for good."""
    asked = f"{verdict.metric} better by {verdict.margin:g}"
    if verdict.confidence is not None:
        asked += f", above zero at {verdict.confidence:.0%}{corrected_text(verdict)}"
    return GateError(
        f"the gate {verdict.gate} did not pass: asked for {asked}; found {verdict.attempts[-1]}",
        where=f"{len(verdict.candidates)} runs compared, {len(verdict.attempts)} times",
        cure="what comes after the gate is not begun; change its runs, or give `otherwise` more to try",
    )


def corrected_text(verdict: Verdict) -> str:
    """The corrected confidence of a gate that was asked several times; empty where nothing is corrected."""
    if verdict.confidence is None or verdict.asked == 1 or verdict.tested_at is None:
        return ""
    return f" (asked {verdict.asked} times, so {verdict.tested_at:.2%})"


def caution(verdict: Verdict) -> str:
    """What a verdict by the margin alone does not say; empty where a confidence was asked for."""
    if verdict.confidence is not None or verdict.empty:
        return ""
    low, high = verdict.difference.get("low"), verdict.difference.get("high")
    if low is None or high is None:
        return "no confidence was asked for, and nothing tells how sure the difference is"
    if low <= 0.0 <= high:
        ends = f"the interval [{low:+.2f}, {high:+.2f}] holds zero: by it nobody can tell which is better"
        return f"no confidence was asked for, and {ends}"
    return "no confidence was asked for"
