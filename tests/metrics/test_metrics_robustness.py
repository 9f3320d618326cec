"""Input for which a metric is not defined raises MetricError, which says why; nothing ever returns nan."""

from fractions import Fraction

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.calibration import calibration
from rushes.metrics.checks import MetricTypeError, as_list, encode, finite, label_index, same_length
from rushes.metrics.confusion import confused_pairs, confusion_matrix
from rushes.metrics.decode import smooth, viterbi
from rushes.metrics.detection import Detection, TrueSegment, average_precision
from rushes.metrics.estimate import Estimate, wilson
from rushes.metrics.grammar import fit_grammar, grammar_prior
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.segments import SegmentCounts, edit_scores, runs, segment_counts
from rushes.metrics.temporal import (
    boundary_errors,
    frames_to_seconds,
    interior_edges,
    pairwise_tiou,
    tiou,
)
from rushes.metrics.timeline import labels_1hz, labels_at, resample_1hz

NAN, INF = float("nan"), float("inf")
AB = ["a", "b"]
TRUE = [TrueSegment("v", "a", 0, 1)]
GRAMMAR = fit_grammar([["a", "b"]], AB)
FLAT = np.zeros((2, 2))

CASES = {
    # empty truth or prediction
    "accuracy without predictions": (lambda: confusion_matrix(["a"], [], AB), "the prediction is empty"),
    "accuracy without classes": (lambda: confusion_matrix(["a"], ["a"], []), "class list is empty"),
    "confusion of nothing": (lambda: confusion_matrix([], []), "is empty"),
    "pairs of nothing": (lambda: confused_pairs([], [], AB), "is empty"),
    "calibration of nothing": (lambda: calibration([], []), "is empty"),
    "tIoU of nothing": (lambda: tiou([], []), "the truth is empty"),
    "tIoU without predictions": (lambda: tiou([(0, 1)], []), "the prediction is empty"),
    "pairwise tIoU without candidates": (lambda: pairwise_tiou([(0, 1)], []), "candidates is empty"),
    "runs of nothing": (lambda: runs([]), "is empty"),
    "edit of no videos": (lambda: edit_scores([], [], AB), "is empty"),
    "edit of an empty video": (lambda: edit_scores([[]], [[]], AB), "truth of video 0 is empty"),
    "F1 of background only": (lambda: SegmentCounts(0, 0, 0).f1, "has a segment"),
    "1 Hz of nothing": (lambda: resample_1hz([], []), "is empty"),
    "1 Hz scores of Null only": (lambda: labels_1hz(([0], ["Null"]), ([0], ["a"]), AB), "nothing to score"),
    "detections without truth": (lambda: average_precision([], [], AB), "the truth is empty"),
    "grammar of nothing": (lambda: fit_grammar([], AB), "is empty"),
    "grammar of an empty sequence": (lambda: fit_grammar([["a"], []], AB), "training sequence 1 is empty"),
    "prior of nothing": (lambda: grammar_prior(GRAMMAR, []), "is empty"),
    "viterbi of nothing": (lambda: viterbi([], [[]], [[]]), "non-empty"),
    "Wilson of nothing": (lambda: wilson(0, 0), "n >= 1"),
    "clusters of nothing": (lambda: Jackknife.of([]), "name its cluster"),
    # nan and infinities
    "nan in the truth": (lambda: tiou([(NAN, 1)], [(0, 1)]), "must be finite, found nan"),
    "nan in a prediction": (lambda: tiou([(0, 1)], [(0, NAN)]), "must be finite, found nan"),
    "an endless prediction": (lambda: tiou([(0, 1)], [(0, INF)]), "must be finite, found inf"),
    "nanoseconds for seconds": (lambda: tiou([(0, 1e18)], [(0, 1)]), "give seconds"),
    "nan as a label": (
        lambda: confusion_matrix(["a", NAN], ["a", "a"], AB),
        "must be str or int, found float",
    ),
    "nan in confidences": (lambda: calibration([NAN], [True]), "must be finite"),
    "nan in values": (lambda: Jackknife.of(AB).means([1, NAN]), "must be finite"),
    "nan statistic": (lambda: Jackknife.of(AB).statistic(lambda rows: NAN), "must be finite"),
    "nan estimate": (lambda: Estimate(NAN, 0, 1, 3), "must be finite"),
    "nan detection score": (lambda: average_precision(TRUE, [(*TRUE[0], NAN)], AB), "must be finite"),
    "nan emission": (lambda: viterbi([0, 0], FLAT, [[NAN, 0]]), "not nan"),
    "infinite emission": (lambda: viterbi([0, 0], FLAT, [[INF, 0]]), "below infinity"),
    "impossible observation": (lambda: viterbi([0, 0], FLAT, [[-INF, -INF]]), "no path"),
    "nan probabilities": (lambda: smooth(GRAMMAR, [[NAN, 1]]), "must be finite"),
    "nan time": (lambda: labels_at([(0, 1, "a")], [NAN]), "must be finite"),
    "nan charge for misses": (lambda: boundary_errors([(0, 1)], [None], NAN), "must be finite"),
    "negative charge for misses": (lambda: boundary_errors([(0, 1)], [None], -1), "must not be negative"),
    # reversed, degenerate, overlapping, backwards
    "reversed truth": (lambda: tiou([(3, 1)], [(1, 3)]), "must end after it starts"),
    "truth of no length": (lambda: tiou([(1, 1)], [(1, 3)]), "must end after it starts"),
    "reversed candidate": (lambda: pairwise_tiou([(0, 1)], [(1, 0)]), "must end after it starts"),
    "candidate of no length": (lambda: pairwise_tiou([(0, 1)], [(1, 1)]), "must end after it starts"),
    "reversed true detection": (
        lambda: average_precision([TrueSegment("v", "a", 2, 1)], [], AB),
        "must end after it starts",
    ),
    "reversed frames": (lambda: frames_to_seconds(9, 3, 25), "1 <= first <= last"),
    "frame nought": (lambda: frames_to_seconds(0, 3, 25), "1 <= first <= last"),
    "a standing rate": (lambda: frames_to_seconds(1, 2, 0), "fps must be positive"),
    "a rounded rate": (lambda: frames_to_seconds(1, 2, 29.97), "fps must be exact"),
    "a frame and a half": (lambda: frames_to_seconds(1.5, 2, Fraction(25)), "frame numbers are whole"),
    "overlapping segments": (lambda: labels_at([(0, 2, "a"), (1, 3, "b")], [0]), "overlap"),
    "duplicate segments": (lambda: labels_at([(0, 2, "a"), (0, 2, "a")], [0]), "overlap"),
    "a clock that runs backwards": (lambda: resample_1hz([1, 0], AB), "runs backwards"),
    "crossed interval of an estimate": (lambda: Estimate(0.5, 1, 0, 3), "in order"),
    "more hits than rows": (lambda: wilson(4, 3), "found 4 of 3"),
    "negative hits": (lambda: wilson(-1, 3), "found -1 of 3"),
    # wrong labels
    "unknown true label": (lambda: confusion_matrix(["Tpe"], ["Tape"], ["Tape"]), "did you mean 'Tape'"),
    "unknown predicted label": (lambda: confusion_matrix(["a"], ["c"], AB), "known labels: a, b"),
    "None as truth": (lambda: confusion_matrix([None], ["a"], AB), "the truth must not hold None"),
    "None without a name": (lambda: confusion_matrix(["a"], [None], AB), "must not hold None"),
    "a float label": (lambda: confusion_matrix([1.0], [1], [1]), "found float 1.0"),
    "a boolean label": (lambda: confusion_matrix([1], [True], [1]), "found bool True"),
    "words and numbers unsorted": (lambda: confusion_matrix(["a"], [1]), "all str or all int"),
    "a class named twice": (lambda: confusion_matrix(["a"], ["a"], ["a", "a"]), "names 'a' twice"),
    "a string for a sequence": (lambda: confusion_matrix("ab", "ab", AB), "must be a sequence, found str"),
    "unknown label in a video": (lambda: edit_scores([["a"]], [["z"]], AB), "prediction of video 0"),
    "unknown background": (lambda: edit_scores([["a"]], [["a"]], AB, background=["z"]), "the background"),
    "unknown detection": (lambda: average_precision(TRUE, [("v", "z", 0, 1, 0.5)], AB), "the detections"),
    "unknown training label": (lambda: fit_grammar([["a", "z"]], AB), "training sequence 0"),
    "unknown current label": (lambda: GRAMMAR.next_label("z"), "unknown label 'z'"),
    "Null as a class": (
        lambda: labels_1hz(([0], ["a"]), ([0], ["a"]), ["a", "Null"]),
        "no class of the mean",
    ),
    "unknown 1 Hz prediction": (lambda: labels_1hz(([0], ["a"]), ([0], ["z"]), AB), "unknown label 'z'"),
    # shapes, lengths, settings
    "unpaired labels": (
        lambda: confusion_matrix(["a"], ["a", "b"], AB),
        "one length, found truth 1, predicted 2",
    ),
    "unpaired intervals": (lambda: tiou([(0, 1)], [(0, 1), None]), "one length"),
    "unpaired videos": (lambda: edit_scores([["a"]], [["a"], ["b"]], AB), "one length"),
    "unpaired frames": (lambda: segment_counts([["a"]], [["a", "b"]], AB, 0.5), "one length"),
    "unpaired groups": (lambda: Jackknife.of(["g"]).means([1, 2]), "one length"),
    "unpaired clock": (lambda: resample_1hz([0, 1], ["a"]), "one length"),
    "intervals of three": (lambda: tiou([(0, 1, 2)], [(0, 1)]), "found shape"),
    "ragged intervals": (lambda: tiou([(0, 1), (0,)], [(0, 1), (0, 1)]), "must be numbers"),
    "words for seconds": (lambda: tiou([("0", "x")], [(0, 1)]), "must be numbers"),
    "clips of other number": (lambda: interior_edges([(0, 1)], 0 * np.empty(0)), "is empty"),
    "confidence above one": (lambda: calibration([1.2], [True]), "lies in \\[0, 1\\]"),
    "numbers for right or wrong": (lambda: calibration([0.2], [0.4]), "booleans"),
    "F1 threshold in percent": (lambda: segment_counts([["a"]], [["a"]], AB, 50), "lies in \\(0, 1\\]"),
    "AP threshold in percent": (lambda: average_precision(TRUE, [], AB, [50]), "lie in \\(0, 1\\]"),
    "a window without labels": (lambda: smooth(GRAMMAR, [[0, 0]]), "some label must be possible"),
    "windows of other labels": (lambda: smooth(GRAMMAR, [[1, 0, 0]]), "must be \\(T, 2\\)"),
    "a prior with a nought": (lambda: smooth(GRAMMAR, [[1, 0]], prior=[1, 0]), "shares above 0"),
    "states that do not fit": (lambda: viterbi([0, 0, 0], FLAT, FLAT), "2 states need"),
    "no bins": (lambda: calibration([0.2], [True], bins=0), "asked for 0 bins"),
    "confidence in percent": (lambda: wilson(1, 2, confidence=95), "between 0 and 1"),
    "half a hit": (lambda: wilson(0.5, 2), "whole number"),
}


