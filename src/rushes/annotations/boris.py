"""BORIS: its tables of events (START, STOP, POINT) and of aggregated events, and the table that it imports.

Written after the columns of BORIS 8 (GPLv3: read, never copied). State events pair by subject, behaviour and
modifiers; where media are queued, time runs on over the queue, each length cut to the millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from rushes.annotations.clock import decimal, number_of, seconds_of
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.annotations.rows import read_rows, separator_of, write_rows
from rushes.errors import SourceError

_IMPORTED = ("time", "subject", "code", "modifier", "comment")
"""Columns of a table of events that BORIS imports or that may be pasted; a state is two rows."""

_RENAMED = {"code": "behavior", "modifier": "modifiers", "comment start": "comment", "type": "behavior type"}
_PAIR = "export the observation again, or repair it in BORIS: Observations > Fix unpaired events"


def is_one(head: str) -> bool:
    """Whether a text begins with the header of one of the three tables."""
    line = head.split("\n", 1)[0]
    cells = {cell.strip(' "').lower() for cell in line.split(separator_of(line) or "\t")}
    return {"observation id", "behavior"} <= cells or {"time", "subject", "code"} <= cells


@dataclass(frozen=True, slots=True)
class _Event:
    """A row: a moment at which something starts, stops or happens, or both ends of it.

    Attributes:
        row: its cells by the names of their columns, in small letters.
        where: its place.
        medium: that it names.
    """

    row: Mapping[str, str]
    where: str
    medium: str

    @property
    def key(self) -> tuple[str, ...]:
        """What pairs with it: observation, subject, behaviour, modifiers."""
        return tuple(
            self.row.get(column, "") for column in ("observation id", "subject", "behavior", "modifiers")
        )

    def time(self, column: str) -> Fraction:
        """A time of the row, on the clock of the observation."""
        text = self.row.get(column, "")
        if text in ("", "NA"):
            raise SourceError(
                f"{column}: no time",
                where=self.where,
                cure="observations of pictures have none: leave them out",
            )
        return seconds_of(text, self.where)


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of all observations; the track is the subject, modifiers are an attribute.

    Raises:
        SourceError: a START without its STOP, or queued media whose lengths the table does not say.
    """
    table = read_rows(path)
    events: list[_Event] = []
    for where, cells in table.dicts():
        lower = {key.lower(): text.strip() for key, text in cells.items()}
        row = {_RENAMED.get(key, key): text for key, text in lower.items()}
        if "modifiers" not in row:
            row["modifiers"] = "|".join(
                text for key, text in row.items() if key.startswith("modifier #") and text
            )
        medium = row.get("media file name") or row.get("observation id") or name
        events.append(_Event(row, where, medium))
    notes: list[Note] = []
    queues = _queues(events)
    marks: list[Mark] = []
    about: dict[str, About] = {event.medium: About() for event in events}
    spans = _aggregated(events) if "start (s)" in map(str.lower, table.header) else _paired(events)
    for event, start, end in spans:
        for medium, begin, finish in _on_media(queues[event.key[0]], start, end):
            marks.append(_mark(event, medium, begin, finish))
        if (offset := number_of(event.row.get("time offset (s)", ""))) and offset != 0:
            notes.append(
                Note("an observation with a time offset: its times are taken as they stand", event.where)
            )
    return Labels(tuple(marks), about, join_notes(notes))


def _mark(event: _Event, medium: str, start: Fraction, end: Fraction) -> Mark:
    return Mark(
        recording=medium,
        start_s=start,
        end_s=end,
        label=event.row.get("behavior", ""),
        kind=kind_of(start, end),
        track=event.row.get("subject", "").replace("No focal subject", ""),
        comment=event.row.get("comment", ""),
        attributes=(("modifiers", event.row["modifiers"]),) if event.row["modifiers"] else (),
        where=event.where,
    )


_Span = tuple[_Event, Fraction, Fraction]


def _aggregated(events: Sequence[_Event]) -> Iterator[_Span]:
    for event in events:
        start = event.time("start (s)")
        point = event.row.get("stop (s)", "") in ("", "NA")
        yield event, start, start if point else event.time("stop (s)")


