"""A table with a folder of pictures, or with their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rushes.annotations.rows import Table
from rushes.errors import MediaError, RushesError, SourceError
from rushes.media.picture import require_picture
from rushes.recipe_file import near
from rushes.runs.pictured.row import MAX_BYTES, Found, Lost, PicturePlace, Row, sha256_and_fault
from rushes.stages import RememberedFiles
from rushes.stages.inventory import leaves
from rushes.storage.web import Bounds, bring_files, is_address

SUFFIXES = (".csv", ".tsv", ".parquet")
SUFFIXES_OF_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
WEB = "pictures"
SEPARATOR = "|"
"""Between the views of a row."""

_COPY = "copy the picture there, or correct the row"


def require_folder(root: Path) -> None:
    """Refuse a root that is no folder.

    Raises:
        SourceError: it is none.
    """
    if not root.is_dir():
        raise SourceError("no such folder", where=root, cure="give the folder of the pictures as source.root")


def table_of(root: Path, name: str | None) -> Path:
    """The table below a root; without a ``name`` the only one that lies in it.

    Raises:
        SourceError: there is none, or there are several, or it lies outside of ``root``.
    """
    require_folder(root)
    found = sorted(path.name for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if name is not None:
        path = root / name
        if leaves(root, path) or ".." in Path(name).parts:
            raise SourceError(
                f"no such table below source.root; {near(name, found)}",
                where=path,
                cure="correct source.table, a CSV or Parquet",
            )
        return path
    if not found:
        raise SourceError(
            f"one table {' or '.join(SUFFIXES)} is looked for in this folder, found none",
            where=root,
            cure="put it there; tars of samples need source.kind: webdataset, pictures with words source.kind: folder",
        )
    if len(found) > 1:
        raise SourceError(
            f"one table is looked for in this folder, found {', '.join(found[:5])}{' ...' * (len(found) > 5)}",
            where=root,
            cure="name the one of the items: " + " or ".join(f"source.table: {one}" for one in found[:5]),
        )
    return root / found[0]


def rows_of(
    table: Table, root: Path, column: str, views: str | None, web: Path | None, seen: RememberedFiles
) -> Iterator[Row]:
    """The rows of a table in order, each with its pictures.

    Args:
        table: of the rows.
        root: folder that paths begin at.
        column: of pictures.
        views: column of further pictures, with `SEPARATOR` between them; None, or one that is not there, for none.
        web: folder for pictures that are brought from addresses; None where there is no room for them.
        seen: what is known of picture files.

    Raises:
        SourceError: pictures are at addresses, and ``web`` is None.
        StorageError: they are, and this machine's owner does not allow it.
    """
    brought = _brought(table, column, views, web)
    look = partial(_found, root, brought, seen)
    for where, cells in table.dicts():
        told = [text.strip() for text in cells.get(views or "", "").split(SEPARATOR)]
        yield Row(
            where,
            f"{table.path.name}-{where.rpartition(':')[2]}",
            cells,
            look(cells[column].strip(), where),
            tuple(look(view, where) for view in told if view),
        )


def _brought(
    table: Table, column: str, views: str | None, web: Path | None
) -> Mapping[str, Path | RushesError]:
    """Address of each picture that stands elsewhere -> its copy here, or why there is none."""
    cells = [
        text for _, row in table.dicts() for text in (row[column], *row.get(views or "", "").split(SEPARATOR))
    ]
    urls = [text.strip() for text in cells if is_address(text.strip())]
    if not urls:
        return {}
    if web is None:
        raise SourceError(
            "pictures at addresses need a workspace to be brought to",
            where=urls[0],
            cure="name one: --workspace",
        )
    return bring_files(urls, web / WEB, require_picture, Bounds(file_bytes=MAX_BYTES))


def _found(
    root: Path, brought: Mapping[str, Path | RushesError], seen: RememberedFiles, text: str, where: str
) -> Found | Lost:
    """The picture that a cell names, or what is wrong with it."""
    name = ""
    try:
        if not text:
            raise SourceError("no picture is named", where=where, cure="fill the cell, or remove the row")
        if text in brought:
            copy = brought[text]
            if isinstance(copy, RushesError):
                return Lost(type(copy)(f"{copy.message} ({text})", where=where, cure=copy.cure))
            path = copy
        else:
            name = _below(root, text, where)
            path = root / name
            if leaves(root, path):
                there = path.is_symlink() or path.exists()
                what = "a link that leads out of the folder or nowhere, or no file" if there else "not there"
                raise SourceError(f"{name}: {what}", where=where, cure=_COPY)
        place = PicturePlace(path)
        sha256, fault = seen.of(path, lambda _: sha256_and_fault(place.read(), name or text))
    except (SourceError, MediaError) as error:
        return Lost(type(error)(error.message, where=where, cure=error.cure), name)
    if fault:
        cure = "replace the picture, or remove the row"
        return Lost(MediaError(f"{name or text}: {fault}", where=where, cure=cure), name)
    return Found(place, sha256, name)


def _below(root: Path, text: str, where: str) -> str:
    """The name below ``root`` of a path as a cell has it; an absolute one may lead there."""
    path = Path(text)
    if path.is_absolute() and path.is_relative_to(root.absolute()):
        path = path.relative_to(root.absolute())
    parts: Sequence[str] = path.parts
    if path.is_absolute() or ".." in parts or not parts or "\0" in text:
        raise SourceError(
            f"a path that leads out of source.root: {text[:200]!r}",
            where=where,
            cure="copy the picture below source.root, and write its path from there",
        )
    return path.as_posix()
