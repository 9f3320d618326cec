"""One prepare run, to be measured from outside: VIDEO SECONDS SAMPLER boundary|windows WORKSPACE."""

from __future__ import annotations

import sys
from pathlib import Path

import footage

from rushes.contract import ClipContract
from rushes.prepare.operations.clips import Cutting
from rushes.prepare.operations.unit import jobs_of, prepare_unit
from rushes.prepare.stage import prepare
from rushes.sources.openpack import load_label_set
from rushes.stages import StageSpec, working
from rushes.storage import LocalHome


def main() -> None:
    video, seconds, sampler, cut, workspace = sys.argv[1:]
    contract = ClipContract(sampler=sampler, labels=load_label_set("openpack").labels, label_set="openpack")
    recording = footage.recording(Path(video), float(seconds))
    with working(StageSpec("prepare", 1, {"arguments": sys.argv[2:5]}), Path(workspace)) as stage:
        windowed = ("test",) if cut == "windows" else ()
        jobs = jobs_of(
            [recording], {recording.key: "test"}, stage.folder, contract, Cutting(), window_splits=windowed
        )
        prepared = prepare(
            jobs, prepare_unit, LocalHome(stage.folder), contract, splits=("test",), faults={}, workers=0
        )
        stage.finish(prepared.summary(), prepared.account.counts)


if __name__ == "__main__":
    main()
