"""OpenPack's tables, kept as YAML: label sets, persons behind subject ids, named splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import yaml

from rushes.errors import SourceError
from rushes.prepare.outcomes import NO_SIDE
from rushes.recipe.sections import Side
from rushes.records import Recording
from rushes.runs.labelled.sides import Sides
from rushes.runs.source import Fault

SIDES: tuple[Side, ...] = get_args(Side)


@cache
def _table(name: str) -> Any:
    return yaml.safe_load(
        (files("rushes.tasks.operations.sources.openpack") / f"{name}.yaml").read_text("utf-8")
    )


# --- label sets -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels to learn, and what becomes of each of OpenPack's operations.

    Attributes:
        name: as recipes write it.
        version: raised when the mapping changes; belongs into signatures.
        labels: all labels, in the order of their indices.
        of_id: OpenPack operation id -> label; None = no target: masked, counted and printed.
    """

    name: str
    version: int
    labels: tuple[str, ...]
    of_id: Mapping[int, str | None]

    def __post_init__(self) -> None:
        strangers = {label for label in self.of_id.values() if label is not None} - set(self.labels)
        if strangers or len(set(self.labels)) != len(self.labels):
            raise SourceError(
                f"label set {self.name!r}: labels occur twice or are mapped to but not listed: "
                f"{sorted(strangers) or self.labels}",
                cure="list every label once under `labels`",
            )

    def label_of(self, operation_id: int) -> str | None:
        """Label of an operation id; None where this label set has no target for it.

        Raises:
            SourceError: the id is not mapped; nothing ever becomes Unknown in silence.
        """
        if operation_id not in self.of_id:
            raise SourceError(
                f"operation id {operation_id} is not mapped by label set {self.name!r}; "
                f"mapped are {', '.join(map(str, self.of_id))}",
                cure=f"map it to a label or to null, and raise the version of {self.name!r}",
            )
        return self.of_id[operation_id]


def load_label_set(name: str) -> LabelSet:
    """The label set ``name``, one of `rushes.tasks.operations.recipe.LabelSetName`.

    >>> load_label_set("openpack").labels[0], load_label_set("classes10").label_of(500)
    ('Picking', 'Tape')

    Raises:
        SourceError: there is no such label set.
    """
    sets = _table("labels")["label_sets"]
    if name not in sets:
        raise SourceError(f"no label set {name!r}", cure=f"choose one of {', '.join(sets)}")
    entry = sets[name]
    return LabelSet(name, entry["version"], tuple(entry["labels"]), dict(entry["of_id"]))


def operation_names() -> dict[int, str]:
    """OpenPack's operation ids and the names that the annotation writes beside them."""
    return dict(_table("labels")["operations"])


# --- persons ----------------------------------------------------------------------------------------------


def load_persons() -> dict[str, str]:
    """Subject id -> person, for the 21 ids of OpenPack; a person is named by its first id."""
    return dict(_table("persons"))


def person_of(subject: str, persons: Mapping[str, str] | None = None) -> str:
    """The person behind a subject id; five of OpenPack's persons carry two ids.

    >>> person_of("U0210"), person_of("U0103")
    ('U0103', 'U0103')

    Args:
        subject: ``U0210``, say.
        persons: subject id -> person; OpenPack's own table if not given.

    Raises:
        SourceError: the id is not in the table. Without a person a split could leak.
    """
    table = load_persons() if persons is None else persons
    if subject not in table:
        raise SourceError(
            f"nobody is known behind subject id {subject!r}; known ids are {', '.join(table)}",
            cure=f"correct the id, or say in openpack/persons.yaml who {subject} is",
        )
    return table[subject]


# --- splits -----------------------------------------------------------------------------------------------


def split_subjects(name: str) -> dict[Side, tuple[str, ...]]:
    """Side -> subject ids of the named split, one of `rushes.tasks.operations.recipe.SplitName`.

    >>> split_subjects("earlier")["test"]
    ('U0108',)

    Raises:
        SourceError: there is no such split.
    """
    splits = _table("splits")
    if name not in splits:
        raise SourceError(f"no split {name!r}", cure=f"choose one of {', '.join(splits)}, or list subjects")
    return {side: tuple(subjects) for side, subjects in splits[name].items()}


def assign_splits(
    recordings: Iterable[Recording],
    split: str | Mapping[Side, Sequence[str]],
    faults: Sequence[Fault] = (),
) -> Sides:
    """Put every recording on the side of its subject.

    Args:
        recordings: of any subjects; those on no side are reported as skipped. Each knows its person
            (``group``); subjects without a recording are looked up in OpenPack's own table.
        split: a name as of `split_subjects`, or side -> subject ids, e.g. ``{"train": ["U0101"], "test": ["U0108"]}``.
        faults: of sessions that do not hold; their owners are not absent.

    Raises:
        SourceError: a person stands on two sides, a side or a subject id is unknown.
    """
    recordings = tuple(recordings)
    sides: Mapping[Side, Sequence[str]] = split_subjects(split) if isinstance(split, str) else split
    groups = {recording.subject: recording.group for recording in recordings}
    _refuse_leaks(sides, load_persons() | groups)
    side_of_subject = {subject: side for side, subjects in sides.items() for subject in subjects}
    owner_of = {r.key: r.subject for r in recordings} | {fault.key: fault.owner for fault in faults}
    return Sides(
        side_of={r.key: side_of_subject[r.subject] for r in recordings if r.subject in side_of_subject},
        skipped={key: NO_SIDE for key, owner in owner_of.items() if owner not in side_of_subject},
        absent=tuple(subject for subject in side_of_subject if subject not in owner_of.values()),
    )


def _refuse_leaks(sides: Mapping[Side, Sequence[str]], persons: Mapping[str, str]) -> None:
    """One person, one side, whether there are recordings of all its ids or not."""
    ids: dict[str, dict[str, list[str]]] = {}
    for side, subjects in sides.items():
        if side not in SIDES:
            raise SourceError(f"no side {side!r} in a split", cure=f"name sides {', '.join(SIDES)}")
        for subject in subjects:
            ids.setdefault(person_of(subject, persons), {}).setdefault(side, []).append(subject)
    for person, by_side in ids.items():
        if len(by_side) > 1:
            places = ", ".join(f"{' and '.join(subjects)} in {side}" for side, subjects in by_side.items())
            raise SourceError(
                f"person {person} stands on {len(by_side)} sides of the split: {places}",
                cure="put all ids of a person on one side",
            )
