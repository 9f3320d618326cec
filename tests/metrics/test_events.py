from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.events import Scores, event_rows, segment_rows

LABELS = ["snore", "cough", "speech"]


def scores(rows):
    return Scores.of(rows.parts.sum(axis=0))


def fits(true, found, collar_ms, percent):
    off, length = abs(true[1] - found[1]), true[1] - true[0]
    return abs(true[0] - found[0]) <= collar_ms and off <= max(collar_ms, Fraction(percent, 100) * length)


def most_hits(truth, predicted, collar_ms, percent):
    """As many hits as any assignment has, all tried."""
    slots = [*range(len(predicted)), *[None] * len(truth)]
    return max(
        sum(
            at is not None and true[2] == predicted[at][2] and fits(true, predicted[at], collar_ms, percent)
            for true, at in zip(truth, order, strict=True)
        )
        for order in permutations(slots, len(truth))
    )


def random_events(rng, count):
    starts = rng.integers(0, 1500, count)
    lengths = rng.integers(0, 1500, count)
    return [
        (int(start), int(start + length), str(rng.choice(LABELS[:2])))
        for start, length in zip(starts, lengths, strict=True)
    ]


def test_as_many_events_are_matched_as_can_be():
    rng = np.random.default_rng(0)
    for _ in range(40):
        truth, predicted = random_events(rng, 4), random_events(rng, 4)
        in_s = [
            [(start / 1000, end / 1000, label) for start, end, label in side] for side in (truth, predicted)
        ]
        found = scores(event_rows(*in_s, LABELS, collar_s=0.3, offset_percent=30))
        assert found.hits.sum() == most_hits(truth, predicted, 300, 30)


@pytest.mark.parametrize(
    ("predicted", "hit"),
    [
        ((1.2, 3.4), True),  # both borders: the collar, and a fifth of 2 s
        ((1.201, 3.4), False),
        ((1.2, 3.401), False),
        ((0.8, 2.6), True),
        ((0.8, 2.599), False),
        ((0.799, 3.0), False),
    ],
)
def test_a_collar_holds_to_the_millisecond(predicted, hit):
    # 1.1 + .2 is more than 1.3 in binary: times off a grid of floats show it.
    for shift in np.arange(0, 2, 0.1):
        rows = event_rows(
            [(1 + shift, 3 + shift, "snore")], [(predicted[0] + shift, predicted[1] + shift, "snore")], LABELS
        )
        assert scores(rows).hits.sum() == hit


def test_a_short_event_has_the_collar_for_its_end():
    rows = event_rows([(1.0, 1.1, "cough")], [(1.0, 1.3, "cough")], LABELS)
    assert scores(rows).f1 == 1.0


def test_errors_are_substitutions_deletions_and_insertions():
    truth = [(0.0, 1.0, "snore"), (5.0, 6.0, "cough"), (9.0, 9.5, "cough")]
    predicted = [(5.0, 6.0, "snore"), (20.0, 21.0, "snore")]
    found = scores(event_rows(truth, predicted, LABELS))
    assert found.errors.tolist() == [1, 2, 1]
    assert found.error_rate == pytest.approx(4 / 3)
    assert found.f1 == found.f1_macro == 0.0


def test_the_mean_is_of_the_classes_that_have_events():
    rows = event_rows([(0.0, 1.0, "snore")], [(0.0, 1.0, "snore"), (3.0, 4.0, "speech")], LABELS)
    found = scores(rows)
    assert found.f1_macro == 1.0  # no cough, and no true speech
    assert found.f1 == pytest.approx(2 / 3)
    assert found.f1_of_class.tolist() == [1.0, 0.0, 0.0]


def test_rows_stand_where_their_events_begin_and_add_up():
    truth, predicted = [(8.0, 9.0, "snore"), (1.0, 2.0, "cough")], [(1.1, 2.0, "cough")]
    rows = event_rows(truth, predicted, LABELS)
    assert rows.at_s.tolist() == [8.0, 1.0, 1.1]
    early = Scores.of(rows.parts[rows.at_s < 5].sum(axis=0))
    assert early.f1 == 1.0
    assert scores(rows).f1 == pytest.approx(2 / 3)


def test_sums_may_have_leave_outs():
    rows = event_rows([(0.0, 1.0, "snore"), (5.0, 6.0, "cough")], [(0.0, 1.0, "snore")], LABELS)
    found = Scores.of(np.stack([rows.parts.sum(axis=0), rows.parts[0] + rows.parts[2], rows.parts[1]]))
    assert found.f1.tolist() == [pytest.approx(2 / 3), 1.0, 0.0]
    assert found.error_rate.tolist() == [0.5, 0.0, 1.0]


def test_nothing_on_either_side_is_no_error():
    assert event_rows([], [], LABELS).parts.shape == (0, 12)
    assert scores(event_rows([], [(0.0, 1.0, "snore")], LABELS)).errors.tolist() == [0, 0, 1]


def test_segments_are_active_where_an_event_touches_them():
    truth = [(0.999, 2.0, "snore"), (2.5, 2.6, "cough")]
    rows = segment_rows(truth, [(2.0, 9.0, "snore")], LABELS, 4.2)
    k = len(LABELS)
    assert rows.parts[:, k : k + 2].tolist() == [[1, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    assert rows.parts[:, 2 * k].tolist() == [0, 0, 1, 1, 1]
    assert rows.parts[:, -3:].tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert rows.at_s.tolist() == [0, 1, 2, 3, 4]


def test_segments_of_another_length():
    rows = segment_rows([(0.0, 0.35, "snore")], [], LABELS, 1.0, segment_s=0.1)
    assert rows.parts[:, 3].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("truth", "says"),
    [
        ([(2.0, 1.0, "snore")], "the truth holds an event that ends before it starts"),
        ([(0.0, float("nan"), "snore")], "must be finite"),
        ([(0.0, 1.0, "snoring")], "did you mean 'snore'"),
    ],
)
def test_events_that_do_not_hold_are_refused(truth, says):
    for rows in (lambda: event_rows(truth, [], LABELS), lambda: segment_rows(truth, [], LABELS, 3.0)):
        with pytest.raises(MetricError) as refused:
            rows()
        assert says in str(refused.value)
