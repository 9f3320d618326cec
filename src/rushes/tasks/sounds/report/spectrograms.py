"""Spectrograms as pictures: the clips of each class about which the net was surest, right and wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.evaluate.pages import Clip, Markup, drawing, gallery, image, join, note, tag, words
from rushes.evaluate.pages.theme import MUTED
from rushes.media.image import encode_jpeg
from rushes.tasks.sounds.evaluate.answers import Answers
from rushes.tasks.sounds.prepare.sample import Sample

SampleOf = Callable[[str], Sample]

HEIGHT = 128  # pixels at least, so that half the chroma resolution of a JPEG is not seen
SHOWN = 112  # of them on the page; enlarged as many as there is room for
QUALITY = 82


@dataclass(frozen=True, slots=True)
class Wall:
    """Rows of ``answers`` to be drawn of one true class.

    Attributes:
        label: the class.
        right, wrong: from the surest on.
    """

    label: str
    right: tuple[int, ...]
    wrong: tuple[int, ...]


def surest(answers: Answers, classes: Sequence[int], count: int) -> list[Wall]:
    """The clips of each class that were answered with most confidence, rightly and wrongly.

    Of each group one clip, as long as there are groups; ties go by key.

    Args:
        answers: of the net.
        classes: places of the classes in ``answers.labels``.
        count: clips of each list.
    """
    order = np.argsort(-answers.confidence, kind="stable")
    walls = []
    for place in classes:
        rows = order[answers.truth[order] == place]
        right, wrong = rows[answers.right[rows]], rows[~answers.right[rows]]
        lists = (_of_many_groups(answers, each.tolist(), count) for each in (right, wrong))
        walls.append(Wall(answers.labels[place], *lists))
    return walls


def _of_many_groups(answers: Answers, rows: Sequence[int], count: int) -> tuple[int, ...]:
    """The first ``count`` rows of groups of their own, then the first of the others."""
    fresh: dict[str, int] = {}
    for row in rows:
        if len(fresh) == count:
            break
        fresh.setdefault(str(answers.owner[row]), row)
    others = (row for row in rows if row not in fresh.values())
    return (*fresh.values(), *islice(others, count - len(fresh)))


def colours(shade: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shades in [0, 1] as RGB (..., 3): black to white, evenly brighter, through blue, red and gold.

    The cubehelix of Green (2011), "A colour scheme for the display of astronomical intensity images".

    >>> colours(np.array([0.0, 1.0])).tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    start, turns, hue = 0.0, 0.55, 1.3
    angle = 2 * np.pi * (start / 3 + turns * shade)
    depth = hue * shade * (1 - shade) / 2
    turn = np.stack([np.cos(angle), np.sin(angle)])
    mixed = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])
    rgb = shade[..., None] + depth[..., None] * np.einsum("ca,a...->...c", mixed, turn)
    levels: NDArray[np.uint8] = np.round(255 * np.clip(rgb, 0.0, 1.0)).astype(np.uint8)
    return levels


def picture(features: NDArray[np.floating[Any]], span: tuple[float, float]) -> bytes:
    """A JPEG of a spectrogram: time to the right, low bands at the bottom.

    Args:
        features: (mels, frames), dB.
        span: dB of black and of white.
    """
    low, high = span
    shade = np.clip((features.astype(np.float64) - low) / ((high - low) or 1.0), 0.0, 1.0)[::-1]
    times = -(-HEIGHT // len(shade))
    return encode_jpeg(colours(np.repeat(shade, times, axis=0)), QUALITY)


def wall(walls: Sequence[Wall], answers: Answers, sample_of: SampleOf) -> Markup:
    """All chosen clips, class by class, on one scale of dB.

    Raises:
        ShardError: a clip that cannot be read.
        MediaError: a picture that cannot be encoded.
    """
    rows = [row for each in walls for row in (*each.right, *each.wrong)]
    if not rows:
        return note("No clips to show.")
    features = {row: _features(str(answers.key[row]), sample_of) for row in rows}
    span = (
        float(min(each.min() for each in features.values())),
        float(max(each.max() for each in features.values())),
    )
    clips = [
        _clip(row, answers, picture(features[row], span), f"{each.label}, {name}")
        for each in walls
        for name, chosen in (("recognised", each.right), ("missed", each.wrong))
        for row in chosen
    ]
    return join((_scale(span), gallery(clips, "sounds")))


def _features(key: str, sample_of: SampleOf) -> NDArray[np.floating[Any]]:
    features = sample_of(key).features
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ShardError("a spectrogram is finite (mels, frames)", where=key, cure="take the features again")
    return features


def _clip(row: int, answers: Answers, data: bytes, heading: str) -> Clip:
    truth, said = (answers.labels[place] for place in (answers.truth[row], answers.predicted[row]))
    right, key = bool(answers.right[row]), answers.key[row]
    own = float(np.exp(answers.log_probabilities[row, answers.truth[row]]))
    caption = (
        tag("span", f"{said} {answers.confidence[row]:.3f}", class_="good" if right else "bad"),
        None if right else tag("span", f"truth {truth} {own:.3f}"),
        tag("code", key),
    )
    shown = image(data, f"log-mel spectrogram of {key}", style=f"height:{SHOWN}px")
    return Clip(shown, join(caption), right, truth, heading)


def _scale(span: tuple[float, float]) -> Markup:
    steps = np.linspace(0.0, 1.0, 64)
    drawn: list[Any] = [
        tag("rect", x=4 * number, y=2, width=4.5, height=12, fill="#" + bytes(colour).hex())
        for number, colour in enumerate(colours(steps).tolist())
    ]
    low, high = span
    for value, x, anchor in ((low, 0.0, "start"), ((low + high) / 2, 128.0, "middle"), (high, 256.0, "end")):
        drawn.append(words(x, 28, f"{round(value)} dB", anchor=anchor, colour=MUTED))
    return drawing(260, 34, *drawn, label="colours of the spectrograms in dB")
