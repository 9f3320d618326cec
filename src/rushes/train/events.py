"""What a training tells: to the caller all of it, to events.jsonl what belongs to a step.

One JSON object a line; after a resume nothing stands twice and nothing is lost.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from rushes.stages import write_atomic

Event = Mapping[str, Any]
"""``kind`` is ``train`` or ``validation`` (these have a ``step`` and go to the file as well), ``resume``,
``checkpoint``, ``note`` or ``done``."""

TIME_FIELDS = frozenset({"seconds", "samples_per_s", "data_wait_share"})
"""The fields that differ between two runs of the same thing; all others are equal."""

_FILED = ("train", "validation")


def narrate(event: Event) -> None:
    """Print an event on standard error, one line."""
    words = (
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in event.items()
    )
    print("  ".join(words), file=sys.stderr)


def without_times(event: Event) -> dict[str, Any]:
    """The event less the fields that differ from run to run."""
    return {name: value for name, value in event.items() if name not in TIME_FIELDS}


def read_events(path: Path) -> list[dict[str, Any]]:
    """All whole lines of an event file; none if it is missing. A torn line ends the list."""
    events: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


class EventLog:
    """Tells events to a listener and appends those of steps to a file.

    Args:
        path: the file.
        listener: is told every event.
        silent: tell and write nothing; for all processes but the main one.

    Attributes:
        lines: how many lines the file holds, once opened.
    """

    def __init__(self, path: Path, listener: Callable[[Event], None], *, silent: bool = False) -> None:
        self.lines = 0
        self._path, self._listener, self._silent = path, listener, silent
        self._file: TextIO | None = None

    def open(self, step: int) -> EventLog:
        """Cut the file back to the lines of steps up to ``step`` and open it for what comes after."""
        if not self._silent:
            kept = [event for event in read_events(self._path) if event["step"] <= step]
            write_atomic(self._path, "".join(json.dumps(event) + "\n" for event in kept))
            self.lines = len(kept)
            self._file = self._path.open("a", encoding="utf-8")
        return self

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def tell(self, kind: str, **values: Any) -> None:
        """Tell one event; a line of the file is written at once, so that who follows the file sees it."""
        if self._silent:
            return
        event = {"kind": kind, **values}
        if kind in _FILED:
            assert self._file is not None, "the log is open while steps are told"
            self._file.write(json.dumps(event, allow_nan=False) + "\n")
            self._file.flush()
            self.lines += 1
        self._listener(event)

    def sync(self) -> None:
        """Make every line outlive a power cut: called before the checkpoint that counts on them."""
        if self._file is not None:
            os.fsync(self._file.fileno())
