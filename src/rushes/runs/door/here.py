"""Doors of models that answer in this process only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rushes.errors import RecipeError

if TYPE_CHECKING:
    from rushes.predict.remote import Engine
    from rushes.runs.run import Run


def require_here(run: Run[Any], engine: Engine | None) -> None:
    """Refuse to ask another server in place of a model that such servers do not know.

    Raises:
        RecipeError: another server is to answer.
    """
    if engine is not None:
        raise RecipeError(
            f"the model of {run.recipe.name} is none that another server knows: it answers in this process only",
            cure="leave out the address of the other server",
        )
