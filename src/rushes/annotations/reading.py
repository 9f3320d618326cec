"""Label files read, whatever their format.

labels = read_all(root, ["labels/*.eaf"], How())
files = match(labels.about, names_of_the_recordings)
segments, notes = segments_of(by_recording(labels)[name].marks, duration_s, Rule(background="idle"))
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from rushes.annotations.files import read_head
from rushes.annotations.formats import FORMATS
from rushes.annotations.how import How
from rushes.annotations.mark import About, Labels, Mark, Note, join_notes
from rushes.errors import SourceError
from rushes.recipe.annotation import FormatName
from rushes.stages.inventory import walk


def recognise(path: Path) -> FormatName | None:
    """The format of a label file by its content; None where nothing here reads it.

    Raises:
        SourceError: the file cannot be read.
    """
    head = read_head(path)
    return next((name for name, format in FORMATS.items() if format.is_one(head)), None)


def with_format(how: How, files: Iterable[Path]) -> How:
    """How to read label files of which some have no byte: a label track where nothing happens is such a file.

    The others tell the format, where all of them are tracks of Audacity's; no other format has empty files.

    Raises:
        SourceError: one of them cannot be read.
    """
    files = list(files) if how.format is None else []
    full = [path for path in files if not is_empty(path)]
    if len(full) < len(files) and {recognise(path) for path in full} == {"audacity"}:
        return replace(how, format="audacity")
    return how


def is_empty(path: Path) -> bool:
    """Whether a file has no byte."""
    return path.is_file() and not path.stat().st_size


def read(path: Path, how: How, name: str | None = None) -> Labels:
    """Labels of a file.

    Args:
        path: of the file.
        how: what the file does not say of itself.
        name: of the recording, for a format that names none; without it, the file's own name less its suffix.

    Raises:
        SourceError: an unknown format, or a file that does not hold, with its line and a cure.
    """
    path = Path(path)
    format = how.format or recognise(path) or ("table" if how.columns else None)
    if format is None:
        raise SourceError(
            "no format of label files is recognised here",
            where=path,
            cure="of a table say the columns, as annotation.columns: {file: HEADER, start: HEADER, end: HEADER, "
            f"label: HEADER}}; else write annotation.format, one of {', '.join(FORMATS)}",
        )
    return _taken(FORMATS[format].read(path, how, path.stem if name is None else name), how)


def _taken(labels: Labels, how: How) -> Labels:
    """Marks of the tracks and annotators that are asked for; the others are counted."""
    marks: list[Mark] = []
    notes = list(labels.notes)
    for mark in labels.marks:
        if how.tracks and mark.track not in how.tracks:
            notes.append(Note(f"track {mark.track!r} is not asked for", mark.where))
        elif how.annotators and mark.annotator not in how.annotators:
            notes.append(Note(f"annotator {mark.annotator!r} is not asked for", mark.where))
        else:
            marks.append(mark)
    return Labels(tuple(marks), labels.about, join_notes(notes))


def files_of(root: Path, patterns: Iterable[str], names: Iterable[str] | None = None) -> list[str]:
    """Label files below ``root``, in order of their names, relative to it.

    Args:
        root: of the dataset.
        patterns: such as ``labels.csv`` or ``labels/**/*.eaf``; ``**`` is any number of folders.
        names: of all files below the root, where they are known.

    Raises:
        SourceError: a pattern that leaves the root, or that no file fits.
    """
    there = [name for name, _ in walk(Path(root))] if names is None else list(names)
    found: dict[str, None] = {}
    for pattern in patterns:
        steps = PurePosixPath(pattern).parts
        if PurePosixPath(pattern).is_absolute() or ".." in steps:
            raise SourceError(
                f"label files lie below the root, not at {pattern}",
                where=root,
                cure="move them there, and write annotation.files relative to source.root",
            )
        fitting = sorted(name for name in there if fits(name, pattern))
        if not fitting:
            near = " or ".join(difflib.get_close_matches(pattern, there, n=3, cutoff=0.6))
            raise SourceError(
                f"no file {pattern} below the root" + (f"; do you mean {near}?" if near else ""),
                where=root,
                cure="name the label files below source.root: annotation: {files: labels/*.eaf}; or write labels.csv "
                "there with the header file,start,end,label (seconds), or file,label where a file has one class",
            )
        found.update(dict.fromkeys(fitting))
    return list(found)


def fits(name: str, pattern: str) -> bool:
    """Whether the name of a file below the root is one that a pattern means, see `files_of`."""
    return _fits(PurePosixPath(name).parts, PurePosixPath(pattern).parts)


def _fits(name: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_fits(name[skipped:], pattern[1:]) for skipped in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


def read_all(root: Path, patterns: Iterable[str], how: How) -> Labels:
    """Labels of several files together, in order of their names.

    A file of a format that names no recording labels the one that is called as it is, folders included.

    Args:
        root: folder that the files lie below.
        patterns: see `files_of`.
        how: of all of them.
    """
    files = files_of(root, patterns)
    how = with_format(how, (Path(root) / name for name in files))
    return joined(read(Path(root) / name, how, str(PurePosixPath(name).with_suffix(""))) for name in files)


def joined(several: Iterable[Labels]) -> Labels:
    """Labels of several files as those of one; a column of a recording stays where all files agree on it."""
    marks: list[Mark] = []
    notes: list[Note] = []
    about: dict[str, About] = {}
    for labels in several:
        marks += labels.marks
        notes += labels.notes
        for recording, one in labels.about.items():
            known = about.get(recording, About())
            columns = {
                key: text
                for key, text in {**known.columns, **one.columns}.items()
                if known.columns.get(key, text) == text
            }
            about[recording] = About(known.duration_s or one.duration_s, known.fps or one.fps, columns)
    return Labels(tuple(marks), about, join_notes(notes))
