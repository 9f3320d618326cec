"""Figures of ranked items against trec_eval, ties and constant scores included, and what their intervals hold.

Part of `retrieval.py`. Where scores tie, the reference is the mean of trec_eval's figure over every order of the equal
scores, each order given to it as scores made from ranks. Intervals are those of the reports, of simulated questions in
families of 1 to 6 that are easy or hard together; *coverage* is the share of sets whose 95 % interval holds the true
figure, and two equal models are held against each other to see how often they are told apart: in 5 % but for what the
number of sets leaves to chance, three standard errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from report import Figure, at_least, at_most, not_measured

from rushes.evaluate.retrieval import Asked
from rushes.evaluate.search_figures import MEDIAN, figures_of
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.retrieval import Ranked, Relevant, rank_scores
from rushes.metrics.verdict import difference_to_best

DEPTHS = (1, 2, 3, 5, 10)
TREC = {"recall": "recall", "precision": "P", "ndcg": "ndcg_cut", "hit_rate": "success"}
"""Ours -> theirs, before the depth."""

GALLERY = 500
FAMILIES = (12, 20, 60, 200)
TOLD = ("hit_rate_10", "ndcg_10", "mrr", MEDIAN)
COVERAGE, TOLD_APART = 0.93, 0.05

Array = NDArray[np.float64]


def metric_figures(quick: bool) -> Iterator[Figure]:
    """Every row: against trec_eval first, then intervals."""
    yield from trec_figures(quick)
    yield from interval_figures(400 if quick else 2000)


# --- against trec_eval ------------------------------------------------------------------------------------


def trec_figures(quick: bool) -> Iterator[Figure]:
    """Greatest difference of any figure of any question to trec_eval's."""
    what = "greatest difference to trec_eval, {}"
    kinds = {"without ties": 0, "three scores": 3, "two scores": 2, "constant scores": 1}
    try:
        import pytrec_eval  # noqa: F401
    except ImportError as error:
        yield from (not_measured(what.format(kind), "<= 1e-09", error) for kind in kinds)
        return
    for kind, levels in kinds.items():
        worst = 0.0
        for graded in (False, True):
            rng = np.random.default_rng([levels, graded])
            queries, items = (20 if quick else 100, 6) if levels else (50 if quick else 500, 400)
            gains = rng.choice([0.0, 1.0, 3.0 if graded else 1.0], (queries, items), p=[0.7, 0.2, 0.1])
            scores = rng.random((queries, items)) if not levels else rng.integers(0, levels, (queries, items))
            worst = max(worst, _apart(gains, scores.astype(np.float64)))
        yield at_most(what.format(kind), worst, 1e-9)
    relevant = Relevant.of(range(50), range(50), queries=50, items=50)
    constant = rank_scores(np.ones((50, 50)), relevant)
    yield at_most(
        "MRR of constant scores less that of a random order, 50 items",
        float(abs(constant.reciprocal_rank.mean() - (1 / np.arange(1, 51)).mean())),
        1e-9,
    )


def _apart(gains: Array, scores: Array) -> float:
    """Greatest difference of a figure of a question to the mean of trec_eval's over all orders of equal scores."""
    query, item = np.nonzero(gains)
    ranked = rank_scores(
        scores, Relevant.of(query, item, gains[query, item], queries=len(gains), items=gains.shape[1])
    )
    ours = {"map": ranked.average_precision, "recip_rank": ranked.reciprocal_rank}
    for name, theirs in TREC.items():
        ours |= {f"{theirs}_{k}": getattr(ranked, name)(k) for k in DEPTHS}
    worst = 0.0
    for place, number in enumerate(ranked.asked):
        theirs_of = _trec(gains[number], list(_orders(scores[number])), list(ours))
        worst = max(worst, *(abs(float(values[place]) - theirs_of[name]) for name, values in ours.items()))
    return worst


