"""What doors ask of a run before they answer: that it is trained, and that it is asked here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import RecipeError, StageError

if TYPE_CHECKING:
    from rushes.predict.remote import Engine
    from rushes.runs.run import Run


def trained_model(run: Run[Any]) -> Path:
    """Folder of the trained model of a run, brought to this machine.

    Raises:
        StageError: the model is not trained.
    """
    name = run.maker("weights")
    if run.status(name).state != "done":
        raise StageError(
            f"nobody is answered without a trained model, and {name} is not done",
            where=run.folder(name),
            cure="run `rushes run RECIPE`",
        )
    return run.bring(name) / "model"


def require_here(run: Run[Any], engine: Engine | None) -> None:
    """Refuse to ask another server in place of a model that such servers do not know.

    Raises:
        RecipeError: another server is to answer.
    """
    if engine is not None:
        raise RecipeError(
            f"the models of the task {run.task.name} answer in this process only",
            cure="leave out the address of the other server",
        )
