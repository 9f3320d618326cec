"""Rows as samples: files of one name, as 000.jpg, 000.txt and 000.json, in tars of WebDataset or loose."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from rushes.errors import MediaError, SourceError
from rushes.media.tarred import TarMember, members, read_member
from rushes.runs.pictured.row import MAX_BYTES, Found, Lost, PicturePlace, Row, sha256_and_fault
from rushes.runs.pictured.table import require_folder
from rushes.runs.shares import SIDE_OF_NAME
from rushes.stages import RememberedFiles, canonical_json
from rushes.stages.inventory import leaves, walk

SUFFIX = ".tar"
PICTURES = ("jpg", "jpeg", "png", "webp")
TEXT, META = "txt", "json"
MAX_WORDS = 1_000_000
"""Bytes of a text or JSON."""

_VIEW = "view"


class Part(NamedTuple):
    """A file of a sample.

    Attributes:
        path: of the tar, or its own.
        split: name of the sample, and suffix.
        name: below the tar or the root.
        offset, size: of its bytes in ``path``.
        sha256: of a picture's bytes.
        fault: what is wrong with its head, or with the file.
    """

    path: Path
    split: tuple[str, str]
    name: str
    offset: int
    size: int
    sha256: str
    fault: str


def archives_of(root: Path) -> list[str]:
    """Names of the tars below ``root``, in order.

    Raises:
        SourceError: there is none.
    """
    require_folder(root)
    names = [name for name, _ in walk(root) if name.lower().endswith(SUFFIX)]
    if not names:
        raise SourceError(
            "no .tar in this folder",
            where=root,
            cure="give the folder of the tars; unpack a .tar.gz with gunzip",
        )
    return names


def samples_in(tar: Path) -> bool:
    """Whether a tar begins with a picture and its words."""
    try:
        names = [member.name for member in islice(members(tar), 16)]
    except MediaError:
        return False
    suffixes = {_first_dot(name)[1] for name in names}
    return bool(suffixes & {*PICTURES}) and bool(suffixes & {TEXT, META})


def samples_in_tar(
    root: Path, name: str, title: str, seen: RememberedFiles, ignored: Counter[str]
) -> Iterator[Row]:
    """The samples of one tar in order.

    Args:
        root: folder of the tars.
        name: of the tar.
        title: column of the title: its text, where its JSON has none.
        seen: what is known of tars.
        ignored: counts members that are of no use here, by their suffix.

    Raises:
        MediaError: the tar cannot be read, or is refused.
    """
    path = root / name
    listed = [Part(path, _first_dot(member[0]), *member) for member in seen.of(path, _listed)]
    *folders, _ = name.split("/")
    side = next((SIDE_OF_NAME[one.lower()] for one in reversed(folders) if one.lower() in SIDE_OF_NAME), None)
    for stem, parts in _samples(listed, ignored):
        yield _row(f"{path}/{stem}", f"{name}/{stem}", parts, title, side)


def samples_in_folder(
    root: Path, title: str, label: str, seen: RememberedFiles
) -> Iterator[tuple[Row, list[str]]]:
    """The samples below a folder in order, each with the names of its words' files.

    Args:
        root: the folder.
        title: column of the title: its text, where its JSON has none.
        label: column of the class: the name of the folder that a picture lies in, likewise.
        seen: what is known of pictures.

    Raises:
        SourceError: there is no such folder.
    """
    require_folder(root)
    listed = []
    for name, size in walk(root):
        stem, _, suffix = name.rpartition(".")
        if suffix.lower() not in (*PICTURES, TEXT, META) or any(
            part.startswith(".") for part in name.split("/")
        ):
            continue
        sha256, fault = "", ""
        if leaves(root, root / name):
            fault = "a link that leads out of the folder or nowhere, or no file"
        elif suffix.lower() in PICTURES:
            sha256, fault = seen.of(
                root / name, lambda path: sha256_and_fault(PicturePlace(path).read(), path)
            )
        listed.append(Part(root / name, (stem, suffix.lower()), name, 0, size, sha256, fault))
    for stem, parts in _samples(sorted(listed, key=lambda part: part.split), Counter()):
        if any(suffix in parts for suffix in PICTURES):  # words alone may be anything
            row = _row(f"{root}/{stem}", stem, parts, title, None)
            folder = stem.rpartition("/")[0].rpartition("/")[2]
            cells = {label: folder, **row.cells} if folder else row.cells
            words = [parts[suffix].name for suffix in (TEXT, META) if suffix in parts]
            picture = next(parts[suffix].name for suffix in PICTURES if suffix in parts)
            yield replace(row, cells=cells, picture=replace(row.picture, name=picture)), words


def _samples(listed: Iterable[Part], ignored: Counter[str]) -> Iterator[tuple[str, dict[str, Part]]]:
    """Name of each sample with its parts by their suffixes; those of one name stand together."""
    for stem, of in groupby(listed, key=lambda part: part.split[0]):
        parts = {part.split[1]: part for part in of}
        known = {suffix for suffix in parts if suffix in (*PICTURES, TEXT, META) or _is_view(suffix)}
        ignored.update(parts.keys() - known)
        if known:
            yield stem, parts


def _row(where: str, name: str, parts: Mapping[str, Part], title: str, side: str | None) -> Row:
    cells: Mapping[str, str] = {}
    try:
        cells = _cells(parts, title, where)
        picture: Found | Lost = _picture(parts, where)
    except (SourceError, MediaError) as error:
        picture = Lost(error)
    views = tuple(_found(part, where) for suffix, part in sorted(parts.items()) if _is_view(suffix))
    return Row(where, name, cells, picture, views, side)


def _listed(tar: Path) -> list[tuple[str, int, int, str, str]]:
    """Name, offset, size, hash and fault of every member; hash and fault of pictures alone."""
    return [_seen(tar, member) for member in members(tar)]


def _seen(tar: Path, member: TarMember) -> tuple[str, int, int, str, str]:
    _, suffix = _first_dot(member.name)
    if suffix not in PICTURES and not _is_view(suffix):
        return *member, "", ""
    if member.size > MAX_BYTES:
        return *member, "", f"a picture of at most {MAX_BYTES:,} bytes is read, found {member.size:,}"
    data = read_member(tar, member.offset, member.size)
    return *member, *sha256_and_fault(data, f"{tar}/{member.name}")


def _first_dot(name: str) -> tuple[str, str]:
    """Name of the sample and suffix of the part, as WebDataset splits them.

    >>> _first_dot("a.b/000.view0.JPG")
    ('a.b/000', 'view0.jpg')
    """
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _is_view(suffix: str) -> bool:
    view, _, kind = suffix.partition(".")
    return view.startswith(_VIEW) and kind in PICTURES


def _picture(parts: Mapping[str, Part], where: str) -> Found | Lost:
    part = next((parts[suffix] for suffix in PICTURES if suffix in parts), None)
    if part is None:
        raise SourceError(
            f"a sample without a picture: {', '.join(sorted(parts))}",
            where=where,
            cure=f"pack a {' or '.join(PICTURES)} beside them",
        )
    return _found(part, where)


def _found(part: Part, where: str) -> Found | Lost:
    if part.fault:
        cure = "replace the picture, or leave the sample out"
        return Lost(MediaError(f"{part.name}: {part.fault}", where=where, cure=cure))
    return Found(PicturePlace(part.path, part.offset, part.size), part.sha256)


def _cells(parts: Mapping[str, Part], title: str, where: str) -> dict[str, str]:
    """What JSON and text say, all of it as text."""
    cells: dict[str, str] = {}
    if META in parts:
        try:
            told = json.loads(_words(parts[META], where))
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"not JSON: {error}"[:200], where=where, cure="write the sample again"
            ) from None
        if not isinstance(told, dict):
            raise SourceError(
                "its JSON is no object", where=where, cure="write an object of names and values"
            )
        cells = {str(name): _text(value) for name, value in told.items()}
    if TEXT in parts and not cells.get(title):
        cells[title] = _words(parts[TEXT], where)
    return cells


def _words(part: Part, where: str) -> str:
    if part.fault or part.size > MAX_WORDS:
        told = part.fault or f"words of {part.size:,} bytes, at most {MAX_WORDS:,} are read"
        raise SourceError(
            f"{part.name}: {told}", where=where, cure="replace the file, or leave the sample out"
        )
    try:
        return read_member(part.path, part.offset, part.size).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{part.name}: not UTF-8", where=where, cure="write it as UTF-8") from None


def _text(value: Any) -> str:
    """A value of JSON as a cell of a table has it: what is missing is empty."""
    if value is None or value != value:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
