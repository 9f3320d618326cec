from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
import pytest

from rushes.errors import MetricError
from rushes.metrics.timeline import scores_1hz
from rushes.tasks.operations.evaluate.timeline import read_sessions, session_figures

LABELS = ("Pick", "Tape", "Press", "Label")


def read(world, table, stride_s=1.0):
    known = {row["key"]: row for row in world.recordings}
    return read_sessions(table, known, LABELS, stride_s)


def figures(metrics, system):
    return {name: entry["value"] for name, entry in metrics["timeline"]["systems"][system].items()}


def test_truth_as_answer_is_perfect(world, right):
    metrics = world.evaluate(world.table(model=right))
    raw = figures(metrics, "raw")
    assert raw["mof"] == raw["macro_f1_1hz"] == raw["map_50"] == 1.0
    assert raw["edit"] == raw["f1_10"] == raw["f1_25"] == raw["f1_50"] == 100.0
    assert raw["boundary_error_s"] <= 0.5, "ticks of a second are off by half of one at most"
    assert figures(metrics, "majority")["mof"] < 0.5


def test_the_order_of_work_repairs_single_ticks(world):
    def flicker(true, rng):
        if true["kind"] != "window" or rng.random() > 0.2:
            return true
        wrong = LABELS[(LABELS.index(true["operation"]) + 2) % 4]
        rows = [0.5 if name == wrong else 0.3 if name == true["operation"] else 0.1 for name in LABELS]
        return true | {"operation": wrong, "probabilities": rows}

    metrics = world.evaluate(world.table(model=flicker))
    raw, smoothed = figures(metrics, "raw"), figures(metrics, "smoothed")
    assert smoothed["mof"] > raw["mof"]
    assert smoothed["edit"] > raw["edit"] + 20
    assert smoothed["f1_50"] > raw["f1_50"] + 20


def test_ticks_without_an_answer_are_wrong(world):
    def mute(true, rng):
        return true | (
            {"failure": "no JSON", "operation": None, "probabilities": None}
            if true["kind"] == "window"
            else {}
        )

    metrics = world.evaluate(world.table(model=mute))
    raw = figures(metrics, "raw")
    assert raw["mof"] == raw["edit"] == raw["f1_10"] == raw["map"] == 0.0
    assert raw["boundary_error_s"] == 5.0
    assert metrics["timeline"]["systems"]["smoothed"]["mof"]["value"] < 0.6


def test_only_the_labelled_span_is_scored(world, right):
    [session] = read(world, world.table(model=right))
    assert session.first_s == 1.0
    assert session.truth[0] == "Pick"
    assert session.truth[-1] != "Null"
    end_s = world.recordings[-1]["segments"][-1][1]
    assert session.first_s + len(session.truth) == pytest.approx(end_s, abs=1.0)


def test_a_gap_is_no_error_of_frames(world, right):
    """What is predicted where nobody labelled counts for no frame."""
    table = world.table(model=right)
    cut = [dict(row) for row in world.recordings]
    segments = cut[-1]["segments"]
    cut[-1]["segments"] = [*segments[:4], *segments[5:]]
    [session] = read_sessions(table, {row["key"]: row for row in cut}, LABELS, 1.0)
    assert session.truth.count("Null") > 0
    found = session_figures([session], [session.raw], LABELS, 5.0, 100)
    assert found["mof"]["value"] == found["macro_f1_1hz"]["value"] == 1.0
    assert found["mof"]["n"] == len(session.truth) - session.truth.count("Null")


def test_macro_f1_is_openpacks(world, noisy):
    [session] = read(world, world.table(model=noisy(0.6)))
    moments = np.arange(len(session.truth)) + 0.5
    expected = scores_1hz((moments, session.truth), (moments, session.raw), LABELS).macro.f1
    found = session_figures([session], [session.raw], LABELS, 5.0, 100)
    assert found["macro_f1_1hz"]["value"] == pytest.approx(expected)
    assert 0 < expected < 1


def test_intervals_resample_sessions_once_there_are_enough(six_people, world, noisy):
    many = six_people.evaluate(six_people.table(model=noisy(0.7)))["timeline"]
    assert many["clusters"] == "session"
    assert len(many["sessions"]) == 6
    assert many["systems"]["raw"]["edit"]["low"] < many["systems"]["raw"]["edit"]["high"]
    one = world.evaluate(world.table(model=noisy(0.7)))["timeline"]
    assert one["clusters"] == "block of operations"
    assert one["systems"]["raw"]["edit"]["low"] is None
    assert one["systems"]["raw"]["mof"]["low"] < one["systems"]["raw"]["mof"]["high"]


def test_strips_cover_the_session_without_holes(world, noisy):
    [session] = world.evaluate(world.table(model=noisy(0.7)))["timeline"]["sessions"]
    for name in ("raw", "smoothed"):
        spans = session[name]
        assert all(one[1] == two[0] for one, two in pairwise(spans))
        assert spans[0][0] == 1.0


def test_missing_ticks_and_another_stride_are_refused(world, right):
    table = world.table(model=right)
    holes = table.filter(pc.not_equal(table["key"], "U0108_S0100_t0010500_window"))
    with pytest.raises(MetricError, match="ticks of a session must follow each other"):
        world.evaluate(holes)
    with pytest.raises(MetricError, match=r"every 0\.5 s"):
        world.evaluate(table, stride_s=0.5)


def test_without_windows_there_is_no_timeline(world, right):
    table = world.table(model=right)
    metrics = world.evaluate(table.filter(pc.not_equal(table["kind"], "window")))
    assert metrics["timeline"] is None
