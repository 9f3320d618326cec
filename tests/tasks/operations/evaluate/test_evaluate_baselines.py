from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from rushes.errors import MetricError
from rushes.metrics.temporal import tiou
from rushes.tasks.operations.evaluate.answers import read_answers
from rushes.tasks.operations.evaluate.baselines import TrainClips, baselines, best_constant, order_of_work

LABELS = ("Pick", "Tape", "Press", "Label")


def test_the_best_constant_is_the_best_of_all_on_the_grid():
    rng = np.random.default_rng(0)
    for _ in range(5):
        edges = np.sort(rng.uniform(0, 4.9, (30, 2)), axis=1)
        edges[:, 1] += 0.1
        grid = np.linspace(0, 5, 51)
        every = [(start, end) for start in grid for end in grid if end > start]
        overlaps = [tiou(edges, [candidate] * 30) for candidate in every]
        best = max((np.mean(found >= 0.5), np.mean(found)) for found in overlaps)
        chosen = tiou(edges, [best_constant(edges, 5.0)] * 30)
        assert (np.mean(chosen >= 0.5), np.mean(chosen)) == pytest.approx(best)


def test_without_such_training_clips_the_constant_is_the_whole_clip():
    assert best_constant(np.empty((0, 2)), 5.0) == (0.0, 5.0)


def test_the_constant_depends_on_the_half_that_is_asked_about(world, right):
    clips, systems = read_answers(world.table(model=right))
    grammar = order_of_work([["Pick", "Tape", "Label"]], LABELS)
    found = baselines(TrainClips.of(world.train), clips, systems["model"], grammar, 5.0)
    spans = np.array(found["constant_asked"].segment)
    early = clips.asked_s < 2.5
    assert early.any()
    assert not early.all()
    assert (spans[early] == spans[early][0]).all()
    assert (spans[~early] == spans[~early][0]).all()
    assert spans[early][0, 0] == 0.0
    assert spans[early][0, 1] < 4.5, "what is asked about at the beginning ends inside of the clip"
    assert spans[~early][0, 0] > 0.5
    assert spans[~early][0, 1] == 5.0


def test_windows_and_clips_without_answer_teach_nothing(world):
    every = TrainClips.of(world.train)
    [first, *others] = world.train
    odd = [replace(first, meta={"kind": "window"}), replace(first, target=None)]
    assert len(TrainClips.of(odd + others).operation) == len(every.operation) - 1
    with pytest.raises(MetricError, match="no baseline can be fitted"):
        TrainClips.of(odd)


def test_baselines_never_look_at_the_evaluated_truth(world, right):
    """Other truths, same questions: the constants answer the same."""
    table = world.table(model=right)
    metrics = world.evaluate(table)
    for_tape = [name and "Tape" for name in table["truth_operation"].to_pylist()]
    place = table.column_names.index("truth_operation")
    other = world.evaluate(table.set_column(place, "truth_operation", pa.array(for_tape)))
    for system in ("whole_clip", "constant_template", "constant_asked", "grammar_prior"):
        assert other.all.estimates[system] == metrics.all.estimates[system]
