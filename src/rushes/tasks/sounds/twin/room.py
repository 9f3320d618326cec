"""The twin of sounds, the room and the earbud: from what a mouth gives to what two microphones record.

One microphone sits in the closed ear canal, where the body's own sounds are strong and dull, the other
outside, where they come a little later through the air and the room. Somebody else is heard the other way
round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from rushes.tasks.sounds.twin.body import RATE, SAMPLES

FFT = next_fast_len(SAMPLES + RATE // 2, real=True)
FULL_SCALE = 32767.0
FLOOR = 0.0015
"""Deviation of a microphone's noise, full scale 1."""

_HERTZ = rfftfreq(FFT, 1 / RATE)


@dataclass(frozen=True)
class Place:
    """A room and how the earbuds sit in one wearer's ears.

    Attributes:
        paths: of the wearer's own sounds to both microphones, (2, bins) complex64.
        far_paths: of somebody else's.
        floor: spectrum of the noise at both, (2, bins) float32.
        hum_hz, hum: of the mains and its harmonics, as amplitude.
    """

    paths: NDArray[np.complex64]
    far_paths: NDArray[np.complex64]
    floor: NDArray[np.float32]
    hum_hz: float
    hum: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Place:
        """A bedroom, and earbuds that sit more or less well."""
        seal_db, delay_s = rng.uniform(4.0, 9.0), rng.uniform(0.0004, 0.0009)
        dull = 1.0 / (1.0 + (_HERTZ / rng.uniform(1800.0, 3200.0)) ** 2)
        edge = 1.0 / (1.0 + (_HERTZ / rng.uniform(5500.0, 7500.0)) ** 6)
        late = np.exp(-2j * np.pi * _HERTZ * delay_s)
        room = _echo(rng, rng.uniform(0.15, 0.4))
        inner, outer = dull * edge, 10 ** (-seal_db / 20) * edge * (late + 0.25 * room)
        far = edge * (0.5 * np.exp(-2j * np.pi * _HERTZ * 0.006) + _echo(rng, rng.uniform(0.3, 0.5)))
        tilt = 1.0 / np.sqrt(1.0 + (_HERTZ / rng.uniform(150.0, 400.0)) ** 2)
        floor = np.stack([0.6 * edge * (0.35 + tilt), edge * (0.6 + 1.2 * tilt)])
        return cls(
            paths=np.stack([inner, outer]).astype(np.complex64),
            far_paths=(10 ** (-rng.uniform(10.0, 16.0) / 20) * np.stack([0.3 * dull * far, far])).astype(
                np.complex64
            ),
            floor=floor.astype(np.float32),
            hum_hz=50.0 if rng.random() < 0.7 else 60.0,
            hum=float(10 ** (rng.uniform(-12.0, 6.0) / 20)),
        )

    def hear(
        self,
        near: NDArray[np.float32],
        far: NDArray[np.float32],
        rng: np.random.Generator,
        *,
        snr_db: float,
        air_db: float,
    ) -> NDArray[np.int16]:
        """What is recorded, (2, SAMPLES) int16.

        Args:
            near, far: what the wearer and somebody else give, (SAMPLES,) float32.
            rng: of the noise.
            snr_db: of a breath of amplitude 1 over the noise.
            air_db: how loud a fan or the rain may become where it is loudest.
        """
        gain = 10 ** (snr_db / 20)
        spectrum = np.zeros_like(self.paths)
        for wave, paths in ((near, self.paths), (far, self.far_paths)):
            if wave.any():
                spectrum += np.float32(gain) * paths * rfft(wave, FFT)
        noise = rng.standard_normal((2, len(_HERTZ), 2), np.float32).view(np.complex64)[..., 0]
        spectrum += self.floor * _air(rng, air_db) * noise * np.float32(np.sqrt(FFT / 2))
        heard: NDArray[np.float32] = irfft(spectrum, FFT)[:, :SAMPLES]
        heard += self._hum(rng)
        heard = np.tanh(FLOOR * heard)
        samples: NDArray[np.int16] = np.rint(FULL_SCALE * heard).astype("<i2")
        return samples

    def _hum(self, rng: np.random.Generator) -> NDArray[np.float32]:
        time = np.arange(SAMPLES) / RATE
        phases = rng.uniform(0.0, 2 * np.pi, 3)
        tones = (
            np.sin(2 * np.pi * number * self.hum_hz * time + phase) / number
            for number, phase in enumerate(phases, 1)
        )
        hum: NDArray[np.float32] = np.float32(self.hum) * np.sum(list(tones), axis=0).astype(np.float32)
        return hum


def _air(rng: np.random.Generator, air_db: float) -> NDArray[np.float32]:
    """A steady noise of another colour in every clip, as a gain of the floor, (bins,) float32."""
    gain: NDArray[np.float64] = np.ones_like(_HERTZ)
    for centre in np.exp(rng.uniform(np.log(200.0), np.log(4500.0), 2)):
        peak = 10 ** (rng.uniform(0.0, air_db) / 20) - 1.0
        gain += peak / (1.0 + ((_HERTZ - centre) / (0.35 * centre)) ** 2)
    return gain.astype(np.float32)


def _echo(rng: np.random.Generator, rt60_s: float) -> NDArray[np.complex128]:
    """Spectrum of a room's echo: noise that dies by 60 dB in ``rt60_s``, of unit energy."""
    n = round(rt60_s * RATE)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    spectrum: NDArray[np.complex128] = rfft(tail / np.linalg.norm(tail), FFT)
    return spectrum