def _paired(events: Sequence[_Event]) -> Iterator[_Span]:
    """States between their two rows; a table that does not say START and STOP alternates them."""
    under_way: dict[tuple[str, ...], _Event] = {}
    for event in events:
        kind, begun = (
            event.row.get("behavior type", event.row.get("status", "")).upper(),
            event.key in under_way,
        )
        if kind == "POINT":
            yield event, event.time("time"), event.time("time")
        elif begun and kind != "START":
            start = under_way.pop(event.key)
            yield start, start.time("time"), event.time("time")
        elif begun or kind == "STOP":
            raise SourceError(
                f"{event.key[2]!r} {'starts' if begun else 'stops'} twice", where=event.where, cure=_PAIR
            )
        else:
            under_way[event.key] = event
    for event in under_way.values():
        raise SourceError(f"{event.key[2]!r} starts and does not stop", where=event.where, cure=_PAIR)


_Queue = list[tuple[str, Fraction, Fraction | None]]
"""Medium, the time of the observation at which it begins, and its length where it matters."""


def _queues(events: Sequence[_Event]) -> dict[str, _Queue]:
    """The media of each observation, in order.

    Raises:
        SourceError: several, and no length for each.
    """
    first: dict[str, dict[str, _Event]] = {}
    for event in events:
        first.setdefault(event.key[0], {}).setdefault(event.medium, event)
    queues: dict[str, _Queue] = {}
    for observation, media in first.items():
        if len(media) == 1:
            queues[observation] = [(next(iter(media)), Fraction(0), None)]
            continue
        event = next(iter(media.values()))
        said = event.row.get("media duration (s)", "").replace("|", ";").split(";")
        lengths = [length for text in said if (length := number_of(text)) is not None]
        if len(lengths) != len(media):
            raise SourceError(
                f"observation {observation!r} has {len(media)} media one after the other, and the table "
                f"says {len(lengths)} lengths",
                where=event.where,
                cure="make an observation for each medium; BORIS counts time over all of them",
            )
        cut = [Fraction(int(length * 1000), 1000) for length in lengths]
        begins = accumulate(cut[:-1], initial=Fraction(0))
        queues[observation] = list(zip(media, begins, cut, strict=True))
    return queues


def _on_media(queue: _Queue, start: Fraction, end: Fraction) -> Iterator[tuple[str, Fraction, Fraction]]:
    """A span of an observation on the clock of each medium that it touches."""
    for number, (medium, begins, length) in enumerate(queue):
        ends = None if length is None or number == len(queue) - 1 else begins + length
        low, high = max(start, begins) if number else start, end if ends is None else min(end, ends)
        if low < high or (low == high == start == end and start != ends):
            yield medium, low - begins, high - begins


def write(labels: Labels, how: How) -> bytes:
    """The table of events of one recording that BORIS imports from a spreadsheet, or that may be pasted.

    A state is two rows; the sixth column says which is which, for whoever reads the table again.

    Raises:
        SourceError: two states of one subject, behaviour and modifiers that overlap, which BORIS cannot tell.
    """
    [(recording, own)] = by_recording(labels).items()
    rows: list[tuple[Fraction, int, list[str]]] = []
    busy: dict[tuple[str, str, str], Fraction] = {}
    for mark in sorted(own.marks, key=lambda mark: mark.start_s):
        modifiers = dict(mark.attributes).get("modifiers", "")
        said = [mark.track, mark.label, modifiers, mark.comment]
        end = mark.start_s if mark.end_s is None else mark.end_s
        if mark.kind == "point":
            rows.append((mark.start_s, 2, [*said, "POINT"]))
            continue
        key = mark.track, mark.label, modifiers
        if busy.get(key, mark.start_s) > mark.start_s:
            raise SourceError(
                f"{mark.label!r} overlaps itself: BORIS cannot tell which stop is whose",
                where=recording,
                cure="give them subjects (tracks) of their own, or join them",
            )
        busy[key] = end
        rows += [(mark.start_s, 1, [*said, "START"]), (end, 0, [*said, "STOP"])]
    rows.sort(key=lambda row: row[:2])  # what stops stops before the next starts
    return write_rows([*_IMPORTED, "type"], [[decimal(time, 3), *said] for time, _, said in rows], "\t")
