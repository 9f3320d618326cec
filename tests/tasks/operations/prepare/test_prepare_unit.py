"""One recording into shards: the right frames, the right answers, all of it or nothing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rushes.errors import MediaError, ShardError, SourceError
from rushes.media.sampling import SAMPLERS, SamplerOptions, motion_for
from rushes.media.signals import Signals
from rushes.media.video import decode
from rushes.prepare.ring import FrameRing
from rushes.records import Segment, Target
from rushes.shards.index import ShardInfo
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_shards
from rushes.tasks.operations.prepare.clips import Cutting, boundary_clips, windows
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.recipe import PrepareClips


def samples_of(job, receipt) -> dict[str, dict[str, bytes]]:
    home = job.folder / "shards" / job.split
    dataset = ShardDataset.of_shards([home / shard["name"] for shard in receipt["shards"]], check=True)
    return {dataset.key(i): {k: bytes(v) for k, v in dataset.sample(i).items()} for i in range(len(dataset))}


def all_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_receipt_counts_what_was_written(make_recording, make_job):
    job = make_job(make_recording())
    receipt = prepare_unit(job)
    samples = samples_of(job, receipt)
    clips = [*boundary_clips(job.recording, 30.0, Cutting()), *windows(job.recording, 30.0, Cutting())]
    assert {clip.key for clip in clips} == set(samples)
    assert receipt["samples"] == len(samples) == sum(receipt["clips"].values())
    assert receipt["clips"]["window"] == 30
    assert (receipt["frames"], receipt["duration_s"], receipt["thin"]) == (300, 30.0, 0)
    assert receipt["source_size"] == [224, 168]
    infos = [ShardInfo.from_json(entry, "receipt") for entry in receipt["shards"]]
    assert verify_shards(job.folder / "shards" / "test", infos) == []
    rows = pq.read_table(sorted((job.folder / "shards" / "test").glob("*.parquet"))).to_pylist()
    assert {(row["key"], row["split"], row["group"], row["label"]) for row in rows} == {
        (clip.key, "test", job.recording.group, clip.target and clip.target.operation) for clip in clips
    }


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_frames_are_those_that_the_sampler_chooses_on_the_whole_recording(
    sampler, make_recording, make_job, preprocessing, read_number
):
    preprocessing = preprocessing.model_copy(update={"sampler": sampler})
    job = make_job(make_recording(), preprocessing)
    samples = samples_of(job, prepare_unit(job))
    frames, signals = list(decode(job.recording.media)), Signals(motion_for(sampler))
    times = np.array([frame.time_s for frame in frames])
    values = np.array([signals.update(frame.luma(preprocessing.signal_size)) for frame in frames])
    for sample in samples.values():
        meta = json.loads(sample["meta.json"])
        inside = np.flatnonzero((times >= meta["clip_start_s"]) & (times < meta["clip_end_s"]))
        expected = inside[
            SAMPLERS[sampler](
                times[inside], *values[inside].T, preprocessing.frames, SamplerOptions(min_gap_s=0.2)
            )
        ]
        jpegs = [sample[f"frame_{place:02d}.jpg"] for place in range(preprocessing.frames)]
        assert [read_number(jpeg) for jpeg in jpegs] == expected.tolist()
        assert jpegs == [
            frames[index].jpeg(preprocessing.frame_size, preprocessing.jpeg_quality) for index in expected
        ]
        found_s = np.array(meta["frame_times_s"]) + meta["clip_start_s"]
        np.testing.assert_allclose(found_s, times[expected], atol=1e-9)
        table = np.load(io.BytesIO(sample["signals.npy"]), allow_pickle=False)
        assert table.dtype == np.float32
        np.testing.assert_allclose(table[:, 1:], values[inside], rtol=1e-6)
        np.testing.assert_allclose(table[:, 0], times[inside] - meta["clip_start_s"], atol=1e-6)


def test_answers_are_on_the_clock_of_the_clip(make_recording, make_job):
    job = make_job(make_recording())
    segments = job.recording.segments
    following = {segment: later.label for segment, later in pairwise(segments)}
    unanswered = 0
    for sample in samples_of(job, prepare_unit(job)).values():
        meta, target = json.loads(sample["meta.json"]), json.loads(sample["target.json"])
        begin, end = meta["clip_start_s"], meta["clip_end_s"]
        touched = [s for s in segments if s.start_s < end and s.end_s > begin]
        assert target["segments"] == [
            {
                "start_s": max(s.start_s - begin, 0.0),
                "end_s": pytest.approx(min(s.end_s - begin, 5.0)),
                "label": s.label,
            }
            for s in touched
        ] or [{"start_s": 0.0, "end_s": 5.0, "label": ""}]
        assert target["after"] == (following.get(touched[-1], "") if touched else "")
        asked = [s for s in touched if s.contains(begin + meta["asked_s"]) and s in following]
        if not asked:
            unanswered += 1
            assert (target["operation"], target["start_s"], target["end_s"], target["next"]) == ("", 0, 0, "")
            assert meta["kind"] == "window"
            continue
        assert (target["operation"], target["next"]) == (asked[0].label, following[asked[0]])
        assert target["start_s"] == pytest.approx(max(asked[0].start_s - begin, 0.0))
        assert target["end_s"] == pytest.approx(min(asked[0].end_s - begin, 5.0))
    assert unanswered > 0


def test_sampler_never_sees_the_labels(make_recording, make_job, tmp_path):
    recording = make_recording()
    moved = replace(recording, segments=(Segment(2.0, 9.0, "Press"), Segment(9.0, 20.0, "Pick")))
    found = []
    for place, one in enumerate((recording, moved)):
        job = make_job(one, folder=tmp_path / str(place))
        samples = samples_of(job, prepare_unit(job))
        found.append(
            {
                key: [data for field, data in sorted(sample.items()) if field.startswith("frame_")]
                for key, sample in samples.items()
                if key.endswith("window")
            }
        )
    assert found[0] == found[1]
    assert len(found[0]) == 30


@pytest.mark.parametrize("sampler", ["entropy", "motion"])
def test_a_boost_draws_frames_to_the_boundary(make_recording, make_job, preprocessing, tmp_path, sampler):
    """More of the chosen frames lie near the boundary of a clip that has one."""
    near = []
    for boost in (0.0, 10.0):
        asked = preprocessing.model_copy(update={"sampler": sampler, "min_gap_s": 0.05})
        job = make_job(
            make_recording(), asked, split="train", folder=tmp_path / f"{boost}", boundary_boost=boost
        )
        count = 0
        for fields in samples_of(job, prepare_unit(job)).values():
            meta, answer = (json.loads(fields[name]) for name in ("meta.json", "target.json"))
            edges = [
                edge
                for segment in answer["segments"]
                for edge in (segment["start_s"], segment["end_s"])
                if 0.0 < edge < 5.0
            ]
            middle = min(edges, key=lambda edge: abs(edge - 2.5), default=None)
            if middle is not None:
                count += sum(abs(time_s - middle) <= 0.25 for time_s in meta["frame_times_s"])
        near.append(count)
    assert near[1] > 1.2 * near[0]


def test_a_boost_is_for_training_alone(make_recording, preprocessing, tmp_path):
    recordings = [make_recording(key) for key in ("U0101_S0100", "U0108_S0100")]
    sides = {"U0101_S0100": "train", "U0108_S0100": "test"}
    jobs = Job.of(recordings, sides, tmp_path, preprocessing, PrepareClips(boundary_boost=0.5))
    assert {key: job.boost for key, job in jobs.items()} == {"U0101_S0100": 0.5, "U0108_S0100": 0.0}


def test_same_job_gives_same_bytes_and_takes_the_place_of_a_killed_one(make_recording, make_job):
    job = make_job(make_recording(), shard_bytes=1_000_000)
    first = prepare_unit(job)
    assert len(first["shards"]) > 1
    home = job.folder / "shards" / "test"
    before = {name: (home / name).read_bytes() for name in all_files(home)}
    (home / f"{job.recording.key}-00099.tar").write_bytes(b"of a killed run")
    (home / f"{job.recording.key}-00000.tar").write_bytes(b"torn")
    assert prepare_unit(job) == first
    assert {name: (home / name).read_bytes() for name in all_files(home)} == before


def test_overlapping_clips_share_their_pictures(make_recording, make_job, read_number):
    job = make_job(make_recording())
    receipt = prepare_unit(job)
    jpegs = [
        data
        for sample in samples_of(job, receipt).values()
        for field, data in sample.items()
        if field.endswith(".jpg")
    ]
    assert receipt["encoded"] == len({read_number(jpeg) for jpeg in jpegs}) < len(jpegs)


def test_little_memory_gives_the_same_bytes(make_recording, preprocessing):
    frames = list(decode(make_recording().media))[:60]
    signals = Signals()
    bounds = (0, 4 * frames[0].nbytes, 10**9)
    rings = [FrameRing((224, 224), 90, raw_bytes) for raw_bytes in bounds]
    for frame in frames:
        signal = signals.update(frame.luma((56, 42)))
        for ring in rings:
            ring.append(frame, signal)
            ring.forget_before(frame.time_s - 2.05)
            assert len(ring) <= 21
    assert [ring.held for ring in rings] == [min(bound, 21 * frames[0].nbytes) for bound in bounds]
    chosen = [0, 3, 19, 20]
    assert rings[0].jpegs(chosen) == rings[1].jpegs(chosen) == rings[2].jpegs(chosen)
    assert rings[0].jpegs(chosen) == [frames[39 + index].jpeg((224, 224), 90) for index in chosen]
    assert [ring.encoded for ring in rings] == [4, 4, 4]


def test_clips_in_a_hole_of_the_footage_are_left_out_and_counted(make_recording, make_job, tmp_path):
    base = make_recording()
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(decode(base.media)):
        if index < 100 or index >= 200:
            name = f"20220329_1425{index // 10:02d}_{index % 10}00.jpg"
            (folder / name).write_bytes(frame.jpeg((224, 168)))
    recording = replace(base, media=replace(base.media, kind="frames", path=folder))
    job = make_job(recording)
    receipt = prepare_unit(job)
    assert (receipt["frames"], receipt["duration_s"]) == (200, pytest.approx(30.0))
    assert receipt["thin"] > 0
    for sample in samples_of(job, receipt).values():
        meta = json.loads(sample["meta.json"])
        assert not 10.0 <= meta["clip_start_s"] <= meta["clip_end_s"] <= 20.0
        assert sum(field.startswith("frame_") for field in sample) == 6


def test_bad_footage_leaves_nothing_behind(make_recording, make_job, tmp_path):
    good = make_recording()
    whole = good.media.path.read_bytes()
    cut = tmp_path / "cut.mkv"
    _remux(good.media.path, cut)
    cut.write_bytes(cut.read_bytes()[: len(whole) // 2])
    job = make_job(replace(good, media=replace(good.media, path=cut)))
    with pytest.raises(MediaError):
        prepare_unit(job)
    assert all_files(job.folder) == []


def _remux(source: Path, target: Path) -> None:
    import av

    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                writing.mux(packet)


@pytest.mark.parametrize("segment", [Segment(28.0, 31.0, "Pick"), Segment(-2.0, 3.0, "Pick")])
def test_labels_outside_of_the_footage_are_refused(segment, make_recording, make_job):
    job = make_job(replace(make_recording(), segments=(segment,)))
    with pytest.raises(SourceError):
        prepare_unit(job)
    assert all_files(job.folder) == []


def test_footage_of_too_low_a_rate_is_refused(make_recording, make_job, preprocessing):
    job = make_job(make_recording(), preprocessing.model_copy(update={"frames": 64}))
    with pytest.raises(MediaError, match="too few frames"):
        prepare_unit(job)
    assert all_files(job.folder) == []


def test_output_that_cannot_be_written_is_not_the_footages_fault(make_recording, make_job):
    with pytest.raises(ShardError):
        prepare_unit(make_job(make_recording(), shard_bytes=5_000))


def test_a_short_file_with_one_label_becomes_one_sample(make_recording, make_job, read_number):
    recording = replace(make_recording(seconds=3.0), segments=(Segment(0.0, 3.0, "Tape"),))
    job = make_job(recording, split="train")
    receipt = prepare_unit(job)
    assert (receipt["samples"], receipt["clips"], "empty" in receipt) == (1, {"whole": 1}, False)
    ((key, fields),) = samples_of(job, receipt).items()
    sample = Sample.of(key, fields)
    assert sample.clip_s == 3.0
    assert sample.target == Target("Tape", 0.0, 3.0, None)
    numbers = [read_number(frame) for frame in sample.frames]
    assert len(numbers) == 6
    assert numbers == sorted(set(numbers))
    assert sample.times_s == tuple(number / 10 for number in numbers)
    assert sample.answerable() == []
