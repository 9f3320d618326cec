"""The layouts of footage that a recipe can name."""

from __future__ import annotations

from typing import Any

from rushes.tasks.operations.recipe import OpenPackSource, TableSource
from rushes.tasks.operations.sources.sessions import SessionSource

Asked = OpenPackSource | TableSource


def source_of(asked: Asked) -> SessionSource[Any]:
    """The reader of the layout that a recipe names."""
    if isinstance(asked, TableSource):
        from rushes.tasks.operations.sources.table.source import Table

        return Table(asked)
    from rushes.tasks.operations.sources.openpack.source import OpenPack
    from rushes.tasks.operations.sources.openpack.tables import load_label_set

    return OpenPack(load_label_set(asked.labels), asked.media, asked.split)


def with_labels(asked: Asked) -> tuple[Asked, tuple[str, ...], str]:
    """What a recipe asks with its labels, these labels in order, and the name of their set.

    Raises:
        SourceError, StorageError, RecipeError: a recipe that lists no labels, and no annotation that tells them.
    """
    if isinstance(asked, TableSource):
        from rushes.tasks.operations.sources.table.labels import labels_at, vocabulary

        labels = labels_at(asked) if asked.labels is None else vocabulary((), asked)
        return asked.model_copy(update={"labels": labels}), labels, "table"
    from rushes.tasks.operations.sources.openpack.tables import load_label_set

    label_set = load_label_set(asked.labels)
    return asked, label_set.labels, f"{label_set.name}-{label_set.version}"
