"""A trained model's answers about clips: the same code for evaluate, serve and arena.

Behind every pair of frames the model is asked which operation this is and what comes next; both are scored
among the labels of the label set. The segment is the stretch around the asked moment that most likely carries
its operation throughout; what follows is read off the pictures where they show it, and is the model's
expectation where they do not. Nothing has to be parsed and nothing can be illegal.

Why the segment is not generated as two numbers: a model that knows what goes on at each moment knows the
boundaries too, while numbers have to be learnt on top (docs/design/question.md has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushes.models.scoring import stretch
from rushes.models.vlm import Vlm
from rushes.predict import answerer
from rushes.predict.units import Variant, shown
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing

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
class Question(answerer.Question):
    """Frames of one view, and the moment asked about, on the clip's clock.

    Attributes:
        asked_s: the moment.
        clip_s: length of the clip.
    """

    asked_s: float
    clip_s: float


class Answerer(answerer.Answerer[ClipPreprocessing, Question, Answer]):
    """Answers questions about clips with one model."""

    def __init__(self, vlm: Vlm[ClipPreprocessing], batch_size: int = 16) -> None:
        super().__init__(vlm, batch_size)
        self._labels = [self._chat.tokens(label) for label in vlm.preprocessing.labels]
        self._next = self._chat.tokens(vlm.preprocessing.slots()[1].before)

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [
            read_off(track, question.asked_s, self.vlm.preprocessing.labels, question.clip_s)
            for track, question in zip(self._track(questions), questions, strict=True)
        ]

    def _track(self, questions: Sequence[Question]) -> list[Track]:
        """What the model says behind every pair of frames of each question."""
        prompts, state = self._shown(questions)
        # Clips of a batch may have different numbers of pairs: the last is asked again to fill up.
        count = max(len(prompt.ends) for prompt in prompts)
        pairs = [(prompt, min(pair, len(prompt.ends) - 1)) for prompt in prompts for pair in range(count)]
        ways = state.branch(count, [prompt.ends[pair] for prompt, pair in pairs])
        after = [prompt.after(pair) + np.arange(len(self._asking)) for prompt, pair in pairs]
        ways.read([self._asking] * len(pairs), after)
        operations = ways.score(self._labels)
        ways.read([[*self._labels[label], *self._next] for label in operations.argmax(axis=1)])
        nexts = ways.score(self._labels)
        return [
            Track(
                np.array(prompt.times_s),
                operations[row * count : row * count + len(prompt.ends)],
                nexts[row * count : row * count + len(prompt.ends)],
            )
            for row, prompt in enumerate(prompts)
        ]


@dataclass(frozen=True, slots=True)
class Track:
    """What a model says at P moments of a clip.

    Attributes:
        times_s: ``(P,)`` moments on the clip's clock, rising.
        operations, nexts: ``(P, labels)`` probabilities, rows sum to one.
    """

    times_s: np.ndarray
    operations: np.ndarray
    nexts: np.ndarray


def read_off(track: Track, asked_s: float, labels: Sequence[str], clip_s: float) -> Answer:
    """The answer about one moment of a clip.

    >>> operations = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    >>> track = Track(np.array([1.0, 2.0, 3.0]), operations, np.full((3, 2), 0.5))
    >>> answer = read_off(track, asked_s=1.2, labels=("Tape", "Label"), clip_s=4.0)
    >>> answer.operation, answer.start_s, answer.end_s, answer.next
    ('Tape', 0.0, 2.5, 'Label')
    """
    asked = int(np.abs(track.times_s - asked_s).argmin())
    operation = int(track.operations[asked].argmax())
    # Against the strongest rival, not against all: a model that is unsure of a label may still prefer it.
    rival = np.delete(track.operations, operation, axis=1).max(axis=1)
    odds = np.log(track.operations[:, operation] + 1e-12) - np.log(rival + 1e-12)
    first, last = stretch(np.clip(odds, -CERTAIN, CERTAIN), asked)
    cuts_s = [0.0, *(track.times_s[1:] + track.times_s[:-1]) / 2, clip_s]
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


def question(sample: Sample, variant: Variant, seed: int) -> Question:
    """What ``variant`` is shown of a sample; a shuffle depends on the seed and the sample's key."""
    views = shown([sample.pixels()], variant, seed, sample.key)
    return Question(views, sample.times_s, sample.asked_s, sample.clip_s)
