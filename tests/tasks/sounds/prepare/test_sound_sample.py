"""A stored sound comes back as it was, in the shard's own memory, and no damage is taken for a sound."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rushes.errors import ShardError
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.tasks.sounds.prepare.sample import Sample, fields_of, metas

RECORDING = SoundRecording("a-1", "anna", "train", "snore", Path("a/1.wav"))


def features(dtype=np.float32, number: int = 0) -> np.ndarray:
    return np.random.default_rng(number).normal(-40, 20, (64, 51)).astype(dtype)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype == object)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_what_is_stored_comes_back_without_a_copy(dtype):
    stored = features(dtype)
    members = {name: memoryview(data) for name, data in fields_of(RECORDING, stored, 1.25).items()}
    sample = Sample.of("a-1", members)
    assert (sample.key, sample.group, sample.label) == ("a-1", "anna", "snore")
    assert sample.features.dtype == dtype
    assert (sample.features == stored).all()
    assert np.shares_memory(sample.features, np.frombuffer(members["logmel.npy"], np.uint8))
    assert not sample.features.flags.writeable
    assert json.loads(bytes(members["meta.json"])) == {
        "recording": "a-1",
        "group": "anna",
        "label": "snore",
        "length_s": 1.25,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"logmel.npy": None},
        {"meta.json": None},
        {"meta.json": b"{}"},
        {"meta.json": b"[1]"},
        {"meta.json": b"\xff"},
        {"logmel.npy": b""},
        {"logmel.npy": b"RIFF"},
        {"logmel.npy": npy(features())[:-4]},
        {"logmel.npy": npy(features())[:60]},
        {"logmel.npy": npy(features()) + b"1234"},
        {"logmel.npy": npy(features(np.float64))},
        {"logmel.npy": npy(features(">f4"))},
        {"logmel.npy": npy(features().ravel())},
        {"logmel.npy": npy(features().T)},
        {"logmel.npy": npy(np.array([{}]))},
    ],
    ids=lambda changed: f"{next(iter(changed))}={str(next(iter(changed.values())))[:12]}",
)
def test_what_is_no_sample_is_refused(changed):
    whole = fields_of(RECORDING, features(), None) | changed
    with pytest.raises(ShardError, match="no sample of the sounds task"):
        Sample.of("a-1", {name: data for name, data in whole.items() if data is not None})


@pytest.fixture
def dataset(tmp_path):
    with ShardWriter(tmp_path, "block", 60_000) as writer:
        for number in range(7):
            recording = replace(RECORDING, key=f"a-{number}", group=f"g{number // 3}", label="ab"[number % 2])
            writer.write(recording.key, fields_of(recording, features(number=number), None))
        shards = writer.close()
    assert len(shards) > 1
    return ShardDataset.of_shards([tmp_path / shard.name for shard in shards])


def test_metas_of_a_split(dataset):
    assert [meta["label"] for meta in metas(dataset)] == list("abababa")
    assert [meta["group"] for meta in metas(dataset)] == ["g0"] * 3 + ["g1"] * 3 + ["g2"]
    assert [meta["recording"] for meta in metas(dataset)] == [f"a-{number}" for number in range(7)]


def test_metas_are_read_where_features_are_damaged(dataset, tmp_path):
    path = dataset.tars[0]
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x93NUMPY", b"\x93DAMPY"))
    damaged = ShardDataset(dataset.tars, dataset.infos)
    assert [meta["label"] for meta in metas(damaged)] == list("abababa")
    with pytest.raises(ShardError):
        Sample.of("a-0", damaged.sample(0))


def test_a_sample_without_a_label_is_refused(tmp_path):
    with ShardWriter(tmp_path, "block") as writer:
        writer.write("a-1", {"meta.json": b'{"group": "g"}', "logmel.npy": b"1"})
        shards = writer.close()
    with pytest.raises(ShardError, match="a meta of group"):
        list(metas(ShardDataset.of_shards([tmp_path / shards[0].name])))
