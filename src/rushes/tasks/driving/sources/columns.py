"""Columns of a drive's tables as arrays: times in any unit, numbers, each fault with its line.

A time is ``time_s``, ``time_ms``, ``time_us`` or ``time_ns``, a number on the drive's own clock or since 1970; or
``time``, a date with a time of day, in UTC unless it has a zone. ``timestamp`` is as good a word as ``time``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from rushes.annotations.rows import Table, read_rows
from rushes.errors import SourceError

UNITS = {"time_s": 1.0, "time_ms": 1e3, "time_us": 1e6, "time_ns": 1e9}
"""Column -> of its units a second has so many."""

DATED = "time"

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_ADD = "correct the file, or leave the drive out"


def instant_s(text: str) -> float:
    """Seconds since 1970 of a date with a time of day, up to nanoseconds; UTC where it names no zone.

    >>> instant_s("2011-09-26 13:02:25.964389445"), instant_s("2024-05-01T12:00:00.5+02:00")
    (1317042145.9643896, 1714557600.5)

    Raises:
        ValueError: it is none.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a date with a time of day: {text.strip()[:40]!r}")
    day, clock, part, zone = found.groups()
    whole = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=_zone(zone))
    return whole.timestamp() + (int(part) / 10 ** len(part) if part else 0.0)


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    assert text is not None
    hours, minutes = int(text[1:3]), int(text[-2:])
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


@dataclass(frozen=True)
class Columns:
    """A table of a drive.

    Attributes:
        table: its rows as text.
    """

    table: Table

    @classmethod
    def read(cls, path: Path) -> Self:
        """A CSV or TSV file, or Parquet.

        Raises:
            SourceError: it is no table, or has no row.
        """
        table = read_rows(path)
        if not table.rows:
            raise SourceError("a table without a row", where=path, cure=_ADD)
        return cls(table)

    @cached_property
    def names(self) -> dict[str, int]:
        """Name of each column, in small letters, -> its place."""
        return {
            name.lower().replace("timestamp", DATED): place for place, name in enumerate(self.table.header)
        }

    def has(self, *names: str) -> bool:
        """Whether there are columns of all these names."""
        return set(names) <= set(self.names)

    def times_s(self) -> np.ndarray:
        """(n,) seconds, increasing.

        Raises:
            SourceError: no column of times, or of two kinds; a cell that is none; times that do not increase.
        """
        found = [name for name in (*UNITS, DATED) if name in self.names]
        if len(found) != 1:
            raise SourceError(
                f"one column of times is read, found {' and '.join(found) or ', '.join(self.table.header)}",
                where=self.table.path,
                cure=f"call it {', '.join(UNITS)}, or {DATED} where it holds dates",
            )
        times_s = self._values(found[0], instant_s if found[0] == DATED else float) / UNITS.get(found[0], 1.0)
        stuck = np.diff(times_s) <= 0
        if stuck.any():
            row = int(stuck.argmax()) + 1
            raise SourceError(
                f"times must increase, found {times_s[row]:.6f} s after {times_s[row - 1]:.6f} s "
                f"({int(stuck.sum())} of {len(times_s)} rows)",
                where=self.table.place(self.table.rows[row][0]),
                cure=_ADD,
            )
        return times_s

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """(n, columns) of columns that are there; finite.

        Raises:
            SourceError: a cell that is no number.
        """
        return np.stack([self._values(name, float) for name in names], axis=1)

    def known(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows (k,) whose cell in a column is not empty, and their numbers (k,)."""
        place = self.names[name]
        rows = np.array(
            [row for row, (_, cells) in enumerate(self.table.rows) if cells[place].strip()], np.int64
        )
        return rows, self._values(name, float, rows)

    def _values(
        self, name: str, value_of: Callable[[str], float], rows: np.ndarray | None = None
    ) -> np.ndarray:
        place, values = self.names[name], []
        for row in range(len(self.table.rows)) if rows is None else rows:
            line, cells = self.table.rows[row]
            try:
                values.append(value_of(cells[place].replace(",", ".")))
            except ValueError:
                values.append(np.nan)
            if not np.isfinite(values[-1]):
                dated = value_of is instant_s
                expected = "a date with a time of day" if dated else "a number"
                raise SourceError(
                    f"{name} should hold {expected}, found {cells[place][:40]!r}",
                    where=self.table.place(line),
                    cure=f"call the column {', '.join(UNITS)} if it holds numbers, or {_ADD}"
                    if dated
                    else _ADD,
                )
        return np.array(values, np.float64)
