"""Recordings with the same bytes on two sides of a split: what was trained on must not be measured on.

Only copies to the byte are found. What was encoded again, cut or renamed inside is another recording here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MediaError, is_of_the_machine

NAMED = 10
"""Copies that are named."""

_READ_BYTES = 1 << 20

Holding = tuple[str, str, Hashable]
"""Side, name, and what two recordings have in common exactly when their bytes are the same."""


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands on two sides.

    Attributes:
        count: recordings with the same bytes as an earlier one on another side.
        named: some of them, each beside the one that it copies.
    """

    count: int = 0
    named: tuple[tuple[str, str], ...] = ()

    def behind(self, line: str, what: str) -> str:
        """A line of a plan, with how many copies there are, if any.

        >>> Copies(2).behind("4 videos, 7 MB", "video")
        '4 videos, 7 MB; 2 videos have the same bytes as one on another side'
        >>> Copies().behind("4 videos, 7 MB", "video")
        '4 videos, 7 MB'
        """
        return f"{line}; {self._note(what)}" if self.count else line

    def lines(self, what: str) -> list[str]:
        """For people: how many, and which."""
        named = [f"  {name} = {other}" for name, other in self.named]
        return [f"note: {self._note(what)}", *named] if self.count else []

    def _note(self, what: str) -> str:
        found = f"1 {what} has" if self.count == 1 else f"{self.count:,} {what}s have"
        return f"{found} the same bytes as one on another side"


def copies_of(holdings: Iterable[Holding]) -> Copies:
    """Find what an earlier recording on another side holds, too.

    >>> copies_of([("train", "a", 1), ("train", "b", 1), ("test", "c", 1), ("test", "d", 2)])
    Copies(count=1, named=(('c', 'a'),))
    """
    seen: dict[Hashable, tuple[str, str]] = {}
    found: list[tuple[str, str]] = []
    for side, name, held in holdings:
        first_side, first = seen.setdefault(held, (side, name))
        if side != first_side:
            found.append((name, first))
    return Copies(len(found), tuple(found[:NAMED]))


def sizes_on_two_sides(sizes: Iterable[tuple[str, Hashable]]) -> frozenset[Hashable]:
    """Of pairs of side and size those sizes that more than one side has: only these can be copies."""
    sides: dict[Hashable, set[str]] = defaultdict(set)
    for side, size in sizes:
        sides[size].add(side)
    return frozenset(size for size, found in sides.items() if len(found) > 1)


def digest(files: Iterable[Path]) -> str:
    """SHA-256 in hex of the bytes of files, one behind the other."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                whole.update(data)
    return whole.hexdigest()


def holdings(recordings: Iterable[tuple[str, str, Callable[[], Sequence[Path]]]]) -> Iterator[Holding]:
    """Of recordings (side, name, what lists their files in order of time) those that may be copies.

    A recording is read only where one on another side has as many files of the same sizes. Files are listed
    anew for that: millions of frames are too many to be remembered.

    Raises:
        OSError: the machine refuses to read a file.
    """
    sized = []
    for side, name, files in recordings:
        with _passed_over():
            sized.append((side, name, files, tuple(file.stat().st_size for file in files())))
    alike = sizes_on_two_sides((side, sizes) for side, _, _, sizes in sized)
    for side, name, files, sizes in sized:
        if sizes in alike:
            with _passed_over():
                yield side, name, digest(files())


@contextmanager
def _passed_over() -> Iterator[None]:
    """What cannot be read is nobody's copy; what is wrong with it is told elsewhere."""
    try:
        yield
    except MediaError:
        pass
    except OSError as error:
        if is_of_the_machine(error):
            raise
