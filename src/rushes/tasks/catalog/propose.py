"""What this task would make of a folder: a table of products, tars of samples, or pictures with words beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from rushes.annotations.rows import Table, read_rows
from rushes.errors import RecipeError, RushesError
from rushes.recipe.clip import LOCKED
from rushes.recipe.frozen import SENTENCE_PACKAGES, missing_packages
from rushes.recipe.sections import TINY
from rushes.runs.begin.found import Found
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.pictured.samples import SUFFIX, samples_in
from rushes.runs.pictured.table import SUFFIXES, SUFFIXES_OF_PICTURES
from rushes.storage.web import is_address
from rushes.tasks.catalog.recipe import Columns
from rushes.tasks.catalog.sources.rows import PICTURES

TITLES = ("name", "title", "product_name", "product_title", "product", "caption", "text", "description")
LABELS = ("object_type", "type", "category", "product_type", "class")
GROUPS = ("group", "family", "model", "parent_id", "item_group_id")
SIDES = ("side", "split")
SIZES = ("width", "depth", "height")
LOOKED = 200
"""Rows whose cells are looked at."""

MOST = 0.5
"""Share of these rows whose picture must be there."""


def propose(found: Found) -> Proposal | None:
    """A recipe for products; None where there are none.

    Raises:
        RecipeError: there are pictures with a table, and nobody can tell which column is the title.
    """
    top = [name for name in found.names if "/" not in name]
    names = frozenset(found.names)
    tables = [name for name in top if name.lower().endswith(SUFFIXES)]
    for name in tables:
        try:
            table = read_rows(found.root / name)
        except RushesError:
            continue  # told as a table that nobody reads, if nothing else is there
        if (column := _picture_column(table, names)) is not None:
            return _of_table(found, table, column, alone=len(tables) == 1)
    if any(name.endswith(SUFFIX) and samples_in(found.root / name) for name in found.names[:LOOKED]):
        lines = Line("source.kind", "webdataset", "tars with a picture and its words for each product")
        return Proposal(_fits(found), "the folder has tars of samples", (lines, *_training()), kind="picture")
    pictures = [name for name in found.names if name.lower().endswith(SUFFIXES_OF_PICTURES)]
    told = sum(
        any(f"{name.rpartition('.')[0]}.{kind}" in names for kind in ("txt", "json")) for name in pictures
    )
    if not pictures or told < MOST * len(pictures):
        return None
    line = Line(
        "source.kind", "folder", f"{told:,} of {len(pictures):,} pictures have a .txt or .json of their name"
    )
    return Proposal(
        _fits(found),
        "pictures have words beside them",
        (line, *_training()),
        doubts=_few(told),
        kind="picture",
    )


def _of_table(found: Found, table: Table, picture: str, *, alone: bool) -> Proposal:
    header = table.header
    title = _first(header, TITLES)
    if title is None:
        raise RecipeError(
            f"pictures are in the column {picture}, and no column is called like a title: {', '.join(header)}",
            where=table.path,
            cure=f"rename the column of titles to {TITLES[0]}",
        )
    lines = [Line("source.kind", "table", f"the column {picture} of {table.path.name} names pictures")]
    if not alone:
        lines.append(Line("source.table", table.path.name, "there are several tables"))
    usual, columns = Columns(), {"picture": picture if picture not in PICTURES else None, "name": title}
    columns |= {
        "label": _first(header, LABELS),
        "group": _first(header, GROUPS),
        "side": _first(header, SIDES),
    }
    for key, column in columns.items():
        if column is not None and column != getattr(usual, key):
            lines.append(Line(f"source.columns.{key}", column, "the column that is called most like it"))
    sizes = [next((name for name in header if name.lower().startswith(side)), None) for side in SIZES]
    if all(sizes):
        lines.append(Line("source.columns.size", sizes, "taken as cm"))
    if languages := {name[len(title) + 1 :]: name for name in header if name.startswith(f"{title}_")}:
        lines.append(Line("source.columns.languages", languages, "titles in other languages, asked as well"))
        lines.append(Line("evaluate.languages", sorted(languages)))
    if columns["side"] is not None:
        lines.append(Line("source.split", "column", f"the column {columns['side']} says the sides"))
    return Proposal(
        _fits(found),
        f"{table.path.name} has {len(table.rows):,} rows with titles and pictures",
        (*lines, *_training()),
        doubts=(*_few(len(table.rows)), *_addresses(table, picture)),
        kind="picture",
    )


def _picture_column(table: Table, names: frozenset[str]) -> str | None:
    """The column whose cells name files that are here, or addresses; of several the first of the usual names."""
    rows = table.rows[:: max(1, len(table.rows) // LOOKED)]
    held = {
        column: sum(is_address(cells[place]) or _file(cells[place]) in names for _, cells in rows)
        for place, column in enumerate(table.header)
    }
    fitting = [column for column in table.header if rows and held[column] >= MOST * len(rows)]
    return _first(fitting, PICTURES) or next(iter(fitting), None)


def _file(cell: str) -> str:
    """A path as names of files are written."""
    return PurePosixPath(cell.strip()).as_posix() if cell.strip() else ""


def _first(header: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column with the first of these names, whatever its capitals."""
    by_name = {column.lower(): column for column in reversed(header)}
    return next((by_name[name] for name in usual if name in by_name), None)


def _fits(found: Found) -> float:
    """All of a folder without video and sound, less of one with them."""
    return 1.0 if not found.recordings else found.pictures / (found.pictures + len(found.recordings))


def _few(products: int) -> tuple[str, ...]:
    few = 200
    told = f"{products:,} products are few: sides of a tenth tell little; expect wide intervals"
    return (told,) if products < few else ()


def _addresses(table: Table, picture: str) -> Iterator[str]:
    place = table.header.index(picture)
    if count := sum(is_address(cells[place]) for _, cells in table.rows):
        yield f"{count:,} pictures are at addresses: type RUSHES_ALLOW=https before commands if you trust them"


def _training() -> Iterator[Line]:
    """A first model for this machine."""
    if not missing_packages(*SENTENCE_PACKAGES):
        why = "two small public encoders that stay as they are; only the maps between them learn, on any machine"
        yield Line("model.name", LOCKED, why)
        yield Line("model.scenario", "linear_probe")
        yield Line("preprocessing.size", 128)
        yield Line("train.learning_rate", 1e-3)
    else:
        why = "shows that all runs; with pip install 'rushes[locked]' name: locked finds more, and with a GPU CLIP does"
        yield Line("model.name", TINY, why)
        yield Line("preprocessing.size", 64)
