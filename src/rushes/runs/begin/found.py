"""What a look at a folder gives, by names and headers alone: recordings, label files, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rushes.annotations import Labels, Mark
from rushes.errors import RushesError
from rushes.media.headers import Header
from rushes.recipe.annotation import Annotation
from rushes.runs.begin.names import NamePattern, patterns_in
from rushes.stages.inventory import EXAMPLES, Inventory, Sized, printable

RecordingKind = Literal["video", "sound"]


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A video, as a file or as a folder of frames, or a sound.

    Attributes:
        name: relative to the folder, with ``/``.
        kind: by its name.
        bytes: of the file, or of all frames.
        frames: how many lie in a folder of them; 0 of a file.
        header: None where it was not looked at, or does not open.
        fault: why it does not open.
    """

    name: str
    kind: RecordingKind
    bytes: int
    frames: int = 0
    header: Header | None = None
    fault: str = ""

    @property
    def duration_s(self) -> float | None:
        """As declared."""
        return None if self.header is None else self.header.duration_s


@dataclass(frozen=True)
class FoundLabels:
    """Label files of one format.

    Attributes:
        annotation: that reads them.
        files: their names, relative to the folder.
        columns: the header of a table.
        labels: what they say; None where they cannot be read.
        fault: why they cannot.
        counts_frames: whether they count frames, and nobody says how many make a second.
        of: name of a recording, as they write it -> its name in the folder.
        unmatched: the same of those without a file of their own -> why.
    """

    annotation: Annotation
    files: tuple[str, ...]
    columns: tuple[str, ...] = ()
    labels: Labels | None = None
    fault: RushesError | None = None
    counts_frames: bool = False
    of: Mapping[str, str] = field(default_factory=dict)
    unmatched: Mapping[str, str] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """For people."""
        return self.annotation.format or "several formats"

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(self.annotation.files[:EXAMPLES]) + " ..." * (len(self.annotation.files) > EXAMPLES)

    @cached_property
    def marks(self) -> Mapping[str, tuple[Mark, ...]]:
        """Name of each recording that is here and named -> its marks, perhaps none."""
        found: dict[str, list[Mark]] = {name: [] for name in self.of.values()}
        for mark in () if self.labels is None else self.labels.marks:
            if (name := self.of.get(mark.recording)) is not None:
                found[name].append(mark)
        return {name: tuple(marks) for name, marks in found.items()}

    def told(self, column: str) -> Mapping[str, str]:
        """Name of each recording -> what a further column says of it, where that is one thing."""
        if self.labels is None:
            return {}
        return {
            name: self.labels.about[written].columns[column]
            for written, name in self.of.items()
            if column in self.labels.about[written].columns
        }


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of a class."""

    labels: int
    seconds: float
    recordings: int


@dataclass(frozen=True)
class Found:
    """What is in a folder.

    Attributes:
        root: the folder.
        files: all that lie below it, in order of their names.
        recordings: what is footage or sound among them.
        label_files: of those formats that are read, the one that labels most recordings first.
        unlooked: recordings whose headers were not read, since there are so many.
        pictures: files that are pictures, and no frames that are named by their times.
        inventory: of every file, by what it is here.
        unlike: tables that are not taken for labels -> why; looked at where nothing else is a label file.
        asked: what somebody says of the columns of a task's own table: what is said -> header.
    """

    root: Path
    files: tuple[Sized, ...]
    recordings: tuple[FoundRecording, ...]
    label_files: tuple[FoundLabels, ...]
    unlooked: int
    pictures: int
    inventory: Inventory
    unlike: Mapping[str, RushesError] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> Mapping[str, FoundRecording]:
        """The recordings."""
        return {one.name: one for one in self.recordings}

    def of_kind(self, kind: RecordingKind) -> tuple[FoundRecording, ...]:
        """Those of one kind."""
        return tuple(one for one in self.recordings if one.kind == kind)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all files."""
        return tuple(name for name, _ in self.files)

    @cached_property
    def patterns(self) -> tuple[NamePattern, ...]:
        """What tells the recordings apart by their names."""
        return patterns_in([one.name for one in self.recordings]) if len(self.recordings) > 1 else ()

    def reason(self, error: RushesError) -> str:
        """Why a file is not read, in a sentence: what, where below the folder, and the cure."""
        where = "" if error.where is None else f" at {error.where.removeprefix(f'{self.root}/')}"
        return f"{error.message}{where}" + (f"; {error.cure}" if error.cure else "")

    def lasts(self, name: str, mark: Mark) -> float:
        """Seconds of a mark on a recording, as far as headers tell; 0 where they do not."""
        whole = self.by_name[name].duration_s or 0.0
        if mark.kind == "file":
            return whole
        end = Fraction(whole) if mark.end_s is None else mark.end_s
        return max(0.0, float(end - mark.start_s))

    def amounts(self, labels: FoundLabels) -> Mapping[str, Amount]:
        """Class -> how much there is of it in the recordings that are here, the most first."""
        count: Counter[str] = Counter()
        seconds: Counter[str] = Counter()
        places: dict[str, set[str]] = {}
        for name, marks in labels.marks.items():
            for mark in marks:
                count[mark.label] += 1
                seconds[mark.label] += self.lasts(name, mark)  # type: ignore[assignment]
                places.setdefault(mark.label, set()).add(name)
        return {
            label: Amount(count[label], float(seconds[label]), len(places[label]))
            for label in sorted(count, key=lambda label: (-seconds[label], -count[label], label))
        }

    def text(self) -> str:
        """For people."""
        return "\n".join(
            [*self._recordings_text(), *self._labels_text(), *self._who_text(), *self._rest_text()]
        )

    def _recordings_text(self) -> Iterator[str]:
        for kind in ("video", "sound"):
            if ones := self.of_kind(kind):
                yield _about(ones, kind)
        if self.unlooked:
            yield f"  there are so many that the headers of {self.unlooked:,} were not read"
        faulty = [one for one in self.recordings if one.fault]
        yield from (f"  {printable(one.name)}: {one.fault}" for one in faulty[:EXAMPLES])
        if len(faulty) > EXAMPLES:
            yield f"  and {len(faulty) - EXAMPLES:,} more that do not open"

    def _labels_text(self) -> Iterator[str]:
        for one in self.label_files:
            files = f", {len(one.files):,} files" if len(one.files) > 1 else ""
            columns = f", columns {', '.join(one.columns)}" if one.columns else ""
            yield f"{printable(one.name)}: {one.format}{files}{printable(columns)}"
            if one.labels is None:
                yield f"  cannot be read: {printable(self.reason(one.fault)) if one.fault else ''}"
                continue
            marks = sum(map(len, one.marks.values()))
            yield f"  {marks:,} labels on {len(one.of):,} of the {len(self.recordings):,} recordings"
            yield from (f"  note: {note}" for note in one.labels.notes[:EXAMPLES])
        if self.label_files and self.label_files[0].labels is not None:
            yield from _table(self.amounts(self.label_files[0]))

    def _who_text(self) -> Iterator[str]:
        yield from (f"names tell {printable(pattern.text())}" for pattern in self.patterns)
        if self.recordings and not self.patterns:
            yield "names tell nobody and nothing that some recordings share"

    def _rest_text(self) -> Iterator[str]:
        for line in self.inventory.lines:
            if line.fate == "unread":
                yield f"{line.files:,} other files: {line.reason}  such as {', '.join(line.examples)}"

    def to_json(self) -> Mapping[str, Any]:
        """As the command line prints it."""
        return {
            "root": str(self.root),
            "recordings": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "bytes": one.bytes,
                    "duration_s": one.duration_s,
                    "fault": one.fault,
                }
                for one in self.recordings
            ],
            "unlooked": self.unlooked,
            "labels": [
                {
                    "files": list(one.files),
                    "format": one.annotation.format,
                    "columns": list(one.columns),
                    "fault": None if one.fault is None else one.fault.message,
                    "unmatched": dict(one.unmatched),
                    "classes": {
                        label: {
                            "labels": amount.labels,
                            "seconds": amount.seconds,
                            "recordings": amount.recordings,
                        }
                        for label, amount in self.amounts(one).items()
                    },
                }
                for one in self.label_files
            ],
            "names": [
                {"who": one.who, "pattern": one.pattern, "groups": dict(one.groups)} for one in self.patterns
            ],
            "inventory": self.inventory.to_json(),
        }


