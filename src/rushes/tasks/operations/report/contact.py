"""Contact sheets: what the model saw of its best and worst clips, and what it made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.markup import Markup, jpeg_uri, tag
from rushes.evaluate.plots import ACCENT, BAD, GRID, MUTED, Plane, drawing, ink_on, words
from rushes.media.image import decode_jpeg_scaled, encode_jpeg, letterbox
from rushes.metrics.temporal import tiou
from rushes.tasks.operations.evaluate.answers import Clips, System
from rushes.tasks.operations.prepare.sample import Sample

WIDTH, THUMB = 1080, 126
_CHART = 62
_SLOT = WIDTH - 60  # room of all thumbnails, less the gaps between them
_THREAD = "#b9c2ca"


@dataclass(frozen=True, slots=True)
class Card:
    """One clip on a contact sheet, all times on the clip's clock.

    Attributes:
        sample: its frames, their times, the question and the right answer.
        signals: (frames of the clip, 3): time in seconds, entropy in bits, motion in grey levels.
        clip_s: its length.
        answer: the model's (operation, start_s, end_s, next); None where it could not be read.
        confidence: in ``operation``.
    """

    sample: Sample
    signals: NDArray[np.float32]
    clip_s: float
    answer: tuple[str, float, float, str] | None
    confidence: float | None


def best_and_worst(clips: Clips, model: System, count: int) -> tuple[list[str], list[str]]:
    """Keys of the clips that the model answered best and worst, at most one for each boundary.

    A third each for operation, next operation and tIoU; among equals the surer answer comes first, so the
    worst begin with the mistakes of which the model was certain.
    """
    right = np.array([one == other for one, other in zip(model.operation, clips.operation, strict=True)])
    following = np.array([one == other for one, other in zip(model.next, clips.next, strict=True)])
    score = np.mean([right, following, tiou(clips.segment, model.segment)], axis=0)
    sure = np.array([value or 0.0 for value in model.confidence])
    order = np.lexsort((clips.key, -sure, -np.round(score, 1)))
    backwards = np.lexsort((clips.key, -sure, np.round(score, 1)))
    best = _distinct(clips, order, count, set())
    return best, _distinct(clips, backwards, count, set(best))


def _distinct(clips: Clips, order: Sequence[int], count: int, taken: set[str]) -> list[str]:
    chosen, seen = [], set()
    for row in order:
        boundary = (str(clips.recording[row]), int(clips.boundary_ms[row]))
        if len(chosen) < count and boundary not in seen and str(clips.key[row]) not in taken:
            seen.add(boundary)
            chosen.append(str(clips.key[row]))
    return chosen


def read_card(
    row: Mapping[str, Any],
    sample_of: Callable[[str], Sample],
    signals_of: Callable[[str], NDArray],
) -> Card:
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
    """The card: frames in a row, each tied to its moment on the signals, truth and answer below."""
    sample, answer, target = card.sample, card.answer, card.sample.target
    pictures = [thumbnail(data, sample.meta.get("source_size")) for data in sample.frames]
    height = min(
        THUMB, max(_SLOT / len(pictures) / picture.shape[1] * picture.shape[0] for picture in pictures)
    )
    plane = Plane(84, height + 34, WIDTH - 96, _CHART, (0.0, card.clip_s), (0.0, 1.0))
    drawn = [*_frames(pictures, sample.times_s, height, plane), *_signals(card, plane)]
    rows = [("truth", (target.operation, target.start_s, target.end_s, target.next))] if target else []
    rows += [("answer", answer)] if answer else []
    top = plane.top + _CHART + 10
    for name, (operation, start_s, end_s, following) in rows:
        drawn.append(words(76, top + 15, name, anchor="end", colour=MUTED))
        drawn.append(_bar(plane, top, (0.0, card.clip_s), "#f3f4f5", None))
        said = f"{operation}, {start_s:.2f} to {end_s:.2f} s, then {following}"
        fill = colours.get(operation, MUTED)
        drawn.append(_bar(plane, top, (start_s, end_s), fill, said))
        if plane.x(end_s) - plane.x(start_s) > 7 * len(operation) + 12:
            drawn.append(words(plane.x(start_s) + 9, top + 15, operation, colour=ink_on(fill)))
        top += 26
    drawn += _question(sample.asked_s, card.clip_s, plane, top)
    caption = tag("figcaption", *_caption(card))
    return tag("figure", caption, drawing(WIDTH, top + 16, *drawn, label=sample.key), class_="card")


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


def _caption(card: Card) -> list[object]:
    target, answer = card.sample.target, card.answer
    said: list[object] = [tag("code", card.sample.key)]
    if target is not None:
        said.append(tag("span", tag("b", target.operation), " → ", target.next, class_="truth"))
    if answer is None:
        return [*said, tag("span", "no readable answer", class_="wrong")]
    operation, start_s, end_s, following = answer
    known = target is not None
    right, after = known and operation == target.operation, known and following == target.next
    said.append(
        tag(
            "span",
            "answer: ",
            tag("b", operation, class_="right" if right else "wrong"),
            " → ",
            tag("span", following, class_="right" if after else "wrong"),
        )
    )
    if known:
        overlap = float(tiou([(target.start_s, target.end_s)], [(start_s, end_s)])[0])
        said.append(tag("span", f"tIoU {overlap:.2f}"))
    if card.confidence is not None:
        said.append(tag("span", f"confidence {card.confidence:.2f}"))
    return said


def _frames(
    pictures: Sequence[NDArray], times_s: Sequence[float], height: float, plane: Plane
) -> list[Markup]:
    """Thumbnails at even distances, each with a line to its true time on the chart."""
    step = (WIDTH - 12) / len(pictures)
    bottom, drawn = plane.top + plane.height, []
    for number, (picture, time_s) in enumerate(zip(pictures, times_s, strict=True)):
        width = height / picture.shape[0] * picture.shape[1]
        middle, x = 6 + step * (number + 0.5), plane.x(time_s)
        place = {"x": middle - width / 2, "y": 0, "width": width, "height": height}
        title = tag("title", f"frame at {time_s:.2f} s")
        drawn.append(tag("image", title, href=jpeg_uri(encode_jpeg(picture, 80)), **place))
        bend = f"C{middle:.1f} {plane.top - 12:.1f} {x:.1f} {height + 12:.1f} {x:.1f} {plane.top:.1f}"
        path = f"M{middle:.1f} {height:.1f} {bend} V{bottom:.1f}"
        drawn.append(tag("path", d=path, fill="none", stroke=_THREAD))
    return drawn


def _signals(card: Card, plane: Plane) -> list[Markup]:
    """Entropy and motion over the clip, each on its own range, with dots at the chosen frames."""
    bottom = plane.top + plane.height
    drawn = [tag("line", x1=plane.left, x2=plane.left + plane.width, y1=bottom, y2=bottom, stroke=GRID)]
    times = card.signals[:, 0].astype(float)
    for column, name, colour, at in ((1, "entropy", "#d98e32", 18), (2, "motion", ACCENT, 36)):
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
    picture = decode_jpeg_scaled(bytes(data), (THUMB, THUMB))
    if source_size is None:
        return picture
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    box = letterbox((int(source_size[0]), int(source_size[1])), (width, height))
    across, down = box.content
    return picture[box.top : box.top + down, box.left : box.left + across]
