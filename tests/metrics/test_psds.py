from dataclasses import replace

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.psds import APART, IN_TIME, Criteria, psds, tally

LABELS = ["snore", "cough", "speech"]
HOURS = 3600.0


def runs_over(scores, edges, threshold):
    """Detections at a threshold."""
    found, start = [], None
    for tick, score in enumerate([*scores, -np.inf]):
        if score >= threshold and start is None:
            start = tick
        if score < threshold and start is not None:
            found.append((edges[start], edges[tick]))
            start = None
    return found


def overlap(one, other):
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def plain_counts(recordings, place, threshold, criteria):
    """Events found, false alarms and confusions with each class, from their definitions."""
    found, false, confused = 0, 0, np.zeros(len(LABELS))
    for truth, scores, edges in recordings:
        of = [[(start, end) for start, end, label in truth if label == name] for name in LABELS]
        detections = runs_over(scores[:, place], edges, threshold)
        relevant = []
        for one in detections:
            length = one[1] - one[0]
            if sum(overlap(one, event) for event in of[place]) >= criteria.detection * length - 1e-9:
                relevant.append(one)
                continue
            false += 1
            for other in set(range(len(LABELS))) - {place}:
                shared = sum(overlap(one, event) for event in of[other])
                confused[other] += shared >= criteria.cross * length - 1e-9
        for event in of[place]:
            under = sum(overlap(one, event) for one in relevant)
            found += under >= criteria.truth * (event[1] - event[0]) - 1e-9
    return found, false, confused


def plain_psds(recordings, criteria):
    events = np.array(
        [sum(label == name for truth, _, _ in recordings for *_, label in truth) for name in LABELS]
    )
    event_s = [
        sum(end - start for truth, _, _ in recordings for start, end, label in truth if label == name)
        for name in LABELS
    ]
    hours = sum(edges[-1] - edges[0] for _, _, edges in recordings) / HOURS
    there = [place for place in range(len(LABELS)) if events[place]]
    curves = []
    for place in there:
        thresholds = {np.inf, *(value for _, scores, _ in recordings for value in scores[:, place])}
        points = []
        for threshold in thresholds:
            found, false, confused = plain_counts(recordings, place, threshold, criteria)
            rate = false / hours
            others = [confused[other] / (event_s[other] / HOURS) for other in there if other != place]
            if criteria.cross_weight and others:
                rate += criteria.cross_weight * np.mean(others)
            points.append((rate, found / events[place]))
        curves.append(points)
    grid = sorted({rate for points in curves for rate, _ in points if rate <= criteria.most_per_hour})
    area = 0.0
    for number, rate in enumerate(grid):
        shares = [max(share for other, share in points if other <= rate) for points in curves]
        height = max(np.mean(shares) - criteria.spread * np.std(shares), 0.0)
        following = grid[number + 1] if number + 1 < len(grid) else criteria.most_per_hour
        area += height * (following - rate)
    return area / criteria.most_per_hour


def random_recording(rng, labels):
    ticks = int(rng.integers(5, 40))
    edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.2, 2.0, ticks))]).round(3)
    truth = []
    for label in labels:
        borders = (
            np.sort(rng.choice(int(1000 * edges[-1]), 2 * int(rng.integers(0, 4)), replace=False)) / 1000
        )
        truth += [(start, end, label) for start, end in borders.reshape(-1, 2).tolist()]
    scores = rng.integers(0, 12, (ticks, len(LABELS))) / 12
    for start, end, label in truth:  # so that some are found
        scores[(edges[1:] > start) & (edges[:-1] < end), LABELS.index(label)] += rng.integers(0, 12) / 12
    return truth, scores, edges


