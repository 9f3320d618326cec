"""Shops with an offline service each, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from label_shop import FakeClock, Shop, make_rows

from rushes.label.offline.app import served
from rushes.label.offline.faults import Faults
from rushes.label.offline.world import Pace, RunningClock, World


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """A shop with so many items, and a service that goes wrong as asked."""
    with ExitStack() as services:
        places = (tmp_path / f"shop-{number}" for number in range(100))

        def make(count: int = 12, faults: Faults | None = None, pace: Pace | None = None) -> Shop:
            clock, place = FakeClock(), next(places)
            content = place / "service"
            content.mkdir(parents=True)
            world = World(content, RunningClock(clock), faults or Faults(), pace or Pace())
            return Shop(place, world, services.enter_context(served(world)), clock, make_rows(count))

        yield make


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
