"""Products of a table or of tars, and beside them those of another domain: the source of this task."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rushes.annotations.rows import read_rows
from rushes.errors import MediaError, RushesError, SourceError
from rushes.records import hashed_key
from rushes.runs.pictured.row import Found, Lost, Row
from rushes.runs.pictured.samples import archives_of, samples_in_folder, samples_in_tar
from rushes.runs.pictured.table import SUFFIXES_OF_PICTURES, rows_of, table_of
from rushes.runs.source import Fault, Source
from rushes.stages import Claim, Claims, RememberedFiles, sha256_file
from rushes.stages.inventory import below
from rushes.tasks.catalog.recipe import Kind, ProductSource
from rushes.tasks.catalog.sources.attributes import Joined, join
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.rows import SAME, Reader, require_columns
from rushes.tasks.catalog.sources.sides import require_sides

OTHER = "other"
"""Folder of the second domain in the twin's."""

NO_ROW = "no row names it"
MEMORY = "pictures.json"


@dataclass(frozen=True, slots=True)
class ProductScan:
    """The products below a root.

    Attributes:
        root: folder of the table or the tars.
        items: in order of their keys.
        faults: rows that give no item, and tars that cannot be read.
        skipped: key of each row that is left out on purpose -> why.
        claims: name below the root -> what becomes of the file.
        notes: in words.
        joined: what the attributes made of the items; None where there are none.
        read: hash of what the items do not tell: pictures of views, and where each row stands.
        probe: products of the other domain; None where there are none.
    """

    root: Path
    items: tuple[Item, ...]
    faults: tuple[Fault, ...]
    skipped: Mapping[str, str]
    claims: Mapping[str, Claim]
    notes: tuple[str, ...]
    joined: Joined | None
    read: str
    probe: ProductScan | None = None


@dataclass(frozen=True, slots=True)
class Products(Source[ProductScan]):
    """A shop's products.

    Attributes:
        asked: where they are, and how they are told.
        probe: the same of another domain; None takes the twin's where ``drawn``.
        drawn: whether the shop is the twin.
        memory: folder in which hashes of pictures are remembered, and pictures from addresses are kept; None has none.
    """

    asked: ProductSource
    probe: ProductSource | None = None
    drawn: bool = False
    memory: Path | None = None

    def remembering(self, folder: Path) -> Products:
        """See `Source.remembering`."""
        return replace(self, memory=folder)

    def scan(self, root: Path) -> ProductScan:
        """See `Source.scan`; heads of pictures are read, nothing is decoded.

        Raises:
            SourceError: no table and no tar, a column is missing, no row gives an item, or the attributes do not hold.
            StorageError: pictures are at addresses, and this machine's owner does not allow to read them.
        """
        root = Path(root)
        seen = RememberedFiles(None if self.memory is None else self.memory / MEMORY)
        found = self._scan(root, self.asked, seen)
        probe = None
        if self.probe is not None and self.probe.root is not None:
            probe = self._scan(Path(self.probe.root), self.probe, seen)
        elif self.drawn and (root / OTHER).is_dir():
            probe = self._scan(root / OTHER, ProductSource(), seen)
        seen.keep()
        return replace(found, probe=probe)

    def fingerprint(self, found: ProductScan) -> str:
        """SHA-256 of every row and every byte of its pictures, the other domain's too."""
        probe = "" if found.probe is None else self.fingerprint(found.probe)
        return hashlib.sha256(f"{found.read}\n{probe}".encode()).hexdigest()

    def claims(self, found: ProductScan) -> Claims:
        """See `Source.claims`; pictures that no row names are left out with that reason."""

        def own(name: str) -> Claim | None:
            if (claim := found.claims.get(name)) is not None:
                return claim
            return Claim("skipped", NO_ROW) if name.lower().endswith(SUFFIXES_OF_PICTURES) else None

        if found.probe is None or not found.probe.root.is_relative_to(found.root):
            return own
        folder = found.probe.root.relative_to(found.root).as_posix()
        others = below(folder, self.claims(found.probe))
        return lambda name: others(name) or own(name)

    def _scan(self, root: Path, asked: ProductSource, seen: RememberedFiles) -> ProductScan:
        taken = _Taken(root, Reader(asked.columns))
        _KINDS[asked.kind](root, asked, self.memory, seen, taken)
        return taken.close(asked)