@pytest.mark.parametrize("criteria", [IN_TIME, APART, Criteria(detection=0.5, truth=0.5, spread=0.0)])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:2]])
def test_psds_equals_the_plain_derivation(criteria, labels):
    rng, above = np.random.default_rng(0), 0
    criteria = replace(criteria, most_per_hour=1000.0)  # a false alarm in a minute is 60 an hour
    for _ in range(15):
        recordings = [random_recording(rng, labels) for _ in range(3)]
        if not any(truth for truth, _, _ in recordings):
            continue
        plain = plain_psds(recordings, criteria)
        tallies = [tally(truth, scores, edges, LABELS, criteria) for truth, scores, edges in recordings]
        assert psds(tallies, criteria) == pytest.approx(plain, abs=1e-12)
        above += plain > 0
    assert above  # scores of all zeros would prove nothing


def test_the_right_scores_have_one_and_silence_nothing():
    truth, edges = [(1.0, 3.0, "snore"), (5.0, 6.0, "snore")], np.arange(9.0)
    right = np.zeros((8, 3))
    right[[1, 2, 5], 0] = 0.9
    assert psds([tally(truth, right, edges, LABELS, IN_TIME)], IN_TIME) == 1.0
    assert psds([tally(truth, np.zeros((8, 3)), edges, LABELS, IN_TIME)], IN_TIME) == 0.0


def test_false_alarms_cost_by_the_hour():
    def of(hours):
        ticks = round(hours * HOURS)
        scores = np.zeros((ticks, 3))
        scores[[10, 11], 0], scores[100, 0] = 0.5, 0.9  # the false alarm is the surer one
        return psds(
            [tally([(10.0, 12.0, "snore")], scores, np.arange(ticks + 1.0), LABELS, IN_TIME)], IN_TIME
        )

    assert of(0.1) == pytest.approx(0.9)  # found from 10 an hour on, of 100
    assert of(1) == pytest.approx(0.99)


def test_more_recordings_are_one_longer_recording():
    rng = np.random.default_rng(1)
    recordings = [random_recording(rng, LABELS) for _ in range(2)]
    (first, scores, edges), (second, more, later) = recordings
    truth = [
        *first,
        *[(start + edges[-1] + 1.0, end + edges[-1] + 1.0, label) for start, end, label in second],
    ]
    pause = np.full((1, 3), -1.0)
    joined = tally(
        truth,
        np.concatenate([scores, pause, more]),
        np.concatenate([edges, later + edges[-1] + 1.0]),
        LABELS,
        IN_TIME,
    )
    apart = [tally(*recording, LABELS, IN_TIME) for recording in recordings]
    for one, (of_first, of_second) in zip(
        joined.steps, zip(*(each.steps for each in apart), strict=True), strict=True
    ):
        alone = np.concatenate([of_first.changes, of_second.changes]).sum(axis=0)
        assert one.changes[one.thresholds >= 0].sum(axis=0).tolist() == alone.tolist()


@pytest.mark.parametrize(
    ("truth", "scores", "edges", "says"),
    [
        ([(0.0, 2.0, "snore"), (1.0, 3.0, "snore")], np.zeros((3, 3)), np.arange(4.0), "overlap"),
        ([(1.0, 1.0, "snore")], np.zeros((3, 3)), np.arange(4.0), "no length"),
        ([], np.zeros((3, 2)), np.arange(4.0), "3 classes and 4 rising edges"),
        ([], np.zeros((3, 3)), [0.0, 1.0, 1.0, 2.0], "rising edges"),
        ([], np.full((3, 3), np.nan), np.arange(4.0), "must be finite"),
    ],
)
def test_what_does_not_hold_is_refused(truth, scores, edges, says):
    with pytest.raises(MetricError, match=says):
        tally(truth, scores, edges, LABELS, IN_TIME)


def test_without_events_there_is_no_score():
    with pytest.raises(MetricError, match="no true event"):
        psds([tally([], np.zeros((3, 3)), np.arange(4.0), LABELS, IN_TIME)], IN_TIME)
    with pytest.raises(MetricError, match="no recording"):
        psds([], IN_TIME)
