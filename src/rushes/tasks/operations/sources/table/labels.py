"""The annotation of a folder: which files, what they say together, and the labels that are to be learnt."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from rushes.annotations import How, Labels, Mark, Rule, files_of, fits, joined, read
from rushes.errors import SourceError
from rushes.recipe_file import near
from rushes.runs.run import require_there
from rushes.stages.inventory import walk
from rushes.storage.recordings import bring_recordings, listing_of
from rushes.tasks.operations.recipe import TableSource
from rushes.tasks.operations.sources.table.names import recording_of


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


def read_annotation(root: Path, names: Sequence[str], asked: TableSource) -> Annotation:
    """Read the label files below ``root``.

    One that does not hold is told by itself, unless there is no other.

    Args:
        root: of the recordings.
        names: of all files below it.
        asked: which files, and how.

    Raises:
        SourceError: there is no such file, or none of them holds.
    """
    annotation = asked.annotation
    of_names = annotation.format == "names"  # whose files are the recordings themselves
    there = dict.fromkeys(filter(None, map(recording_of, names))) if of_names else names
    files, how = files_of(root, annotation.files, there), How.of(annotation, root)
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
    return Annotation(joined(found), tuple(own), broken)


def label_file(asked: TableSource) -> Callable[[str], bool]:
    """Whether a name below the root is that of a file of the annotation, or, with format ``names``, a recording."""
    patterns = [*asked.annotation.files, *filter(None, [asked.annotation.mapping])]
    return lambda name: any(fits(name, pattern) for pattern in patterns)


def vocabulary(marks: Iterable[Mark], asked: TableSource) -> tuple[str, ...]:
    """Labels to learn: those that the recipe lists, or all that the annotation has, as they come.

    Raises:
        SourceError: fewer than two, or such as no answer can hold.
    """
    if asked.labels is not None:
        labels = list(asked.labels)
    else:
        labels = [label for label in counted(marks, asked) if label and label not in asked.ignore]
    if asked.background is not None and asked.background not in labels:
        labels.append(asked.background)
    if fault := fault_of(labels):
        raise SourceError(
            fault, cure="say under source.merge what they count as: merge: {as written: as learnt}"
        )
    return tuple(labels)


def fault_of(labels: Collection[str]) -> str:
    """What is wrong with a list of labels as values of an answer; empty where nothing is.

    >>> fault_of(["take", "put"]), fault_of(["take", "Take"])
    ('', "labels that differ in case or spaces alone: 'Take' and 'take'")
    """
    if len(labels) < 2:
        return f"{len(labels)} label: there is nothing to tell apart" if labels else "no label at all"
    if unsaid := [label for label in labels if json.dumps(label, ensure_ascii=False) != f'"{label}"']:
        return f"a label is a text without quotes, backslashes and ends of lines, found {unsaid[0]!r}"
    first: dict[str, str] = {}
    for label in labels:
        plain = " ".join(label.split()).casefold()
        if (other := first.setdefault(plain, label)) != label:
            return f"labels that differ in case or spaces alone: {label!r} and {other!r}"
    return ""


def counted(marks: Iterable[Mark], asked: TableSource) -> dict[str, list[str]]:
    """Labels after merging, as they come -> how they are written; of an ignored one as it is written."""
    found: dict[str, list[str]] = {}
    for label in dict.fromkeys(mark.label for mark in marks if mark.kind != "point"):
        merged = label if label in asked.ignore else asked.merge.get(label, label)
        found.setdefault(merged, []).append(label)
    return found


def rule_of(marks: Iterable[Mark], labels: Sequence[str], asked: TableSource) -> Rule:
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


def misnamed(marks: Iterable[Mark], labels: Sequence[str], asked: TableSource) -> Iterator[str]:
    """In words: labels that the recipe names and the annotation does not have, and what may have been meant."""
    there = counted(marks, asked)
    written = [label for several in there.values() for label in several]
    for key, names, known in (
        ("labels", asked.labels or (), list(there)),
        ("merge", asked.merge, written),
        ("ignore", asked.ignore, written),
    ):
        for name in names:
            if name not in known and name != asked.background:
                yield f"source.{key} names {name!r}, which the annotation does not have; {near(name, known)}"


def labels_at(asked: TableSource) -> tuple[str, ...]:
    """The labels that the annotation at ``asked.root`` has, here or elsewhere; nothing else is brought.

    Raises:
        SourceError: the annotation does not hold, or has no two labels.
        StorageError: a URL that cannot be read.
        RecipeError: there is no such folder.
    """
    place = asked.root
    assert place is not None, "a table without a root is a fault of its recipe"
    if isinstance(place, Path):
        require_there(place)
        names = [name for name, _ in walk(place)]
        return vocabulary(read_annotation(place, names, asked).labels.marks, asked)
    with TemporaryDirectory() as folder:
        is_read = label_file(asked)
        of_names = asked.annotation.format == "names"
        root = bring_recordings(place, Path(folder), lambda name: not of_names and is_read(name))
        names = [name for name, _ in listing_of(root)]
        return vocabulary(read_annotation(root, names, asked).labels.marks, asked)
