"""Live progress of stages on standard error: a bar where there is a terminal, plain lines where not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console

from rushes.runs.costs import duration

QUIET_S = 30.0  # between two lines where there is no terminal


class Progress:
    """Shows how far each stage is.

    Args:
        names: of the stages, in order.
        clock: seconds, rising.
    """

    def __init__(self, names: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        console = Console(file=sys.stderr)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description:<9}"),
            progress.BarColumn(bar_width=24),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {name: self._bars.add_task(name, total=None, start=False, note="") for name in names}
        self._clock = clock
        self._began: dict[str, tuple[float, float]] = {}  # when a stage was first told of, and what was done
        self._said_s = -QUIET_S

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def tell(self, name: str, done: float, total: float, note: str) -> None:
        """Show that ``done`` of ``total`` of a stage is done."""
        task, now_s = self._tasks[name], self._clock()
        if name not in self._began:
            self._began[name] = now_s, done
            self._bars.start_task(task)
        self._bars.update(task, completed=done, total=total, note=note)
        if self._bars.disable and (done == total or now_s - self._said_s >= QUIET_S):
            self._said_s = now_s
            line = f"{name}: {done:g}/{total:g} {note}{self._left(name, done, total, now_s)}"
            print(line, file=sys.stderr, flush=True)

    def _left(self, name: str, done: float, total: float, now_s: float) -> str:
        """About how long the rest of a stage takes, at the rate since it was first told of."""
        began_s, before = self._began[name]
        if not before < done < total:
            return ""
        return f", about {duration((now_s - began_s) * (total - done) / (done - before))} left"

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
