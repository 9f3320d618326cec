"""Who stands on which side: groups apart, dealt out class by class, and what is said where nobody is known."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from rushes.errors import SourceError
from rushes.runs.shares import nobody_said as nobody_said_of

SIDES = ("train", "val", "test")


def nobody_said(unknown: int, total: int) -> str | None:
    """See `rushes.runs.shares.nobody_said`; of sounds."""
    return nobody_said_of(unknown, total, "sound", "voice", "name groups by source.pattern or source.table")


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


def deal(labels_of: Mapping[str, Collection[str]], shares: Mapping[str, float]) -> dict[str, str]:
    """Deal groups out to sides like cards, so that every side has its share of every class.

    Classes are dealt from the rarest on, their groups in order of the SHA-256 of their names, each to the side
    that is furthest behind its share of the class, of equal ones behind its share of all groups. So a class of
    as many groups as sides has one on each, unless these were dealt already as groups of a rarer class.

    >>> deal({"a": {"x"}, "b": {"x"}, "c": {"y"}, "d": {"y"}}, {"train": 0.5, "val": 0.5})
    {'b': 'train', 'a': 'val', 'd': 'train', 'c': 'val'}

    Args:
        labels_of: group -> its classes.
        shares: side -> share.

    Raises:
        SourceError: there are fewer groups than sides.
    """
    asked = {side: share for side, share in shares.items() if share > 0}
    if len(labels_of) < len(asked):
        raise SourceError(
            f"{len(asked)} sides and {len(labels_of)} groups: a group cannot stand on two sides",
            cure="tell groups apart by source.pattern, or list them by side under source.split",
        )
    groups_of: dict[str, list[str]] = {}
    for group in sorted(labels_of, key=_rank):
        for label in labels_of[group]:
            groups_of.setdefault(label, []).append(group)
    still = quota(len(labels_of), asked)
    side_of: dict[str, str] = {}
    for label in sorted(groups_of, key=lambda label: (len(groups_of[label]), label)):
        groups = groups_of[label]
        own = quota(len(groups), asked) if len(groups) >= len(asked) else dict.fromkeys(asked, 0)
        for group in groups:
            if group in side_of:
                own[side_of[group]] -= 1
        for group in groups:
            if group not in side_of:
                side = max(asked, key=lambda side: (own[side], still[side]))
                side_of[group] = side
                own[side] -= 1
                still[side] -= 1
    return side_of


def quota(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of ``total`` groups stand on each side: one at least, and otherwise nearest to the shares.

    >>> quota(3, {"train": 0.7, "val": 0.15, "test": 0.15}), quota(7, {"train": 0.7, "val": 0.3})
    ({'train': 1, 'val': 1, 'test': 1}, {'train': 5, 'val': 2})
    """
    found = {side: max(1, int(share * total)) for side, share in shares.items()}
    while sum(found.values()) != total:
        behind = {side: share * total - found[side] for side, share in shares.items()}
        if sum(found.values()) < total:
            found[max(behind, key=behind.__getitem__)] += 1
        else:
            found[min((side for side in found if found[side] > 1), key=behind.__getitem__)] -= 1
    return found


def _rank(group: str) -> str:
    return hashlib.sha256(group.encode(errors="surrogateescape")).hexdigest()
