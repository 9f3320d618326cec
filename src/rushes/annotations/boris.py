"""BORIS: its projects, its tables of events (START, STOP, POINT) and of aggregated events, and the one it imports.

Written after the columns of BORIS 8 (GPLv3: read, never copied). State events pair by subject, behaviour and
modifiers; where media are queued, time runs on over the queue, each length cut to the millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from rushes.annotations.clock import decimal, number_of, seconds_from, seconds_of
from rushes.annotations.files import listed, mapped, read_head, read_json
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes, kind_of
from rushes.annotations.rows import read_rows, separator_of, write_rows
from rushes.errors import SourceError

_IMPORTED = ("time", "subject", "code", "modifier", "comment")
"""Columns of a table of events that BORIS imports or that may be pasted; a state is two rows."""

_RENAMED = {"code": "behavior", "modifier": "modifiers", "comment start": "comment", "type": "behavior type"}
_PAIR = "export the observation again, or repair it in BORIS: Observations > Fix unpaired events"


def is_one(head: str) -> bool:
    """Whether a text begins with the header of one of the three tables, or is a project."""
    if head.lstrip().startswith("{"):
        return '"behaviors_conf"' in head or '"subjects_conf"' in head
    line = head.split("\n", 1)[0]
    cells = {cell.strip(' "').lower() for cell in line.split(separator_of(line) or "\t")}
    return {"observation id", "behavior"} <= cells or {"time", "subject", "code"} <= cells


_Queue = list[tuple[str, Fraction, Fraction | None]]
"""Medium, and the times of the observation at which it begins and ends; the last one has no end."""


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
    """Labels of all observations of a table or a project; the track is the subject, modifiers are an attribute.

    Raises:
        SourceError: a START without its STOP, or queued media whose lengths are not said.
    """
    if read_head(path).lstrip().startswith("{"):
        events, queues = _project(path)
    else:
        events = _rows(path, name)
        queues = _queues(events)
    aggregated = any("start (s)" in event.row for event in events)
    notes: list[Note] = []
    marks: list[Mark] = []
    for event, start, end in _aggregated(events) if aggregated else _paired(events):
        for medium, begin, finish in _on_media(queues[event.key[0]], start, end):
            marks.append(_mark(event, medium, begin, finish))
        if number_of(event.row.get("time offset (s)", "")):
            notes.append(
                Note("an observation with a time offset: its times are taken as they stand", event.where)
            )
    about = {medium: About() for queue in queues.values() for medium, _, _ in queue}
    return Labels(tuple(marks), about, join_notes(notes))


def _rows(path: Path, name: str) -> list[_Event]:
    """The rows of a table."""
    events: list[_Event] = []
    for where, cells in read_rows(path).dicts():
        lower = {key.lower(): text.strip() for key, text in cells.items()}
        row = {_RENAMED.get(key, key): text for key, text in lower.items()}
        if "modifiers" not in row:
            row["modifiers"] = "|".join(
                text for key, text in row.items() if key.startswith("modifier #") and text
            )
        medium = row.get("media file name") or row.get("observation id") or name
        events.append(_Event(row, where, medium))
    return events


def _project(path: Path) -> tuple[list[_Event], dict[str, _Queue]]:
    """The events of a project, and the media of each observation: those of its first player, in order."""
    project, place = mapped(read_json(path), str(path)), str(path)
    points = {
        mapped(one, place).get("code")
        for one in mapped(project.get("behaviors_conf"), place).values()
        if "point" in str(mapped(one, place).get("type")).lower()
    }
    events: list[_Event] = []
    queues: dict[str, _Queue] = {}
    for key, said in mapped(project.get("observations"), place).items():
        where = f"{path}#{key}"
        observation = mapped(said, where)
        media = [str(one) for one in listed(mapped(observation.get("file"), where).get("1"), where)] or [key]
        lengths = mapped(mapped(observation.get("media_info"), where).get("length"), where)
        known = [seconds_from(lengths[one], where) for one in media if one in lengths]
        queues[key] = _queue(key, media, known, where)
        offset = str(observation.get("time offset") or "")
        for number, event in enumerate(listed(observation.get("events"), where), start=1):
            time, *rest = [str(cell) for cell in listed(event, where)] or [""]
            row = dict(zip(("subject", "behavior", "modifiers", "comment"), [*rest, *[""] * 4], strict=False))
            row |= {"observation id": key, "time": time, "time offset (s)": offset}
            row |= {"behavior type": "POINT"} if row["behavior"] in points else {}
            events.append(_Event(row, f"{where}, event {number}", media[0]))
    return events, queues


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
        kind = event.row.get("behavior type", event.row.get("status", "")).upper()
        begun = event.key in under_way
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


def _queues(events: Sequence[_Event]) -> dict[str, _Queue]:
    """The media of each observation of a table, in the order in which their events come."""
    first: dict[str, dict[str, _Event]] = {}
    for event in events:
        first.setdefault(event.key[0], {}).setdefault(event.medium, event)
    queues: dict[str, _Queue] = {}
    for observation, media in first.items():
        event = next(iter(media.values()))
        said = event.row.get("media duration (s)", "").replace("|", ";").split(";")
        known = [length for text in said if (length := number_of(text)) is not None]
        queues[observation] = _queue(observation, list(media), known, event.where)
    return queues


def _queue(observation: str, media: Sequence[str], lengths: Sequence[Fraction], where: str) -> _Queue:
    """Media one after the other on the clock of an observation.

    Raises:
        SourceError: several, and no length for each.
    """
    if len(media) > 1 and len(lengths) != len(media):
        raise SourceError(
            f"observation {observation!r} has {len(media)} media one after the other, and {len(lengths)} "
            "lengths are said",
            where=where,
            cure="make an observation for each medium; BORIS counts time over all of them",
        )
    cut = [Fraction(int(length * 1000), 1000) for length in lengths[: len(media) - 1]]
    ends = list(accumulate(cut))
    return list(zip(media, [Fraction(0), *ends], [*ends, None], strict=True))


def _on_media(queue: _Queue, start: Fraction, end: Fraction) -> Iterator[tuple[str, Fraction, Fraction]]:
    """A span of an observation on the clock of each medium that it touches."""
    for number, (medium, begins, ends) in enumerate(queue):
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
