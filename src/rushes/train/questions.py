"""What is asked of a clip in training: any moment whose answer the annotation knows."""

from __future__ import annotations

import numpy as np

from rushes.contract import Preprocessing, Turn
from rushes.prepare.sample import Sample
from rushes.records import Target

EDGES = 0.5
"""Share of the questions about the first or last moment of a clip, which is what evaluation asks."""

NEAR, NEAR_S = 0.5, 0.5
"""Share of the short questions that are near a boundary, and how near: the standard deviation in seconds."""


def clip_turns(sample: Sample, contract: Preprocessing, count: int, rng: np.random.Generator) -> list[Turn]:
    """``count`` questions about random moments of a clip, with their answers.

    The first is the clip's own question where it has an answer. The model never sees where a boundary is,
    only the pictures, their times and the moment.
    """
    turns = [] if sample.target is None else [contract.turn(sample.asked_s, sample.target)]
    # All as it is written, on the grid: a segment shorter than a step would begin where it ends.
    written = [
        (float(contract.moment(segment.start_s)), float(contract.moment(segment.end_s)), segment, follower)
        for segment, follower in sample.answerable()
    ]
    answerable = [part for part in written if part[0] < part[1]]
    last_s = contract.clip_s - contract.time_step_s
    edges = [
        (moment_s, *part)
        for moment_s in (0.0, last_s)
        for part in answerable
        if part[0] <= moment_s < part[1]
    ]
    while answerable and len(turns) < count:
        if edges and rng.random() < EDGES:
            moment_s, _, _, segment, follower = edges[rng.integers(len(edges))]
        else:
            start_s, end_s, segment, follower = answerable[rng.integers(len(answerable))]
            moment_s = min(rng.uniform(start_s, end_s), end_s - contract.time_step_s)
        turns.append(contract.turn(moment_s, Target(segment.label, segment.start_s, segment.end_s, follower)))
    return turns[:count]


def moment_turns(sample: Sample, contract: Preprocessing, count: int, rng: np.random.Generator) -> list[Turn]:
    """Up to ``count`` short questions, answered by the operation alone; half of them are near boundaries.

    Asked at every moment these answers give the segment (``predict/operations.py``), so what counts is how
    sharply they change where the operation does.
    """
    boundaries_s = [segment.start_s for segment in sample.segments[1:]]
    last_s = contract.clip_s - contract.time_step_s
    turns = []
    for _ in range(count):
        near = boundaries_s and rng.random() < NEAR
        middle_s = boundaries_s[rng.integers(len(boundaries_s))] if near else 0.0
        moment_s = middle_s + rng.normal(0.0, NEAR_S) if near else rng.uniform(0.0, last_s)
        moment_s = min(max(moment_s, 0.0), last_s)
        # The moment is asked about as it is written, which may lie on the other side of a boundary.
        moment_s = float(contract.moment(moment_s))
        label = next((segment.label for segment in sample.segments if segment.contains(moment_s)), None)
        if label is not None:
            turns.append(contract.moment_turn(moment_s, label))
    return turns


def caption_frame(sample: Sample, rng: np.random.Generator) -> tuple[int, str] | None:
    """A random labelled frame of the clip, as its number and its operation; None if there is none."""
    labelled = [
        (number, segment.label)
        for number, time_s in enumerate(sample.times_s)
        for segment in sample.segments
        if segment.contains(time_s)
    ]
    return labelled[rng.integers(len(labelled))] if labelled else None
