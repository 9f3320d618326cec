"""What the model saw of its best and worst clips, and what it made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.markup import data_uri
from rushes.evaluate.pages import Markup, Plane, drawing, join, tag, words
from rushes.evaluate.pages.theme import ACCENT, BAD, LINE, MUTED, RIVAL, ink_on
from rushes.media.geometry import letterbox
from rushes.media.image import decode_jpeg_scaled, encode_jpeg
from rushes.metrics.temporal import tiou
from rushes.tasks.operations.evaluate.answers import Answers, Clips
from rushes.tasks.operations.prepare.sample import Sample

WIDTH = 1080
IN_A_ROW = 8
"""Frames beside each other; of more, every second, third ... stands a row lower."""

GAP = 8
TALLEST = 150
PICTURE = 168
"""Pixels of a picture's longer side: a little more than are drawn, for whoever enlarges it."""

_CHART = 62
_THREAD = "#b9c2ca"

SampleOf = Callable[[str], Sample]
SignalsOf = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Card:
    """One clip, all times on the clip's clock.

    Attributes:
        sample: its frames, their times, the question and the right answer.
        signals: (frames of the clip, 3): time in seconds, entropy in bits, motion in grey levels, or in pixels
            where it is optical flow.
        clip_s: its length.
        answer: the model's (operation, start_s, end_s, next); None where it could not be read.
        confidence: in ``operation``.
    """

    sample: Sample
    signals: NDArray[np.float32]
    clip_s: float
    answer: tuple[str, float, float, str] | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a clip with its operation, and what else is said of it under the pointer."""

    operation: str
    start_s: float
    end_s: float
    more: str = ""


def best_and_worst(clips: Clips, model: Answers, count: int) -> tuple[list[str], list[str]]:
    """Keys of the clips that the model answered best and worst, at most one for each boundary.

    A third each for operation, next operation and tIoU; among equals the surer answer comes first, so the
    worst begin with the mistakes of which the model was certain.
    """
    # The model, unlike a baseline, answers every part.
    assert model.operation is not None
    assert model.segment is not None
    assert model.next is not None
    assert model.confidence is not None
    right = np.array([one == other for one, other in zip(model.operation, clips.operation, strict=True)])
    following = np.array([one == other for one, other in zip(model.next, clips.next, strict=True)])
    score = np.mean([right, following, tiou(clips.segment, model.segment)], axis=0)
    sure = np.array([value or 0.0 for value in model.confidence])
    order = np.lexsort((clips.key, -sure, -np.round(score, 1)))
    backwards = np.lexsort((clips.key, -sure, np.round(score, 1)))
    best = _distinct(clips, order.tolist(), count, set())
    return best, _distinct(clips, backwards.tolist(), count, set(best))


def _distinct(clips: Clips, order: Sequence[int], count: int, taken: set[str]) -> list[str]:
    chosen: list[str] = []
    seen = set()
    for row in order:
        boundary = (str(clips.recording[row]), int(clips.boundary_ms[row]))
        if len(chosen) < count and boundary not in seen and str(clips.key[row]) not in taken:
            seen.add(boundary)
            chosen.append(str(clips.key[row]))
    return chosen


def read_card(row: Mapping[str, Any], sample_of: SampleOf, signals_of: SignalsOf) -> Card:
    """The card of one row of the predictions."""
    answered = row["failure"] is None and row["operation"] is not None and row["start_s"] is not None
    return Card(
        sample_of(row["key"]),
        signals_of(row["key"]),
        row["clip_end_s"] - row["clip_start_s"],
        (row["operation"], row["start_s"], row["end_s"], row["next"]) if answered else None,
        row["confidence"],
    )


def draw(card: Card, colours: Mapping[str, str]) -> Markup:
    """Frames in order of time, each tied to its moment on the signals, truth and answer below."""
    target = card.sample.target
    told = [("truth", (target.operation, target.start_s, target.end_s, target.next))] if target else []
    told += [("answer", card.answer)] if card.answer else []
    rows = [
        (name, [Bar(operation, start_s, end_s, f", then {following or '?'}")])
        for name, (operation, start_s, end_s, following) in told
    ]
    return _drawn(card, rows, colours)


def draw_labels(card: Card, colours: Mapping[str, str]) -> Markup:
    """The same with everything that is labelled in the clip, and no answer."""
    bars = [Bar(one.label, one.start_s, one.end_s) for one in card.sample.segments]
    return _drawn(card, [("labels", bars)], colours)


def _drawn(card: Card, rows: Sequence[tuple[str, Sequence[Bar]]], colours: Mapping[str, str]) -> Markup:
    """Frames and signals, and below them a row of bars for each name."""
    sample = card.sample
    pictures = [thumbnail(data, sample.meta.get("source_size")) for data in sample.frames]
    frames, places, bottom = _frames(pictures, sample.times_s)
    plane = Plane(84, bottom + 34, WIDTH - 96, _CHART, (0.0, card.clip_s), (0.0, 1.0))
    drawn = [*_threads(sample.times_s, places, bottom, plane), *frames, *_signals(card, plane)]
    top = plane.top + _CHART + 10
    for name, bars in rows:
        drawn.append(words(76, top + 15, name, anchor="end", colour=MUTED))
        drawn.append(_bar(plane, top, (0.0, card.clip_s), "#f3f4f5", None))
        for bar in bars:
            said = f"{bar.operation}, {bar.start_s:.2f} to {bar.end_s:.2f} s{bar.more}"
            fill = colours.get(bar.operation, MUTED)
            drawn.append(_bar(plane, top, (bar.start_s, bar.end_s), fill, said))
            if plane.x(bar.end_s) - plane.x(bar.start_s) > 7 * len(bar.operation) + 12:
                drawn.append(words(plane.x(bar.start_s) + 9, top + 15, bar.operation, colour=ink_on(fill)))
        top += 26
    drawn += _question(sample.asked_s, card.clip_s, plane, top)
    return drawing(WIDTH, top + 16, *drawn, label=sample.key)


def _bar(plane: Plane, top: float, span: tuple[float, float], fill: str, said: str | None) -> Markup:
    """A stretch of time as a bar."""
    left, right = map(plane.x, span)
    title = None if said is None else tag("title", said)
    return tag("rect", title, x=left, y=top, width=right - left, height=22, fill=fill, rx=3)


def _question(asked_s: float, clip_s: float, plane: Plane, bottom: float) -> list[Markup]:
    """The asked moment: a line through the chart with a mark and its time below."""
    x = plane.x(asked_s)
    late = asked_s > clip_s / 2
    corners = f"{x - 5:.1f},{bottom + 8:.1f} {x + 5:.1f},{bottom + 8:.1f} {x:.1f},{bottom:.1f}"
    anchor, beside = ("end", x - 9) if late else ("start", x + 9)
    return [
        tag("line", x1=x, x2=x, y1=plane.top - 6, y2=bottom, stroke=BAD, stroke_width=1.5),
        tag("polygon", points=corners, fill=BAD),
        words(beside, bottom + 10, f"asked at {asked_s:.1f} s", anchor=anchor, colour=BAD, size=11),
    ]


def caption(card: Card) -> Markup:
    """Which clip it is, the truth, and the answer by right and wrong."""
    target, answer = card.sample.target, card.answer
    said: list[object] = [tag("code", card.sample.key)]
    if target is not None:
        said.append(tag("span", "truth: ", tag("b", target.operation), " → ", target.next or "?"))
    if answer is None:
        return join((*said, tag("span", "no readable answer", class_="bad")))
    operation, start_s, end_s, following = answer
    looks = [
        None if other is None else "good" if one == other else "bad"
        for one, other in ((operation, target and target.operation), (following, target and target.next))
    ]
    said.append(
        tag(
            "span",
            "answer: ",
            tag("b", operation, class_=looks[0]),
            " → ",
            tag("span", following, class_=looks[1]),
        )
    )
    if target is not None:
        overlap = float(tiou([(target.start_s, target.end_s)], [(start_s, end_s)])[0])
        said.append(tag("span", f"tIoU {overlap:.2f}"))
    if card.confidence is not None:
        said.append(tag("span", f"confidence {card.confidence:.2f}"))
    return join(said)


def _frames(
    pictures: Sequence[NDArray[np.uint8]], times_s: Sequence[float]
) -> tuple[list[Markup], list[tuple[float, float]], float]:
    """Two or more pictures at even distances in as many rows as they take; middle and top of each; bottom."""
    n, lines = len(pictures), -(-len(pictures) // IN_A_ROW)
    broad, tall = (max(picture.shape[side] for picture in pictures) for side in (1, 0))
    scale = min((WIDTH * lines - GAP * (n - 1)) / (n - 1 + lines) / broad, TALLEST / tall)
    inset = max(scale * broad, WIDTH / n) / 2
    places = [
        (inset + (WIDTH - 2 * inset) / (n - 1) * number, number % lines * (scale * tall + GAP))
        for number in range(n)
    ]
    drawn = []
    for picture, time_s, (middle, top) in zip(pictures, times_s, places, strict=True):
        height, width = (scale * side for side in picture.shape[:2])
        title = tag("title", f"frame at {time_s:.2f} s")
        box = {"x": middle - width / 2, "y": top, "width": width, "height": height}
        drawn.append(tag("image", title, href=data_uri(encode_jpeg(picture, 80), "image/jpeg"), **box))
    return drawn, places, max(top for _, top in places) + scale * tall


def _threads(
    times_s: Sequence[float], places: Sequence[tuple[float, float]], bottom: float, plane: Plane
) -> list[Markup]:
    """A line from each picture to its true time on the chart; it passes behind the pictures below."""
    drawn = []
    for time_s, (middle, top) in zip(times_s, places, strict=True):
        x = plane.x(time_s)
        bend = f"C{middle:.1f} {plane.top - 12:.1f} {x:.1f} {bottom + 12:.1f} {x:.1f} {plane.top:.1f}"
        path = f"M{middle:.1f} {top:.1f} V{bottom:.1f} {bend} V{plane.top + plane.height:.1f}"
        drawn.append(tag("path", d=path, fill="none", stroke=_THREAD))
    return drawn


def _signals(card: Card, plane: Plane) -> list[Markup]:
    """Entropy and motion over the clip, each on its own range, with dots at the chosen frames."""
    bottom = plane.top + plane.height
    drawn = [tag("line", x1=plane.left, x2=plane.left + plane.width, y1=bottom, y2=bottom, stroke=LINE)]
    times = card.signals[:, 0].astype(float)
    motion = "flow" if card.sample.meta["sampler"] == "flow" else "motion"
    for column, name, colour, at in ((1, "entropy", RIVAL, 18), (2, motion, ACCENT, 36)):
        values = card.signals[:, column].astype(float)
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) / (high - low or 1.0)
        drawn.append(plane.line(list(zip(times, scaled, strict=True)), colour, stroke_width=1.4))
        drawn.append(words(76, plane.top + at, name, anchor="end", colour=colour))
        for time_s in card.sample.times_s:
            value = float(np.interp(time_s, times, scaled))
            drawn.append(tag("circle", cx=plane.x(time_s), cy=plane.y(value), r=2.6, fill=colour))
    return drawn


def thumbnail(data: bytes | memoryview, source_size: Sequence[int] | None) -> NDArray[np.uint8]:
    """A stored frame at about thumbnail size without its letterbox bars, uint8 RGB."""
    picture = decode_jpeg_scaled(bytes(data), (PICTURE, PICTURE))
    if source_size is None:
        return picture
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    box = letterbox((int(source_size[0]), int(source_size[1])), (width, height))
    across, down = box.content
    return picture[box.top : box.top + down, box.left : box.left + across]
