"""Products in tars as WebDataset has them: members of one name are a sample, such as 000.jpg, 000.txt, 000.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from rushes.errors import MediaError, RushesError, SourceError
from rushes.media.tarred import TarMember, members, read_member
from rushes.runs.shares import SIDE_OF_NAME
from rushes.stages import RememberedFiles, canonical_json
from rushes.stages.inventory import walk
from rushes.tasks.catalog.recipe import Columns
from rushes.tasks.catalog.sources.item import MAX_BYTES, PicturePlace
from rushes.tasks.catalog.sources.rows import Found, Row
from rushes.tasks.catalog.sources.table import sha256_and_fault

SUFFIX = ".tar"
PICTURES = ("jpg", "jpeg", "png", "webp")
TEXT, META = "txt", "json"
MAX_WORDS = 1_000_000
"""Bytes of a text or JSON."""

_VIEW = "view"


class Seen(NamedTuple):
    """A member as it is remembered; of a picture also its hash, or what is wrong with its head."""

    name: str
    offset: int
    size: int
    sha256: str = ""
    fault: str = ""


def archives_of(root: Path) -> list[str]:
    """Names of the tars below ``root``, in order.

    Raises:
        SourceError: there is none.
    """
    if not root.is_dir():
        raise SourceError("no such folder", where=root, cure="give the folder of the tars as source.root")
    names = [name for name, _ in walk(root) if name.lower().endswith(SUFFIX)]
    if not names:
        raise SourceError(
            "no .tar in this folder",
            where=root,
            cure="give the folder of the tars; unpack a .tar.gz with gunzip",
        )
    return names


def samples_of(
    root: Path, name: str, columns: Columns, seen: RememberedFiles, notes: Counter[str]
) -> Iterator[Row]:
    """The samples of one tar in order.

    Args:
        root: folder of the tars.
        name: of the tar.
        columns: what the keys of its JSON are called; its text is the title where they have none.
        seen: what is known of tars.
        notes: counts members that are of no use here, by their suffix.

    Raises:
        MediaError: the tar cannot be read, or is refused.
    """
    path = root / name
    listed = [Seen(*member) for member in seen.of(path, _listed)]
    *folders, _ = name.split("/")
    side = next((SIDE_OF_NAME[one.lower()] for one in reversed(folders) if one.lower() in SIDE_OF_NAME), None)
    for stem, of in groupby(listed, key=lambda member: _stem(member.name)):
        parts = {_suffix(member.name): member for member in of}
        notes.update(
            suffix for suffix in parts if suffix not in (*PICTURES, TEXT, META) and not _is_view(suffix)
        )
        if not any(suffix in parts for suffix in (*PICTURES, TEXT, META)):
            continue
        where = f"{path}/{stem}"
        cells: Mapping[str, str] = {}
        try:
            cells = _cells(path, parts, columns, where)
            picture: Found | RushesError = _picture(path, parts, where)
        except (SourceError, MediaError) as error:
            picture = error
        views = tuple(
            _found(path, member, where) for suffix, member in sorted(parts.items()) if _is_view(suffix)
        )
        yield Row(where, f"{name}/{stem}", cells, picture, views, side)


def _listed(tar: Path) -> list[Seen]:
    """Every member that is of use, pictures with their hashes."""
    return [_seen(tar, member) for member in members(tar)]


def _seen(tar: Path, member: TarMember) -> Seen:
    suffix = _suffix(member.name)
    if suffix not in PICTURES and not _is_view(suffix):
        return Seen(*member)
    if member.size > MAX_BYTES:
        return Seen(*member, fault=f"a picture of at most {MAX_BYTES:,} bytes is read, found {member.size:,}")
    data = read_member(tar, member.offset, member.size)
    return Seen(*member, *sha256_and_fault(data, f"{tar}/{member.name}"))


def _stem(name: str) -> str:
    """Name of the sample: up to the first dot of the file's own name."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}" if folder else file.partition(".")[0]


def _suffix(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _is_view(suffix: str) -> bool:
    view, _, kind = suffix.partition(".")
    return view.startswith(_VIEW) and kind in PICTURES


def _picture(path: Path, parts: Mapping[str, Seen], where: str) -> Found | RushesError:
    member = next((parts[suffix] for suffix in PICTURES if suffix in parts), None)
    if member is None:
        raise SourceError(
            f"a sample without a picture: {', '.join(sorted(parts))}",
            where=where,
            cure=f"pack a {' or '.join(PICTURES)} beside them",
        )
    return _found(path, member, where)


def _found(path: Path, member: Seen, where: str) -> Found | RushesError:
    if member.fault:
        cure = "replace the picture, or leave the sample out"
        return MediaError(f"{member.name}: {member.fault}", where=where, cure=cure)
    return Found(PicturePlace(path, member.offset, member.size), member.sha256)


def _cells(path: Path, parts: Mapping[str, Seen], columns: Columns, where: str) -> dict[str, str]:
    """What JSON and text say, all of it as text."""
    cells: dict[str, str] = {}
    if META in parts:
        try:
            told = json.loads(_words(path, parts[META], where))
        except (ValueError, RecursionError) as error:
            raise SourceError(f"not JSON: {error}"[:200], where=where, cure="pack the sample again") from None
        if not isinstance(told, dict):
            raise SourceError("its JSON is no object", where=where, cure="pack an object of names and values")
        cells = {str(name): _text(value) for name, value in told.items()}
    if TEXT in parts and not cells.get(columns.name):
        cells[columns.name] = _words(path, parts[TEXT], where)
    return cells


def _words(path: Path, member: Seen, where: str) -> str:
    if member.size > MAX_WORDS:
        raise SourceError(
            f"{member.name}: words of {member.size:,} bytes, at most {MAX_WORDS:,} are read", where=where
        )
    try:
        return read_member(path, member.offset, member.size).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{member.name}: not UTF-8", where=where, cure="pack it as UTF-8") from None


def _text(value: Any) -> str:
    """A value of JSON as a cell of a table has it: what is missing is empty."""
    if value is None or value != value:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
