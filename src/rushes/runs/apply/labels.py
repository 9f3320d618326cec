"""Answers as label files of the field's tools, to be corrected there: what somebody corrected is never replaced.

A format that can hold several recordings has one file: ``segments.csv``, ``label_studio.json``. Others have a
folder with a file for each: ``elan/<recording>.eaf``. A file that was changed since it was written here is left
as it is, and said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from rushes.annotations import FORMATS, How, Labels, Mark, Note, encoded, join_notes
from rushes.errors import RecipeError, SourceError
from rushes.recipe.annotation import FormatName, Unit
from rushes.runs.apply.contract import Player
from rushes.runs.apply.labelled import Labelled
from rushes.stages import read_json, write_atomic, write_json
from rushes.stages.inventory import printable

SHORT: Mapping[str, FormatName] = {
    "csv": "table",
    "eaf": "elan",
    "vtt": "webvtt",
    "labelstudio": "label_studio",
}
"""What people call formats."""

_WRITABLE = tuple(name for name, format in FORMATS.items() if format.write is not None)
WRITABLE = (*SHORT, *(name for name in _WRITABLE if name not in SHORT.values()))
"""Formats that label files can be written in, by what people call them."""

WROTE = "labels.json"
"""Label files with hashes of what was written here, in the folder of the stage."""

LONGEST = 200
"""Bytes of a name that any file system takes with a suffix behind them."""


@dataclass(frozen=True, slots=True)
class Written:
    """Label files, by their names below ``--out``.

    Attributes:
        whole: of all recordings.
        each: of one recording.
        kept: those of both that somebody changed, and that were left as they are.
        refused: those that their format cannot hold -> why.
        lost: what the others cannot hold, counted.
    """

    whole: tuple[str, ...]
    each: tuple[str, ...]
    kept: tuple[str, ...]
    refused: Mapping[str, str]
    lost: tuple[Note, ...]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        files = {"whole": list(self.whole), "each": list(self.each), "kept": list(self.kept)}
        return files | {"refused": dict(self.refused), "lost": [str(note) for note in self.lost]}


def formats_of(names: Sequence[str]) -> list[FormatName]:
    """The formats that are asked for.

    Raises:
        RecipeError: there is no such format, or it is read only.
    """
    found = [SHORT.get(name, name) for name in dict.fromkeys(names)]
    if strange := [name for name in found if name not in _WRITABLE]:
        raise RecipeError(
            f"no label file can be written as {', '.join(strange)}",
            where="--as",
            cure=f"write one of {', '.join(WRITABLE)}",
        )
    return [name for name in _WRITABLE if name in found]


def write_labels(
    rows: Sequence[Labelled],
    out: Path,
    folder: Path,
    formats: Sequence[FormatName],
    model: str,
    player: Player,
) -> Written:
    """Write label files.

    Args:
        rows: recordings with their labels.
        out: where the files go.
        folder: of the stage, which remembers what was written.
        formats: of the files, see `formats_of`.
        model: who labelled, as the files are to name it.
        player: of the recordings.
    """
    contents, refused, lost = _contents(rows, formats, model, player)
    path = folder / WROTE
    known: dict[str, list[str]] = read_json(path) if path.is_file() else {}
    now = {file: sha256(data).hexdigest() for file, data in contents.items()}
    # Both are ours, whichever a kill between here and the end leaves.
    write_json(path, known | {file: [*known.get(file, ()), sha] for file, sha in now.items()})
    kept = [file for file, data in contents.items() if not _put(out / file, data, known.get(file, ()))]
    write_json(path, known | {file: [sha] for file, sha in now.items() if file not in kept})
    whole, each = ([file for file in contents if ("/" in file) == inside] for inside in (False, True))
    return Written(tuple(whole), tuple(each), tuple(kept), refused, join_notes(lost))


def label_file(
    row: Labelled, format: FormatName, model: str, player: Player, scored: bool = True
) -> tuple[str, bytes]:
    """Name and content of the label file of one recording.

    Args:
        row: the recording.
        format: of the file.
        model: who labelled, as the file is to name it.
        player: of the recording.
        scored: whether the model said how sure it is.

    Raises:
        SourceError: the format cannot hold it: gaps, say, where every frame has a label.
    """
    [(file, rows)] = _files(format, [row])
    content, _ = encoded(labels_of(rows, model, scored), how_of(format, rows, player), Path(file))
    return file.removeprefix(f"{format}/"), content


def _contents(
    rows: Sequence[Labelled], formats: Sequence[FormatName], model: str, player: Player
) -> tuple[dict[str, bytes], dict[str, str], list[Note]]:
    """Content of each label file; of those that their format cannot hold, why; and what the others lose."""
    contents: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    lost: list[Note] = []
    for name in formats:
        for file, some in _files(name, sorted(rows, key=attrgetter("name"))):
            try:
                contents[file], notes = encoded(
                    labels_of(some, model), how_of(name, some, player), Path(file)
                )
                lost += notes
            except SourceError as error:  # gaps, say, in a format that has a label for every frame
                refused[file] = str(error)
    return contents, refused, lost


def _files(name: FormatName, rows: Sequence[Labelled]) -> Iterator[tuple[str, Sequence[Labelled]]]:
    """Label files of a format, each with the recordings in it."""
    suffix = FORMATS[name].suffix
    if FORMATS[name].many:
        yield "segments.csv" if name == "table" else f"{name}{suffix}", rows
        return
    for row in rows:
        yield f"{name}/{file_name(row.name, row.key)}{suffix}", [row]


def _put(path: Path, data: bytes, before: Sequence[str]) -> bool:
    """Write a file that is missing, or is one that was written here before; False where somebody changed it."""
    if path.is_file():
        there = path.read_bytes()
        if there == data:
            return True
        if sha256(there).hexdigest() not in before:
            return False
    write_atomic(path, data)
    return True


def labels_of(rows: Sequence[Labelled], model: str, scored: bool = True) -> Labels:
    """Recordings with their stretches as marks, which have a score where the model said how sure it is."""
    marks = [
        Mark(
            recording=text_of(row.name),
            start_s=exact(one.start_s),
            end_s=exact(one.end_s),
            label=one.label,
            annotator=model,
            score=round(one.confidence, 6) if scored else None,
        )
        for row in rows
        for one in row.stretches
    ]
    return Labels(tuple(marks), {text_of(row.name): row.about for row in rows})


def how_of(format: FormatName, rows: Sequence[Labelled], player: Player) -> How:
    """How a file of these recordings is written: Label Studio's regions on sound are in seconds."""
    rate_of = {text_of(row.name): row.about.fps for row in rows}
    unit: Unit | None = "s" if player == "audio" else None
    return How(format=format, fps_of=rate_of.get, unit=unit, control=("label", player))


def exact(time_s: float) -> Fraction:
    """The decimal number that a float was written as.

    >>> exact(0.1)
    Fraction(1, 10)
    """
    return Fraction(repr(time_s))


def text_of(name: str) -> str:
    """The name of a recording as any label file can hold it: bytes that are no text are escaped."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return printable(name)
    return name


def file_name(name: str, key: str) -> str:
    r"""Name of the label file of a recording without the suffix: the recording's own, so no two have the same.

        What may break a line or a terminal is escaped as in a URL; where that is too long, the unit's key stands.

        >>> file_name("Tag 1/Müller.mp4", "k"), file_name("a
    b%.mp4", "k"), file_name("x" * 300, "k")
        ('Tag 1/Müller.mp4', 'a%0Ab%25.mp4', 'k')
    """
    parts = [_escaped(part) for part in name.split("/")]
    return "/".join(parts) if all(len(part.encode()) <= LONGEST for part in parts) else key


def _escaped(part: str) -> str:
    return "".join(
        sign if sign != "%" and sign.isprintable() else quote_from_bytes(os.fsencode(sign), safe="")
        for sign in part
    )
