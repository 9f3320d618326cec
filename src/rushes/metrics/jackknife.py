"""How sure a figure is: measured again with each cluster of rows left out, one after the other.

Windows cut from one segment, and segments of one session, move together, so not single rows but whole
*clusters* of them are left out. One rule serves every figure:

1. The figure is put on the scale of its range: log odds between two bounds, log above one, else as it is.
2. There the interval is ``figure +- t * s``, with ``s**2`` the sum over clusters of the squared change that
   leaving the cluster out makes (the jackknife in the form HC3 of MacKinnon and White 1985, Davidson and
   MacKinnon 1993), and Student's t with one degree of freedom less than the *effective* number of clusters,
   ``(sum of sizes)**2 / sum of squared sizes`` (Kish 1965).
3. Where no cluster changes anything, see `rushes.metrics.estimate.of_agreement`.

Nothing is drawn, so there is no seed. Coverage, and what else was tried: ``docs/design/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, sparray
from scipy.special import expit, logit, stdtrit

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, finite, same_length, vector
from rushes.metrics.estimate import CONFIDENCE, SHARE, UNBOUNDED, Bounds, Estimate, level, of_agreement

MOST = 500
"""Leave-outs at most. More clusters are left out several at a time, neighbours together: with so many degrees
of freedom Student's t is the normal quantile but for a quarter of a per cent."""

NO_CHANGE = 1e-9  # on the figure's scale; below it a leave-out differs by rounding only


