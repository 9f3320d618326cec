"""A prepare run over a dataset in the real layout, to be measured or killed from outside."""

from __future__ import annotations

import argparse
from pathlib import Path

from rushes.prepare.stage import Planned, Prepared, prepare
from rushes.recipe.sections import Prepare
from rushes.stages import StageSpec, status, working
from rushes.storage import Home
from rushes.tasks.driving.prepare.unit import Job, prepare_unit
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.sources.physical_ai_av.tables import assign_splits


def prepare_root(
    root: Path,
    workspace: Path,
    preprocessing: RigPreprocessing,
    *,
    workers: int = 0,
    shard_bytes: int = 200_000_000,
    max_quarantine: float = 0.0,
) -> Prepared | None:
    """Scan ``root`` and prepare all of it, as a run does; None where that was done before."""
    spec = StageSpec("prepare", 1, {"preprocessing": preprocessing.model_dump(mode="json")})
    if status(spec, workspace).state == "done":  # killed between DONE and its last breath
        return None
    found = scan(root, preprocessing.setup.cameras)
    side_of = assign_splits(found.recordings, "index")
    asked = PrepareWindows(shard_bytes=shard_bytes)
    with working(spec, workspace) as stage:
        prepared = prepare(
            Planned(
                jobs=Job.of(found.recordings, side_of, stage.folder, preprocessing, asked),
                splits=side_of.values(),
                skipped={fault.key: fault.message for fault in found.skipped},
                faults={fault.key: fault.reason() for fault in found.faults},
            ),
            prepare_unit,
            Home(stage.folder),
            preprocessing,
            Prepare(max_quarantine=max_quarantine, memory_gb=None, workers=workers),
        )
        stage.finish(prepared.summary(), prepared.account.counts)
    return prepared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--setup", default="cruciform")
    parser.add_argument("--tile", type=int, nargs=2, default=(252, 140))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--shard-bytes", type=int, default=200_000_000)
    arguments = parser.parse_args()
    preprocessing = RigPreprocessing(setup=arguments.setup, tile_size=arguments.tile)
    prepare_root(
        arguments.root,
        arguments.workspace,
        preprocessing,
        workers=arguments.workers,
        shard_bytes=arguments.shard_bytes,
    )


if __name__ == "__main__":
    main()
