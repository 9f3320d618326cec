"""A picture with its words, to a sample and back."""

from __future__ import annotations

import json

import pytest

from rushes.errors import ShardError
from rushes.prepare.pair import META, VIEWS, Pair, Words

WORDS = Words(
    "oak chair", "CHAIR oak!!", "oak chair", ("a photo of an oak chair", "oak"), {"de": "Stuhl"}, {"a.b": "ä"}
)
BARE = Words("chair", "chair", "chair", ("chair",))


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_pair_comes_back_as_it_was(count: int) -> None:
    views = tuple(bytes([number]) * number for number in range(count))  # one is empty
    pair = Pair("0" * 16, b"jpeg", WORDS, views, group="g", label="chair")
    assert Pair.of(pair.key, {name: memoryview(data) for name, data in pair.members().items()}) == pair


def test_samples_of_different_items_have_one_form() -> None:
    """Readers that make tables of rows want the same members, and the same type of each value."""
    rich, bare = (
        Pair("0" * 16, b"jpeg", words, views).members()
        for words, views in ((WORDS, (b"1", b"2")), (BARE, ()))
    )
    assert rich.keys() == bare.keys()
    first, second = (
        {name: type(value) for name, value in json.loads(one[META]).items()} for one in (rich, bare)
    )
    assert first == second
    assert dict not in first.values()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"\0\0\1"]
)
def test_views_that_are_cut_are_refused(damage) -> None:
    members = Pair("0" * 16, b"jpeg", BARE, (b"view",)).members()
    with pytest.raises(ShardError, match="no picture with words"):
        Pair.of("0" * 16, {**members, VIEWS: damage(members[VIEWS])})
