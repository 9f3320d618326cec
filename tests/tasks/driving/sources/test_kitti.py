"""KITTI's raw data, as files written after its description."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rig_twin import City, city, degrees_of

from rushes.errors import MediaError, SourceError
from rushes.media.video import decode
from rushes.stages import take_inventory
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import KittiSource
from rushes.tasks.driving.sources.columns import instant_s
from rushes.tasks.driving.sources.kitti.source import Kitti
from rushes.testing import source_checks

PAIR = ("image_02", "image_03")
BEGINS = "2011-09-26 13:02:25"
FRAMES = 40
PREPROCESSING = RigPreprocessing(
    setup={"name": "pair", "reference": "image_02", "rows": [list(PAIR)]},
    frames=8,
    tile_size=(56, 56),
    signal_size=(32, 18),
)


def stamp(time_s: float) -> str:
    """Nine digits, as the dataset has them."""
    whole = int(time_s)
    nanoseconds = round((time_s - whole) * 1e9)
    return f"2011-09-26 13:02:{25 + whole:02d}.{nanoseconds:09d}"


def write_drive(root: Path, number: int, truth: City, form: str = "sync") -> Path:
    """Two cameras at 10 Hz, the right one 2 ms late, and the receiver's records some milliseconds off."""
    folder = root / "2011_09_26" / f"2011_09_26_drive_{number:04d}_{form}"
    times_s = 0.1 * np.arange(FRAMES) + 0.100123456
    for camera, late_s in (("image_02", 0.0), ("image_03", 0.002)):
        (folder / camera / "data").mkdir(parents=True)
        for frame in range(FRAMES):
            pixels = np.full((36, 64, 3), frame * 5 % 256, np.uint8)
            Image.fromarray(pixels).save(folder / camera / "data" / f"{frame:010d}.png")
        lines = "".join(f"{stamp(time_s + late_s)}\n" for time_s in times_s)
        (folder / camera / "timestamps.txt").write_text(lines)
    (folder / "oxts" / "data").mkdir(parents=True)
    taken_s = 0.1 * np.arange(FRAMES + 2) + 0.004
    (folder / "oxts" / "timestamps.txt").write_text("".join(f"{stamp(time_s)}\n" for time_s in taken_s))
    driven_s = taken_s + 20.0 + 40.0 * number
    places, headings = truth.path(driven_s), truth.headings(driven_s)
    for frame, (degrees, heading, speed) in enumerate(
        zip(degrees_of(places), headings, truth.speed(driven_s), strict=True)
    ):
        yaw = (heading + np.pi) % (2 * np.pi) - np.pi
        attitude = [0.01, -0.02, yaw]
        north, east = speed * np.sin(yaw), speed * np.cos(yaw)
        rest = [0.0] * 12 + [0.05, 0.02, 4, 10, 4, 4, 0]
        record = [*degrees, 110.0, *attitude, north, east, speed, 0.0, 0.0, *rest]
        assert len(record) == 30
        (folder / "oxts" / "data" / f"{frame:010d}.txt").write_text(" ".join(map(repr, map(float, record))))
    return folder


@pytest.fixture(scope="module")
def truth() -> City:
    return city(2, 200.0)


@pytest.fixture
def written(truth, tmp_path) -> Path:
    root = tmp_path / "kitti"
    for number in (1, 2):
        write_drive(root, number, truth)
    (root / "2011_09_26" / "calib_cam_to_cam.txt").write_text("calib_time: 09-Jan-2012\n")
    return root


def kitti(**asked) -> Kitti:
    return Kitti(PAIR, KittiSource(**asked))


def drive(root: Path, number: int = 1) -> Path:
    return root / "2011_09_26" / f"2011_09_26_drive_{number:04d}_sync"


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract_of_sources(check, written, tmp_path):
    check(kitti(), written, tmp_path / "check")


def test_times_have_nine_digits():
    assert instant_s("2011-09-26 13:02:25.964389445") - instant_s("2011-09-26 13:02:25") == pytest.approx(
        0.964389445, abs=3e-7
    )
    for wrong in ("2011-09-26", "13:02:25.9", "2011-09-26 13:02:25.1234567890", "yesterday", ""):
        with pytest.raises(ValueError, match="not a date with a time of day"):
            instant_s(wrong)


def test_labels_are_those_of_the_drive_to_a_millimetre(written, truth):
    found = kitti().scan(written)
    assert [one.key for one in found.recordings] == [
        "2011_09_26_drive_0001_sync",
        "2011_09_26_drive_0002_sync",
    ]
    assert [one.group for one in found.recordings] == ["2011_09_26_drive_0001", "2011_09_26_drive_0002"]
    assert [*found.faults, *found.skipped, *found.notes] == []
    begins_s = instant_s(BEGINS)
    for number, recording in enumerate(found.recordings, 1):
        plan = plan_clip(recording, PREPROCESSING, 4)
        assert len(plan.windows) == (FRAMES - 8) // 4 + 1
        assert plan.sigma_mps == 0.02
        for window in plan.windows:
            driven_s = window.times_s - begins_s + 20.0 + 40.0 * number
            places = truth.path(driven_s) - truth.path(driven_s[:1])
            np.testing.assert_allclose(
                window.motion.displacement_m, np.linalg.norm(places, axis=1), atol=1e-3
            )
            np.testing.assert_allclose(window.motion.final_speed_mps, truth.speed(driven_s), atol=5e-3)
            turned = np.degrees(truth.headings(driven_s) - truth.headings(driven_s[:1]))
            np.testing.assert_allclose(window.motion.yaw_deg, turned, atol=0.05)


