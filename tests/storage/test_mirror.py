"""A stage's folder whose truth is remote."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from rushes.engine import Unit, map_units
from rushes.errors import ShardError, StorageError
from rushes.shards.index import ShardInfo
from rushes.shards.manifest import Manifest, split_folder
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset
from rushes.shards.write import ShardWriter
from rushes.stages import account, read_quarantine, read_receipt, sha256_file, write_json
from rushes.storage.home import Home
from rushes.storage.mirror import Mirror
from rushes.storage.remote import Remote

NAME = "prepare-0123456789ab"
UNITS = ("U0101_S0100", "U0102_S0100", "U0103_S0100")


@pytest.fixture
def mirror(remote, tmp_path):
    return Mirror(tmp_path / "cache" / NAME, remote.child(NAME))


def elsewhere(mirror, tmp_path, name="other", cache_bytes=None):
    """The same stage on a machine that shares no disk with this one."""
    return Mirror(tmp_path / name / NAME, mirror.remote, cache_bytes)


def make_unit(home, unit):
    """As a worker does: shards whole here, then published; the receipt goes back."""
    folder = split_folder(home.folder, "train")
    with ShardWriter(folder, unit) as writer:
        for number in range(8):
            writer.write(f"{unit}_t{number}", {"a.bin": f"{unit}{number}".encode() * 900, "meta.json": b"{}"})
        shards = writer.close()
    home.publish(folder / name for shard in shards for name in (shard.name, shard.index_name))
    return {"split": "train", "shards": [shard.to_json() for shard in shards]}


class Making:
    """``make_unit`` for workers."""

    def __init__(self, home):
        self.home = home

    def __call__(self, unit):
        return make_unit(self.home, unit)


def make_dataset(mirror):
    for unit in UNITS:
        mirror.write_receipt(unit, make_unit(mirror, unit))
    return finish_dataset(mirror)


def finish_dataset(mirror):
    receipts = [read_receipt(mirror.folder, unit) for unit in UNITS]
    infos = tuple(ShardInfo.from_json(shard, NAME) for receipt in receipts for shard in receipt["shards"])
    Manifest("0123456789ab", {"train": infos}, ("Pick",), {}).save(mirror.folder)
    manifest = sha256_file(mirror.folder / "manifest.json")
    write_json(mirror.folder / "DONE", {"summary": {"files": {"manifest.json": manifest}}})
    mirror.finish()
    return infos


def test_a_dataset_is_read_elsewhere_on_first_touch(mirror, tmp_path):
    infos = make_dataset(mirror)
    other = elsewhere(mirror, tmp_path)
    other.pull()
    assert sorted(path.name for path in other.folder.rglob("*") if path.is_file()) == [
        "DONE",
        "manifest.json",
    ]
    clips = pickle.loads(pickle.dumps(ShardDataset.open(other.folder, "train", opener=other.open)))
    assert len(clips) == 24
    assert list(other.folder.rglob("*.tar")) == []
    here = ShardDataset.open(mirror.folder, "train")
    assert bytes(clips.sample(9)["a.bin"]) == bytes(here.sample(9)["a.bin"])
    assert [path.name for path in other.folder.rglob("*.tar")] == [infos[1].name]
    assert list(clips.keys()) == list(here.keys())
    other.pull(everything=True)
    assert verify_dataset(other.folder) == []


def test_a_shard_that_was_changed_there_is_refused(mirror, tmp_path):
    infos = make_dataset(mirror)
    mirror.remote.put_bytes(bytes(infos[0].bytes), f"shards/train/{infos[0].name}")
    other = elsewhere(mirror, tmp_path)
    other.pull()
    clips = ShardDataset.open(other.folder, "train", opener=other.open)
    with pytest.raises(StorageError, match="was written"):
        clips.sample(0)
    assert clips.sample(8)
    assert [path.name for path in other.folder.rglob("*.tar")] == [infos[1].name]


def test_a_file_that_done_proves_is_compared(mirror, tmp_path):
    make_dataset(mirror)
    mirror.remote.put_bytes(b"{}", "manifest.json")
    other = elsewhere(mirror, tmp_path)
    with pytest.raises(StorageError, match="was written"):
        other.pull()
    assert not (other.folder / "DONE").exists()


def test_pulled_once_is_enough(mirror, tmp_path):
    make_dataset(mirror)
    other = elsewhere(mirror, tmp_path)
    other.pull()
    mirror.remote.remove("manifest.json")
    other.pull()
    assert (other.folder / "manifest.json").exists()


def test_the_cache_is_bounded_and_evicts_what_was_opened_longest_ago(mirror, tmp_path):
    infos = make_dataset(mirror)
    room = infos[0].bytes + infos[1].bytes + 100
    other = elsewhere(mirror, tmp_path, cache_bytes=room)
    other.pull()

    def cached():
        return {path.name for path in other.folder.rglob("*.tar")}

    tars = [split_folder(other.folder, "train") / info.name for info in infos]
    other.open(tars[0], infos[0].sha256).close()
    other.open(tars[1], infos[1].sha256).close()
    other.open(tars[0], infos[0].sha256).close()
    other.open(tars[2], infos[2].sha256).close()
    assert cached() == {infos[0].name, infos[2].name}
    clips = ShardDataset.open(other.folder, "train", opener=other.open, max_open=3)
    views = [clips.sample(index)["a.bin"] for index in (0, 8, 16)]  # mapped, though evicted meanwhile
    assert len(cached()) == 2
    assert [bytes(view[:11]).decode() for view in views] == list(UNITS)


def test_what_was_not_sent_yet_is_never_evicted(mirror, tmp_path):
    infos = make_dataset(mirror)
    other = elsewhere(mirror, tmp_path, cache_bytes=1)
    other.pull()
    own = split_folder(other.folder, "train") / "U0199_S0100-00000.tar"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"made here")
    tar = split_folder(other.folder, "train") / infos[0].name
    other.open(tar, infos[0].sha256).close()
    assert own.exists()
    assert tar.exists()
    other.publish([own])
    assert not own.exists()
    assert mirror.remote.exists("shards/train/U0199_S0100-00000.tar")


def test_a_unit_without_a_receipt_there_does_not_exist(mirror, tmp_path):
    for unit in UNITS[:2]:
        mirror.write_receipt(unit, make_unit(mirror, unit))
    mirror.remote.remove(f"units/{UNITS[0]}.json")  # killed between the receipt here and the receipt there
    mirror.pull()
    assert account(mirror.folder, UNITS).done == {UNITS[1]}
    assert mirror.standing()[f"shards/train/{UNITS[0]}-00000.tar"] > 0
    other = elsewhere(mirror, tmp_path)
    other.pull()
    assert account(other.folder, UNITS).pending == (UNITS[0], UNITS[2])


def test_quarantine_is_there_as_well(mirror, tmp_path):
    mirror.write_receipt(UNITS[0], make_unit(mirror, UNITS[0]))
    mirror.quarantine(UNITS[0], {"message": "torn"})
    mirror.quarantine(UNITS[1], {"message": "torn"})
    mirror.write_receipt(UNITS[1], make_unit(mirror, UNITS[1]))
    other = elsewhere(mirror, tmp_path)
    other.pull()
    assert [entry["unit"] for entry in read_quarantine(other.folder)] == [UNITS[0]]
    assert account(other.folder, UNITS).done == {UNITS[1]}
    assert [name for name in mirror.standing() if name.startswith("quarantine/")] == [
        f"quarantine/{UNITS[0]}.json"
    ]
    mirror.discard([split_folder(mirror.folder, "train") / f"{UNITS[0]}-00000.tar"])
    assert f"shards/train/{UNITS[0]}-00000.tar" not in mirror.standing()


def test_fits_and_standing(mirror, tmp_path):
    receipt = make_unit(mirror, UNITS[0])
    shard = receipt["shards"][0]
    for home in (mirror, Home(mirror.folder)):
        assert home.standing()[f"shards/train/{shard['name']}"] == shard["bytes"]
        tar = split_folder(home.folder, "train") / shard["name"]
        assert home.fits(tar, shard["sha256"])
        assert not home.fits(tar, "0" * 64)
    missing = split_folder(tmp_path / NAME, "train") / shard["name"]
    assert elsewhere(mirror, tmp_path).fits(missing, shard["sha256"])
    assert not Home(tmp_path / NAME).fits(missing, shard["sha256"])


def test_workers_publish_their_own_units(shared, tmp_path):
    """Each in a process and a cache of its own, as on machines that share no disk."""
    here = Mirror(tmp_path / "driver" / NAME, shared.child(NAME))
    work = Making(Mirror(tmp_path / "worker" / NAME, shared.child(NAME)))
    for result in map_units(work, [Unit(unit, unit) for unit in UNITS], workers=2):
        assert result.error is None, result.error
        here.write_receipt(result.key, result.value)
    finish_dataset(here)
    assert list(here.folder.rglob("*.tar")) == []
    clips = ShardDataset.open(here.folder, "train", opener=here.open)
    assert len(list(clips.keys())) == 24


def test_finish_sends_what_is_missing_and_done_last(mirror, tmp_path):
    (mirror.folder / "model").mkdir(parents=True)
    (mirror.folder / "model" / "weights.safetensors").write_bytes(b"weights")
    (mirror.folder / ".model.partial").mkdir()
    (mirror.folder / ".model.partial" / "weights.safetensors").write_bytes(b"torn")
    (mirror.folder / "lock").write_bytes(b"")
    write_json(mirror.folder / "metrics.json", {"n": 1})
    write_json(mirror.folder / "DONE", {})
    mirror.finish()
    assert sorted(mirror.standing()) == ["DONE", "metrics.json", "model/weights.safetensors"]
    other = elsewhere(mirror, tmp_path)
    other.pull()
    assert (other.folder / "model" / "weights.safetensors").read_bytes() == b"weights"


def checkpoint(mirror, step, content=b"weights", keep=2):
    """A checkpoint as the training writes it, old ones deleted."""
    root = mirror.folder / "phase-1" / "checkpoints"
    folder = root / f"step-{step:08d}"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(content)
    write_json(folder / "state.json", {"step": step})
    with (root.parent / "events.jsonl").open("a") as log:
        log.write(json.dumps({"step": step}) + "\n")
    for old in sorted(root.iterdir())[:-keep]:
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    mirror.checkpoint(folder)
    return folder


def test_checkpoints_come_back_and_old_ones_go(mirror, tmp_path):
    for step in (10, 20, 30):
        checkpoint(mirror, step)
    other = elsewhere(mirror, tmp_path)
    other.pull()
    root = other.folder / "phase-1" / "checkpoints"
    assert [path.name for path in sorted(root.iterdir())] == ["step-00000020", "step-00000030"]
    assert (root / "step-00000030" / "weights.safetensors").read_bytes() == b"weights"
    assert len((other.folder / "phase-1" / "events.jsonl").read_text().splitlines()) == 3
    assert {name.split("/")[2] for name in mirror.standing() if "step-" in name} == {
        "step-00000020",
        "step-00000030",
    }


def test_a_checkpoint_without_its_state_does_not_exist(mirror, tmp_path):
    for step in (10, 20):
        checkpoint(mirror, step)
    mirror.remote.remove("phase-1/checkpoints/step-00000020/state.json")  # killed before it was sent
    for machine in (mirror, elsewhere(mirror, tmp_path)):
        machine.pull()
        root = machine.folder / "phase-1" / "checkpoints"
        assert [path.name for path in root.iterdir()] == ["step-00000010"]


def test_a_checkpoint_of_another_machine_replaces_ours_whole(mirror, tmp_path):
    checkpoint(mirror, 10, b"ours 111")
    other = elsewhere(mirror, tmp_path)
    folder = checkpoint(other, 10, b"theirs 1")
    write_json(folder / "state.json", {"step": 10, "by": "them"})
    other.checkpoint(folder)
    mirror.pull()
    ours = mirror.folder / "phase-1" / "checkpoints" / "step-00000010"
    assert (ours / "weights.safetensors").read_bytes() == b"theirs 1"
    assert json.loads((ours / "state.json").read_text())["by"] == "them"


def test_a_checkpoint_that_cannot_be_sent_has_no_state(faulty, tmp_path):
    mirror = Mirror(tmp_path / NAME, faulty.child(NAME))
    checkpoint(mirror, 10)
    folder = mirror.folder / "phase-1" / "checkpoints" / "step-00000020"
    folder.mkdir()
    write_json(folder / "state.json", {"step": 20})
    (folder / "weights-refused.safetensors").write_bytes(b"weights")
    with pytest.raises(StorageError, match="refused"):
        mirror.checkpoint(folder)
    assert {name for name in mirror.standing() if name.endswith("state.json")} == {
        "phase-1/checkpoints/step-00000010/state.json"
    }


def test_a_checkpoint_of_the_same_step_is_replaced_whole_or_gone(faulty, tmp_path):
    mirror = Mirror(tmp_path / NAME, faulty.child(NAME))
    folder = checkpoint(mirror, 10)
    (folder / "weights.safetensors").write_bytes(b"others!")
    (folder / "x-refused.safetensors").write_bytes(b"")
    with pytest.raises(StorageError, match="refused"):
        mirror.checkpoint(folder)
    assert "phase-1/checkpoints/step-00000010/state.json" not in mirror.standing()


def test_a_stage_that_cannot_be_sent_is_not_done(faulty, tmp_path):
    mirror = Mirror(tmp_path / NAME, faulty.child(NAME))
    for name in ("DONE", "metrics.json", "model/refused.json"):
        write_json(mirror.folder / name, {})
    with pytest.raises(StorageError, match="refused"):
        mirror.finish()
    assert "DONE" not in mirror.standing()


def test_units_that_nobody_sent_are_sent_at_the_end(mirror, tmp_path):
    """A stage whose workers write into this folder only."""
    write_json(mirror.folder / "units" / "a.json", {})
    write_json(mirror.folder / "raw" / "a" / "frame.json", {})
    write_json(mirror.folder / "DONE", {})
    mirror.finish()
    assert sorted(mirror.standing()) == ["DONE", "raw/a/frame.json", "units/a.json"]


def test_a_local_dataset_is_read_as_ever(tmp_path):
    make_dataset(Mirror(tmp_path / NAME, Remote(f"file://{tmp_path}/there/{NAME}")))
    home = Home(tmp_path / NAME)
    assert len(ShardDataset.open(home.folder, "train", opener=home.open).sample(3)) == 2
    Path(next(home.folder.rglob("*.tar"))).unlink()
    with pytest.raises(ShardError, match="cannot open a shard"):
        ShardDataset.open(home.folder, "train")
