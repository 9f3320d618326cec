"""Who stands on which side: groups apart, dealt out by shares, and what is said where nobody is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rushes.errors import SourceError
from rushes.recipe.shares import Shares
from rushes.runs.shares import SEEDS, best_seed, side_of
from rushes.runs.shares import nobody_said as nobody_said_of

SIDES = ("train", "val", "test")


def nobody_said(unknown: int, total: int) -> str | None:
    """See `rushes.runs.shares.nobody_said`; of sounds."""
    return nobody_said_of(unknown, total, "sound", "voice", "name groups by source.pattern or source.table")


def nobody_said_of_recordings(unknown: int, total: int) -> str | None:
    """The same of long recordings."""
    cure = "name groups by source.groups.column or .pattern"
    return nobody_said_of(unknown, total, "recording", "voice", cure)


def require_apart(places: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """See that no group stands on two sides.

    Args:
        places: group, side and name of each sound; those of no known group stand where they stand.

    Returns:
        Group -> side.

    Raises:
        SourceError: names the group, and one of its sounds on either side.
    """
    first_of: dict[str, tuple[str, str]] = {}
    for group, side, name in places:
        if not group:
            continue
        first_side, first = first_of.setdefault(group, (side, name))
        if first_side != side:
            raise SourceError(
                f"group {group} stands on two sides: {first} on {first_side}, {name} on {side}",
                where=name,
                cure="put all sounds of a group on one side, or say with source.pattern what a group is",
            )
    return {group: side for group, (side, _) in first_of.items()}


def deal(labels_of: Mapping[str, Collection[str]], shares: Shares) -> dict[str, str]:
    """Deal groups out to sides by the hash of their names, so that new groups move no old one.

    >>> deal({"ann": {"snore"}, "bob": {"snore"}, "cem": {"cough"}}, Shares(train=0.5, val=0.0, test=0.5))
    {'ann': 'train', 'bob': 'test', 'cem': 'test'}

    Args:
        labels_of: group -> its classes.
        shares: of each side.

    Raises:
        SourceError: a side with a share has no group; the seed that spreads the classes best is named.
    """
    sides = {group: side_of(group, shares.of_sides, shares.seed) for group in labels_of}
    amounts = {group: dict.fromkeys(labels, 1.0) for group, labels in labels_of.items()}
    require_filled(sides, amounts, shares, "source.pattern")
    return sides


def require_filled(
    sides: Mapping[str, str], amounts: Mapping[str, Mapping[str, float]], shares: Shares, told_by: str
) -> None:
    """See that no side with a share came out empty.

    Args:
        sides: group -> the side that it was dealt to.
        amounts: group -> class -> how much of it.
        shares: of each side.
        told_by: the key of a recipe that tells groups apart.

    Raises:
        SourceError: a side with a share has no group; the seed that spreads the classes best is named.
    """
    share_of = shares.of_sides
    asked = [side for side in SIDES if share_of[side] > 0]
    if len(sides) < len(asked):
        raise SourceError(
            f"{len(asked)} sides and {len(sides)} groups: a group cannot stand on two sides",
            cure=f"tell groups apart by {told_by}, or list them by side under source.split",
        )
    if empty := [side for side in asked if side not in sides.values()]:
        raise SourceError(
            f"none of {len(sides)} groups falls on side {' and '.join(empty)} with "
            f"source.shares.seed {shares.seed}",
            cure=f"write source.shares.seed: {best_seed(amounts, share_of)}, which of {SEEDS:,} seeds spreads "
            "the classes best, or list groups by side under source.split",
        )
