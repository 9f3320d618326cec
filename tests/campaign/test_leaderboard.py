from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from scipy.stats import ttest_rel

from rushes.campaign.judging.standing import Board, aggregate, best_of, control_of
from rushes.campaign.pages.leaderboard import (
    TIME,
    columns,
    rows,
    write_leaderboard,
)
from rushes.errors import StageError
from rushes.tasks import TASKS


def written(path, board, results):
    write_leaderboard(path, board, results)
    return path.read_bytes()


def some(make):
    return [
        *(make("tinycnn", seed, 0.5 + seed / 100, test=0.49) for seed in (2, 1, 3)),
        make("cbam-r8", 1, 0.55, group="cbam", control="tinycnn", costs={"latency_p50_ms": 1.25}),
        make("cbam-r16", 1, 0.2, group="cbam", control="tinycnn", state="collapsed", collapsed="quiet"),
        make("kd", 1, None, phase="kd", control="cbam", state="failed", error="no disk"),
        make("kd", 2, 0.9, phase="kd", control="cbam", state="invalid", faults=("metrics.json: is torn",)),
    ]


def test_one_row_a_trial_that_counts_in_order(make, board):
    found = rows(board, some(make))
    assert [(row["name"], row["seed"], row["state"]) for row in found] == [
        ("cbam-r16", 1, "collapsed"),
        ("cbam-r8", 1, "done"),
        ("tinycnn", 1, "done"),
        ("tinycnn", 2, "done"),
        ("tinycnn", 3, "done"),
    ]


def test_what_is_refused_has_no_row(make, board, tmp_path):
    text = written(tmp_path / "leaderboard.csv", board, some(make)).decode()
    assert ",kd," not in text
    assert "invalid" not in text


def test_the_same_results_in_any_order_are_the_same_bytes(make, board, tmp_path):
    results = some(make)
    first = written(tmp_path / "a.csv", board, results)
    tail = [results[2], results[0], results[1], *results[3:]]
    assert written(tmp_path / "b.csv", board, tail) == first


def test_only_the_last_columns_differ_between_two_runs_of_the_same(make, board, tmp_path):
    results = some(make)
    again = [
        replace(
            one,
            costs={**one.costs, "seconds": 99.0, "latency_p50_ms": 7.0, "ended": "2026-01-01T01:00:00+00:00"},
        )
        for one in results
    ]
    lines = [
        list(csv.reader(written(tmp_path / "a.csv", board, side).decode().splitlines()))
        for side in (results, again)
    ]
    head = lines[0][0]
    assert tuple(head[-len(TIME) :]) == TIME
    stable = [[line[: -len(TIME)] for line in side] for side in lines]
    assert stable[0] == stable[1]
    assert lines[0] != lines[1]


