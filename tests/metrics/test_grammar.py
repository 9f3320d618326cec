import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.grammar import fit_grammar, grammar_prior, transition_distance

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


def test_smoothing_must_be_above_zero():
    for smoothing in (0.0, -1.0, float("nan")):
        with pytest.raises(MetricError, match="smoothing must be above 0"):
            fit_grammar([["a", "b"]], ["a", "b"], smoothing)


def test_distance_is_the_frobenius_norm_of_row_normalised_counts():
    truth, predicted = np.array([[0, 1], [0, 1], [0, 2], [1, 2]]), np.array([[0, 1], [0, 0], [2, 2]])
    by_hand = np.array([[0.5, -1 / 6, -1 / 3], [0, 0, -1], [0, 0, 1]])
    assert transition_distance(truth, predicted, 3) == pytest.approx(np.sqrt((by_hand**2).sum()))
    assert transition_distance(truth, truth, 3) == 0.0


def test_missing_sides_are_never_current():
    truth = np.array([[0, 1], [1, 0]])
    predicted = np.array([[0, 1], [-1, 0], [1, -1], [-1, -1]])
    assert transition_distance(truth, predicted, 2) == pytest.approx(1.0)
    assert transition_distance(truth, predicted[-1:], 2) == pytest.approx(np.sqrt(2))


def test_distance_stays_within_its_bounds_and_order_moves_nothing():
    rng = np.random.default_rng(2)
    for _ in range(300):
        truth, predicted = (rng.integers(5, size=(int(rng.integers(1, 30)), 2)) for _ in range(2))
        distance = transition_distance(truth, predicted, 5)
        assert 0 <= distance <= np.sqrt(10)
        assert transition_distance(truth, rng.permutation(predicted), 5) == distance
