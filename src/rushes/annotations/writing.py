"""Labels written for the tools that read them.

lost = write(labels, path, How(format="webvtt"))
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rushes.annotations.formats import FORMATS, HELD, Format
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, by_recording, join_notes
from rushes.errors import SourceError
from rushes.stages.files import write_atomic


def write(labels: Labels, path: Path, how: How) -> tuple[Note, ...]:
    """Write labels as ``how.format``; an existing file is replaced as a whole.

    Returns:
        What the format cannot hold, counted.

    Raises:
        SourceError: see `encoded`.
    """
    data, lost = encoded(labels, how, path)
    write_atomic(Path(path), data)
    return lost


def encoded(labels: Labels, how: How, path: Path) -> tuple[bytes, tuple[Note, ...]]:
    """Content of a label file, and what its format cannot hold, counted.

    Args:
        labels: of one recording, or of several where the format has room for them.
        how: it is written, as ``how.format``.
        path: of the file, for errors; nothing is written.

    Raises:
        SourceError: a format that is read only, several recordings for one that holds one, a label without an
            end in a recording of unknown length, or marks that the format cannot say.
    """
    name = how.format or "table"
    format = FORMATS[name]
    if format.write is None:
        writable = [name for name, format in FORMATS.items() if format.write is not None]
        raise SourceError(
            f"format {name} is read only", where=path, cure=f"write one of {', '.join(writable)}"
        )
    recordings = by_recording(labels)
    if not format.many and len(recordings) != 1:
        raise SourceError(
            f"a file of {format.title} holds one recording, not {len(recordings)}",
            where=path,
            cure="write a file for each recording",
        )
    notes: list[Note] = []
    about = {recording: own.about[recording] for recording, own in recordings.items()}
    marks = tuple(
        mark
        if mark.end_s is not None or (format.whole if mark.kind == "file" else format.open)
        else _ended(mark, about[mark.recording], path)
        for mark in labels.marks
        if _can_hold(mark, format, notes)
    )
    return format.write(Labels(marks, about), how), join_notes(notes)


def _can_hold(mark: Mark, format: Format, notes: list[Note]) -> bool:
    """Whether a mark is written; what is lost of it is noted."""
    where = f"{mark.recording} {mark.label!r}"
    if mark.kind == "point" and not format.points:
        notes.append(Note(f"a point is left out of {format.title}", where))
        return False
    notes.extend(
        Note(f"{held}: not kept in {format.title}", where)
        for held in HELD
        if held not in format.keeps and getattr(mark, held) not in ("", None, ())
    )
    return True


def _ended(mark: Mark, about: About, path: Path) -> Mark:
    """A mark without an end as one that lasts to the end of its recording."""
    if about.duration_s is None:
        raise SourceError(
            f"{mark.label!r} lasts to the end of {mark.recording}, whose length is not known",
            where=path,
            cure="give the length with the labels: About(duration_s=...)",
        )
    return replace(mark, end_s=about.duration_s, kind="interval")
