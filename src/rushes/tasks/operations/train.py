"""Clips of somebody at work as training samples, and what is asked of them.

Behind every pair of frames: which operation is this, and what comes next? A model that starts from nothing is
asked about single frames first (``captions``), and about whole clips afterwards. A head on frozen features is
taught the same at every frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.models.chat import Encoded
from rushes.models.pixels import PAIR, Pictures
from rushes.recipe.turns import Turn
from rushes.tasks.operations.prepare.sample import FeatureSample, Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.train import collator
from rushes.train.augment import augment
from rushes.train.head import UNKNOWN, collate


class Collator(collator.Collator[ClipPreprocessing, Sample]):
    """Clips to a batch: decode, augment, patch, ask whole clips, or one random frame of each."""

    def _encode(self, sample: Sample, rng: np.random.Generator) -> tuple[Encoded, Pictures]:
        preprocessing = self.vlm.preprocessing
        times_s: tuple[float, ...]
        if self.ask == "captions":
            # A clip of a timeline may be without any label: it teaches nothing.
            frame = random_frame(sample, rng)
            number = 0 if frame is None else frame
            turn = frame_turn(sample, preprocessing, sample.times_s[number])
            pixels, times_s, turns = sample.pixels(number), (0.0, 0.0), [] if turn is None else [(0, turn)]
        else:
            pixels, times_s, turns = sample.pixels(), sample.times_s, clip_turns(sample, preprocessing)
        shown = Pictures.of([augment(pixels, rng) if self.augmented else pixels])
        return self._chat.encode(shown.view, times_s, turns), shown


def frame_turn(sample: Sample, preprocessing: ClipPreprocessing, time_s: float) -> Turn | None:
    """The question about one moment with its answer; None where the moment carries no label."""
    followers = dict(sample.answerable())
    label = next((segment for segment in sample.segments if segment.contains(time_s)), None)
    return None if label is None else preprocessing.turn(label.label, followers.get(label))


def clip_turns(sample: Sample, preprocessing: ClipPreprocessing) -> list[tuple[int, Turn]]:
    """A question behind every pair of frames whose last frame carries a label."""
    lasts = [sample.times_s[start : start + PAIR][-1] for start in range(0, len(sample.times_s), PAIR)]
    turns = [(pair, frame_turn(sample, preprocessing, time_s)) for pair, time_s in enumerate(lasts)]
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
    return int(frames[int(rng.integers(len(frames)))]) if frames else None


class Lessons:
    """Clips with features to a batch for a head: at each frame the operation, and the one that follows it.

    Args:
        preprocessing: the labels.
    """

    def __init__(self, preprocessing: ClipPreprocessing) -> None:
        self._number = {label: number for number, label in enumerate(preprocessing.labels)}

    def __call__(
        self, samples: Sequence[FeatureSample], rngs: Sequence[np.random.Generator]
    ) -> dict[str, Any]:
        """Join samples, see `rushes.train.head.collate`; nothing is drawn."""
        return collate(
            [sample.key for sample in samples],
            [sample.features for sample in samples],
            [self._truth(sample) for sample in samples],
        )

    def _truth(self, sample: FeatureSample) -> NDArray[np.int64]:
        """Numbers (T, 2) of operation and follower at each frame, `UNKNOWN` where nobody says."""
        followers, times_s = dict(sample.answerable()), np.array(sample.times_s)
        truth = np.full((len(times_s), 2), UNKNOWN, np.int64)
        for segment in sample.segments:
            under_way = (segment.start_s <= times_s) & (times_s < segment.end_s)
            follower = followers.get(segment)
            next_number = UNKNOWN if follower is None else self._number[follower]
            truth[under_way] = self._number[segment.label], next_number
        return truth
