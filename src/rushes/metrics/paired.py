"""Two systems on the same ground: over the same rows, or over the same seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, hstack
from scipy.special import stdtrit

from rushes.errors import MetricError
from rushes.metrics.checks import Label, encode, same_length, vector
from rushes.metrics.confusion import confusion_scores
from rushes.metrics.estimate import (
    CONFIDENCE,
    SHARE,
    UNBOUNDED,
    Bounds,
    Estimate,
    level,
    of_agreement,
    of_differences,
)
from rushes.metrics.jackknife import NO_CHANGE, Jackknife


def paired_macro_f1(
    truth: Sequence[Label],
    first: Sequence[Label],
    second: Sequence[Label],
    groups: Sequence[Label] | NDArray[np.int64],
    labels: Sequence[Label],
    *,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Macro-F1 of the first system less that of the second, clusters left out of both at once.

    The first system is better beyond doubt where ``low > 0``. Row i must be the same clip on all sides.

    Args:
        truth: n labels.
        first, second: n predictions each.
        groups: n ids of the clusters that the rows belong to.
        labels: the class list.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: empty, lengths differ, or a label outside of ``labels``.

    >>> truth = ["a", "b", "a", "b"]
    >>> print(paired_macro_f1(truth, truth, ["a"] * 4, ["g1", "g1", "g2", "g2"], ["a", "b"]))
    0.667 [-0.736, 0.947] n=4 in 2 clusters
    """
    actual = encode(truth, labels, "the truth")
    answers = [
        encode(side, labels, f"the {nth} system") for nth, side in (("first", first), ("second", second))
    ]
    n, k = same_length(truth=actual, first=answers[0], second=answers[1], groups=groups), len(labels)
    cells = [csr_array((np.ones(n), (np.arange(n), actual * k + side)), shape=(n, k * k)) for side in answers]
    jackknife = Jackknife.of(groups)
    sums = jackknife.sums(hstack(cells, format="csr")).reshape(-1, 2, k, k)
    ours, theirs = confusion_scores(sums).f1_macro.T
    return jackknife.estimate(ours - theirs, of_differences(SHARE), confidence=confidence)


def paired_t(differences: ArrayLike, confidence: float = CONFIDENCE, bounds: Bounds = UNBOUNDED) -> Estimate:
    """Mean of paired differences, one a seed, with Student's t interval.

    ``mean +- t * sd / sqrt(n)`` with n - 1 degrees of freedom (`scipy.stats.ttest_1samp`), cut to ``bounds``.
    It speaks of other seeds on the same clips, not of other people. Equal differences tell no spread; see
    `rushes.metrics.estimate.of_agreement`. Figures of one system over seeds may be passed as well.

    Args:
        differences: (n,) figure of one system less that of the other with the same seed, n at least 2.
        confidence: of the interval, in (0, 1).
        bounds: what a difference can be, (-1, 1) for figures in [0, 1].

    Raises:
        MetricError: fewer than two differences, one that is not finite, or their mean is out of bounds.

    >>> print(paired_t([0.02, 0.04, 0.03, 0.05, 0.01]))
    0.030 [0.010, 0.050] n=5
    >>> print(paired_t([0.978, 0.578], bounds=SHARE))
    0.778 [0.000, 1.000] n=2
    """
    values = vector(differences, "differences")
    if len(values) < 2:
        raise MetricError(
            "one seed says nothing about the spread between seeds",
            cure="run at least two seeds, or compare the clips of one seed with `paired_macro_f1`",
        )
    n, mean = len(values), float(values.mean())
    if not bounds[0] <= mean <= bounds[1]:
        raise MetricError(f"differences between {bounds[0]} and {bounds[1]} cannot be {mean} on average")
    if np.ptp(values) < NO_CHANGE:
        return Estimate(mean, *of_agreement(mean, n, bounds, confidence), n)
    half = float(stdtrit(n - 1, (1 + level(confidence)) / 2) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), n)
