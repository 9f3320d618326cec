"""Drawing a twin: unit by unit, each with its receipt; of archives, each into a part that is packed at the end."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rushes.engine import Unit, UnitResult, map_units
from rushes.errors import SourceError
from rushes.runs.proof import digest, files_of
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell
from rushes.stages import OpenStage, account, read_receipt
from rushes.storage import Home

ARCHIVES = "archives"
"""The unit of the twin that holds all others, once each is drawn."""


class HasFiles(Protocol):
    """What was written."""

    @property
    def files(self) -> Iterable[str]:
        """Below the root, with ``/``."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of a unit.

    Attributes:
        files: below the root, with ``/``; of pictures in a folder, the folder.
        frames: pictures drawn.
    """

    files: tuple[str, ...]
    frames: int = 0


def seeded(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on ``seed`` and ``names`` only, on every machine."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def require(demands: Mapping[str, bool]) -> None:
    """Refuse settings of a twin that cannot be.

    Args:
        demands: what must hold and what was found, in words -> whether it does.

    Raises:
        SourceError: names all that does not hold.
    """
    if faults := [demand for demand, holds in demands.items() if not holds]:
        raise SourceError("; ".join(faults), where="settings of the twin", cure="correct these values")


def draw_units(
    run: Run[Any],
    stage: OpenStage,
    tell: Tell,
    units: Mapping[str, Any],
    write: Callable[[Path, Any], HasFiles],
) -> Made:
    """Draw what has no receipt yet, each unit into files of its own; summary and counts.

    Args:
        run, stage, tell: what every stage gets.
        units: what is drawn, by key.
        write: root and unit -> what was written; fit to travel to another process.
    """
    name, home = stage.spec.name, run.home(stage.spec.name)
    todo = account(stage.folder, list(units)).pending
    done = len(units) - len(todo)
    tell(name, done, len(units), "drawing")
    for result in _drawn(run, partial(_draw_with_receipt, home, write), {key: units[key] for key in todo}):
        home.write_receipt(result.key, result.value)
        done += 1
        tell(name, done, len(units), result.key)
    return {"units": len(units)}, account(stage.folder, list(units)).close(0.0).counts


def draw_in_parts(
    run: Run[Any],
    stage: OpenStage,
    tell: Tell,
    units: Mapping[str, Any],
    *,
    write: Callable[[Path, Any], HasFiles],
    pack: Callable[[Path], HasFiles],
    remove: Callable[[Path], None],
    parts: str,
) -> Made:
    """Draw what has no receipt yet, pack all of it, take the parts away; summary and counts.

    Args:
        run, stage, tell: what every stage gets.
        units: what is drawn, by key.
        write: root and unit -> the unit's part; fit to travel to another process.
        pack: root -> the archives.
        remove: takes the parts below a root away.
        parts: their folder below the root.
    """
    name, raw, home = stage.spec.name, stage.folder / "raw", run.home(stage.spec.name)
    planned = [*units, ARCHIVES]
    packed = read_receipt(stage.folder, ARCHIVES) is not None
    # Of a packed twin only what has lost its receipt is drawn again: the receipt comes of it.
    todo = [key for key in units if not _is_drawn(stage.folder, None if packed else raw, key)]
    done = len(units) - len(todo)
    tell(name, done, len(planned), "drawing")
    for result in _drawn(run, partial(_draw, home, write), {key: units[key] for key in todo}):
        # The archives will hold what the parts hold, so their hashes are the proof.
        home.write_receipt(result.key, {"parts": result.value, "files": {}})
        done += 1
        tell(name, done, len(planned), result.key)
    if not packed:
        files = pack(raw).files
        home.publish(raw / name for name in files)
        home.write_receipt(ARCHIVES, {"files": {name: digest(raw / name) for name in files}})
    home.discard(files_of(raw / parts))
    remove(raw)
    tell(name, len(planned), len(planned), "packed")
    return {"units": len(units)}, account(stage.folder, planned).close(0.0).counts


def _drawn(run: Run[Any], draw: Callable[[Any], Any], units: Mapping[str, Any]) -> Iterator[UnitResult]:
    """Results of units as they come, by the workers and the engine of a run.

    Raises:
        RushesError: a unit cannot be drawn; of the class of what went wrong.
    """
    asked = [Unit(key, unit) for key, unit in units.items()]
    for result in map_units(draw, asked, workers=run.recipe.prepare.workers, engine=run.engine):
        if result.error is not None:
            raise result.error.to_error(result.key)
        yield result


def _draw_with_receipt(home: Home, write: Callable[[Path, Any], HasFiles], unit: Any) -> dict[str, Any]:
    """Draw one unit and publish its files; its receipt, with the hash of each."""
    root = home.folder / "raw"
    written = write(root, unit)
    home.publish(file for name in written.files for file in files_of(root / name))
    return {"files": {name: digest(root / name) for name in written.files}}


def _draw(home: Home, write: Callable[[Path, Any], HasFiles], unit: Any) -> list[str]:
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
