import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
)

from rushes.errors import MetricError
from rushes.metrics.classify import confusion_matrix
from rushes.metrics.confusion import confusion_scores, guesses


def drawn(n, k, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return truth, np.where(rng.random(n) < 0.6, truth, rng.integers(0, k, n))


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    truth, answer = drawn(200, 4, seed)
    scores = confusion_scores(confusion_matrix(truth.tolist(), answer.tolist(), range(4)))
    each = precision_recall_fscore_support(truth, answer, labels=range(4), zero_division=0)
    for ours, theirs in zip((scores.precision, scores.recall, scores.f1, scores.support), each, strict=True):
        assert ours == pytest.approx(theirs)
    macro = precision_recall_fscore_support(truth, answer, labels=range(4), average="macro", zero_division=0)
    assert (scores.precision_macro, scores.recall_macro, scores.f1_macro) == pytest.approx(macro[:3])
    assert scores.accuracy == pytest.approx(accuracy_score(truth, answer))
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, answer))


def test_a_class_without_clips_lowers_macro_recall_but_not_balanced_accuracy():
    scores = confusion_scores([[4, 0, 0], [0, 4, 0], [0, 0, 0]])
    assert scores.balanced_accuracy == 1.0
    assert scores.recall_macro == pytest.approx(2 / 3)
    assert scores.f1_macro == pytest.approx(2 / 3)


def test_a_stack_is_scored_as_each_of_its_matrices():
    stack = np.random.default_rng(0).integers(0, 9, (6, 3, 3))
    together = confusion_scores(stack)
    alone = [confusion_scores(matrix) for matrix in stack]
    assert together.f1_macro.tolist() == [float(scores.f1_macro) for scores in alone]
    assert together.balanced_accuracy.tolist() == [float(scores.balanced_accuracy) for scores in alone]


def test_expected_scores_of_guessing_are_the_mean_over_many_guesses():
    rng, support, shares = np.random.default_rng(0), np.array([300, 150, 50]), np.array([0.5, 0.4, 0.1])
    expected = confusion_scores(guesses(support, shares))
    drawn = np.stack([rng.multinomial(rows, shares, size=4000) for rows in support], axis=1)
    mean = confusion_scores(drawn)
    assert float(expected.accuracy) == pytest.approx(support @ shares / support.sum())
    assert float(expected.accuracy) == pytest.approx(float(mean.accuracy.mean()), abs=2e-3)
    assert float(expected.f1_macro) == pytest.approx(float(mean.f1_macro.mean()), abs=3e-3)
    assert float(expected.recall_macro) == pytest.approx(1 / 3)


def test_what_is_no_confusion_matrix_is_refused():
    for wrong in ([[1, 2]], [[1, -1], [0, 1]], [[np.nan, 0], [0, 1]]):
        with pytest.raises(MetricError):
            confusion_scores(wrong)
    with pytest.raises(MetricError, match="add up to 1"):
        guesses([1, 2], [0.5, 0.6])
    with pytest.raises(MetricError, match="a share for each class"):
        guesses([1, 2, 3], [0.5, 0.5])
