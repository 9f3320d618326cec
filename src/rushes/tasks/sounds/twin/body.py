"""The twin of sounds, the bodies: one stroke after the other, as the sleeper's own throat would give it.

Everything is noise or pulses through resonances, as in a source-filter model of speech. A `Body` is one
person: same body, same voice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from rushes.tasks.sounds.twin.script import CLIP_S, Stroke

RATE = 16_000
SAMPLES = round(CLIP_S * RATE)


@dataclass(frozen=True, slots=True)
class Body:
    """Whose sounds they are.

    Attributes:
        throat: size of the throat, about 1: all resonances are divided by it.
        pitch_hz: of the voice.
        flutter_hz: of a snoring palate.
        rate_per_min: breaths a minute.
        level_db: of the breath above the noise floor, less what `difficulty` takes.
    """

    throat: float
    pitch_hz: float
    flutter_hz: float
    rate_per_min: float
    level_db: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Body:
        """A random sleeper."""
        return cls(
            throat=rng.uniform(0.85, 1.2),
            pitch_hz=rng.uniform(85.0, 220.0),
            flutter_hz=rng.uniform(32.0, 75.0),
            rate_per_min=rng.uniform(13.5, 18.0),
            level_db=rng.uniform(-3.0, 3.0),
        )


def render(strokes: list[Stroke], body: Body, rng: np.random.Generator) -> NDArray[np.float32]:
    """All strokes of a clip at the mouth, (SAMPLES,) float32; a breath peaks at about 1."""
    wave = np.zeros(SAMPLES, np.float32)
    for stroke in strokes:
        start = round(stroke.start_s * RATE)
        piece = _SOUNDS[stroke.sound](body, round(stroke.length_s * RATE), rng)
        first, last = max(0, start), min(SAMPLES, start + len(piece))
        if first < last:
            wave[first:last] += piece[first - start : last - start] * np.float32(10 ** (stroke.level_db / 20))
    return wave


def _resonate(
    source: NDArray[np.float64], peaks: tuple[tuple[float, float, float], ...]
) -> NDArray[np.float64]:
    """Let a source sound through resonances (frequency, width in Hz, gain), scaled to a deviation of 1."""
    n = next_fast_len(len(source), real=True)
    hertz = rfftfreq(n, 1 / RATE)
    gain = sum(amount / (1.0 + ((hertz - centre) / width) ** 2) for centre, width, amount in peaks)
    wave: NDArray[np.float64] = irfft(rfft(source, n) * gain, n)[: len(source)]
    return wave / max(float(wave.std()), 1e-9)


def _hump(n: int, rise: float) -> NDArray[np.float64]:
    """Loudness of a stroke: up during the share ``rise`` of it, then down."""
    time = (np.arange(n) + 0.5) / n
    return np.sin(0.5 * np.pi * np.minimum(time / rise, (1.0 - time) / (1.0 - rise))) ** 2


def _in(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Air drawn in: bright."""
    peaks = ((1900.0 / body.throat, 700.0, 1.0), (3600.0 / body.throat, 1200.0, 0.5))
    return _resonate(rng.standard_normal(n), peaks) * _hump(n, 0.5)


def _out(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Air let out: darker."""
    peaks = ((650.0 / body.throat, 350.0, 1.0), (1500.0 / body.throat, 500.0, 0.35))
    return _resonate(rng.standard_normal(n), peaks) * _hump(n, 0.5)


def _flutter(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A palate that beats in the stream of air: pulses through the throat, a little noise."""
    peaks = (
        (180.0 / body.throat, 60.0, 1.0),
        (520.0 / body.throat, 120.0, 0.6),
        (1300.0 / body.throat, 250.0, 0.25),
    )
    return _resonate(_pulses(body.flutter_hz, 0.08, n, rng) + 0.15 * rng.standard_normal(n), peaks) * _hump(
        n, 0.5
    )


def _pulses(hertz: float, jitter: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Impulses whose periods vary by the share ``jitter``."""
    count = int(2 * n * hertz / RATE) + 2
    periods = RATE / hertz * np.maximum(0.3, 1.0 + jitter * rng.standard_normal(count))
    places = np.cumsum(periods).astype(int)
    wave = np.zeros(n)
    wave[places[places < n]] = 10.0
    return wave


def _cough(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A burst, then a voiced tail."""
    peaks = ((900.0 / body.throat, 500.0, 1.0), (2400.0 / body.throat, 1200.0, 0.7))
    return _resonate(rng.standard_normal(n), peaks) * np.exp(-5.0 * np.arange(n) / n) * _hump(n, 0.04) ** 0.2


def _swallow(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Two or three clicks."""
    wave = np.zeros(n)
    wave[(rng.uniform(0.05, 0.8, rng.integers(2, 4)) * n).astype(int)] = 1.0
    return 0.5 * _resonate(wave, ((420.0 / body.throat, 90.0, 1.0), (1100.0 / body.throat, 200.0, 0.6)))


def _grind(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Teeth that stick and slip: dense irregular pulses through hard resonances."""
    pulses = _pulses(rng.uniform(90.0, 160.0), 0.5, n, rng)
    return _resonate(pulses, ((2700.0, 350.0, 1.0), (4600.0, 500.0, 0.8))) * _hump(n, 0.3)


def _talk(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Babble: a voice through formants that change four times a second."""
    voice, wave = _pulses(body.pitch_hz * rng.uniform(0.9, 1.1), 0.02, n, rng), np.zeros(n)
    for first in range(0, n, RATE // 4):
        part = slice(first, min(n, first + RATE // 4))
        formants = ((rng.uniform(300.0, 800.0), 70.0, 1.0), (rng.uniform(900.0, 2300.0), 120.0, 0.6))
        wave[part] = _resonate(
            voice[part], tuple((hz / body.throat, width, gain) for hz, width, gain in formants)
        ) * _hump(part.stop - part.start, 0.3)
    return wave


def _rustle(body: Body, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Cloth: noise that crackles, and a thud of the body."""
    rough = np.repeat(rng.exponential(1.0, n // 160 + 1), 160)[:n]
    cloth = _resonate(rng.standard_normal(n) * rough, ((3000.0, 2500.0, 1.0),))
    thud = _resonate(rng.standard_normal(n), ((90.0, 40.0, 1.0),))
    return (cloth + 0.8 * thud) * _hump(n, 0.2)


_SOUNDS = {
    "in": _in,
    "out": _out,
    "flutter": _flutter,
    "cough": _cough,
    "swallow": _swallow,
    "grind": _grind,
    "talk": _talk,
    "rustle": _rustle,
}
