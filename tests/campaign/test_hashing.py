"""What runs share is hashed once for all of them, and nothing that is broken passes for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rushes.campaign.judging.admission import check_run, state_of
from rushes.campaign.judging.hashing import Hashed, hash_shared, known_faults
from rushes.engine import LOCAL, UnitStarted
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

WITHOUT = ("export", "report")


def hashed(*runs: Run, workers: int = 0) -> tuple[dict[str, Hashed], list[str]]:
    """What was found, and the folders that were hashed for it."""
    events = []
    found = hash_shared(runs, workers=workers, engine=LOCAL, on_event=events.append)
    return found, [event.key for event in events if isinstance(event, UnitStarted)]


def shard_of(run: Run) -> Path:
    return sorted(run.folder("features").glob("shards/train/*.tar"))[0]


def flip(path: Path, *, hidden: bool = False) -> None:
    """Another byte; hidden, with the size and the time of change that the file had."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if hidden:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_stage_is_hashed_once_for_all_runs_that_share_it(finished, board):
    run, other = finished.run(), finished.run("train.epochs=1")
    found, folders = hashed(run, other)
    assert folders == [run.folder("features").name] == list(found)
    assert known_faults(run, found) == known_faults(other, found) == {"features": []}
    assert check_run(run, board, without=WITHOUT, hashed=found) == []
    # Only who hashed again could see this one, and here nobody does.
    flip(shard_of(run), hidden=True)
    assert "files" not in {fault.check for fault in check_run(run, board, without=WITHOUT, hashed=found)}
    assert "files" in {fault.check for fault in check_run(run, board, without=WITHOUT)}


def test_what_one_run_has_alone_is_hashed_by_who_judges_it(finished):
    assert hashed(finished.run()) == ({}, [])


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_broken_before_is_found_for_every_run(finished, board, workers):
    run = finished.run()
    flip(shard_of(run), hidden=True)
    found, _ = hashed(run, finished.run("train.epochs=1"), workers=workers)
    told = check_run(run, board, without=WITHOUT, hashed=found)
    assert state_of(told) == "invalid"
    assert told == check_run(run, board, without=WITHOUT)
    assert shard_of(run).name in told[0].where


def damages(run: Run) -> dict[str, Path]:
    return {
        "shard": shard_of(run),
        "manifest": run.folder("features") / "manifest.json",
        "DONE": run.folder("features") / "DONE",
        "receipt": sorted(run.folder("features").glob("units/*.json"))[0],
    }


@pytest.mark.parametrize("name", ["shard", "manifest", "DONE", "receipt"])
@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["flipped", "deleted"])
def test_what_is_broken_after_is_found_as_well(finished, board, name, damage):
    run = finished.run()
    found, _ = hashed(run, run)
    damage(damages(run)[name])
    assert known_faults(run, found) == {}
    assert state_of(check_run(run, board, without=WITHOUT, hashed=found)) == "invalid"


def test_what_cannot_be_hashed_is_left_to_who_judges(finished, board):
    run = finished.run()
    os.rename(run.folder("features"), finished.workspace / "away")
    found, _ = hashed(run, run)
    assert state_of(check_run(run, board, without=WITHOUT, hashed=found)) == "invalid"
    os.rename(finished.workspace / "away", run.folder("features"))
    assert check_run(run, board, without=WITHOUT, hashed=found) == []


def test_what_was_hashed_on_another_machine_is_brought_before_it_is_judged(finished, board, tmp_path):
    """As on a cluster whose nodes share a bucket and no disk."""
    shutil.copytree(finished.workspace, tmp_path / "bucket")
    here, there = (
        open_run(load_recipe(finished.recipe), open_workspace(f"local://{tmp_path}/bucket", tmp_path / cache))
        for cache in ("here", "there")
    )
    found, _ = hashed(there, there)
    assert known_faults(here, found) == {}
    for name in ("train", "predict", "evaluate"):
        here.bring(name)
    assert check_run(here, board, without=WITHOUT, hashed=found) == []
