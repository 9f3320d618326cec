"""A table of products with a folder of pictures, or with their addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rushes.annotations.rows import Table
from rushes.errors import MediaError, RushesError, SourceError
from rushes.media.picture import require_picture
from rushes.recipe_file import near
from rushes.stages import RememberedFiles
from rushes.stages.inventory import leaves
from rushes.storage.web import Bounds, bring_files, is_address
from rushes.tasks.catalog.recipe import Columns, ProductSource
from rushes.tasks.catalog.sources.item import MAX_BYTES, PicturePlace
from rushes.tasks.catalog.sources.rows import PICTURES, SEPARATOR, Found, Row

SUFFIXES = (".csv", ".tsv", ".parquet")
SUFFIXES_OF_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
WEB = "pictures"
_COPY = "copy the picture there, or correct the row"


def require_folder(root: Path) -> None:
    """Refuse a root that is no folder.

    Raises:
        SourceError: it is none.
    """
    if not root.is_dir():
        raise SourceError("no such folder", where=root, cure="give the folder of the products as source.root")


def table_of(root: Path, asked: ProductSource) -> Path:
    """The table of the products.

    Raises:
        SourceError: there is none, or there are several, or it lies outside of ``root``.
    """
    require_folder(root)
    if asked.table is not None:
        path = root / asked.table
        if leaves(root, path) or ".." in Path(asked.table).parts:
            raise SourceError(
                "no such table below source.root", where=path, cure="correct source.table, a CSV or Parquet"
            )
        return path
    found = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:5]) or "none"
        raise SourceError(
            f"one table {' or '.join(SUFFIXES)} is looked for in this folder, found {names}",
            where=root,
            cure="name it: source.table: products.csv; tars of samples need source.kind: webdataset",
        )
    return found[0]


def rows_of(
    table: Table, root: Path, columns: Columns, web: Path | None, seen: RememberedFiles
) -> Iterator[Row]:
    """The rows of a table in order, each with its pictures.

    Args:
        table: of the products.
        root: folder that paths begin at.
        columns: what they are called.
        web: folder for pictures that are brought from addresses; None where there is no room for them.
        seen: what is known of picture files.

    Raises:
        SourceError: a column is missing, or pictures are at addresses and ``web`` is None.
        StorageError: they are, and this machine's owner does not allow it.
    """
    column = _require_columns(table, columns)
    brought = _brought(table, column, columns.views, web)
    look = partial(_found, root, brought, seen)
    for where, cells in table.dicts():
        told = [text.strip() for text in cells.get(columns.views or "", "").split(SEPARATOR)]
        yield Row(
            where,
            f"{table.path.name}-{where.rpartition(':')[2]}",
            cells,
            look(cells[column].strip(), where),
            tuple(look(view, where) for view in told if view),
        )


def sha256_and_fault(data: bytes, where: object) -> tuple[str, str]:
    """Hash of a picture's file, and what is wrong with its head; empty where nothing is."""
    try:
        require_picture(data, where)
    except MediaError as error:
        return "", error.message
    return hashlib.sha256(data).hexdigest(), ""


def _require_columns(table: Table, columns: Columns) -> str:
    """The column of pictures, once all that the recipe names are there."""
    named: dict[str, str | None] = {
        key: getattr(columns, key)
        for key in ("id", "name", "picture", "views", "group", "side", "label")
        if key == "name" or key in columns.model_fields_set
    }
    named |= {f"size[{place}]": column for place, column in enumerate(columns.size)}
    named |= {f"languages.{language}": column for language, column in columns.languages.items()}
    if missing := {key: name for key, name in named.items() if name is not None and name not in table.header}:
        key, name = next(iter(missing.items()))
        raise SourceError(
            f"no column {', '.join(map(repr, missing.values()))}; {near(name, table.header)}",
            where=table.place(1),
            cure=f"write what the column is called: source.columns.{key}: COLUMN",
        )
    found = columns.picture or next((name for name in PICTURES if name in table.header), None)
    if found is None:
        raise SourceError(
            f"no column of pictures; there are {', '.join(table.header)}",
            where=table.place(1),
            cure="write what it is called: source.columns.picture: COLUMN",
        )
    return found


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
) -> Found | RushesError:
    """The picture that a cell names, or what is wrong with it."""
    try:
        if not text:
            raise SourceError("no picture is named", where=where, cure="fill the cell, or remove the row")
        if text in brought:
            copy = brought[text]
            if isinstance(copy, RushesError):
                return type(copy)(f"{copy.message} ({text})", where=where, cure=copy.cure)
            path, name = copy, ""
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
        return type(error)(error.message, where=where, cure=error.cure)
    if fault:
        return MediaError(
            f"{name or text}: {fault}", where=where, cure="replace the picture, or remove the row"
        )
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
