"""Live table of a campaign on standard error: one row a trial; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from rushes.campaign.records import Result, Trial
from rushes.engine import Event, UnitDone, UnitRetried, UnitStarted

QUIET_S = 10.0  # between two lines of the same stage where there is no terminal
COLOURS = {"done": "green", "collapsed": "yellow", "invalid": "red", "failed": "red"}


@dataclass(slots=True)
class _Row:
    trial: Trial
    stage: str = ""
    note: str = "waiting"
    result: Result | None = None


@dataclass(slots=True)
class Show:
    """Shows what a campaign does.

    Args:
        metric: the figure that is shown of a finished trial.
    """

    metric: str
    _rows: dict[str, _Row] = field(default_factory=dict)
    _of_folder: dict[str, list[str]] = field(default_factory=dict)
    _said_s: dict[str, float] = field(default_factory=dict)
    _console: Console = field(default_factory=lambda: Console(file=sys.stderr))
    _live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=2)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def expect(self, trials: Sequence[Trial]) -> None:
        """These trials are to be done now."""
        for trial in trials:
            self._rows.setdefault(trial.key, _Row(trial))

    def share(self, folders: Mapping[str, Sequence[str]]) -> None:
        """Which trials wait for which stage folders."""
        self._of_folder = {folder: list(keys) for folder, keys in folders.items()}

    def tell(self, name: str, done: float, total: float, note: str) -> None:
        """Progress of a stage that all trials wait for."""
        for row in self._rows.values():
            if row.result is None:
                row.stage, row.note = name, f"{done:g}/{total:g} {note}"
        self._line(name, f"{done:g}/{total:g} {note}", whole=done == total)

    def event(self, name: str, event: Event) -> None:
        """What became of a stage of one trial, or of several that share it."""
        match event:
            case UnitStarted(key=folder, attempt=attempt):
                self._note(folder, name, "running" if attempt == 1 else f"attempt {attempt}")
            case UnitRetried(key=folder, error=error):
                self._note(folder, name, f"again: {error.message}")
            case UnitDone(result=result):
                failed = result.error
                said = f"{result.seconds:.0f} s" if failed is None else f"failed: {failed.message}"
                self._note(result.key, name, said)

    def judged(self, result: Result) -> None:
        """A trial has ended."""
        row = self._rows.setdefault(result.trial.key, _Row(result.trial))
        row.result = result
        value = result.value(self.metric)
        row.stage, row.note = "", "; ".join(result.faults[:1]) or result.error or ""
        shown = "" if value is None else f" {self.metric} {value:.4f}"
        self._line(result.trial.key, f"{result.state}{shown} {row.note}".rstrip(), whole=True)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _note(self, folder: str, name: str, note: str) -> None:
        for key in self._of_folder.get(folder, ()):
            row = self._rows[key]
            row.stage, row.note = name, note
        keys = self._of_folder.get(folder, [folder])
        others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        self._line(f"{keys[0]}{others}: {name}", note, whole=True)

    def _line(self, name: str, text: str, *, whole: bool) -> None:
        if self._live is not None:
            return
        if whole or time.monotonic() - self._said_s.get(name, -QUIET_S) > QUIET_S:
            self._said_s[name] = time.monotonic()
            print(f"{name}: {text}", file=sys.stderr, flush=True)

    def _table(self) -> Table:
        table = Table("run", "seed", "state", self.metric, "now", box=None)
        for row in self._rows.values():
            result = row.result
            value = None if result is None else result.value(self.metric)
            state = "" if result is None else f"[{COLOURS[result.state]}]{result.state}[/]"
            now = f"{row.stage} {row.note}".strip()
            shown = "" if value is None else f"{value:.4f}"
            table.add_row(row.trial.name, str(row.trial.seed), state, shown, now[:80])
        return table
