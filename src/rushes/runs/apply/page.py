"""The page of labelled recordings: those to correct first, the least sure stretches, a timeline under each player."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages import (
    Cell,
    Column,
    Head,
    Markup,
    Section,
    legend,
    note,
    page,
    palette,
    strips,
    table,
)
from rushes.evaluate.pages.timeline import Span, fell_into_one_class
from rushes.predict.ticks import Stretch
from rushes.runs.apply.contract import Player
from rushes.runs.apply.labelled import Labelled
from rushes.stages import write_atomic
from rushes.stages.inventory import printable

PAGE = "index.html"

PLAYERS = 60
"""Recordings that are shown with a player; the table has all."""

STRETCHES = 40
"""Least sure stretches of all recordings together."""

OF_ONE = 12
"""Least sure stretches beside a player."""


def write_page(
    head: Head,
    rows: Sequence[Labelled],
    labels: Sequence[str],
    player: Player,
    root: Path,
    out: Path,
) -> None:
    """Write ``index.html`` into ``out``; it plays the recordings where they lie.

    Args:
        head: of the page.
        rows: those of which the model is least sure first.
        labels: in the order of all tables.
        player: element that plays a recording.
        root: folder of the recordings.
        out: where the page goes.
    """
    colours = palette(labels)
    sections = [
        Section("Correct these first", _recordings(rows)),
        Section("Least sure stretches", _least_sure(rows)),
        Section("Labels", _by_label(rows, labels)),
        Section(
            "Recordings",
            join(_shown(row, n, colours, player, root, out) for n, row in enumerate(rows[:PLAYERS])),
        ),
    ]
    write_atomic(out / PAGE, page(head, sections, plays=True))


def _recordings(rows: Sequence[Labelled]) -> Markup:
    said = note(
        "The model's own doubt: the mean probability of the labels that are shown, over all moments. Recordings "
        "at the top teach it most when they are corrected; a model may also be sure and wrong."
    )
    lines = [
        [
            Cell(_named(row, number), number),
            Cell(clock(row.duration_s), row.duration_s),
            len(row.stretches),
            Cell(f"{row.confidence:.3f}", row.confidence),
            Cell(f"{row.unasked_s:g}", row.unasked_s) if row.unasked_s else None,
        ]
        for number, row in enumerate(rows)
    ]
    sure, unasked = Column("mean confidence", better="higher"), Column("not asked", unit="s")
    return join((said, table(["recording", "length", "segments", sure, unasked], lines)))


def _least_sure(rows: Sequence[Labelled]) -> Markup:
    found = sorted(
        ((one, number, row) for number, row in enumerate(rows) for one in row.stretches),
        key=lambda each: (each[0].confidence, each[2].name, each[0].start_s),
    )
    lines = [[_named(row, number), *_cells(one, number)] for one, number, row in islice(found, STRETCHES)]
    said = note(f"The first {STRETCHES} of {len(found):,}.") if len(found) > STRETCHES else None
    return join((said, table(["recording", *_COLUMNS], lines)))


_COLUMNS = (
    "from",
    "to",
    Column("label", text=True),
    Column("confidence", better="higher"),
    Column("or else", text=True),
    Column("its confidence"),
)


def _cells(one: Stretch, number: int) -> Iterator[Cell | str]:
    yield Cell(_moment(one.start_s, number), one.start_s)
    yield Cell(clock(one.end_s), one.end_s)
    yield one.label
    yield Cell(f"{one.confidence:.3f}", one.confidence)
    yield one.rival
    yield Cell(f"{one.rival_confidence:.3f}", one.rival_confidence)


def _by_label(rows: Sequence[Labelled], labels: Sequence[str]) -> Markup:
    seconds: defaultdict[str, float] = defaultdict(float)
    sure_s: defaultdict[str, float] = defaultdict(float)
    counts: defaultdict[str, int] = defaultdict(int)
    for one in (one for row in rows for one in row.stretches):
        length_s = one.end_s - one.start_s
        seconds[one.label] += length_s
        sure_s[one.label] += one.confidence * length_s
        counts[one.label] += 1
    lines = [
        [
            label,
            counts[label],
            Cell(clock(seconds[label]), seconds[label]),
            Cell(f"{sure_s[label] / seconds[label]:.3f}", sure_s[label] / seconds[label])
            if seconds[label]
            else None,
        ]
        for label in labels
    ]
    return table(["label", "segments", "time", Column("mean confidence", better="higher")], lines)


def _shown(
    row: Labelled,
    number: int,
    colours: Mapping[str, str],
    player: Player,
    root: Path,
    out: Path,
) -> Markup:
    """A recording: its player, its labels over time, its least sure stretches."""
    rows: dict[str, list[Span]] = {
        "labels": [(one.start_s, one.end_s, one.label) for one in row.stretches],
        "as asked": [(one.start_s, one.end_s, one.label) for one in row.asked],
    }
    place = root / row.name
    plays = f"player-{number}" if place.is_file() else ""
    source = quote(os.path.relpath(os.fsencode(place), os.fsencode(out.resolve())))
    least = sorted(row.stretches, key=lambda one: (one.confidence, one.start_s))[:OF_ONE]
    warned = fell_into_one_class(rows["as asked"], rows["labels"])
    return tag(
        "figure",
        tag("figcaption", tag("b", printable(row.name)), f"mean confidence {row.confidence:.3f}"),
        tag(player, id=plays, src=source, controls="", preload="none", class_="player") if plays else None,
        strips(rows, colours, f"labels of {printable(row.name)}", player=plays)
        if any(rows.values())
        else None,
        legend(colours, {one.label for one in (*row.stretches, *row.asked)}),
        note(f"the order of work {warned.replace('in truth', 'as asked')}") if warned else None,
        table(_COLUMNS, [list(_cells(one, number)) for one in least]),
        id=f"recording-{number}",
    )


def _named(row: Labelled, number: int) -> Markup | str:
    name = printable(row.name)
    return tag("a", name, href=f"#recording-{number}") if number < PLAYERS else name


def _moment(time_s: float, number: int) -> Markup | str:
    """A time that plays the recording from there when it is pressed."""
    if number >= PLAYERS:
        return clock(time_s)
    look = {"data_player": f"player-{number}", "data_at": time_s}
    return tag("button", clock(time_s), type="button", class_="moment", **look)


def clock(time_s: float) -> str:
    """A time for people.

    >>> clock(62.5), clock(3661.0)
    ('1:02.5', '1:01:01')
    """
    tenths = round(time_s * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
