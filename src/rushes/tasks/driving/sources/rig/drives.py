"""``drives.csv``: what somebody knows of each drive beside its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rushes.errors import SourceError
from rushes.tasks.driving.sources.columns import Columns, instant_s
from rushes.tasks.driving.sources.layout import SIDES

DRIVES = "drives.csv"


@dataclass(frozen=True, slots=True)
class DriveRow:
    """What the table says of a drive.

    Attributes:
        group: who must not stand on two sides; empty where it does not say.
        split: its side, likewise.
        starts: camera, or ``""`` for all others, -> seconds at which its video begins on the clock of the poses.
    """

    group: str = ""
    split: str = ""
    starts: Mapping[str, float] = field(default_factory=dict)

    def start_s(self, camera: str) -> float | None:
        """When the video of a camera begins; None where the table does not say."""
        return self.starts.get(camera, self.starts.get(""))


def read_drives(root: Path) -> dict[str, DriveRow]:
    """Folder of each drive, relative to the root, -> what ``drives.csv`` says of it; nothing where there is none.

    Its columns: ``drive``, and any of ``group``, ``split``, ``start_s`` (seconds) or ``start`` (a date with a time of
    day), and ``<camera>.start_s`` or ``<camera>.start`` for a camera that began at another moment.

    Raises:
        SourceError: no column ``drive``, a drive twice, a side that is none, or a start that is no time.
    """
    path = root / DRIVES
    if not path.is_file():
        return {}
    table = Columns.read(path).table
    if "drive" not in table.header:
        raise SourceError(
            f"no column drive; the table has {', '.join(table.header)}",
            where=path,
            cure="name the folders in it",
        )
    rows: dict[str, DriveRow] = {}
    for place, cells in table.dicts():
        name, split = cells["drive"].strip().strip("/"), cells.get("split", "").strip()
        if name in rows or split not in (*SIDES, ""):
            what = f"drive {name} stands there twice" if name in rows else f"no side {split!r}"
            raise SourceError(
                what, where=place, cure=f"a row a drive; sides are {', '.join(SIDES)}, or empty"
            )
        starts = {
            column.rpartition(".")[0]: _start_s(cells[column], column, place)
            for column in table.header
            if column.rpartition(".")[2] in ("start", "start_s") and cells[column].strip()
        }
        rows[name] = DriveRow(cells.get("group", "").strip(), split, starts)
    return rows


def _start_s(text: str, column: str, place: str) -> float:
    try:
        start_s = float(text.replace(",", ".")) if column.endswith("_s") else instant_s(text)
        if not math.isfinite(start_s):
            raise ValueError
        return start_s
    except ValueError:
        expected = "seconds" if column.endswith("_s") else "a date with a time of day"
        raise SourceError(
            f"{column} should hold {expected}, found {text[:40]!r}", where=place, cure="correct the cell"
        ) from None
