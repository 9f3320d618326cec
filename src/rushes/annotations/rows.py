"""Tables as rows of text: CSV, TSV and Parquet, whatever wrote them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rushes.annotations.files import MAX_BYTES, read_text
from rushes.errors import SourceError, unreadable_as

SEPARATORS = ("\t", ";", ",")
MAX_ROWS = 10_000_000

_SAID = re.compile(r'"?sep=(.)"?\Z', re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_ESCAPED = "quote each cell that holds the separator, and double the quotes in it"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose cells are all text.

    Attributes:
        path: of the file.
        header: names of the columns as written.
        rows: number of the line, and its cells, as many as the header has.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def place(self, line: int) -> str:
        """Of a row, as errors tell it."""
        return f"{self.path}:{line}"

    def column(self, name: str) -> int:
        """Position of a column.

        Raises:
            SourceError: there is none of that name.
        """
        if name not in self.header:
            raise SourceError(
                f"no column {name!r}; there are {', '.join(self.header)}",
                where=self.path,
                cure="correct the header, or name the columns: annotation.columns: {label: HEADER}",
            )
        return self.header.index(name)

    def dicts(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Place of each row, and its cells by the names of their columns."""
        for line, cells in self.rows:
            yield self.place(line), dict(zip(self.header, cells, strict=True))


def words(header: str) -> tuple[str, ...]:
    """What the name of a column says, whatever joins it.

    >>> words("Begin Time (s)"), words("startFrame"), words("start_ms")
    (('begin', 'time', 's'), ('start', 'frame'), ('start', 'ms'))
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    return tuple(word.lower() for word in _WORD.findall(spaced))


def separator_of(line: str) -> str:
    r"""The separator of a header, the one that stands most often in it outside of quotes; empty for none.

    >>> separator_of('file;"start, s";end'), separator_of("Selection\tBegin Time (s)")
    (';', '\t')
    """
    bare = re.sub(r'"[^"]*"', "", line)
    best = max(SEPARATORS, key=bare.count)
    return best if best in bare else ""


def read_rows(path: Path) -> Table:
    """The table at ``path``: Parquet by its magic, else text with the separator of its header.

    A byte order mark, UTF-16 and Excel's ``sep=;`` in front of the header are understood. No cell is taken
    for a number, a truth value or a missing one.

    Raises:
        SourceError: not a table, or a row of another length than the header.
    """
    with unreadable_as(SourceError, "the labels cannot be read", where=path), Path(path).open("rb") as file:
        magic = file.read(4)
    return _parquet(path) if magic == b"PAR1" else parse_rows(read_text(path), path)


def parse_rows(text: str, path: Path, header: Sequence[str] | None = None) -> Table:
    """The table in ``text``.

    Args:
        text: of the file.
        path: of it.
        header: names of the columns, where the text has none.
    """
    first, _, rest = text.partition("\n")
    skipped = 0
    if said := _SAID.match(first.strip("\n")):
        separator, text, skipped = said[1], rest, 1
    else:
        separator = separator_of(first)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or "\t", strict=True)
    rows: list[tuple[int, tuple[str, ...]]] = []
    names = None if header is None else tuple(header)
    last = skipped
    try:
        for cells in reader:
            line, last = last + 1, skipped + reader.line_num  # a cell may hold ends of lines
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = _header(cells, path, line)
                continue
            if len(rows) == MAX_ROWS:
                raise SourceError(
                    f"a table of more than {MAX_ROWS:,} rows is larger than labels are",
                    where=f"{path}:{line}",
                    cure="split it by recordings",
                )
            rows.append((line, _fitted(cells, names, path, line)))
    except csv.Error as error:
        raise SourceError(f"not a table: {error}", where=f"{path}:{last + 1}", cure=_ESCAPED) from None
    if names is None:
        raise SourceError("an empty table of labels", where=path, cure="write a header and a row a label")
    return Table(path, names, tuple(rows))


def _header(cells: Sequence[str], path: Path, line: int) -> tuple[str, ...]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:  # spreadsheets leave empty columns behind
        names.pop()
    return _apart(names, f"{path}:{line}")


def _apart(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of columns, no two the same."""
    [(name, count)] = Counter(names).most_common(1) or [("", 0)]
    if count > 1:
        raise SourceError(f"two columns are called {name!r}", where=where, cure="give each its own name")
    return tuple(names)


def _fitted(cells: Sequence[str], names: Sequence[str], path: Path, line: int) -> tuple[str, ...]:
    extra = cells[len(names) :]
    if len(cells) < len(names) or any(cell.strip() for cell in extra):
        raise SourceError(
            f"a row of {len(cells)} cells under a header of {len(names)}",
            where=f"{path}:{line}",
            cure=_ESCAPED,
        )
    return tuple(cells[: len(names)])


def _parquet(path: Path) -> Table:
    broken = (OSError, pa.ArrowException)
    with unreadable_as(SourceError, "not a Parquet table", where=path, errors=broken):
        file = pq.ParquetFile(path)
        size = sum(file.metadata.row_group(index).total_byte_size for index in range(file.num_row_groups))
        if file.metadata.num_rows > MAX_ROWS or size > MAX_BYTES:
            raise SourceError(
                f"a table of {file.metadata.num_rows:,} rows and {size:,} bytes is larger than labels are",
                where=path,
                cure="split it by recordings",
            )
        table = file.read()
    names = _apart([name for name in table.column_names if not name.startswith("__index_level_")], str(path))
    columns = [[_cell(value) for value in table.column(name).to_pylist()] for name in names]
    rows = enumerate(zip(*columns, strict=True), start=1)
    return Table(path, names, tuple(rows))


def _cell(value: Any) -> str:
    """A value of a Parquet column as text: what is missing is empty, a NaN too."""
    if value is None or value != value:
        return ""
    return str(value)


def write_rows(header: Sequence[str], rows: Sequence[Sequence[str]], separator: str = ",") -> bytes:
    """A table as UTF-8 text, quoted where it must be."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
