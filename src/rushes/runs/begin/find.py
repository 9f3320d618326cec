"""A look at a folder that nobody has described yet: names, headers and label files; nothing is decoded."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import cast

from rushes.annotations import FORMATS, How, files_of, is_empty, places, read, read_all, recognise
from rushes.annotations.files import read_head, read_text
from rushes.annotations.names import NTU
from rushes.annotations.rows import parse_rows, read_rows
from rushes.annotations.tables import names_files
from rushes.errors import MediaError, RushesError, SourceError
from rushes.media.headers import media_kind, read_header
from rushes.media.names import TIMED, folder_of_frame
from rushes.recipe.annotation import Annotation, Column, FormatName
from rushes.runs.begin.found import Found, FoundLabels, FoundRecording, RecordingKind
from rushes.runs.begin.names import is_somebody
from rushes.stages import Claim, Inventory
from rushes.stages.inventory import Sized, walk

HEADERS = 2000
"""Files whose headers are read, spread evenly over all: some milliseconds each, more on a remote disk."""

LABEL_FILES = 5000
"""Files that are looked into for labels."""

CLASS_FOLDER = r"(?:.*/)?(?P<label>[^/]+)/[^/]+"
"""Of a video's name less its suffix: the label is the folder that it lies in."""

MOTIONS = (".csv", ".tsv", ".parquet", ".gpx")
"""What a folder that is one recording by several cameras holds beside its videos: a motion, say."""

SUFFIXES = frozenset(
    {format.suffix.lower() for format in FORMATS.values()}
    | {".csv", ".tsv", ".txt", ".json", ".xml", ".parquet", ".tab", ".boris", ".lab"}
)
"""What names of files that may hold labels end with."""

TABLES = (".csv", ".tsv", ".tab")
MOST_TABLES = 20
"""Tables of which it is told why they are no label files."""

Tell = Callable[[float, float, str], None]
"""Told how many of how many files were looked at, and of what kind."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says of a folder beforehand.

    Attributes:
        labels: patterns of the label files to take, below the folder; all that are found without any.
        fps: of labels that count frames.
        columns: of a table of labels: what is said -> the header of the column that says it.
        own: likewise of a task's own table; then no table is looked for that has labels under ``columns``.
    """

    labels: tuple[str, ...] = ()
    fps: Fraction | None = None
    columns: Mapping[Column, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)

    def annotation(self, files: Sequence[str], format: FormatName | None) -> Annotation:
        """Label files of one format as a recipe names them."""
        fps = None if self.fps is None else str(self.fps)
        return Annotation(files=tuple(files), format=format, fps=fps, columns=dict(self.columns))

    def format_of(self, path: Path) -> FormatName | None:
        """The format of a file by its content, a table by the columns that are asked for; None for others.

        Raises:
            SourceError: the file cannot be read, or is no table.
        """
        if not self.columns:
            return recognise(path)
        return "table" if set(self.columns.values()) <= set(read_rows(path).header) else None


def find(root: Path, asked: Asked, tell: Tell = lambda done, total, note: None) -> Found:
    """Look at a folder.

    Args:
        root: the folder.
        asked: what is known of it.
        tell: told how far the look is.

    Raises:
        SourceError: there is no such folder, this user may not list it, it is empty, or no label file has the
            columns that are asked for.
        OSError: the machine refuses.
    """
    files = _files(root)
    kinds = {name: media_kind(name) for name, _ in files if not _is_hidden(name)}
    frames = _folders_of_frames(files)
    media = [(name, size) for name, size in files if kinds.get(name) in ("video", "sound")]
    media = sorted([*media, *((folder, sum(of.values())) for folder, of in frames.items())])
    looked = set(_spread([name for name, _ in media], HEADERS))
    recordings = []
    for number, (name, size) in enumerate(media):
        if number and not number % 50:
            tell(number, len(media), "headers")
        kind = cast(RecordingKind, kinds.get(name, "video"))
        one = FoundRecording(name, kind, size, len(frames.get(name, ())))
        recordings.append(_opened(root, one) if name in looked else one)
    if media:
        tell(len(media), len(media), "headers")
    others = [name for name, kind in kinds.items() if kind is None]
    labels = _label_files(root, others, recordings, asked)
    read = {name: Claim("read", "labels") for one in labels for name in one.files}
    used = {one.name: Claim("used", one.kind) for one in recordings}
    used |= {name: Claim("used", "frames") for of in frames.values() for name in of}
    return Found(
        root,
        tuple(files),
        tuple(recordings),
        labels,
        len(media) - len(looked),
        sum(kind == "picture" and name not in used for name, kind in kinds.items()),
        Inventory.of_files(files, (read | used).get),
        {} if any(one.annotation.format != "names" for one in labels) else _unlike(root, others),
        asked.own,
    )


