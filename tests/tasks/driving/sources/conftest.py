"""Folders of drives, rewritten from the drawn ones."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from rushes.tasks.driving.sources.physical_ai_av.clip import Clip

sys.path.append(str(Path(__file__).parents[4] / "benchmarks"))
from rig_twin import as_rig  # the benchmark's own

FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"


@pytest.fixture(scope="session")
def _rewritten(road_twin: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Clip, ...]]:
    root = tmp_path_factory.mktemp("rig") / "drives"
    return root, as_rig(road_twin.root, root, (FRONT, LEFT))


@pytest.fixture
def drives(_rewritten: tuple[Path, tuple[Clip, ...]], tmp_path: Path) -> Path:
    """A copy of the folders, to be changed."""
    return Path(shutil.copytree(_rewritten[0], tmp_path / "drives"))


@pytest.fixture(scope="session")
def clips(_rewritten: tuple[Path, tuple[Clip, ...]]) -> tuple[Clip, ...]:
    """The clips that they were made of."""
    return _rewritten[1]
