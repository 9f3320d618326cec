"""What the model was shown of its best and worst windows, and what it made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.markup import data_uri
from rushes.evaluate.pages import Markup, drawing, join, tag, words
from rushes.evaluate.pages.theme import MUTED
from rushes.media.image import jpeg_size
from rushes.metrics.egomotion import CIRCULAR, differences
from rushes.tasks.driving.evaluate.answers import Windows
from rushes.tasks.driving.evaluate.measure import Errors, answered
from rushes.tasks.driving.evaluate.names import QUANTITIES
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.report.plots import on_axis

WIDTH, MOMENTS, GAP = 1080, 3, 12
ALIGNED = 200  # windows that the table of alignment rests on

SampleOf = Callable[[str], Sample]


def scores(windows: Windows, errors: Errors, constant: Mapping[str, float]) -> NDArray[np.float64]:
    """How far each window's answer is off, (n,); 1 is as far as the constant is off on average.

    The mean over the quantities of |answer - truth| over the constant's own mean absolute error.
    """
    parts = []
    for name, truth in windows.truth.items():
        off = differences(np.full(len(truth), constant[name]), truth, circular=name in CIRCULAR)
        parts.append(np.abs(errors[name].signed) / max(float(np.abs(off).mean()), 1e-9))
    score: NDArray[np.float64] = np.mean(parts, axis=0)
    return score


def best_and_worst(
    windows: Windows, errors: Errors, score: NDArray[np.float64], count: int
) -> tuple[list[str], list[str], list[str]]:
    """Keys of the windows answered best, worst, and not at all; at most one of a clip in each list."""
    parsed = answered(errors)
    rows = np.lexsort((windows.key, score))
    best = _distinct(windows, rows[parsed[rows]], count, ())
    worst = _distinct(windows, rows[::-1][parsed[rows[::-1]]], count, best)
    unread = _distinct(windows, np.flatnonzero(~parsed), (count + 1) // 2, ())
    return best, worst, unread


def _distinct(windows: Windows, rows: Iterable[int], count: int, taken: Sequence[str]) -> list[str]:
    chosen: dict[str, str] = {}
    for row in rows:
        key, clip = str(windows.key[row]), str(windows.recording[row])
        if len(chosen) < count and clip not in chosen and key not in taken:
            chosen[clip] = key
    return list(chosen.values())


def draw(row: Mapping[str, Any], sample: Sample, spans: Mapping[str, tuple[float, float]]) -> Markup:
    """One window: some of its moments as the model was shown them, truth against answer below.

    Args:
        row: of the predictions.
        sample: the pictures.
        spans: of each target's axis.

    Raises:
        MediaError: a picture that is no JPEG.
    """
    pictures, height = moments(sample, row["key"])
    width = (WIDTH - GAP * (len(QUANTITIES) - 1)) / len(QUANTITIES)
    lines = [
        part
        for number, quantity in enumerate(QUANTITIES)
        for part in on_axis(row, quantity, spans[quantity.column], number * (width + GAP), height + 8, width)
    ]
    return drawing(WIDTH, height + 74, *pictures, *lines, label=row["key"])


def caption(row: Mapping[str, Any]) -> Markup:
    """Which window it is, what is known of it, and the model's words."""
    start_s = round(row["window_start_s"], 2) + 0.0  # a clock may begin a little before 0: no "-0.00"
    said = [tag("code", row["key"]), tag("span", f"from {start_s:.2f} s of its clip")]
    tags = json.loads(row["tags"] or "{}")
    if tags:
        said.append(tag("span", ", ".join(f"{name} {value}" for name, value in sorted(tags.items()))))
    if row["reasoning"]:
        said.append(tag("span", "“", row["reasoning"], "”"))
    if row["failure"] is not None:
        said.append(tag("span", f"no readable answer: {row['failure']}", class_="bad"))
    return join(said)


def moments(sample: Sample, key: str) -> tuple[list[Markup], float]:
    """Some moments side by side, each with all cameras, and the height that they take.

    Raises:
        MediaError: a picture that is no JPEG.
    """
    times = sample.times_s
    chosen = np.unique(np.linspace(0, len(times) - 1, min(MOMENTS, len(times))).round().astype(int))
    width = (WIDTH - GAP * (len(chosen) - 1)) / len(chosen)
    places = _places(sample)
    tile = width / (max(column for _, column in places) + 1)
    drawn, lowest = [], 0.0
    for number, moment in enumerate(chosen.tolist()):
        left = number * (width + GAP)
        for view, (row, column) in zip(sample.views, places, strict=True):
            data = bytes(view[moment])
            across, down = jpeg_size(data, key)
            height = tile * down / across
            place = {"x": left + column * tile, "y": 18 + row * height, "width": tile, "height": height}
            drawn.append(tag("image", href=data_uri(data, "image/jpeg"), **place))
            lowest = max(lowest, place["y"] + height)
        drawn.append(words(left, 11, f"{times[moment]:.1f} s", colour=MUTED, size=11))
    return drawn, lowest


def _places(sample: Sample) -> list[tuple[int, int]]:
    """(row, column) of each view; the one view of a tiled sample has its cameras in place already."""
    if len(sample.views) == 1:
        return [(0, 0)]
    return [tuple(sample.meta["cameras"][camera]["place"]) for camera in sample.meta["order"]]


def alignment(keys: Sequence[str], sample_of: SampleOf) -> dict[str, NDArray[np.float64]]:
    """For each camera the seconds by which its frames are off the moments, over up to `ALIGNED` windows.

    Args:
        keys: of windows; at most `ALIGNED` at even distances are read.
        sample_of: a sample by its key.
    """
    chosen = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), ALIGNED)).astype(int))
    found: dict[str, list[float]] = {}
    for row in chosen:
        for name, camera in sample_of(keys[row]).meta["cameras"].items():
            found.setdefault(name, []).extend(camera["dt_s"])
    return {name: np.array(offsets) for name, offsets in found.items()}
