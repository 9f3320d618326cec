"""Windows of a long recording, and the class of each by the labels that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rushes.records import Segment
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import RecordingSource

LEFT_OUT = -1
"""Place of the class of a window that has none."""

ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class Cutting:
    """How recordings are cut into windows.

    Attributes:
        labels: the classes in order.
        background: the one that is no event; None where all are.
        clip_s: length of a window.
        hop_s: from the start of a window to that of the next.
        share: of a window, from which on it has the class of an event.
    """

    labels: tuple[str, ...]
    background: str | None
    clip_s: float
    hop_s: float
    share: float

    @classmethod
    def of(cls, source: RecordingSource, preprocessing: SoundPreprocessing) -> Cutting:
        """As a recipe says it, in whole samples."""
        rate = preprocessing.sample_rate
        hop_s = preprocessing.clip_s / 2 if source.hop_s is None else source.hop_s
        return cls(
            labels=preprocessing.labels,
            background=source.background,
            clip_s=preprocessing.samples / rate,
            hop_s=max(round(hop_s * rate), 1) / rate,
            share=source.share,
        )

    @classmethod
    def of_clips(cls, preprocessing: SoundPreprocessing) -> Cutting:
        """Of recordings that a net of short sounds with a class each is asked about: half a window apart."""
        rate, samples = preprocessing.sample_rate, preprocessing.samples
        return cls(preprocessing.labels, None, samples / rate, max(samples // 2, 1) / rate, share=0.5)

    @property
    def events(self) -> tuple[str, ...]:
        """The classes that are events, in order."""
        return tuple(label for label in self.labels if label != self.background)

    def starts(self, length_s: float) -> NDArray[np.float64]:
        """Where the windows of a recording begin, (n,): as many as lie within it, at least one."""
        count = 1 + max(int((length_s - self.clip_s) / self.hop_s + ROUNDING_S), 0)
        return np.arange(count, dtype=np.float64) * self.hop_s

    def places(self, segments: Sequence[Segment], starts: NDArray[np.float64]) -> NDArray[np.int64]:
        """Place in ``labels`` of the class of each window, (n,); `LEFT_OUT` of one without.

        A window has the class of the event with most time in it, of equal ones the first of ``labels``, where that
        is at least ``share`` of the window. Else it is background, where more than half of it is labelled.

        >>> cutting = Cutting(("quiet", "snore", "cough"), "quiet", 4.0, 2.0, 0.5)
        >>> night = (Segment(0.0, 3.0, "snore"), Segment(3.0, 8.0, "quiet"))
        >>> cutting.places(night, cutting.starts(12.0)).tolist()
        [1, 0, 0, -1, -1]

        Args:
            segments: of the recording, not overlapping.
            starts: of the windows.
        """
        times = np.stack([self._times(segments, label, starts) for label in self.labels])
        isevent = np.array([label != self.background for label in self.labels])
        events = np.where(isevent[:, None], times, -1.0)
        best = events.argmax(axis=0)
        found = events[best, np.arange(len(starts))] >= self.share * self.clip_s - ROUNDING_S
        quiet = LEFT_OUT if self.background is None else self.labels.index(self.background)
        labelled = times.sum(axis=0) > self.clip_s / 2 + ROUNDING_S
        places: NDArray[np.int64] = np.where(found, best, np.where(labelled, quiet, LEFT_OUT))
        return places

    def _times(
        self, segments: Sequence[Segment], label: str, starts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Seconds of a class in each window, (n,)."""
        spans = np.array([(one.start_s, one.end_s) for one in segments if one.label == label]).reshape(-1, 2)
        if not len(spans):
            return np.zeros(len(starts))
        before = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
        moments, seconds = spans.ravel(), np.repeat(before, 2)[1:-1]
        times: NDArray[np.float64] = np.interp(starts + self.clip_s, moments, seconds, 0.0, before[-1])
        times -= np.interp(starts, moments, seconds, 0.0, before[-1])
        return times


def key_of(recording: str, start_s: float) -> str:
    """The key of a window: its recording's, and where it starts in milliseconds; in order of time.

    >>> key_of("night-2f3e506390", 7203.5)
    'night-2f3e506390-007203500'
    """
    return f"{recording}-{round(1000 * start_s):09d}"


def place_of(key: str) -> tuple[str, float]:
    """Key of the recording of a window, and where the window starts in seconds, to the millisecond.

    >>> place_of("night-2f3e506390-007203500")
    ('night-2f3e506390', 7203.5)
    """
    recording, _, milliseconds = key.rpartition("-")
    return recording, int(milliseconds) / 1000
