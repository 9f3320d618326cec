"""The stage: a closed account, one checksum whatever the workers, a resume that takes nothing on trust."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from rushes.engine import UnitStarted
from rushes.errors import QuarantineError, UnitError
from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.shards.manifest import load_manifest
from rushes.shards.verify import verify_dataset
from rushes.stages import read_quarantine, read_receipt
from rushes.storage import Home
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.recipe import PrepareClips

SPLIT_OF = {"U0101_S0100": "train", "U0102_S0100": "train", "U0108_S0100": "test"}
FAULT = {"type": "SourceError", "message": "bad", "where": "a.csv:3", "cure": "repair it"}


@pytest.fixture
def recordings(make_recording):
    return [make_recording(key, 20.0) for key in SPLIT_OF]


@pytest.fixture
def run(open_stage, preprocessing, recordings, tmp_path):
    """Run the stage; gives its folder, what it came to, and the units that were worked on."""

    def run_(
        workspace: Path = tmp_path / "ws",
        recordings=recordings,
        split_of=SPLIT_OF,
        shard_bytes=200_000_000,
        unit=prepare_unit,
        faults=None,
        needed=(),
        **settings,
    ):
        worked = []

        def listen(event):
            if isinstance(event, UnitStarted):
                worked.append(event.key)

        with open_stage(workspace) as stage:
            jobs = Job.of(
                recordings,
                split_of,
                stage.folder,
                preprocessing,
                PrepareClips(window_splits=("test",)).model_copy(update={"shard_bytes": shard_bytes}),
            )
            planned = Planned(
                jobs=jobs,
                splits=split_of.values(),
                needed=needed,
                skipped={one.key: "no side" for one in recordings if one.key not in split_of},
                faults=faults or {},
            )
            prepared = prepare(
                planned,
                unit,
                Home(stage.folder),
                preprocessing,
                Prepare(**{"workers": 0, **settings}),
                on_event=listen,
            )
        return stage.folder, prepared, worked

    return run_


def spoilt(recording, tmp_path):
    path = tmp_path / "spoilt.mp4"
    path.write_bytes(recording.media.path.read_bytes()[:2000])
    return replace(recording, media=replace(recording.media, path=path))


def test_dataset_is_whole_and_tells_its_truth(run, recordings, preprocessing):
    folder, prepared, _ = run()
    assert verify_dataset(folder) == []
    manifest = load_manifest(folder)
    assert manifest.preprocessing == json.loads(preprocessing.model_dump_json())
    assert manifest.checksum == prepared.summary()["checksum"]
    assert set(manifest.splits) == {"train", "test"}
    assert set(prepared.clips["train"]) == {"before", "across", "after"}
    assert prepared.clips["test"]["window"] == 20
    truths = json.loads((folder / "recordings.json").read_text())
    assert [truth["key"] for truth in truths] == sorted(SPLIT_OF)
    assert truths[2]["segments"] == [[s.start_s, s.end_s, s.label] for s in recordings[2].segments]
    assert {truth["duration_s"] for truth in truths} == {20.0}


def test_workers_and_order_do_not_matter(run, recordings, tmp_path):
    first, prepared, _ = run(tmp_path / "a", workers=0)
    second, again, _ = run(tmp_path / "b", recordings=recordings[::-1], workers=2)
    assert prepared.manifest == again.manifest
    for path in (first / "shards").rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    for name in ("manifest.json", "recordings.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_account_closes_over_bad_skipped_and_faulty_sessions(run, recordings, tmp_path, make_recording):
    bad = [recordings[0], spoilt(recordings[1], tmp_path), recordings[2], make_recording("U0201_S0100", 20.0)]
    folder, prepared, _ = run(recordings=bad, faults={"U0109_S0100": FAULT}, max_quarantine=0.6)
    assert prepared.account.counts == {"planned": 5, "done": 2, "quarantined": 2, "skipped": 1}
    entries = {entry["unit"]: entry["reason"] for entry in read_quarantine(folder)}
    assert entries["U0109_S0100"] == FAULT
    assert entries["U0102_S0100"]["type"] == "MediaError"
    assert entries["U0102_S0100"]["where"].endswith("spoilt.mp4")
    assert "U0102_S0100" not in {
        truth["key"] for truth in json.loads((folder / "recordings.json").read_text())
    }
    assert verify_dataset(folder) == []


def test_too_many_bad_sessions_fail_the_stage(run, recordings, tmp_path):
    with pytest.raises(QuarantineError):
        run(recordings=[spoilt(recordings[0], tmp_path), *recordings[1:]], max_quarantine=0.1)
    assert list((tmp_path / "ws").rglob("manifest.json")) == []
    # The footage is fetched again: the stage goes on where it was.
    _, prepared, worked = run()
    assert worked == ["U0101_S0100"]
    assert (prepared.account.counts["quarantined"], prepared.reused) == (0, 2)


@pytest.mark.parametrize("damage", ["receipt", "tar", "index", "flipped byte"])
def test_resume_repairs_what_does_not_hold(damage, run, tmp_path):
    folder, prepared, _ = run()
    tar = folder / "shards" / "test" / "U0108_S0100-00000.tar"
    if damage == "receipt":
        (folder / "units" / "U0108_S0100.json").unlink()
    elif damage == "tar":
        tar.unlink()
    elif damage == "index":
        tar.with_suffix(".parquet").write_bytes(b"")
    else:
        data = bytearray(tar.read_bytes())
        data[5000] ^= 1
        tar.write_bytes(data)
    _, again, worked = run()
    assert worked == ["U0108_S0100"]
    assert again.manifest == prepared.manifest
    assert verify_dataset(folder) == []


def test_a_recording_that_takes_too_much_memory_costs_itself(run):
    hog = partial(np.full, 1 << 33, dtype=object)  # of 64 GB, which most machines would promise to give
    folder, prepared, _ = run(unit=hog, workers=1, memory_gb=1.0, max_quarantine=1.0)
    assert prepared.account.counts == {"planned": 3, "done": 0, "quarantined": 3, "skipped": 0}
    assert {entry["reason"]["kind"] for entry in read_quarantine(folder)} == {"memory"}


def test_nothing_to_do_does_nothing(run):
    _, prepared, worked = run()
    _, again, rest = run()
    assert (len(worked), rest, again.reused) == (3, [], 3)
    assert again.manifest == prepared.manifest


def test_a_full_disk_is_no_bad_input(run, tmp_path, open_stage):
    with open_stage(tmp_path / "ws") as stage:
        (stage.folder / "shards").mkdir()
        (stage.folder / "shards" / "test").write_bytes(b"a file where the folder of the split should be")
    with pytest.raises(UnitError, match="not because of its input"):
        run()
    assert read_quarantine(stage.folder) == []
    assert read_receipt(stage.folder, "U0101_S0100") is not None
    assert not (stage.folder / "manifest.json").exists()


def test_a_shard_too_small_for_a_sample_is_no_bad_input(run, tmp_path):
    with pytest.raises(UnitError, match="ShardError"):
        run(shard_bytes=5_000)
    assert list((tmp_path / "ws").rglob("quarantine/*")) == []