def test_velocities_are_those_of_the_places(written):
    poses = kitti().scan(written).recordings[1].trajectory()
    moved = np.gradient(poses.positions[:, :2], poses.times_s, axis=0)
    np.testing.assert_allclose(poses.velocities[1:-1, :2], moved[1:-1], atol=0.1)
    assert (
        np.abs(poses.velocities[:, 0] - poses.velocities[:, 1]).max() > 1
    )  # east and north can be told apart


def test_pictures_are_those_of_their_numbers(written):
    recording = kitti().scan(written).recordings[0]
    frames = list(decode(recording.video("image_03")))
    assert [int(frame.luma((1, 1))[0, 0]) for frame in frames] == [5 * n for n in range(FRAMES)]
    np.testing.assert_allclose(
        recording.frame_times("image_03") - recording.frame_times("image_02"), 0.002, atol=1e-6
    )


def test_frames_that_are_lost_keep_the_numbers_of_the_others(written):
    stamps = drive(written) / "image_02" / "timestamps.txt"
    lines = stamps.read_text().splitlines()
    stamps.write_text(
        "\n".join(["" if number in (5, 6) else line for number, line in enumerate(lines)]) + "\n"
    )
    (drive(written) / "image_02" / "data" / "0000000009.png").unlink()
    found = kitti().scan(written)
    assert [note.message for note in found.notes] == [
        "3 frames of image_02 have no time or no picture and are left out"
    ]
    recording = found.recordings[0]
    levels = [int(frame.luma((1, 1))[0, 0]) for frame in decode(recording.video("image_02"))]
    assert levels == [5 * n for n in range(FRAMES) if n not in (5, 6, 9)]
    assert plan_clip(recording, PREPROCESSING, 1).refused["frames"] > 0
    told = take_inventory(written, kitti().claims(found))
    assert {(line.fate, line.reason): line.files for line in told.lines} == {
        ("used", "cameras"): 4 * FRAMES - 3,
        ("read", "times and poses"): 2 * (3 + FRAMES + 2),
        ("skipped", "frames without a time"): 2,
        ("skipped", "not used: calibration"): 1,
    }


def test_drives_that_lack_a_camera_are_skipped_and_other_streams_are_not_used(written, truth):
    write_drive(written, 3, truth, "extract")
    (drive(written) / "image_02" / "timestamps.txt").unlink()
    (drive(written, 2) / "velodyne_points" / "data").mkdir(parents=True)
    (drive(written, 2) / "velodyne_points" / "data" / "0000000000.bin").write_bytes(b"points")
    source = kitti(group=r"(?P<group>\d+_\d+_\d+)_.*")
    found = source.scan(written)
    assert [one.key for one in found.recordings] == [
        "2011_09_26_drive_0002_sync",
        "2011_09_26_drive_0003_extract",
    ]
    assert {one.group for one in found.recordings} == {"2011_09_26"}
    assert [fault.message for fault in found.skipped] == ["no image_02"]
    claims = source.claims(found)
    assert claims(f"2011_09_26/{drive(written).name}/image_03/data/0000000000.png").reason == "no image_02"
    points = claims(f"2011_09_26/{drive(written, 2).name}/velodyne_points/data/0000000000.bin")
    assert points == ("skipped", "not used: velodyne_points", "")
    assert claims("2011_09_26/README.txt") is None
    assert len(source.scan(drive(written, 2)).recordings) == 1


@pytest.mark.parametrize(
    ("name", "text", "says", "line"),
    [
        ("oxts/data/0000000003.txt", "1 2 3", "30 finite numbers, found 3", 1),
        ("oxts/data/0000000003.txt", " ".join(["nan"] * 30), "30 finite numbers", 1),
        ("oxts/data/0000000003.txt", " ".join(["91.0"] * 30), "within 90 degrees", None),
        ("oxts/timestamps.txt", f"{BEGINS}.2\n{BEGINS}.1\n", "times must increase", 2),
        ("image_02/timestamps.txt", f"{BEGINS}.1\nnoon\n", "not a date with a time of day", 2),
        ("image_02/timestamps.txt", "\n\n\n", "no file .png with a time", None),
    ],
)
def test_what_does_not_hold_is_told_with_its_place(written, name, text, says, line):
    (drive(written) / name).write_text(text)
    found = kitti().scan(written)
    if found.faults:
        [fault] = found.faults
        told, where, cure = fault.message, fault.where, fault.cure
    else:
        with pytest.raises(SourceError) as caught:
            plan_clip(found.recordings[0], PREPROCESSING, 4)
        told, where, cure = caught.value.message, str(caught.value.where), caught.value.cure
    assert says in told
    assert cure
    assert str(drive(written)) in where
    assert line is None or where.endswith(f":{line}")


def test_a_damaged_picture_is_told_when_it_is_decoded(written):
    path = drive(written) / "image_02" / "data" / "0000000004.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MediaError, match="cannot read a PNG") as caught:
        list(decode(kitti().scan(written).recordings[0].video("image_02")))
    assert str(caught.value.where) == str(path)


def test_what_is_no_copy_is_refused(tmp_path, written):
    with pytest.raises(SourceError, match="no drive of KITTI's raw data"):
        kitti().scan(tmp_path / "kitti" / "2011_09_26" / "nowhere")
    with pytest.raises(SourceError, match="KITTI has no camera image_07"):
        Kitti(("image_07",), KittiSource()).scan(written)


def test_a_drive_that_lies_there_twice_is_told_and_not_taken(written):
    shutil.copytree(drive(written), written / "again" / drive(written).name)
    found = kitti().scan(written)
    [fault] = found.faults
    assert "2 drives have the key 2011_09_26_drive_0001_sync: 2011_09_26/" in fault.message
    assert [one.key for one in found.recordings] == ["2011_09_26_drive_0002_sync"]
