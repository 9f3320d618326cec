"""Raven's selection tables: boxes on a spectrogram, seconds and Hz, of one recording or a sequence of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rushes.annotations import tables
from rushes.annotations.clock import decimal, seconds_of
from rushes.annotations.how import How
from rushes.annotations.mark import Labels, Mark, Note, by_recording, join_notes
from rushes.annotations.rows import Table, read_rows, write_rows
from rushes.errors import SourceError
from rushes.recipe.annotation import Column

_HEADER = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
)
_OFFSET = "File Offset (s)"
_OWN = ("Selection", "View", _OFFSET, "Begin Path", "End File", "Delta Time (s)", "Delta Freq (Hz)")
"""What Raven itself writes beside times and bounds."""


def is_one(head: str) -> bool:
    """Whether a text begins with the header of a selection table."""
    cells = head.split("\n", 1)[0].split("\t")
    return "Selection" in cells and "Begin Time (s)" in cells


def read(path: Path, how: How, name: str) -> Labels:
    """Selections, each once: Raven writes a row for each view.

    With Begin File and File Offset a time is that in the file; Begin Time counts through all files of a
    sequence. Channels count from 1 there.

    Raises:
        SourceError: no column of labels, or several that may be it.
    """
    table = read_rows(path)
    columns = tables.columns_of(table, how)
    if "label" not in columns:
        columns["label"] = _only_other(table, columns)
    once, notes = _once(table)
    labels = tables.read_table(once, columns, how, name)
    return Labels(tuple(map(_placed, labels.marks)), labels.about, join_notes([*labels.notes, *notes]))


def _only_other(table: Table, columns: Mapping[Column, str]) -> str:
    """The one column that neither has a usual name nor is Raven's own."""
    others = [header for header in table.header if header not in (*columns.values(), *_OWN)]
    if len(others) != 1:
        raise SourceError(
            f"which column holds the labels? There are {', '.join(others) or 'none beside those of Raven'}",
            where=table.path,
            cure="write its header as annotation.columns: {label: HEADER}",
        )
    return others[0]


def _once(table: Table) -> tuple[Table, list[Note]]:
    """The rows of the first view of each selection, and how many are others'."""
    if "Selection" not in table.header or "View" not in table.header:
        return table, []
    at = table.header.index("Selection")
    first: dict[str, tuple[int, tuple[str, ...]]] = {}
    notes = []
    for line, cells in table.rows:
        if first.setdefault(cells[at], (line, cells))[0] != line:
            notes.append(Note("a second view of a selection", table.place(line)))
    return replace(table, rows=tuple(first.values())), notes


def _placed(mark: Mark) -> Mark:
    """A selection on the clock of its own file, its channel from 0, without what Raven says of its views."""
    said = dict(mark.attributes)
    offset = said.get(_OFFSET)
    start = mark.start_s if offset is None else seconds_of(offset, mark.where)
    return replace(
        mark,
        start_s=start,
        end_s=None if mark.end_s is None else start + mark.end_s - mark.start_s,
        channel=None if mark.channel is None else mark.channel - 1,
        attributes=tuple((key, text) for key, text in mark.attributes if key not in _OWN),
    )


def write(labels: Labels, how: How) -> bytes:
    """The selection table of one recording, with score, comment and attributes as further columns."""
    [(recording, own)] = by_recording(labels).items()
    extra = list(dict.fromkeys(key for mark in own.marks for key, _ in mark.attributes))
    beside: list[Column] = ["track", "annotator", "score", "comment"]
    beside = [
        column for column in beside if any(getattr(mark, column) not in ("", None) for mark in own.marks)
    ]
    rows = []
    for number, mark in enumerate(own.marks, start=1):
        end = mark.start_s if mark.end_s is None else mark.end_s
        start, attributes = decimal(mark.start_s), dict(mark.attributes)
        channel = "" if mark.channel is None else str(mark.channel + 1)
        values = [getattr(mark, column) for column in ("low_hz", "high_hz")]
        said = [getattr(mark, column) for column in beside]
        rows.append(
            [
                *(str(number), "Spectrogram 1", channel, start, decimal(end)),
                *("" if value is None else str(value) for value in values),
                *(recording, start, mark.label),
                *("" if value is None else str(value) for value in said),
                *(attributes.get(key, "") for key in extra),
            ]
        )
    return write_rows([*_HEADER, "Begin File", _OFFSET, "Annotation", *beside, *extra], rows, "\t")
