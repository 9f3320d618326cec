"""One drawn drive into shards: frames of the right moments, the truth beside them, all of it or nothing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from rushes.errors import MediaError, ShardError, SourceError
from rushes.media.image import decode_jpeg
from rushes.media.signals import Signals
from rushes.media.video import decode
from rushes.media.zipped import mapped
from rushes.shards.index import ShardInfo
from rushes.shards.verify import verify_shards
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.prepare.unit import Job, prepare_unit
from rushes.tasks.driving.prepare.windows import Framing, align
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.twin.script import CAMERAS, DrivingSettings, truth, units
from rushes.tasks.driving.twin.writer import assemble, write_unit

FRONT, TELE, LEFT = CAMERAS[0], CAMERAS[1], "camera_rear_left_70fov"
SETUP = RigPreprocessing().setup.cameras
MIXED = {"name": "mixed", "reference": LEFT, "rows": [[LEFT, None], [None, FRONT]]}


@pytest.fixture(scope="module")
def prepared(drives, drives_contract, read_samples, tmp_path_factory):
    """The first drive, tiled and separate: job, receipt and samples of each."""
    made = {}
    for layout in ("tiled", "separate"):
        folder = tmp_path_factory.mktemp(layout)
        preprocessing = drives_contract.model_copy(update={"layout": layout})
        drive = drives[0]
        [job] = Job.of([drive], {drive.key: "test"}, folder, preprocessing, PrepareWindows(stride=4)).values()
        receipt = prepare_unit(job)
        made[layout] = (job, receipt, read_samples(job, receipt))
    return made


def all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def clocks(recording, preprocessing) -> dict[str, np.ndarray]:
    return {name: read_camera_times(recording.camera(name).times) for name in preprocessing.setup.cameras}


def pyav_frames(recording, camera: str) -> np.ndarray:
    """All frames of a camera in presentation order, luma, (n, h, w); decoded by nothing of ours."""
    with mapped(recording.camera(camera).video) as view, av.open(io.BytesIO(view)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel().astype(float), second.ravel().astype(float))[0, 1])


def content_of(sample, camera: str, place: int) -> np.ndarray:
    """The picture of a camera at one moment, luma, cut out of its tile as meta says."""
    meta = sample.meta
    geometry = meta["cameras"][camera]
    name = f"frame_{place:02d}_{camera}.jpg" if meta["layout"] == "separate" else f"frame_{place:02d}.jpg"
    canvas = decode_jpeg(sample.fields[name]).mean(axis=2)
    row, column = geometry["place"] if meta["layout"] == "tiled" else (0, 0)
    (across, down), (left, top), (width, height) = (
        geometry[name] for name in ("scale", "offset", "source_size")
    )
    top, left = row * 56 + top, column * 56 + left
    return canvas[top : top + round(height * down), left : left + round(width * across)]


# What is written


@pytest.mark.parametrize("layout", ["tiled", "separate"])
def test_receipt_counts_what_was_written(prepared, drives_contract, layout):
    job, receipt, samples = prepared[layout]
    times_of = clocks(job.recording, drives_contract)
    views = 4 if layout == "separate" else 1
    wanted = {
        number for sample in samples for number in range(int(sample.key[-5:]), int(sample.key[-5:]) + 8)
    }
    assert receipt["samples"] == len(samples) == receipt["clips"]["window"] > 3
    assert receipt["frames"] == sum(map(len, times_of.values()))
    assert receipt["encoded"] == len(wanted) * views  # each once, though windows overlap
    assert receipt["encoded"] < 8 * len(samples) * views
    assert {receipt[f"refused_{reason}"] for reason in ("frames", "poses", "labels")} == {0}
    assert receipt["duration_s"] == pytest.approx(times_of[FRONT][-1] - times_of[FRONT][0])
    assert receipt["split"] == "test"
    infos = [ShardInfo.from_json(entry, "receipt") for entry in receipt["shards"]]
    assert verify_shards(job.folder / "shards" / "test", infos) == []


@pytest.mark.parametrize("layout", ["tiled", "separate"])
def test_every_picture_is_the_cameras_frame_nearest_to_the_moment(prepared, drives_contract, layout):
    """Found again by its content among all frames that PyAV gives."""
    job, _, samples = prepared[layout]
    times_of = clocks(job.recording, drives_contract)
    for camera in job.preprocessing.setup.cameras:
        frames = pyav_frames(job.recording, camera)
        assert len(frames) == len(times_of[camera])
        small = [
            av.VideoFrame.from_ndarray(frame, "gray").reformat(56, 32, interpolation="AREA").to_ndarray()
            for frame in frames
        ]
        for sample in samples[::2]:
            meta = sample.meta
            for place in (0, 3, 7):
                moment_s = meta["window_start_s"] + meta["frame_times_s"][place]
                number = int(np.abs(times_of[camera] - moment_s).argmin())
                shown_s = meta["window_start_s"] + meta["cameras"][camera]["times_s"][place]
                assert times_of[camera][number] == pytest.approx(shown_s, abs=1e-9)
                likeness = [correlation(content_of(sample, camera, place), one) for one in small]
                assert int(np.argmax(likeness)) == number
                assert likeness[number] > 0.95


def test_separate_pictures_are_the_frames_of_our_decoder_byte_for_byte(prepared):
    job, _, samples = prepared["separate"]
    preprocessing = job.preprocessing
    for camera in preprocessing.setup.cameras:
        times_s = read_camera_times(job.recording.camera(camera).times)
        frames = list(decode(job.recording.camera(camera).video))
        for sample in samples:
            meta = sample.meta
            for place, since_s in enumerate(meta["cameras"][camera]["times_s"]):
                number = int(np.abs(times_s - meta["window_start_s"] - since_s).argmin())
                jpeg = frames[number].jpeg(preprocessing.tile_size, preprocessing.jpeg_quality)
                assert sample.fields[f"frame_{place:02d}_{camera}.jpg"] == jpeg


def test_tiled_and_separate_show_the_same(prepared):
    for tiled, separate in zip(prepared["tiled"][2], prepared["separate"][2], strict=True):
        assert tiled.key == separate.key
        assert tiled.target == separate.target
        np.testing.assert_array_equal(tiled.signals, separate.signals)
        layouts = [sample.meta.pop("layout") for sample in (tiled, separate)]
        assert layouts == ["tiled", "separate"]
        ours, theirs = tiled.meta, separate.meta
        assert ours | {"layout": 0} == theirs | {"layout": 0}
        for camera in ours["order"]:
            first, second = (content_of(sample, camera, 2) for sample in (tiled, separate))
            assert np.abs(first - second).mean() < 3
        assert [len(sample.sample.views) for sample in (tiled, separate)] == [1, 4]
        assert tiled.sample.pixels()[0].shape == (8, 112, 112, 3)
        assert [view.shape for view in separate.sample.pixels(1, 2)] == [(2, 56, 56, 3)] * 4


def test_meta_tells_clocks_and_geometry(prepared, drives_contract):
    job, _, samples = prepared["tiled"]
    recording, times_of = job.recording, clocks(job.recording, drives_contract)
    for sample in samples:
        meta = sample.meta
        known = (meta[name] for name in ("recording", "group", "chunk", "split_of_source", "setup"))
        assert (*known,) == (recording.key, recording.group, recording.chunk, recording.split, "cruciform")
        assert json.loads(meta["tags"]) == dict(recording.tags)
        assert tuple(meta["order"]) == drives_contract.setup.cameras
        assert meta["window_end_s"] - meta["window_start_s"] == pytest.approx(0.8)  # half-open
        since_s = np.array(meta["frame_times_s"])
        assert since_s[0] == 0.0
        np.testing.assert_allclose(since_s, np.arange(8) / 10, atol=1 / 12)
        for camera in meta["order"]:
            told = meta["cameras"][camera]
            np.testing.assert_allclose(np.array(told["times_s"]) - since_s, told["dt_s"], atol=1e-9)
            assert np.abs(told["dt_s"]).max() <= np.median(np.diff(times_of[camera])) / 2 + 1e-9
            assert told["source_size"] == [64, 36]
            assert told["scale"] == pytest.approx([56 / 64, 32 / 36])
            assert told["offset"] == [0, 12]
            assert tuple(told["place"]) == drives_contract.setup.place(camera)
        assert set(meta["cameras"][FRONT]["dt_s"]) == {0.0}
        assert any(abs(dt) > 1e-3 for dt in meta["cameras"][TELE]["dt_s"])


def test_targets_are_the_twins_truth_at_the_frames_own_times(prepared, road_twin):
    """Within 1 mm, 1 mm/s and 0.01 degrees, whatever rows the table has."""
    job, _, samples = prepared["tiled"]
    motion = truth(road_twin.settings, job.recording.key)
    for stored in samples:
        times_s = stored.meta["window_start_s"] + np.array(stored.target["times_s"])
        poses = motion.at(times_s)
        moved = poses.positions[:, :2] - poses.positions[0, :2]
        speeds = np.linalg.norm(poses.velocities[:, :2], axis=1)
        yaw = np.unwrap(2 * np.arctan2(poses.rotations[:, 2], poses.rotations[:, 3]))
        ahead = np.array([np.cos(yaw[0]), np.sin(yaw[0])])
        expected = {
            "displacement_m": np.linalg.norm(moved, axis=1),
            "final_speed_mps": speeds,
            "mean_speed_mps": np.cumsum(speeds) / np.arange(1, 9),
            "forward_m": moved @ ahead,
            "left_m": moved @ [-ahead[1], ahead[0]],
        }
        for name, values in expected.items():
            np.testing.assert_allclose(stored.target[name], values, atol=1e-3, err_msg=name)
        np.testing.assert_allclose(stored.target["yaw_deg"], np.degrees(yaw - yaw[0]), atol=0.01)
        fine = motion.at(np.linspace(times_s[0], times_s[-1], 2000)).positions[:, :2]
        way_m = np.linalg.norm(np.diff(fine, axis=0), axis=1).sum()
        assert stored.target["path_m"][-1] == pytest.approx(way_m, abs=1e-3)


def test_a_sample_gives_the_target_of_any_stretch(prepared, road_twin):
    job, _, samples = prepared["tiled"]
    motion = truth(road_twin.settings, job.recording.key)
    for stored in samples[:3]:
        sample = stored.sample
        whole = sample.target()
        assert whole["displacement_m"] == stored.target["displacement_m"][-1]
        assert whole["mean_speed_mps"] == pytest.approx(stored.target["mean_speed_mps"][-1])
        for since, moment in ((0, 1), (2, 3), (3, 7), (6, 7)):
            times_s = stored.meta["window_start_s"] + np.array(sample.times_s[since : moment + 1])
            poses = motion.at(times_s)
            speeds = np.linalg.norm(poses.velocities[:, :2], axis=1)
            turned = 2 * np.degrees(np.arctan2(poses.rotations[:, 2], poses.rotations[:, 3]))
            found = sample.target(range(since, moment + 1))
            chord_m = np.linalg.norm(poses.positions[-1, :2] - poses.positions[0, :2])
            assert found["displacement_m"] == pytest.approx(chord_m, abs=2e-3)
            assert found["mean_speed_mps"] == pytest.approx(speeds.mean(), abs=1e-3)
            assert (found["final_speed_mps"], found["start_speed_mps"]) == pytest.approx(
                (speeds[-1], speeds[0]), abs=1e-3
            )
            assert abs((found["yaw_deg"] - turned[-1] + turned[0] + 180) % 360 - 180) < 0.02
            assert -180 < found["yaw_deg"] <= 180


def test_signals_stand_beside_the_pictures(prepared):
    job, _, samples = prepared["tiled"]
    preprocessing = job.preprocessing
    columns = {}
    for camera in preprocessing.setup.cameras:
        signals = Signals()
        values = [
            signals.update(frame.luma(preprocessing.signal_size))
            for frame in decode(job.recording.camera(camera).video)
        ]
        columns[camera] = np.array(values)
    for sample in samples:
        table, meta = sample.signals, sample.meta
        assert (table.dtype, table.shape) == (np.float32, (8, 9))
        np.testing.assert_allclose(table[:, 0], meta["frame_times_s"], atol=1e-6)
        for number, camera in enumerate(meta["order"]):
            times_s = read_camera_times(job.recording.camera(camera).times)
            shown_s = meta["window_start_s"] + np.array(meta["cameras"][camera]["times_s"])
            rows = np.abs(times_s[:, None] - shown_s).argmin(axis=0)
            np.testing.assert_allclose(
                table[:, 1 + 2 * number : 3 + 2 * number], columns[camera][rows], rtol=1e-6
            )


# Other setups


def test_another_reference_sets_the_moments(make_job, drives_contract, read_samples):
    preprocessing = RigPreprocessing(**{**drives_contract.model_dump(), "setup": MIXED})
    job = make_job(preprocessing=preprocessing)
    samples = read_samples(job, prepare_unit(job))
    moments = align(clocks(job.recording, preprocessing), Framing(LEFT, 8, 10.0, 4))
    assert [sample.meta["window_start_s"] for sample in samples] == [
        moments.times_s[int(sample.key[-5:])] for sample in samples
    ]
    for sample in samples:
        meta = sample.meta
        assert (meta["setup"], meta["order"]) == ("mixed", [LEFT, FRONT])
        assert set(meta["cameras"][LEFT]["dt_s"]) == {0.0}
        canvas = decode_jpeg(sample.fields["frame_00.jpg"]).astype(int)
        assert canvas[:40, 72:].max() == 0  # null leaves a place empty
        assert canvas[:, :56].max() > 60
        assert sample.signals.shape == (8, 5)


def test_all_seven_cameras(tmp_path, drives_contract, make_job, read_samples):
    settings = DrivingSettings(
        train=1, val=0, test=0, clip_s=1.0, size=(64, 36), fps=12, without_egomotion=0, invalid=0,
        missing_share=0.0,
    )  # fmt: skip
    write_unit(tmp_path, units(settings)[0], settings)
    assemble(tmp_path, settings)
    preprocessing = RigPreprocessing(**{**drives_contract.model_dump(), "setup": "surround", "frames": 4})
    recording = scan(tmp_path, preprocessing.setup.cameras).recordings[0]
    job = make_job(recording, preprocessing)
    sample = read_samples(job, prepare_unit(job))[0]
    assert sample.sample.pixels(0)[0].shape == (1, 112, 224, 3)
    canvas = sample.sample.pixels(0)[0][0]
    assert canvas[72:, 184:].max() == 0
    for camera in preprocessing.setup.cameras:
        first = pyav_frames(recording, camera)
        seen = content_of(sample, camera, 0)
        small = av.VideoFrame.from_ndarray(first[0], "gray").reformat(*seen.shape[::-1]).to_ndarray()
        assert correlation(seen, small) > 0.9, camera


# The same again, and what is refused


def test_the_same_job_gives_the_same_bytes(prepared, drives, drives_contract, tmp_path):
    job, receipt, _ = prepared["tiled"]
    again = replace(job, folder=tmp_path)
    # What a killed run left behind.
    leftover = tmp_path / "shards" / "test" / f"{job.recording.key}-00007.tar"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half of it")
    neighbour = leftover.with_name(f"{job.recording.key}-0-00000.tar")
    neighbour.write_bytes(b"of a unit whose name begins alike")
    assert prepare_unit(again) == receipt
    assert not leftover.exists()
    assert neighbour.exists()
    neighbour.unlink()
    ours, theirs = (
        {path.relative_to(folder): path.read_bytes() for path in all_files(folder)}
        for folder in (tmp_path, job.folder)
    )
    assert ours == theirs
    assert list(ours)


def refused(job, error, says) -> None:
    with pytest.raises(error, match=says) as caught:
        prepare_unit(job)
    assert caught.value.where
    assert caught.value.cure
    assert all_files(job.folder) == []


def test_a_flipped_byte_of_a_video_is_found(raw, make_job, drives, drives_contract):
    recording = raw.recording(drives[0].key, drives_contract.setup.cameras)
    member = recording.camera(TELE).video
    with member.archive.open("r+b") as file:
        file.seek(member.offset + member.size // 2)
        byte = file.read(1)[0]
        file.seek(member.offset + member.size // 2)
        file.write(bytes([byte ^ 1]))
    refused(make_job(recording), MediaError, "CRC32")


@pytest.mark.parametrize("rows", [-1, 1])
def test_a_table_of_another_length_than_the_video_is_refused(raw, make_job, drives, drives_contract, rows):
    def change(table):
        times = table["timestamp"]
        return {"timestamp": times[:rows] if rows < 0 else np.append(times, times[-1] + 80_000)}

    raw.edit(drives[0], FRONT if rows > 0 else LEFT, change)
    recording = raw.recording(drives[0].key, drives_contract.setup.cameras)
    refused(make_job(recording), MediaError, "frames and .* times of them")


def test_poses_that_are_not_finite_are_refused(raw, make_job, drives, drives_contract):
    def change(table):
        table["x"][len(table["x"]) // 2] = np.nan
        return table

    raw.edit(drives[0], "egomotion", change)
    refused(make_job(raw.recording(drives[0].key, drives_contract.setup.cameras)), SourceError, "nan|finite")


def test_one_wrong_timestamp_is_refused_in_no_time(raw, make_job, drives, drives_contract):
    def change(table):
        table["timestamp"][-1] = 9 * 10**18
        return table

    raw.edit(drives[0], FRONT, change)
    recording = raw.recording(drives[0].key, drives_contract.setup.cameras)
    refused(make_job(recording), SourceError, "a clip at most 43200 s")


def test_a_camera_that_recorded_nothing_is_named(make_job, drives):
    lacking = replace(drives[0], cameras=tuple(c for c in drives[0].cameras if c.camera != TELE))
    refused(make_job(lacking), SourceError, f"{TELE} recorded nothing")
    refused(make_job(replace(drives[0], egomotion=None)), SourceError, "egomotion recorded nothing")


def test_windows_that_are_not_covered_are_left_out_and_counted(
    raw, make_job, drives, drives_contract, prepared
):
    """Poses end early, their positions lie for a while, and a camera has a hole: each for its own reason."""
    whole = prepared["tiled"][1]["samples"]

    def changed(feature, change):
        raw.edit(drives[0], feature, change)
        job = make_job(raw.recording(drives[0].key, drives_contract.setup.cameras))
        receipt = prepare_unit(job)
        counts = {name: receipt[f"refused_{name}"] for name in ("frames", "poses", "labels")}
        assert receipt["samples"] + sum(counts.values()) == whole
        return counts

    def hole(table):
        table["timestamp"][10:20] = np.linspace(table["timestamp"][9] + 1, table["timestamp"][9] + 10, 10)
        return table

    def faster(table):
        table["vx"] *= np.where(table["timestamp"] > 2_200_000, 3.0, 1.0)
        table["vy"] *= np.where(table["timestamp"] > 2_200_000, 3.0, 1.0)
        return table

    def cut(table):
        return {name: values[table["timestamp"] < 2_400_000] for name, values in table.items()}

    found = changed("egomotion", faster)
    assert found["labels"] > 0
    assert found["poses"] == found["frames"] == 0
    found = changed("egomotion", cut)
    assert found["poses"] > 0
    assert found["frames"] == 0
    assert changed(TELE, hole)["frames"] > 0


def test_a_clip_that_gives_no_window_says_why_and_nothing_is_decoded(make_job, drives_contract, raw, drives):
    longer = drives_contract.model_copy(update={"frames": 40})

    def empty(job) -> str:
        receipt = prepare_unit(job)
        assert (receipt["samples"], receipt["shards"], receipt["frames"]) == (0, [], 0)
        assert all_files(job.folder) == []
        return receipt["empty"]

    def since(stop_s: float):
        def change(table):
            return {name: values[table["timestamp"] < stop_s * 1e6] for name, values in table.items()}

        return change

    assert empty(make_job(preprocessing=longer)) == "shorter than a window"
    raw.edit(drives[0], "egomotion", since(0.5))
    assert empty(make_job(raw.recording(drives[0].key, SETUP))) == "no window has all poses"
    raw.edit(drives[1], LEFT, lambda table: {"timestamp": table["timestamp"] + 9_000_000})
    assert empty(make_job(raw.recording(drives[1].key, SETUP))) == "no window has all pictures"


def test_positions_and_velocities_in_other_units_are_a_fault(make_job, raw, drives):
    """Kilometres beside metres a second: no window's label holds."""
    raw.edit(drives[0], "egomotion", lambda table: table | {axis: table[axis] / 1000 for axis in "xyz"})
    refused(make_job(raw.recording(drives[0].key, SETUP)), SourceError, "positions and velocities contradict")


