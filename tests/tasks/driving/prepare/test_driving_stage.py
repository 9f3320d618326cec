"""The stage on drawn drives: a closed account, the same dataset whatever the workers and kills."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes.engine import UnitStarted
from rushes.errors import QuarantineError
from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.shards.manifest import load_manifest
from rushes.shards.verify import verify_dataset
from rushes.stages import read_quarantine
from rushes.storage import Home
from rushes.tasks.driving.prepare.unit import Job, prepare_unit
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.sources.physical_ai_av.tables import assign_splits

FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"


@pytest.fixture
def run(open_stage, road_twin, drives_contract, tmp_path):
    """The stage as a run calls it; gives its folder, what it came to and the units that were worked on."""

    def run_(workspace: Path = tmp_path / "ws", root: Path = road_twin.root, faults=None, **settings):
        worked = []

        def listen(event):
            if isinstance(event, UnitStarted):
                worked.append(event.key)

        found = scan(root, drives_contract.setup.cameras)
        side_of = assign_splits(found.recordings, "index")
        with open_stage(workspace) as stage:
            planned = Planned(
                jobs=Job.of(
                    found.recordings, side_of, stage.folder, drives_contract, PrepareWindows(stride=4)
                ),
                splits=side_of.values(),
                skipped={fault.key: fault.message for fault in found.skipped},
                faults=faults or {fault.key: fault.reason() for fault in found.faults},
            )
            prepared = prepare(
                planned,
                prepare_unit,
                Home(stage.folder),
                drives_contract,
                Prepare(**{"workers": 0, "max_quarantine": 0.5, **settings}),
                on_event=listen,
            )
        return stage.folder, prepared, worked

    return run_


def contents(folder: Path) -> dict[str, bytes]:
    files = (
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "recipe.json")
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_clips_that_lack_something_are_skipped_and_the_account_closes(run, drives, drives_contract):
    folder, prepared, _ = run()
    # Of six clips one has no poses, one is not valid, one lacks a camera.
    assert prepared.account.counts == {"planned": 6, "done": 3, "quarantined": 0, "skipped": 3}
    assert verify_dataset(folder) == []
    assert set(load_manifest(folder).splits) == {"train", "val", "test"}
    assert load_manifest(folder).preprocessing == drives_contract.model_dump(mode="json")
    truths = {row["key"]: row for row in json.loads((folder / "recordings.json").read_text())}
    for recording in drives:
        row = truths.pop(recording.key)
        assert (row["split"], row["group"], row["chunk"]) == (
            recording.split,
            recording.group,
            recording.chunk,
        )
        assert row["tags"] == dict(recording.tags)
    assert truths == {}
    assert {f"refused_{reason}" for reason in ("frames", "poses", "labels")} <= prepared.totals.keys()


def test_workers_do_not_matter(run, tmp_path):
    first, *_ = run(tmp_path / "a")
    second, *_ = run(tmp_path / "b", workers=2)
    assert contents(first) == contents(second)
    assert any(name.endswith(".tar") for name in contents(first))


def test_a_killed_run_resumes_where_it_was(run, tmp_path, drives):
    whole, *_ = run(tmp_path / "a")
    # As a kill leaves it: one receipt is not written yet, its shards stand, another's are half written.
    folder, *_ = run(tmp_path / "b")
    (folder / "manifest.json").unlink()
    (folder / "units" / f"{drives[0].key}.json").unlink()
    (folder / "units" / f"{drives[1].key}.json").unlink()
    torn = folder / "shards" / drives[1].split / f"{drives[1].key}-00000.tar"
    torn.write_bytes(torn.read_bytes()[:5000])
    _, prepared, worked = run(tmp_path / "b")
    assert sorted(worked) == sorted(recording.key for recording in drives[:2])
    assert prepared.reused == 1
    assert contents(folder) == contents(whole)


def flip(raw, recording):
    member = raw.recording(recording.key, (LEFT,)).camera(LEFT).video
    with member.archive.open("r+b") as file:
        file.seek(member.offset + member.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def cut_table(raw, recording):
    raw.edit(recording, LEFT, lambda table: {name: values[:-3] for name, values in table.items()})


def wrong_poses(raw, recording):
    raw.edit(recording, "egomotion", lambda table: table | {"y": table["y"] * float("nan")})


def inverse_rotations(raw, recording):
    raw.edit(recording, "egomotion", lambda table: table | {"qw": -table["qw"]})


def lost_table(raw, recording):
    name = f"{recording.key}.{LEFT}.timestamps.parquet"
    raw.rewrite(LEFT, recording.chunk, name, lambda data: None)


@pytest.mark.parametrize(
    ("damage", "kind", "says"),
    [
        (flip, "MediaError", "CRC32"),
        (cut_table, "MediaError", "times of them"),
        (wrong_poses, "SourceError", "finite"),
        (inverse_rotations, "SourceError", "they look like rotations from the world to the vehicle"),
        (lost_table, "SourceError", "timestamps"),
    ],
)
def test_a_damaged_clip_goes_to_the_quarantine_and_the_rest_is_as_ever(
    run, raw, drives, tmp_path, damage, kind, says
):
    bad = drives[0]
    damage(raw, bad)
    folder, prepared, _ = run(root=raw.root)
    assert prepared.account.counts == {"planned": 6, "done": 2, "quarantined": 1, "skipped": 3}
    [entry] = read_quarantine(folder)
    assert (entry["unit"], entry["reason"]["type"]) == (bad.key, kind)
    assert says in entry["reason"]["message"]
    assert f"chunk_{bad.chunk:04d}" in entry["reason"]["where"]
    assert entry["reason"]["cure"]
    assert verify_dataset(folder) == []
    whole, *_ = run(tmp_path / "whole")
    shards = {name: data for name, data in contents(whole).items() if name.endswith(".tar")}
    ours = {name: data for name, data in contents(folder).items() if name.endswith(".tar")}
    assert ours == {name: data for name, data in shards.items() if bad.key not in name}


def test_too_many_damaged_clips_end_the_stage_and_skipped_ones_do_not_count(run, raw, drives):
    _, prepared, _ = run(max_quarantine=0.0)  # three are skipped
    assert prepared.account.counts["skipped"] == 3
    flip(raw, drives[0])
    with pytest.raises(QuarantineError):
        run(raw.root.parent / "other", raw.root, max_quarantine=0.3)