def test_what_is_read_is_what_was_written(make, board, tmp_path):
    results = [make('a, "b"\n|c', 1, 1 / 3, costs={"ended": "2026-01-01T00:00:00+00:00"}), *some(make)]
    write_leaderboard(tmp_path / "leaderboard.csv", board, results)
    of = {"text": str, "whole": int, "real": float, "json": json.loads}
    parse = {name: of[kind] for name, kind in columns(board).items()}
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        found = [
            {name: parse[name](cell) if cell else None for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]
    assert found == rows(board, results)


def test_two_results_of_one_trial_are_refused(make, board):
    with pytest.raises(StageError, match="kd-s1"):
        rows(board, [make("kd", 1, 0.5), make("kd", 1, 0.6)])


def test_a_figure_that_is_not_finite_is_refused(make, board, tmp_path):
    with pytest.raises(StageError, match="val_f1_macro is nan"):
        write_leaderboard(tmp_path / "leaderboard.csv", board, [make("a", 1, float("nan"))])
    assert not (tmp_path / "leaderboard.csv").exists()


def test_the_test_side_is_blank_while_it_is_sealed(make, board):
    sealed, opened = rows(board, [make("a", 1, 0.5), make("b", 1, 0.5, test=0.4)])
    assert sealed["test_f1_macro"] is None
    assert opened["test_f1_macro"] == 0.4


def test_the_difference_on_the_test_side_is_paired_over_seeds_that_both_have(make, board):
    results = [
        *(make("a", seed, 0.5, test=value) for seed, value in ((1, 0.50), (2, 0.52), (3, 0.51), (4, 0.1))),
        *(make("b", seed, 0.6, test=value, control="a") for seed, value in ((1, 0.57), (2, 0.55), (3, 0.56))),
        make("b", 4, 0.6, control="a"),
        make("c", 1, 0.6, test=0.9, control="b-sealed"),
    ]
    ours = {row["seed"]: row for row in rows(board, results) if row["name"] == "b"}
    test = ttest_rel([0.57, 0.55, 0.56], [0.50, 0.52, 0.51]).confidence_interval(0.95)
    for seed in (1, 2, 3):
        assert ours[seed]["test_difference"] == pytest.approx(0.05)
        assert ours[seed]["test_difference_low"] == pytest.approx(test.low)
        assert ours[seed]["test_difference_high"] == pytest.approx(test.high)
    others = [ours[4], *(row for row in rows(board, results) if row["name"] in "ac")]
    assert {row["test_difference"] for row in others} == {None}
    lower = rows(replace(board, lower_is_better=True), results)
    assert next(row for row in lower if row["name"] == "b")["test_difference"] == pytest.approx(-0.05)


@pytest.mark.parametrize("task", list(TASKS))
def test_the_columns_of_every_task_are_fixed_and_begin_with_its_metric(task):
    metric = list(TASKS[task].figures)[2]
    names = columns(Board("any", task, metric))
    assert next(name for name in names if name.startswith("val_")) == f"val_{metric}"


def test_means_and_differences_are_those_of_scipy(make, board):
    ours, theirs = (0.61, 0.66, 0.64, 0.60), (0.58, 0.60, 0.65, 0.55)
    results = [
        *(make("a", seed, value, control="b") for seed, value in enumerate(ours)),
        *(make("b", seed, value) for seed, value in enumerate(theirs)),
        make("b", 9, 0.99),  # a seed that a does not have must not count
    ]
    found = aggregate(board, results)[0]
    expected = ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(expected), abs=1e-12)
    assert found.difference.n == 4
    assert found.validation["f1_macro"].mean == pytest.approx(sum(ours) / 4)


def test_without_a_control_a_run_stands_against_the_best_trivial_system(make, board):
    (found,) = aggregate(board, [make("a", 1, 0.5), make("a", 2, 0.4, state="collapsed")])
    assert (found.control, found.against_run) == ("prior", False)
    assert found.difference.mean == pytest.approx(0.2)
    assert (found.seeds, found.states) == ((1,), {"done": 1, "collapsed": 1})
    assert found.lone["low"] == pytest.approx(0.48)


def test_where_lower_is_better_a_lower_value_is_a_gain(make):
    board = Board("c", "sounds", "f1_macro", lower_is_better=True)
    results = [make("a", 1, 0.1, control="b"), make("b", 1, 0.15), make("worse", 1, 0.4)]
    standings = {one.name: one for one in aggregate(board, results)}
    assert standings["a"].difference.mean == pytest.approx(0.05)
    assert standings["b"].control == "majority"
    assert best_of(board, results) == "a"


def test_the_control_of_a_group_is_its_best_on_the_validation_side(make, board):
    results = [
        make("c-1", 1, 0.5, group="c", test=0.9),
        make("c-2", 1, 0.6, group="c", test=0.1),
        make("kd", 1, 0.7, control="c"),
    ]
    assert control_of(board, results[2].trial, results) == "c-2"


def test_no_run_is_best_for_having_lost_its_bad_seeds(make, board):
    results = [
        make("lucky", 1, 0.9),
        make("lucky", 2, 0.1, state="collapsed"),
        make("steady", 1, 0.6),
        make("steady", 2, 0.6),
    ]
    assert best_of(board, results) == "steady"


def test_a_result_is_the_same_from_its_file(make):
    import json

    from rushes.campaign.records import Result

    one = make("a", 1, 0.5, test=0.4, faults=("x",), best_epoch=2, epochs=5)
    assert Result.of(json.loads(json.dumps(one.to_json()))) == one
