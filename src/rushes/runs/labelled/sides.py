"""On which side of a split recordings stand: as the annotation says, as the recipe lists, or by shares of groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from rushes.annotations import Labels, Mark
from rushes.errors import SourceError
from rushes.prepare.outcomes import NO_SIDE
from rushes.recipe.labelled import Groups, LabelledSource
from rushes.recipe.pattern import match_whole
from rushes.recipe.sections import Side
from rushes.recipe_file import near
from rushes.runs.shares import SIDE_OF_NAME, side_of

TOLD = 5
"""Names that an error lists."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Who stands on which side.

    Attributes:
        side_of: key of a recording that holds -> its side.
        skipped: key of a recording that nobody asks for, whether it holds or not -> why.
        absent: names on a side of whom there is no recording; to be printed.
        cure: what to do where a side comes out empty.
    """

    side_of: Mapping[str, str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    cure: str = "mend its recordings, or list others under source.split"


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a labelled recording beside its labels.

    Attributes:
        name: of its file or folder, below the root.
        group: whose it is; empty where nobody says.
        side: that the annotation names; empty where it names none, or is not asked.
    """

    name: str
    group: str = ""
    side: str = ""


def require_columns(labels: Labels, asked: LabelledSource) -> None:
    """See that the annotation has the columns that the recipe names.

    Raises:
        SourceError: it lacks one; lists those that there are.
    """
    wanted = {"source.groups.column": asked.groups.column}
    if asked.split == "column":
        wanted["source.side_column"] = asked.side_column
    there = {name for about in labels.about.values() for name in about.columns}
    there |= {name for mark in labels.marks for name, _ in mark.attributes}
    for key, column in wanted.items():
        if (
            column is not None
            and column not in there
            and not any(value_in(mark, column) for mark in labels.marks)
        ):
            raise SourceError(
                f"{key} names {column!r}, which the annotation does not have; {near(column, sorted(there))}",
                where=labels.marks[0].where if labels.marks else None,
                cure=f"correct {key}, or add the column",
            )


def place_of(name: str, labels: Labels, asked: LabelledSource) -> Place:
    """What names and annotation say of a recording.

    Args:
        name: of its file or folder.
        labels: of it.
        asked: which column or pattern says what.

    Raises:
        SourceError: two groups or sides for one recording, or a side that is none.
        RecipeError: the pattern takes too long.
    """
    side = said(labels, asked.side_column) if asked.split == "column" else ""
    if side and side.lower() not in SIDE_OF_NAME:
        raise SourceError(
            f"no side {side!r}",
            where=_where(labels.marks, name),
            cure=f"write {', '.join(get_args(Side))} under {asked.side_column}, or leave it empty",
        )
    return Place(name, _group(name, labels, asked.groups), SIDE_OF_NAME[side.lower()] if side else "")


def said(labels: Labels, column: str) -> str:
    """What a column of the annotation says of a recording; empty where it says nothing.

    Raises:
        SourceError: it says different things.
    """
    found = {mark.where: value for mark in labels.marks if (value := value_in(mark, column))}
    if len(set(found.values())) > 1:
        first, other = list(dict.fromkeys(found.values()))[:2]
        where = next(place for place, value in found.items() if value == other)
        raise SourceError(
            f"one recording has two values under {column}: {first!r} and {other!r}",
            where=where,
            cure="write the same in all rows of a recording",
        )
    of_files = (about.columns.get(column, "") for about in labels.about.values())
    return next(iter(found.values()), "") or next(filter(None, of_files), "")


def value_in(mark: Mark, column: str) -> str:
    """What a mark has in a column; empty where it has none."""
    own = {"track": mark.track, "annotator": mark.annotator, "comment": mark.comment}
    return dict(mark.attributes).get(column, own.get(column, ""))


def _group(name: str, labels: Labels, groups: Groups) -> str:
    if groups.column is not None:
        return said(labels, groups.column)
    if groups.pattern is not None:
        return (match_whole(groups.pattern, name, "source.groups.pattern") or {}).get("group") or ""
    return ""


def _where(marks: Sequence[Mark], name: str) -> str:
    return marks[0].where if marks else name


def put_on_sides(places: Mapping[str, Place], asked: LabelledSource) -> Sides:
    """Put every labelled recording on its side.

    Args:
        places: key -> what is known of it.
        asked: which sides the recipe wants.

    Raises:
        SourceError: a group stands on two sides, or the recipe lists one that is not there.
    """
    if isinstance(asked.split, Mapping):
        return listed(places, asked.split)
    if asked.split == "column":
        sides = {key: place.side for key, place in places.items()}
        _require_apart((place.group, sides[key], place.name) for key, place in places.items())
    else:
        shares = asked.shares.of_sides
        sides = {key: side_of(place.group or key, shares, asked.shares.seed) for key, place in places.items()}
    known = {key: side for key, side in sides.items() if side}
    nothing_said = f"no side under {asked.side_column} of the annotation"
    return Sides(known, {key: nothing_said for key in places if key not in known})


def listed(places: Mapping[str, Place], split: Mapping[Side, Sequence[str]]) -> Sides:
    """By groups; a recording of no known group is listed by its key or its name.

    Raises:
        SourceError: none of the groups is there.
    """
    side_of_word = {word: side for side, words in split.items() for word in words}
    words_of = {key: (place.group,) if place.group else (key, place.name) for key, place in places.items()}
    there = {word: None for words in words_of.values() for word in words}
    absent = tuple(word for word in side_of_word if word not in there)
    found = {
        key: side_of_word[word] for key, words in words_of.items() for word in words if word in side_of_word
    }
    if not found:
        raise SourceError(
            f"source.split names {', '.join(absent[:TOLD])}, of whom there is no recording; "
            f"{near(absent[0], list(there)[: TOLD * 2])}",
            cure="list the groups as the annotation or the names of the recordings have them",
        )
    return Sides(found, {key: NO_SIDE for key in places if key not in found}, absent)


def _require_apart(places: Iterable[tuple[str, str, str]]) -> None:
    """See that no group stands on two sides; each place is group, side, name."""
    first_of: dict[str, tuple[str, str]] = {}
    for group, side, name in places:
        if not group or not side:
            continue
        first_side, first = first_of.setdefault(group, (side, name))
        if side != first_side:
            raise SourceError(
                f"group {group} stands on two sides: {first} on {first_side}, {name} on {side}",
                where=name,
                cure="put all recordings of a group on one side",
            )
