"""Answers of fine-tuned models: complete, finite, not always the same; on tables alone, without a model."""

from __future__ import annotations

import pytest

from rushes.runs.admission.values import check_keys, contradictions, not_finite
from rushes.tasks.driving.predict.table import QUESTIONS as OF_DRIVING
from rushes.tasks.operations.predict.table import QUESTIONS as OF_OPERATIONS


@pytest.mark.parametrize("questions", [OF_OPERATIONS, OF_DRIVING])
def test_every_answer_has_a_truth_in_the_table(questions):
    assert len(questions.said) == len(questions.truth) >= 4
    assert {*questions.said, *questions.truth} <= set(questions.schema.names)


def test_keys_that_are_lost_doubled_or_strange_are_told():
    def told(found):
        return [fault.message for fault in check_keys(["a", "b", "c"], found, "x")]

    assert told(["c", "a", "b"]) == []
    assert told(["a", "b"]) == [
        "2 answers to 3 samples of the split",
        "1 keys are not those of the dataset, e.g. c",
    ]
    assert "a is answered twice" in told(["a", "a", "c"])[0]
    assert told(["a", "b", "z"]) == ["2 keys are not those of the dataset, e.g. c"]


def test_values_are_compared_wherever_they_stand():
    said = {"a": [{"b": 0.3}], "c": None, "d": []}
    assert contradictions(said, {"a": [{"b": 0.1 + 0.2}], "c": None, "d": []}) == []
    assert contradictions(said, {"a": [{"b": 0.3 + 1e-8}], "c": 0, "d": [1]}) == [
        ("a.0.b", 0.3, 0.3 + 1e-8),
        ("c", None, 0),
        ("d", [], "(nothing)"),
        ("d.0", "(nothing)", 1),
    ]
    assert contradictions({"a": 1}, {"a": 1, "b": 2}) == [("b", "(nothing)", 2)]


def test_floats_agree_to_their_last_digits_and_all_else_exactly():
    def differ(said, found) -> bool:
        return bool(contradictions({"a": said}, {"a": found}))

    assert not any(differ(of, of * (1 + 1e-11)) for of in (0.7, -3.5, 1e6, 1e-6))
    assert all(differ(of, of * (1 + 1e-7)) for of in (0.7, -3.5, 1e6, 1e-2))
    assert not differ(0.0, 1e-17)
    assert differ(0.0, 1e-9)
    assert differ(10**12, 10**12 + 1)
    assert differ("0.5", 0.5)
    assert differ("snore", "snore ")
    assert differ(1, True)
    assert differ(float("nan"), 0.5)


def test_numbers_that_are_not_finite_are_placed():
    assert not_finite([{"a": float("-inf")}, [float("nan"), 1]]) == ["0.a", "1.0"]
