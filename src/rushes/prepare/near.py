"""Which pictures are near-duplicates: those that no two sides of a split may share.

Every pair is compared, nothing is approximated: 70,000 pictures take about ten seconds of one core and a few dozen
megabytes, since only pairs that are close leave the block in which they were found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rushes.media.dhash import BITS, Look

Evidence = Literal["bits", "size", "name", "colour"]
"""What speaks for one product: hashes that hardly differ; or, of hashes that differ somewhat, what else agrees."""

COLOUR: Final = 4
"""Colours of two quarters agree if none of R, G, B differs by more: what a camera and a JPEG change."""

LISTED: Final = 1000
"""Pairs that are told, the closest ones."""

_ROWS, _COLUMNS = 32, 8192  # of a block of pairs: its numbers stay in a cache of 2 MB
_FIRST, _REST = (
    (1, 2),
    (0, 3),
)  # of the four words the middle of a picture comes first: around it most is white
_PENDING = 1_000_000

Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture and what is known of the product on it.

    Attributes:
        look: of the picture.
        content: hash of the file's bytes.
        name: in plain words; empty where it has none.
        size: in cm; None where it is not known.
        family: of the product; empty where nobody said.
    """

    look: Look
    content: str
    name: str = ""
    size: tuple[float, ...] | None = None
    family: str = ""


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two pictures whose hashes are close.

    Attributes:
        first, second: their numbers.
        bits: in which their hashes differ.
        evidence: what else says that they belong together; they were kept apart where there is none.
    """

    first: int
    second: int
    bits: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class NearGroups:
    """Pictures that belong together.

    Attributes:
        first: (n,) number of the first picture of each one's group.
        pairs: the closest pairs, joined or kept apart; at most `LISTED`.
        counts: evidence -> close pairs that it joined; ``apart``, pairs that nothing joined; ``uniform``, pairs that
            nothing joined and whose hashes say nothing.
    """

    first: Numbers
    pairs: tuple[NearPair, ...]
    counts: Mapping[str, int]


def near_groups(
    seen: Sequence[Seen], *, same_bits: int, similar_bits: int, least_variance: float, namesakes: int
) -> NearGroups:
    """Group pictures of one product.

    Together are: equal files; one family; a name that few share; hashes within ``same_bits``; hashes within
    ``similar_bits`` where size, name or colour agree as well. The hash of a uniform picture is noise, and its colour
    that of many others: it takes part by equal files, size and name alone.

    A name alone joins only as long as few share it: "grey oak sideboard Lund" names a product in its variants,
    "chair" a type of product, whose five hundred items no side could hold.

    Args:
        seen: n pictures.
        same_bits, similar_bits: of 256; the second is not less than the first.
        least_variance: of brightness; a picture below it is uniform.
        namesakes: items that may share a name which joins them.
    """
    textured = np.array([one.look.variance >= least_variance for one in seen], bool)
    colours = np.array([list(one.look.colour) for one in seen], np.int16)
    size, name = _codes([one.size for one in seen]), _codes([one.name or None for one in seen])
    joined = _Union(len(seen))
    for codes in (
        _codes([one.content for one in seen]),
        _codes([one.family or None for one in seen]),
        np.where(np.bincount(name + 1)[name + 1] <= namesakes, name, -1),
    ):
        joined.join_equal(codes)
    counts: Counter[str] = Counter()
    closest = _Closest(LISTED)
    for one, other, bits in close_pairs([one.look for one in seen], similar_bits):
        told = textured[one] & textured[other]
        agree: dict[Evidence, NDArray[np.bool_]] = {
            "bits": told & (bits <= same_bits),
            "size": (size[one] == size[other]) & (size[one] >= 0),
            "name": (name[one] == name[other]) & (name[one] >= 0),
            "colour": told & (np.abs(colours[one] - colours[other]).max(axis=1) <= COLOUR),
        }
        flags = np.stack([agree[evidence] for evidence in get_args(Evidence)])
        found = flags.any(axis=0)
        joined.join(one[found], other[found])
        counts.update({evidence: int(agree[evidence].sum()) for evidence in agree})
        counts.update(apart=int((told & ~found).sum()), uniform=int((~told & ~found).sum()))
        closest.add(np.stack([bits, one, other, *flags])[:, told | found])
    return NearGroups(joined.first(), tuple(map(_pair, closest.rows())), dict(counts))


def names_of_groups(near: NearGroups, keys: Sequence[str], families: Sequence[str]) -> list[str]:
    """Name of each one's group: the first of the families in it, or where there is none the first of the keys."""
    names: dict[int, tuple[bool, str]] = {}
    for first, key, family in zip(near.first.tolist(), keys, families, strict=True):
        name = (not family, family or key)
        names[first] = min(names.get(first, name), name)
    return [names[first][1] for first in near.first.tolist()]


