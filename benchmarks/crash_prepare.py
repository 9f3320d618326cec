"""A prepare run over all videos of a folder, to be measured or killed from outside.

It prints how long it took until the first unit began, and from then on, as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import footage

from rushes.engine import Engine, Event, UnitStarted
from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.stages import StageSpec, status, working
from rushes.storage import Home
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips
from rushes.tasks.operations.sources.openpack.tables import load_label_set

SECONDS, RATE = 20, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of each video")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--address")
    arguments = parser.parse_args()
    preprocessing = ClipPreprocessing(labels=load_label_set("openpack").labels, label_set="openpack")
    recordings = [
        footage.recording(path, arguments.seconds, path.stem)
        for path in sorted(arguments.videos.glob("*.mp4"))
    ]
    sides = ("train", "test")
    spec = StageSpec("prepare", 1, {})
    if status(spec, arguments.workspace).state == "done":  # killed between DONE and its last breath
        return
    begun: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, UnitStarted):
            begun.append(time.perf_counter())

    with working(spec, arguments.workspace) as stage:
        jobs = Job.of(
            recordings,
            {recording.key: sides[number % 2] for number, recording in enumerate(recordings)},
            stage.folder,
            preprocessing,
            PrepareClips(window_splits=("test",), shard_bytes=1_000_000),
        )
        called_s = time.perf_counter()
        prepared = prepare(
            Planned(jobs=jobs, splits=sides),
            prepare_unit,
            Home(stage.folder),
            preprocessing,
            Prepare(max_quarantine=0.0, memory_gb=None, workers=arguments.workers),
            engine=Engine(arguments.engine, arguments.address),
            on_event=on_event,
        )
        ended_s = time.perf_counter()
        stage.finish(prepared.summary(), prepared.account.counts)
    first_s = begun[0] if begun else ended_s
    print(json.dumps({"start_s": first_s - called_s, "work_s": ended_s - first_s}))


if __name__ == "__main__":
    main()
