"""One prepare run, to be measured from outside: VIDEO SECONDS SAMPLER boundary|windows WORKSPACE."""

from __future__ import annotations

import sys
from pathlib import Path

import footage

from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.stages import StageSpec, working
from rushes.storage import Home
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips
from rushes.tasks.operations.sources.openpack.tables import load_label_set


def main() -> None:
    video, seconds, sampler, cut, workspace = sys.argv[1:]
    preprocessing = ClipPreprocessing(
        sampler=sampler, labels=load_label_set("openpack").labels, label_set="openpack"
    )
    recording = footage.recording(Path(video), float(seconds))
    with working(StageSpec("prepare", 1, {"arguments": sys.argv[2:5]}), Path(workspace)) as stage:
        windowed = ("test",) if cut == "windows" else ()
        jobs = Job.of(
            [recording],
            {recording.key: "test"},
            stage.folder,
            preprocessing,
            PrepareClips(window_splits=windowed),
        )
        prepared = prepare(
            Planned(jobs=jobs, splits=("test",)),
            prepare_unit,
            Home(stage.folder),
            preprocessing,
            Prepare(workers=0),
        )
        stage.finish(prepared.summary(), prepared.account.counts)


if __name__ == "__main__":
    main()
