"""Tables that sort, with the unit of a column once in its head and all digits of a column alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from markupsafe import Markup

from rushes.evaluate.pages.render import block
from rushes.evaluate.scorecard import FigureRow, Value

NOTHING = "·"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        title: without its unit.
        unit: of all its cells.
        better: which way is better, where one is.
        text: words, aligned to the left and wrapped, not numbers.
    """

    title: str
    _: KW_ONLY
    unit: str = ""
    better: Literal["", "higher", "lower"] = ""
    text: bool = False

    @classmethod
    def of(cls, figure: FigureRow) -> Column:
        """The column of a figure."""
        return cls(figure.title, unit=figure.unit, better=figure.better)

    @property
    def first_up(self) -> bool:
        """Whether the first press sorts from the smallest on."""
        return self.text or self.better == "lower"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        shown: what stands in it.
        key: what the column is sorted by; None comes last.
        below: small lines below it.
        look: ``good``, ``warn``, ``bad``, ``best`` (underlined), ``none`` (pale), or a ``pill good`` of those.
    """

    shown: object
    key: float | str | None = None
    below: tuple[object, ...] = ()
    look: str = ""


Content = Cell | Markup | str | int | None
"""What stands in a cell, before it is one."""

EMPTY = Cell(NOTHING, look="none")


@dataclass(frozen=True, slots=True)
class Row:
    """A row; the first cell names it.

    Attributes:
        cells: as many as columns; text is put into a cell, and numbers are sorted by.
        look: ``model`` (highlighted), ``quiet`` (pale italics), ``warn``, ``bad``.
    """

    cells: Sequence[Content]
    look: str = ""


def table(
    columns: Sequence[Column | str],
    rows: Iterable[Row | Sequence[Content]],
    caption: str = "",
) -> Markup:
    """A table whose rows can be sorted by a press on a head; without JavaScript it keeps its order.

    Args:
        columns: the first one names the rows; a plain string is a column of numbers.
        rows: None in a row is an empty cell.
        caption: above the table.

    Raises:
        ValueError: a row that has not as many cells as there are columns.
    """
    heads = [one if isinstance(one, Column) else Column(one) for one in columns]
    lines = [one if isinstance(one, Row) else Row(one) for one in rows]
    if wrong := next((line for line in lines if len(line.cells) != len(heads)), None):
        raise ValueError(f"a row of {len(wrong.cells)} cells under {len(heads)} columns: {wrong.cells}")
    filled = [Row([_cell(one) for one in line.cells], line.look) for line in lines]
    return block("table", [_named(heads[0]), *heads[1:]], filled, caption)


def _named(column: Column) -> Column:
    """The first column holds names."""
    return Column(column.title, unit=column.unit, text=True)


def _cell(one: Content) -> Cell:
    if isinstance(one, Cell):
        return one
    if one is None:
        return EMPTY
    if isinstance(one, int):
        return Cell(f"{one:,}", one)
    return Cell(one, one.striptags() if isinstance(one, Markup) else one)


def places(values: Iterable[float]) -> int:
    """Decimals of all values of a column, by the largest of them.

    >>> places([0.123, 0.9]), places([0.5, 56.02]), places([812.4]), places([12345.0])
    (3, 2, 1, 0)
    """
    largest = max((abs(value) for value in values), default=0.0)
    return 3 if largest < 10 else 2 if largest < 100 else 1 if largest < 10_000 else 0


def number(value: float, decimals: int = 3, *, sign: bool = False) -> str:
    """A number for people.

    >>> number(1234.5, 1), number(0.25, 2, sign=True)
    ('1,234.5', '+0.25')
    """
    return f"{value:+,.{decimals}f}" if sign else f"{value:,.{decimals}f}"


def interval(low: float | None, high: float | None, decimals: int = 3, *, sign: bool = False) -> str:
    """Both ends, nothing where nothing tells the spread.

    >>> interval(0.1, 0.2, 2), interval(None, None)
    ('0.10 to 0.20', '')
    """
    if low is None or high is None:
        return ""
    return f"{number(low, decimals, sign=sign)} to {number(high, decimals, sign=sign)}"


def value_cell(
    found: Value | None,
    decimals: int = 3,
    *,
    look: str = "",
    below: tuple[object, ...] = (),
    sign: bool = False,
) -> Cell:
    """A figure with its interval below it, and whatever else is to be said of it."""
    if found is None:
        return EMPTY
    ends = interval(found.low, found.high, decimals, sign=sign)
    lines = (ends, *below) if ends else below
    return Cell(number(found.value, decimals, sign=sign), found.value, lines, look)
