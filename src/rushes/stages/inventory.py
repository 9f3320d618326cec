"""What became of every file below a root: nothing is passed over without a line and a count.

A source claims the files that it knows (`Claim`); what it does not claim is passed over, by suffix. So the
lines add up to the files that there are, whoever wrote the source and whatever it forgot::

    found = take_inventory(root, source.claims(scan), scan.root)            # before: audit and plan
    closed = found.settle({"U0209_S0500": Claim("faulty", "cut short")})    # after: what prepare found
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from operator import add, attrgetter, itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar, get_args

Fate = Literal["used", "read", "empty", "faulty", "skipped", "unread"]
"""``used``: of a recording that gives samples; ``read``: labels, tables, clocks; ``empty``: of a recording
that holds and gives no sample; ``faulty``: of one that does not hold; ``skipped``: understood, and left out on
purpose; ``unread``: nothing here reads it. In this order they are told."""

FATES: tuple[Fate, ...] = get_args(Fate)

EXAMPLES = 3
"""Names that a line keeps."""

LINES = 50
"""Of one fate; what is behind them is one more."""


class Claim(NamedTuple):
    """What becomes of a file.

    Attributes:
        fate: see `Fate`.
        reason: in a few words that many files share: ``labels``, ``class noise is not asked for``.
        recording: key of the one recording whose file it is; empty where it is shared or is of none.
    """

    fate: Fate
    reason: str
    recording: str = ""


class Told(Protocol):
    """A line of an account, a dataclass: what became of how many, and why."""

    @property
    def fate(self) -> Fate:
        """See `Fate`."""
        ...

    def __add__(self, other: Self) -> Self:
        """Both in one line."""
        ...


L = TypeVar("L", bound=Told)


def few(lines: Iterable[L]) -> Iterator[L]:
    """Lines in order of fates, of each about `LINES`: reasons that name numbers are as many as files."""
    for _, same in groupby(lines, key=attrgetter("fate")):
        of_fate = list(same)
        yield from of_fate[:LINES]
        if rest := of_fate[LINES:]:
            yield replace(reduce(add, rest), reason=f"{len(rest):,} other reasons")  # type: ignore[type-var]  # mypy cannot know that it is a dataclass


Claims = Callable[[str], Claim | None]
"""Name of a file relative to the root, with ``/`` -> what becomes of it; None for one that nobody reads."""

Sized = tuple[str, int]
"""Name of a file, likewise, and its bytes."""


@dataclass(frozen=True, slots=True)
class Line:
    """Files of one fate, for one reason.

    Attributes:
        files, bytes: how many, and how large together.
        examples: the first of their names, at most `EXAMPLES`.
    """

    fate: Fate
    reason: str
    files: int
    bytes: int
    examples: tuple[str, ...]

    def __add__(self, other: Line) -> Line:
        examples = tuple(sorted({*self.examples, *other.examples}))[:EXAMPLES]
        return replace(
            self, files=self.files + other.files, bytes=self.bytes + other.bytes, examples=examples
        )

    def to_json(self) -> dict[str, Any]:
        """As files and the command line hold it."""
        return {
            "fate": self.fate,
            "reason": self.reason,
            "files": self.files,
            "bytes": self.bytes,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every file below a root.

    Attributes:
        of: claim -> the files that fall under it. One entry for each recording that has files of its own.
    """

    of: Mapping[Claim, Line] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many there are."""
        return sum(line.files for line in self.of.values())

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(line.bytes for line in self.of.values())

    @property
    def lines(self) -> tuple[Line, ...]:
        """One for each fate and reason, in order of fates, then the largest number first."""
        merged: dict[tuple[Fate, str], Line] = {}
        for claim, line in self.of.items():
            key = claim.fate, claim.reason
            merged[key] = merged[key] + line if key in merged else line
        ordered = sorted(merged.values(), key=lambda line: (FATES.index(line.fate), -line.files, line.reason))
        return tuple(few(ordered))

    def settle(self, outcomes: Mapping[str, Claim]) -> Inventory:
        """The same files, once it is known what became of recordings: key -> fate and reason."""
        settled: dict[Claim, Line] = {}
        for claim, line in self.of.items():
            known = outcomes.get(claim.recording) if claim.recording else None
            now = claim if known is None else Claim(known.fate, known.reason, claim.recording)
            moved = replace(line, fate=now.fate, reason=now.reason)
            settled[now] = settled[now] + moved if now in settled else moved
        return Inventory(settled)

    def summary(self) -> str:
        """In a line: ``1,204 files: 1,100 used, 12 read, 92 unread (.m4a)``."""
        parts = []
        for fate, same in groupby(self.lines, key=attrgetter("fate")):
            lines = list(same)
            reasons = [line.reason for line in lines[:EXAMPLES]] + ["others"] * (len(lines) > EXAMPLES)
            told = f" ({'; '.join(reasons)})" if fate != "used" else ""
            parts.append(f"{sum(line.files for line in lines):,} {fate}{told}")
        return f"{self.files:,} file{'s' * (self.files != 1)}: {', '.join(parts) or 'none'}"

    def text(self) -> list[str]:
        """For people: the sum, and a line for each reason."""
        told = [f"{self.files:,} file{'s' * (self.files != 1)} found, {self.bytes / 1e6:,.1f} MB"]
        for line in self.lines:
            names = "" if line.fate in ("used", "read") else f"  such as {', '.join(line.examples)}"
            told.append(f"{line.files:9,} {line.fate:8} {line.reason}{names}")
        return told

    def to_json(self) -> dict[str, Any]:
        """As files and the command line hold it; the files of all lines add up to ``files``."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "lines": [line.to_json() for line in self.lines],
        }

    @classmethod
    def of_files(cls, files: Iterable[Sized], claims: Claims) -> Self:
        """Of files in order of their names, each claimed or unread."""
        names: dict[Claim, list[str]] = {}
        sums: dict[Claim, tuple[int, int]] = {}
        for name, size in files:
            claim = claims(name) or unread(name)
            count, nbytes = sums.get(claim, (0, 0))
            sums[claim] = count + 1, nbytes + size
            if count < EXAMPLES:
                names.setdefault(claim, []).append(printable(name))
        return cls(
            {
                claim: Line(claim.fate, claim.reason, count, nbytes, tuple(names[claim]))
                for claim, (count, nbytes) in sums.items()
            }
        )

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `to_json` gave; recordings are told apart no more."""
        lines = (Line(**line | {"examples": tuple(line["examples"])}) for line in told["lines"])
        return cls({Claim(line.fate, line.reason): line for line in lines})


def take_inventory(
    root: Path, claims: Claims, home: Path | None = None, files: Iterable[Sized] | None = None
) -> Inventory:
    """Claim every file below ``root``; a link counts as the one file that it is.

    Args:
        root: that was given.
        claims: of the source of its recordings.
        home: folder at or below ``root`` that the names of ``claims`` are relative to; ``root`` without it.
            Nobody claims what lies beside it.
        files: of ``root``, where not all of them stand here.
    """
    claimed = below((home or root).relative_to(root).as_posix(), claims)
    return Inventory.of_files(walk(root) if files is None else files, claimed)


def below(folder: str, claims: Claims) -> Claims:
    """The same claims of names that begin with ``folder``, ``.`` for none.

    >>> claims = below("v1.0.0", lambda name: Claim("read", name))
    >>> claims("v1.0.0/a.csv"), claims("a.csv")
    (Claim(fate='read', reason='a.csv', recording=''), None)
    """
    if folder == ".":
        return claims
    prefix = f"{folder}/"
    return lambda name: claims(name.removeprefix(prefix)) if name.startswith(prefix) else None


def unread(name: str) -> Claim:
    """The claim of a file that no source knows, told by what its name ends with.

    >>> unread("day/a.M4A").reason, unread("day/.cache/b.wav").reason, unread("README").reason
    ('.m4a', 'hidden', 'no suffix')
    """
    if any(part.startswith(".") for part in name.split("/")):
        return Claim("unread", "hidden")
    if name.endswith("/"):
        return Claim("unread", "a folder that this user may not list")
    return Claim("unread", printable(PurePosixPath(name).suffix.lower()) or "no suffix")


def walk(root: Path, *, leave: bool = True) -> Iterator[Sized]:
    """All entries below ``root`` that are no folders, hidden ones too, in order of their names.

    A link to a folder outside of ``root`` is entered, since sources read through it; one to a folder that is
    walked anyway is an entry. A folder that this user may not list stands for itself, with a ``/`` at its
    end: what is in it cannot be counted.

    Args:
        root: the folder.
        leave: whether to enter links to folders at all; without, every link is an entry.

    Raises:
        OSError: ``root`` cannot be listed, or the disk fails.
    """
    entered: dict[Path, bool] = {}
    top = Path(os.path.realpath(root))
    _enter(top if leave else Path(top.anchor), entered)  # as if all that a link may lead to were walked
    waiting = [iter(_entries("", root, entered))]
    while waiting:
        name, entry = next(waiting[-1], ("", None))
        if entry is None:
            waiting.pop()
        elif not name.endswith("/"):
            yield name, entry.stat(follow_symlinks=False).st_size
        else:
            try:
                waiting.append(iter(_entries(name, Path(entry.path), entered)))
            except PermissionError:
                yield name, 0


def _entries(prefix: str, folder: Path, entered: dict[Path, bool]) -> list[tuple[str, os.DirEntry[str]]]:
    """Entries of a folder; the names of those to walk end with ``/``, so that names sort as paths do."""
    with os.scandir(folder) as entries:
        named = [
            (f"{prefix}{entry.name}{'/' if _is_walked(entry, entered) else ''}", entry) for entry in entries
        ]
    return sorted(named, key=itemgetter(0))


def _is_walked(entry: os.DirEntry[str], entered: dict[Path, bool]) -> bool:
    """Whether an entry is a folder, or a link to one that no walk comes by; notes the latter in ``entered``."""
    if not entry.is_symlink() or not os.path.isdir(entry.path):  # which takes a loop for none
        return entry.is_dir(follow_symlinks=False)
    return _enter(Path(os.path.realpath(entry.path)), entered)


def _enter(target: Path, entered: dict[Path, bool]) -> bool:
    """Note that a folder is walked, if it neither lies in one that is nor holds one.

    Args:
        target: resolved.
        entered: the folders that are walked, True, and all above them, False.
    """
    if target in entered or any(map(entered.get, target.parents)):
        return False
    entered.update(dict.fromkeys(target.parents, False))
    entered[target] = True
    return True


def leaves(root: Path, path: Path) -> bool:
    """Whether a file below ``root`` is none, or lies behind a link that leads out of it or nowhere."""
    if not path.is_file():
        return True
    inside = path.relative_to(root)
    linked = any((root / part).is_symlink() for part in (inside, *list(inside.parents)[:-1]))
    return linked and not path.resolve().is_relative_to(root.resolve())


def printable(name: str) -> str:
    """A name as any terminal and page can show it: names of files may hold whatever bytes."""
    return name if name.isprintable() else ascii(name)[1:-1]
