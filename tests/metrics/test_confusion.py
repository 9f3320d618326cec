import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion

from rushes.errors import MetricError
from rushes.metrics.confusion import confused_pairs, confusion_matrix, confusion_scores, guesses

# -- counts and pairs -------------------------------------------------------------------------------


def plain_confusion(truth, predicted, normalize):
    """Cell by cell, from the definition: the classes of either side, then the shares."""
    classes = sorted({*truth, *predicted})
    cells = [
        [sum(t == row and p == column for t, p in zip(truth, predicted, strict=True)) for column in classes]
        for row in classes
    ]
    table = np.array(cells, dtype=float if normalize else int)
    for i in range(len(classes)):
        if normalize == "true" and table[i].sum():
            table[i] /= table[i].sum()
        if normalize == "pred" and table[:, i].sum():
            table[:, i] /= table[:, i].sum()
    return table / table.sum() if normalize == "all" else table


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_r3_confusion_matrix(normalize):
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth, predicted = rng.integers(10, size=(2, int(rng.integers(1, 100))))
        expected = plain_confusion(truth.tolist(), predicted.tolist(), normalize)
        np.testing.assert_allclose(
            confusion_matrix(truth, predicted, normalize=normalize), expected, rtol=0, atol=1e-12
        )


def test_r3_errors():
    with pytest.raises(ValueError, match="no normalisation 'unsupport'"):
        confusion_matrix([1], [1], normalize="unsupport")
    for truth, predicted in [([1], 0.5), (0.5, [1]), ([1], [0.5]), ([0.5], [1])]:
        with pytest.raises(TypeError):
            confusion_matrix(truth, predicted)
        with pytest.raises(MetricError):
            confusion_matrix(truth, predicted)


def random_case(rng):
    k, n = int(rng.integers(2, 8)), int(rng.integers(1, 60))
    return list(range(10, 10 + k)), *(rng.integers(k, size=(2, n)) + 10)


def test_confusion_equals_scikit_learn_on_random_inputs():
    rng = np.random.default_rng(2)
    for case in range(1_000):
        labels, truth, predicted = random_case(rng)
        normalize = (None, "true", "pred", "all")[case % 4]
        expected = sklearn_confusion(truth, predicted, labels=labels, normalize=normalize)
        np.testing.assert_allclose(
            confusion_matrix(truth, predicted, labels, normalize=normalize), expected, atol=1e-12
        )


def test_a_missing_answer_is_wrong_everywhere():
    truth, predicted, labels = ["a", "a", "b", "b"], ["a", None, None, "a"], ["a", "b"]
    scores = confusion_scores(confusion_matrix(truth, predicted, labels, missing="none"))
    assert scores.accuracy == 0.25
    assert scores.recall[:2].tolist() == [0.5, 0.0]
    assert scores.precision[:2].tolist() == [0.5, 0.0]
    assert scores.support[:2].tolist() == [2, 2]
    matrix = confusion_matrix(truth, predicted, labels, missing="none", normalize="true")
    np.testing.assert_allclose(matrix, [[0.5, 0, 0.5], [0.5, 0, 0.5], [0, 0, 0]])
    with pytest.raises(MetricError, match="must not hold None"):
        confusion_matrix(truth, predicted, labels)


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(3)
    labels, truth, predicted = ["a", "b", "c"], *(rng.choice(["a", "b", "c"], size=(2, 90)))
    order = rng.permutation(90)
    mixed = truth[order], predicted[order]
    np.testing.assert_array_equal(
        confusion_matrix(truth, predicted, labels), confusion_matrix(*mixed, labels)
    )
    assert confused_pairs(truth, predicted, labels) == confused_pairs(*mixed, labels)


def test_confused_pairs_are_directed_ranked_and_supported():
    truth = ["Tape"] * 10 + ["Pack"] * 10 + ["Wrap"] * 2
    predicted = ["Pack"] * 3 + ["Tape"] * 6 + [None] + ["Tape"] * 1 + ["Pack"] * 9 + ["Pack"] * 2
    pairs = confused_pairs(truth, predicted, ["Tape", "Pack", "Wrap"], minimum_support=5)
    assert [(p.truth, p.predicted, p.count, p.rate.value, p.rate.n) for p in pairs] == [
        ("Tape", "Pack", 3, 0.3, 10),
        ("Tape", None, 1, 0.1, 10),
        ("Pack", "Tape", 1, 0.1, 10),
    ]
    assert confused_pairs(truth, predicted, ["Tape", "Pack", "Wrap"], minimum_support=2)[0].truth == "Wrap"
    assert len(confused_pairs(truth, predicted, ["Tape", "Pack", "Wrap"], minimum_support=2, k=2)) == 2


# -- scores -----------------------------------------------------------------------------------------


def test_r5_openpack_codalab_scores():
    truth, predicted = [100, 200, 300, 100, 200, 300], [100, 300, 200, 100, 100, 200]
    scores = confusion_scores(confusion_matrix(truth, predicted, [100, 200, 300]))
    means = (scores.precision_macro, scores.recall_macro, scores.f1_macro)
    assert means == pytest.approx((2 / 9, 1 / 3, 0.2666667), abs=1e-7)
    np.testing.assert_allclose(scores.precision, [2 / 3, 0, 0])
    np.testing.assert_allclose(scores.recall, [1, 0, 0])
    np.testing.assert_allclose(scores.f1, [0.8, 0, 0])
    assert scores.support.tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="unknown label 300"):
        confusion_matrix(truth, predicted, [100, 200])


def test_scores_equal_scikit_learn_on_random_inputs():
    rng = np.random.default_rng(1)
    for _ in range(1_000):
        labels, truth, predicted = random_case(rng)
        scores = confusion_scores(confusion_matrix(truth, predicted, labels))
        theirs = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
        ours = (scores.precision, scores.recall, scores.f1, scores.support)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
        assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))


def test_prediction_equal_to_truth_is_perfect():
    rng = np.random.default_rng(4)
    for row in rng.integers(5, size=(1_000, 12)):
        scores = confusion_scores(confusion_matrix(row, row))
        assert scores.f1_macro == scores.accuracy == 1.0


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
