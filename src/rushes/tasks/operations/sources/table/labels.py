"""The labels that are to be learnt of an annotation."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rushes.annotations import Mark
from rushes.errors import SourceError
from rushes.runs.labelled.annotation import counted, label_file, read_annotation
from rushes.runs.run import require_there
from rushes.stages.inventory import walk
from rushes.storage.recordings import bring_recordings, listing_of
from rushes.tasks.operations.recipe import TableSource
from rushes.tasks.operations.sources.table.names import recording_of


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
        return vocabulary(_marks(place, names, asked), asked)
    with TemporaryDirectory() as folder:
        is_read = label_file(asked)
        of_names = asked.annotation.format == "names"
        root = bring_recordings(place, Path(folder), lambda name: not of_names and is_read(name))
        names = [name for name, _ in listing_of(root)]
        return vocabulary(_marks(root, names, asked), asked)


def _marks(root: Path, names: Sequence[str], asked: TableSource) -> tuple[Mark, ...]:
    footage = dict.fromkeys(filter(None, map(recording_of, names)))
    return read_annotation(root, names, footage, asked).labels.marks
