from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
import pytest
from plain_metrics import edit_score, frame_accuracy, macro_f1_1hz, segmental_f1

from rushes.errors import MetricError
from rushes.tasks.operations.evaluate.timeline import read_sessions, session_figures

LABELS = ("Pick", "Tape", "Press", "Label")


def read(world, table, stride_s=1.0):
    known = {row["key"]: row for row in world.recordings}
    return read_sessions(table, known, LABELS, stride_s)


def figures(card, system):
    [part] = card.of_kind("timeline")
    return {name: found.value for name, found in part.estimates[system].items()}


def test_truth_as_answer_is_perfect(world, right):
    card = world.evaluate(world.table(model=right))
    raw = figures(card, "model")
    assert raw["mof"] == raw["macro_f1_1hz"] == raw["map_50"] == 1.0
    assert raw["edit"] == raw["f1_10"] == raw["f1_25"] == raw["f1_50"] == 100.0
    assert raw["start_error_s"] <= 0.5, "ticks of a second are off by half of one at most"
    assert figures(card, "majority")["mof"] < 0.5


def test_the_order_of_work_repairs_single_ticks(world):
    def flicker(true, rng):
        if true["kind"] != "window" or rng.random() > 0.2:
            return true
        wrong = LABELS[(LABELS.index(true["operation"]) + 2) % 4]
        rows = [0.5 if name == wrong else 0.3 if name == true["operation"] else 0.1 for name in LABELS]
        return true | {"operation": wrong, "probabilities": rows}

    card = world.evaluate(world.table(model=flicker))
    raw, smoothed = figures(card, "model"), figures(card, "smoothed")
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

    card = world.evaluate(world.table(model=mute))
    raw = figures(card, "model")
    assert raw["mof"] == raw["edit"] == raw["f1_10"] == raw["map"] == 0.0
    assert raw["start_error_s"] == 5.0
    assert figures(card, "smoothed")["mof"] < 0.6


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
    found = session_figures([session], [session.raw], LABELS, 5.0)
    assert found["mof"].values[0] == found["macro_f1_1hz"].values[0] == 1.0
    assert len(found["mof"].jackknife.part) == len(session.truth) - session.truth.count("Null")


@pytest.mark.parametrize("stride_s", [0.5, 1.0, 2.5])
def test_figures_are_those_of_the_metrics(world, noisy, stride_s):
    sessions = [
        replace(session, stride_s=stride_s, first_s=3.0 * stride_s)
        for accuracy in (0.6, 0.9)
        for session in read(world, world.table(model=noisy(accuracy)))
    ]
    truths, answers = [one.truth for one in sessions], [one.raw for one in sessions]
    found = {name: one.values[0] for name, one in session_figures(sessions, answers, LABELS, 5.0).items()}
    length_s = 1000 * round(len(truths[0]) * stride_s)
    step_s = min(stride_s, 1.0)
    since = np.arange(0.5 * step_s, len(truths[0]) * stride_s, step_s)
    place = (since // stride_s).astype(int)
    clock = np.concatenate([since, since + length_s])
    labels = [[row[tick] for row in of for tick in place] for of in (truths, answers)]
    expected = macro_f1_1hz((clock, labels[0]), (clock, labels[1]), LABELS)
    assert found["macro_f1_1hz"] == pytest.approx(expected, abs=1e-12)
    classes = [*LABELS, "Null"]
    assert found["mof"] == frame_accuracy(truths, answers, ignore="Null")
    assert found["edit"] == edit_score(truths, answers, classes, background=["Null"])
    f1 = segmental_f1(truths, answers, classes, background=["Null"])
    assert [found["f1_10"], found["f1_25"], found["f1_50"]] == list(f1.values())
    assert all(0 < found[name] < 100 for name in ("macro_f1_1hz", "edit", "f1_50", "map"))


def test_sessions_are_left_out_once_there_are_enough(six_people, world, noisy):
    many = six_people.evaluate(six_people.table(model=noisy(0.7)))
    [part] = many.of_kind("timeline")
    assert (part.clusters.by, part.clusters.count) == ("session", 6)
    edit = part.estimates["model"]["edit"]
    assert 0 < edit.low < edit.high < 100
    assert part.estimates["model"]["map"].clusters == 6
    [part] = world.evaluate(world.table(model=noisy(0.7))).of_kind("timeline")
    assert part.clusters.by == "block of operations"
    assert part.estimates["model"]["mof"].high < 1
    one = part.estimates["model"]["edit"]
    assert (one.low, one.high) == (0, 100), "one session tells nothing about others"
    assert part.standings["edit"].verdict == "cannot be told"


def test_the_model_is_held_against_majority_and_its_own_smoothed_labels(six_people, noisy):
    card = six_people.evaluate(six_people.table(model=noisy(0.7)))
    [part] = card.of_kind("timeline")
    named = {
        name for name, figure in card.figures.items() if figure.compared and name in part.estimates["model"]
    }
    assert set(part.standings) == set(part.against) == named == set(part.estimates["model"])
    assert {one.rival for one in part.standings.values()} == {"majority"}
    assert part.standings["mof"].verdict == "better"
    assert card.systems["smoothed"].role == "ablation"
    assert part.against["edit"]["smoothed"].verdict == "worse", "the order of work repairs single ticks"


def test_labels_that_fell_into_one_class_are_told(world, right):
    def doubtful(true, rng):
        rows = [0.26 if name == true["operation"] else 0.74 / 3 for name in LABELS]
        return true | ({"operation": "Pick", "probabilities": rows} if true["kind"] == "window" else {})

    told = [remark for remark in world.evaluate(world.table(model=doubtful)).remarks if "one class" in remark]
    assert told[0].startswith("U0108_S0100, model labels: fell into one class: Pick 100 % of the time")
    assert not any("one class" in remark for remark in world.evaluate(world.table(model=right)).remarks)


def test_strips_cover_the_session_without_holes(world, noisy):
    [session] = world.evaluate(world.table(model=noisy(0.7))).details["timeline"]["sessions"]
    for name in ("model", "smoothed"):
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
    card = world.evaluate(table.filter(pc.not_equal(table["kind"], "window")))
    assert card.details["timeline"] is None
    assert card.of_kind("timeline") == ()
    assert "smoothed" not in card.systems
