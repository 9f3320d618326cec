"""What a recipe asks of its source, checked before any work starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.sources.dreamcatcher import LABELS


def faults(recipe: SoundsRecipe) -> Iterator[tuple[str, str]]:
    """Dotted keys, and what is wrong there: sides and classes that the twin or the kind of source does not have."""
    source, drawn = recipe.source, recipe.source.root is None
    if drawn and source.kind != "dreamcatcher":
        yield "source.root", f"missing; the twin has the layout dreamcatcher, not {source.kind}"
    if isinstance(source, RecordingSource):
        if isinstance(source.split, Mapping):
            listed = Counter(word for words in source.split.values() for word in set(words))
            for word in (word for word, count in listed.items() if count > 1):
                yield "source.split", f"{word} stands on two sides; leave it on one"
        return
    if drawn and source.split != "index":
        yield "source.split", "the twin has its own sides; write index, or give source.root"
    if source.kind != "dreamcatcher":
        return
    if source.table is not None:
        yield "source.table", "dreamcatcher has its classes in its archives; take folder"
    if not drawn and source.split != "index":
        yield "source.split", "dreamcatcher has its own sides; write index, or take folder"
    if strange := set(recipe.preprocessing.labels) - set(LABELS):
        yield (
            "preprocessing.labels",
            f"dreamcatcher has no class {', '.join(sorted(strange))}; it has {', '.join(LABELS)}",
        )