@dataclass(frozen=True, slots=True, eq=False)
class Jackknife:
    """Rows by what is left out together; figures come as ``(1 + G,)``: of all rows, then of each leave-out.

    Attributes:
        part: (n,) number of the leave-out, 0 to G - 1, to which each row belongs.
        clusters: how many clusters there are; G is that number, at most `MOST`.

    >>> jackknife = Jackknife.of(["a", "a", "b", "c", "d", "d"])
    >>> hits = np.array([True, True, False, True, False, False])
    >>> jackknife.means(hits).round(2).tolist()
    [0.5, 0.25, 0.6, 0.4, 0.75]
    >>> print(jackknife.estimate(jackknife.means(hits), SHARE))
    0.500 [0.003, 0.997] n=6 in 4 clusters
    """

    part: NDArray[np.int64]
    clusters: int

    @classmethod
    def of(cls, ids: ArrayLike) -> Jackknife:
        """Leave-outs of the clusters that ``ids`` (n,), str or int, names for each row.

        Raises:
            MetricError: no rows.
        """
        names = np.asarray(ids)
        if names.ndim != 1 or not len(names):
            raise MetricError(f"each row must name its cluster, found ids of shape {names.shape}")
        number = np.unique(names, return_inverse=True)[1].astype(np.int64)
        clusters = int(number.max()) + 1
        return cls(number * min(clusters, MOST) // clusters, clusters)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each leave-out, (G,)."""
        return np.bincount(self.part)

    def __len__(self) -> int:
        """How many leave-outs leave something: G, or none where all rows are one cluster."""
        return len(self.sizes) if self.clusters > 1 else 0

    def sums(self, parts: NDArray[Any] | sparray) -> NDArray[np.float64]:
        """Sums of what each row adds, (1 + G, d): over all rows, then without each leave-out.

        Any figure that is a function of sums (a score of a confusion matrix, a ratio of totals) has its
        leave-outs from here at the price of one pass.

        Args:
            parts: (n, d) finite numbers, what each row adds to the d sums; best sparse where mostly 0.

        Raises:
            MetricError: not finite, or lengths differ.

        >>> Jackknife.of(["a", "a", "b"]).sums(np.array([[1, 0], [1, 0], [0, 1]])).tolist()
        [[2.0, 1.0], [0.0, 1.0], [2.0, 0.0]]
        """
        rows = csr_array(parts, dtype=np.float64)
        finite(rows.data if rows.nnz else [0.0], "parts")
        n = same_length(parts=range(rows.shape[0]), clusters=self.part)
        members = csr_array((np.ones(n), (self.part, np.arange(n))))
        total = np.asarray(rows.sum(axis=0))[None]
        left_out = (members @ rows).toarray()[: len(self)]
        return np.concatenate([total, total - left_out])

    def means(self, values: ArrayLike) -> NDArray[np.float64]:
        """Mean of ``values`` (n,), numbers or hits, over all rows and without each leave-out, (1 + G,).

        Raises:
            MetricError: not finite, or lengths differ.
        """
        rows = self._rows(values)
        sums, sizes = np.bincount(self.part, weights=rows)[: len(self)], self.sizes[: len(self)]
        return np.concatenate([[rows.mean()], (rows.sum() - sums) / (len(rows) - sizes)])

    def medians(self, values: ArrayLike) -> NDArray[np.float64]:
        """Median of ``values`` (n,) over all rows, then what it would be without each leave-out, (1 + G,).

        A median moves in steps, which a jackknife cannot use. So its leave-outs are those of the share of
        rows below it, times the median's change with that share: the slope between the quantiles at the ends
        of the share's own interval (Woodruff 1952). Differences of two medians may be taken leave-out by
        leave-out.

        Raises:
            MetricError: not finite, or lengths differ.
        """
        rows = self._rows(values)
        median = float(np.median(rows))
        shares = self.means((rows < median) + 0.5 * (rows == median))
        if not len(self):
            return np.array([median])
        around = self.estimate(shares, SHARE)
        ends = np.array([around.low, around.high])
        low, high = np.quantile(rows, ends, method="hazen")
        slope = (high - low) / (ends[1] - ends[0])
        return np.concatenate([[median], median - slope * (shares[1:] - shares[0])])

    def statistic(self, of: Callable[[NDArray[np.int64]], float]) -> NDArray[np.float64]:
        """Any smooth figure: ``of`` the numbers of all rows, then of those without each leave-out, (1 + G,).

        Raises:
            MetricError: the figure is not finite; and what ``of`` raises.
        """
        every = np.arange(len(self.part))
        left = [of(every[self.part != number]) for number in range(len(self))]
        return finite([of(every), *left], "the statistic of leave-outs")

    def estimate(
        self,
        figures: ArrayLike,
        bounds: Bounds = UNBOUNDED,
        *,
        rows: ArrayLike | None = None,
        confidence: float = CONFIDENCE,
    ) -> Estimate:
        """A figure with its interval, after the rule at the top of this file.

        One single cluster says nothing about spread: its interval is the whole range of the figure, or None
        where that is infinite.

        Args:
            figures: (1 + G,) of all rows and of each leave-out.
            bounds: range of the figure; its interval keeps within.
            rows: (1 + G,) how many rows the figure rests on, where these are not all rows, e.g. the support
                of a class for its recall; clusters without any are left aside.
            confidence: of the interval, in (0, 1).

        Raises:
            MetricError: not finite, a length other than 1 + G, a figure outside of its bounds, or one that
                rests on no row.
        """
        found = finite(figures, "a figure and its leave-outs")
        if found.shape != (1 + len(self),):
            raise MetricTypeError(f"needed a figure and {len(self)} leave-outs, found shape {found.shape}")
        value = float(found[0])
        if not bounds[0] - NO_CHANGE <= value <= bounds[1] + NO_CHANGE:
            raise MetricError(f"a figure between {bounds[0]} and {bounds[1]} was said to be {value}")
        n, sizes, clusters = len(self.part), self.sizes, self.clusters
        if rows is not None:
            counted = finite(rows, "rows of a figure")
            n, left_out = round(counted[0]), counted[0] - counted[1:]
            there = left_out > 0
            found, sizes = found[np.append(True, there)], left_out[there]
            clusters = clusters if there.all() else int(there.sum())
        if not n:
            raise MetricError("the figure rests on no row", cure="leave it out where its class is absent")
        if len(found) < 3:
            low, high = (None, None) if any(map(isinf, bounds)) else map(float, bounds)
        else:
            low, high = _interval(found, sizes, bounds, level(confidence))
        return Estimate(value, low, high, n, clusters)

    def _rows(self, values: ArrayLike) -> NDArray[np.float64]:
        rows = vector(values, "values")
        same_length(values=rows, clusters=self.part)
        return rows


def _interval(
    found: NDArray[np.float64], sizes: NDArray[np.int64], bounds: Bounds, confidence: float
) -> tuple[float | None, float | None]:
    """Ends of the interval of a figure and its leave-outs, (1 + G,), with G >= 2 clusters of ``sizes``."""
    value, n = float(found[0]), sizes.sum()
    effective = n**2 / (sizes.astype(np.float64) ** 2).sum()
    lowest, highest = bounds
    if isinf(highest) and not isinf(lowest) and value <= lowest:
        return None, None  # no scale: how large errors may become is unknown where all were 0
    scaled = _scaled(found, bounds, 0.5 / n)
    change = scaled[1:] - scaled[0]
    if np.abs(change).max() < NO_CHANGE:
        return of_agreement(value, effective, bounds, confidence)
    t = stdtrit(max(effective - 1, 1), (1 + confidence) / 2)
    reach = t * np.sqrt((change**2).sum())
    low, high = _unscaled(scaled[0] + np.array([-reach, reach]), bounds)
    return min(float(low), value), max(float(high), value)


def _scaled(figures: NDArray[np.float64], bounds: Bounds, nearest: float) -> NDArray[np.float64]:
    """Figures on the scale of their range, none nearer to a bound than the share ``nearest`` of it."""
    lowest, highest = bounds
    if not isinf(highest):
        odds: NDArray[np.float64] = logit(
            np.clip((figures - lowest) / (highest - lowest), nearest, 1 - nearest)
        )
        return odds
    if not isinf(lowest):
        logs: NDArray[np.float64] = np.log(np.maximum(figures - lowest, nearest * (figures[0] - lowest)))
        return logs
    return figures


def _unscaled(scaled: NDArray[np.float64], bounds: Bounds) -> NDArray[np.float64]:
    lowest, highest = bounds
    if not isinf(highest):
        figures: NDArray[np.float64] = lowest + (highest - lowest) * expit(scaled)
        return figures
    if not isinf(lowest):
        return lowest + np.exp(np.minimum(scaled, 700.0))  # beyond it exp is infinite
    return scaled
