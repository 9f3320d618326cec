"""Blocks of sounds: what a copy of a dataset holds, cut into units of work that are read linearly.

    for recording, data in block:       # the bytes of each file, in order; nothing is decoded

A sound is too small to be a unit of work. A block is a list of files (`FileBlock`) or one archive
(`rushes.tasks.sounds.sources.archive.ArchiveBlock`); a scan lists blocks and what is left out, and reads no sound.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rushes.errors import MediaError, SourceError, unreadable_as
from rushes.recipe.pattern import match_whole
from rushes.records import SoundRecording

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")
"""Of files that are taken for sounds; all others are passed over, and counted."""

SIDES = ("train", "val", "test")
SIDE_OF_NAME = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"} | {
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
"""What sides are called in folders and tables."""

BLOCK = 256
"""Sounds of a `FileBlock` at most."""

MAX_BYTES = 100_000_000
"""Of one sound: ten minutes of the richest format."""

BYTES_PER_S = 32_000.0
"""Of a sound whose rate nobody has read: 16 kHz, 16 bits. Good for an order of units, not for a length."""

_SAMPLE_BYTES = 16_384
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")  # what Python makes of such bytes in names


class Sounds(Protocol):
    """A unit of work: frozen, small, and the same in another process."""

    @property
    def key(self) -> str:
        """Unique in the dataset."""
        ...

    @property
    def split(self) -> str:
        """Train, val or test."""
        ...

    @property
    def length_s(self) -> float:
        """About how long it is: the longest block comes first."""
        ...

    def __iter__(self) -> Iterator[tuple[SoundRecording, bytes | MediaError]]:
        """Each recording with the bytes of its file, or why it has none.

        Raises:
            MediaError: what holds all the sounds cannot be read, or is refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file is set aside, or, where ``kind`` is ``Skipped``, why so many of them are.

    Attributes:
        key: of the recording; of skipped ones, of the reason.
        split: side on which it would stand; empty where that cannot be told.
        kind: the error's name, or ``Skipped``.
        message: what was expected and what was found.
        where: the file, with its line after a colon where it has lines.
        cure: what to change.
        count: files that it stands for.
    """

    key: str
    split: str
    kind: str
    message: str
    where: str
    cure: str
    count: int = 1

    def reason(self) -> dict[str, str]:
        """The entry for a stage's quarantine."""
        return {"type": self.kind, "message": self.message, "where": self.where, "cure": self.cure}


def skipped_for(reasons: Mapping[str, int], root: Path) -> tuple[Fault, ...]:
    """One entry for each reason for which files below ``root`` were passed over, with how many."""
    return tuple(
        Fault(key_of(reason), "", "Skipped", reason, str(root), "", count)
        for reason, count in sorted(reasons.items())
        if count
    )


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a sound by its name, or by a line of a table.

    Attributes:
        label: its class.
        group: whose it is; the sound's own name where that is not known.
        side: train, val or test; None where that is not known.
    """

    label: str
    group: str
    side: str | None = None


def place_by(pattern: str, name: str, side: str | None = None) -> Place | None:
    """What a pattern tells of the sound ``name``; None where that is no class.

    Args:
        pattern: of a whole name, with the named group ``label`` and perhaps ``group`` and ``split``.
        name: of the sound.
        side: on which it stands where the pattern does not say.

    Raises:
        RecipeError: the pattern takes too long, see `match_whole`.
    """
    told = match_whole(pattern, name, "source.pattern")
    if told is None or not (label := told["label"]):
        return None
    said = told.get("split")
    return Place(label, told.get("group") or name, SIDE_OF_NAME.get(said.lower()) if said else side)


@dataclass(frozen=True, slots=True)
class SoundScan:
    """What a copy of a dataset holds.

    Attributes:
        root: of the dataset.
        blocks: units of work, in order of side and key.
        skipped: files that the recipe does not ask for, one entry for each reason.
        faults: files that are asked for and do not hold.
    """

    root: Path
    blocks: tuple[Sounds, ...]
    skipped: tuple[Fault, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Sounds of one side that are files.

    Attributes:
        key: unique in the dataset.
        split: their side.
        recordings: in order of path.
        size_bytes: of all files.
    """

    key: str
    split: str
    recordings: tuple[SoundRecording, ...]
    size_bytes: int

    @property
    def length_s(self) -> float:
        """By size."""
        return self.size_bytes / BYTES_PER_S

    def __iter__(self) -> Iterator[tuple[SoundRecording, bytes | MediaError]]:
        """Each file, whole; or why it cannot be read.

        Raises:
            OSError: the machine refuses to read it.
        """
        for recording in self.recordings:
            try:
                yield recording, _whole(recording.path)
            except MediaError as error:
                yield recording, error


def _whole(path: Path) -> bytes:
    with (
        unreadable_as(MediaError, "cannot be read", where=path, cure="check the file and its disk"),
        path.open("rb") as file,
    ):
        data = file.read(MAX_BYTES + 1)
    require_size(len(data), path)
    return data


