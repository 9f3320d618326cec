"""Exact search: the ids of float64 brute force, whatever ties, filters, threads and lengths there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rushes.errors import AnswerError
from rushes.predict.nearest import Gallery


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def drawn(n: int, width: int = 48, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def keys_of(n: int, seed: int = 0) -> NDArray[np.object_]:
    """Unique keys, whose order is not that of the rows."""
    keys = np.array([f"{number:08x}" for number in range(n)], object)
    np.random.default_rng(seed).shuffle(keys)
    return keys


def brute(
    keys: NDArray[np.object_],
    vectors: NDArray[np.float16],
    queries: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
) -> list[list[str]]:
    """Keys of the best k of each query by products in float64, equal ones in order of keys."""
    lists = []
    for query in queries.astype(np.float64):
        scores = (vectors.astype(np.float64) * query).sum(axis=1)
        rows = [row for row in range(len(keys)) if allowed is None or allowed[row]]
        lists.append([keys[row] for row in sorted(rows, key=lambda row: (-scores[row], keys[row]))[:k]])
    return lists


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("n", "k"), [(1, 1), (3, 10), (63, 5), (700, 10), (5000, 10), (5000, 300)])
def test_ids_are_those_of_brute_force_in_float64(n: int, k: int) -> None:
    keys, vectors, queries = keys_of(n), drawn(n).astype(np.float16), drawn(7, seed=1)
    found = Gallery(keys, vectors).nearest(queries, k)
    assert keys[found.rows].tolist() == brute(keys, vectors, queries, k)
    exact = np.take_along_axis(queries.astype(np.float64) @ vectors.astype(np.float64).T, found.rows, axis=1)
    assert np.abs(found.scores - exact).max() < 1e-15
    assert (np.diff(found.scores, axis=1) <= 0).all()


@pytest.mark.usefixtures("threads")
def test_equal_vectors_are_found_in_order_of_their_keys() -> None:
    keys, queries = keys_of(2000), drawn(3, seed=1)
    few = drawn(5).astype(np.float16)
    copies = few[np.random.default_rng(2).integers(0, 5, 2000)]
    found = Gallery(keys, copies).nearest(queries, 30)
    assert keys[found.rows].tolist() == brute(keys, copies, queries, 30)
    same = np.repeat(few[:1], 2000, axis=0)
    assert keys[Gallery(keys, same).nearest(queries[:1], 4).rows[0]].tolist() == sorted(keys)[:4]


def test_near_copies_are_ordered_although_float32_cannot_tell_them_apart() -> None:
    """Copies that differ by one unit in the last place of a few small numbers: their products lie within 1e-7."""
    rng = np.random.default_rng(5)
    one = drawn(1, 512)[0].astype(np.float16)
    vectors = np.repeat(one[None], 2000, axis=0)
    small = np.argsort(np.abs(one))[:20]
    vectors[:, small] = np.nextafter(vectors[:, small], rng.choice(np.float16([-1, 1]), (2000, 20)))
    keys, query = keys_of(2000), one[None].astype(np.float32)
    products = (vectors.astype(np.float32) @ query[0]).astype(np.float64)
    expected = brute(keys, vectors, query, 10)
    assert keys[np.lexsort((keys.astype(str), -products))[:10]].tolist() != expected[0]
    assert keys[Gallery(keys, vectors).nearest(query, 10).rows].tolist() == expected


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("share", [0.5, 0.01, 0.0])
def test_only_allowed_items_are_found(share: float) -> None:
    keys, vectors, queries = keys_of(3000), drawn(3000).astype(np.float16), drawn(4, seed=1)
    allowed = np.random.default_rng(3).random(3000) < share
    found = Gallery(keys, vectors).nearest(queries, 40, allowed=allowed)
    assert keys[found.rows].tolist() == brute(keys, vectors, queries, 40, allowed)
    assert found.rows.shape == (4, min(40, int(allowed.sum())))


def test_vectors_of_any_length_and_many_queries_at_once() -> None:
    lengths = np.random.default_rng(4).lognormal(0, 2, (900, 1)).astype(np.float32)
    vectors, keys = (drawn(900) * lengths).astype(np.float16), keys_of(900)
    queries = drawn(130, seed=1) * np.float32(50.0)
    assert keys[Gallery(keys, vectors).nearest(queries, 6).rows].tolist() == brute(keys, vectors, queries, 6)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.zeros((0, 8), np.float16), "at least one"),
        (np.zeros((2, 8), np.float32), r"found float32 \(2, 8\)"),
        (np.zeros((3, 8), np.float16), r"of 2 items, .* found float16 \(3, 8\)"),
        (np.float16([[1, 0], [np.nan, 0]]), "not finite"),
        (np.float16([[np.inf, 0], [0, 0]]), "not finite"),
    ],
)
def test_a_gallery_of_another_form_is_refused(vectors: NDArray[np.float16], words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        Gallery(keys_of(2)[: len(vectors) if not len(vectors) else 2], vectors)


@pytest.mark.parametrize(
    ("queries", "k"),
    [(drawn(1, 9), 1), (drawn(1, 8)[0], 1), (np.full((1, 8), np.nan, np.float32), 1), (drawn(1, 8), 0)],
)
def test_questions_of_another_form_are_refused(queries: NDArray[np.float32], k: int) -> None:
    gallery = Gallery(keys_of(5), drawn(5, 8).astype(np.float16))
    with pytest.raises(AnswerError, match=r"needed finite queries \(q, 8\) and k of at least 1"):
        gallery.nearest(queries, k)
