"""Verify finds a flipped byte in every kind of file; repair makes the same again and touches no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import StageError
from rushes.runs.proof import proof
from rushes.runs.verify import verify_run
from rushes.stages import sha256_file, working, write_json
from rushes.train.events import read_events

KINDS = {
    "twin": (
        "raw/*/kinect/color-masked/video/*.mp4",
        "raw/*/kinect/color-masked/video/*.json",
        "raw/*/annotation/openpack-operations/*.csv",
        "raw/*/annotation/openpack-operations-1hz/*.csv",
        "units/*.json",
        "recipe.json",
        "DONE",
    ),
    "prepare": (
        "shards/test/*.tar",
        "shards/test/*.parquet",
        "units/*.json",
        "recordings.json",
        "manifest.json",
    ),
    "train": (
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/preprocessing.json",
        "phase-1-*/checkpoints/*/weights.safetensors",
        "phase-1-*/result.json",
        "phase-2-*/checkpoints/*2/optimizer.safetensors",
        "phase-2-*/checkpoints/*1/state.json",
        "phase-2-*/events.jsonl",
    ),
    "predict": ("predictions.parquet", "recipe.json"),
    "evaluate": ("metrics.json", "DONE"),
    "report": ("report.html",),
}

# What is written anew with another clock, in a stage that was repaired.
CLOCKS = ("DONE", "recipe.json", "state.json", "result.json", "events.jsonl", "lock")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


@pytest.fixture(scope="module")
def job(copy_of):
    """All tests share one copy and leave it whole."""
    return copy_of()


def test_a_finished_run_is_whole(job):
    checked = verify_run(job.run(), repair=True)
    assert (checked.faults, checked.rebuilt, checked.stale, checked.whole) == ((), (), (), True)
    told = job.tell("verify")
    assert told.code == 0
    assert "twin, prepare, train, predict, evaluate, report: all files are as they were written" in told.out


@pytest.mark.parametrize(("stage", "pattern"), [(s, p) for s, patterns in KINDS.items() for p in patterns])
def test_a_flipped_byte_is_found_where_it_is(job, stage, pattern):
    path = job.one(stage, pattern)
    whole = path.read_bytes()
    flip(path)
    try:
        checked = verify_run(job.run(), repair=False)
    finally:
        path.write_bytes(whole)
    assert path in {fault.path for fault in checked.faults}
    assert {fault.stage for fault in checked.faults} == {stage}
    assert not checked.whole


def changed_content(job, before: dict[str, str], *repaired: str) -> set[str]:
    """Files that differ, less what carries the time of day in the stages that were repaired."""
    after = hashes(job.workspace)
    folders = tuple(job.run().folder(stage).name for stage in repaired)
    changed = (name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return {name for name in changed if not (name.startswith(folders) and name.endswith(CLOCKS))}


@pytest.mark.parametrize("stage", KINDS)
def test_repair_makes_the_same_content_again_and_touches_no_more(job, stage):
    before = hashes(job.workspace)
    paths = {job.one(stage, pattern) for pattern in KINDS[stage] if pattern != "DONE"}
    for path in paths:
        flip(path)
    told = job.tell("verify", "--repair", "--json")
    assert told.code == 0, told.err
    assert told.json["rebuilt"] == [stage]
    assert told.json["whole"]
    assert verify_run(job.run(), repair=False).faults == ()
    # A broken checkpoint that a later one has superseded is not made again.
    kept = {
        name
        for name in changed_content(job, before, stage)
        if "phase-2-clips/checkpoints/step-00000001" not in name
    }
    assert kept == set()


def test_repair_closes_stages_whose_done_is_broken(job):
    before = hashes(job.workspace)
    for stage in KINDS:
        flip(job.one(stage, "DONE"))
    told = job.tell("verify", "--repair", "--json")
    assert told.code == 0, told.err
    assert told.json["rebuilt"] == list(KINDS)
    assert changed_content(job, before, *KINDS) == set()


def test_a_broken_log_of_training_is_written_again_from_its_first_step(job):
    path = job.one("train", "phase-2-*/events.jsonl")
    flip(path)
    assert verify_run(job.run(), repair=True).whole
    assert [event["step"] for event in read_events(path) if event["kind"] == "train"] == [1, 2]


def test_a_workspace_with_nothing_in_it_is_not_called_whole(job, tmp_path):
    told = type(job)(job.recipe, tmp_path / "elsewhere").tell("verify")
    assert told.code == 0
    assert told.out.splitlines()[-1] == (
        "no stage of this recipe is finished in this workspace: nothing was verified"
    )


def test_what_the_machine_refuses_to_read_is_not_repaired(job, no_file_opens):
    before = hashes(job.workspace)
    run = job.run()
    verify_run(run, repair=False)  # so that every module is loaded
    with pytest.raises(OSError, match="Too many open files"), no_file_opens():
        verify_run(run, repair=True)
    assert hashes(job.workspace) == before


def test_a_missing_file_and_a_stranger_are_found(job):
    run = job.run()
    stranger = run.folder("prepare") / "shards" / "test" / "U0108_S0100-00000.tar"
    stranger.write_bytes(b"")
    job.one("predict", "predictions.parquet").unlink()
    found = {fault.path.name: fault.reason for fault in verify_run(run, repair=False).faults}
    assert found == {stranger.name: "is not in the manifest", "predictions.parquet": "is missing"}
    assert verify_run(run, repair=True).whole
    assert not stranger.exists()


def test_stages_made_from_other_content_are_named_as_stale(job):
    run = job.run()
    done, recordings = (run.folder("prepare") / name for name in ("DONE", "recordings.json"))
    kept, truth = done.read_bytes(), recordings.read_bytes()
    with working(run.specs["prepare"], job.workspace, reopen=True) as stage:
        write_json(recordings, [])
        stage.finish(proof(run, "prepare"), {})
    checked = verify_run(run, repair=False)
    recordings.write_bytes(truth)
    done.write_bytes(kept)
    assert checked.faults == ()
    assert checked.stale == ("train", "predict", "evaluate", "report")
    assert not checked.whole
    assert "train: made from other content than now stands before it" in checked.text()


def test_a_stage_cannot_be_rebuilt_without_the_one_before(job):
    run = job.run()
    done, path = run.folder("prepare") / "DONE", job.one("train", "model/model.safetensors")
    kept, whole = done.read_bytes(), path.read_bytes()
    done.unlink()
    flip(path)
    with pytest.raises(StageError, match="train needs prepare, which is not done"):
        verify_run(run, repair=True)
    assert "prepare: not finished, not looked at" in verify_run(run, repair=False).text()
    done.write_bytes(kept)
    path.write_bytes(whole)


def test_faults_without_repair_end_with_1_and_say_what_to_do(job):
    path = job.one("report", "report.html")
    whole = path.read_bytes()
    flip(path)
    told = job.tell("verify")
    path.write_bytes(whole)
    assert told.code == 1
    assert f"report: {path}: has sha256" in told.out
    assert told.out.splitlines()[-1] == "1 fault; --repair rebuilds what is broken"
