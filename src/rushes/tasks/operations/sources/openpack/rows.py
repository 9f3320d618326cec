"""OpenPack's annotation files: every row holds, or the file is an error that says line and cure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rushes.errors import SourceError, unreadable_as
from rushes.tasks.operations.sources.openpack.layout import (
    OPERATION_COLUMNS,
    OperationRow,
    format_time,
    parse_time,
)
from rushes.tasks.operations.sources.openpack.tables import operation_names

MAX_BYTES = 16 * 2**20
"""Larger files are refused unread; the annotation of half an hour is 50 kB."""

MAX_SESSION_S = 24 * 3600.0
"""A session that lasts longer has a date mistyped."""

Cells = Mapping[str, str]

_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")


def read_operations(path: Path, user: str | None = None, session: str | None = None) -> list[OperationRow]:
    """The operations of one session, in order of time, not overlapping.

    Every row is checked: known operation id with its own name, times with a zone, end after start, start not
    before the row above ends, one user and session, uuid not seen before. All faults of the file are found;
    the error tells the first and the lines of the others.

    Args:
        path: a file of ``openpack-operations``.
        user: whose rows they must be; the first row's if not given.
        session: of which session they must be; the first row's if not given.

    Raises:
        SourceError: with ``path:line`` and a cure.
    """
    names = operation_names()
    line_of: dict[str, int] = {}
    rows: list[OperationRow] = []
    faults: list[tuple[int, SourceError]] = []
    for line, cells in _read_cells(path, OPERATION_COLUMNS):
        try:
            _check_uuid(cells["uuid"], line, line_of)
            row = _operation(cells, names)
            user, session = user or row.user, session or row.session
            _check_owner(row, user, session)
            _check_order(rows, row)
        except SourceError as error:
            faults.append((line, error))
        else:
            rows.append(row)
    if faults:
        raise _joined(path, faults)
    if not rows:
        raise SourceError("no rows below the header", where=f"{path}:1", cure="fetch the annotation again")
    return rows


def gaps(rows: Sequence[OperationRow]) -> list[tuple[int, int]]:
    """The stretches between operations that carry no operation, ``[start_us, end_us)``; these are allowed."""
    return [(row.end_us, later.start_us) for row, later in pairwise(rows) if later.start_us > row.end_us]


# --- one row ----------------------------------------------------------------------------------------------


def _operation(cells: Cells, names: Mapping[int, str]) -> OperationRow:
    row = OperationRow(
        uuid=cells["uuid"],
        user=cells["user"],
        session=cells["session"],
        box=_number(cells, "box"),
        id=_operation_id(cells, names),
        operation=cells["operation"],
        start_us=_time(cells, "start"),
        end_us=_time(cells, "end"),
        actions=tuple(action for action in cells["actions"].split(";") if action),
    )
    if row.operation != names[row.id]:
        raise SourceError(
            f"operation {row.id} is named {row.operation!r}, but {row.id} is {names[row.id]!r}",
            cure="correct the id or the name, whichever is wrong",
        )
    if row.end_us <= row.start_us:
        raise SourceError(
            f"{row.operation} ends at {cells['end']}, not after it starts at {cells['start']}",
            cure="correct the start or the end, or remove the row",
        )
    return row


def _operation_id(cells: Cells, names: Mapping[int, str]) -> int:
    operation_id = _number(cells, "id")
    if operation_id not in names:
        raise SourceError(
            f"unknown operation id {operation_id}; known are {', '.join(map(str, names))}",
            cure="correct the id, or add it to openpack-labels.yaml together with what it maps to",
        )
    return operation_id


def _number(cells: Cells, column: str) -> int:
    if _WHOLE_NUMBER.fullmatch(cells[column]) is None:
        raise SourceError(f"{column} is no whole number: {_short(cells[column])}", cure="write digits only")
    return int(cells[column])


def _time(cells: Cells, column: str) -> int:
    try:
        return parse_time(cells[column])
    except SourceError as error:
        raise SourceError(f"{column}: {error.message}", cure=error.cure) from error


# --- rows in order ----------------------------------------------------------------------------------------


def _check_owner(row: OperationRow, user: str, session: str) -> None:
    if (row.user, row.session) != (user, session):
        raise SourceError(
            f"a row of {_short(row.user)} {_short(row.session)} in the annotation of {user} {session}",
            cure=f"move the row to its own file, or correct it to {user},{session}",
        )


def _check_uuid(uuid: str, line: int, line_of: dict[str, int]) -> None:
    if not uuid:
        raise SourceError("a row without its uuid", cure="give every row a uuid of its own, op:...")
    if line_of.setdefault(uuid, line) != line:
        raise SourceError(
            f"uuid {_short(uuid)} stands in line {line_of[uuid]} already",
            cure="remove the copy, or give the row a uuid of its own",
        )


def _check_order(rows: Sequence[OperationRow], row: OperationRow) -> None:
    if not rows:
        return
    first, before = rows[0], rows[-1]
    if row.start_us < before.start_us:
        raise SourceError(
            f"the clock runs backwards: {row.operation} starts at {format_time(row.start_us)}, "
            f"{before.operation} above it at {format_time(before.start_us)}",
            cure="sort the rows by their start, or correct the time",
        )
    if row.start_us < before.end_us:
        raise SourceError(
            f"{row.operation} starts at {format_time(row.start_us)} and overlaps {before.operation} "
            f"above it, which ends at {format_time(before.end_us)}",
            cure="let the earlier operation end where the later one starts",
        )
    if row.end_us - first.start_us > MAX_SESSION_S * 1e6:
        raise SourceError(
            f"{row.operation} ends at {format_time(row.end_us)}, more than {MAX_SESSION_S / 3600:.0f} h "
            f"after the session began at {format_time(first.start_us)}",
            cure="correct the date",
        )


def _joined(path: Path, faults: Sequence[tuple[int, SourceError]]) -> SourceError:
    (line, first), others = faults[0], [str(line) for line, _ in faults[1:]]
    more = ""
    if others:
        listing = ", ".join(others[:10]) + (", ..." if len(others) > 10 else "")
        more = f" ({len(others)} more rows are at fault: lines {listing})"
    return SourceError(first.message + more, where=f"{path}:{line}", cure=first.cure)


# --- the file ---------------------------------------------------------------------------------------------


def _read_cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Cells]]:
    """Line and cells by column name, for every row below the header."""
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        missing = [column for column in columns if header.count(column) != 1]
        if missing:
            raise SourceError(
                f"columns missing, or there twice: {', '.join(missing)}; found {_short(','.join(header))}",
                where=f"{path}:1",
                cure=f"write the header {','.join(columns)}",
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise SourceError(
                    f"{len(cells)} cells under {len(header)} columns",
                    where=f"{path}:{reader.line_num}",
                    cure="the row is torn: fetch the annotation again, or complete the row",
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise SourceError(
            f"not CSV: {error}",
            where=f"{path}:{reader.line_num}",
            cure="correct the quotes in the row, or fetch the annotation again",
        ) from error


def _read_text(path: Path) -> str:
    again = "fetch the annotation again"
    cure = f"{again}, or let this user read it"
    with (
        unreadable_as(SourceError, "the annotation cannot be read", where=path, cure=cure),
        path.open("rb") as file,
    ):
        data = file.read(MAX_BYTES + 1)
    if not data.strip():
        raise SourceError("an empty file", where=f"{path}:1", cure=again)
    if len(data) > MAX_BYTES:
        raise SourceError(
            f"more than {MAX_BYTES // 2**20} MiB, too large for the annotation of one session",
            where=path,
            cure="one file holds one session: split it, or remove what is no annotation",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"not UTF-8: byte 0x{data[error.start]:02x}",
            where=f"{path}:{line}",
            cure="save the file as UTF-8, or fetch it again if it is torn",
        ) from error


def _short(text: str, length: int = 80) -> str:
    return repr(text if len(text) <= length else text[: length - 3] + "...")
