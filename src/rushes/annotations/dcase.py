"""DCASE and DESED: a table ``filename onset offset event_label``, in seconds; an empty row is a file without events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rushes.annotations import tables
from rushes.annotations.clock import decimal
from rushes.annotations.how import How
from rushes.annotations.mark import Labels
from rushes.annotations.rows import read_rows, separator_of, write_rows
from rushes.recipe.annotation import Column

COLUMNS: Mapping[Column, str] = {
    "file": "filename",
    "start": "onset",
    "end": "offset",
    "label": "event_label",
}


def is_one(head: str) -> bool:
    """Whether a text begins with the header of such a table, of events (strong) or of files (weak)."""
    line = head.split("\n", 1)[0]
    cells = set(line.split(separator_of(line) or "\t"))
    return {"filename", "onset", "offset", "event_label"} <= cells


def read(path: Path, how: How, name: str) -> Labels:
    """Events of files; a file without events is named, and has no marks."""
    return tables.read_table(read_rows(path), {**COLUMNS, **how.columns}, replace(how, unit="s"), name)


def write(labels: Labels, how: How) -> bytes:
    """The table, with an empty row for each file without events; to the microsecond."""
    rows = []
    for mark in labels.marks:
        end = mark.start_s if mark.end_s is None else mark.end_s
        rows.append([mark.recording, decimal(mark.start_s, 6), decimal(end, 6), mark.label])
    marked = {mark.recording for mark in labels.marks}
    rows += [[recording, "", "", ""] for recording in labels.about if recording not in marked]
    return write_rows(list(COLUMNS.values()), rows, "\t")
