"""The answers of an engine that holds an export of the model, as a track like that of the model itself.

The model was taught to be asked behind every pair of frames, so the engine is asked once for each: with the frames up
to that pair, and no later ones. With time marks that is the very prompt which it saw in training; without, its video
also ends there, which costs one token that it did not see. An engine says which label, and not how likely: rows hold a
one where it spoke and nothing elsewhere, and there is no confidence to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rushes.models.pixels import PAIR
from rushes.predict.remote import Engine, Remote, Said, Shown
from rushes.tasks.operations.predict.read_off import Answer, Track, read_off
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing

_ORDER: tuple[Said, ...] = ("choice", "json", "fence", "object", "fields")


class EngineAnswerer:
    """Answers about prepared samples with an engine.

    Args:
        engine: where it is.
        preprocessing: how the model was taught to be asked.
        remote: the engine itself, where it is there already.
    """

    def __init__(
        self, engine: Engine, preprocessing: ClipPreprocessing, remote: Remote | None = None
    ) -> None:
        self._remote = remote or Remote(engine, preprocessing)
        self._preprocessing, self._at_once = preprocessing, engine.at_once

    def connect(self) -> str:
        """See `Remote.connect`."""
        return self._remote.connect()

    def close(self) -> None:
        """See `Remote.close`."""
        self._remote.close()

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """The answers, whose probabilities are ones and noughts: no confidence of a model.

        Raises:
            ModelError: the engine cannot be asked now.
            AnswerError: what it says is no answer.
        """
        return [
            read_off(track, sample.asked_s, self._preprocessing.labels, sample.clip_s)
            for track, sample in zip(self.tracks(samples), samples, strict=True)
        ]

    def tracks(self, samples: Sequence[Sample]) -> list[Track]:
        """What the engine says behind every pair of frames of each sample.

        Raises:
            ModelError: the engine cannot be asked now.
            AnswerError: what it says is no answer.
        """
        asked = [(number, shown) for number, sample in enumerate(samples) for shown in _prefixes(sample)]
        self._remote.connect()
        with ThreadPoolExecutor(self._at_once) as pool:
            waiting = [pool.submit(self._remote.ask, shown) for _, shown in asked]
            try:
                said = [one.result() for one in waiting]
            finally:
                for one in waiting:
                    one.cancel()
        rows: list[list[tuple[float, tuple[str, ...], Said]]] = [[] for _ in samples]
        for (number, shown), (values, stage) in zip(asked, said, strict=True):
            rows[number].append((shown.times_s[-1], values, stage))
        return [self._track(row) for row in rows]

    def _track(self, row: Sequence[tuple[float, tuple[str, ...], Said]]) -> Track:
        labels = self._preprocessing.labels
        operations, nexts = (
            np.stack([np.eye(len(labels))[labels.index(values[slot])] for _, values, _ in row])
            for slot in (0, 1)
        )
        stage = max((stage for _, _, stage in row), key=_ORDER.index)
        return Track(np.array([time_s for time_s, _, _ in row]), operations, nexts, stage)


def _prefixes(sample: Sample) -> list[Shown]:
    """The sample up to each of its pairs of frames."""
    shown = Shown([sample.frames], sample.times_s)
    return [
        shown.until(min(end, len(sample.times_s))) for end in range(PAIR, len(sample.times_s) + PAIR, PAIR)
    ]
