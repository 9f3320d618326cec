"""What each stage of a chain depends on, written down from the first to the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rushes.runs.run import Run, StageName
from rushes.stages import StageSpec


def begin(run: Run) -> dict[StageName, StageSpec]:
    """The chain up to the recordings: the twin, or nothing where they are there already."""
    specs: dict[StageName, StageSpec] = {}
    if run.recipe.source.root is None:
        add(specs, "twin", 1, {"task": run.recipe.task, **run.twin_part()})
    return specs


def add(
    specs: dict[StageName, StageSpec],
    name: StageName,
    version: int,
    part: Mapping[str, Any],
    *inputs: StageName,
    raw: str | None = None,
    kind: str | None = None,
) -> None:
    """Add a stage to a chain.

    Args:
        specs: the chain so far.
        name: of the stage.
        version: raised when the same inputs no longer give the same result.
        part: of the recipe that it depends on, resolved.
        inputs: stages that it reads; one that this chain does not have is left out.
        raw: fingerprint of the recordings, if it reads them.
        kind: the stage that it is, where a chain has two of a kind.
    """
    known = {other: specs[other].signature for other in inputs if other in specs}
    specs[name] = StageSpec(kind or name, version, part, known, raw)