class _Taken:
    """What was taken of rows so far."""

    def __init__(self, root: Path, reader: Reader) -> None:
        self.root, self.reader = root, reader
        self.items: dict[str, Item] = {}
        self.faults: list[Fault] = []
        self.skipped: dict[str, str] = {}
        self.claims: dict[str, Claim] = {}
        self.views: list[RushesError] = []
        self.hash = hashlib.sha256()

    def take(self, row: Row) -> None:
        """Make an item of a row, or tell why there is none."""
        if isinstance(row.picture, Lost):
            self.refuse(row.picture.error, row.key, row.picture.name)
            return
        views = [view for view in row.views if isinstance(view, Found)]
        lost = [view for view in row.views if isinstance(view, Lost)]
        self.views += [view.error for view in lost]
        for view in lost:
            self.claims.setdefault(view.name, Claim("faulty", view.error.message))
        item = self.reader.item(row, row.picture, views)
        self.hash.update(
            f"{item.key} {row.name} {' '.join(view.sha256 for view in views)}\n".encode(errors="replace")
        )
        if item.key in self.items:
            self.skipped[row.key] = SAME
            return
        self.items[item.key] = item
        for found, what in ((row.picture, "pictures"), *((view, "views") for view in views)):
            known = self.claims.get(found.name)
            shared = known is not None and known.fate == "used" and known.recording != item.key
            self.claims[found.name] = Claim("used", what, "" if shared else item.key)

    def refuse(self, error: RushesError, key: str, file: str) -> None:
        """Set a row or a tar aside."""
        self.faults.append(Fault.of(error, key))
        self.hash.update(f"{key} {error.message}\n".encode(errors="replace"))
        self.claims[file] = Claim("faulty", error.message, key)

    def close(self, asked: ProductSource) -> ProductScan:
        """All of it, with the attributes."""
        if not self.items:
            raise self._nothing()
        items = tuple(self.items[key] for key in sorted(self.items))
        require_sides(items, asked, self.root)
        joined = None if asked.attributes is None else join(items, asked.attributes)
        self.claims.pop("", None)  # of pictures that are no files of their own
        for file, what in ((asked.attributes, "attributes"), (asked.sides, "sides")):
            if file is not None and file.resolve().is_relative_to(self.root.resolve()):
                self.claims[file.resolve().relative_to(self.root.resolve()).as_posix()] = Claim("read", what)
        return ProductScan(
            self.root,
            items if joined is None else joined.items,
            tuple(self.faults),
            self.skipped,
            self.claims,
            tuple(self._notes()),
            joined,
            self.hash.hexdigest(),
        )

    def _nothing(self) -> SourceError:
        """Why there is no product."""
        if not self.faults:
            return SourceError("there are no rows", where=self.root, cure="give a row for each product")
        first = self.faults[0]
        told = f"no row gives a product; {len(self.faults):,} faults, the first: {first.message}"
        return SourceError(told, where=first.where, cure=first.cure)

    def _notes(self) -> Iterator[str]:
        for words, count in self.reader.notes.items():
            where = self.reader.first.get(words)
            yield f"{words}: {count:,}" + (f", the first: {where}" if where else "")
        if self.views:
            first = self.views[0]
            yield f"views that cannot be read: {len(self.views):,}, the first: {first.message} ({first.where})"


def _take_table(
    root: Path, asked: ProductSource, memory: Path | None, seen: RememberedFiles, taken: _Taken
) -> None:
    path = table_of(root, asked.table)
    taken.claims[path.relative_to(root).as_posix()] = Claim("read", "table")
    taken.hash.update(sha256_file(path).encode())
    table, columns = read_rows(path), asked.columns
    for row in rows_of(table, root, require_columns(table, columns), columns.views, memory, seen):
        taken.take(row)


def _take_tars(
    root: Path, asked: ProductSource, memory: Path | None, seen: RememberedFiles, taken: _Taken
) -> None:
    ignored: Counter[str] = Counter()
    for name in archives_of(root):
        taken.claims[name] = Claim("used", "tars")
        try:
            for row in samples_in_tar(root, name, asked.columns.name, seen, ignored):
                taken.take(row)
        except MediaError as error:
            taken.refuse(error, hashed_key(name, name), name)
    taken.reader.notes |= {
        f"members .{suffix} that are not read": ignored[suffix] for suffix in sorted(ignored)
    }


def _take_folder(
    root: Path, asked: ProductSource, memory: Path | None, seen: RememberedFiles, taken: _Taken
) -> None:
    for row, words in samples_in_folder(root, asked.columns.name, asked.columns.label, seen):
        taken.claims |= {name: Claim("read", "words") for name in words}
        taken.take(row)


_KINDS: Mapping[Kind, Callable[[Path, ProductSource, Path | None, RememberedFiles, _Taken], None]] = {
    "table": _take_table,
    "webdataset": _take_tars,
    "folder": _take_folder,
}
