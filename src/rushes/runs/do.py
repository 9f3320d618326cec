"""Doing the stages of a run: folders of the stages before it in, its own folder filled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rushes.errors import StageError
from rushes.runs.looks import record_look
from rushes.runs.proof import damaged, proof
from rushes.runs.run import Outcome, Run
from rushes.runs.stage import StageName, Tell
from rushes.stages import OpenStage


def do(run: Run[Any], name: StageName, tell: Tell) -> Outcome:
    """Do one stage whose inputs are done, or say that it is done already.

    Raises:
        StageError: a stage before it is not done.
    """
    began = time.monotonic()
    if run.stages[name].makes == "weights":
        run.bring_base()
    spec, state = run.specs[name], run.status(name)
    if state.state == "done":
        return Outcome(name, spec.signature, "done", state.folder, time.monotonic() - began, state.reason)
    require_inputs(run, name)
    look = record_look(run, name)  # before there is a folder that could hold anything of a test side
    with run.workspace.working(spec) as stage:
        perform(run, name, stage, tell, look)
    return Outcome(name, spec.signature, "ran", stage.folder, time.monotonic() - began, state.reason)


def require_inputs(run: Run[Any], name: StageName) -> None:
    """Raise a StageError unless all stages that this one reads are done, and hold what was written there."""
    for needed in run.specs[name].inputs:
        require_done(run, needed, name)


def require_done(run: Run[Any], needed: StageName, reader: str) -> None:
    """Bring a stage that ``reader`` reads; a StageError unless it is done and holds what was written there."""
    if run.status(needed).state != "done":
        raise StageError(
            f"{reader} needs {needed}, which is not done",
            where=run.folder(needed),
            cure=f"run `rushes {needed} RECIPE`, or `rushes run RECIPE` for all stages",
        )
    run.bring(needed)
    for path, reason in damaged(run, needed):
        raise StageError(
            f"{reader} would read a damaged file of {needed}: it {reason}",
            where=path,
            cure="run `rushes verify RECIPE --repair`",
        )


def perform(
    run: Run[Any], name: StageName, stage: OpenStage, tell: Tell, look: Mapping[str, str] | None = None
) -> None:
    """Do the work of an open stage and close it, with the proof of what it made and of what.

    Args:
        run, name, stage, tell: as of a `rushes.runs.stage.Work`.
        look: what `record_look` said before.
    """
    summary, counts = run.task.work[name](run, stage, tell)
    stage.finish({**summary, **proof(run, name), **(look or {})}, counts)