def _files(root: Path) -> list[Sized]:
    if not root.is_dir():
        what = "this is a file, no folder" if root.exists() else "there is no such folder"
        raise SourceError(what, where=root, cure="name the folder that holds the recordings")
    try:
        files = list(walk(root))
    except PermissionError:
        raise SourceError(
            "this user may not list the folder", where=root, cure="let this user read it"
        ) from None
    if not files:
        raise SourceError("the folder is empty", where=root, cure="name the folder that holds the recordings")
    return files


def _folders_of_frames(files: Iterable[Sized]) -> Mapping[str, Mapping[str, int]]:
    """Folder with frames that are named by their times -> name and bytes of each picture in it."""
    found: dict[str, dict[str, int]] = {}
    for name, size in files:
        if not _is_hidden(name) and (folder := folder_of_frame(name)) is not None:
            found.setdefault(folder, {})[name] = size
    return {
        folder: of
        for folder, of in found.items()
        if any(TIMED.fullmatch(PurePosixPath(name).name) for name in of)
    }


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _spread(names: Sequence[str], most: int) -> Iterable[str]:
    """At most so many of the names, evenly over all."""
    return names[:: -(-len(names) // most)] if len(names) > most else names


def _opened(root: Path, one: FoundRecording) -> FoundRecording:
    try:
        return replace(one, header=read_header(root / one.name, one.kind))
    except MediaError as error:
        return replace(one, fault=error.message)
    except OSError as error:
        return replace(one, fault=error.strerror or str(error))


# --- label files ------------------------------------------------------------------------------------------


def _label_files(
    root: Path, names: Sequence[str], recordings: Sequence[FoundRecording], asked: Asked
) -> tuple[FoundLabels, ...]:
    """Label files; without any the names of the videos; without those tables that name files and little else.

    Raises:
        SourceError: no label file has the columns that are asked for.
    """
    called = [one.name for one in recordings]
    if labels := _labels(root, names, called, asked, asked.format_of):
        return labels
    if asked.columns:
        told = ", ".join(map(repr, asked.columns.values()))
        raise SourceError(
            f"no label file with the column {told}",
            where=root,
            cure="write its header as it stands in the file",
        )
    framed = any(one.frames for one in recordings)
    videos = [one.name for one in recordings if one.kind == "video"]
    by_names = () if framed else _by_names(root, videos, names)
    return by_names or _labels(root, names, called, asked, _names_files)


def _labels(
    root: Path,
    names: Sequence[str],
    recordings: Sequence[str],
    asked: Asked,
    format_of: Callable[[Path], FormatName | None],
) -> tuple[FoundLabels, ...]:
    """Label files, those of one format together; the ones that label most recordings come first."""
    if asked.labels:
        files = files_of(root, asked.labels, names)
        formats = {recognise(root / name) for name in files if not is_empty(root / name)}
        one_format = formats.pop() if len(formats) == 1 else None
        annotation = asked.annotation(asked.labels, "table" if asked.columns else one_format)
        return (_read(root, annotation, files, recordings),)
    alike: dict[tuple[FormatName, tuple[str, ...]], list[str]] = {}
    broken: dict[FormatName, list[tuple[str, RushesError]]] = {}
    maybe = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    for name in _spread(maybe, LABEL_FILES):
        format: FormatName | None = "table" if PurePosixPath(name).suffix.lower() in TABLES else None
        try:
            format = format_of(root / name)
            columns = _columns(root / name) if format == "table" else ()
        except RushesError as error:
            if format is not None:
                broken.setdefault(format, []).append((name, error))
            continue  # else no labels as far as anybody can tell; it stays among the other files
        if format is not None:
            alike.setdefault((format, columns), []).append(name)
    if tracks := alike.get(("audacity", ())):
        stems = {str(PurePosixPath(name).with_suffix("")): name for name in maybe if is_empty(root / name)}
        tracks += [stems[stem] for stem in places(stems, recordings)[0]]  # where nothing happens
    how = How(fps=asked.fps, columns=asked.columns)
    found = [
        _read(root, asked.annotation(patterns_of(files, names), format), files, recordings)
        for (format, _), several in alike.items()
        for files in _apart(root, several, how)
    ]
    for format, faulty in broken.items():
        names_of, faults = zip(*faulty, strict=True)
        annotation = asked.annotation(tuple(map(glob.escape, names_of)), format)
        found.append(FoundLabels(annotation, names_of, fault=faults[0]))
    return tuple(sorted(found, key=lambda one: (-len(one.of), one.labels is None, one.files)))


def _names_files(path: Path) -> FormatName | None:
    """Of a table that may hold labels of whole files under a header that is no usual word."""
    return "table" if names_files(read_head(path)) else None


def _unlike(root: Path, names: Sequence[str]) -> Mapping[str, RushesError]:
    """Tables that nobody takes for labels -> why, by their headers."""
    found: dict[str, RushesError] = {}
    for name in [name for name in names if PurePosixPath(name).suffix.lower() in TABLES][:MOST_TABLES]:
        try:
            header = parse_rows("\n".join(read_text(root / name).split("\n", 2)[:2]), root / name).header
        except RushesError as error:
            found[name] = error
            continue
        found[name] = SourceError(
            f"no usual header says the file, the times and the label; there are {', '.join(header)}",
            where=root / name,
            cure="say which column is which: rushes init --column file=HEADER --column start=HEADER "
            "--column end=HEADER --column label=HEADER; or rename them",
        )
    return found


def _by_names(root: Path, videos: Sequence[str], others: Sequence[str]) -> tuple[FoundLabels, ...]:
    """Labels that the names of all videos tell: NTU's action, or the folder.

    Folders of somebody's tell none, nor do those that are a recording each.
    """
    stems = [str(PurePosixPath(name).with_suffix("")) for name in videos]
    folders = {PurePosixPath(name).parent.name for name in videos}
    if stems and all(re.fullmatch(NTU, stem) for stem in stems):
        pattern = None
    elif (
        len(folders) > 1
        and all("/" in name for name in videos)
        and not any(map(is_somebody, folders))
        and not _are_recordings(stems, others)
    ):
        pattern = CLASS_FOLDER
    else:
        return ()
    patterns = tuple(sorted({f"**/*{glob.escape(PurePosixPath(name).suffix)}" for name in videos}))
    annotation = Annotation(files=patterns, format="names", pattern=pattern)
    labels = read_all(root, patterns, How.of(annotation, root))
    of = {name: name for name in labels.about if name in set(videos)}
    return (FoundLabels(annotation, tuple(of), labels=labels, of=of),)


def _are_recordings(stems: Sequence[str], others: Sequence[str]) -> bool:
    """Whether most folders of videos hold a table of their own, named after none of the videos."""
    folders = {str(PurePosixPath(stem).parent) for stem in stems}
    known = set(stems)
    tables = {
        str(PurePosixPath(name).parent)
        for name in others
        if name.lower().endswith(MOTIONS)
        and not any(name[:end] in known for end, letter in enumerate(name) if letter == ".")
    }
    return 2 * len(tables & folders) > len(folders)


def _apart(root: Path, files: Sequence[str], how: How) -> list[list[str]]:
    """Label files in sets of which no two name the same recording: others are versions of each other."""
    sets: list[tuple[list[str], set[str]]] = []
    for name in files:
        try:
            named = set(read(root / name, how, str(PurePosixPath(name).with_suffix(""))).about)
        except RushesError:
            named = set()  # told later, with all of its set
        known = next((one for one in sets if not one[1] & named), None)
        if known is None:
            sets.append(([name], named))
        else:
            known[0].append(name)
            known[1].update(named)
    return [names for names, _ in sets]


def patterns_of(files: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Patterns that fit these files and no other, the shortest that can be found.

    >>> patterns_of(["a/1.eaf", "b/2.eaf"], ["a/1.eaf", "b/2.eaf", "c.csv"])
    ('**/*.eaf',)

    Args:
        files: to fit.
        names: of all files.
    """
    if len(files) > 1:
        folders = {str(PurePosixPath(name).parent) for name in files}
        suffix = PurePosixPath(files[0]).suffix
        folder = f"{glob.escape(folders.pop())}/" if len(folders) == 1 else "**/"
        pattern = f"{folder.removeprefix('./')}*{glob.escape(suffix)}"
        names = list(names)
        if sorted(files) == sorted(files_of(Path(), [pattern], names)):
            return (pattern,)
    return tuple(glob.escape(name) for name in files)


def _columns(path: Path) -> tuple[str, ...]:
    return read_rows(path).header


def _read(root: Path, annotation: Annotation, files: Sequence[str], recordings: Sequence[str]) -> FoundLabels:
    """Read label files of one format; frames that nobody gives the rate of are told as such."""
    columns = _columns(root / files[0]) if annotation.format == "table" else ()
    found, how = FoundLabels(annotation, tuple(files), columns), How.of(annotation, root)
    try:
        labels = read_all(root, annotation.files, how)
    except RushesError as error:
        return replace(found, fault=error, counts_frames=_reads_at_a_rate(root, annotation.files, how))
    of, unmatched = places(labels.about, recordings)
    return replace(found, labels=labels, of=of, unmatched=unmatched)


def _reads_at_a_rate(root: Path, patterns: Sequence[str], how: How) -> bool:
    """Whether label files that cannot be read can be, once frames have a rate."""
    if how.fps is not None:
        return False
    try:
        read_all(root, patterns, replace(how, fps=Fraction(25)))
    except RushesError:
        return False
    return True
