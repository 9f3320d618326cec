"""Log-mel spectrograms: what a short sound looks like to a net that sees pictures.

The numbers are those of ``librosa.power_to_db(librosa.feature.melspectrogram(...))`` within 0.01 dB, of numpy
and scipy alone. Every clip goes through the same few steps by itself, and through no BLAS, whose sums may
depend on threads and on how many rows there are: a clip has the same bits alone, in a batch, in any worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy import fft
from scipy.signal import get_window
from scipy.sparse import csr_array

from rushes.errors import MediaError, RecipeError

if TYPE_CHECKING:
    from rushes.contract import SoundContract

Reference = Literal["peak", "full"]

FLOOR = 1e-10
"""Power below which nothing is told apart: -100 dB of ``full`` scale, about the noise of 16 bits."""


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's scale of pitch (Auditory Toolbox, 1998): linear up to 1 kHz, logarithmic above.

    >>> hz_to_mel(np.array([0.0, 200.0, 1000.0, 6400.0])).round(6).tolist()
    [0.0, 3.0, 15.0, 42.0]
    """
    hz = np.asarray(hz, np.float64)
    return np.where(hz < 1000.0, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000.0) / 1000) / np.log(6.4))


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `hz_to_mel`.

    >>> mel_to_hz(np.array([3.0, 15.0, 42.0])).round(6).tolist()
    [200.0, 1000.0, 6400.0]
    """
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (np.maximum(mel, 15) - 15)))


def mel_bank(sample_rate: int, bins: int, mels: int, low_hz: float, high_hz: float) -> np.ndarray:
    """How much each Fourier bin adds to each band: triangles between neighbouring centres, of equal area.

    Args:
        sample_rate: Hz.
        bins: samples of the Fourier transform; it has ``1 + bins // 2`` frequencies.
        mels: bands, equally wide on Slaney's scale.
        low_hz, high_hz: edges of the lowest and of the highest band.

    Returns:
        float64 (mels, 1 + bins // 2); each row over Hz has the area 1.

    Raises:
        RecipeError: a band is so narrow that it lies between two bins and would be silent for ever.
    """
    edges = mel_to_hz(np.linspace(*hz_to_mel(np.array([low_hz, high_hz])), mels + 2))
    away = edges[:, None] - np.fft.rfftfreq(bins, 1 / sample_rate)
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-away[:-2] / widths[:-1], away[2:] / widths[1:]))
    if empty := int((triangles.max(axis=1) == 0).sum()):
        raise RecipeError(
            f"{empty} of {mels} bands between {low_hz:g} and {high_hz:g} Hz lie between two bins of a "
            f"transform of {bins} samples, {sample_rate / bins:.3g} Hz apart",
            where="preprocessing",
            cure="take fewer preprocessing.mels or a longer preprocessing.fft",
        )
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


@dataclass(frozen=True, slots=True)
class LogMel:
    """A front end: call it with sounds.

    Attributes:
        sample_rate: Hz of the sounds.
        fft: samples of a Fourier transform.
        window: samples of the periodic Hann window in its middle, at most ``fft``.
        hop: samples from one moment to the next.
        mels: bands on Slaney's scale, of equal area.
        low_hz, high_hz: edges of the lowest and of the highest band.
        reference: what 0 dB is: ``peak``, the loudest cell of the clip, or ``full`` scale, a power of 1.
        top_db: everything further below the loudest cell is raised to there.
    """

    sample_rate: int = 16_000
    fft: int = 512
    window: int = 400
    hop: int = 160
    mels: int = 64
    low_hz: float = 20.0
    high_hz: float = 8000.0
    reference: Reference = "peak"
    top_db: float = 80.0

    @classmethod
    def of(cls, contract: SoundContract) -> Self:
        """The front end of a contract."""
        return cls(**{name: getattr(contract, name) for name in cls.__dataclass_fields__})

    def frames(self, samples: int) -> int:
        """Moments of a sound: the first is centred on its first sample.

        >>> LogMel().frames(80_000)
        501
        """
        return 1 + samples // self.hop

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """The spectrograms of one sound or of many; beyond its ends a sound is silent.

        Args:
            wave: float32 (..., n), n > 0, finite, full scale at -1 and 1.

        Returns:
            float32 (..., mels, 1 + n // hop), dB. With reference ``peak`` in [-top_db, 0], and 0 everywhere
            for a silent sound: its loudest cell is as silent as the others. With ``full`` at least
            -100, which a silent sound is everywhere.

        Raises:
            MediaError: the sound is empty, is no float32 or is not finite.
        """
        if wave.dtype != np.float32 or wave.ndim < 1 or wave.shape[-1] == 0:
            raise MediaError(f"a sound is float32 (..., n), n > 0; found {wave.dtype} {wave.shape}")
        samples = wave.shape[-1]
        clips = wave.reshape(-1, samples)
        decibels = np.empty((len(clips), self.mels, self.frames(samples)), np.float32)
        framed = _Framed(self, samples)
        for clip, cells in zip(clips, decibels, strict=True):
            self._fill(cells, framed.power(clip))
        return decibels.reshape(*wave.shape[:-1], *decibels.shape[1:])

    def _fill(self, cells: np.ndarray, power: np.ndarray) -> None:
        """Write the decibels of ``power`` (mels, frames) into ``cells``."""
        peak = power.max()
        if not np.isfinite(peak):  # NaN and infinity survive window, transform, square and sum
            raise MediaError("a sound has samples that are not finite, or far beyond full scale")
        np.log10(np.maximum(power, np.float32(FLOOR), out=power), out=cells)
        cells *= np.float32(10)
        loudest = cells.max()
        if self.reference == "peak":
            cells -= loudest
            loudest = np.float32(0)
        np.maximum(cells, loudest - np.float32(self.top_db), out=cells)


@lru_cache(maxsize=8)
def _tables(front: LogMel) -> tuple[np.ndarray, csr_array]:
    """The window (window,) and the bands (mels, bins), float32; nine in ten cells of the bands are zero."""
    window = get_window("hann", front.window, fftbins=True)
    bank = mel_bank(front.sample_rate, front.fft, front.mels, front.low_hz, front.high_hz)
    return window.astype(np.float32), csr_array(bank.astype(np.float32))


class _Framed:
    """Room for the frames of sounds of one length, used for one sound after the other."""

    def __init__(self, front: LogMel, samples: int) -> None:
        self._window, self._bank = _tables(front)
        frames = front.frames(samples)
        # A frame begins (fft // 2) before its moment, its window (fft - window) // 2 after the frame's begin.
        self._start = front.fft // 2 - (front.fft - front.window) // 2
        self._wave = np.zeros(max(self._start + samples, (frames - 1) * front.hop + front.window), np.float32)
        step = self._wave.itemsize
        self._frames = as_strided(
            self._wave, (frames, front.window), (front.hop * step, step), writeable=False
        )
        # The zeros that surround a window within its transform may as well all follow it: a delay turns
        # phases, not power.
        self._windowed = np.zeros((frames, front.fft), np.float32)

    def power(self, wave: np.ndarray) -> np.ndarray:
        """Power in each band at each moment, float32 (mels, frames)."""
        self._wave[self._start : self._start + len(wave)] = wave
        np.multiply(self._frames, self._window, out=self._windowed[:, : len(self._window)])
        parts = fft.rfft(self._windowed, axis=1, workers=1).view(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by the caller
            np.multiply(parts, parts, out=parts)
            return self._bank @ (parts[:, 0::2] + parts[:, 1::2]).T


def log_mel(wave: np.ndarray, contract: SoundContract) -> np.ndarray:
    """The features of sounds under a contract, in its dtype; see `LogMel`.

    float16 rounds a cell by at most 1/32 dB, where it lies more than 64 dB below the reference, and by half
    as much with each halving of that distance; measured over clips of noise and tones 0.0015 dB on average.

    Args:
        wave: float32 (..., n).
        contract: how they are made.
    """
    return LogMel.of(contract)(wave).astype(contract.dtype, copy=False)
