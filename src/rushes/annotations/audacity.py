"""Audacity's label tracks: lines ``start end label`` with tabs, seconds, of one recording."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rushes.annotations.clock import decimal, number_of, seconds_of
from rushes.annotations.files import read_text
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, join_notes, kind_of
from rushes.errors import SourceError

_NUMBER = r"-?\d+(?:[.,]\d+)?"
_LINE = re.compile(rf"({_NUMBER})\t({_NUMBER})(?:\t(.*))?")
_RANGE = re.compile(r"\\\t([^\t]*)\t([^\t]*)")


def is_one(head: str) -> bool:
    """Whether the first line of a text is a label of Audacity's."""
    return _LINE.fullmatch(head.split("\n", 1)[0]) is not None


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of a track; the line of frequencies that may follow a label belongs to it.

    Raises:
        SourceError: a line of another form; spaces in place of tabs among them, which Audacity loads empty.
    """
    marks: list[Mark] = []
    notes: list[Note] = []
    kept = False  # whether the label before a line of frequencies was
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        if bounds := _RANGE.fullmatch(line):
            if kept:
                low, high = (number_of(bounds[side]) for side in (1, 2))
                marks[-1] = replace(marks[-1], low_hz=_hz(low), high_hz=_hz(high))
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise SourceError(
                f"no label of Audacity's: {line[:60]!r}",
                where=where,
                cure="write start, end and label with a tab between them",
            )
        start, end, label = seconds_of(found[1], where), seconds_of(found[2], where), (found[3] or "").strip()
        kept = bool(label)
        if not kept:
            notes.append(Note("a label without text is left out", where))
            continue
        marks.append(
            Mark(recording=name, start_s=start, end_s=end, label=label, kind=kind_of(start, end), where=where)
        )
    return Labels(tuple(marks), {name: About()}, join_notes(notes))


def _hz(value: Fraction | None) -> float | None:
    """A bound of a range; one below zero stands for none."""
    return None if value is None or value < 0 else float(value)


def write(labels: Labels, how: How) -> bytes:
    """A label track, to the microsecond, with lines of frequencies where a label has them.

    Raises:
        SourceError: a label with a tab or an end of a line in it.
    """
    lines = []
    for mark in labels.marks:
        if "\t" in mark.label or "\n" in mark.label:
            raise SourceError(
                "a label of Audacity's is one line without tabs",
                where=f"{mark.recording} {mark.label[:60]!r}",
                cure="write another format",
            )
        end = mark.start_s if mark.end_s is None else mark.end_s
        lines.append(f"{decimal(mark.start_s, 6)}\t{decimal(end, 6)}\t{mark.label}")
        if mark.low_hz is not None or mark.high_hz is not None:
            low, high = ("-1" if hz is None else repr(hz) for hz in (mark.low_hz, mark.high_hz))
            lines.append(f"\\\t{low}\t{high}")
    return "".join(f"{line}\n" for line in lines).encode()
