"""A block: what is stored is the log-mel of what is decoded, and a bad sound costs itself."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from rushes.errors import SourceError
from rushes.media.audio import decode
from rushes.media.logmel import log_mel
from rushes.shards.read import ShardDataset
from rushes.tasks.sounds.prepare import unit
from rushes.tasks.sounds.prepare.sample import Sample, metas
from rushes.tasks.sounds.prepare.unit import prepare_unit
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.blocks import blocks_of


def read(job, receipt) -> tuple[list[Sample], ShardDataset]:
    folder = job.folder / "shards" / job.split
    dataset = ShardDataset.of_shards([folder / shard["name"] for shard in receipt["shards"]], check=True)
    return [Sample.of(dataset.key(n), dataset.sample(n)) for n in range(len(dataset))], dataset


def test_samples_are_the_spectrograms_of_the_sounds(make_job, make_block, preprocessing):
    block = make_block("b0", "train", 7)
    job = make_job(block)
    receipt = prepare_unit(job)
    samples, dataset = read(job, receipt)
    for sample, meta, (recording, data) in zip(samples, metas(dataset), block, strict=True):
        wave = decode(data, sample_rate=16_000, samples=16_000)
        assert (sample.key, sample.group, sample.label) == (recording.key, recording.group, recording.label)
        assert sample.features.shape == preprocessing.shape
        assert sample.features.tobytes() == log_mel(wave, preprocessing).tobytes()
        assert meta["length_s"] == pytest.approx((len(data) - 44) / 32_000)
    assert receipt["split"] == "train"
    assert (receipt["samples"], receipt["bad"], receipt["duration_s"]) == (7, {}, 7.0)
    assert receipt["clips"] == {"breathe": 2, "quiet": 3, "snore": 2}


def test_half_precision(make_job, make_block):
    job = make_job(make_block("b0", "train", 2), SoundPreprocessing(clip_s=1.0, dtype="float16"))
    samples, _ = read(job, prepare_unit(job))
    assert {sample.features.dtype for sample in samples} == {np.dtype(np.float16)}


def test_a_bad_sound_costs_itself(make_job, make_block):
    job = make_job(make_block("b0", "train", 5, bad=(1, 3)))
    receipt = prepare_unit(job)
    samples, _ = read(job, receipt)
    assert [sample.key for sample in samples] == ["train-0", "train-2", "train-4"]
    assert set(receipt["bad"]) == {"train-1", "train-3"}
    reason = receipt["bad"]["train-1"]
    assert (reason["kind"], reason["type"], reason["where"]) == ("input", "MediaError", "train-1.wav")
    assert reason["message"]
    assert reason["cure"]


def test_a_block_of_bad_sounds_only_has_a_receipt_without_shards(make_job, make_block):
    receipt = prepare_unit(make_job(make_block("b0", "train", 2, bad=(0, 1))))
    assert (receipt["shards"], receipt["samples"], len(receipt["bad"])) == ([], 0, 2)


def test_a_block_that_is_bad_beyond_measure_is_bad_as_a_whole(make_job, make_block, tmp_path):
    count = unit.MAX_BAD + 5
    job = make_job(make_block("b0", "train", count, bad=tuple(range(4, count))))
    with pytest.raises(SourceError, match="more than 2000 sounds"):
        prepare_unit(job)
    assert list((tmp_path / "dataset").rglob("*.*")) == []


def test_the_receipt_of_the_worst_block_still_travels(make_job, make_block):
    receipt = prepare_unit(make_job(make_block("b0", "train", unit.MAX_BAD, bad=tuple(range(unit.MAX_BAD)))))
    assert len(pickle.dumps(receipt)) < 1_000_000


def test_the_same_block_gives_the_same_bytes(make_job, make_block):
    job = make_job(make_block("b0", "train", 6, bad=(2,)), shard_bytes=70_000)
    receipt = prepare_unit(job)
    shards = {path.name: path.read_bytes() for path in (job.folder / "shards").rglob("*.*")}
    assert len(shards) > 4
    assert prepare_unit(job) == receipt
    assert {path.name: path.read_bytes() for path in (job.folder / "shards").rglob("*.*")} == shards


def test_jobs_travel(make_job, make_block):
    made = make_job(make_block("b1", "val", 3))
    job = pickle.loads(pickle.dumps(made))
    assert job == made
    assert (job.split, job.length_s, job.truth()) == ("val", 3.0, {})


def test_a_file_that_is_gone_costs_itself(make_job, make_block, tmp_path):
    files = []
    for recording, data in make_block("b0", "train", 4):
        path = tmp_path / recording.path
        path.write_bytes(data)
        files.append((replace(recording, path=path), len(data)))
    (block,) = blocks_of(files)
    files[2][0].path.unlink()
    receipt = prepare_unit(make_job(block))
    assert receipt["samples"] == 3
    assert "cannot be read" in receipt["bad"]["train-2"]["message"]
