"""A long recording becomes windows with their spectrograms: what a clip cut by hand would be, byte for byte again."""

from pathlib import Path

import numpy as np
import pytest
from night_files import RATE, draw
from sound_files import encoded

from rushes.errors import MediaError
from rushes.media.audio import decode
from rushes.media.logmel import log_mel
from rushes.records import Segment
from rushes.shards.index import ShardInfo
from rushes.shards.read import ShardDataset
from rushes.stages import sha256_file
from rushes.tasks.sounds.prepare.recording import RecordingJob, prepare_recording
from rushes.tasks.sounds.prepare.sample import Sample, metas
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.recordings import LongRecording
from rushes.tasks.sounds.sources.windows import Cutting

LABELS = ("quiet", "snore", "cough")
PREPROCESSING = SoundPreprocessing(
    labels=LABELS, sample_rate=RATE, high_hz=4000.0, clip_s=1.0, fft=256, window=200, hop=100, mels=16
)
CUTTING = Cutting(LABELS, "quiet", 1.0, 0.5, 0.5)
LENGTH_S = 21.3


@pytest.fixture
def night(tmp_path) -> LongRecording:
    wave, events = draw(1, LENGTH_S)
    path = tmp_path / "night.flac"
    path.write_bytes(encoded(wave, RATE, "flac", "flac"))
    ends = [0.0, *(time for start, end, _ in events for time in (start, end)), LENGTH_S]
    quiet = [Segment(start, end, "quiet") for start, end in zip(ends[::2], ends[1::2], strict=True)]
    segments = sorted([*quiet, *(Segment(*event) for event in events)])
    return LongRecording("night-1", "ann", "test", path, LENGTH_S, tuple(segments))


def job(night: LongRecording, folder: Path, cutting: Cutting = CUTTING) -> RecordingJob:
    return RecordingJob(night, cutting, PREPROCESSING, folder, 200_000_000)


def read(folder: Path, receipt) -> ShardDataset:
    shards = [ShardInfo.from_json(entry, "") for entry in receipt["shards"]]
    return ShardDataset([folder / "shards" / "test" / shard.name for shard in shards], shards)


def test_windows_are_clips_cut_by_hand(night, tmp_path):
    receipt = prepare_recording(job(night, tmp_path / "out"))
    dataset = read(tmp_path / "out", receipt)
    whole = decode(night.path.read_bytes(), sample_rate=RATE, longest_s=60.0).wave
    starts = CUTTING.starts(LENGTH_S)
    assert len(dataset) == receipt["samples"] == len(starts) == 41
    found = list(metas(dataset))
    assert [meta["start_s"] for meta in found] == starts.tolist()
    assert [meta["label"] for meta in found] == [
        LABELS[place] for place in CUTTING.places(night.segments, starts)
    ]
    assert {(meta["recording"], meta["group"], meta["length_s"]) for meta in found} == {
        ("night-1", "ann", 1.0)
    }
    for number in (0, 7, 40):
        sample = Sample.of(dataset.key(number), dataset.sample(number))
        assert sample.key == f"night-1-{500 * number:09d}"
        start = round(starts[number] * RATE)
        np.testing.assert_array_equal(sample.features, log_mel(whole[start : start + RATE], PREPROCESSING))
    assert receipt["passed_over"] == 0
    assert receipt["duration_s"] == LENGTH_S


def test_windows_without_a_class_are_counted_and_left_out(night, tmp_path):
    snores = tuple(segment for segment in night.segments if segment.label == "snore")
    bare = LongRecording("night-1", "", "test", night.path, LENGTH_S, snores)
    receipt = prepare_recording(job(bare, tmp_path / "out"))
    assert set(receipt["clips"]) == {"snore"}
    assert receipt["samples"] + receipt["passed_over"] == 41
    nothing = LongRecording("night-2", "", "test", night.path, LENGTH_S, ())
    receipt = prepare_recording(job(nothing, tmp_path / "out"))
    assert (receipt["samples"], receipt["empty"]) == (0, "no window of it has a class")


def test_the_same_job_writes_the_same_bytes(night, tmp_path):
    for folder in ("a", "b", "a"):
        prepare_recording(job(night, tmp_path / folder))
    files = [sorted((tmp_path / folder).rglob("*.*")) for folder in ("a", "b")]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert [sha256_file(path) for path in files[0]] == [sha256_file(path) for path in files[1]]


def test_a_recording_that_is_cut_leaves_nothing(night, tmp_path):
    night.path.write_bytes(night.path.read_bytes()[:-4000])
    with pytest.raises(MediaError):
        prepare_recording(job(night, tmp_path / "out"))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_its_labels_stand_in_the_truth(night, tmp_path):
    truth = job(night, tmp_path).truth()
    assert truth["group"] == "ann"
    assert truth["segments"] == [(one.start_s, one.end_s, one.label) for one in night.segments]
