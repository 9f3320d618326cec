"""A label a line and a line a frame, as MS-TCN has Breakfast, 50Salads and GTEA; one recording a file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from rushes.annotations.clock import require_fps
from rushes.annotations.files import read_text
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, by_recording
from rushes.errors import SourceError

_FEWEST = 10
"""Lines of a file that is recognised."""


def is_one(head: str) -> bool:
    """Whether a text is lines of one word, most of which repeat the one above."""
    lines = head.strip().split("\n")[:-1]  # the last may be cut
    words = all(line.strip() and len(line.split()) == 1 and not set("\t,;") & set(line) for line in lines)
    return words and len(lines) >= _FEWEST and 2 * len(list(groupby(lines))) <= len(lines)


def read(path: Path, how: How, name: str) -> Labels:
    """Runs of equal lines as labels; the recording lasts as long as its lines.

    The last line counts, with or without an end. Equal neighbours are one label: this format cannot say
    where one ends.

    Raises:
        SourceError: no frame rate, an empty line, or a number that the mapping does not name.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    names = {} if how.mapping is None else read_mapping(how.mapping)
    fps = require_fps(how.rate(name), str(path))
    marks = []
    number = 0
    for written, same in groupby(line.strip() for line in lines):
        frames, where = len(list(same)), f"{path}:{number + 1}"
        label = written if written in names.values() else names.get(written, "" if names else written)
        if not label:
            raise SourceError(
                f"no label {written!r}" if written else "a frame without a label",
                where=where,
                cure=f"add it to {how.mapping}" if names and written else "write a label for each frame",
            )
        marks.append(
            Mark(
                recording=name,
                start_s=number / fps,
                end_s=(number + frames) / fps,
                label=label,
                where=where,
            )
        )
        number += frames
    return Labels(tuple(marks), {name: About(duration_s=number / fps, fps=fps)})


def read_mapping(path: Path) -> Mapping[str, str]:
    """Number -> name of a label, out of lines ``number name``.

    Raises:
        SourceError: a line without both, or a number twice.
    """
    names: dict[str, str] = {}
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        number, _, label = text.strip().partition(" ")
        if not number:
            continue
        if not label.strip() or not number.isdecimal() or number in names:
            raise SourceError(
                f"no line of a mapping: {text[:60]!r}", where=f"{path}:{line}", cure="write: 0 pour"
            )
        names[number] = label.strip()
    return names


def write(labels: Labels, how: How) -> bytes:
    """A line a frame.

    Raises:
        SourceError: no frame rate or length, frames under two labels or under none.
    """
    [(recording, own)] = by_recording(labels).items()
    fps = require_fps(how.rate(recording) or own.about[recording].fps, recording)
    ends = [mark.end_s or mark.start_s for mark in own.marks]
    length = own.about[recording].duration_s or max(ends, default=Fraction(0))
    lines: list[str] = [""] * round(length * fps)
    for mark in own.marks:
        for frame in range(round(mark.start_s * fps), round((mark.end_s or mark.start_s) * fps)):
            if frame >= len(lines) or lines[frame] or "\n" in mark.label:
                raise SourceError(
                    f"frame {frame} is beyond the recording, or has two labels: one is {mark.label!r}",
                    where=recording,
                    cure="write the segments of the recording, or another format",
                )
            lines[frame] = mark.label
    if "" in lines:
        raise SourceError(
            f"frame {lines.index('')} has no label",
            where=recording,
            cure="name a background, which fills the gaps: source.background",
        )
    return "".join(f"{line}\n" for line in lines).encode()
