"""Figures of ranked items, held against trec_eval and against every order of equal scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.retrieval import (
    ITEMS,
    PAIRS,
    Ranked,
    Relevant,
    rank_alike,
    rank_scores,
    rank_vectors,
)

pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier is a development peer")

DEPTHS = (1, 2, 3, 5, 10)
MEASURES = {
    "map",
    "recip_rank",
    *(f"{one}_{k}" for one in ("recall", "P", "ndcg_cut", "success") for k in DEPTHS),
}


def figures(ranked: Ranked) -> dict[str, np.ndarray]:
    """Ours by the names of trec_eval."""
    found = {"map": ranked.average_precision, "recip_rank": ranked.reciprocal_rank}
    for k in DEPTHS:
        found |= {
            f"recall_{k}": ranked.recall(k),
            f"P_{k}": ranked.precision(k),
            f"ndcg_cut_{k}": ranked.ndcg(k),
            f"success_{k}": ranked.hit_rate(k),
        }
    return found


def trec(gains: np.ndarray, order: np.ndarray) -> dict[str, float]:
    """Figures of one query whose items stand in an order; scores are made from ranks, so that none are tied."""
    evaluator = pytrec_eval.RelevanceEvaluator(
        {"q": {f"d{item}": int(gain) for item, gain in enumerate(gains) if gain}}, MEASURES
    )
    run = {f"d{item}": float(len(order) - rank) for rank, item in enumerate(order)}
    return evaluator.evaluate({"q": run})["q"]


def orders(scores: np.ndarray) -> np.ndarray:
    """Every order of the items in which no item stands before one of a higher score."""
    blocks = [np.flatnonzero(scores == score) for score in np.unique(scores)[::-1]]
    every = itertools.product(*(itertools.permutations(block) for block in blocks))
    return np.array([np.concatenate(order) for order in every])


def expected(gains: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Means of trec_eval's figures over all orders of equal scores."""
    found = [trec(gains, order) for order in orders(scores)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def relevant_of(gains: np.ndarray) -> Relevant:
    query, item = np.nonzero(gains)
    return Relevant.of(query, item, gains[query, item], queries=len(gains), items=gains.shape[1])


def held_against_trec(gains: np.ndarray, scores: np.ndarray, ranked: Ranked) -> None:
    found = figures(ranked)
    for place, query in enumerate(ranked.asked):
        for name, value in expected(gains[query], scores[query]).items():
            assert found[name][place] == pytest.approx(value, abs=1e-9), (name, query)


@pytest.mark.parametrize("graded", [False, True], ids=["binary", "graded"])
@pytest.mark.parametrize("levels", [1, 2, 3, 50], ids=["constant", "two scores", "three", "untied"])
def test_every_figure_is_the_mean_of_trec_eval_over_all_orders_of_equal_scores(graded, levels):
    rng = np.random.default_rng([levels, graded])
    queries, items = 12, 6
    gains = rng.integers(0, 4 if graded else 2, (queries, items)).astype(float)
    gains[0] = 0.0  # a query without a relevant item
    scores = rng.integers(0, levels, (queries, items)).astype(float)
    ranked = rank_scores(scores, relevant_of(gains))
    assert 0 not in ranked.asked
    held_against_trec(gains, scores, ranked)


def test_long_untied_rankings_are_those_of_trec_eval():
    rng = np.random.default_rng(0)
    gains = rng.choice([0.0, 1.0, 2.0], (40, 300), p=[0.95, 0.03, 0.02])
    scores = rng.permuted(np.tile(np.arange(300.0), (40, 1)), axis=1)
    found = figures(ranked := rank_scores(scores, relevant_of(gains)))
    for place, query in enumerate(ranked.asked):
        for name, value in trec(gains[query], np.argsort(-scores[query])).items():
            assert found[name][place] == pytest.approx(value, abs=1e-9), (name, query)


def test_a_constant_scorer_has_what_chance_has():
    relevant = Relevant.of(range(50), range(50), queries=50, items=50)
    ranked = rank_scores(np.ones((50, 50)), relevant)
    assert ranked.hit_rate(10) == pytest.approx(0.2)
    assert ranked.reciprocal_rank == pytest.approx(np.mean(1 / np.arange(1, 51)))  # .09, and not 1
    assert ranked.first_rank == pytest.approx(25.5)
    assert rank_alike(np.ones(50), relevant).tied.tolist() == [50] * 50


def test_a_score_of_the_item_alone_ranks_as_the_whole_matrix_does():
    rng = np.random.default_rng(1)
    gains, score = rng.integers(0, 2, (9, 30)).astype(float), rng.integers(0, 5, 30).astype(float)
    relevant = relevant_of(gains)
    one, other = rank_alike(score, relevant), rank_scores(np.tile(score, (9, 1)), relevant)
    assert one.above.tolist() == other.above.tolist()
    assert one.tied.tolist() == other.tied.tolist()


def unit(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    rows = rng.normal(size=(n, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_blocks_of_vectors_change_nothing_and_equal_vectors_tie_wherever_they_stand():
    rng = np.random.default_rng(2)
    items = unit(rng, ITEMS + 77, 33)
    copies = np.array([3, 5000, ITEMS + 5, ITEMS + 76])
    items[copies] = items[copies[0]]
    queries = unit(rng, PAIRS + 9, 33)
    of = rng.integers(0, len(items), len(queries))
    of[:4] = copies
    relevant = Relevant.of(range(len(queries)), of, queries=len(queries), items=len(items))
    found = rank_vectors(queries, items, relevant)
    scores = np.array(
        [[sum(a * b)] for a, b in zip(queries[:4].astype(float), items[of[:4]].astype(float), strict=True)]
    )
    whole = queries.astype(np.float64) @ items.astype(np.float64).T
    own = whole[np.arange(len(queries)), of, None]
    assert (own[:4] == scores).all()  # exact in any order of addition
    assert found.above.tolist() == (whole > own).sum(axis=1).tolist()
    assert found.tied.tolist() == (whole == own).sum(axis=1).tolist()
    assert (found.tied[:4] == 4).all()


def test_order_of_queries_and_items_changes_nothing():
    rng = np.random.default_rng(3)
    gains, scores = rng.integers(0, 3, (8, 20)).astype(float), rng.integers(0, 6, (8, 20)).astype(float)
    rows, columns = rng.permutation(8), rng.permutation(20)
    plain, moved = (
        figures(rank_scores(s, relevant_of(g)))
        for g, s in ((gains, scores), (gains[rows][:, columns], scores[rows][:, columns]))
    )
    for name, values in plain.items():
        assert moved[name] == pytest.approx(values[rows])


def vectors(queries: np.ndarray, items: np.ndarray) -> Ranked:
    return rank_vectors(queries, items, Relevant.of([0], [0], queries=1, items=1))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Relevant.of([], [], queries=2, items=2), "no query has a relevant item"),
        (lambda: Relevant.of([0, 0], [1, 1], queries=2, items=2), "twice"),
        (lambda: Relevant.of([0], [2], queries=2, items=2), "an item of 2"),
        (lambda: Relevant.of([0], [1], [0.0], queries=2, items=2), "gain above 0"),
        (lambda: rank_scores([[1.0]], Relevant.of([0], [1], queries=1, items=2)), "2 items"),
        (lambda: rank_scores([[1.0, np.nan]], Relevant.of([0], [1], queries=1, items=2)), "finite"),
        (lambda: rank_alike([1.0], Relevant.of([0], [1], queries=1, items=2)), "one length"),
        (lambda: rank_alike([1.0, 2.0], Relevant.of([0], [1], queries=1, items=2)).recall(0), "from 1"),
        (lambda: vectors(np.ones((1, 2)), np.ones((1, 2), np.float16)), "float16"),
        (lambda: vectors(np.ones((1, 2), np.float16), np.ones((1, 3), np.float16)), "3"),
        (lambda: vectors(np.ones((1, 2), np.float16), np.ones((2, 2), np.float16)), "1 items"),
        (lambda: vectors(np.full((1, 2), np.nan, np.float16), np.ones((1, 2), np.float16)), "finite"),
    ],
)
def test_what_makes_no_sense_is_refused(make, told):
    with pytest.raises(MetricError, match=told):
        make()
