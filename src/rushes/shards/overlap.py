"""What two datasets share: samples under the same key, of the same group, of the same recording, or the same.

All of it stands in indexes and in ``recordings.json``; only where two samples look like copies are they read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from rushes.shards.index import extension
from rushes.shards.read import ShardDataset

NOBODY = frozenset({None, "", "unknown"})
"""Groups that tell nothing: samples of them need not belong together."""


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on one side of a dataset.

    Attributes:
        name: of the side.
        samples: of it.
        keys: of its samples.
        groups: of its samples, less those of nobody.
        recordings: keys of the recordings that they were cut from.
        marks: (n,) see `rushes.shards.read.ShardDataset.marks`.
    """

    name: str
    samples: ShardDataset
    keys: tuple[str, ...]
    groups: frozenset[str]
    recordings: frozenset[str]
    marks: NDArray[np.uint64] = field(repr=False)

    @classmethod
    def of(cls, name: str, samples: ShardDataset, split_of: Mapping[str, str]) -> Side:
        """Read the indexes of a side.

        Args:
            name: of the side.
            samples: of it.
            split_of: recording of the dataset -> side.
        """
        recordings = frozenset(key for key, side in split_of.items() if side == name)
        groups = frozenset(group for group in samples.groups() if group is not None and group not in NOBODY)
        return cls(name, samples, tuple(samples.keys()), groups, recordings, samples.marks())


def named_in_both(ours: Side, theirs: Side) -> Iterator[tuple[str, str]]:
    """What both have of the same name, of datasets of the same recordings: what it is, and the name."""
    pairs = (
        ("sample", frozenset(ours.keys), frozenset(theirs.keys)),
        ("recording", ours.recordings, theirs.recordings),
        ("group", ours.groups, theirs.groups),
    )
    for what, one, other in pairs:
        yield from ((what, name) for name in sorted(one & other))


def copies_in_both(ours: Side, theirs: Side) -> Iterator[tuple[str, str]]:
    """Keys of samples, ours and theirs, whose content is the same to the byte, whatever they are called.

    Of one value throughout, as digital silence is, they are no copies: nobody can learn one from the other.
    """
    shared = np.intersect1d(ours.marks, theirs.marks)
    if not len(shared):
        return
    known: dict[int, list[int]] = {}
    for number in np.flatnonzero(np.isin(theirs.marks, shared)).tolist():
        known.setdefault(int(theirs.marks[number]), []).append(number)
    for number in np.flatnonzero(np.isin(ours.marks, shared)).tolist():
        content = _content(ours.samples, number)
        if all(map(_is_blank, content.values())):
            continue
        for other in known[int(ours.marks[number])]:
            if _content(theirs.samples, other) == content:
                yield ours.keys[number], theirs.keys[other]
                break


def _content(samples: ShardDataset, number: int) -> dict[str, bytes]:
    """The members of a sample by which it is marked."""
    members = {name: bytes(data) for name, data in samples.sample(number).items()}
    return {name: data for name, data in members.items() if extension(name) != "json"} or members


def _is_blank(data: bytes) -> bool:
    """Whether a member is an array of one value throughout."""
    if not data.startswith(MAGIC_PREFIX):
        return False
    values = np.load(io.BytesIO(data)).ravel()
    return bool((values == values[:1]).all())
