"""How sure a figure is: Wilson intervals, and bootstraps that resample whole clusters of rows.

Windows cut from one operation, and operations of one session, move together. A bootstrap over single rows
would therefore promise too much; here a *cluster* of rows is drawn or left as one.

The rule of clusters, one for all functions: cluster by ``groups`` (recording, subject) where there are at
least two of them; else by ``finer`` (operation) where that was passed and has at least two values; else each
row by itself. `cluster_rows` tells which clusters that gives, so a report can name their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, sparray
from scipy.stats import binomtest

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, as_list, finite, same_length

CONFIDENCE = 0.95
RESAMPLES = 2_000
_BLOCK = 1_000_000  # drawn cluster numbers held at once, 8 MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end of the interval.
        n: rows it rests on; misses count.

    >>> print(Estimate(value=0.7, low=0.521, high=0.833, n=30))
    0.700 [0.521, 0.833] n=30
    """

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if not all(isfinite(x) for x in (self.value, self.low, self.high)) or self.low > self.high:
            raise MetricError(
                f"an estimate must be finite and in order, found {self.value} [{self.low}, {self.high}]"
            )
        if self.n < 1:
            raise MetricError(f"an estimate must rest on at least one row, found n={self.n}")

    def __str__(self) -> str:
        """Value, interval and n on one line."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share ``hits / n`` with its Wilson score interval; for *independent* rows.

    Source: Wilson 1927, without continuity correction (`scipy.stats.binomtest`).

    Raises:
        MetricError: n is 0, or hits lies outside of 0..n.

    >>> print(wilson(21, 30))
    0.700 [0.521, 0.833] n=30
    """
    for name, value in (("hits", hits), ("n", n)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise MetricTypeError(f"{name} must be a whole number, found {type(value).__name__} {value!r}")
    if n < 1 or not 0 <= hits <= n:
        raise MetricError(f"a share needs 0 <= hits <= n and n >= 1, found {hits} of {n}")
    interval = binomtest(int(hits), int(n)).proportion_ci(_level(confidence), method="wilson")
    return Estimate(hits / n, float(interval.low), float(interval.high), int(n))


def cluster_rows(groups: Sequence, finer: Sequence | None = None) -> NDArray[np.int64]:
    """Cluster number of each row, shape (n,), numbered from 0 in sorted order of the ids.

    Args:
        groups: n ids (str or int), e.g. the recording of each row.
        finer: n ids that divide the groups further, e.g. the operation of each row.

    Raises:
        MetricError: no rows, an id is None or nan, or lengths differ.

    >>> cluster_rows(["b", "a", "b"]).tolist()
    [1, 0, 1]
    >>> cluster_rows(["a", "a", "a"], finer=[7, 7, 8]).tolist()
    [0, 0, 1]
    >>> cluster_rows(["a", "a", "a"]).tolist()
    [0, 1, 2]
    """
    levels = [as_list(groups, "groups")] + ([] if finer is None else [as_list(finer, "finer ids")])
    n = same_length(groups=levels[0], finer=levels[-1])
    if any(name is None or name != name for names in levels for name in names):
        raise MetricError("each row must name its cluster, found None or nan")
    for names in levels:
        values, codes = np.unique(np.asarray(names), return_inverse=True)
        if len(values) > 1:
            return codes.astype(np.int64)
    return np.arange(n)


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of ``values`` with a percentile interval over resampled clusters.

    Each resample draws as many clusters as there are, with replacement, and takes the mean of all their rows.
    With a handful of clusters the interval is coarse and rather too narrow: say how many there are.

    Args:
        values: (n,) finite numbers, one a row.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed: of the generator; equal input and seed give equal intervals.
        bounds: range of the figure, e.g. (0, 1). One single row says nothing about spread, so its interval
            is this range; without it one row is an error.
        resamples: how many.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: empty, not finite, lengths differ, or one single row without ``bounds``.

    >>> print(bootstrap_mean([1, 1, 0, 1, 0, 0], ["a", "a", "b", "c", "d", "d"]))
    0.500 [0.000, 1.000] n=6
    """
    rows = _vector(values, "values")
    clusters = cluster_rows(groups, finer)
    same_length(values=rows, groups=clusters)
    if len(rows) == 1:
        return _lone(float(rows[0]), bounds)
    sums, counts = np.bincount(clusters, weights=rows), np.bincount(clusters)
    means = np.concatenate(
        [sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1) for drawn in _draws(len(sums), resamples, seed)]
    )
    return percentile_interval(float(rows.mean()), means, len(rows), confidence)


def bootstrap_share(
    hits: Sequence[bool] | NDArray[np.bool_],
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Share of hits with a clustered interval that does not collapse at 0 and 1.

    As `bootstrap_mean`, but where all rows agree (resampling would claim certainty) the interval is Wilson's
    over the number of *clusters*, each counted as one observation.

    Raises:
        MetricError: empty, or lengths differ.
        MetricTypeError: hits are not booleans.

    >>> print(bootstrap_share([True] * 4, ["a", "a", "b", "c"]))
    1.000 [0.439, 1.000] n=4
    """
    rows = np.asarray(as_list(hits, "hits"))
    if rows.dtype != np.bool_:
        raise MetricTypeError(f"hits must be booleans, found {rows.dtype}")
    if rows.all() or not rows.any():
        clusters = cluster_rows(groups, finer)
        same_length(hits=rows, groups=clusters)
        count = int(clusters.max()) + 1
        agreed = wilson(count if rows[0] else 0, count, confidence)
        return Estimate(agreed.value, agreed.low, agreed.high, len(rows))
    return bootstrap_mean(rows, groups, finer=finer, seed=seed, resamples=resamples, confidence=confidence)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Any statistic of rows with a percentile interval over resampled clusters.

    Args:
        statistic: given row numbers (a row may occur more than once), returns the figure.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed: of the generator.
        bounds: range of the figure, its interval where there is one single row.
        resamples: how many.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: as in `bootstrap_mean`; and what ``statistic`` raises.

    >>> seconds = np.array([0.1, 0.2, 0.2, 0.3, 0.9])
    >>> print(bootstrap(lambda rows: float(np.median(seconds[rows])), ["a", "a", "b", "c", "d"]))
    0.200 [0.200, 0.900] n=5
    """
    clusters = cluster_rows(groups, finer)
    n = len(clusters)
    value = float(statistic(np.arange(n)))
    if n == 1:
        return _lone(value, bounds)
    members = np.split(np.argsort(clusters, kind="stable"), np.cumsum(np.bincount(clusters))[:-1])
    figures = [
        float(statistic(np.concatenate([members[cluster] for cluster in draw])))
        for drawn in _draws(len(members), resamples, seed)
        for draw in drawn
    ]
    return percentile_interval(value, finite(figures, "the statistic of resamples"), n, confidence)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of ``first - second`` of two systems on the same rows, clusters resampled for both at once.

    The first system is better beyond doubt where ``low > 0``. Row i must be the same clip on both sides.

    Args:
        first: (n,) scores of the rows, e.g. hit or miss, or tIoU.
        second: (n,) scores of the other system.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed: of the generator.
        bounds: range of the figure, its interval where there is one single row.
        resamples: how many.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: as in `bootstrap_mean`.

    >>> print(paired_difference([1, 1, 1, 0], [0, 1, 0, 0], ["a", "b", "c", "d"]))
    0.500 [0.000, 1.000] n=4
    """
    ours, theirs = _vector(first, "the first system"), _vector(second, "the second system")
    same_length(first=ours, second=theirs)
    return bootstrap_mean(
        ours - theirs,
        groups,
        finer=finer,
        seed=seed,
        bounds=bounds,
        resamples=resamples,
        confidence=confidence,
    )


def resampled_sums(
    parts: NDArray | sparray,
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Sums of the rows' parts in each resample of clusters, shape (resamples, d).

    Any figure that is a function of sums (a score of a confusion matrix, a ratio of totals) has all of its
    resamples from here at the price of one pass; two such figures are paired, since the clusters drawn are
    the same. The draws are those of `bootstrap_mean` for the same seed.

    Args:
        parts: (n, d) finite numbers, what each row adds to the d sums; best sparse where mostly 0.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed: of the generator.
        resamples: how many.

    Raises:
        MetricError: empty, not finite, or lengths differ.

    >>> resampled_sums(np.array([[1, 0], [1, 0], [0, 1]]), ["a", "a", "b"], resamples=3).tolist()
    [[0.0, 2.0], [2.0, 1.0], [4.0, 0.0]]
    """
    rows = csr_array(parts, dtype=np.float64)
    finite(rows.data if rows.nnz else [0.0], "parts")
    clusters = cluster_rows(groups, finer)
    same_length(parts=range(rows.shape[0]), groups=clusters)
    count = int(clusters.max()) + 1
    totals = csr_array((np.ones(len(clusters)), (clusters, np.arange(len(clusters))))) @ rows
    drawn_sums = []
    for drawn in _draws(count, resamples, seed):
        places = drawn + count * np.arange(len(drawn))[:, None]
        times = np.bincount(places.ravel(), minlength=count * len(drawn)).reshape(len(drawn), count)
        drawn_sums.append(times.astype(np.float64) @ totals)
    return np.concatenate(drawn_sums)


def percentile_interval(
    value: float, figures: NDArray[np.float64], n: int, confidence: float = CONFIDENCE
) -> Estimate:
    """A figure with the interval that holds the middle ``confidence`` of its resamples.

    Args:
        value: the figure of all rows.
        figures: the figure of each resample.
        n: rows it rests on.
        confidence: of the interval, in (0, 1).

    >>> print(percentile_interval(0.5, np.linspace(0, 1, 101), n=8))
    0.500 [0.025, 0.975] n=8
    """
    tail = (1 - _level(confidence)) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)


def _vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = finite(values, what)
    if array.ndim != 1:
        raise MetricTypeError(f"{what} must have one axis, found shape {array.shape}")
    return array


def _level(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise MetricError(f"a confidence must lie between 0 and 1, found {confidence}", cure="type 0.95")
    return confidence


def _draws(clusters: int, resamples: int, seed: int):
    """Yield blocks of resamples, each (rows, clusters) cluster numbers drawn with replacement."""
    if resamples < 1:
        raise MetricError(f"a bootstrap needs at least one resample, found {resamples}")
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        yield rng.integers(clusters, size=(min(block, resamples - start), clusters))


def _lone(value: float, bounds: tuple[float, float] | None) -> Estimate:
    if bounds is None:
        raise MetricError(
            "one single row says nothing about the spread of a figure",
            cure="pass bounds=(lowest, highest possible value), or evaluate more recordings",
        )
    return Estimate(value, float(bounds[0]), float(bounds[1]), 1)
