"""Nights for tests and benchmarks: quiet noise with snores and coughs in it, FLAC, beside a label track of Audacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sound_files import encoded

RATE = 8000
Labels = Sequence[tuple[float, float, str]]


def draw(seed: int, length_s: float, rate: int = RATE) -> tuple[np.ndarray, Labels]:
    """A night of ``length_s`` seconds, float64, and its events: a snore every 12 s or so, a cough now and then."""
    rng = np.random.default_rng(seed)
    wave = 0.003 * rng.standard_normal(round(length_s * rate))
    events, at_s = [], float(rng.uniform(4, 8))
    while at_s < length_s - 6:
        label = "snore" if rng.random() < 0.7 else "cough"
        lasts_s = round(float(rng.uniform(2, 4) if label == "snore" else rng.uniform(1, 2)), 3)
        moments = np.arange(round(lasts_s * rate)) / rate
        sound = rng.standard_normal(len(moments))
        if label == "snore":
            sound = np.sin(2 * np.pi * rng.uniform(90, 140) * moments) * (
                1 + np.sin(2 * np.pi * 25 * moments)
            )
        start = round(at_s * rate)
        wave[start : start + len(moments)] += 0.1 * sound
        events.append((round(start / rate, 3), round(start / rate + lasts_s, 3), label))
        at_s += lasts_s + float(rng.uniform(5, 10))
    return wave, events


def write_night(root: Path, name: str, wave: np.ndarray, events: Labels, rate: int = RATE) -> None:
    """``<name>.flac`` and ``<name>.txt``, a label track, below ``root``."""
    path = root / f"{name}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(wave, rate, "flac", "flac"))
    path.with_suffix(".txt").write_text("".join(f"{a:.6f}\t{b:.6f}\t{label}\n" for a, b, label in events))


def write_nights(root: Path, wearers: Mapping[str, int], length_s: float = 120.0) -> dict[str, Labels]:
    """``<wearer>/night<n>`` for each of so many nights; name -> events."""
    written = {}
    for place, (wearer, count) in enumerate(wearers.items()):
        for number in range(count):
            wave, events = draw(100 * place + number, length_s)
            write_night(root, f"{wearer}/night{number}", wave, events)
            written[f"{wearer}/night{number}"] = events
    return written