def _trec(gains: Array, orders: Sequence[Sequence[int]], measures: Sequence[str]) -> dict[str, float]:
    """Means over some orders of the items; scores are made from ranks, since trec_eval breaks ties by name."""
    import pytrec_eval

    right = {f"d{item}": int(gain) for item, gain in enumerate(gains) if gain}
    evaluator = pytrec_eval.RelevanceEvaluator(
        {str(turn): right for turn in range(len(orders))}, set(measures)
    )
    runs = {
        str(turn): {f"d{item}": float(len(order) - rank) for rank, item in enumerate(order)}
        for turn, order in enumerate(orders)
    }
    found = evaluator.evaluate(runs).values()
    return {name: float(np.mean([one[name] for one in found])) for name in measures}


def _orders(scores: Array) -> Iterator[list[int]]:
    """Every order of the items in which none stands before one of a higher score."""
    blocks = [np.flatnonzero(scores == score).tolist() for score in np.unique(scores)[::-1]]
    for order in itertools.product(*(itertools.permutations(block) for block in blocks)):
        yield list(itertools.chain.from_iterable(order))


# --- intervals --------------------------------------------------------------------------------------------


def interval_figures(sets: int) -> Iterator[Figure]:
    """Coverage of each figure, and how often two equal models are told apart."""
    truth = {name: float(one) for name, one in zip(TOLD, _truth(), strict=True)}
    for families in FAMILIES:
        rng = np.random.default_rng(families)
        inside, apart = dict.fromkeys(TOLD, 0), dict.fromkeys(("better", "worse", "cannot be told"), 0)
        for _ in range(sets):
            asked = _questions(rng, families)
            jackknife = Jackknife.of(asked.family)
            measured = asked.measures(np.arange(len(asked.family)), jackknife)
            for name in TOLD:
                estimate = jackknife.estimate(measured["model"][name].values, asked.figures[name].range)
                inside[name] += estimate.low is not None and estimate.low <= truth[name] <= estimate.high
            ours, theirs = (measured[system]["hit_rate_10"].values for system in ("model", "base"))
            apart[difference_to_best(jackknife, ours, {"base": theirs}, (0.0, 1.0)).verdict] += 1
        for name in TOLD:
            what = f"coverage, {figures_of((10,))[name].title}, {families} families"
            share = inside[name] / sets
            # Ranks tie, and what leaving out does to a median of tied values is not seen: told, and no bar.
            yield Figure(what, share) if name == MEDIAN else at_least(what, share, COVERAGE)
        noise = 3 * (TOLD_APART * (1 - TOLD_APART) / sets) ** 0.5
        told = 1 - apart["cannot be told"] / sets
        yield at_most(
            f"equal models told apart by R@10, {families} families", told, round(TOLD_APART + noise, 3)
        )


def _questions(rng: np.random.Generator, families: int) -> Asked:
    """Questions with one right item each, by two models that are equally good."""
    family = np.repeat(np.arange(families), rng.integers(1, 7, families))
    level = rng.normal(0.0, 1.0, families)[family]
    relevant = Relevant.of(range(len(family)), np.zeros(len(family)), queries=len(family), items=GALLERY)
    ranked = {
        system: Ranked(relevant, _above(rng, level), np.ones(len(family), np.int64))
        for system in ("model", "base")
    }
    return Asked("simulated", (10,), ranked, family, np.full(len(family), ""))


def _above(rng: np.random.Generator, level: Array) -> NDArray[np.int64]:
    """Items that stand before the right one, of questions that are as hard as their family and by themselves."""
    share = 1 / (1 + np.exp(3.5 - level - rng.normal(0.0, 1.5, len(level))))
    return rng.binomial(GALLERY - 1, share)


def _truth(questions: int = 1_000_000) -> Iterator[float]:
    """What the figures of `TOLD` are of all questions that could be asked."""
    rng = np.random.default_rng(1)
    above = _above(rng, rng.normal(0.0, 1.0, questions))
    yield float((above < 10).mean())
    yield float(np.where(above < 10, 1 / np.log2(above + 2), 0.0).mean())
    yield float((1 / (above + 1)).mean())
    yield float(np.median(above)) + 1
