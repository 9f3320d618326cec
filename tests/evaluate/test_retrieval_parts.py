"""Questions with ranked items as parts of a scorecard."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.evaluate.retrieval import Asked, paired, scores
from rushes.evaluate.scorecard import System
from rushes.evaluate.search_figures import MEDIAN, figures_of
from rushes.metrics.retrieval import Relevant, rank_alike, rank_scores

KS = (1, 5)
SYSTEMS = {
    "model": System(role="model", what="trained"),
    "base": System(role="reference", what="before"),
    "random": System(role="baseline", what="any order"),
}


def asked(rng: np.random.Generator, queries: int = 40, *, better: float = 2.0, families: int = 20) -> Asked:
    """One right item of 30 a question; the model scores it higher than the base does."""
    relevant = Relevant.of(range(queries), rng.integers(0, 30, queries), queries=queries, items=30)
    base = rng.normal(size=(queries, 30))
    model = base.copy()
    model[relevant.query, relevant.item] += better
    return Asked(
        "words to pictures",
        KS,
        {
            "model": rank_scores(model, relevant),
            "base": rank_scores(base, relevant),
            "random": rank_alike(np.zeros(30), relevant),
        },
        np.arange(queries) % families,
        np.array(["lamp", "chair"])[np.arange(queries) % 2],
    )


def test_every_figure_has_its_scores():
    rng = np.random.default_rng(0)
    found = scores(asked(rng).ranked["model"], KS)
    assert list(found) == list(figures_of(KS))
    assert [name for name, one in figures_of(KS).items() if one.headline] == ["hit_rate_5", "ndcg_5", "mrr"]


def test_the_figure_of_a_part_is_the_mean_over_its_questions_in_clusters_of_families():
    one = asked(np.random.default_rng(1))
    part = one.part(SYSTEMS, whole=True, against=("hit_rate_5",))
    model = part.estimates["model"]
    assert (part.kind, part.n, part.clusters.by, part.clusters.count) == ("all", 40, "group", 20)
    assert model["hit_rate_5"].value == pytest.approx(one.ranked["model"].hit_rate(5).mean())
    assert model[MEDIAN].value == np.median(one.ranked["model"].first_rank)
    assert part.estimates["random"]["hit_rate_5"].value == pytest.approx(5 / 30)
    assert part.against["hit_rate_5"]["base"].verdict == "better"
    assert part.standings["hit_rate_5"].rival == "random"


def test_questions_of_few_families_rest_on_themselves():
    part = asked(np.random.default_rng(1), families=2).part(SYSTEMS)
    assert (part.kind, part.name, part.clusters.by) == ("subset", "words to pictures", "question")


def test_classes_have_parts_of_their_own():
    parts = list(asked(np.random.default_rng(2), 41).by_label(SYSTEMS, least=21))
    assert [(part.kind, part.name, part.n) for part in parts] == [("class", "lamp", 21)]


def test_equal_systems_cannot_be_told_apart_in_any_figure():
    one = asked(np.random.default_rng(3), better=0.0)
    part = one.part(SYSTEMS, against=tuple(figures_of(KS)))
    assert {part.against[name]["base"].verdict for name in figures_of(KS)} == {"cannot be told"}
    for name in figures_of(KS):
        assert paired(one, one, name).value == 0.0


def test_questions_without_a_right_item_are_counted_and_not_scored():
    relevant = Relevant.of([0, 2], [1, 1], queries=4, items=3)
    ranked = rank_alike([0.0, 1.0, 2.0], relevant)
    one = Asked("q", (1,), {"model": ranked, "random": ranked}, np.arange(4), np.array(["a", "b", "b", "b"]))
    assert one.unanswerable == 2
    assert one.levels["group"].tolist() == [0, 2]
    systems = {"model": SYSTEMS["model"], "random": SYSTEMS["random"]}
    assert one.part(systems).n == 2
    assert [(part.name, part.n) for part in one.by_label(systems, 1)] == [("a", 1), ("b", 1)]


def test_runs_of_other_questions_are_not_paired():
    with pytest.raises(MetricError, match="40 and 30 questions"):
        paired(asked(np.random.default_rng(0)), asked(np.random.default_rng(0), 30), "mrr")