@pytest.mark.parametrize("name", CASES)
def test_undefined_input_is_a_typed_error_that_says_why(name):
    call, message = CASES[name]
    with pytest.raises(MetricError, match=message):
        call()


def test_there_are_enough_cases():
    assert len(CASES) >= 30


def test_labels_come_as_lists_tuples_and_arrays():
    for kind in (list, tuple, np.array):
        assert encode(kind(["a", "b"]), kind(AB), "labels").tolist() == [0, 1]
        assert encode(kind([3, 1]), kind([1, 3]), "labels").tolist() == [1, 0]
    assert as_list(np.array([1, 2]), "numbers") == [1, 2]
    assert label_index(range(3)) == {0: 0, 1: 1, 2: 2}
    assert same_length(one=[1], other=(2,)) == 1
    assert finite([1, 2], "numbers").dtype == np.float64


def test_a_wrong_type_is_a_type_error_and_a_value_error():
    assert issubclass(MetricTypeError, TypeError)
    assert issubclass(MetricTypeError, ValueError)
    assert issubclass(MetricTypeError, MetricError)


def test_detections_may_be_plain_tuples():
    found = [Detection("v", "a", 0, 1, 0.5)]
    plain = average_precision([tuple(TRUE[0])], [tuple(found[0])], AB)
    assert plain.average == average_precision(TRUE, found, AB).average == 1.0
