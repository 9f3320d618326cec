"""Cells of the leaderboard's tables: figures with intervals, gains in the colour of their verdict, costs."""

from __future__ import annotations

from collections.abc import Mapping

from rushes.campaign.judging.standing import Board, Spread
from rushes.evaluate.pages import EMPTY, Cell, Column, interval, number, pill
from rushes.evaluate.pages.theme import LOOKS
from rushes.metrics.verdict import verdict
from rushes.tasks import TASKS

DECIMALS = 4
"""Of figures: seeds of one run often differ in the third."""

COST_COLUMNS = {
    "parameters": Column("parameters", better="lower"),
    "macs": Column("MACs a clip", unit="M", better="lower"),
    "macs_per_s": Column("MACs a second", unit="M", better="lower"),
    "bytes_fp32": Column("floats", unit="kB", better="lower"),
    "bytes_int8": Column("8 bits", unit="kB", better="lower"),
    "int8_drop": Column("lost by 8 bits", better="lower"),
    "parity": Column("parity", better="lower"),
    "fits": Column("fits", better="higher"),
    "latency_p50_ms": Column("median latency", unit="ms", better="lower"),
    "latency_p95_ms": Column("95 % latency", unit="ms", better="lower"),
    "seconds": Column("training", unit="s", better="lower"),
}
_FORMATS = {"parameters": ",.0f", "parity": ".1e", "int8_drop": "+.4f", "seconds": ",.1f"}
_SCALE = {"macs": 1e6, "macs_per_s": 1e6, "bytes_fp32": 1e3, "bytes_int8": 1e3}


def column(board: Board, figure: str, side: str = "") -> Column:
    """The head of a figure's column; ``side`` stands before its title."""
    known = TASKS[board.task].figures.get(figure)
    if known is None:
        return Column(f"{side} {figure}".strip())
    return Column(f"{side} {known.title}".strip(), unit=known.unit, better=known.better)


def figure(found: Spread | None, lone: Mapping[str, float] | None = None, said: str | None = None) -> Cell:
    """A mean with its interval and what is to be said of it; of one seed with ``lone``'s, over its clips."""
    if found is None:
        return EMPTY
    low, high = found.low, found.high
    if low is None and lone is not None:
        low, high = lone["low"], lone["high"]
    below = (interval(low, high, DECIMALS), said and pill(said, "warn"))
    return Cell(number(found.mean, DECIMALS), found.mean, tuple(filter(None, below)))


def gain(found: Spread | None, over: str | None = None) -> Cell:
    """A gain with its interval, in the colour of its verdict; ``over`` names what it is a gain over."""
    if found is None:
        return EMPTY
    below = (interval(found.low, found.high, DECIMALS, sign=True), over and f"over {over}")
    look = LOOKS[verdict(found.low, found.high)]
    return Cell(number(found.mean, DECIMALS, sign=True), found.mean, tuple(filter(None, below)), look)


def plain(value: float | None, *, sign: bool = False) -> Cell:
    """A number alone."""
    return EMPTY if value is None else Cell(number(value, DECIMALS, sign=sign), value)


def cost(value: float | None, name: str) -> Cell:
    """A cost in the unit of its column."""
    if value is None:
        return EMPTY
    if name == "fits":
        return Cell("yes", 1, look="pill good") if value == 1.0 else Cell("no", 0, look="pill bad")
    return Cell(format(value / _SCALE.get(name, 1.0), _FORMATS.get(name, ",.2f")), value)
