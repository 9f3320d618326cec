"""Sounds inside of a tar or tar.gz: streamed from first to last byte, never unpacked.

An archive with a link, a device, a name that leaves its folder or a member beyond `MAX_BYTES` is refused as a
whole, and so is one that is cut or whose checksum is wrong. Members that are no sound, or of no class that is
asked for, are passed over, each with its claim.
"""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MediaError, SourceError, unreadable_as
from rushes.media.tarred import TarStream, is_file_or_folder, is_plain_name
from rushes.records import SoundRecording
from rushes.runs.shares import SIDE_OF_NAME
from rushes.stages import Claim
from rushes.stages.inventory import unread
from rushes.tasks.sounds.sources.blocks import (
    BYTES_PER_S,
    MAX_BYTES,
    Place,
    is_sound,
    key_of,
    not_asked,
    place_by,
    require_size,
)

METADATA = "metadata.csv"
NOT_THERE = f"{METADATA} names it; it is not there, or is no sound"
NO_CLASS = "no class can be told by its name"
CORRECT = "correct the line, or fetch the data again"
MAX_PADDING = 1 << 20
"""Bytes behind the end of the archive inside of its file; tar fills up to 10 kB."""

_EMPTY = bytes(tarfile.BLOCKSIZE)
_AGAIN = "fetch the archive again; it is cut or damaged"
_BROKEN = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError, RecursionError)
"""Among them what gzip raises, an OSError, and headers of headers without end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How names tell classes.

    Attributes:
        labels: folders that are classes.
        pattern: of a whole name, with the named group ``label`` and perhaps ``group``; None takes the nearest
            folder that is one of ``labels``, and for the group the file's name up to its first ``_``.
    """

    labels: tuple[str, ...]
    pattern: str | None = None

    def place(self, name: str) -> Place | None:
        """Class and group of the sound ``name``; None where its name tells no class.

        >>> Layout(("quiet", "snore")).place("train/snore/P01_003.wav")
        Place(label='snore', group='P01', side=None)
        """
        if self.pattern is not None:
            return place_by(self.pattern, name)
        *folders, file = name.split("/")
        label = next((folder for folder in reversed(folders) if folder in self.labels), None)
        group, separator, _ = file.partition("_")
        return None if label is None else Place(label, group if separator else "")


