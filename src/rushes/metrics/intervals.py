"""Intervals of single figures from rows and the groups that they belong to; see `rushes.metrics.jackknife`.

The rule of clusters, one for all functions: cluster by ``groups`` (recording, subject) where there are at
least two of them; else by ``finer`` (operation) where that was passed and has at least two values; else each
row by itself. `cluster_rows` tells which clusters that gives, so a report can name their number.

``seed`` and ``resamples`` are without effect wherever `Jackknife` makes the interval, as it draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, sparray

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, as_list, finite, same_length
from rushes.metrics.estimate import CONFIDENCE, ERROR, SHARE, UNBOUNDED, Bounds, Estimate, level, wilson
from rushes.metrics.jackknife import Jackknife

__all__ = [
    "CONFIDENCE",
    "RESAMPLES",
    "Estimate",
    "bootstrap",
    "bootstrap_mean",
    "bootstrap_share",
    "cluster_rows",
    "paired_difference",
    "percentile_interval",
    "resampled_sums",
    "wilson",
]

RESAMPLES = 2_000
_BLOCK = 1_000_000  # drawn cluster numbers held at once, 8 MB


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
    bounds: Bounds | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of ``values`` with its clustered interval.

    Args:
        values: (n,) finite numbers, one a row.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed, resamples: without effect.
        bounds: range of the figure, e.g. (0, 1); left out, it is that of an error where no value is below 0,
            else unbounded. One single row without it is an error.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: empty, not finite, lengths differ, or one single row without ``bounds``.

    >>> print(bootstrap_mean([1, 1, 0, 1, 0, 0], ["a", "a", "b", "c", "d", "d"], bounds=(0, 1)))
    0.500 [0.003, 0.997] n=6 in 4 clusters
    """
    rows = _vector(values, "values")
    _refuse_one(rows, bounds)
    jackknife = Jackknife.of(cluster_rows(groups, finer))
    bounds = bounds or (ERROR if rows.min() >= 0 else UNBOUNDED)
    return jackknife.estimate(jackknife.means(rows), bounds, confidence=confidence)


def bootstrap_share(
    hits: Sequence[bool] | NDArray[np.bool_],
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Share of hits with its clustered interval; arguments as in `bootstrap_mean`.

    Raises:
        MetricError: empty, or lengths differ.
        MetricTypeError: hits are not booleans.

    >>> print(bootstrap_share([True] * 4, ["a", "a", "b", "c"]))
    1.000 [0.251, 1.000] n=4 in 3 clusters
    """
    rows = np.asarray(as_list(hits, "hits"))
    if rows.dtype != np.bool_:
        raise MetricTypeError(f"hits must be booleans, found {rows.dtype}")
    return bootstrap_mean(rows, groups, finer=finer, bounds=SHARE, confidence=confidence)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    bounds: Bounds | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Any smooth statistic of rows with its clustered interval; for medians see `Jackknife.medians`.

    Args:
        statistic: given row numbers, returns the figure.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed, resamples: without effect.
        bounds: range of the figure; one single row without it is an error.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: as in `bootstrap_mean`; and what ``statistic`` raises.

    >>> hits = np.array([True, True, False, True, False, False])
    >>> print(bootstrap(lambda rows: float(hits[rows].mean()), ["a", "a", "b", "c", "d", "d"], bounds=(0, 1)))
    0.500 [0.003, 0.997] n=6 in 4 clusters
    """
    clusters = cluster_rows(groups, finer)
    _refuse_one(clusters, bounds)
    jackknife = Jackknife.of(clusters)
    return jackknife.estimate(jackknife.statistic(statistic), bounds or UNBOUNDED, confidence=confidence)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    bounds: Bounds | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of ``first - second`` of two systems on the same rows, clusters left out of both at once.

    The first system is better beyond doubt where ``low > 0``. Row i must be the same clip on both sides.

    Args:
        first: (n,) scores of the rows, e.g. hit or miss, or tIoU.
        second: (n,) scores of the other system.
        groups: n ids; see the rule of clusters at the top of this file.
        finer: n finer ids for the case of one group.
        seed, resamples: without effect.
        bounds: range of the difference; one single row without it is an error.
        confidence: of the interval, in (0, 1).

    Raises:
        MetricError: as in `bootstrap_mean`.

    >>> print(paired_difference([1, 1, 1, 0], [0, 1, 0, 0], ["a", "b", "c", "d"], bounds=(-1, 1)))
    0.500 [-0.725, 0.965] n=4 in 4 clusters
    """
    ours, theirs = _vector(first, "the first system"), _vector(second, "the second system")
    same_length(first=ours, second=theirs)
    _refuse_one(ours, bounds)
    return bootstrap_mean(
        ours - theirs, groups, finer=finer, bounds=bounds or UNBOUNDED, confidence=confidence
    )


def resampled_sums(
    parts: NDArray | sparray,
    groups: Sequence,
    *,
    finer: Sequence | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Sums of the rows' parts in each bootstrap resample of clusters, shape (resamples, d).

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
    """A figure with the interval that holds the middle ``confidence`` of its bootstrap resamples.

    Too narrow for few clusters: 85 % of the 95 % promised at five.

    Args:
        value: the figure of all rows.
        figures: the figure of each resample.
        n: rows it rests on.
        confidence: of the interval, in (0, 1).

    >>> print(percentile_interval(0.5, np.linspace(0, 1, 101), n=8))
    0.500 [0.025, 0.975] n=8
    """
    tail = (1 - level(confidence)) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n)


def _vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = finite(values, what)
    if array.ndim != 1:
        raise MetricTypeError(f"{what} must have one axis, found shape {array.shape}")
    return array


def _refuse_one(rows: NDArray, bounds: Bounds | None) -> None:
    if len(rows) == 1 and bounds is None:
        raise MetricError(
            "one single row says nothing about the spread of a figure",
            cure="pass bounds=(lowest, highest possible value), or evaluate more recordings",
        )


def _draws(clusters: int, resamples: int, seed: int):
    """Yield blocks of resamples, each (rows, clusters) cluster numbers drawn with replacement."""
    if resamples < 1:
        raise MetricError(f"a bootstrap needs at least one resample, found {resamples}")
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // clusters)
    for start in range(0, resamples, block):
        yield rng.integers(clusters, size=(min(block, resamples - start), clusters))