def pairs_across(
    looks: Sequence[Look], sides: Sequence[str], within: int, least_variance: float
) -> Iterator[tuple[int, int, int]]:
    """Pairs on two sides whose hashes differ in at most ``within`` bits, as numbers and bits; no uniform picture."""
    side = _codes(sides)
    textured = np.array([look.variance >= least_variance for look in looks], bool)
    for one, other, bits in close_pairs(looks, within):
        found = (side[one] != side[other]) & textured[one] & textured[other]
        yield from zip(one[found].tolist(), other[found].tolist(), bits[found].tolist(), strict=True)


def close_pairs(looks: Sequence[Look], within: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """All pairs whose hashes differ in at most ``within`` bits, block by block, each pair once.

    Hashes are sorted by their numbers of ones, which differ by no more than the hashes do.

    Yields:
        The smaller and the larger number, and the bits in which they differ, (m,) each.
    """
    hashes = np.frombuffer(b"".join(look.bits for look in looks), np.uint64).reshape(-1, BITS // 64)
    ones = np.bitwise_count(hashes).sum(axis=1, dtype=np.intp)
    order = np.argsort(ones, kind="stable")
    ones, words = ones[order], np.ascontiguousarray(hashes[order].T)
    for top in range(0, len(order), _ROWS):
        bottom = min(top + _ROWS, len(order))
        end = int(np.searchsorted(ones, ones[bottom - 1] + within, side="right"))
        for left in range(top, end, _COLUMNS):
            right = min(left + _COLUMNS, end)
            half = np.zeros((bottom - top, right - left), np.uint8)  # at most 128 of two words
            for word in _FIRST:
                half += np.bitwise_count(words[word, top:bottom, None] ^ words[word, None, left:right])
            kept = np.flatnonzero(half <= within)
            one, other = np.divmod(kept, right - left)
            one, other = one + top, other + left
            bits = half.ravel()[kept].astype(np.intp)
            for word in _REST:
                bits += np.bitwise_count(words[word, one] ^ words[word, other])
            close = (bits <= within) & (one < other)
            if close.any():
                ends = np.sort(order[np.stack([one[close], other[close]])], axis=0)
                yield ends[0], ends[1], bits[close]


class _Union:
    """Which of n things belong together."""

    def __init__(self, count: int) -> None:
        self._first: Numbers = np.arange(count)
        self._pending: list[Numbers] = []

    def join(self, one: Numbers, other: Numbers) -> None:
        edges = self._first[np.stack([one, other])]
        if (edges := edges[:, edges[0] != edges[1]]).size:
            self._pending.append(edges)
        if sum(part.shape[1] for part in self._pending) > _PENDING:
            self._settle()

    def join_equal(self, codes: Numbers) -> None:
        """Join all of one code; -1 is none."""
        known = np.flatnonzero(codes >= 0)
        _, first, inverse = np.unique(codes[known], return_index=True, return_inverse=True)
        self.join(known, known[first[inverse]])

    def first(self) -> Numbers:
        """Of each thing the smallest number of those that it belongs with."""
        self._settle()
        return self._first

    def _settle(self) -> None:
        if not self._pending:
            return
        (one, other), count = np.concatenate(self._pending, axis=1), len(self._first)
        graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
        _, part = connected_components(graph, directed=False)
        _, first = np.unique(part, return_index=True)
        self._first, self._pending = first[part[self._first]], []


class _Closest:
    """The columns that come first in lexical order, of any number of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[Numbers] = []

    def add(self, columns: Numbers) -> None:
        self._parts.append(columns)
        if sum(part.shape[1] for part in self._parts) > _PENDING:
            self._cut()

    def rows(self) -> list[list[int]]:
        self._cut()
        rows: list[list[int]] = self._parts[0].T.tolist() if self._parts else []
        return rows

    def _cut(self) -> None:
        if self._parts:
            columns = np.concatenate(self._parts, axis=1)
            self._parts = [columns[:, np.lexsort(columns[2::-1])[: self._most]]]


def _pair(row: Sequence[int]) -> NearPair:
    bits, first, second, *flags = row
    evidence = tuple(one for one, holds in zip(get_args(Evidence), flags, strict=True) if holds)
    return NearPair(first, second, bits, evidence)


def _codes(values: Sequence[object | None]) -> Numbers:
    """Equal values -> equal numbers from 0; None -> -1."""
    known: dict[object, int] = {}
    return np.array([-1 if one is None else known.setdefault(one, len(known)) for one in values], np.intp)
