"""What a recipe asks of its source's tables, checked before any work starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rushes.errors import SourceError
from rushes.recipe.sections import Side
from rushes.tasks.operations.recipe import OperationsRecipe
from rushes.tasks.operations.sources.openpack.tables import (
    assign_splits,
    load_label_set,
    load_persons,
    split_subjects,
)


def sides(recipe: OperationsRecipe) -> Mapping[Side, Sequence[str]]:
    """Side -> subject ids of the split that the recipe names or spells out."""
    split = recipe.source.split
    return split_subjects(split) if isinstance(split, str) else split


def split_faults(recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
    """A person on two sides or an unknown id; a side for which the twin draws nobody."""
    split = sides(recipe)
    try:
        assign_splits((), split)
    except SourceError as error:
        yield "source.split", f"{error.message}; {error.cure}"
    if recipe.source.root is not None:
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


def pair_faults(recipe: OperationsRecipe) -> Iterator[tuple[str, str]]:
    """A pair of labels that the label set does not have."""
    known = load_label_set(recipe.source.labels).labels
    for number, pair in enumerate(recipe.prepare.wide_pairs):
        for label in sorted(set(pair) - set(known)):
            yield f"prepare.wide_pairs.{number}", f"no label {label!r}; known are {', '.join(known)}"
