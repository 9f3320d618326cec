"""What is asked of a clip in training: behind every pair of frames, what goes on there and what follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rushes.contract import Preprocessing, Turn
from rushes.models.pixels import PAIR
from rushes.prepare.operations.sample import Sample


def frame_turn(sample: Sample, contract: Preprocessing, time_s: float) -> Turn | None:
    """The question about one moment with its answer; None where the moment carries no label."""
    followers = dict(sample.answerable())
    label = next((segment for segment in sample.segments if segment.contains(time_s)), None)
    return None if label is None else contract.turn(label.label, followers.get(label))


def clip_turns(sample: Sample, contract: Preprocessing) -> list[tuple[int, Turn]]:
    """A question behind every pair of frames whose last frame carries a label."""
    lasts = [sample.times_s[start : start + PAIR][-1] for start in range(0, len(sample.times_s), PAIR)]
    turns = [(pair, frame_turn(sample, contract, time_s)) for pair, time_s in enumerate(lasts)]
    return [(pair, turn) for pair, turn in turns if turn is not None]


def labelled_frames(sample: Sample) -> Sequence[int]:
    """Numbers of the frames that carry a label."""
    return [
        number
        for number, time_s in enumerate(sample.times_s)
        if any(segment.contains(time_s) for segment in sample.segments)
    ]


def random_frame(sample: Sample, rng: np.random.Generator) -> int | None:
    """Number of a random labelled frame; None where there is none."""
    frames = labelled_frames(sample)
    return int(frames[rng.integers(len(frames))]) if frames else None
