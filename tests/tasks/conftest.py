"""What the tests of every task share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rushes.stages import OpenStage, StageSpec, working

OpenFolder = Callable[..., AbstractContextManager[OpenStage]]


@pytest.fixture
def open_stage() -> OpenFolder:
    """The folder of a prepare stage, locked, as the command line opens it."""

    @contextmanager
    def open_(workspace: Path, part: str = "", reopen: bool = False) -> Iterator[OpenStage]:
        with working(StageSpec("prepare", 1, {"part": part}), workspace, reopen=reopen) as stage:
            yield stage

    return open_
