"""Recordings with their labels, as a look at a folder found them: which of them are taken, and lines of a recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rushes.annotations import Mark
from rushes.errors import RecipeError
from rushes.runs.begin.doubts import doubts_of, unlike
from rushes.runs.begin.found import Found, FoundLabels, FoundRecording, RecordingKind
from rushes.runs.begin.proposal import Line
from rushes.runs.begin.who import UNKNOWN, Who, enough, sides_of, who_in
from rushes.runs.shares import SIDE_OF_NAME

SIDE_COLUMNS = ("split", "side", "subset", "set", "fold")
"""Headers under which labels name the side of a recording, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Recordings of one kind with the label files that are taken, and on which side each stands.

    Attributes:
        found: what is in the folder.
        recordings: of the kind, with and without labels.
        labels: label files that are taken.
        marks: name of each recording with a label -> its marks.
        who: is in them.
        sides: lines of the recipe that put them on sides.
        side_of: name of a recording -> its side.
    """

    found: Found
    recordings: tuple[FoundRecording, ...]
    labels: FoundLabels
    marks: Mapping[str, tuple[Mark, ...]]
    who: Who
    sides: tuple[Line, ...]
    side_of: Mapping[str, str]

    @classmethod
    def of(cls, found: Found, kind: RecordingKind, key_of: Callable[[str], str], *, validates: bool) -> Self:
        """Of a folder.

        Args:
            found: what is in it, with recordings of the kind.
            kind: of recording that the task takes.
            key_of: name of a recording -> its key, by which it is dealt out where no group is known.
            validates: whether the task cannot do without a validation side.

        Raises:
            RecipeError: nothing labels recordings of the kind, or there is something that only a person can
                say: a frame rate, say.
        """
        recordings = found.of_kind(kind)
        labels = _labels_of(found, {one.name for one in recordings}, kind)
        names = {one.name for one in recordings}
        marks = {name: of for name, of in labels.marks.items() if of and name in names}
        amounts = {
            name: _summed((mark.label, found.lasts(name, mark)) for mark in of) for name, of in marks.items()
        }
        who = who_in(
            list(marks), labels, {name: next(iter(of)) for name, of in amounts.items() if len(of) == 1}
        )
        who = who if len({who.of.get(name) for name in marks}) > 1 else UNKNOWN
        told = _told_sides(labels, marks)
        if told is not None:
            return cls(found, recordings, labels, marks, who, *told)
        who = enough(who, marks, validates=validates)
        lines, side_of = sides_of(amounts, who, key_of, validates=validates, where=found.root)
        return cls(found, recordings, labels, marks, who, tuple(lines), side_of)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the marks, those with most seconds first."""
        return tuple(self.found.amounts(self.labels))

    def lengths_of(self) -> Mapping[str, list[float]]:
        """Class -> seconds of each of its labels."""
        found: dict[str, list[float]] = {}
        for name, marks in self.marks.items():
            for mark in marks:
                found.setdefault(mark.label, []).append(self.found.lasts(name, mark))
        return found

    def lines(self) -> Iterator[Line]:
        """Annotation, groups and sides, as sections of ``source``."""
        asked = self.labels.annotation
        yield Line("source.annotation.files", list(asked.files))
        if asked.format == "names":
            yield Line("source.annotation.format", "names", "no label file is read")
        elif asked.columns:  # any other format is seen in each file, of whichever come later, too
            yield Line("source.annotation.format", "table", "its columns are asked for by --column")
        if asked.pattern is not None:
            yield Line(
                "source.annotation.pattern", asked.pattern, "the folder of a recording is taken for its label"
            )
        if asked.columns:
            yield Line("source.annotation.columns", dict(asked.columns), "asked for by --column")
        if asked.fps is not None:
            yield Line("source.annotation.fps", asked.fps, "asked for by --fps")
        if self.who.by is not None:
            yield Line(
                f"source.groups.{self.who.by}", self.who.value, f"who is in a recording: {self.who.why}"
            )
        yield from self.sides

    def doubts(self) -> Iterator[str]:
        """See `doubts_of`."""
        yield from unlike(self.found)
        if self.labels.annotation.pattern is not None:
            there = "read" if self.found.unlike else "there"
            yield (
                f"no label file is {there}: folders are taken for classes; if they are people or days, write labels.csv"
            )
        yield from doubts_of(self.found, self.labels, self.who, self.side_of, self.recordings)


def _summed(amounts: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    total: Counter[str] = Counter()
    for label, seconds in amounts:
        total[label] += seconds  # type: ignore[assignment]
    return total


def _labels_of(found: Found, names: set[str], kind: RecordingKind) -> FoundLabels:
    """The label files that label most recordings of the kind.

    Raises:
        RecipeError: there are none; or they count frames, and nobody says how many make a second.
    """
    fitting = [one for one in found.label_files if names & {name for name, of in one.marks.items() if of}]
    if fitting:
        return fitting[0]
    for one in found.label_files:
        if one.counts_frames:
            raise RecipeError(
                "the labels count frames, and nobody says how many make a second",
                where=one.name,
                cure=f"add {_rates(found, names)}, the rate that the frames were counted with",
            )
        if one.fault is not None:
            raise RecipeError(one.fault.message, where=one.fault.where or one.name, cure=one.fault.cure)
    if found.label_files:
        one = found.label_files[0]
        why = next(iter(one.unmatched.items()), None)
        raise RecipeError(
            f"{one.name} labels no {kind} of this folder" + (f": {why[0]}: {why[1]}" if why else ""),
            where=found.root,
            cure="name each file in it as it is called below the folder",
        )
    for name, error in found.unlike.items():
        raise RecipeError(
            f"{len(names):,} {kind}s and no label file that is read; {name}: {error.message}",
            where=error.where,
            cure=error.cure,
        )
    raise RecipeError(
        f"{len(names):,} {kind}s and no label file that is read",
        where=found.root,
        cure="write labels.csv there with the header file,start,end,label (seconds), or file,label where a file has "
        "one class; or label in ELAN, Label Studio, CVAT, VIA, BORIS, Audacity or Praat and export there",
    )


def _rates(found: Found, names: set[str]) -> str:
    """An example of ``--fps``, with the rate that most headers declare."""
    headers = (found.by_name[name].header for name in sorted(names))
    rates = Counter(f"{float(header.rate):.6g}" for header in headers if header is not None and header.rate)
    [(rate, _)] = rates.most_common(1) or [("25", 0)]
    return f"--fps {rate}"


def _told_sides(
    labels: FoundLabels, marks: Mapping[str, object]
) -> tuple[tuple[Line, ...], Mapping[str, str]] | None:
    """Sides by a column of the labels that names one for each recording, train among them; None without."""
    for column in SIDE_COLUMNS:
        told = {name: SIDE_OF_NAME.get(side.lower(), "") for name, side in labels.told(column).items()}
        sides = {name: told.get(name, "") for name in marks}
        if all(sides.values()) and "train" in sides.values() and len(set(sides.values())) > 1:
            lines = (
                Line("source.split", "column", f"the labels name a side for each recording under {column}"),
                Line("source.side_column", column),
            )
            return lines, sides
    return None
