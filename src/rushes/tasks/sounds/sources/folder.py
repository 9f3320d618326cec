r"""Sounds anywhere below a folder: their classes come from their paths, or from a table.

By default a sound's class is the folder that it lies in, and who is in it is not known. A pattern tells more::

    (?P<group>[^/]+)/(?P<label>digits|letters|phonetic)/.*      # a folder for each voice
    (?P<label>[a-z]+)_.*                                        # the class in the file's name

It is matched against the whole path below the folder. Names, sizes and, where a name does not end like a
sound's, first bytes are read here.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rushes.errors import SourceError
from rushes.recipe.sections import Side
from rushes.recipe.shares import Shares
from rushes.runs.shares import SIDE_OF_NAME
from rushes.runs.source import Fault, Source
from rushes.stages import Claim, Claims, take_inventory
from rushes.tasks.sounds.sources.blocks import (
    Place,
    SoundScan,
    blocks_of,
    claim_of,
    fingerprint_of,
    key_of,
    names_of_sounds,
    not_asked,
    place_by,
    take,
)
from rushes.tasks.sounds.sources.sides import SIDES, deal, require_apart


@dataclass(frozen=True, slots=True)
class SoundFolder(Source[SoundScan]):
    """Sound files anywhere below a folder.

    Attributes:
        labels: classes that are asked for.
        pattern: of a whole path below the root, with the named group ``label`` and perhaps ``group`` and
            ``split``.
        table: CSV below the root: ``file``, ``label`` and perhaps ``group`` and ``split``.
        split: ``"index"`` takes the sides of the table, of the pattern, or of a first folder called train,
            validation, test or alike; ``"shares"`` deals groups out; or side -> groups.
        shares: of the groups, for ``"shares"``.
    """

    labels: tuple[str, ...]
    pattern: str | None = None
    table: str | None = None
    split: str | Mapping[Side, Sequence[str]] = "index"
    shares: Shares = field(default_factory=Shares)

    def scan(self, root: Path) -> SoundScan:
        """Find the sounds and put them on sides.

        Raises:
            SourceError: no sound is found, the table does not hold, a side cannot be told, a group stands on
                two sides or is named and not there, or a side comes out empty.
        """
        root = Path(root)
        faults: list[Fault] = []
        files = names_of_sounds(root)
        known = self._of_paths(files) if self.table is None else self._of_table(root, faults)
        unknown = "no class can be told by its path" if self.table is None else "not in the table"
        claims = {name: Claim("skipped", unknown, key_of(name)) for name in files}
        if self.table is not None:
            claims[PurePosixPath(self.table).as_posix()] = Claim("read", "table")
        asked = {name: place for name, place in known.items() if place.label in self.labels}
        for name in known.keys() - asked.keys():
            claims[name] = not_asked(known[name].label, key_of(name))
        if not asked:
            raise self._nothing(root, claims, known.values())
        side_of = self._sides(root, asked)
        recordings = []
        for name, place in asked.items():
            side = place.side if self.split == "index" else side_of.get(place.group or name)
            if side is None:
                claims[name] = Claim("skipped", "its group is on no side of the split", key_of(name))
                continue
            taken = take(root, name, key_of(name), side, place)
            faults.append(taken) if isinstance(taken, Fault) else recordings.append(taken)
            claims[name] = claim_of(taken if isinstance(taken, Fault) else taken[0])
        return SoundScan(root, blocks_of(recordings), claims, tuple(faults))

    def fingerprint(self, found: SoundScan) -> str:
        """SHA-256 of the sounds and the table; the same wherever they lie."""
        return fingerprint_of(found.root, found.claims)

    def claims(self, found: SoundScan) -> Claims:
        """See `Source.claims`."""
        return found.claims.get

    def _of_paths(self, files: Collection[str]) -> dict[str, Place]:
        """File -> what its path tells; files whose path tells no class are not in it."""
        known = {}
        for name in files:
            *folders, _ = name.split("/")
            side = SIDE_OF_NAME.get(folders[0].lower()) if folders else None
            if self.pattern is not None:
                place = place_by(self.pattern, name, side)
            else:
                place = Place(folders[-1], side=side) if len(folders) > (side is not None) else None
            if place is not None:
                known[name] = place
        return known

    def _of_table(self, root: Path, faults: list[Fault]) -> dict[str, Place]:
        """File -> what its line tells; a line that is asked for and whose file is not there becomes a fault."""
        path = root / str(self.table)
        if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
            raise SourceError("no such table below source.root", where=path, cure="correct source.table")
        known: dict[str, Place] = {}
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                columns = reader.fieldnames or []
                if missing := [name for name in ("file", "label") if name not in columns]:
                    raise SourceError(
                        f"no column {' and '.join(missing)}; found are {', '.join(columns) or 'none'}",
                        where=f"{path}:1",
                        cure="name the columns file,label and perhaps group,split",
                    )
                for row in reader:
                    where = f"{path}:{reader.line_num}"
                    name, place = _line(row, where)
                    if name in known:
                        raise SourceError(f"{name} stands there twice", where=where, cure="leave one line")
                    if _is_below(root, name):
                        known[name] = place
                    elif place.label in self.labels:
                        error = SourceError(
                            f"{name} is not there", where=where, cure="correct the line, or fetch it"
                        )
                        faults.append(Fault.of(error, key_of(name)))
        except (UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"not a table: {error}", where=path, cure="save it as CSV in UTF-8") from error
        return known

    def _nothing(self, root: Path, claims: Mapping[str, Claim], known: Collection[Place]) -> SourceError:
        """Why there is nothing to do."""
        sounds = sum(bool(claim.recording) for claim in claims.values())
        if not sounds:
            return SourceError(
                f"no sound that is read: {take_inventory(root, claims.get).summary()}",
                where=root,
                cure="give the folder of the sounds; convert what is not read: ffmpeg -i IN -c:a pcm_s16le OUT.wav",
            )
        seen = ", ".join(sorted({place.label for place in known})[:12]) or "none"
        return SourceError(
            f"none of {sounds} sounds has a class among {', '.join(self.labels)}; found are {seen}",
            where=root,
            cure="write the classes as they are found into preprocessing.labels, or correct source.pattern",
        )

    def _sides(self, root: Path, asked: Mapping[str, Place]) -> dict[str, str]:
        """Group -> side; who is on no side is not in it."""
        if self.split == "shares":
            labels_of: dict[str, set[str]] = {}
            for name, place in asked.items():
                labels_of.setdefault(place.group or name, set()).add(place.label)
            return deal(labels_of, self.shares)
        if not isinstance(self.split, str):
            groups = {place.group or name for name, place in asked.items()}
            if absent := sorted({group for listed in self.split.values() for group in listed} - groups):
                raise SourceError(
                    f"source.split names {', '.join(absent[:5])}, of whom there is no sound; there are "
                    f"{len(groups)} groups such as {', '.join(sorted(groups)[:5])}",
                    where=root,
                    cure="write the groups as they are found",
                )
            return require_apart(
                (group, side, group) for side, listed in self.split.items() for group in listed
            )
        if self.split != "index":
            raise SourceError(f"no split {self.split!r}", cure="say index or shares, or list groups by side")
        for name, place in asked.items():
            if place.side is None:
                raise SourceError(
                    "on which side this sound stands cannot be told",
                    where=root / name,
                    cure="set source.split to shares, list groups by side under it, or add a column split to "
                    "the table",
                )
        return require_apart((place.group, str(place.side), name) for name, place in asked.items())


def _line(row: Mapping[str, str | None], where: str) -> tuple[str, Place]:
    name, label = (row.get("file") or "").removeprefix("./"), row.get("label")
    if not name or not label:
        raise SourceError("each line needs file and label", where=where, cure="complete the line")
    said = row.get("split")
    if said and said.lower() not in SIDE_OF_NAME:
        raise SourceError(f"no side {said!r}", where=where, cure=f"write {', '.join(SIDES)}, or leave it out")
    return name, Place(label, row.get("group") or "", SIDE_OF_NAME[said.lower()] if said else None)


def _is_below(root: Path, name: str) -> bool:
    """Whether a line of a table names something below ``root``, as the walk of its files names it."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and (root / name).exists()
