"""What an interval allows to say of two systems: better, worse, or that it cannot be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from numpy.typing import ArrayLike

from rushes.errors import MetricError
from rushes.metrics.checks import finite
from rushes.metrics.estimate import CONFIDENCE, Bounds, Estimate, level, of_differences

if TYPE_CHECKING:  # scipy stands behind it, which nobody waits for who reads a scorecard
    from rushes.metrics.jackknife import Jackknife

Better = Literal["higher", "lower"]
Verdict = Literal["better", "worse", "cannot be told"]


def verdict(low: float | None, high: float | None, better: Better = "higher") -> Verdict:
    """How a system stands to another by the interval of its figure less the other's, and by that alone.

    >>> verdict(0.01, 0.2), verdict(0.01, 0.2, "lower"), verdict(-0.1, 0.1), verdict(None, None)
    ('better', 'worse', 'cannot be told', 'cannot be told')
    """
    if low is None or high is None or low <= 0 <= high:
        return "cannot be told"
    return "better" if (low > 0) == (better == "higher") else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model against the best of its baselines.

    Attributes:
        best: name of the baseline with the best figure.
        difference: the model's figure less the best baseline's; its interval allows for not knowing which
            baseline is truly the best.
        verdict: by that interval.
    """

    best: str
    difference: Estimate
    verdict: Verdict


def difference_to_best(
    jackknife: Jackknife,
    model: ArrayLike,
    baselines: Mapping[str, ArrayLike],
    bounds: Bounds,
    better: Better = "higher",
    *,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """The difference of a model to the truly best of k baselines, all measured on the same rows.

    The model is better where it is better than *each* baseline, which needs no correction (Berger 1982): the
    near end of the interval is the nearest of those of the k differences. It is worse where *some* baseline
    is better, of which one in k may seem so by luck: the far end is the nearest of those of the k differences
    at ``1 - (1 - confidence) / k`` (Bonferroni). So either word is said of two equal systems in at most
    ``(1 - confidence) / 2`` of all cases.

    Args:
        jackknife: of the rows.
        model: (1 + G,) figures of the model, of all rows and of each leave-out.
        baselines: as many of each of the k baselines; of equally good ones the first is named.
        bounds: range of the *figure*.
        better: which way it points.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: no baselines; and as `Jackknife.estimate`.

    >>> from rushes.metrics.jackknife import Jackknife
    >>> jackknife = Jackknife.of(range(8))
    >>> ours = jackknife.means([1, 1, 1, 0, 1, 1, 1, 1])
    >>> rivals = {"always": jackknife.means([1, 0] * 4), "never": jackknife.means([0] * 8)}
    >>> found = difference_to_best(jackknife, ours, rivals, (0, 1))
    >>> found.best, found.difference.value, found.verdict
    ('always', 0.375, 'cannot be told')
    """
    if not baselines:
        raise MetricError("there is no baseline to compare with")
    sign = 1.0 if better == "higher" else -1.0
    ours = finite(model, "the model's figures")
    gains = {name: sign * (ours - finite(theirs, name)) for name, theirs in baselines.items()}
    # Rounded, so that of two that are equal but for rounding the same one is named everywhere.
    best = min(gains, key=lambda name: round(float(gains[name][0]), 12))
    near, far = (
        [jackknife.estimate(gain, of_differences(bounds), confidence=at) for gain in gains.values()]
        for at in (confidence, 1 - (1 - level(confidence)) / len(gains))
    )
    lows = [each.low for each in near if each.low is not None]
    highs = [each.high for each in far if each.high is not None]
    low = high = None
    if len(lows) == len(highs) == len(gains):
        low, high = min(lows), min(highs)
        if sign < 0:
            low, high = -high, -low
    difference = Estimate(sign * float(gains[best][0]), low, high, near[0].n, near[0].clusters)
    return Comparison(best, difference, verdict(difference.low, difference.high, better))
