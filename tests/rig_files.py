"""Folders of drives, as tests ask for them and change them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from rig_twin import write_table

from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import RigSource
from rushes.tasks.driving.sources.rig.source import Rig

FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"
PAIR = (FRONT, LEFT)
PREPROCESSING = RigPreprocessing(
    setup={"name": "pair", "reference": FRONT, "rows": [[FRONT, LEFT]]},
    frames=8,
    tile_size=(56, 56),
    signal_size=(32, 18),
)


def rig(**asked) -> Rig:
    return Rig(PAIR, RigSource(**{"frame": "enu", **asked}))


def first(root: Path) -> Path:
    return min(path for path in root.iterdir() if path.is_dir())


def rewrite(path: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    with path.open(newline="") as file:
        rows = [row for found in csv.DictReader(file) if (row := change(found)) is not None]
    write_table(path, list(rows[0]), [list(row.values()) for row in rows])
