import numpy as np
import pytest
from plain_metrics import macro_f1_1hz
from sklearn.metrics import f1_score

from rushes.errors import MetricError
from rushes.metrics.timeline import labels_1hz, labels_at, resample_1hz


def test_r5_one_hertz():
    stamps_ms = np.arange(1_000_000, 1_003_001, 500)
    seconds, labels = resample_1hz(stamps_ms / 1000, [100, 100, 100, 200, 300, 300, 400])
    assert (seconds * 1000).tolist() == [1_000_000, 1_001_000, 1_002_000, 1_003_000]
    assert labels == [100, 200, 300, 400]


def test_r5_openpack_scores_at_one_hertz():
    seconds = np.arange(6)
    truth, predicted = [100, 200, 300, 100, 200, 300], [100, 300, 200, 100, 100, 200]
    found = macro_f1_1hz((seconds, truth), (seconds, predicted), [100, 200, 300], null=8100)
    assert found == pytest.approx(0.2666667, abs=1e-7)
    with pytest.raises(ValueError, match="unknown label 300"):
        labels_1hz((seconds, truth), (seconds, predicted), [100, 200], null=8100)


def test_a_million_rows_are_resampled():
    times = 1_648_531_522 + np.arange(1_000_000) / 15
    labels = np.arange(1_000_000) % 10
    seconds, last = resample_1hz(times, labels)
    assert len(seconds) == len(last) == 66_667
    assert last[:2] == [4, 9]


def test_resampling_is_the_last_sample_of_each_second_on_random_clocks():
    rng = np.random.default_rng(0)
    for _ in range(300):
        stamps_ms = np.sort(rng.integers(0, 8_000, size=int(rng.integers(1, 60))))
        labels = rng.integers(5, size=len(stamps_ms)).tolist()
        expected = {}
        for stamp, label in zip(stamps_ms.tolist(), labels, strict=True):
            expected[stamp // 1000] = label
        seconds, kept = resample_1hz(stamps_ms / 1000, labels)
        assert dict(zip(seconds.tolist(), kept, strict=True)) == expected


def test_float_noise_does_not_move_a_sample_into_the_second_before():
    seconds, labels = resample_1hz(np.cumsum(np.full(20, 0.1)), list(range(1, 21)))
    assert seconds.tolist() == [0, 1, 2]
    assert labels == [9, 19, 20]


def test_null_is_dropped_by_the_truth_and_wrong_as_a_prediction():
    seconds = [0, 1, 2, 3]
    truth = ["a", "Null", "b", "b"]
    kept, actual, perfect = labels_1hz((seconds, truth), (seconds, ["a", "b", "b", "b"]), ["a", "b"])
    assert kept.tolist() == [0, 2, 3]
    assert actual.tolist() == perfect.tolist() == [0, 1, 1]
    _, _, abstaining = labels_1hz((seconds, truth), (seconds, ["a", "Null", "Null", "b"]), ["a", "b"])
    assert abstaining.tolist() == [0, -1, 1]


def test_seconds_without_a_prediction_are_wrong_and_those_without_truth_do_not_count():
    _, actual, answer = labels_1hz(([0, 1, 2], ["a", "a", "a"]), ([1, 7], ["a", "a"]), ["a"])
    assert actual.tolist() == [0, 0, 0]
    assert answer.tolist() == [-1, 0, -1]


def test_one_hertz_scores_equal_scikit_learn_on_random_sessions():
    rng = np.random.default_rng(1)
    labels, everything = [100, 200, 300], [100, 200, 300, 8100]
    compared = 0
    for _ in range(300):
        n = int(rng.integers(2, 50))
        truth, predicted = rng.choice(everything, size=(2, n))
        kept = truth != 8100
        if not kept.any():
            continue
        ours = macro_f1_1hz((np.arange(n), truth), (np.arange(n), predicted), labels, null=8100)
        expected = f1_score(truth[kept], predicted[kept], labels=labels, average="macro", zero_division=0)
        assert ours == pytest.approx(expected, abs=1e-12)
        compared += 1
    assert compared > 250


def test_labels_at_are_half_open_and_name_gaps():
    segments = [(3.0, 4.0, "b"), (0.0, 2.0, "a")]
    assert labels_at(segments, [-0.1, 0, 1.999, 2.0, 3.0, 3.999, 4.0]) == [
        None,
        "a",
        "a",
        None,
        "b",
        "b",
        None,
    ]
    with pytest.raises(MetricError, match="overlap"):
        labels_at([(0, 2, "a"), (1, 3, "b")], [0.5])
