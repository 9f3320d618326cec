"""How well relevant items are ranked: recall, hit rate, precision, mAP, nDCG, reciprocal and first rank.

Everything follows from where the relevant items of a query stand: how many items score higher, how many as high.
**Equal scores have no order**, so every figure is its expected value over all orders of equal scores (McSherry and
Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied scores").
No figure hangs on the order of a table; whoever gives all items one score has what a random order has, exactly and
without a seed. A pessimistic order would be as safe from flattery, and would punish equal pictures of a shop.

Without ties the figures are trec_eval's: gains are linear, a rank is discounted by ``log2(rank + 1)``, precision
divides by k even where there are fewer items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError, finite, same_length, vector

PAIRS = 1024
"""Relevant items that are looked up at once."""

ITEMS = 8192
"""Items that are scored at once: with `PAIRS` queries 64 MB, however many there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Relevant:
    """Which items answer which queries.

    Attributes:
        query, item: (m,) numbers of both, by rising query, then item; no pair twice.
        gain: (m,) above 0; 1 where relevance is yes or no.
        queries, items: how many there are, also of those that are in no pair.
    """

    query: NDArray[np.int64]
    item: NDArray[np.int64]
    gain: NDArray[np.float64]
    queries: int
    items: int

    @classmethod
    def of(
        cls, query: ArrayLike, item: ArrayLike, gain: ArrayLike | None = None, *, queries: int, items: int
    ) -> Relevant:
        """Pairs in any order.

        Raises:
            MetricError: no pair, a pair twice, a number out of range, or a gain that is not above 0.

        >>> Relevant.of([1, 0, 1], [0, 2, 1], queries=3, items=3).query.tolist()
        [0, 1, 1]
        """
        q, i = np.asarray(query, np.int64), np.asarray(item, np.int64)
        gains = np.ones(len(q)) if gain is None else vector(gain, "gains")
        if not same_length(query=q, item=i, gain=gains):
            raise MetricError("no query has a relevant item, so nothing can be measured")
        if q.min() < 0 or q.max() >= queries or i.min() < 0 or i.max() >= items or gains.min() <= 0:
            raise MetricError(f"a pair needs a query of {queries}, an item of {items} and a gain above 0")
        order = np.lexsort((i, q))
        q, i = q[order], i[order]
        if (twice := np.flatnonzero((q[1:] == q[:-1]) & (i[1:] == i[:-1]))).size:
            raise MetricError(f"item {i[twice[0]]} is twice relevant to query {q[twice[0]]}")
        return cls(q, i, gains[order], queries, items)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Where a system ranks the relevant items; every method gives a number for each query in `asked`, (Q,).

    Attributes:
        relevant: which items answer which queries.
        above: (m,) items that score higher than each of them.
        tied: (m,) items that score as high, itself among them; at least 1.
    """

    relevant: Relevant
    above: NDArray[np.int64]
    tied: NDArray[np.int64]

    @cached_property
    def asked(self) -> NDArray[np.int64]:
        """Numbers of the queries that have a relevant item, rising, (Q,); no others are scored."""
        return np.unique(self.relevant.query)

    def recall(self, k: int) -> NDArray[np.float64]:
        """Share of a query's relevant items that are among the first ``k``; 0 to 1."""
        return self._sum(self._within(k)) / self._sum(np.ones(len(self.above)))

    def precision(self, k: int) -> NDArray[np.float64]:
        """Share of the first ``k`` places that relevant items hold; 0 to 1."""
        return self._sum(self._within(k)) / k

    def hit_rate(self, k: int) -> NDArray[np.float64]:
        """Whether any relevant item is among the first ``k``; 0 to 1, between them where ties leave it open.

        With one relevant item a query it is the recall; literature of two-way models calls it R@k.
        """
        first = self._first
        drawn = np.clip(_depth(k) - first.above, 0, first.tied)
        missed = np.ones(len(first))
        for number in range(min(k, int(drawn.max()))):
            left = first.tied - number
            misses = np.maximum(left - first.relevant, 0) / np.maximum(left, 1)
            missed *= np.where(number < drawn, misses, 1.0)
        return 1.0 - missed

    def ndcg(self, k: int) -> NDArray[np.float64]:
        """Discounted gain of the first ``k`` places over the greatest that there could be; 0 to 1."""
        relevant, depth = self.relevant, min(_depth(k), self.relevant.items)
        discounts = 1.0 / np.log2(np.arange(2, depth + 2))
        sums = np.append(0.0, np.cumsum(discounts))
        ends, starts = (np.minimum(place, depth) for place in (self.above + self.tied, self.above))
        found = self._sum(relevant.gain * (sums[ends] - sums[starts]) / self.tied)
        order = np.lexsort((-relevant.gain, relevant.query))
        place = np.arange(len(order)) - np.repeat(self._starts, np.diff(np.append(self._starts, len(order))))
        best = np.where(place < depth, relevant.gain[order] * discounts[np.minimum(place, depth - 1)], 0.0)
        return found / self._sum(best)

    @cached_property
    def average_precision(self) -> NDArray[np.float64]:
        """Mean, over a query's relevant items, of the precision at their ranks; 0 to 1; its mean is mAP."""
        blocks = self._blocks
        harmonic = np.append(0.0, np.cumsum(1.0 / np.arange(1, self.relevant.items + 1)))
        inverse = harmonic[blocks.above + blocks.tied] - harmonic[blocks.above]
        # At place j of t tied ones (j-1)(r-1)/(t-1) of the r relevant stand before, if a relevant one stands there.
        others = (blocks.relevant - 1) / np.maximum(blocks.tied - 1, 1)
        before = others * (blocks.tied - (blocks.above + 1) * inverse)
        sums = blocks.relevant / blocks.tied * ((blocks.before + 1) * inverse + before)
        return np.bincount(blocks.query, sums) / self._sum(np.ones(len(self.above)))

    @cached_property
    def reciprocal_rank(self) -> NDArray[np.float64]:
        """One over the rank of the first relevant item; above 0 to 1; its mean is MRR."""
        first = self._first
        kinds, kind = np.unique([first.above, first.tied, first.relevant], axis=1, return_inverse=True)
        return np.array([_reciprocal(*each) for each in kinds.T.tolist()])[kind.ravel()]

    @cached_property
    def first_rank(self) -> NDArray[np.float64]:
        """Rank of the first relevant item, from 1."""
        first = self._first
        return first.above + (first.tied + 1) / (first.relevant + 1)

    @cached_property
    def _query(self) -> NDArray[np.int64]:
        """Place in `asked` of the query of each pair, (m,)."""
        return np.searchsorted(self.asked, self.relevant.query)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """First pair of each query, (Q,)."""
        return np.searchsorted(self.relevant.query, self.asked)

    @cached_property
    def _blocks(self) -> _Blocks:
        """Relevant items of one score and query, taken together, by rising query and falling score."""
        order = np.lexsort((self.above, self._query))
        query, above = self._query[order], self.above[order]
        new = np.append(True, (query[1:] != query[:-1]) | (above[1:] != above[:-1]))
        starts = np.flatnonzero(new)
        counts = np.diff(np.append(starts, len(order)))
        return _Blocks(
            query[starts],
            above[starts],
            self.tied[order][starts],
            counts,
            starts - self._starts[query[starts]],
        )

    @cached_property
    def _first(self) -> _Blocks:
        """The best block of each query."""
        return self._blocks[np.flatnonzero(self._blocks.before == 0)]

    def _within(self, k: int) -> NDArray[np.float64]:
        """How probable it is that each relevant item is among the first ``k``, (m,)."""
        within: NDArray[np.float64] = np.clip((_depth(k) - self.above) / self.tied, 0.0, 1.0)
        return within

    def _sum(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(self._query, parts).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Relevant items that no score tells apart, (b,) each.

    Attributes:
        query: place of the query in `Ranked.asked`.
        above, tied: as of `Ranked`.
        relevant: how many of those tied are.
        before: relevant items of the query that score higher.
    """

    query: NDArray[np.int64]
    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    relevant: NDArray[np.int64]
    before: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, rows: NDArray[np.int64]) -> _Blocks:
        return _Blocks(
            self.query[rows], self.above[rows], self.tied[rows], self.relevant[rows], self.before[rows]
        )


def _depth(k: int) -> int:
    if k < 1:
        raise MetricError(f"a depth counts places from 1, found {k}", cure="type 10")
    return k


def _reciprocal(above: int, tied: int, relevant: int) -> float:
    """Expected 1 / rank of the first of some relevant items among tied ones."""
    places = np.arange(tied - relevant + 1)
    still = np.append(1.0, np.cumprod((tied - relevant - places[:-1]) / (tied - places[:-1])))
    return float((still * relevant / (tied - places) / (above + places + 1)).sum())


# --- from scores, and from vectors ------------------------------------------------------------------------


def rank_scores(scores: ArrayLike, relevant: Relevant) -> Ranked:
    """Ranks by scores (queries, items), higher is better; for as many as fit into memory.

    Raises:
        MetricError: not finite, or another shape.

    One query and four items, of which the second and the third are relevant:

    >>> ranked = rank_scores([[3.0, 2.0, 1.0, 0.0]], Relevant.of([0, 0], [1, 2], queries=1, items=4))
    >>> [float(each[0]) for each in (ranked.recall(2), ranked.hit_rate(2), ranked.precision(4))]
    [0.5, 1.0, 0.5]
    >>> [float(each[0].round(4)) for each in (ranked.reciprocal_rank, ranked.average_precision, ranked.ndcg(4))]
    [0.5, 0.5833, 0.6934]
    """
    found = finite(scores, "scores")
    if found.shape != (relevant.queries, relevant.items):
        raise MetricTypeError(
            f"needed scores of {relevant.queries} queries for {relevant.items} items, found shape {found.shape}"
        )
    above, tied = np.empty_like(relevant.query), np.empty_like(relevant.query)
    for start in range(0, len(above), PAIRS):
        rows = slice(start, start + PAIRS)
        every = found[relevant.query[rows]]
        own = found[relevant.query[rows], relevant.item[rows], None]
        above[rows], tied[rows] = (every > own).sum(axis=1), (every == own).sum(axis=1)
    return Ranked(relevant, above, tied)


def rank_alike(scores: ArrayLike, relevant: Relevant) -> Ranked:
    """Ranks of whoever scores the items (items,) the same whatever is asked; all equal is a random order.

    Raises:
        MetricError: not finite, or another number of items.

    >>> ranked = rank_alike([7.0] * 4, Relevant.of([0], [1], queries=1, items=4))
    >>> [float(each[0].round(4)) for each in (ranked.recall(1), ranked.reciprocal_rank, ranked.first_rank)]
    [0.25, 0.5208, 2.5]
    """
    found = vector(scores, "scores")
    same_length(scores=found, items=range(relevant.items))
    rising, own = np.sort(found), found[relevant.item]
    below, up_to = np.searchsorted(rising, own), np.searchsorted(rising, own, "right")
    return Ranked(relevant, relevant.items - up_to, up_to - below)


def rank_vectors(queries: NDArray[np.float16], items: NDArray[np.float16], relevant: Relevant) -> Ranked:
    """Ranks by the product of vectors (queries, D) and (items, D), in bounded memory.

    Vectors are float16 of length 1 or less, as they are stored: products of two are multiples of 2**-48, their sums
    stay below 2, so float64 holds every partial sum. Scores are exact in any order of addition: equal vectors tie on
    every machine, and no block or processor breaks a tie.

    Raises:
        MetricError: not finite, not float16, or shapes that do not fit.

    >>> pictures = np.eye(3, dtype=np.float16)
    >>> rank_vectors(pictures[:1], pictures, Relevant.of([0], [2], queries=1, items=3)).first_rank.tolist()
    [2.5]
    """
    _require_vectors(queries, items)
    if (len(queries), len(items)) != (relevant.queries, relevant.items):
        raise MetricTypeError(
            f"needed {relevant.queries} queries and {relevant.items} items, found {len(queries)} and {len(items)}"
        )
    above, tied = np.zeros_like(relevant.query), np.zeros_like(relevant.query)
    for start in range(0, len(above), PAIRS):
        rows = slice(start, start + PAIRS)
        distinct, query = np.unique(relevant.query[rows], return_inverse=True)
        asked = queries[distinct].astype(np.float64)
        own = (asked[query] * items[relevant.item[rows]]).sum(axis=1, keepdims=True)
        for first in range(0, len(items), ITEMS):
            scores = (asked @ items[first : first + ITEMS].astype(np.float64).T)[query]
            above[rows] += (scores > own).sum(axis=1)
            tied[rows] += (scores == own).sum(axis=1)
    return Ranked(relevant, above, tied)


def _require_vectors(queries: NDArray[np.float16], items: NDArray[np.float16]) -> None:
    for what, each in (("queries", queries), ("items", items)):
        if each.dtype != np.float16 or each.ndim != 2 or not each.size:
            raise MetricTypeError(f"{what} must be float16 (n, D), found {each.dtype} of shape {each.shape}")
        if not np.isfinite(each).all():
            raise MetricError(f"vectors of {what} must be finite", cure="run `rushes verify RECIPE --repair`")
    if queries.shape[1] != items.shape[1]:
        raise MetricTypeError(f"queries have {queries.shape[1]} numbers each, items {items.shape[1]}")
