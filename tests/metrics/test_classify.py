import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion

from rushes.errors import MetricError
from rushes.metrics.classify import (
    accuracy,
    confused_pairs,
    confusion_matrix,
    hits,
    precision_recall_f1,
    rank_classes,
)

# -- reference cases --------------------------------------------------------------------------------


def test_r2_most_and_least_accurate_classes():
    predicted = [3, 2, 1, 0, 3, 3]
    first, second = [3, 2, 2, 1, 3, 3], [3, 2, 1, 1, 3, 0]
    assert rank_classes(first, predicted, range(4), 1) == [(3, 1.0)]
    assert rank_classes(first, predicted, range(4), 3) == [(3, 1.0), (2, 0.5), (1, 0.0)]
    assert rank_classes(second, predicted, range(4), 1, "worst") == [(0, 0.0)]
    assert rank_classes(second, predicted, range(4), 3, "worst") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    with pytest.raises(MetricError, match="no order 'wrong'"):
        rank_classes(first, predicted, range(4), 1, "wrong")


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


def test_r5_openpack_codalab_scores():
    truth, predicted = [100, 200, 300, 100, 200, 300], [100, 300, 200, 100, 100, 200]
    scores = precision_recall_f1(truth, predicted, [100, 200, 300])
    for mean in (scores.macro, scores.weighted):
        assert (mean.precision, mean.recall, mean.f1) == pytest.approx((2 / 9, 1 / 3, 0.2666667), abs=1e-7)
    np.testing.assert_allclose(scores.precision, [2 / 3, 0, 0])
    np.testing.assert_allclose(scores.recall, [1, 0, 0])
    np.testing.assert_allclose(scores.f1, [0.8, 0, 0])
    assert scores.support.tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="unknown label 300"):
        precision_recall_f1(truth, predicted, [100, 200])


# -- against scikit-learn ---------------------------------------------------------------------------


def random_case(rng):
    k, n = int(rng.integers(2, 8)), int(rng.integers(1, 60))
    return list(range(10, 10 + k)), *(rng.integers(k, size=(2, n)) + 10)


def test_scores_equal_scikit_learn_on_random_inputs():
    rng = np.random.default_rng(1)
    for case in range(1_000):
        labels, truth, predicted = random_case(rng)
        scores = precision_recall_f1(truth, predicted, labels)
        theirs = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
        ours = (scores.precision, scores.recall, scores.f1, scores.support)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
        if case % 10 == 0:
            for name in ("macro", "weighted"):
                mean = getattr(scores, name)
                expected = precision_recall_fscore_support(
                    truth, predicted, labels=labels, average=name, zero_division=0
                )
                assert (mean.precision, mean.recall, mean.f1) == pytest.approx(expected[:3], abs=1e-12)
            assert accuracy(truth, predicted, labels) == pytest.approx(accuracy_score(truth, predicted))


def test_confusion_equals_scikit_learn_on_random_inputs():
    rng = np.random.default_rng(2)
    for case in range(1_000):
        labels, truth, predicted = random_case(rng)
        normalize = (None, "true", "pred", "all")[case % 4]
        expected = sklearn_confusion(truth, predicted, labels=labels, normalize=normalize)
        np.testing.assert_allclose(
            confusion_matrix(truth, predicted, labels, normalize=normalize), expected, atol=1e-12
        )


# -- missing answers, order, pairs ------------------------------------------------------------------


def test_a_missing_answer_is_wrong_everywhere():
    truth, predicted, labels = ["a", "a", "b", "b"], ["a", None, None, "a"], ["a", "b"]
    assert hits(truth, predicted, labels).tolist() == [True, False, False, False]
    assert accuracy(truth, [None] * 4, labels) == 0
    scores = precision_recall_f1(truth, predicted, labels)
    assert scores.recall.tolist() == [0.5, 0.0]
    assert scores.precision.tolist() == [0.5, 0.0]
    assert scores.support.tolist() == [2, 2]
    matrix = confusion_matrix(truth, predicted, labels, missing="none", normalize="true")
    np.testing.assert_allclose(matrix, [[0.5, 0, 0.5], [0.5, 0, 0.5], [0, 0, 0]])
    with pytest.raises(MetricError, match="must not hold None"):
        confusion_matrix(truth, predicted, labels)


def test_the_order_of_rows_moves_nothing():
    rng = np.random.default_rng(3)
    labels, truth, predicted = ["a", "b", "c"], *(rng.choice(["a", "b", "c"], size=(2, 90)))
    order = rng.permutation(90)
    mixed = truth[order], predicted[order]
    assert accuracy(truth, predicted, labels) == accuracy(*mixed, labels)
    np.testing.assert_array_equal(
        confusion_matrix(truth, predicted, labels), confusion_matrix(*mixed, labels)
    )
    assert confused_pairs(truth, predicted, labels) == confused_pairs(*mixed, labels)
    one, other = precision_recall_f1(truth, predicted, labels), precision_recall_f1(*mixed, labels)
    assert (one.macro, one.weighted) == (other.macro, other.weighted)


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


def test_macro_counts_classes_without_support_and_weighted_does_not():
    scores = precision_recall_f1(["a", "a"], ["a", "a"], ["a", "b"])
    assert scores.macro.f1 == 0.5
    assert scores.weighted.f1 == 1.0


def test_prediction_equal_to_truth_is_perfect():
    rng = np.random.default_rng(4)
    for codes in rng.integers(5, size=(100, 100, 12)):
        for row in codes:
            classes = sorted(set(row.tolist()))
            scores = precision_recall_f1(row, row, classes)
            assert scores.macro.f1 == scores.weighted.f1 == accuracy(row, row, classes) == 1.0
