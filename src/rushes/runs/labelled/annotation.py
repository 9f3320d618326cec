"""The annotation of a folder: which files, what they say together, and of which recordings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rushes.annotations import (
    How,
    Labels,
    Mark,
    Rule,
    by_recording,
    files_of,
    fits,
    joined,
    of_a_model,
    places,
    read,
    with_format,
)
from rushes.errors import SourceError
from rushes.recipe.labelled import LabelledSource
from rushes.recipe_file import near


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the files of an annotation say together.

    Attributes:
        labels: of all files that hold.
        files: names of all files that belong to it.
        broken: file that does not hold, by its name less its suffix -> why.
    """

    labels: Labels
    files: tuple[str, ...]
    broken: Mapping[str, SourceError]


def read_annotation(
    root: Path, names: Sequence[str], recordings: Iterable[str], asked: LabelledSource
) -> Annotation:
    """Read the label files below ``root``.

    One that does not hold is told by itself, unless there is no other.

    Args:
        root: of the recordings.
        names: of all files below it.
        recordings: names of the recordings among them; with format ``names`` they are the labels.
        asked: which files, and how.

    Raises:
        SourceError: there is no such file, or none of them holds.
    """
    annotation = asked.annotation
    of_names = annotation.format == "names"  # whose files are the recordings themselves
    files, how = files_of(root, annotation.files, recordings if of_names else names), How.of(annotation, root)
    how = with_format(how, (root / name for name in files))
    found: list[Labels] = []
    broken: dict[str, SourceError] = {}
    for name in files:
        stem = str(PurePosixPath(name).with_suffix(""))
        try:
            found.append(read(root / name, how, stem))
        except SourceError as error:
            broken[stem] = error
    if not found:
        raise next(iter(broken.values()))
    own = [] if of_names else [*files, *filter(None, [annotation.mapping])]
    labels = joined(found)
    if (note := of_a_model(labels.marks)) is not None:
        labels = replace(labels, notes=(*labels.notes, note))
    return Annotation(labels, tuple(own), broken)


def label_file(asked: LabelledSource) -> Callable[[str], bool]:
    """Whether a name below the root is that of a file of the annotation, or, with format ``names``, a recording."""
    patterns = [*asked.annotation.files, *filter(None, [asked.annotation.mapping])]
    return lambda name: any(fits(name, pattern) for pattern in patterns)


def counted(marks: Iterable[Mark], asked: LabelledSource) -> dict[str, list[str]]:
    """Labels after merging, as they come -> how they are written; of an ignored one as it is written."""
    found: dict[str, list[str]] = {}
    for label in dict.fromkeys(mark.label for mark in marks if mark.kind != "point"):
        merged = label if label in asked.ignore else asked.merge.get(label, label)
        found.setdefault(merged, []).append(label)
    return found


def rule_of(marks: Iterable[Mark], labels: Sequence[str], asked: LabelledSource) -> Rule:
    """How labels become segments; what is not learnt is ignored.

    Args:
        marks: all that there are.
        labels: to learn.
        asked: what the recipe says.
    """
    return Rule(
        merge=asked.merge,
        ignore=frozenset({*asked.ignore, *counted(marks, asked)} - set(labels)),
        background=asked.background,
        background_in=asked.background_in,
        overlaps=asked.overlaps,
    )


def misnamed(
    marks: Iterable[Mark], asked: LabelledSource, learnt: tuple[str, Collection[str]]
) -> Iterator[str]:
    """In words: labels that the recipe names and the annotation does not have, and what may have been meant.

    Args:
        marks: all that there are.
        asked: what the recipe says.
        learnt: the key of the recipe that lists the labels to learn, and what it lists.
    """
    there = counted(marks, asked)
    written = [label for several in there.values() for label in several]
    for key, names, known in (
        (*learnt, list(there)),
        ("source.merge", asked.merge, written),
        ("source.ignore", asked.ignore, written),
    ):
        for name in names:
            if name not in known and name != asked.background:
                yield f"{key} names {name!r}, which the annotation does not have; {near(name, known)}"


def matched(
    read: Annotation, recordings: Sequence[str]
) -> tuple[dict[str, Labels | SourceError], dict[str, SourceError]]:
    """Labels of each recording, or why they do not hold; and of names without a recording what is wrong."""
    written = by_recording(read.labels)
    files, strays = places([*written, *read.broken], recordings)
    own: dict[str, Labels | SourceError] = {}
    for name, file in files.items():
        known, more = own.get(file), read.broken.get(name) or written[name]
        if isinstance(known, Labels) and isinstance(more, Labels):
            more = Labels((*known.marks, *more.marks), {**known.about, **more.about})
        own[file] = known if isinstance(known, SourceError) else more
    faults = {}
    for name, why in strays.items():
        marks = written[name].marks if name in written else ()
        faults[name] = read.broken.get(name) or SourceError(
            f"labels of {name}: {why}",
            where=marks[0].where if marks else None,
            cure="write the name as the file is called below source.root, or fetch the recording",
        )
    return own, faults
