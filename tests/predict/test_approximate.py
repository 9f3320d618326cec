"""The approximate index says how much it finds, is refused where that is too little, and is built once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rushes.errors import AnswerError, StageError
from rushes.predict.approximate import DEPTH, LEAST_RECALL, approximate
from rushes.predict.nearest import Gallery

pytest.importorskip("faiss", reason="FAISS is an extra")


def drawn(n: int, width: int, centres: int, spread: float, seed: int) -> NDArray[np.float16]:
    """Unit vectors around some centres."""
    rng = np.random.default_rng(0)
    middle = rng.standard_normal((centres, width))
    rng = np.random.default_rng(seed)
    vectors = middle[rng.integers(0, centres, n)] + spread * rng.standard_normal((n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def gallery(vectors: NDArray[np.float16]) -> Gallery:
    return Gallery(np.array([f"{row:08x}" for row in range(len(vectors))], object), vectors)


def test_its_recall_is_that_of_fresh_questions_and_it_is_stored(tmp_path: Path) -> None:
    shop, asked = gallery(drawn(8000, 32, 40, 0.5, 1)), drawn(400, 32, 40, 0.5, 2)
    index = approximate(tmp_path / "of.faiss", shop, asked)
    assert LEAST_RECALL <= index.recall <= 1.0
    assert index.probes <= index.cells // 4
    fresh = drawn(200, 32, 40, 0.5, 3).astype(np.float32)
    exact = shop.nearest(fresh, DEPTH).rows
    shares = []
    for query, rows in zip(fresh, exact, strict=True):
        near = index.candidates(query, DEPTH)
        assert near.sum() < len(shop) / 10
        shares.append(near[rows].mean())
    assert np.mean(shares) > LEAST_RECALL - 0.03
    again = approximate(tmp_path / "of.faiss", shop, asked)
    assert (again.recall, again.probes, again.cells) == (index.recall, index.probes, index.cells)
    assert np.array_equal(again.candidates(fresh[0], 5), index.candidates(fresh[0], 5))


def test_an_index_that_misses_too_much_is_refused_and_not_stored(tmp_path: Path) -> None:
    """Vectors without any structure: their neighbours lie in cells everywhere."""
    shop, asked = gallery(drawn(4000, 256, 4000, 3.0, 1)), drawn(300, 256, 4000, 3.0, 2)
    with pytest.raises(AnswerError, match=r"finds 0\.\d+ of the exact best 10, needed 0.95") as refused:
        approximate(tmp_path / "of.faiss", shop, asked)
    assert refused.value.cure == "leave --approximate out"
    assert not list(tmp_path.iterdir())


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    shop, asked = gallery(drawn(2000, 16, 10, 0.3, 1)), drawn(50, 16, 10, 0.3, 2)
    path = tmp_path / "of.faiss"
    approximate(path, shop, asked)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StageError, match="not an index") as refused:
        approximate(path, shop, asked)
    assert refused.value.cure is not None
    assert str(path) in refused.value.cure