def test_a_vehicle_that_moves_too_little_is_counted_as_unproven(make_job, raw, drives):
    assert prepare_unit(make_job())["unproven"] == 0
    still = {name: 0.0 for name in ("x", "y", "z", "vx", "vy", "vz")}
    raw.edit(drives[0], "egomotion", lambda table: {n: v * still.get(n, 1) for n, v in table.items()})
    receipt = prepare_unit(make_job(raw.recording(drives[0].key, SETUP)))
    assert (receipt["unproven"], receipt["samples"] > 0) == (1, True)


def test_output_that_cannot_be_written_is_not_the_inputs_fault(make_job):
    job = make_job(shard_bytes=2_000)
    with pytest.raises(ShardError):
        prepare_unit(job)
    assert all_files(job.folder) == []


def test_a_small_shard_makes_a_series(make_job, read_samples, prepared):
    job = make_job(shard_bytes=60_000)
    receipt = prepare_unit(job)
    assert len(receipt["shards"]) > 1
    assert [one.fields for one in read_samples(job, receipt)] == [one.fields for one in prepared["tiled"][2]]


# A sample that is none


@pytest.mark.parametrize(
    "damage", ["meta.json", "target.json", "frame_05.jpg", "short", "list", "json", "none"]
)
def test_a_broken_sample_is_refused(prepared, damage):
    stored = prepared["tiled"][2][0]
    fields = dict(stored.fields)
    if damage in fields:
        del fields[damage]
    elif damage == "short":
        fields["target.json"] = json.dumps(stored.target | {"path_m": [0.0]}).encode()
    elif damage == "list":
        fields["meta.json"] = b"[]"
    elif damage == "json":
        fields["target.json"] = b"{"
    else:
        fields["meta.json"] = json.dumps(stored.meta | {"frame_times_s": []}).encode()
    with pytest.raises(ShardError, match="no sample of the driving task") as caught:
        Sample.of(stored.key, fields)
    assert (caught.value.where, bool(caught.value.cure)) == (stored.key, True)
