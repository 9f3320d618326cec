"""Two systems on the same ground: over the same rows, or over the same seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, hstack
from scipy.stats import ttest_1samp

from rushes.errors import MetricError
from rushes.metrics.checks import Label, MetricTypeError, encode, finite, same_length
from rushes.metrics.confusion import confusion_scores
from rushes.metrics.intervals import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    percentile_interval,
    resampled_sums,
)


def paired_macro_f1(
    truth: Sequence[Label],
    first: Sequence[Label],
    second: Sequence[Label],
    groups: Sequence,
    labels: Sequence[Label],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Macro-F1 of the first system less that of the second, clusters resampled for both at once.

    The first system is better beyond doubt where ``low > 0``. Row i must be the same clip on all sides. A
    macro-F1 is no mean over rows, so `rushes.metrics.intervals.paired_difference` does not apply.

    Args:
        truth: n labels.
        first, second: n predictions each.
        groups: n ids; see the rule of clusters in `rushes.metrics.intervals`.
        labels: the class list.
        seed: of the generator.
        resamples: how many.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> truth = ["a", "b", "a", "b"]
    >>> print(paired_macro_f1(truth, truth, ["a"] * 4, ["g1", "g1", "g2", "g2"], ["a", "b"]))
    0.667 [0.667, 0.667] n=4
    """
    actual = encode(truth, labels, "the truth")
    answers = [
        encode(side, labels, f"the {nth} system") for nth, side in (("first", first), ("second", second))
    ]
    n, k = same_length(truth=actual, first=answers[0], second=answers[1], groups=groups), len(labels)
    cells = [csr_array((np.ones(n), (np.arange(n), actual * k + side)), shape=(n, k * k)) for side in answers]
    parts = hstack(cells, format="csr")
    drawn = resampled_sums(parts, groups, seed=seed, resamples=resamples)
    sums = np.concatenate([parts.sum(axis=0)[None], drawn]).reshape(-1, 2, k, k)
    ours, theirs = confusion_scores(sums).f1_macro.T
    off = ours - theirs
    return percentile_interval(float(off[0]), off[1:], n, confidence)


def paired_t(differences: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of paired differences, one a seed, with Student's t interval.

    ``mean +- t * sd / sqrt(n)`` with n - 1 degrees of freedom (`scipy.stats.ttest_1samp`). It speaks of other
    seeds on the same clips, not of other people. Equal differences give an interval without width, which says
    nothing about other seeds: who decides by it looks for that first.

    Args:
        differences: (n,) figure of one system less that of the other with the same seed, n at least 2.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: fewer than two differences, or one that is not finite.

    >>> print(paired_t([0.02, 0.04, 0.03, 0.05, 0.01]))
    0.030 [0.010, 0.050] n=5
    """
    values = finite(differences, "differences")
    if values.ndim != 1:
        raise MetricTypeError(f"differences must have one axis, found shape {values.shape}")
    if not 0 < confidence < 1:
        raise MetricError(f"a confidence must lie between 0 and 1, found {confidence}", cure="type 0.95")
    if len(values) < 2:
        raise MetricError(
            "one seed says nothing about the spread between seeds",
            cure="run at least two seeds, or compare the clips of one seed with `paired_macro_f1`",
        )
    mean = float(values.mean())
    if np.ptp(values) == 0:  # no spread: scipy would divide by it
        return Estimate(mean, mean, mean, len(values))
    interval = ttest_1samp(values, 0.0).confidence_interval(confidence)
    return Estimate(mean, float(interval.low), float(interval.high), len(values))
