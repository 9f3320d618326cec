"""Gates: who takes part, by how much, and whether the seeds or the clips agree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from rushes.campaign.judging.askings import number_of, require_on_record
from rushes.campaign.judging.gate import (
    NO_SPREAD,
    OVER_CLIPS,
    OVER_SEEDS,
    Question,
    best,
    caution,
    decide,
    failure,
    values_of,
)
from rushes.campaign.records import Result, Verdict
from rushes.errors import GateError, MetricError, StageError
from rushes.metrics.estimate import Estimate
from rushes.metrics.paired import paired_t
from rushes.stages import canonical_json
from rushes.storage import Workspace

Make = Callable[..., Result]

QUESTION = Question(
    gate="gate",
    metric="f1_macro",
    margin=0.03,
    confidence=None,
    lower_is_better=False,
    seeds=(1, 2, 3),
    better=("teacher", "teacher-large"),
    than=("student", "cbam"),
)


def of(make: Make, name: str, values: Sequence[float | None], **other) -> list[Result]:
    return [make(name, seed, value, **other) for seed, value in enumerate(values, start=1)]


def ask(question: Question, *runs: list[Result], **other) -> Verdict:
    verdict = decide(question, [one for run in runs for one in run], seed_test=paired_t, **other)
    assert json.loads(canonical_json(verdict.to_json()))["gate"] == "gate"
    return verdict


def test_the_best_of_each_side_is_compared_seed_by_seed(make: Make):
    verdict = ask(
        QUESTION,
        of(make, "teacher", [0.80, 0.79, 0.81]),
        of(make, "teacher-large", [0.70, 0.95, 0.70]),
        of(make, "student", [0.70, 0.71, 0.72]),
        of(make, "cbam", [0.75, 0.74, 0.76]),
    )
    assert (verdict.passed, verdict.better, verdict.than) == (True, "teacher", "cbam")
    assert verdict.by_seed == {1: (0.80, 0.75), 2: (0.79, 0.74), 3: (0.81, 0.76)}
    assert verdict.difference == pytest.approx({"value": 0.05, "n": 3})
    assert verdict.test == NO_SPREAD
    assert verdict.values["teacher-large"] == {1: 0.70, 2: 0.95, 3: 0.70}
    assert verdict.values.keys() == verdict.candidates.keys()
    assert (verdict.lower_is_better, verdict.split, verdict.asked) == (False, "val", 1)
    assert verdict.candidates.keys() == {"teacher", "teacher-large", "student", "cbam"}
    assert verdict.candidates["teacher"] == pytest.approx(0.8)
    assert verdict.attempts == ("0 tried: teacher 0.8000 against cbam 0.7500, +0.0500, passed",)


@pytest.mark.parametrize(("gain", "passed"), [(0.03, True), (0.0299, False), (-0.1, False)])
def test_the_margin_is_reached_or_not(make: Make, gain: float, passed: bool):
    students = [0.7, 0.6, 0.5]
    verdict = ask(
        QUESTION, of(make, "teacher", [one + gain for one in students]), of(make, "student", students)
    )
    assert verdict.passed is passed


def test_the_mean_passes_and_the_paired_test_does_not(make: Make):
    runs = of(make, "teacher", [0.90, 0.70, 0.71]), of(make, "student", [0.70, 0.70, 0.70])
    assert ask(QUESTION, *runs).passed
    verdict = ask(replace(QUESTION, confidence=0.95), *runs)
    assert verdict.difference["value"] == pytest.approx(0.07)
    assert verdict.difference["low"] < 0 < verdict.difference["high"]
    assert not verdict.passed
    assert not ask(replace(QUESTION, confidence=0.5, margin=0.08), *runs).passed


def test_a_confidence_is_that_of_the_interval(make: Make):
    runs = of(make, "teacher", [0.80, 0.78, 0.79]), of(make, "student", [0.70, 0.71, 0.72])
    wide = ask(replace(QUESTION, confidence=0.99), *runs)
    narrow = ask(replace(QUESTION, confidence=0.8), *runs)
    assert wide.difference["low"] < narrow.difference["low"]
    assert not wide.passed
    assert narrow.passed


def test_equal_differences_of_all_seeds_are_no_certainty(make: Make):
    question = replace(QUESTION, seeds=(1, 2), confidence=0.95, margin=0.01)
    verdict = ask(question, of(make, "teacher", [0.71, 0.81]), of(make, "student", [0.70, 0.80]))
    assert not verdict.passed
    assert verdict.test == NO_SPREAD
    assert "low" not in verdict.difference
    assert ask(
        replace(question, confidence=None),
        of(make, "teacher", [0.71, 0.81]),
        of(make, "student", [0.70, 0.80]),
    ).passed


def test_a_confidence_is_corrected_for_the_times_it_was_asked(make: Make):
    """Alone the tuned run would be sure enough at 95 %; as the third try it must be so at 98.3 %."""
    question = replace(QUESTION, confidence=0.95)
    runs = of(make, "tuned", [0.79, 0.76, 0.775]), of(make, "student", [0.7] * 3)
    once = ask(question, *runs, tried=["tuned"])
    third = ask(question, *runs, tried=["a", "b", "tuned"], attempts=("first", "second"))
    assert (once.asked, once.tested_at, once.passed) == (1, 0.95, True)
    assert (third.asked, third.tested_at) == (3, pytest.approx(1 - 0.05 / 3))
    sure = paired_t([0.09, 0.06, 0.075], 1 - 0.05 / 3)
    assert third.difference["low"] == pytest.approx(sure.low)
    assert third.confidence == 0.95
    assert "95% (asked 3 times, so 98.33%)" in str(failure(third))
    free = ask(QUESTION, *runs, tried=["tuned"], attempts=("first", "second"))
    assert (free.passed, free.tested_at) == (True, 0.95)  # the margin alone was asked for


@pytest.mark.parametrize("state", ["collapsed", "invalid", "failed"])
def test_a_run_that_is_not_done_with_every_seed_takes_no_part(make: Make, state: str):
    lost = [*of(make, "teacher-large", [0.99, 0.99]), make("teacher-large", 3, 0.99, state=state)]
    verdict = ask(QUESTION, of(make, "teacher", [0.80] * 3), lost, of(make, "student", [0.70] * 3))
    assert verdict.better == "teacher"
    assert "teacher-large" not in verdict.candidates
    missing = of(make, "teacher-large", [0.99, 0.99])
    assert ask(QUESTION, of(make, "teacher", [0.80] * 3), missing, of(make, "student", [0.7] * 3)).passed


def test_a_side_that_nobody_is_left_on_does_not_pass(make: Make):
    lost = of(make, "teacher", [0.99] * 3, state="collapsed")
    verdict = ask(QUESTION, lost, of(make, "student", [0.7] * 3))
    assert (verdict.passed, verdict.better, verdict.than, verdict.test) == (False, "", "student", "none")
    assert verdict.attempts == ("0 tried: no run of better is done with every seed, not passed",)
    again = ask(QUESTION, lost, tried=["x"], attempts=verdict.attempts)
    assert [line.split(":")[0] for line in again.attempts] == ["0 tried", "1 tried"]
    nobody = ask(QUESTION, of(make, "teacher", [0.99] * 3))
    assert not nobody.passed
    assert "no run of than" in nobody.attempts[0]
    assert "no run of better and than" in ask(QUESTION).attempts[0]


def test_runs_of_others_do_not_leak_in(make: Make):
    verdict = ask(
        QUESTION,
        of(make, "teacher", [0.80] * 3),
        of(make, "student", [0.70] * 3),
        of(make, "elsewhere", [0.99] * 3),
        [make("student", 9, 0.99)],
    )
    assert verdict.candidates.keys() == {"teacher", "student"}
    assert verdict.by_seed.keys() == {1, 2, 3}


def test_lower_is_better_where_the_metric_is_an_error(make: Make):
    question = replace(QUESTION, lower_is_better=True, confidence=0.95)
    verdict = ask(
        question,
        of(make, "teacher", [0.20, 0.21, 0.22]),
        of(make, "teacher-large", [0.50] * 3),
        of(make, "student", [0.31, 0.30, 0.33]),
        of(make, "cbam", [0.40] * 3),
    )
    assert (verdict.passed, verdict.better, verdict.than) == (True, "teacher", "student")
    assert verdict.difference["value"] == pytest.approx((0.11 + 0.09 + 0.11) / 3)
    assert verdict.test == OVER_SEEDS
    assert verdict.lower_is_better
    assert verdict.difference["low"] > 0


def test_ties_go_to_the_first_whatever_the_order_of_results(make: Make):
    teacher, large = of(make, "teacher", [0.7, 0.8, 0.9]), of(make, "teacher-large", [0.9, 0.7, 0.8])
    student = of(make, "student", [0.5] * 3)
    assert ask(QUESTION, teacher, large, student).better == "teacher"
    assert ask(QUESTION, student, large, teacher).better == "teacher"
    assert best({}) is None


def test_what_was_tried_joins_the_better_side(make: Make):
    base = of(make, "teacher", [0.71] * 3), of(make, "student", [0.70] * 3)
    first = ask(QUESTION, *base)
    tuned = of(make, "tuned", [0.74] * 3)
    second = ask(QUESTION, *base, tuned, tried=["tuned"], attempts=first.attempts)
    assert (first.passed, second.passed, second.better) == (False, True, "tuned")
    assert [line.split(":")[0] for line in second.attempts] == ["0 tried", "1 tried"]
    assert ask(QUESTION, *base, tuned).better == "teacher"


ONE = replace(QUESTION, seeds=(1,))


def clips(low: float, high: float) -> Callable[[Result, Result, float], Estimate]:
    """A test over clips with this interval, in the direction in which it is asked."""

    def test(first: Result, second: Result, confidence: float) -> Estimate:
        assert confidence == 0.95
        value = first.value("f1_macro") - second.value("f1_macro")
        return Estimate(value, value + low, value + high, 320)

    return test


@pytest.mark.parametrize(("low", "passed"), [(-0.04, True), (-0.06, False)])
def test_of_one_seed_the_clips_decide(make: Make, low: float, passed: bool):
    runs = of(make, "teacher", [0.80]), of(make, "student", [0.75])
    verdict = ask(replace(ONE, confidence=0.95), *runs, clip_test=clips(low, 0.04))
    assert verdict.passed is passed
    assert verdict.test == OVER_CLIPS
    assert verdict.difference == pytest.approx({"value": 0.05, "low": 0.05 + low, "high": 0.09, "n": 320})


def test_of_one_seed_the_clips_decide_about_an_error_as_well(make: Make):
    question = replace(ONE, confidence=0.95, lower_is_better=True)
    runs = of(make, "teacher", [0.20]), of(make, "student", [0.30])
    verdict = ask(question, *runs, clip_test=clips(-0.01, 0.02))
    assert verdict.passed
    assert verdict.difference == pytest.approx({"value": 0.1, "low": 0.09, "high": 0.12, "n": 320})


def test_one_seed_without_clips_reaches_no_confidence(make: Make):
    runs = of(make, "teacher", [0.80]), of(make, "student", [0.70])
    verdict = ask(ONE, *runs)
    assert verdict.passed
    assert verdict.difference == pytest.approx({"value": 0.1, "n": 1})
    assert verdict.test == "none"
    assert not ask(replace(ONE, confidence=0.95), *runs).passed
    unknown = ask(replace(ONE, confidence=0.95), *runs, clip_test=lambda first, second, confidence: None)
    assert (unknown.passed, unknown.test) == (False, "none")


def test_clips_that_contradict_the_results_are_refused(make: Make):
    runs = of(make, "teacher", [0.80]), of(make, "student", [0.70])
    with pytest.raises(MetricError, match=r"finds a difference of 0\.2"):
        ask(ONE, *runs, clip_test=lambda first, second, confidence: Estimate(0.2, 0.1, 0.3, 320))


def test_a_gate_that_failed_for_good_has_its_own_exit_code(make: Make):
    question = replace(QUESTION, confidence=0.95)
    error = failure(ask(question, of(make, "teacher", [0.7] * 3), of(make, "student", [0.7] * 3)))
    assert isinstance(error, GateError)
    assert error.exit_code == 3
    assert "better by 0.03, above zero at 95%" in str(error)
    assert "teacher 0.7000 against student 0.7000" in str(error)


def test_values_stand_in_the_order_of_names(make: Make):
    results = of(make, "b", [0.1, 0.2]) + of(make, "a", [0.3, 0.4])
    found = values_of(results, ["a", "b", "c"], (2, 1), "f1_macro")
    assert list(found.items()) == [("a", (0.4, 0.3)), ("b", (0.2, 0.1))]
    assert values_of(results, ["a"], (1, 2), "accuracy") == {}


def test_askings_on_record_count_whatever_the_manifest_says(make: Make, tmp_path):
    """A try that was taken out still counts, the same asking does not count twice, and another gate is another."""
    question = replace(QUESTION, confidence=0.95)
    student = of(make, "student", [0.7] * 3)

    def asked(
        tuned: float, gate: str = "gate", gates: Sequence[str] = ("gate", "other"), campaign: str = "sleep"
    ) -> Verdict:
        runs = of(make, "tuned", [tuned, tuned - 0.03, tuned - 0.015]), student
        number = partial(number_of, Workspace(tmp_path), campaign, gates)
        return decide(
            replace(question, gate=gate),
            [one for run in runs for one in run],
            seed_test=paired_t,
            tried=["tuned"],
            number_of=number,
        )

    assert [asked(value).asked for value in (0.79, 0.78, 0.77, 0.79, 0.77)] == [1, 2, 3, 1, 3]
    assert asked(0.79).passed  # as at the first time
    assert asked(0.791).tested_at == pytest.approx(1 - 0.05 / 4)
    assert asked(0.79, gate="other").asked == 1
    assert asked(0.79, "renamed", ["renamed", "other"]).asked == 1  # the same asking
    renamed = asked(0.76, "renamed", ["renamed", "other"])
    assert renamed.asked == 5
    assert asked(0.75, campaign="renamed").asked == 7
    assert asked(0.79, campaign="renamed").asked == 1
    require_on_record(Workspace(tmp_path), {"renamed": renamed.entry})
    shutil.rmtree(tmp_path / "gates")
    with pytest.raises(StageError, match="gate renamed was asked, which is not on record"):
        require_on_record(Workspace(tmp_path), {"renamed": renamed.entry})


@pytest.mark.parametrize(
    ("confidence", "theirs", "said"),
    [
        (0.95, (0.70, 0.71, 0.72), ""),
        (None, (0.70, 0.66, 0.68), "no confidence was asked for"),
        (None, (0.90, 0.60, 0.80), "no confidence was asked for, and the interval [-0.31, +0.33] holds zero"),
    ],
)
def test_what_a_verdict_by_the_margin_alone_does_not_say_is_said(make: Make, confidence, theirs, said):
    ours = of(make, "teacher", [0.80, 0.75, 0.78])
    verdict = ask(replace(QUESTION, confidence=confidence, margin=0.0), ours, of(make, "student", theirs))
    assert caution(verdict).startswith(said)
    assert bool(caution(verdict)) == bool(said)
    assert ("holds zero" in caution(verdict)) == ("holds zero" in said)


def test_equal_gains_of_all_seeds_are_said_to_tell_nothing(make: Make):
    verdict = ask(QUESTION, of(make, "teacher", [0.8] * 3), of(make, "student", [0.7] * 3))
    assert caution(verdict) == "no confidence was asked for, and nothing tells how sure the difference is"
