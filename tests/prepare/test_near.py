"""Near-duplicates are found exactly, and joined by what speaks for one product."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from rushes.media.dhash import Look
from rushes.prepare.near import (
    LISTED,
    NearGroups,
    Seen,
    close_pairs,
    names_of_groups,
    near_groups,
    pairs_across,
)

RULE = {"same_bits": 16, "similar_bits": 32, "least_variance": 25.0, "namesakes": 3}
PLAIN = np.zeros(256, bool)
RNG = np.random.default_rng(5)
BASES = RNG.random((40, 256)) < 0.5


def look(bits: np.ndarray, variance: float = 900.0, colour: int = 100) -> Look:
    return Look(np.packbits(bits).tobytes(), variance, bytes([colour] * 12))


def flipped(bits: np.ndarray, count: int) -> np.ndarray:
    """Another hash, ``count`` bits away."""
    changed = bits.copy()
    changed[:count] ^= True
    return changed


def seen(bits: np.ndarray, number: int, **known: object) -> Seen:
    about = {"variance": 900.0, "colour": 100} | {
        key: known.pop(key) for key in ("variance", "colour") if key in known
    }
    return Seen(look(bits, **about), known.pop("content", f"file {number}"), **known)


def groups(*items: Seen) -> NearGroups:
    return near_groups(items, **RULE)


def together(*items: Seen) -> bool:
    return len(set(groups(*items).first.tolist())) == 1


@pytest.mark.parametrize("within", [0, 16, 32, 128, 255])
def test_all_close_pairs_are_found(within: int) -> None:
    hashes = [flipped(BASES[RNG.integers(40)], RNG.integers(0, 60)) for _ in range(300)]
    hashes += [PLAIN, ~PLAIN, PLAIN, ~BASES[0], flipped(~PLAIN, 1)]  # as far apart as can be, and equal
    table = np.array(hashes)
    wanted = {
        (one, other, int((table[one] ^ table[other]).sum()))
        for one, other in combinations(range(len(table)), 2)
        if (table[one] ^ table[other]).sum() <= within
    }

    found = [
        pair
        for block in close_pairs([look(bits) for bits in hashes], within)
        for pair in zip(*(part.tolist() for part in block), strict=True)
    ]

    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert len(wanted) > 5


def test_each_picture_is_told_the_first_of_its_group() -> None:
    hashes = [BASES[0], BASES[1], BASES[0], BASES[2], BASES[1], BASES[3]]
    found = groups(*(seen(bits, number, colour=number * 9) for number, bits in enumerate(hashes)))
    assert found.first.tolist() == [0, 1, 0, 3, 1, 5]


def test_no_pictures_give_no_pairs() -> None:
    assert list(close_pairs([], 16)) == []
    assert near_groups([], **RULE).first.tolist() == []


def test_pairs_of_many_blocks_are_found() -> None:
    """More pictures than a block has columns; copies stand far from each other."""
    bits = RNG.random((9000, 256)) < 0.5
    bits[8999], bits[4500] = flipped(bits[0], 30), flipped(bits[1], 3)
    looks = [look(one) for one in bits]
    found = [tuple(int(part[0]) for part in block) for block in close_pairs(looks, 32)]
    assert sorted(found) == [(0, 8999, 30), (1, 4500, 3)]


def test_close_hashes_join_alone_and_similar_ones_with_evidence() -> None:
    one, near, similar, far = BASES[0], flipped(BASES[0], 16), flipped(BASES[0], 32), flipped(BASES[0], 33)
    size = (40.0, 40.0, 90.0)
    assert together(seen(one, 0, colour=0), seen(near, 1, colour=200))
    assert not together(seen(one, 0, colour=0), seen(flipped(one, 17), 1, colour=200))
    assert not together(seen(one, 0, colour=0), seen(similar, 1, colour=200))
    assert together(seen(one, 0, colour=100), seen(similar, 1, colour=104))
    assert not together(seen(one, 0, colour=100), seen(similar, 1, colour=105))
    assert together(seen(one, 0, colour=0, size=size), seen(similar, 1, colour=200, size=size))
    assert not together(seen(one, 0, colour=0, size=size), seen(similar, 1, colour=200))
    assert not together(seen(one, 0, colour=0, size=size), seen(far, 1, colour=0, size=size))


def test_equal_names_join_as_long_as_few_share_them() -> None:
    def shop(count: int) -> list[Seen]:
        return [seen(BASES[number], number, name="chair", colour=number * 6) for number in range(count)]

    assert together(*shop(3))
    assert len(set(groups(*shop(4)).first.tolist())) == 4
    similar = seen(flipped(BASES[0], 32), 9, name="chair", colour=250)
    assert groups(*shop(4), similar).first.tolist() == [
        0,
        1,
        2,
        3,
        0,
    ]  # that many, but these two look alike as well
    assert not together(seen(BASES[0], 0), seen(BASES[1], 1))  # no name is no name that they share


def test_families_and_equal_files_join_whatever_they_look_like() -> None:
    assert together(seen(BASES[0], 0, family="F1"), seen(BASES[1], 1, family="F1"))
    assert together(seen(BASES[0], 0, content="x"), seen(BASES[1], 1, content="x"))
    assert not together(seen(BASES[0], 0, family="F1"), seen(BASES[1], 1, family="F2"))
    chain = [
        seen(BASES[0], 0, family="F1"),
        seen(BASES[1], 1, family="F1", name="lamp"),
        seen(BASES[2], 2, name="lamp"),
    ]
    assert together(*chain)


def test_uniform_pictures_say_nothing_by_their_hash_and_colour() -> None:
    size = (1.0, 2.0, 3.0)
    assert not together(seen(PLAIN, 0, variance=24.9), seen(PLAIN, 1, variance=24.9))
    assert not together(seen(PLAIN, 0, variance=24.9), seen(PLAIN, 1))
    assert together(seen(PLAIN, 0), seen(PLAIN, 1))
    assert together(seen(PLAIN, 0, variance=0.0, size=size), seen(PLAIN, 1, variance=0.0, size=size))
    assert together(seen(PLAIN, 0, variance=0.0, content="x"), seen(PLAIN, 1, variance=0.0, content="x"))
    found = groups(*(seen(PLAIN, number, variance=0.0) for number in range(5)))
    assert (found.counts["uniform"], found.counts["apart"], found.pairs) == (10, 0, ())


def test_pairs_are_told_with_their_evidence_closest_first() -> None:
    items = [
        seen(BASES[0], 0, colour=0),
        seen(flipped(BASES[0], 20), 1, colour=90),
        seen(flipped(BASES[0], 25), 2, colour=92),
    ]
    found = groups(*items)
    assert [(pair.first, pair.second, pair.bits, pair.evidence) for pair in found.pairs] == [
        (1, 2, 5, ("bits", "colour")),
        (0, 1, 20, ()),
        (0, 2, 25, ()),
    ]
    assert dict(found.counts) == {"bits": 1, "size": 0, "name": 0, "colour": 1, "apart": 2, "uniform": 0}


def test_of_many_pairs_the_closest_are_listed() -> None:
    items = [seen(flipped(BASES[0], number // 4), number) for number in range(80)]
    found = groups(*items)
    wanted = sorted((abs(one // 4 - other // 4), one, other) for one, other in combinations(range(80), 2))[
        :LISTED
    ]
    assert [(pair.bits, pair.first, pair.second) for pair in found.pairs] == wanted
    assert set(found.first.tolist()) == {0}


def test_groups_are_the_same_in_any_order() -> None:
    items = [
        seen(flipped(BASES[RNG.integers(12)], RNG.integers(0, 40)), number, colour=int(RNG.integers(90, 110)))
        for number in range(200)
    ]
    order = RNG.permutation(200)

    def parts(members: list[int], first: list[int]) -> set[frozenset[int]]:
        return {frozenset(m for m, f in zip(members, first, strict=True) if f == one) for one in set(first)}

    plain = parts(list(range(200)), groups(*items).first.tolist())
    mixed = parts(order.tolist(), groups(*(items[number] for number in order)).first.tolist())
    assert plain == mixed
    assert 5 < len(plain) < 150


def test_groups_are_named_by_family_or_by_the_first_key() -> None:
    found = groups(
        seen(BASES[0], 0),
        seen(BASES[0], 1),
        seen(BASES[1], 2, family="B"),
        seen(BASES[1], 3, family="A"),
        seen(BASES[1], 4),
    )
    names = names_of_groups(found, ["k2", "k1", "k3", "k4", "k0"], ["", "", "B", "A", ""])
    assert names == ["k1", "k1", "A", "A", "A"]


def test_pairs_across_sides_are_counted_anew() -> None:
    looks = [
        look(BASES[0]),
        look(flipped(BASES[0], 4)),
        look(flipped(BASES[0], 16)),
        look(PLAIN, 0.0),
        look(PLAIN, 0.0),
    ]
    sides = ["train", "train", "test", "train", "test"]
    assert sorted(pairs_across(looks, sides, 16, 25.0)) == [(0, 2, 16), (1, 2, 12)]
