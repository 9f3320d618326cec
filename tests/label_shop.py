"""An offline service in this process, on a clock of its own, and items that are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rushes.label.desk import Desk, at_desk
from rushes.label.money import Purse
from rushes.label.offline.world import World
from rushes.label.question import Question
from rushes.label.row import Row
from rushes.label.service import Service
from rushes.label.tickets import Ticket
from rushes.recipe.labelling import Labelling
from rushes.runs.labelling.work import run_batches, run_chat

COLOURS = {"red": (200, 40, 40), "blue": (50, 80, 180), "green": (60, 140, 70)}


class FakeClock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.time_s, self.slept = 1_800_000_000.0, []

    def now(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_s += seconds


def make_rows(count: int) -> list[Row]:
    """Items whose titles say red, and whose pictures are of a colour each."""

    def row(number: int) -> Row:
        colour = list(COLOURS.values())[number % len(COLOURS)]

        def picture() -> np.ndarray:
            drawn = np.full((48, 64, 3), 255, np.uint8)
            drawn[8:40, 12:52] = colour
            return drawn

        return Row(
            f"{number * 2654435761 % 2**64:016x}", f"NEW red oak chair no {number}", f"row {number}", picture
        )

    return [row(number) for number in range(count)]


ASKED = Labelling.model_validate(
    {
        "model": "offline",
        "picture": {"side_px": 64},
        "limits": {"poll_s": 600.0, "settle_s": 5.0, "attempts": 9},
    }
)


@dataclass
class Shop:
    """Items, a service, and a desk that can be left and come back to."""

    folder: Path
    world: World
    url: str
    clock: FakeClock
    rows: list[Row]
    asked: Labelling = ASKED
    told: list[Ticket] = field(default_factory=list)

    @contextmanager
    def desk(self, only: int | None = None) -> Iterator[Desk]:
        question = Question.of(self.asked)
        with at_desk(
            self.folder / "labels",
            question,
            self.asked.limits,
            lambda: self.rows,
            only=only,
            clock=self.clock,
        ) as desk:
            yield desk

    def service(self, key: str = "") -> Service:
        return Service(self.url, key, self.clock)

    def run(
        self, provider: str = "batch", purse: Purse | None = None, only: int | None = None
    ) -> dict[str, int]:
        """Label everything; items by how far they are."""
        work = run_chat if provider == "chat" else run_batches
        with self.desk(only) as desk, self.service() as service:
            work(desk, service, purse or Purse(yes=True), self.told.append)
            return {name: count for name, count in desk.states().items() if count}

    def csv(self) -> list[str]:
        return (self.folder / "labels" / "attributes.csv").read_text().splitlines()

    def with_limits(self, **limits: object) -> None:
        self.asked = self.asked.model_copy(update={"limits": self.asked.limits.model_copy(update=limits)})
