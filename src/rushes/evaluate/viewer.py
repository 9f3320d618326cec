"""How the samples of a task are shown to somebody who looks at a dataset before anything is trained on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rushes.evaluate.contents import Place
from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages.gallery import image
from rushes.media.image import decode_jpeg_scaled
from rushes.shards.index import extension
from rushes.shards.read import ShardDataset

Fields = Mapping[str, bytes | memoryview]

CELLS = 8
"""Rows and columns of the mean colours by which pictures are told apart."""

PICTURES = 3
"""Of a sample, from the first to the last."""

LETTERS = 400
"""Of a member that is shown as text."""


@dataclass(frozen=True, slots=True)
class Picked:
    """A sample that is to be shown: where it belongs, and its members."""

    key: str
    place: Place
    fields: Fields


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample as people see it.

    Attributes:
        picture: an image or a drawing.
        caption: above it.
        files: name -> content, for a folder of examples.
    """

    picture: Markup
    caption: Markup
    files: Mapping[str, bytes]


class Viewer:
    """Shows the JPEGs of samples, or where there are none the JSON; a task overrides what it knows better.

    Attributes:
        said: what a reader sees, in a sentence.
        seconds_said: which seconds are counted.
        least: pixels that a sample needs on the page.
    """

    said = "The pictures of each sample, in order."
    seconds_said = "Seconds are those of the recordings."
    least = 300

    def seconds(
        self, recordings: Sequence[Mapping[str, Any]], sides: Mapping[str, ShardDataset]
    ) -> Iterator[tuple[Place, float]]:
        """Where the seconds of the recordings belong, each second once.

        Args:
            recordings: ``recordings.json`` of the dataset; labelled stretches of one are its ``segments``.
            sides: the samples of each side.
        """
        for one in recordings:
            group, rest_s = str(one.get("group") or ""), float(one["duration_s"])
            for start_s, end_s, label in one.get("segments", ()):
                yield Place(one["split"], group, label), end_s - start_s
                rest_s -= end_s - start_s
            if rest_s > 0:
                yield Place(one["split"], group, ""), rest_s

    def feature(self, fields: Fields) -> NDArray[np.float32]:
        """What tells a sample from others of its class: (d,), of one length for all samples.

        Raises:
            MediaError: a picture that is no JPEG.
        """
        pictures = sorted(name for name in fields if extension(name) == "jpg")
        if not pictures:
            return np.zeros(1, np.float32)
        chosen = np.linspace(0, len(pictures) - 1, PICTURES).round().astype(int)
        return np.concatenate([mean_colours(fields[pictures[number]]) for number in chosen])

    def show(self, picked: Sequence[Picked]) -> Iterator[Shown]:
        """Each of them, in order; not all may be asked for.

        Raises:
            ShardError, MediaError: a sample that cannot be read.
        """
        for one in picked:
            pictures = [image(data, name) for name, data in one.fields.items() if extension(name) == "jpg"]
            texts = (_text(name, data) for name, data in one.fields.items() if extension(name) == "json")
            yield Shown(join(pictures or texts), join(caption_of(one)), files_of(one))


def mean_colours(data: bytes | memoryview) -> NDArray[np.float32]:
    """Mean colours of the cells of a picture, (`CELLS` * `CELLS` * 3,), 0..255."""
    picture = decode_jpeg_scaled(bytes(data), (CELLS, CELLS)).astype(np.float32)
    return cells(picture, CELLS, CELLS).ravel()


def cells(values: NDArray[np.floating[Any]], rows: int, columns: int) -> NDArray[np.float32]:
    """Means of a grid of cells over the first two axes, each of at least so many; float32."""
    for axis, count in ((0, rows), (1, columns)):
        edges = np.linspace(0, values.shape[axis], count + 1).astype(int)
        sums = np.add.reduceat(values, edges[:-1], axis=axis)
        values = sums / np.diff(edges).reshape([-1 if one == axis else 1 for one in range(values.ndim)])
    return values.astype(np.float32)


def _text(name: str, data: bytes | memoryview) -> Markup:
    """The beginning of a JSON member."""
    told = str(data[:LETTERS], "utf-8", "replace")
    return tag(
        "p", tag("b", name), " ", told, "…" if len(data) > LETTERS else None, style="overflow-wrap:anywhere"
    )


def caption_of(picked: Picked) -> Iterator[Markup]:
    """Key, class and group, as pieces of a caption."""
    place = picked.place
    yield tag("code", picked.key)
    yield tag("b", place.label or "no label")
    yield tag("span", place.group or "group unknown")


def files_of(picked: Picked) -> dict[str, bytes]:
    """The pictures of a sample as they are, and one ``sample.json`` of its place and its JSON members."""
    told: dict[str, Any] = {"key": picked.key, **picked.place._asdict()}
    found: dict[str, bytes] = {}
    for name, data in picked.fields.items():
        if extension(name) == "jpg":
            found[name if "." in name else f"picture.{name}"] = bytes(data)
        elif extension(name) == "json":
            told[name.removesuffix(".json")] = json.loads(bytes(data))
    return found | {"sample.json": json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False).encode()}
