"""What a recipe asks of its source's tables, checked before any work starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rushes.errors import RecipeError, SourceError
from rushes.recipe import Recipe
from rushes.sources.openpack_tables import assign_splits, load_label_set, load_persons, split_subjects


def sides(recipe: Recipe) -> Mapping[str, Sequence[str]]:
    """Side -> subject ids of the split that the recipe names or spells out."""
    split = recipe.source.split
    return split_subjects(split) if isinstance(split, str) else split


def check_recipe(recipe: Recipe) -> None:
    """Refuse what can only fail later, after hours.

    Raises:
        RecipeError: a person on two sides or an unknown id; a side for which the twin draws nobody; a pair of
            labels that the label set does not have.
    """
    faults = [*_split_faults(recipe), *_pair_faults(recipe)]
    if faults:
        raise RecipeError.of(faults, recipe.name)


def _split_faults(recipe: Recipe) -> Iterator[str]:
    split = sides(recipe)
    try:
        assign_splits((), split)
    except SourceError as error:
        yield f"source.split: {error.message}; {error.cure}"
    if recipe.source.root is not None:
        return
    drawn = list(load_persons())[: recipe.twin.subjects]
    for side in ("train", recipe.evaluate.split):
        if not set(drawn) & set(split.get(side, ())):
            yield (
                f"twin.subjects: {len(drawn)} would be {drawn[0]} to {drawn[-1]}, nobody of whom is on side "
                f"{side} of the split ({', '.join(split.get(side, ()))}); draw more, list "
                "these under source.split, or give source.root"
            )


def _pair_faults(recipe: Recipe) -> Iterator[str]:
    known = load_label_set(recipe.source.labels).labels
    for number, pair in enumerate(recipe.prepare.wide_pairs):
        for label in sorted(set(pair) - set(known)):
            yield f"prepare.wide_pairs.{number}: no label {label!r}; known are {', '.join(known)}"
