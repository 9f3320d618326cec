"""Whole recordings as events: figures from sums, what moves together, and systems on the same units."""

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.evaluate.clusters import BLOCK_S
from rushes.evaluate.events import FIGURES, Heard, Rules, Track, event_measures
from rushes.metrics.events import Scores, event_rows, segment_rows
from rushes.metrics.psds import IN_TIME, psds, tally

LABELS = ("snore", "cough")


def track(
    key: str, group: str = "", *, events=((10.0, 12.0, "snore"), (30.0, 31.0, "cough")), length_s=60.0
) -> Track:
    return Track(key, group, np.linspace(0.0, length_s, round(2 * length_s) + 1), tuple(events))


def heard(one: Track, events) -> Heard:
    middles = (one.edges_s[1:] + one.edges_s[:-1]) / 2
    scores = np.zeros((len(middles), len(LABELS)))
    for start_s, end_s, label in events:
        scores[(middles >= start_s) & (middles < end_s), LABELS.index(label)] = 1.0
    return Heard(list(events), scores)


def measured(tracks, **systems):
    answers = {name: [heard(one, of(one)) for one in tracks] for name, of in systems.items()}
    return event_measures(tracks, answers, LABELS, Rules())


def late(one: Track):
    return [(start_s + 0.15, end_s + 0.15, label) for start_s, end_s, label in one.events if label == "snore"]


def test_figures_are_those_of_the_metrics():
    tracks = [track(f"n{number}") for number in range(6)]
    measures, _ = measured(tracks, model=late)
    events = sum(event_rows(one.events, late(one), LABELS).parts.sum(axis=0) for one in tracks)
    segments = sum(segment_rows(one.events, late(one), LABELS, 60.0).parts.sum(axis=0) for one in tracks)
    tallies = [
        tally(one.events, heard(one, late(one)).scores, one.edges_s, LABELS, IN_TIME) for one in tracks
    ]
    expected = {
        "event_f1": Scores.of(events).f1_macro,
        "event_error_rate": Scores.of(events).error_rate,
        "segment_f1": Scores.of(segments).f1_macro,
        "segment_error_rate": Scores.of(segments).error_rate,
        "psds_1": psds(tallies, IN_TIME),
    }
    assert measures["model"].keys() == FIGURES.keys()
    for name, value in expected.items():
        assert measures["model"][name].values[0] == pytest.approx(float(value))
    assert measures["model"]["event_f1"].values[0] == 0.5  # every snore, no cough


@pytest.mark.parametrize(
    ("groups", "by", "count"),
    [
        (["a", "b", "c", "d", "e", "e"], "group", 5),
        (["a", "a", "b", "b", "b", "b"], "recording", 6),
        ([""] * 6, "recording", 6),
    ],
)
def test_the_widest_level_that_holds_enough_moves_together(groups, by, count):
    tracks = [track(f"n{number}", group) for number, group in enumerate(groups)]
    measures, among = measured(tracks, model=late)
    assert (among.by, among.count) == (by, count)
    assert len(measures["model"]["event_f1"].values) == 1 + count


def test_few_long_recordings_are_cut_into_blocks():
    events = [(start, start + 2.0, "snore") for start in np.arange(30.0, 6 * BLOCK_S, 100.0).tolist()]
    tracks = [track(f"n{number}", events=events, length_s=6 * BLOCK_S) for number in range(2)]
    measures, among = measured(tracks, model=lambda one: one.events[::2], silent=lambda one: [])
    assert (among.by, among.count) == ("block of 10 minutes", 12)
    assert len(measures["model"]["segment_f1"].values) == len(measures["silent"]["segment_f1"].values) == 13
    assert len(measures["model"]["psds_1"].values) == 3  # is no sum: a recording at a time
    assert measures["silent"]["event_f1"].values.max() == 0.0
    assert measures["silent"]["event_error_rate"].values.tolist() == [1.0] * 13


def test_every_leave_out_is_finite_where_one_recording_has_all_events():
    tracks = [track("full"), *(track(f"n{number}", events=()) for number in range(5))]
    measures, _ = measured(tracks, model=late, right=lambda one: one.events)
    for figures in measures.values():
        for one in figures.values():
            assert np.isfinite(one.values).all()
    assert measures["right"]["event_f1"].values[0] == measures["right"]["psds_1"].values[0] == 1.0


def test_without_an_event_nothing_can_be_found():
    with pytest.raises(MetricError, match="no event of snore, cough in 2 recordings"):
        measured([track("a", events=()), track("b", events=())], model=late)


def test_spans_are_runs_on_the_recordings_clock():
    one = Track("a", "", np.array([0.0, 1.5, 2.0, 2.5, 4.0]), ())
    assert one.spans(["snore", "snore", None, "cough"]) == [
        (0.0, 2.0, "snore"),
        (2.0, 2.5, None),
        (2.5, 4.0, "cough"),
    ]
    assert one.length_s == 4.0
