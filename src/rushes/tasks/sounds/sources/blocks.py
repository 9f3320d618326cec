"""Blocks of sounds: what a copy of a dataset holds, cut into units of work that are read linearly.

    for recording, data in block:       # the bytes of each file, in order; nothing is decoded

A sound is too small to be a unit of work. A block is a list of files (`FileBlock`) or one archive
(`rushes.tasks.sounds.sources.archive.ArchiveBlock`); a scan lists blocks and what is left out, and reads no sound.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from rushes.errors import MediaError, SourceError, is_of_the_machine, unreadable_as
from rushes.media.audio_kinds import HEAD, SUFFIXES, kind_of
from rushes.recipe.pattern import match_whole
from rushes.records import SoundRecording, hashed_key
from rushes.runs.shares import SIDE_OF_NAME
from rushes.runs.source import Fault
from rushes.stages import Claim
from rushes.stages.inventory import leaves, walk
from rushes.tasks.sounds.sources.sides import SIDES

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

    def __iter__(self) -> Iterator[tuple[SoundRecording | Claim, bytes | MediaError]]:
        """Each recording with the bytes of its file, or why it has none; of what gives no sample the claim.

        Raises:
            MediaError: what holds all the sounds cannot be read, or is refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a sound by its name, or by a line of a table.

    Attributes:
        label: its class.
        group: whose it is; empty where that is not known.
        side: train, val or test; None where that is not known.
    """

    label: str
    group: str = ""
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
    return Place(label, told.get("group") or "", SIDE_OF_NAME.get(said.lower()) if said else side)


@dataclass(frozen=True, slots=True)
class SoundScan:
    """What a copy of a dataset holds.

    Attributes:
        root: of the dataset.
        blocks: units of work, in order of side and key.
        claims: name below the root -> what becomes of the file; others are nobody's.
        faults: files that are asked for and do not hold.
    """

    root: Path
    blocks: tuple[Sounds, ...]
    claims: Mapping[str, Claim]
    faults: tuple[Fault, ...]

    @property
    def skipped(self) -> dict[str, str]:
        """Key of each sound that the recipe does not ask for -> why."""
        return {
            claim.recording: claim.reason
            for claim in self.claims.values()
            if claim.fate == "skipped" and claim.recording
        }


def claim_of(found: SoundRecording | Fault) -> Claim:
    """What becomes of the file of a sound that is asked for."""
    if isinstance(found, Fault):
        return Claim("faulty", found.message, found.key)
    return Claim("used", "sounds", found.key)


def not_asked(label: str, key: str) -> Claim:
    """What becomes of a sound of another class."""
    return Claim("skipped", f"class {label} is not asked for", key)


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
    return hashed_key(name.rsplit(".", 1)[0], name)


def is_sound(name: str, read: Callable[[int], bytes]) -> bool:
    """Whether a file is taken for a sound: by the end of its name, else by its bytes; hidden files are none.

    Args:
        name: of the file, with ``/``.
        read: gives so many of its first bytes, or as many as there are.
    """
    if any(part.startswith(".") for part in name.split("/")):
        return False
    return name.lower().endswith(SUFFIXES) or kind_of(read(HEAD)) is not None


def names_of_sounds(root: Path) -> list[str]:
    """The names, relative to ``root`` and in order, of the files below it that are taken for sounds.

    Raises:
        SourceError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise SourceError("no such folder", where=root, cure="give the folder of the sounds as source.root")
    return [name for name, _ in walk(root) if is_sound(name, partial(_head, root, name))]


def _head(root: Path, name: str, size: int) -> bytes:
    """The first bytes of a file; none of one that is none, or that may not be read."""
    if leaves(root, root / name):
        return b""
    try:
        with (root / name).open("rb") as file:
            return file.read(size)
    except OSError as error:
        if is_of_the_machine(error):
            raise
        return b""


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


def take(root: Path, name: str, key: str, side: str, place: Place) -> tuple[SoundRecording, int] | Fault:
    """The file ``name`` below ``root`` as a recording with its size, or why it is none."""
    path = root / name
    try:
        if leaves(root, path):
            raise SourceError(
                "no file: a link that leads out of the dataset or nowhere, or a pipe",
                where=path,
                cure="copy the sound itself here",
            )
        if _NOT_UTF8.search(place.group or name):
            raise SourceError(
                "a name that is no UTF-8, which no table can hold", where=path, cure="rename the file"
            )
        if not os.access(path, os.R_OK):
            raise SourceError("this user may not read it", where=path, cure=f"chmod u+r {path}")
        size = path.stat().st_size
        require_size(size, path)
        if size == 0:
            raise MediaError("a file of 0 bytes", where=path, cure="copy the file again")
    except (SourceError, MediaError) as error:
        return Fault.of(error, key)
    return SoundRecording(key, place.group, side, place.label, path), size


def fingerprint_of(root: Path, claims: Mapping[str, Claim]) -> str:
    """SHA-256 of the files below ``root`` that are claimed to be read, wherever they lie and whenever they were copied.

    Path, size, first and last 16 kB of each count: of a gzip that is its checksum too; smaller files, and
    tables up to 100 MB, count with every byte.

    Returns:
        64 hex digits.
    """
    whole = hashlib.sha256()
    for name, claim in sorted(claims.items()):
        if claim.fate not in ("used", "read"):
            continue
        with (root / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            part = hashlib.sha256(file.read(MAX_BYTES if claim.fate == "read" else _SAMPLE_BYTES))
            file.seek(max(file.tell(), size - _SAMPLE_BYTES))
            part.update(file.read(_SAMPLE_BYTES))
        whole.update(f"{name}\0{size}\0{part.hexdigest()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()