def blocks_of(recordings: Iterable[tuple[SoundRecording, int]]) -> tuple[FileBlock, ...]:
    """Cut recordings, each with its size in bytes and its side, into blocks of one side, `BLOCK` at most."""
    by_side: dict[str, list[tuple[SoundRecording, int]]] = {side: [] for side in SIDES}
    for recording, size in sorted(recordings, key=lambda entry: entry[0].path):
        by_side[recording.split].append((recording, size))
    return tuple(
        FileBlock(
            key=f"{side}-{start // BLOCK:05d}",
            split=side,
            recordings=tuple(recording for recording, _ in listed[start : start + BLOCK]),
            size_bytes=sum(size for _, size in listed[start : start + BLOCK]),
        )
        for side, listed in by_side.items()
        for start in range(0, len(listed), BLOCK)
    )


def key_of(name: str) -> str:
    """The key of the sound called ``name``, its path in the dataset: legible, and unique by its last digits.

    >>> key_of("train/snore/P01_003.wav")
    'train-snore-P01_003-2f3e506390'
    """
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", name.rsplit(".", 1)[0]).strip("-")
    return f"{stem[-48:]}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:10]}".lstrip(
        "-"
    )


def is_sound(name: str) -> bool:
    """Whether a file is taken for a sound, by its name; hidden files are none."""
    return name.lower().endswith(SUFFIXES) and not name.rsplit("/", 1)[-1].startswith(".")


def require_size(size: int, where: object) -> None:
    """Refuse a sound that is too large.

    Raises:
        MediaError: says its size.
    """
    if size > MAX_BYTES:
        raise MediaError(
            f"at most {MAX_BYTES:,} bytes are read of a sound, found {size:,}",
            where=where,
            cure="cut it into clips",
        )


def require_apart(places: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """See that no group stands on two sides.

    Args:
        places: group, side and name of each sound.

    Returns:
        Group -> side.

    Raises:
        SourceError: names the group, and one of its sounds on either side.
    """
    first_of: dict[str, tuple[str, str]] = {}
    for group, side, name in places:
        first_side, first = first_of.setdefault(group, (side, name))
        if first_side != side:
            raise SourceError(
                f"group {group} stands on two sides: {first} on {first_side}, {name} on {side}",
                where=name,
                cure="put all sounds of a group on one side, or say with source.pattern what a group is",
            )
    return {group: side for group, (side, _) in first_of.items()}


def walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below ``root`` that are not hidden, with their paths relative to it, in order of path.

    Raises:
        SourceError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise SourceError("no such folder", where=root, cure="give the folder of the sounds as source.root")
    found: list[tuple[str, os.DirEntry[str]]] = []
    waiting = [("", str(root))]
    while waiting:
        prefix, place = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{entry.name}/", entry.path))
                else:
                    found.append((prefix + entry.name, entry))
    yield from sorted(found, key=lambda pair: pair[0])


def leaves(root: Path, entry: os.DirEntry[str]) -> bool:
    """Whether a file is a link that leads out of ``root``, or nowhere, or to no file."""
    if not entry.is_symlink():
        return not entry.is_file()
    target = Path(entry.path).resolve()
    return not (target.is_file() and target.is_relative_to(root.resolve()))


def take(
    root: Path, entry: os.DirEntry[str], key: str, side: str, place: Place
) -> tuple[SoundRecording, int] | Fault:
    """A file as a recording with its size, or why it is none."""
    try:
        if leaves(root, entry):
            raise SourceError(
                "a link that leads out of the dataset, or nowhere",
                where=entry.path,
                cure="copy the file here",
            )
        if _NOT_UTF8.search(place.group):
            raise SourceError(
                "a name that is no UTF-8, which no table can hold", where=entry.path, cure="rename the file"
            )
        size = entry.stat().st_size
        require_size(size, entry.path)
    except (SourceError, MediaError) as error:
        return Fault(key, side, type(error).__name__, error.message, str(error.where), error.cure or "")
    return SoundRecording(key, place.group, side, place.label, Path(entry.path)), size


def fingerprint_of(root: Path, suffixes: Sequence[str]) -> str:
    """SHA-256 of the files below ``root`` with these suffixes, wherever it lies and whenever it was copied.

    Path, size, first and last 16 kB of each count: of a gzip that is its checksum too; smaller files, and
    tables up to 100 MB, count with every byte.

    Returns:
        64 hex digits.
    """
    whole = hashlib.sha256()
    for name, entry in walk(root):
        if not name.lower().endswith(tuple(suffixes)) or leaves(root, entry):
            continue
        with open(entry.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            part = hashlib.sha256(file.read(MAX_BYTES if name.endswith(".csv") else _SAMPLE_BYTES))
            file.seek(max(file.tell(), size - _SAMPLE_BYTES))
            part.update(file.read(_SAMPLE_BYTES))
        whole.update(f"{name}\0{size}\0{part.hexdigest()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()
