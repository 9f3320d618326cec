"""Exact search: the k items of the greatest product with a query, the same as in float64, ties in order of keys.

Every vector is looked at, in blocks that stay in a core's cache: halves become float32 there and meet the queries. A
sum of D products in float32 is at most ``γ |q| |v|`` off, ``γ = D u / (1 - D u)`` with ``u = 2^-24``, in whichever
order it is summed (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1). So none of the true
best k lies further below the k-th best found than twice that, and these few candidates are computed anew in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rushes.errors import AnswerError
from rushes.train.threads import one_thread

T = TypeVar("T")

_BLOCK_ROWS = 512  # in float32 1 MB for 512 numbers: within the second cache
_RUN_ROWS = 64  # of whose products only the greatest is compared to find the k-th
_PRODUCTS = 1 << 26  # held at once: 256 MB
_UNIT_ROUNDOFF = 2.0**-24


@dataclass(frozen=True, slots=True)
class Nearest:
    """What was found for Q queries; best first, equal scores in order of keys.

    Attributes:
        rows: (Q, k) of the items; fewer columns where there are fewer items.
        scores: (Q, k) products in float64; cosines where vectors have length 1.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


class Gallery:
    """N vectors among which is looked.

    Args:
        keys: (N,) of the items, unique.
        vectors: float16 (N, D), finite; held, not copied.

    Raises:
        AnswerError: there are none, vectors of another form, or one that is not finite.
    """

    def __init__(self, keys: NDArray[np.object_], vectors: NDArray[np.float16]) -> None:
        if vectors.dtype != np.float16 or vectors.ndim != 2 or not len(keys) == len(vectors) > 0:
            raise AnswerError(
                f"needed float16 vectors (n, d) of {len(keys)} items, at least one, found {vectors.dtype} "
                f"{vectors.shape}"
            )
        self.keys = keys
        self.vectors = vectors
        self._halves = torch.from_numpy(vectors)
        longest = _in_stretches(len(vectors), lambda begin, end: _longest(self._halves[begin:end]))
        self._longest = float(np.max(longest))  # NaN where any is
        if not np.isfinite(self._longest):
            raise AnswerError(
                "a vector among which is looked is not finite", cure="run `rushes verify RECIPE --repair`"
            )

    def __len__(self) -> int:
        return len(self.keys)

    def nearest(
        self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> Nearest:
        """The best ``k`` items of each query.

        Args:
            queries: (Q, D), finite.
            k: at least 1.
            allowed: (N,) items that may be found; None is all.

        Raises:
            AnswerError: queries of another width, or one that is not finite; k below 1.
        """
        width = self.vectors.shape[1]
        if queries.ndim != 2 or queries.shape[1] != width or k < 1 or not np.isfinite(queries).all():
            raise AnswerError(
                f"needed finite queries (q, {width}) and k of at least 1, found {queries.shape} and k = {k}"
            )
        asked = np.ascontiguousarray(queries, np.float32)
        rows = None if allowed is None else np.flatnonzero(allowed)
        total = len(self) if rows is None else len(rows)
        k = min(k, total)
        found = Nearest(np.empty((len(asked), k), np.int64), np.empty((len(asked), k)))
        chunk = max(1, _PRODUCTS // max(total, 1))
        for begin in range(0, len(asked) if k else 0, chunk):
            products = self._products(torch.from_numpy(asked[begin : begin + chunk]), rows)

            def choose(first: int, last: int, begin: int = begin, products: torch.Tensor = products) -> None:
                for number in range(begin + first, begin + last):
                    near = _candidates(products[number - begin], k, self._tolerance(asked[number]))
                    near = near if rows is None else rows[near]
                    found.rows[number], found.scores[number] = self._best(asked[number], near, k)

            _in_stretches(len(products), choose)
        return found

    def _tolerance(self, query: NDArray[np.float32]) -> float:
        """Greatest error of a product in float32; and of the bound itself, which becomes float32 to be compared."""
        error = (len(query) + 2) * _UNIT_ROUNDOFF
        length = float(np.linalg.norm(query.astype(np.float64)))
        return error / (1 - error) * length * self._longest

    def _products(self, queries: torch.Tensor, rows: NDArray[np.int64] | None) -> torch.Tensor:
        """Products (Q, n) in float32 with all items, or with those of ``rows``."""
        wanted = None if rows is None else torch.from_numpy(rows)
        total = len(self) if wanted is None else len(wanted)
        products = torch.empty(len(queries), total)

        def fill(begin: int, end: int) -> None:
            block = torch.empty(_BLOCK_ROWS, queries.shape[1])
            for first in range(begin, end, _BLOCK_ROWS):
                last = min(first + _BLOCK_ROWS, end)
                halves = self._halves[first:last] if wanted is None else self._halves[wanted[first:last]]
                block[: last - first].copy_(halves)
                torch.mm(queries, block[: last - first].T, out=products[:, first:last])

        _in_stretches(total, fill)
        return products

    def _best(
        self, query: NDArray[np.float32], near: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The best ``k`` of some rows with their scores, row by row so that equal vectors score the same bits."""
        wide = query.astype(np.float64)
        parts = np.array_split(near, -(-len(near) // _BLOCK_ROWS))
        scores = np.concatenate(
            [(self.vectors[part].astype(np.float64) * wide).sum(axis=1) for part in parts]
        )
        order = np.lexsort((self.keys[near].astype(str), -scores))[:k]
        return near[order], scores[order]


def _in_stretches(total: int, work: Callable[[int, int], T]) -> list[T]:
    """Work on as many stretches of ``total`` rows or queries as torch has threads, each in a thread of its own.

    Torch's own threads wait for each other after every block; where something else ran on the cores that took ten
    times as long.
    """
    workers = max(1, min(torch.get_num_threads(), total))
    bounds = np.linspace(0, total, workers + 1).astype(int).tolist()
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, bounds[:-1], bounds[1:]))


def _longest(halves: torch.Tensor) -> float:
    """Greatest length of some vectors (n, D)."""
    lengths = [block.float().norm(dim=1).max() for block in halves.split(_BLOCK_ROWS) if len(block)]
    return float(torch.stack(lengths).max()) if lengths else 0.0  # as tensors: NaN is greater than any number


def _candidates(products: torch.Tensor, k: int, tolerance: float) -> NDArray[np.int64]:
    """Numbers of the products (n,) that may be among the true best ``k``.

    The k-th of the greatest of each run of products is not above the k-th of all, and quicker to find.
    """
    whole = len(products) - len(products) % _RUN_ROWS
    some = products[:whole].view(-1, _RUN_ROWS).amax(1) if whole >= k * _RUN_ROWS else products
    least = float(some.topk(k).values[-1]) - 2 * tolerance
    near: NDArray[np.int64] = (products >= least).nonzero()[:, 0].numpy()
    return near
