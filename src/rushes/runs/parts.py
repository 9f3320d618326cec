"""A twin of archives: each unit is drawn into a part of its own, then all parts are packed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rushes.engine import Unit, map_units
from rushes.errors import StageError
from rushes.runs.proof import digest, files_of
from rushes.runs.run import Run
from rushes.runs.stage import Tell
from rushes.stages import OpenStage, account, read_receipt
from rushes.storage import Home

ARCHIVES = "archives"
"""The unit of the twin that holds all others, once each is drawn."""


class Written(Protocol):
    """What was written."""

    @property
    def files(self) -> Iterable[str]:
        """Below the root, with ``/``."""
        ...


def draw_in_parts(
    run: Run,
    stage: OpenStage,
    tell: Tell,
    units: Mapping[str, Any],
    *,
    write: Callable[[Path, Any], Written],
    pack: Callable[[Path], Written],
    remove: Callable[[Path], None],
    parts: str,
) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """Draw what has no receipt yet, pack all of it, take the parts away; summary and counts.

    Args:
        run, stage, tell: what every stage gets.
        units: what is drawn, by key.
        write: root and unit -> the unit's part; fit to travel to another process.
        pack: root -> the archives.
        remove: takes the parts below a root away.
        parts: their folder below the root.
    """
    raw, home = stage.folder / "raw", run.home("twin")
    planned = [*units, ARCHIVES]
    packed = read_receipt(stage.folder, ARCHIVES) is not None
    # Of a packed twin only what has lost its receipt is drawn again: the receipt comes of it.
    todo = [key for key in units if not _is_drawn(stage.folder, None if packed else raw, key)]
    done = len(units) - len(todo)
    tell("twin", done, len(planned), "drawing")
    results = map_units(
        partial(_draw, home, write),
        [Unit(key, units[key]) for key in todo],
        workers=run.recipe.prepare.workers,
        engine=run.engine,
    )
    for result in results:
        if result.error is not None:
            raise StageError(f"{result.error.type}: {result.error.message}", where=result.key)
        # The archives will hold what the parts hold, so their hashes are the proof.
        home.write_receipt(result.key, {"parts": result.value, "files": {}})
        done += 1
        tell("twin", done, len(planned), result.key)
    if not packed:
        files = pack(raw).files
        home.publish(raw / name for name in files)
        home.write_receipt(ARCHIVES, {"files": {name: digest(raw / name) for name in files}})
    home.discard(files_of(raw / parts))
    remove(raw)
    tell("twin", len(planned), len(planned), "packed")
    return {"units": len(units)}, account(stage.folder, planned).close(0.0).counts


def _draw(home: Home, write: Callable[[Path, Any], Written], unit: Any) -> list[str]:
    """Draw one part and publish it, so that another machine can go on with it; the names of its files."""
    raw = home.folder / "raw"
    files = list(write(raw, unit).files)
    home.publish(raw / name for name in files)
    return files


def _is_drawn(folder: Path, raw: Path | None, key: str) -> bool:
    """Whether a unit has its receipt, and its part stands below ``raw``, where parts are still needed."""
    receipt = read_receipt(folder, key)
    if receipt is None or raw is None:
        return receipt is not None
    return all((raw / name).is_file() for name in receipt["parts"])
