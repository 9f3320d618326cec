"""Whole recordings out of answers about windows: ticks, holes, smoothing, baselines, and what is said of them."""

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.evaluate.scorecard import Scorecard
from rushes.records import Segment
from rushes.tasks.sounds.evaluate.answers import read_answers
from rushes.tasks.sounds.evaluate.measure import compare_macro_f1, evaluate
from rushes.tasks.sounds.evaluate.timeline import read_ticks, timeline
from rushes.tasks.sounds.predict.table import predictions_table
from rushes.tasks.sounds.recipe import Timelines
from rushes.tasks.sounds.sources.windows import LEFT_OUT, Cutting

LABELS = ("quiet", "snore", "cough")
CUTTING = Cutting(LABELS, "quiet", 2.0, 0.5, 0.5)
TRAIN = {"quiet": 100, "snore": 20, "cough": 10}
LENGTH_S = 120.25


def night(number: int) -> dict:
    """Every 12 s a snore of 4 s, every second one followed by a cough of 2 s."""
    segments, at_s = [], 0.0
    for turn in range(10):
        start = 5.0 + 11.5 * turn + 0.5 * number
        label, lasts_s = ("cough", 2.0) if turn % 2 else ("snore", 4.0)
        segments += [(at_s, start, "quiet"), (start, start + lasts_s, label)]
        at_s = start + lasts_s
    segments.append((at_s, LENGTH_S, "quiet"))
    return {
        "key": f"n{number}",
        "split": "test",
        "group": f"w{number % 3}",
        "duration_s": LENGTH_S,
        "segments": segments,
    }


NIGHTS = [night(number) for number in range(6)]


def answered(nights=NIGHTS, *, sure=6.0, wrong=0.0, without=lambda start_s: False, seed=0):
    """Predictions about every window of nights, right but for a share, and where each window lies."""
    rng, rows, places = np.random.default_rng(seed), [], {}
    for one in nights:
        starts = CUTTING.starts(one["duration_s"])
        found = CUTTING.places([Segment(*segment) for segment in one["segments"]], starts)
        for start_s, place in zip(starts.tolist(), found.tolist(), strict=True):
            if place == LEFT_OUT or without(start_s):
                continue
            key = f"{one['key']}-{round(1000 * start_s):09d}"
            places[key] = one["key"], start_s
            said = int(rng.integers(3)) if rng.random() < wrong else place
            rows.append((key, one["group"], LABELS[place], sure * np.eye(3)[said]))
    keys, groups, labels, logits = zip(*rows, strict=True)
    return predictions_table(keys, groups, labels, np.array(logits, np.float32)), places


def measured(table, places, nights=NIGHTS, **settings):
    answers = read_answers(table, LABELS)
    return timeline(answers, places, nights, CUTTING, Timelines(**settings), TRAIN)


def values(found, system):
    return {name: value.value for name, value in found.part.estimates[system].items()}


def test_the_right_answers_find_every_event():
    found = measured(*answered(), collar_s=0.5)
    assert values(found, "model")["psds_1"] == 1.0
    assert values(found, "model")["segment_f1"] > 0.85  # windows of 2 s know borders to a half
    assert values(found, "model")["event_f1"] == 1.0
    assert values(found, "majority")["event_f1"] == 0.0
    assert values(found, "event")["segment_f1"] > 0.1  # it always snores
    assert found.part.standings["event_f1"].verdict == "better"
    assert found.part.kind == "timeline"


def test_a_tick_is_the_middle_of_its_window_and_the_ends_reach_outwards():
    (first, *_) = read_ticks(
        read_answers(answered()[0], LABELS), answered()[1], {n["key"]: n for n in NIGHTS}, CUTTING
    )
    edges = first.track.edges_s
    assert edges[:4].tolist() == [0.0, 1.25, 1.75, 2.25]
    assert edges[-1] == LENGTH_S
    assert len(edges) == len(CUTTING.starts(LENGTH_S)) + 1
    assert [label for *_, label in first.track.events] == ["snore", "cough"] * 5


def test_windows_that_were_left_out_are_holes_without_an_event():
    table, places = answered(without=lambda start_s: 10.0 <= start_s < 20.0)
    found = measured(table, places)
    spans = found.details["recordings"][0]["model"]
    (hole,) = [span for span in spans if span[2] is None]
    assert hole[0] == pytest.approx(10.75)
    assert hole[1] == pytest.approx(20.75)


def test_smoothing_drops_what_is_too_short():
    noisy = measured(*answered(wrong=0.15), smooth_s=2.5)
    events = {
        name: sum(
            label in ("snore", "cough") for one in noisy.details["recordings"] for *_, label in one[name]
        )
        for name in ("truth", "model", "smoothed")
    }
    assert events["model"] > 1.5 * events["truth"]
    assert abs(events["smoothed"] - events["truth"]) < 0.3 * events["truth"]
    assert values(noisy, "smoothed")["event_error_rate"] < values(noisy, "model")["event_error_rate"]
    assert noisy.details["smooth_s"] == 2.5


