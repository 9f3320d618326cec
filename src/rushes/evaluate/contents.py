"""What a dataset holds: samples and seconds by side, group and class, and what a reader must not miss of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Axis = Literal["side", "group", "label"]

SIDES = ("train", "val", "test")
FEW = 10
"""Training samples of a class below which a reader is told."""

NAMED = 6
"""Names that a sentence lists."""

UNKNOWN = ""
"""Of a group that nobody knows, and of what has no label."""


class Place(NamedTuple):
    """Where samples belong; a group or a label may be `UNKNOWN`."""

    side: str
    group: str
    label: str


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is: a number of samples, and seconds of recordings, each second once."""

    samples: int = 0
    seconds: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.samples + other.samples, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dataset holds.

    Attributes:
        amounts: of each side, group and label that occur together.
    """

    amounts: Mapping[Place, Amount]

    @classmethod
    def of(cls, samples: Iterable[Place], seconds: Iterable[tuple[Place, float]]) -> Contents:
        """Counted from each sample, and from each stretch of a recording."""
        counts = Counter(samples)
        lengths: dict[Place, float] = {}
        for place, length_s in seconds:
            lengths[place] = lengths.get(place, 0.0) + length_s
        places = {**counts, **lengths}
        return cls({place: Amount(counts[place], lengths.get(place, 0.0)) for place in places})

    @property
    def sides(self) -> list[str]:
        """Those that have anything, in the usual order."""
        return in_order({place.side for place in self.amounts})

    @property
    def timed(self) -> bool:
        """Whether anything of it has a length: pictures have none."""
        return any(amount.seconds for amount in self.amounts.values())

    def along(self, *axes: Axis) -> dict[tuple[str, ...], Amount]:
        """Sums over everything but ``axes``."""
        sums: dict[tuple[str, ...], Amount] = {}
        for place, amount in self.amounts.items():
            key = tuple(str(getattr(place, axis)) for axis in axes)
            sums[key] = sums.get(key, Amount()) + amount
        return sums

    def names(self, axis: Axis, side: str | None = None) -> list[str]:
        """Known groups, labels or sides that have a sample, on one side or on any."""
        return sorted(
            {
                str(getattr(place, axis))
                for place, amount in self.amounts.items()
                if amount.samples and side in (None, place.side)
            }
            - {UNKNOWN}
        )

    def remarks(self, labels: Sequence[str] = ()) -> Iterator[str]:
        """Sentences on what training or measuring would suffer from.

        Args:
            labels: classes that the dataset is to have.
        """
        usual = [side for side in self.sides if side in SIDES] or self.sides
        known = sorted({label for side in usual for label in self.names("label", side)})
        if len(known) == 1:
            yield f"Every labelled sample is of one class: {known[0]}."
        if missing := [label for label in labels if label not in known]:
            yield f"No side has a sample of {listed(missing)}."
        for side in usual:
            here = self.names("label", side)
            if absent := [label for label in known if label not in here]:
                yield f"Side {side} has no sample of {listed(absent)}, which other sides have."
        trained = {
            label: amount.samples
            for (side, label), amount in self.along("side", "label").items()
            if side == "train" and label != UNKNOWN and amount.samples
        }
        if few := [label for label, count in trained.items() if count < FEW]:
            yield f"Fewer than {FEW} training samples: {listed(few)}."
        groups = self.names("group", "train")
        if len(groups) > 1 and (single := sorted(set(trained) - self._of_many_groups())):
            yield f"Only one of {len(groups)} training groups has {listed(single)}: what is learnt may be the group."
        if unknown := self.along("group").get((UNKNOWN,), Amount()).samples:
            total = sum(amount.samples for amount in self.amounts.values())
            yield (
                f"{unknown:,} of {total:,} samples belong to no known group: whether a side has somebody of another "
                "one cannot be told."
            )

    def _of_many_groups(self) -> set[str]:
        """Labels that more than one known group of the training side has."""
        groups: dict[str, set[str]] = {}
        for place, amount in self.amounts.items():
            if place.side == "train" and amount.samples:
                groups.setdefault(place.label, set()).add(place.group)
        return {label for label, found in groups.items() if len(found) > 1}


def in_order(sides: Iterable[str]) -> list[str]:
    """Sides as people list them: the usual ones first.

    >>> in_order({"test", "extra", "train"})
    ['train', 'test', 'extra']
    """
    return sorted(sides, key=lambda side: (SIDES.index(side) if side in SIDES else len(SIDES), side))


def listed(names: Sequence[str]) -> str:
    """The first names, and how many others there are.

    >>> listed(["a", "b"]), listed([str(number) for number in range(9)])
    ('a, b', '0, 1, 2, 3, 4, 5 and 3 others')
    """
    told = ", ".join(names[:NAMED])
    return told if len(names) <= NAMED else f"{told} and {len(names) - NAMED} others"
