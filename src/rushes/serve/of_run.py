"""A service of the trained model of a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import StageError
from rushes.runs.do import require_done
from rushes.runs.run import Run, RunJob
from rushes.serve.envelope import Provenance
from rushes.serve.keys import Keys
from rushes.serve.status_routes import Machine
from rushes.stages import read_done
from rushes.stages.files import canonical_json

if TYPE_CHECKING:
    from rushes.predict.remote import Engine
    from rushes.runs.door.contract import Door, Verb
    from rushes.serve.app import Service


@dataclass(frozen=True)
class OfRun:
    """Makes the service of a run, here or in a process that it was sent to.

    Attributes:
        job: what makes the run again.
        engine: another server that answers; None answers in the process.
        keys: that the service takes.
        folder: of uploads.
        workers: processes that serve together.
    """

    job: RunJob
    engine: Engine | None
    keys: Keys
    folder: Path
    workers: int

    def __call__(self) -> Service:
        """The service."""
        from rushes.serve.app import service_app
        from rushes.train.threads import one_thread

        run = self.job.run()
        return service_app(
            doors_of(run, self.engine),
            run.recipe.serve,
            provenance_of(run),
            self.keys,
            folder=self.folder,
            machine=_machine(self.engine),
            workers=self.workers,
            within=one_thread,  # sums depend in their last bits on the threads that share them
        )


def require_trained(run: Run[Any], typed: Path) -> None:
    """Bring the weights that answer.

    Args:
        run: that is served.
        typed: its recipe, as somebody named it.

    Raises:
        StageError: nothing was trained, or not all of it is as it was written.
    """
    maker = run.maker("weights")
    if run.status(maker).state != "done":
        raise StageError(
            f"the model of {run.recipe.name} is not trained, and nothing else is asked in its place",
            where=run.folder(maker),
            cure=f"type: rushes run {shlex.quote(str(typed))}, with the options that are given here, then serve it",
        )
    require_done(run, maker, "serve")


def doors_of(run: Run[Any], engine: Engine | None) -> Mapping[Verb, Door]:
    """The ways in which the model of a run can be asked.

    Raises:
        RecipeError: there are none, or not by way of another server.
    """
    doors: Mapping[Verb, Door] = run.task.doors(run, engine)
    return doors


def provenance_of(run: Run[Any]) -> Provenance:
    """Which model answers."""
    maker = run.maker("weights")
    done = read_done(run.folder(maker))
    assert done is not None, "`require_trained` says so"
    seen = canonical_json(run.recipe.preprocessing.model_dump(mode="json"))
    return Provenance(
        recipe=run.recipe.name,
        task=run.task.name,
        train=run.specs[maker].signature,
        weights=done["summary"]["weights"],
        preprocessing=sha256(seen.encode()).hexdigest(),
        rushes=metadata.version("rushes"),
    )


def _machine(engine: Engine | None) -> Machine:
    """What answers: this machine's first GPU, its processor, or another server."""
    import torch

    gpus = torch.cuda.device_count()
    here = torch.cuda.get_device_name(0) if gpus else "cpu"
    return Machine(here if engine is None else "engine", gpus, None if engine is None else engine.url)
