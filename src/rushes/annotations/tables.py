"""Tables with a row for each label: CSV, TSV and Parquet, columns found by their headers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

from rushes.annotations.clock import decimal, number_of, seconds_of
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, join_notes
from rushes.annotations.rows import Table, read_rows, separator_of, words, write_rows
from rushes.errors import SourceError
from rushes.recipe.annotation import Column, Unit, rate_of

HEADERS: Mapping[Column, tuple[str, ...]] = {
    "file": (
        *("file", "filename", "file name", "filepath", "file path", "path", "recording", "media"),
        *("media file", "media file name", "video", "video id", "video name", "video file", "video path"),
        *("audio", "audio file", "wav", "clip", "clip name", "begin file"),
    ),
    "start": (
        "start",
        "start time",
        "starttime",
        "begin",
        "begin time",
        "onset",
        "from",
        "t start",
        "start timestamp",
    ),
    "end": (
        "end",
        "end time",
        "endtime",
        "stop",
        "stop time",
        "offset",
        "to",
        "t end",
        "end timestamp",
        "stop timestamp",
    ),
    "duration": ("duration", "length", "dur"),
    "label": (
        "label",
        "class",
        "class name",
        "category",
        "event",
        "event label",
        "action",
        "activity",
        "operation",
        "behavior",
        "behaviour",
        "annotation",
    ),
    "track": ("track", "tier"),
    "annotator": ("annotator", "annotated by"),
    "score": ("score", "confidence", "probability"),
    "channel": ("channel",),
    "low_hz": ("low hz", "low freq hz", "low frequency hz"),
    "high_hz": ("high hz", "high freq hz", "high frequency hz"),
    "comment": ("comment", "comments", "note", "notes"),
    "fps": ("fps", "frame rate", "framerate"),
}
"""What a column says -> headers that are understood, in small letters, without a unit of time."""

UNITS: Mapping[str, Unit] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("frame", "frames"), "frames"),
}
TIMES: tuple[Column, ...] = ("start", "end", "duration")

_NEEDED: tuple[Column, ...] = ("file", "label", *TIMES)


def says(header: str) -> tuple[Column | None, Unit | None]:
    """What a column says by its header, and the unit of a time.

    >>> says("Start (ms)"), says("event_label"), says("person")
    (('start', 'ms'), ('label', None), (None, None))
    """
    said = words(header)
    unit = next((UNITS[word] for word in said if word in UNITS), None)
    base = " ".join(word for word in said if word not in UNITS)
    column = next((column for column, names in HEADERS.items() if base in names), None)
    return column, unit if column in TIMES else None


def is_one(head: str) -> bool:
    """Whether a text begins with the header of a table of labels, or of stretches of time, or is Parquet."""
    said = _said(head)
    stretches = "start" in said and bool({"end", "duration"} & said)
    return head.startswith("PAR1") or stretches or ("label" in said and bool({"file", "start"} & said))


def names_files(head: str) -> bool:
    """Whether a text begins with the header of a table that names files and says something else of them."""
    return {"file", None} <= _said(head)


def _said(head: str) -> set[Column | None]:
    """What the columns of a table say, None among it for a header that is no usual word."""
    lines = head.split("\n", 2)
    line = lines[1] if len(lines) > 1 and lines[0].lower().startswith(("sep=", '"sep=')) else lines[0]
    separator = separator_of(line)
    return {says(cell.strip(' "'))[0] for cell in line.split(separator)} if separator else set()


def columns_of(table: Table, how: How) -> dict[Column, str]:
    """What each column says -> its header: those that the user names, then those whose header is a usual word.

    Raises:
        SourceError: a column that is named is missing, or two say the file, a time or the label.
    """
    found: dict[Column, str] = {}
    for column, header in how.columns.items():
        if header not in table.header:
            raise SourceError(
                f"no column {header!r} for {column}; there are {', '.join(table.header)}",
                where=table.path,
                cure=f"write one of them as annotation.columns.{column}",
            )
        found[column] = header
    for header in table.header:
        said, _ = says(header)
        if said is None or said in how.columns or header in how.columns.values():
            continue
        if said in found and said not in _NEEDED:
            continue  # the first, then; the other stands beside the label
        if said in found:
            raise SourceError(
                f"both {found[said]!r} and {header!r} say the {said}",
                where=table.path,
                cure=_ask(said, table),
            )
        found[said] = header
    if ("end" in found or "start" not in found) and "duration" not in how.columns:
        found.pop("duration", None)  # of the recording, then
    return found


def _ask(column: Column, table: Table) -> str:
    """What to write or type for a column whose header says too little; it is named where one alone can be meant."""
    unknown = [header for header in table.header if says(header)[0] is None]
    header = unknown[0] if len(unknown) == 1 else "HEADER"
    written = header if re.fullmatch(r"\w+", header) else json.dumps(header, ensure_ascii=False)
    return (
        f"say which column it is: annotation.columns: {{{column}: {written}}}, "
        f"or rushes init --column {shlex.quote(f'{column}={header}')}"
    )


@dataclass(frozen=True, slots=True)
class _Times:
    """How the times of a table are written: unit of each of its columns, numbers of frames."""

    units: Mapping[Column, Unit]
    how: How

    @property
    def counts_frames(self) -> bool:
        return "frames" in self.units.values()

    def of(self, column: Column, text: str, recording: str, fps: Fraction | None, where: str) -> Fraction:
        """A start, an exclusive end or a duration, in seconds."""
        fps = fps or self.how.rate(recording)
        seconds = seconds_of(text, where, unit=self.units[column], fps=fps)
        if self.units[column] != "frames" or fps is None or number_of(text) is None or column == "duration":
            return seconds
        past = int(bool(self.how.inclusive)) if column == "end" else 0
        return seconds + (past - (self.how.frame_base or 0)) / fps


def _units(table: Table, columns: Mapping[Column, str], how: How) -> dict[Column, Unit]:
    """Unit of each column of times: its header says it, or the user, or numbers with a fraction are seconds.

    Raises:
        SourceError: whole numbers alone, which may be seconds, milliseconds or frames.
    """
    units: dict[Column, Unit] = {}
    unsaid = []
    for column in TIMES:
        if column in columns:
            unit = says(columns[column])[1] or how.unit
            if unit is None:
                unsaid.append(column)
            units[column] = unit or "s"
    wanted = [table.column(columns[column]) for column in unsaid]
    cells = [cells[index].strip() for _, cells in table.rows for index in wanted]
    if any(cells) and all(cell.isdecimal() for cell in cells if cell):
        raise SourceError(
            f"whole numbers under {', '.join(columns[column] for column in unsaid)}: "
            "seconds, milliseconds or frames?",
            where=table.path,
            cure="write annotation.unit: s, ms or frames, or call the columns start_s, start_ms or start_frame",
        )
    return units


def read(path: Path, how: How, name: str) -> Labels:
    """Labels of a table.

    A table without a start has one label a file. A row without label and times names a file without events.

    Args:
        path: of the table.
        how: columns, unit, frame rate.
        name: of the recording, where no column names one.

    Raises:
        SourceError: not a table, no column of labels, or a cell that cannot be read, with its line.
    """
    table = read_rows(path)
    columns = columns_of(table, how)
    if len(table.header) == 1:
        raise SourceError(
            f"a table of one column: {table.header[0]!r}",
            where=path,
            cure="separate the columns by tabs, semicolons or commas",
        )
    if "label" not in columns:
        raise SourceError(
            f"no column of labels; there are {', '.join(table.header)}", where=path, cure=_ask("label", table)
        )
    if "start" in columns and not {"end", "duration"} & columns.keys():
        raise SourceError(
            f"labels with a start and no end; there are {', '.join(table.header)}",
            where=path,
            cure=_ask("end", table),
        )
    return read_table(table, columns, how, name)


def read_table(table: Table, columns: Mapping[Column, str], how: How, name: str) -> Labels:
    """Labels of a table whose columns are known; see `read`."""
    for header in columns.values():
        table.column(header)
    times = _Times(_units(table, columns, how), how)
    marks: list[Mark] = []
    notes: list[Note] = []
    about: dict[str, About] = {}
    constant: dict[str, dict[str, str]] = {}
    if times.counts_frames and table.rows:
        last = "the last one inside" if how.inclusive else "the first one outside"
        notes.append(Note(f"frames count from {how.frame_base or 0}, an end is {last}", str(table.path)))
    for where, cells in table.dicts():
        said = {column: cells[header].strip() for column, header in columns.items()}
        recording = said.get("file") or name
        others = {key: cell for key, cell in cells.items() if key not in columns.values()}
        shared = constant.setdefault(recording, others)
        constant[recording] = {key: cell for key, cell in shared.items() if others[key] == cell}
        fps = _rate(said.get("fps", ""), where)
        about[recording] = About(fps=fps or about.get(recording, About()).fps)
        if not any(said.get(column) for column in ("label", *TIMES)):
            notes.append(Note("a recording without labels", where))
            continue
        marks.append(_mark(recording, said, times, fps, others, where))
        if marks[-1].kind == "interval" and marks[-1].end_s is None:
            notes.append(Note("a label without an end lasts to the end of its recording", where))
    told = {
        recording: About(
            fps=one.fps, columns={key: cell for key, cell in constant[recording].items() if cell}
        )
        for recording, one in about.items()
    }
    return Labels(tuple(marks), told, join_notes(notes))


def _mark(
    recording: str,
    said: Mapping[Column, str],
    times: _Times,
    fps: Fraction | None,
    others: Mapping[str, str],
    where: str,
) -> Mark:
    """The label that a row says."""
    if not said["label"]:
        raise SourceError("times without a label", where=where, cure="write a label, or take the row out")
    if said["label"].startswith("[{"):
        raise SourceError(
            "JSON in place of a label, as Label Studio's CSV has it",
            where=where,
            cure="export the project as JSON",
        )
    start, end, duration = (
        times.of(column, said[column], recording, fps, where) if said.get(column) else None
        for column in TIMES
    )
    if start is None and (end is not None or duration is not None):
        raise SourceError("a label with an end and no start", where=where, cure="write both, or neither")
    if start is not None and end is None and duration is not None:
        end = start + duration
    channel = _number(said, "channel", where)
    return Mark(
        recording=recording,
        start_s=start or Fraction(0),
        end_s=end,
        label=said["label"],
        kind="file" if start is None else "point" if start == end else "interval",
        track=said.get("track", ""),
        annotator=said.get("annotator", ""),
        score=_number(said, "score", where),
        channel=None if channel is None else int(channel),
        low_hz=_number(said, "low_hz", where),
        high_hz=_number(said, "high_hz", where),
        comment=said.get("comment", ""),
        attributes=tuple((key, cell) for key, cell in others.items() if cell),
        where=where,
    )


def _number(said: Mapping[Column, str], column: Column, where: str) -> float | None:
    text = said.get(column, "")
    if not text:
        return None
    value = number_of(text)
    if value is None:
        raise SourceError(f"{column} is no number: {text[:80]!r}", where=where, cure="correct the cell")
    return float(value)


def _rate(text: str, where: str) -> Fraction | None:
    try:
        return rate_of(text) if text else None
    except ValueError as error:
        raise SourceError(str(error), where=where, cure="correct the cell") from None


def write(labels: Labels, how: How) -> bytes:
    """Labels as a table that `read` understands: times in seconds to the nanosecond, columns that are needed."""
    optional: tuple[Column, ...] = tuple(
        column
        for column in get_args(Column)
        if column not in ("file", "label", "fps", *TIMES)
        and any(getattr(mark, column) not in ("", None) for mark in labels.marks)
    )
    extra = list(dict.fromkeys(key for mark in labels.marks for key, _ in mark.attributes))
    rows = []
    for mark in labels.marks:
        attributes = dict(mark.attributes)
        timed = mark.kind != "file"
        rows.append(
            [
                mark.recording,
                decimal(mark.start_s) if timed else "",
                decimal(mark.end_s) if timed and mark.end_s is not None else "",
                mark.label,
                *(_cell(getattr(mark, column)) for column in optional),
                *(attributes.get(key, "") for key in extra),
            ]
        )
    marked = {mark.recording for mark in labels.marks}
    blank = [""] * (3 + len(optional) + len(extra))
    rows += [[recording, *blank] for recording in labels.about if recording not in marked]
    return write_rows(["file", "start_s", "end_s", "label", *optional, *extra], rows)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