@dataclass(frozen=True, slots=True)
class ArchiveBlock:
    """The sounds of one side that lie in one archive.

    Attributes:
        key: unique in the dataset.
        split: their side.
        path: a ``.tar``, ``.tar.gz`` or ``.tgz``.
        layout: how its names tell classes; where it has no pattern, a ``metadata.csv`` that is the archive's
            first file tells them instead, by its columns ``file_name``, ``label`` and perhaps ``group``.
        wanted: classes that are asked for.
    """

    key: str
    split: str
    path: Path
    layout: Layout
    wanted: tuple[str, ...]

    @property
    def length_s(self) -> float:
        """By size; noise does not shrink."""
        return self.path.stat().st_size / BYTES_PER_S

    def __iter__(self) -> Iterator[tuple[SoundRecording | Claim, bytes | MediaError]]:
        """Each member in order: a sound of a class that is asked for, whole, else its claim.

        Last those that the table names in vain, with the reason in place of bytes.

        Raises:
            MediaError: the archive is cut, damaged or refused, which shows at the latest behind its last
                sound; two of its sounds have one name; or a member is another side's.
            SourceError: its table does not hold.
        """
        for _, found, data in self.members():
            yield found, data

    def members(self) -> Iterator[tuple[str, SoundRecording | Claim, bytes | MediaError]]:
        """The same, with the name of each member."""
        table: dict[str, Place] | None = None
        seen: set[str] = set()
        for number, (name, data) in enumerate(_read(self.path)):
            self._require_own(name)
            if number == 0 and self.layout.pattern is None and name.rsplit("/", 1)[-1] == METADATA:
                table = read_table(data, name, f"{self.path}/{name}")
                yield name, Claim("read", "tables"), data
                continue
            if not is_sound(name, io.BytesIO(data).read):
                yield name, unread(name), data
                continue
            key, place = self._key(name), self.layout.place(name) if table is None else table.get(name)
            if key in seen:
                raise MediaError(
                    "two sounds have this name", where=self.path / name, cure="pack each file once"
                )
            seen.add(key)
            yield name, Claim("skipped", NO_CLASS, key) if place is None else self._asked(name, place), data
        for name, place in (table or {}).items():
            if self._key(name) not in seen and place.label in self.wanted:
                error = MediaError(NOT_THERE, where=self.path / name, cure=CORRECT)
                yield name, self._asked(name, place), error

    def _require_own(self, name: str) -> None:
        """Refuse a member that lies in the folder of another side: archives were renamed, or packed wrong."""
        folder, inside, _ = name.partition("/")
        if inside and self.layout.pattern is None and SIDE_OF_NAME.get(folder, self.split) != self.split:
            raise MediaError(
                f"an archive of side {self.split} with a member of {folder}",
                where=self.path / name,
                cure="give the archives the names that they were published with",
            )

    def _key(self, name: str) -> str:
        return key_of(f"{self.split}/{name.removeprefix(f'{self.key}/')}")

    def _asked(self, name: str, place: Place) -> SoundRecording | Claim:
        key = self._key(name)
        if place.label not in self.wanted:
            return not_asked(place.label, key)
        return SoundRecording(key, place.group, self.split, place.label, self.path / name)


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file of a tar, which may be gzipped."""
    with (
        unreadable_as(MediaError, "cannot be read as a tar", where=path, cure=_AGAIN, errors=_BROKEN),
        path.open("rb") as raw,
    ):
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with closing(gzip.GzipFile(fileobj=raw) if packed else raw) as file:
            stream = TarStream(file, MAX_BYTES)
            with tarfile.TarFile(fileobj=stream, mode="r", errorlevel=2) as archive:
                for member in archive:
                    # tarfile would keep a record of every member; typeshed does not know the attribute.
                    archive.members = []  # type: ignore[attr-defined]
                    _require_plain(path, member)
                    if member.isreg():
                        data = stream.read(member.size) if stream.seek(member.offset_data) else b""
                        if len(data) < member.size:
                            raise EOFError("a member is cut")
                        yield member.name.removeprefix("./"), data
            if stream.last != _EMPTY:
                raise EOFError("its end is missing, or a header is damaged")
            if len(file.read(MAX_PADDING + 1)) > MAX_PADDING:
                raise ValueError("there is more behind its end")


def _require_plain(path: Path, member: tarfile.TarInfo) -> None:
    if not is_file_or_folder(member):
        raise MediaError(
            "an archive of sounds holds files and folders only, found a link or a device",
            where=f"{path}/{member.name}",
            cure="pack the files themselves: tar --dereference -czf ARCHIVE FOLDER",
        )
    if not is_plain_name(member):
        raise MediaError(
            f"a member may not be called {member.name[:80]!r}",
            where=path,
            cure="fetch the archive from its source again; its names should be plain file names",
        )
    require_size(member.size, f"{path}/{member.name}")


def read_table(data: bytes, name: str, where: str) -> dict[str, Place]:
    """Member -> place, out of a ``metadata.csv`` whose names are relative to its folder."""
    folder = name[: -len(METADATA)]
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"not a table: {error}", where=where, cure=_AGAIN) from error
    places: dict[str, Place] = {}
    for line, row in enumerate(rows, 2):
        file, label = row.get("file_name"), row.get("label")
        if not file or not label:
            raise SourceError(
                "each line needs file_name and label", where=f"{where}:{line}", cure="complete the line"
            )
        if places.setdefault(folder + file, Place(label, row.get("group") or "")).label != label:
            raise SourceError(f"{file} has two classes", where=f"{where}:{line}", cure="leave one line")
    return places
