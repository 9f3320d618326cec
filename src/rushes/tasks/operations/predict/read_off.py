"""The answer about a clip, read off what a model says at its moments; whatever the model, nothing of it is imported.

The segment is the stretch around the asked moment that most likely carries its operation throughout; what follows
is read off the pictures where they show it, and is the model's expectation where they do not.

Why the segment is not generated as two numbers: a model that knows what goes on at each moment knows the
boundaries too, while numbers have to be learnt on top (docs/design/question.md has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushes.metrics.decode import stretch

SCORED = "scored"
"""What it took to find an answer where every label was scored: there was nothing to parse."""

CERTAIN = 6.0  # log-odds beyond which evidence no longer counts: about 1 in 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one clip, on the clip's clock.

    Attributes:
        operation: label under way at the asked moment.
        start_s, end_s: from when to when, ``start_s <= asked < end_s``.
        next: label that follows.
        confidence: probability of ``operation`` among the labels.
        probabilities, next_probabilities: ``(labels,)`` float64 each.
    """

    operation: str
    start_s: float
    end_s: float
    next: str
    confidence: float
    probabilities: np.ndarray
    next_probabilities: np.ndarray


@dataclass(frozen=True, slots=True)
class Track:
    """What a model says at P moments of a clip.

    Attributes:
        times_s: ``(P,)`` moments on the clip's clock, rising.
        operations, nexts: ``(P, labels)`` probabilities, rows sum to one.
        stage: what it took to find them in what the model said; ``scored`` where nothing had to be parsed.
    """

    times_s: np.ndarray
    operations: np.ndarray
    nexts: np.ndarray
    stage: str = SCORED

    def at(self, time_s: float) -> int:
        """Number of the moment nearest to a time on the clip's clock, of equals the earlier."""
        return int(np.abs(self.times_s - time_s).argmin())

    def cuts_s(self, clip_s: float) -> np.ndarray:
        """``(P + 1,)`` times between which each moment is the nearest one, from 0 to the end of the clip."""
        return np.array([0.0, *(self.times_s[1:] + self.times_s[:-1]) / 2, clip_s])

    def surest_of_most(self, clip_s: float) -> float:
        """Where the label that has most of the clip is the most probable, on the clip's clock.

        >>> operations = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
        >>> Track(np.array([0.5, 2.0, 3.0]), operations, operations).surest_of_most(4.0)
        2.0
        """
        labels = self.operations.argmax(axis=1)
        seconds = np.bincount(labels, np.diff(self.cuts_s(clip_s)), self.operations.shape[1])
        most = int(seconds.argmax())
        where = np.where(labels == most, self.operations[:, most], -1.0)
        return float(self.times_s[int(where.argmax())])


def read_off(track: Track, asked_s: float, labels: Sequence[str], clip_s: float) -> Answer:
    """The answer about one moment of a clip.

    >>> operations = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    >>> track = Track(np.array([1.0, 2.0, 3.0]), operations, np.full((3, 2), 0.5))
    >>> answer = read_off(track, asked_s=1.2, labels=("Tape", "Label"), clip_s=4.0)
    >>> answer.operation, answer.start_s, answer.end_s, answer.next
    ('Tape', 0.0, 2.5, 'Label')
    """
    asked = track.at(asked_s)
    operation = int(track.operations[asked].argmax())
    # Against the strongest rival, not against all: a model that is unsure of a label may still prefer it.
    rival = np.delete(track.operations, operation, axis=1).max(axis=1)
    odds = np.log(track.operations[:, operation] + 1e-12) - np.log(rival + 1e-12)
    first, last = stretch(np.clip(odds, -CERTAIN, CERTAIN), asked)
    cuts_s = track.cuts_s(clip_s)
    # The segment holds the asked moment, also where that lies beyond the last or before the first cut.
    start_s, end_s = min(cuts_s[first], asked_s), max(cuts_s[last + 1], np.nextafter(asked_s, np.inf))
    nexts = track.nexts[last]
    if last + 1 < len(track.times_s):
        # Pictures show what follows; only the operation that ends cannot follow itself there.
        nexts = np.where(np.arange(len(labels)) == operation, 0.0, track.operations[last + 1])
        nexts = nexts / nexts.sum()
    return Answer(
        operation=labels[operation],
        start_s=float(start_s),
        end_s=float(end_s),
        next=labels[int(nexts.argmax())],
        confidence=float(track.operations[asked, operation]),
        probabilities=track.operations[asked],
        next_probabilities=nexts,
    )