def _about(ones: Sequence[FoundRecording], kind: RecordingKind) -> str:
    """In a line: ``7 videos, 51 s, 1.4 MB; 1.6 to 39.9 s each; 640x480, 640x360; 29.8 to 30 frames a second``."""
    lengths = [one.duration_s for one in ones if one.duration_s is not None]
    folders = sum(bool(one.frames) for one in ones)
    size = sum(one.bytes for one in ones) / 1e6
    parts = [f"{len(ones):,} {kind}{'s' * (len(ones) > 1)}, {length(sum(lengths))}, {size:,.1f} MB"]
    if folders:
        parts.append(f"{folders:,} of them as frames in folders")
    if lengths and len(ones) > 1:
        parts.append(f"{length(min(lengths))} to {length(max(lengths))} each")
    headers = [one.header for one in ones if one.header is not None]
    sizes = Counter(f"{one.size[0]}x{one.size[1]}" for one in headers if one.size is not None)
    if sizes:
        parts.append(
            ", ".join(name for name, _ in sizes.most_common(EXAMPLES)) + " ..." * (len(sizes) > EXAMPLES)
        )
    rates = sorted({float(one.rate) for one in headers if one.rate is not None})
    if rates:
        unit = "frames a second" if kind == "video" else "Hz"
        parts.append(f"{rates[0]:.6g}{f' to {rates[-1]:.6g}' if len(rates) > 1 else ''} {unit}")
    return "; ".join(parts)


def length(seconds: float) -> str:
    """A length for people.

    >>> length(1.566), length(2400), length(30000)
    ('1.6 s', '40.0 min', '8.3 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(amounts: Mapping[str, Amount], most: int = 30) -> Iterator[str]:
    """Classes with their amounts, in columns."""
    if not amounts:
        return
    width = min(40, max(5, *(len(printable(label)) for label in amounts)))
    yield f"  {'class':{width}} {'labels':>8} {'seconds':>10} {'recordings':>11}"
    for label, one in list(amounts.items())[:most]:
        yield f"  {printable(label):{width}} {one.labels:8,} {one.seconds:10,.1f} {one.recordings:11,}"
    if len(amounts) > most:
        yield f"  and {len(amounts) - most:,} more"
