"""The spectrogram of a whole recording, however long, as one small picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.tasks.sounds.report.spectrograms import HEIGHT, colours

WIDTH = 1024
"""Pixels at most; a recording of more moments has the mean of several in each."""


class Overview:
    """Gathers spectrograms, in order of time, in the memory of one picture.

    Attributes:
        each: moments of a column.
        moments: that were added.
    """

    def __init__(self) -> None:
        self.each, self.moments = 1, 0
        self._columns: list[NDArray[np.float32]] = []
        self._waiting: list[NDArray[np.float32]] = []
        self._waits = 0

    def add(self, features: NDArray[np.floating]) -> None:
        """Take the next moments: (mels, frames), dB."""
        moments = features.T.astype(np.float32)
        self.moments += len(moments)
        self._waiting.append(moments)
        self._waits += len(moments)
        if self._waits >= self.each:
            self._gather()

    def columns(self) -> NDArray[np.float32]:
        """What is drawn: (mels, at most `WIDTH`), each the mean of ``each`` moments, the last of what is left."""
        columns = [*self._columns]
        if self._waits:
            columns.append(np.concatenate(self._waiting).mean(axis=0))
        return np.stack(columns, axis=1)

    def png(self) -> bytes:
        """Time to the right, low bands at the bottom, from the quietest moment and band to the loudest.

        At least one moment was added.
        """
        drawn = self.columns()[::-1]
        low, high = float(drawn.min()), float(drawn.max())
        shade = (drawn.astype(np.float64) - low) / ((high - low) or 1.0)
        file = io.BytesIO()
        tall = np.repeat(shade, -(-HEIGHT // len(shade)), axis=0)
        Image.fromarray(colours(tall)).save(file, "PNG", optimize=True)
        return file.getvalue()

    def _gather(self) -> None:
        """Make columns of what waits; where they become too many, of two columns one."""
        moments = np.concatenate(self._waiting)
        whole = len(moments) - len(moments) % self.each
        means = moments[:whole].reshape(-1, self.each, moments.shape[1]).mean(axis=1)
        self._columns.extend(means)
        self._waiting, self._waits = [moments[whole:]], len(moments) - whole
        while len(self._columns) >= WIDTH:
            self._halve()

    def _halve(self) -> None:
        """Of two columns one; an odd one out is as many moments as were in it, and waits."""
        odd = len(self._columns) % 2
        if odd:
            # Moments that wait come after it: their mean weighs the same as if they had come one by one.
            last = np.repeat(self._columns.pop()[None], self.each, axis=0)
            self._waiting.insert(0, last)
            self._waits += self.each
        pairs = np.stack(self._columns).reshape(-1, 2, len(self._columns[0]))
        self._columns = list(pairs.mean(axis=1))
        self.each *= 2
