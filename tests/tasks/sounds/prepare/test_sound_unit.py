"""A block: what is stored is the log-mel of what is decoded, and a bad sound costs itself."""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from sound_files import sine, wav

from rushes.errors import SourceError
from rushes.media.audio import decode
from rushes.media.logmel import log_mel
from rushes.shards.read import ShardDataset
from rushes.tasks.sounds.prepare import unit
from rushes.tasks.sounds.prepare.sample import Sample, metas
from rushes.tasks.sounds.prepare.unit import prepare_unit
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.archive import ArchiveBlock, Layout
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
        sound = decode(data, sample_rate=16_000, longest_s=3.0)
        assert (sample.key, sample.group, sample.label) == (recording.key, recording.group, recording.label)
        assert sample.features.shape == preprocessing.shape
        assert sample.features.tobytes() == log_mel(sound.head(16_000), preprocessing).tobytes()
        assert meta["length_s"] == pytest.approx((len(data) - 44) / 32_000)
    assert receipt["split"] == "train"
    assert (receipt["samples"], receipt["bad"], receipt["duration_s"]) == (7, {}, 7.0)
    assert receipt["clips"] == {"breathe": 2, "quiet": 3, "snore": 2}
    assert receipt["longer"] == 2  # of 1.1 and 1.2 s


def test_a_sound_that_is_much_longer_than_a_clip_is_set_aside_with_its_length(make_job, make_block):
    block = make_block("b0", "train", 9)  # of 0.6 to 1.4 s
    receipt = prepare_unit(make_job(block, longest_s=1.25))
    assert (receipt["samples"], receipt["longer"]) == (7, 2)
    assert {key: reason["message"] for key, reason in receipt["bad"].items()} == {
        "train-7": "longer than 1.25 s (about 1.3 s)",
        "train-8": "longer than 1.25 s (about 1.4 s)",
    }


def test_members_of_an_archive_that_give_no_sample_are_counted(make_job, tmp_path):
    path = tmp_path / "train.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("quiet/a.wav", "quiet/b.wav", "cough/c.wav", "d.wav", "notes.txt", "imu.bin"):
            info = tarfile.TarInfo(f"train/{name}")
            data = wav(sine(16_000), 16_000)
            info.size = len(data) if name.endswith("wav") else 0
            archive.addfile(info, io.BytesIO(data))
    receipt = prepare_unit(
        make_job(ArchiveBlock("train", "train", path, Layout(("quiet", "cough")), ("quiet",)))
    )
    assert (receipt["samples"], receipt["passed_over"]) == (2, 4)
    assert receipt["passed_over_for"] == {
        "skipped: class cough is not asked for": 1,
        "skipped: no class can be told by its name": 1,
        "unread: .bin": 1,
        "unread: .txt": 1,
    }


def test_a_group_that_nobody_said_is_none_in_the_index(make_job, make_block, tmp_path):
    files = []
    for recording, data in make_block("b0", "train", 2):
        path = tmp_path / recording.path
        path.write_bytes(data)
        files.append((replace(recording, path=path, group=""), len(data)))
    job = make_job(*blocks_of(files))
    samples, dataset = read(job, prepare_unit(job))
    assert list(dataset.groups()) == [None, None]
    assert [sample.group for sample in samples] == ["", ""]


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
