"""An approximate index by FAISS, whose recall against exact search is measured before it answers anything.

Up to a million items exact search is as quick and misses nothing (see ``benchmarks/retrieval.py``); this is for more.
Items are dealt to cells by k-means, and only the cells nearest to a query are looked at (Jegou et al., *Product
quantization for nearest neighbor search*, 2011, section IV; vectors themselves stay whole, in float16). FAISS is an
extra (``pip install 'rushes[approximate]'``), imported only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import AnswerError, StageError, unreadable_as
from rushes.predict.nearest import Gallery
from rushes.stages import read_json, write_atomic, write_json

LEAST_RECALL = 0.95
"""Of the exact best `DEPTH`, on average; with less an index is refused."""

DEPTH = 10
SAMPLED = 256
"""Questions by which recall is measured."""

_LOOKED_AT = 4  # candidates for each item that is wanted; they are ordered exactly
_CELLS_OF_ROOT = 4  # cells: this many times the root of the items
_LEARNT_FROM = 64  # items for each cell from which k-means learns


@dataclass(frozen=True, slots=True)
class Approximate:
    """An index of N items.

    Attributes:
        recall: share of the exact best `DEPTH` that it found, over the questions it was measured with.
        probes: cells that it looks at.
        cells: that there are.
    """

    recall: float
    probes: int
    cells: int
    _items: int
    _index: Any

    def candidates(self, query: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
        """Items (N,) among which the best ``k`` for a query (D,) probably are."""
        near = np.zeros(self._items, bool)
        rows = self._index.search(query[None], min(self._items, k * _LOOKED_AT))[1][0]
        near[rows[rows >= 0]] = True
        return near


def approximate(path: Path, gallery: Gallery, asked: NDArray[np.float16]) -> Approximate:
    """The index in ``path``, or a new one that is stored there.

    Args:
        path: of the index; beside it a JSON file says what it is worth.
        gallery: the items.
        asked: vectors (n, D) of questions as people ask them; those by which it is measured are taken from these.

    Raises:
        AnswerError: FAISS is not installed, or the index misses more than `LEAST_RECALL` allows.
        StageError: what is stored is damaged.
    """
    try:
        import faiss
    except ImportError as error:
        raise AnswerError(
            f"an approximate index needs FAISS: {error}",
            cure="pip install 'rushes[approximate]', or leave --approximate out",
        ) from None
    told = path.with_suffix(".json")
    if told.is_file():
        with unreadable_as(
            StageError,
            "not an index",
            where=path,
            cure=f"delete {path} and {told}",
            errors=(OSError, RuntimeError),
        ):
            index: Any = faiss.read_index(str(path))
        worth = read_json(told)
    else:
        index, worth = _built(gallery, asked)
        write_atomic(path, faiss.serialize_index(index).tobytes())
        write_json(told, worth)
    index.nprobe = worth["probes"]
    return Approximate(worth["recall"], worth["probes"], worth["cells"], len(gallery), index)


def _built(gallery: Gallery, asked: NDArray[np.float16]) -> tuple[Any, dict[str, Any]]:
    """An index that looks at as few cells as its recall allows, and what it is worth."""
    import faiss

    n, width = gallery.vectors.shape
    cells = max(1, min(round(_CELLS_OF_ROOT * n**0.5), n // _LEARNT_FROM))
    rng = np.random.default_rng(0)
    learnt_from = rng.choice(n, min(n, cells * _LEARNT_FROM), replace=False)
    index: Any = faiss.index_factory(width, f"IVF{cells},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.train(gallery.vectors[np.sort(learnt_from)].astype(np.float32))
    for begin in range(0, n, 1 << 16):
        index.add(gallery.vectors[begin : begin + (1 << 16)].astype(np.float32))
    sample = asked[rng.choice(len(asked), min(len(asked), SAMPLED), replace=False)].astype(np.float32)
    least = gallery.nearest(sample, DEPTH).scores[:, -1:]
    probes, recall = 1, 0.0
    while recall < LEAST_RECALL:
        if probes > max(1, cells // 4):
            raise AnswerError(
                f"the approximate index finds {recall:.3f} of the exact best {DEPTH}, needed {LEAST_RECALL}; "
                "looking at more than a quarter of the items takes as long as looking at all",
                cure="leave --approximate out",
            )
        index.nprobe = probes
        recall = _recall(index, gallery, sample, least)
        probes *= 2
    return index, {"recall": recall, "probes": index.nprobe, "cells": cells}


def _recall(index: Any, gallery: Gallery, sample: NDArray[np.float32], least: NDArray[np.float64]) -> float:
    """Share of items found that are as good as the last of the exact best: ties may stand in for each other."""
    rows = index.search(sample, DEPTH)[1]
    found = gallery.vectors[rows.clip(0)].astype(np.float64)
    scores = np.einsum("qkd,qd->qk", found, sample.astype(np.float64))
    return float(((scores >= least - 1e-12) & (rows >= 0)).mean())
