"""A prepare run over all videos of a folder, to be killed from outside: VIDEOS WORKSPACE."""

from __future__ import annotations

import sys
from pathlib import Path

import footage

from rushes.contract import ClipContract
from rushes.prepare.operations.clips import Cutting
from rushes.prepare.operations.unit import jobs_of, prepare_unit
from rushes.prepare.stage import prepare
from rushes.sources.openpack import load_label_set
from rushes.stages import StageSpec, status, working

SECONDS, RATE = 20, 25


def main() -> None:
    videos, workspace = map(Path, sys.argv[1:])
    contract = ClipContract(labels=load_label_set("openpack").labels, label_set="openpack")
    recordings = [footage.recording(path, SECONDS, path.stem) for path in sorted(videos.glob("*.mp4"))]
    sides = ("train", "test")
    spec = StageSpec("prepare", 1, {})
    if status(spec, workspace).state == "done":  # killed between DONE and its last breath
        return
    with working(spec, workspace) as stage:
        jobs = jobs_of(
            recordings,
            {recording.key: sides[number % 2] for number, recording in enumerate(recordings)},
            stage.folder,
            contract,
            Cutting(),
            window_splits=("test",),
            shard_bytes=1_000_000,
        )
        prepared = prepare(
            jobs,
            prepare_unit,
            stage.folder,
            contract,
            splits=sides,
            faults={},
            max_quarantine=0.0,
            workers=2,
        )
        stage.finish(prepared.summary(), prepared.account.counts)


if __name__ == "__main__":
    main()
