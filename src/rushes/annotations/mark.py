"""What a label file says: marks on recordings, exact to a fraction of a second."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

MarkKind = Literal["interval", "point", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One label on a recording.

    Attributes:
        recording: the recording's name as the file writes it; else the name of the label file without its
            suffix.
        start_s: on the clock of the recording.
        end_s: exclusive; None lasts to the end of the recording. A point ends where it starts.
        label: verbatim.
        kind: a stretch, a moment, or all of a file.
        track: tier, attribute or subject. Marks of one track may overlap where the format allows it.
        annotator: who made it, or the model and its version.
        score: confidence in [0, 1], of a model's.
        channel: of a sound, from 0.
        low_hz, high_hz: of a box on a spectrogram.
        comment: free text beside the label.
        attributes: whatever else the format says of it, name and value.
        where: the file, with its line after a colon where it has lines.
        is_predicted: whether the file says that a model made it, and nobody looked at it since.
    """

    recording: str
    start_s: Fraction
    end_s: Fraction | None
    label: str
    kind: MarkKind = "interval"
    track: str = ""
    annotator: str = ""
    score: float | None = None
    channel: int | None = None
    low_hz: float | None = None
    high_hz: float | None = None
    comment: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    where: str = ""
    is_predicted: bool = field(default=False, compare=False)

    @property
    def known_end_s(self) -> Fraction:
        """The end of a mark that has one, as every mark has that is written where a format wants ends."""
        assert self.end_s is not None, self
        return self.end_s


@dataclass(frozen=True, slots=True)
class About:
    """What a label file says of a recording beside its marks.

    Attributes:
        duration_s: its length.
        fps: its frame rate.
        columns: values of the file's other columns that are the same in all rows of the recording: who, side.
    """

    duration_s: Fraction | None = None
    fps: Fraction | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was read otherwise than written, or left out.

    Attributes:
        reason: what, in a few words that many marks share.
        where: the first place.
        count: of how many marks, rows or files.
    """

    reason: str
    where: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.reason}: {self.count:,}, first at {self.where}"


@dataclass(frozen=True, slots=True)
class Labels:
    """A label file, or several together.

    Attributes:
        marks: in the order of the file.
        about: every recording that the file names, with or without marks -> what it says of it.
        notes: one for each reason.
    """

    marks: tuple[Mark, ...]
    about: Mapping[str, About]
    notes: tuple[Note, ...] = ()


_MODEL = re.compile(r".+ [0-9a-f]{12}")
"""Annotator of labels that ``rushes apply`` writes: name and version of the model."""


def of_a_model(marks: Iterable[Mark]) -> Note | None:
    """That a model made some of the marks, by what their files say of them; None where none are."""
    found = [mark for mark in marks if _is_of_a_model(mark)]
    if not found:
        return None
    recordings = len({mark.recording for mark in found})
    reason = (
        f"labels of {recordings:,} recordings were made by a model: on the test side they measure it against itself; "
        "correct them first"
    )
    return Note(reason, found[0].where, len(found))


def _is_of_a_model(mark: Mark) -> bool:
    return mark.is_predicted or (mark.score is not None and _MODEL.fullmatch(mark.annotator) is not None)


def kind_of(start_s: Fraction, end_s: Fraction | None) -> MarkKind:
    """Of a mark with times: a point ends where it starts."""
    return "point" if start_s == end_s else "interval"


def join_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One note for each reason, at the place where it was met first.

    >>> [str(note) for note in join_notes([Note("a point", "a.csv:2"), Note("a point", "a.csv:7")])]
    ['a point: 2, first at a.csv:2']
    """
    joined: dict[str, Note] = {}
    for note in notes:
        known = joined.get(note.reason)
        joined[note.reason] = note if known is None else replace(known, count=known.count + note.count)
    return tuple(joined.values())


def by_recording(labels: Labels) -> dict[str, Labels]:
    """Labels of each recording by themselves, without notes, in the order of the file."""
    marks: dict[str, list[Mark]] = {name: [] for name in labels.about}
    for mark in labels.marks:
        marks.setdefault(mark.recording, []).append(mark)
    return {name: Labels(tuple(own), {name: labels.about.get(name, About())}) for name, own in marks.items()}
