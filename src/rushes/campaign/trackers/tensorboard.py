"""Runs as TensorBoard reads them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from rushes.campaign.trackers.tracker import Ended, flat, ordered


def log(folder: Path, ended: Ended) -> None:
    """Write a run's events, config and summary into a folder of its own, which appears whole or not at all."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    if (folder / ended.name).exists():
        return
    partial = folder / f".{ended.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with closing(EventFileWriter(str(partial))) as writer:

        def write(content: Summary, step: int) -> None:
            writer.add_event(Event(wall_time=time.time(), step=step, summary=content))

        def scalars(figures: Mapping[str, float]) -> Summary:
            return Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in figures.items()])

        write(hparams_pb(flat(ended.config), trial_id=ended.name), 0)
        last = 0
        for step, figures in ordered(ended.steps):
            write(scalars(figures), last := step)
        write(scalars({f"summary/{figure}": value for figure, value in ended.summary.items()}), last)
    partial.rename(folder / ended.name)
