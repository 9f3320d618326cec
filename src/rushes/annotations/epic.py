"""EPIC-KITCHENS: a CSV of actions, a verb and a noun each, with times; its frame numbers are not read.

They index pictures extracted at 60 (or 50) frames a second, which is not the rate of the videos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rushes.annotations import tables
from rushes.annotations.how import How
from rushes.annotations.mark import Labels, Note, join_notes
from rushes.annotations.rows import read_rows
from rushes.recipe.annotation import Column

_COLUMNS: Mapping[Column, str] = {
    "file": "video_id",
    "start": "start_timestamp",
    "end": "stop_timestamp",
    "label": "action",
}
_FRAMES = ("start_frame", "stop_frame")


def is_one(head: str) -> bool:
    """Whether a text begins with the header of EPIC-KITCHENS."""
    cells = set(head.split("\n", 1)[0].split(","))
    return {"video_id", "start_timestamp", "stop_timestamp", "verb", "noun"} <= cells


def read(path: Path, how: How, name: str) -> Labels:
    """Actions as ``verb noun``, or the column that ``how`` names; the participant is a column of a recording."""
    table = read_rows(path)
    verb, noun = (table.column(header) for header in ("verb", "noun"))
    kept = [index for index, header in enumerate(table.header) if header not in _FRAMES]
    table = replace(
        table,
        header=(*(table.header[index] for index in kept), "action"),
        rows=tuple(
            (line, (*(cells[index] for index in kept), f"{cells[verb]} {cells[noun]}"))
            for line, cells in table.rows
        ),
    )
    labels = tables.read_table(table, {**_COLUMNS, **how.columns}, how, name)
    note = Note("frame numbers of EPIC-KITCHENS are not those of the videos: its times are read", str(path))
    return replace(labels, notes=join_notes([*labels.notes, note]))
