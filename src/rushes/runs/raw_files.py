"""The files below the root of a run's recordings: what becomes of each, and whether it is as ``SHA256SUMS`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rushes.runs.checksums import SUMS, mismatches, read_sums
from rushes.stages import Claim, Claims, Inventory, Sized, take_inventory
from rushes.stages.inventory import below, walk


@dataclass(frozen=True, slots=True)
class RawFiles:
    """Files below a root.

    Attributes:
        root: as the recipe gives it.
        claims: what becomes of each, by its name below ``root``.
        listing: all of them, where not all stand here; None where they do.
    """

    root: Path
    claims: Claims
    listing: Sequence[Sized] | None = None

    @classmethod
    def of(cls, root: Path, home: Path, claims: Claims, listing: Sequence[Sized] | None) -> Self:
        """Of a source's claims, whose names are relative to ``home``, at or below ``root``."""
        own = below(home.relative_to(root).as_posix(), claims)
        return cls(root, lambda name: Claim("read", "checksums") if name == SUMS else own(name), listing)

    def inventory(self) -> Inventory:
        """What becomes of every file."""
        return take_inventory(self.root, self.claims, files=self.listing)

    def unlisted(self) -> list[str]:
        """Files that are read and of which a ``SHA256SUMS`` that is there says nothing."""
        if not (listed := read_sums(self.root)):
            return []
        names = (name for name, _ in (self.listing or walk(self.root)) if name not in listed and name != SUMS)
        return [name for name in names if (claim := self.claims(name)) and claim.fate in ("used", "read")]

    def damaged(self, tell: Callable[[int, int, str], None]) -> Iterator[Damage]:
        """Files that are not what ``SHA256SUMS`` says; every file that it names is read."""
        elsewhere = {name for name, _ in self.listing or ()}
        for name, reason in mismatches(self.root, elsewhere, tell):
            claim = self.claims(name)
            yield Damage(self.root / name, reason, "" if claim is None else claim.recording)


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what ``SHA256SUMS`` says.

    Attributes:
        path: the file.
        reason: what was expected and what was found.
        recording: whose file it is; empty where it is of none.
    """

    path: Path
    reason: str
    recording: str

    def to_json(self) -> dict[str, str]:
        """As the command line prints it."""
        return {"message": f"{self.path.name} {self.reason}", "where": str(self.path), "cure": CURE}


CURE = f"copy the file again, or correct {SUMS} if the file is right"
