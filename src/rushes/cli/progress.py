"""Live progress of stages on standard error: a bar where there is a terminal, plain lines where not."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console

QUIET_S = 10.0  # between two lines of a stage where there is no terminal


class Progress:
    """Shows how far each stage is.

    Args:
        names: of the stages, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        console = Console(file=sys.stderr)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description:<9}"),
            progress.BarColumn(bar_width=24),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {name: self._bars.add_task(name, total=None, start=False, note="") for name in names}
        self._started: set[str] = set()
        self._said_s = 0.0

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def tell(self, name: str, done: float, total: float, note: str) -> None:
        """Show that ``done`` of ``total`` of a stage is done."""
        task = self._tasks[name]
        if name not in self._started:
            self._started.add(name)
            self._bars.start_task(task)
        self._bars.update(task, completed=done, total=total, note=note)
        if self._bars.disable and (done == total or time.monotonic() - self._said_s > QUIET_S):
            self._said_s = time.monotonic()
            print(f"{name}: {done:g}/{total:g} {note}", file=sys.stderr, flush=True)

    def end(self, name: str, seconds: float, reason: str) -> None:
        """Show that a stage has ended, after ``seconds`` of work, and why it was skipped if it was."""
        task = self._tasks[name]
        self._bars.start_task(task)
        total = self._bars.tasks[task].total or 1
        self._bars.update(task, completed=total, total=total, note=reason)
        if self._bars.disable:
            print(f"{name}: {reason} ({seconds:.1f} s)", file=sys.stderr, flush=True)
        self._bars.stop_task(task)

    def say(self, line: str) -> None:
        """Show a line that stays, above the bars where there are any."""
        self._bars.console.print(line, soft_wrap=True, markup=False, highlight=False)
