"""What a recipe asks of its source, checked before any work starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rushes.errors import SourceError
from rushes.recipe.sections import Side
from rushes.tasks.operations.recipe import OpenPackSource, OperationsRecipe, TableSource
from rushes.tasks.operations.sources.openpack.tables import (
    assign_splits,
    load_label_set,
    load_persons,
    split_subjects,
)
from rushes.tasks.operations.sources.table.labels import fault_of


def faults(recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
    """Dotted keys, and what is wrong there."""
    source, pairs = recipe.source, recipe.prepare.wide_pairs
    if isinstance(source, TableSource):
        yield from table_faults(source)
        yield from pair_faults(pairs, source.labels) if source.labels else ()
    else:
        yield from split_faults(recipe, source)
        yield from pair_faults(pairs, load_label_set(source.labels).labels)


def sides(source: OpenPackSource) -> Mapping[Side, Sequence[str]]:
    """Side -> subject ids of the split that the recipe names or spells out."""
    return split_subjects(source.split) if isinstance(source.split, str) else source.split


def split_faults(recipe: OperationsRecipe, source: OpenPackSource) -> Iterator[tuple[str, str]]:
    """A person on two sides or an unknown id; a side for which the twin draws nobody."""
    split = sides(source)
    try:
        assign_splits((), split)
    except SourceError as error:
        yield "source.split", f"{error.message}; {error.cure}"
    if source.root is not None:
        return
    drawn = list(load_persons())[: recipe.twin.subjects]
    for side in ("train", recipe.evaluate.split):
        if not set(drawn) & set(split.get(side, ())):
            yield (
                "twin.subjects",
                f"{len(drawn)} would be {drawn[0]} to {drawn[-1]}, nobody of whom is on side {side} of the "
                f"split ({', '.join(split.get(side, ()))}); draw more, list these under source.split, or "
                "give source.root",
            )


def table_faults(source: TableSource) -> Iterator[tuple[str, str]]:
    """No recordings, a group on two sides, or labels that no answer can hold."""
    if source.root is None:
        yield "source.root", "missing; write the folder of the recordings (the twin has the layout openpack)"
    if isinstance(source.split, Mapping):
        listed = Counter(word for words in source.split.values() for word in set(words))
        for word in (word for word, count in listed.items() if count > 1):
            yield "source.split", f"{word} stands on two sides; leave it on one"
    for label in sorted(set(source.labels or ()) & set(source.ignore)):
        yield "source.ignore", f"{label!r} stands under source.labels as well; leave it out of one"
    background = (source.background,) if source.background is not None else ()
    if source.labels and (fault := fault_of(dict.fromkeys((*source.labels, *background)))):
        yield "source.labels", fault


def pair_faults(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A pair of labels that are not there."""
    for number, pair in enumerate(pairs):
        for label in sorted(set(pair) - set(known)):
            yield f"prepare.wide_pairs.{number}", f"no label {label!r}; known are {', '.join(known)}"
