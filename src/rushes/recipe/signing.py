"""Which stages a key of a recipe signs, said where the key is declared.

A stage names the sections that it depends on, and every key of them is in its signature, unless the key is
marked: with the stages that it signs, or as `UNSIGNED` where it says how to work and not what to make::

    split: Literal["val", "test"] = "test"
    first_clips: Annotated[int, Signs("evaluate")] = 30
    workers: Annotated[int, UNSIGNED] = 2
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel


class Signs:
    """Mark of a key: only these stages depend on it.

    Args:
        stages: their names.
    """

    def __init__(self, *stages: str) -> None:
        self.stages = frozenset(stages)


UNSIGNED = Signs()
"""Mark of a key on which no result depends: workers, logging, paths."""


def signed(recipe: BaseModel, sections: Iterable[str], stage: str) -> dict[str, Any]:
    """What a stage depends on of the named keys of a recipe, as plain JSON values.

    >>> from typing import Annotated
    >>> class Work(BaseModel):
    ...     seed: int = 0
    ...     workers: Annotated[int, UNSIGNED] = 2
    >>> class Job(BaseModel):
    ...     train: Work = Work()
    >>> signed(Job(), ["train"], "train")
    {'train': {'seed': 0}}
    """
    plain = recipe.model_dump(mode="json", include=set(sections))
    return {name: _without(getattr(recipe, name), plain[name], stage) for name in sections}


def _without(value: Any, plain: Any, stage: str) -> Any:
    """``plain``, the JSON form of ``value``, less the keys that the stage does not depend on."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: _without(getattr(value, name), plain[name], stage)
            for name, field in fields.items()
            if all(stage in mark.stages for mark in field.metadata if isinstance(mark, Signs))
        }
    if isinstance(value, tuple):
        return [_without(item, dumped, stage) for item, dumped in zip(value, plain, strict=True)]
    return plain
