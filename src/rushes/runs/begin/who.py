"""Which recordings must stay together, by what a look at a folder gives, and sides that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rushes.annotations.rows import words
from rushes.errors import RecipeError
from rushes.runs.begin.found import FoundLabels
from rushes.runs.begin.names import PERSONS, patterns_in
from rushes.runs.begin.proposal import Line
from rushes.runs.shares import best_seed, side_of

GROUP_COLUMNS = ("group", "who", *(word for word in PERSONS if len(word) > 3))
"""Words of headers that name who is in a recording, the likeliest first; a session or a night is nobody."""

SHARES: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
MANY = 10
"""Groups from which on these shares leave somebody on each side."""

FEW_SHARES: tuple[Mapping[str, float], ...] = (
    {"train": 0.6, "val": 0.0, "test": 0.4},
    {"train": 0.6, "val": 0.2, "test": 0.2},
)
"""Of fewer groups: those of a task that needs no validation side, and of one that does."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who is in the recordings, as far as it can be told.

    Attributes:
        by: a column of the labels, a pattern over names, or nothing.
        value: the column or the pattern.
        why: it was taken.
        of: name of each recording -> its group; none where nobody says.
        doubts: what else it might be.
    """

    by: Literal["column", "pattern"] | None
    value: str
    why: str
    of: Mapping[str, str]
    doubts: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Of groups."""
        return len(set(self.of.values()))


UNKNOWN = Who(None, "", "neither a column nor the names of the recordings tell who is in them", {})


def who_in(names: Sequence[str], labels: FoundLabels | None, is_class: Mapping[str, str]) -> Who:
    """Who is in the recordings: by a column of the labels that is called so, else by their names.

    Args:
        names: of the recordings.
        labels: that are taken.
        is_class: name of a recording -> its class, where it has one only: what tells classes is no group.
    """
    for column in _columns(labels):
        of = labels.told(column) if labels is not None else {}
        if labels is not None and len({*of.values()} - {""}) > 1:
            return Who(
                "column", column, f"the labels have a column {column}", of, _unsaid(column, of, labels)
            )
    classes = {label.casefold() for label in is_class.values()}
    if labels is not None and labels.labels is not None:
        classes |= {mark.label.casefold() for mark in labels.labels.marks}
    likely = [
        pattern
        for pattern in patterns_in(names)
        if pattern.is_somebody
        and not _alike(pattern.of, is_class)
        and not classes & {group.casefold() for group in pattern.groups}
    ]
    if not likely:
        return UNKNOWN
    first, *others = likely
    doubts = [
        f"names tell {other.text()} as well: that may be who is in a recording instead"
        for other in others
        if not _alike(other.of, first.of)
    ]
    if first.who != "person":
        told = ", ".join(f'"{name}"' for name in list(first.groups)[:3])
        doubts.append(f"{told} are plain words, taken for who is in a recording: they may be places or days")
    why = f"names tell {first.text()}; nobody said that it is so"
    return Who("pattern", first.pattern, why, first.of, tuple(doubts))


def _unsaid(column: str, of: Mapping[str, str], labels: FoundLabels) -> tuple[str, ...]:
    """In words: the recordings of which a column tells nobody, or several."""
    unsaid = sorted(name for name in labels.of.values() if not of.get(name))
    if not unsaid:
        return ()
    return (f"{column} tells no one of {len(unsaid):,} recordings, such as {unsaid[0]}: write who is there",)


def enough(who: Who, names: Collection[str], *, validates: bool) -> Who:
    """The same, or nobody where names tell fewer groups than there are sides.

    Args:
        who: is in the recordings.
        names: of those with a label.
        validates: whether the task cannot do without a validation side.
    """
    groups = {who.of.get(name) for name in names}
    sides = sum(share > 0 for share in FEW_SHARES[validates].values())
    if who.by != "pattern" or len(groups) >= sides:
        return who
    told = ", ".join(sorted(map(str, groups)))
    why = f"names tell {told}, and there are {sides} sides, so recordings are dealt out one by one"
    return Who(None, "", why, {}, who.doubts)


def _columns(labels: FoundLabels | None) -> list[str]:
    """Columns that may name groups, the likeliest first."""
    if labels is None or labels.labels is None:
        return []
    there = dict.fromkeys(column for about in labels.labels.about.values() for column in about.columns)
    ranked = [
        (rank, column) for column in there for rank, word in enumerate(GROUP_COLUMNS) if word in words(column)
    ]
    return [column for _, column in sorted(ranked)]


def _alike(of: Mapping[str, str], is_class: Mapping[str, str]) -> bool:
    """Whether groups and classes are the same partition of the recordings."""
    pairs = {(of[name], is_class.get(name)) for name in of}
    return len(pairs) == len(set(of.values())) == len({label for _, label in pairs})


def sides_of(
    amounts: Mapping[str, Mapping[str, float]],
    who: Who,
    key_of: Callable[[str], str],
    *,
    validates: bool,
    where: Path,
) -> tuple[list[Line], Mapping[str, str]]:
    """Shares of the groups as lines of a recipe, and the side of each recording.

    Args:
        amounts: name of each recording -> class -> seconds of it.
        who: is in them.
        key_of: name of a recording -> its key, which is dealt out where no group is known.
        validates: whether the task cannot do without a validation side.
        where: the folder, for errors.

    Raises:
        RecipeError: there are fewer groups than sides.
    """
    group_of = {name: who.of.get(name) or key_of(name) for name in amounts}
    groups: dict[str, Counter[str]] = {}
    for name, of_name in amounts.items():
        groups.setdefault(group_of[name], Counter()).update(of_name)
    noun = "group" if who.by else "recording"
    shares = SHARES if len(groups) >= MANY else FEW_SHARES[validates]
    sides = [side for side, share in shares.items() if share]
    if len(groups) < len(sides):
        raise RecipeError(
            f"{len(groups)} {noun}{'s' * (len(groups) > 1)}, and {len(sides)} sides ({', '.join(sides)}): none can be "
            f"both learnt from and measured on: {', '.join(groups)}",
            where=where,
            cure="add recordings of others"
            if who.by
            else "add another recording, or cut one in several files",
        )
    seed = best_seed(groups, shares)
    why = "of the draws by the hash of names the one that spreads the classes best over the sides"
    lines = [Line(f"source.shares.{side}", share) for side, share in shares.items()]
    lines[0] = lines[0]._replace(why=f"of the {len(groups):,} {noun}s")
    return [*lines, Line("source.shares.seed", seed, why)], {
        name: side_of(group, shares, seed) for name, group in group_of.items()
    }