def test_a_class_without_events_is_named_and_left_out():
    nights = [
        one | {"segments": [s if s[2] != "cough" else (*s[:2], "quiet") for s in one["segments"]]}
        for one in NIGHTS
    ]
    found = measured(*answered(nights), nights, collar_s=0.5)
    assert values(found, "model")["event_f1"] == 1.0
    assert found.remarks[0] == "no event of cough on this side: left out of figures of events"


def test_a_side_without_any_event_is_refused():
    nights = [one | {"segments": [(0.0, LENGTH_S, "quiet")]} for one in NIGHTS]
    with pytest.raises(MetricError, match="no event of snore, cough"):
        measured(*answered(nights), nights)


def test_a_window_of_an_unknown_recording_is_refused():
    table, places = answered()
    with pytest.raises(MetricError, match=r"recordings\.json"):
        measured(table, places, NIGHTS[1:])


def test_a_net_that_fell_into_one_class_is_said():
    table, places = answered()
    names = (table[name].to_pylist() for name in ("key", "group", "label"))
    quiet = predictions_table(*names, np.tile(np.float32([9.0, 0.0, 0.0]), (len(table), 1)))
    said = measured(quiet, places).remarks
    assert len(said) == 2 * len(NIGHTS)
    assert said[0].startswith("n0, model labels: fell into one class: quiet 100 % of the time, 7")
    assert not measured(table, places).remarks


def test_the_scorecard_has_a_timeline_where_there_are_recordings_and_the_same_figures_elsewhere():
    table, places = answered()
    said = {"split": "test", "provenance": {}}
    before = evaluate(table, TRAIN, LABELS, None, **said)
    with_nights = evaluate(table, TRAIN, LABELS, None, **said, timeline=measured(table, places))
    assert [part.kind for part in with_nights.parts[:2]] == ["all", "timeline"]
    assert Scorecard.model_validate_json(with_nights.model_dump_json()) == with_nights
    for system, found in before.all.estimates.items():
        ours = with_nights.all.estimates[system]
        assert {name: one.value for name, one in ours.items()} == {
            name: one.value for name, one in found.items()
        }
    assert before.all.clusters.by == "clip"
    assert "smoothed" not in before.systems
    assert "event_f1" not in before.figures
    assert "timeline" not in before.details


# --- figures of windows ---------------------------------------------------------------------------------------


def of_windows(nights):
    table, places = answered(nights, wrong=0.3)
    return evaluate(
        table, TRAIN, LABELS, None, split="test", provenance={}, timeline=measured(table, places, nights)
    )


@pytest.mark.parametrize(
    ("owners", "clusters"),
    [
        (["a", "b", "c", "d", "e", "e"], ("group", 5)),
        (["a", "a", "b", "b", "c", "c"], ("recording", 6)),
        ([""] * 6, ("recording", 6)),
        (["a", "a"], ("recording", 2)),
    ],
)
def test_windows_move_together_as_the_events_of_their_recordings_do(owners, clusters):
    nights = [night(number) | {"group": owner} for number, owner in enumerate(owners)]
    card = of_windows(nights)
    [events] = card.of_kind("timeline")
    for part in (card.all, events, *card.of_kind("class")):
        assert (part.clusters.by, part.clusters.count) == clusters
    assert card.all.estimates["model"]["f1_macro"].clusters == clusters[1]


def test_windows_of_few_long_recordings_move_together_in_blocks_of_time():
    long_s = 6 * 600.0
    one = {"split": "test", "group": "a", "duration_s": long_s}
    segments = [(0.0, 10.0, "quiet"), (10.0, 2000.0, "snore"), (2000.0, long_s, "quiet")]
    card = of_windows([one | {"key": f"n{number}", "segments": segments} for number in range(2)])
    assert (card.all.clusters.by, card.all.clusters.count) == ("block of 10 minutes", 12)
    assert any(
        line.startswith("only 1 group: intervals rest on blocks of 10 minutes") for line in card.remarks
    )


def test_recordings_of_nobody_are_counted_in_recordings():
    card = of_windows([night(number) | {"group": ""} for number in range(6)])
    [said] = [line for line in card.remarks if line.startswith("nobody said")]
    assert said.startswith("nobody said who is in the 6 recordings: ")
    assert said.endswith("name groups by source.groups.column or .pattern")


def test_two_nets_are_compared_over_what_moves_together():
    nights = [night(number) | {"group": "a"} for number in range(6)]
    ours, theirs = (answered(nights, wrong=wrong)[0] for wrong in (0.1, 0.4))
    assert compare_macro_f1(ours, theirs, LABELS, windows=True).clusters == 6
