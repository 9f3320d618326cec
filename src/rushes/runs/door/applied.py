"""What doors share that ask the model by which ``rushes apply`` labels recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from rushes.runs.apply.contract import RECORDING, Apply
from rushes.runs.door.contract import Door, Part

A = TypeVar("A", bound=Apply[Any])


class ApplyDoor(Door, Generic[A]):
    """See `Door`: of one file, which the model of an `Apply` answers about.

    Args:
        apply: how recordings are labelled.
    """

    files: Mapping[str, bool] = {RECORDING: True}

    def __init__(self, apply: A) -> None:
        self.apply = apply
        self.preload, self.batch_size = apply.preload, apply.batch_size
        self.player, self.labels = apply.player, apply.labels

    def load(self) -> None:
        """See `Door.load`."""
        self.apply.require_trained("serve")
        self.apply.load()

    def warm_up(self) -> None:
        """See `Door.warm_up`."""
        self.load()
        self.answer([self.apply.made_up])

    def answer(self, parts: Sequence[Part]) -> Sequence[Any]:
        """See `Door.answer`; on one thread of a CPU, since others would change the last bits."""
        from rushes.train.threads import one_thread

        with one_thread():
            return self.apply.answer(parts)
