import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.grammar import (
    fit_grammar,
    grammar_prior,
    grammar_score,
    transition_matrix,
    transitions,
)

# OpenPack's order of work (100 -> ... -> 800 -> 100), with rework
LABELS = [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
ORDER = [100, 200, 300, 400, 500, 600, 700, 1000, 800]


def test_counts_stay_inside_sequences():
    grammar = fit_grammar([["a", "b", "a", "b"], ["b", "b"]], ["a", "b"], smoothing=0.5)
    assert grammar.counts.tolist() == [[0, 2], [1, 1]]
    assert grammar.starts.tolist() == [1, 1]
    np.testing.assert_allclose(grammar.transition, [[1 / 6, 5 / 6], [0.5, 0.5]])
    np.testing.assert_allclose(grammar.initial, [0.5, 0.5])


def test_probabilities_are_probabilities_and_never_zero():
    rng = np.random.default_rng(0)
    for _ in range(200):
        sequences = [rng.integers(4, size=int(rng.integers(1, 20))).tolist() for _ in range(5)]
        grammar = fit_grammar(sequences, range(6))
        np.testing.assert_allclose(grammar.transition.sum(axis=1), 1)
        assert grammar.transition.min() > 0
        np.testing.assert_allclose(grammar.transition[4:], 1 / 6)  # never seen: anything may follow
        assert grammar.initial.sum() == pytest.approx(1)


def test_prior_learns_the_order_of_work_and_beats_chance():
    rng = np.random.default_rng(1)

    def session():
        out = []
        for _ in range(12):
            out += ORDER
            if rng.random() < 0.25:
                out += [900]
        return out

    grammar = fit_grammar([session() for _ in range(3)], LABELS)
    sequence = session()
    predicted = grammar_prior(grammar, sequence[:-1])
    share = np.mean([a == b for a, b in zip(predicted, sequence[1:], strict=True)])
    assert share > 0.9
    assert grammar.next_label(700) == 1000


def test_prior_has_no_successor_for_a_missing_current():
    grammar = fit_grammar([["a", "b"]], ["a", "b"])
    assert grammar_prior(grammar, ["a", None, "a"]) == ["b", None, "b"]


def test_ties_go_to_the_label_named_first():
    assert fit_grammar([["a", "c"], ["a", "b"]], ["a", "b", "c"]).next_label("a") == "b"
    assert fit_grammar([["a", "c"], ["a", "b"]], ["a", "c", "b"]).next_label("a") == "c"


def test_score_of_the_truth_itself():
    pairs = transitions([ORDER, ORDER])
    score = grammar_score(fit_grammar([ORDER], LABELS), pairs, pairs)
    assert (score.allowed, score.distance, score.n) == (1.0, 0.0, 16)


def test_distance_is_the_frobenius_norm_of_row_normalised_counts():
    grammar = fit_grammar([["a", "b", "c"]], ["a", "b", "c"])
    truth = [("a", "b"), ("a", "b"), ("a", "c"), ("b", "c")]
    predicted = [("a", "b"), ("a", "a"), ("c", "c")]
    by_hand = np.array([[0.5, -1 / 6, -1 / 3], [0, 0, -1], [0, 0, 1]])
    score = grammar_score(grammar, truth, predicted)
    assert score.distance == pytest.approx(np.sqrt((by_hand**2).sum()))
    assert score.allowed == pytest.approx(1 / 3)


def test_missing_sides_are_not_allowed_and_never_current():
    grammar = fit_grammar([["a", "b", "a"]], ["a", "b"])
    truth = [("a", "b"), ("b", "a")]
    score = grammar_score(grammar, truth, [("a", "b"), (None, "a"), ("b", None), (None, None)])
    assert score.allowed == 0.25
    assert score.distance == pytest.approx(1.0)
    assert score.n == 4
    nothing = grammar_score(grammar, truth, [(None, None)])
    assert (nothing.allowed, nothing.distance) == (0.0, pytest.approx(np.sqrt(2)))


def test_distance_stays_within_its_bounds_and_order_moves_nothing():
    rng = np.random.default_rng(2)
    grammar = fit_grammar([list(range(5))], range(5))
    for _ in range(300):
        truth, predicted = (
            [tuple(row) for row in rng.integers(5, size=(int(rng.integers(1, 30)), 2)).tolist()]
            for _ in range(2)
        )
        score = grammar_score(grammar, truth, predicted)
        assert 0 <= score.allowed <= 1
        assert 0 <= score.distance <= np.sqrt(10)
        mixed = [predicted[i] for i in rng.permutation(len(predicted))]
        assert grammar_score(grammar, truth, mixed) == score


def test_transition_matrix_rows_are_shares():
    assert transition_matrix([(1, 2), (1, 1), (2, 2)], [1, 2, 3]).tolist() == [
        [0.5, 0.5, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_smoothing_must_be_above_zero():
    for smoothing in (0.0, -1.0, float("nan")):
        with pytest.raises(MetricError, match="smoothing must be above 0"):
            fit_grammar([["a", "b"]], ["a", "b"], smoothing)
