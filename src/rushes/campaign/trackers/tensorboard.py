"""Runs as TensorBoard reads them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from rushes.campaign.trackers.tracker import Step, flat, ordered


class TensorBoard:
    """One folder of events for each run, with its config and summary for the tab HPARAMS.

    Args:
        folder: of all runs.
        campaign: its name.
    """

    def __init__(self, folder: Path, campaign: str) -> None:
        self._folder = folder

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """See :class:`Tracker`; the folder appears whole or not at all."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if (self._folder / name).exists():
            return
        partial = self._folder / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with closing(EventFileWriter(str(partial))) as writer:

            def write(content: Summary, step: int) -> None:
                writer.add_event(Event(wall_time=time.time(), step=step, summary=content))

            def scalars(figures: Mapping[str, float]) -> Summary:
                return Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in figures.items()])

            write(hparams_pb(flat(config), trial_id=name), 0)
            last = 0
            for step, figures in ordered(steps):
                write(scalars(figures), last := step)
            write(scalars({f"summary/{figure}": value for figure, value in summary.items()}), last)
        partial.rename(self._folder / name)

    def close(self) -> None:
        """Nothing is left to write."""
