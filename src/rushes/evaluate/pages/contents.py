"""What a dataset holds, as tables and a chart; bounded, however many classes and groups there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
from markupsafe import Markup

from rushes.evaluate.contents import UNKNOWN, Amount, Axis, Contents
from rushes.evaluate.markup import join
from rushes.evaluate.pages.blocks import note
from rushes.evaluate.pages.tables import Cell, Column, Content, Row, number, table
from rushes.evaluate.pages.theme import SERIES
from rushes.evaluate.pages.vega import drawn, framed_chart, layer_of

BARS = 40
"""Classes in the chart, those of most samples; the table has more."""

ROWS = 500
"""Rows of a table; the others are one row."""

_NO_NAME: Mapping[Axis, str] = {"side": "no side", "group": "group unknown", "label": "no label"}


def sides(contents: Contents) -> Markup:
    """Samples, seconds, groups and classes of each side."""
    amounts, timed = contents.along("side"), contents.timed
    rows = [
        [
            side,
            *_amount(amounts[side,], timed),
            len(contents.names("group", side)),
            len(contents.names("label", side)),
        ]
        for side in contents.sides
    ]
    return table(["side", *_columns("samples", "time", timed), "groups", "classes"], rows)


def classes(contents: Contents, colours: Mapping[str, str]) -> Markup:
    """How much there is of each class on each side: a chart of the most frequent, and a table.

    Args:
        contents: what there is.
        colours: of the classes that are expected, in their order; others come behind them.
    """
    found = {label for (label,) in contents.along("label")}
    order = [*colours, *sorted(found - {*colours, UNKNOWN}), UNKNOWN]
    return join((_bars(contents, order), _by(contents, "label", order)))


def groups(contents: Contents) -> Markup:
    """How much there is of each group, those of most samples first."""
    amounts = contents.along("group")
    order = sorted((name for (name,) in amounts), key=lambda name: (-amounts[name,].samples, name))
    return _by(contents, "group", order)


def _by(contents: Contents, axis: Axis, order: Sequence[str]) -> Markup:
    """A row for each name: samples and seconds of all sides, then of each."""
    whole, parts, timed = contents.along(axis), contents.along(axis, "side"), contents.timed
    there = [name for name in order if (name,) in whole or name != UNKNOWN]
    rows = [
        _row(
            name or _NO_NAME[axis],
            whole.get((name,), Amount()),
            [parts.get((name, side), Amount()) for side in contents.sides],
            timed,
            quiet=name == UNKNOWN,
        )
        for name in there[:ROWS]
    ]
    if more := there[ROWS:]:
        rest = [_sum(parts, [(name, side) for name in more]) for side in contents.sides]
        of_more = _sum(whole, [(name,) for name in more])
        rows.append(_row(f"{len(more):,} others", of_more, rest, timed, quiet=True))
    of_sides = [column for side in contents.sides for column in _columns(side, side, timed)]
    heading = {"label": "class"}.get(axis, axis)
    return table([heading, *_columns("samples", "time", timed), *of_sides], rows)


def _row(name: str, whole: Amount, parts: Sequence[Amount], timed: bool, *, quiet: bool) -> Row:
    cells: list[Content] = [name, *_amount(whole, timed)]
    for part in parts:
        cells += _amount(part, timed, nothing=None)
    return Row(cells, "quiet" if quiet else "" if whole.samples else "warn")


def _columns(samples: str, seconds: str, timed: bool) -> list[Column | str]:
    return [samples, Column(seconds, unit="s")] if timed else [samples]


def _amount(amount: Amount, timed: bool, nothing: int | None = 0) -> list[Content]:
    """The cells of `_columns`."""
    samples = amount.samples or nothing
    return [samples, _seconds(amount)] if timed else [samples]


def _sum(amounts: Mapping[tuple[str, ...], Amount], keys: Sequence[tuple[str, ...]]) -> Amount:
    return sum((amounts.get(key, Amount()) for key in keys), Amount())


def _seconds(amount: Amount) -> Cell | None:
    return Cell(number(amount.seconds, 1), amount.seconds) if amount.seconds else None


def _bars(contents: Contents, order: Sequence[str]) -> Markup:
    """Samples of each class, a bar for each side beside the other."""
    amounts, whole = contents.along("label", "side"), contents.along("label")
    known = [label for label in order if label != UNKNOWN and whole.get((label,), Amount()).samples]
    if len(known) < 2:
        return Markup("")
    most = sorted(known, key=lambda label: (-whole[label,].samples, label))[:BARS]
    rows = [
        {
            "row": place,
            "side": side,
            "at": at,
            "samples": amount.samples,
            "said": f"{label}, {side}: {amount.samples:,} samples",
        }
        for place, label in enumerate(most)
        for at, side in enumerate(contents.sides)
        if (amount := amounts.get((label, side), Amount())).samples
    ]
    wide, narrow = (_chart(rows, most, contents.sides, width) for width in (960, 380))
    more = note(f"The {BARS} most frequent of {len(known):,} classes.") if len(known) > BARS else None
    picture = drawn(wide, label="samples of each class by side", width=980, narrow=narrow)
    return join((more, framed_chart(picture)))


def _chart(
    rows: Sequence[Mapping[str, object]], names: Sequence[str], sides: Sequence[str], width: int
) -> alt.TopLevelMixin:
    """Bars in the order of names, so many pixels wide with the names."""
    colours = [SERIES[at % len(SERIES)] for at in range(len(sides))]
    y_axis = alt.Y("row:O", axis=None, sort=list(range(len(names))))
    bars = (
        layer_of(rows)
        .mark_bar()  # round corners would be clipped, by ids that Vega counts up from chart to chart
        .encode(
            y=y_axis,
            x=alt.X("samples:Q", title="samples", axis=alt.Axis(tickCount=width // 120, grid=True)),
            color=alt.Color("side:N", scale=alt.Scale(domain=list(sides), range=colours)),
            order="at:Q",
            description="said:N",
        )
    )
    left = min(8 * max(map(len, names)) + 24, 0.36 * width)
    # What browsers write with may be wider than what Vega measures with: the room of names is kept.
    kept = layer_of([{}]).mark_rect(opacity=0, aria=False).encode(x=alt.value(-left), x2=alt.value(0))
    beside = (
        layer_of({"row": place, "name": name} for place, name in enumerate(names))
        .mark_text(align="right", limit=0.85 * left, aria=False)
        .encode(y=y_axis, x=alt.value(-10), text="name:N")
    )
    room = {"left": 14, "right": 5, "top": 5, "bottom": 5}
    return alt.layer(kept, bars, beside).properties(width=width - left, height=24 * len(names), padding=room)
