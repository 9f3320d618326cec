"""Folders of drives as anybody has them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rig_files import FRONT, LEFT, PREPROCESSING, first, rewrite, rig
from rig_twin import write_table
from scipy.spatial.transform import Rotation

from rushes.errors import SourceError
from rushes.media.video import decode
from rushes.recipe.shares import Shares
from rushes.runs.shares import side_of
from rushes.stages import take_inventory
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.recipe import RigSource
from rushes.tasks.driving.sources.layout import Scan
from rushes.tasks.driving.sources.recording import motion_evidence
from rushes.tasks.driving.sources.rig.poses import PoseTable
from rushes.tasks.driving.sources.rig.source import Rig
from rushes.tasks.driving.sources.trajectory import refuse_other_conventions
from rushes.testing import source_checks


def fault_of(found: Scan) -> str:
    [fault] = found.faults
    return f"{fault.message} | {fault.where} | {fault.cure}"


def labels(recording) -> list[np.ndarray]:
    plan = plan_clip(recording, PREPROCESSING, 4)
    return [
        np.stack([getattr(one.motion, name) for name in type(one.motion).__dataclass_fields__])
        for one in plan.windows
    ]


# What is found


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract_of_sources(check, drives, tmp_path):
    check(rig(), drives, tmp_path / "check")


def test_drives_give_the_labels_of_the_archives_that_they_were_made_of(drives, clips):
    found = rig().scan(drives).recordings
    assert [one.key for one in found] == sorted(one.key for one in clips)
    for clip, drive in zip(sorted(clips, key=lambda clip: clip.key), found, strict=True):
        ours, theirs = labels(drive), labels(clip)
        assert len(ours) == len(theirs) > 0
        np.testing.assert_array_equal(ours, theirs)


def test_poses_in_another_form_give_the_same_labels(drives):
    """North, east, down with their own vehicle; a compass; degrees; semicolons with decimal commas; dates."""
    [drive, *_] = rig().scan(drives).recordings
    expected = labels(drive)
    path = drive.poses
    original = path.read_bytes()

    def ned(row: dict[str, str]) -> dict[str, str]:
        turn = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
        told = {name: float(value) for name, value in row.items()}
        matrix = Rotation.from_quat([told[name] for name in ("qx", "qy", "qz", "qw")]).as_matrix()
        quaternion = Rotation.from_matrix(turn @ matrix @ np.diag([1, -1, -1])).as_quat()
        moved = {
            "x": told["y"], "y": told["x"], "z": -told["z"],
            "vx": told["vy"], "vy": told["vx"], "vz": -told["vz"],
        }  # fmt: skip
        return (
            {"time_us": row["time_us"]}
            | dict(zip(("qx", "qy", "qz", "qw"), map(str, quaternion), strict=True))
            | {name: str(value) for name, value in moved.items()}
        )

    rewrite(path, ned)
    np.testing.assert_allclose(labels(replace(drive, motion=PoseTable(path, "ned"))), expected, atol=1e-6)

    def flat(column: str, of_yaw: Callable[[float], float]) -> Callable[[dict[str, str]], dict[str, str]]:
        def change(row: dict[str, str]) -> dict[str, str]:
            yaw = 2 * np.arctan2(float(row["qz"]), float(row["qw"]))
            kept = {name: value for name, value in row.items() if not name.startswith("q") and name != "z"}
            return kept | {column: str(of_yaw(yaw))}

        return change

    for column, of_yaw in (
        ("yaw_rad", lambda yaw: yaw),
        ("yaw_deg", lambda yaw: float(np.degrees(yaw)) + 720),
        ("heading_deg", lambda yaw: 90 - float(np.degrees(yaw))),
        ("heading_rad", lambda yaw: np.pi / 2 - yaw),
    ):
        path.write_bytes(original)
        rewrite(path, flat(column, of_yaw))
        flattened = labels(drive)
        np.testing.assert_allclose(flattened, expected, atol=1e-6)
    path.write_text(path.read_text().replace(",", ";").replace(".", ","))
    np.testing.assert_allclose(labels(drive), expected, atol=1e-6)


def test_rotations_to_north_east_down_turn_over_as_matrices_do(tmp_path):
    rotations = Rotation.random(20, np.random.default_rng(4))
    to_enu, vehicle = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]), np.diag([1, -1, -1])
    rows = np.column_stack([np.arange(20.0), np.zeros((20, 2)), rotations.as_quat()]).tolist()
    write_table(tmp_path / "poses.csv", ("time_s", "x", "y", "qx", "qy", "qz", "qw"), rows)
    found = Rotation.from_quat(PoseTable(tmp_path / "poses.csv", "ned").read().rotations).as_matrix()
    np.testing.assert_allclose(found, to_enu @ rotations.as_matrix() @ vehicle, atol=1e-12)


def test_cameras_are_called_as_anybody_likes(drives):
    for folder in filter(Path.is_dir, drives.iterdir()):
        for camera, name in ((FRONT, "2024-05-01 12.00 F"), (LEFT, "2024-05-01 12.00 R")):
            for end in (".mp4", ".times.csv"):
                (folder / f"{camera}{end}").rename(folder / f"{name}{end}")
    found = rig(cameras={FRONT: "*F", LEFT: "*R"}).scan(drives)
    assert len(found.recordings) == 4
    assert [len(labels(one)) > 0 for one in found.recordings] == [True] * 4
    assert not rig().scan(drives).recordings
    shutil.copy(next(first(drives).glob("*F.mp4")), first(drives) / "another F.mkv")
    assert "2 files are camera camera_front" in fault_of(rig(cameras={FRONT: "*F", LEFT: "*R"}).scan(drives))


def test_pictures_as_files_are_a_camera(drives):
    folder = first(drives)
    [drive, *_] = rig().scan(drives).recordings
    expected = labels(drive)
    (folder / LEFT).mkdir()
    for number, frame in enumerate(decode(drive.video(LEFT))):
        grey = frame.luma((64, 36))
        Image.fromarray(grey).save(folder / LEFT / f"left{number}.png")
    (folder / LEFT / "._left0.png").write_bytes(b"of a Macintosh")
    (folder / f"{LEFT}.mp4").unlink()
    [again, *_] = rig().scan(drives).recordings
    np.testing.assert_array_equal(labels(again), expected)
    times_s = again.frame_times(LEFT)
    shown_s = [frame.time_s for frame in decode(again.video(LEFT))]
    np.testing.assert_allclose(shown_s, times_s - times_s[0], atol=1e-9)
    first_us = (folder / f"{LEFT}.times.csv").read_text().splitlines()[1]
    rewrite(folder / f"{LEFT}.times.csv", lambda row: None if row["time_us"] == first_us else row)
    assert f"{len(times_s)} pictures, {len(times_s) - 1} times of them" in fault_of(rig().scan(drives))
    (folder / f"{LEFT}.times.csv").unlink()
    assert "needs camera_rear_left_70fov.times.csv beside it" in fault_of(rig().scan(drives))


def test_the_numbers_in_names_of_pictures_count_and_not_their_digits(drives):
    folder = first(drives)
    count = len((folder / f"{LEFT}.times.csv").read_text().splitlines()) - 1
    (folder / LEFT).mkdir()
    for number in range(count):
        (folder / LEFT / f"left{number}.png").touch()
    (folder / f"{LEFT}.mp4").unlink()
    [drive, *_] = rig().scan(drives).recordings
    assert [path.name for path in drive.video(LEFT).files] == [f"left{number}.png" for number in range(count)]


def test_velocities_in_the_plane_are_velocities(tmp_path):
    (tmp_path / "poses.csv").write_text("time_s,x,y,yaw_rad,vx,vy\n0,0,0,0,3,4\n1,3,4,0,3,4\n")
    found = PoseTable(tmp_path / "poses.csv", "enu").read()
    assert found.velocities.tolist() == [[3, 4, 0], [3, 4, 0]]
    assert found.positions.tolist() == [[0, 0, 0], [3, 4, 0]]


# Clocks


def test_a_video_without_a_table_of_times_says_when_it_begins(drives):
    folder = first(drives)
    [drive, *_] = rig().scan(drives).recordings
    times_s = drive.frame_times(LEFT)
    (folder / f"{LEFT}.times.csv").unlink()
    told = fault_of(rig().scan(drives))
    assert "nothing says when camera_rear_left_70fov.mp4 begins" in told
    assert f"source.offset_s: {{{LEFT}: 0}}" in told
    # The container has whole frames of a twelfth of a second, where cameras came a little early or late.
    start = str(times_s[0])
    (drives / "drives.csv").write_text(f"drive,{LEFT}.start_s\n{folder.name},{start}\n")
    own = rig().scan(drives).recordings[0].frame_times(LEFT)
    assert len(own) == len(times_s)
    np.testing.assert_allclose(own, times_s, atol=0.005)
    (drives / "drives.csv").write_text(f"drive,start\n{folder.name},1970-01-01T00:00:02.5Z\n")
    dated = rig().scan(drives).recordings[0].frame_times(LEFT)
    np.testing.assert_allclose(dated - dated[0], own - own[0], atol=1e-9)
    assert dated[0] == 2.5
    stated = rig(offset_s={LEFT: -0.25}).scan(drives).recordings[0]
    np.testing.assert_allclose(stated.frame_times(LEFT), dated - 0.25)
    np.testing.assert_allclose(stated.frame_times(FRONT), drive.frame_times(FRONT))
    (drives / "drives.csv").unlink()
    both = rig(offset_s={LEFT: 7.0, FRONT: 7.0}).scan(drives).recordings[0]
    np.testing.assert_allclose(both.frame_times(LEFT), own - own[0] + 7.0)
    np.testing.assert_allclose(both.frame_times(FRONT), drive.frame_times(FRONT) + 7.0)


def test_where_other_videos_have_tables_of_times_one_offset_for_all_excuses_no_lack_of_one(drives):
    folders = sorted(path for path in drives.iterdir() if path.is_dir())
    (folders[0] / f"{LEFT}.times.csv").unlink()
    found = rig(offset_s=0.0).scan(drives)
    told = fault_of(found)
    assert f"when {LEFT}.mp4 begins on the clock of the poses, and other videos here have a table" in told
    assert f"write {LEFT}.times.csv" in told
    assert len(found.recordings) == 3
    (folders[0] / f"{FRONT}.times.csv").unlink()  # in its own drive no camera has one, in others it has
    assert folders[0].name not in [one.key for one in rig(offset_s=0.0).scan(drives).recordings]
    for folder in folders[1:]:
        (folder / f"{LEFT}.times.csv").unlink()  # in no drive it has one, in its own another camera has
    assert [one.key for one in rig(offset_s=0.0).scan(drives).recordings] == []
    assert len(rig(offset_s={LEFT: 0.0, FRONT: 0.0}).scan(drives).recordings) == 4
    for folder in folders[1:]:
        (folder / f"{FRONT}.times.csv").unlink()
    assert len(rig(offset_s=0.0).scan(drives).recordings) == 4
    assert all("source.offset_s: 0 if" in fault.cure for fault in rig().scan(drives).faults)


def test_a_start_is_part_of_the_fingerprint(drives):
    (first(drives) / f"{LEFT}.times.csv").unlink()
    prints = set()
    for start in ("1", "2"):
        (drives / "drives.csv").write_text(f"drive,start_s\n{first(drives).name},{start}\n")
        prints.add(rig().fingerprint(rig().scan(drives)))
    assert len(prints) == 2


# Groups and sides


def test_groups_come_from_a_table_or_a_pattern_and_else_are_the_drives(drives):
    names = sorted(path.name for path in drives.iterdir() if path.is_dir())
    assert [one.group for one in rig().scan(drives).recordings] == names
    cars = [(name, f"car{number % 2}") for number, name in enumerate(names)]
    write_table(drives / "drives.csv", ("drive", "group"), cars)
    assert [one.group for one in rig().scan(drives).recordings] == [car for _, car in cars]
    found = rig(group="(?P<group>.).*").scan(drives)
    assert [one.group for one in found.recordings] == [name[0] for name in names]


def test_sides_are_shares_by_hash_the_tables_or_lists(drives):
    found = rig().scan(drives)
    shares = {"train": 0.5, "val": 0.2, "test": 0.3}
    dealt = rig(shares=Shares(**shares, seed=3)).sides(found)
    assert dealt == {one.key: side_of(one.group, shares, 3) for one in found.recordings}
    shutil.copytree(first(drives), drives / "new")
    more = rig(shares=Shares(**shares, seed=3))
    assert dealt.items() <= more.sides(more.scan(drives)).items()
    by_table = rig(split="index").sides(found)
    assert by_table == {one.key: one.split for one in found.recordings}
    names = [one.group for one in found.recordings]
    listed = rig(split={"train": names[:1], "test": names[1:2]})
    assert listed.sides(found) == {names[0]: "train", names[1]: "test"}
    fates = listed.fates(found)
    assert [fates[name].fate for name in names] == ["used", "used", "skipped", "skipped"]
    (drives / names[0] / "poses.csv").unlink()
    assert listed.sides(listed.scan(drives)) == {
        names[1]: "test"
    }  # who is listed and lacks something is known
    with pytest.raises(SourceError, match="no group of drives here; did you mean"):
        rig(split={"train": [names[0][:-1] + "x"], "test": names[1:]}).sides(found)
    with pytest.raises(SourceError, match="listed in train and in test"):
        rig(split={"train": names, "test": names[:1]}).sides(found)


def test_copies_on_two_sides_are_named(drives):
    names = sorted(path.name for path in drives.iterdir() if path.is_dir())
    shutil.copy(drives / names[0] / f"{FRONT}.mp4", drives / names[1] / f"{FRONT}.mp4")
    source = rig(split={"train": names[:1], "test": names[1:]})
    held = source.holdings(source.scan(drives), clip_s=0, window_s=0, stride_s=0)
    assert held.copies.count == 1
    assert "1 video has the same bytes as one on another side" in held.summary()
    for name, middle in zip(names, b"ab", strict=False):
        (drives / name / f"{FRONT}.mp4").write_bytes(bytes(100_000) + bytes([middle]) + bytes(100_000))
    held = source.holdings(source.scan(drives), clip_s=0, window_s=0, stride_s=0)
    assert held.copies.count == 0


# The account


def test_every_file_has_a_fate_with_its_reason(drives):
    folders = sorted(path for path in drives.iterdir() if path.is_dir())
    (folders[0] / "gps.csv").write_text("beside the poses")
    (folders[1] / f"{LEFT}.mp4").unlink()
    (folders[2] / "poses.tsv").write_text("two motions")
    (folders[3] / "roof.mp4").write_text("of no camera")
    (folders[3] / "notes.txt").write_text("nobody reads this")
    source = rig()
    found = source.scan(drives)
    told = take_inventory(drives, source.claims(found))
    assert {(line.fate, line.reason): line.files for line in told.lines} == {
        ("used", "cameras"): 4,
        ("read", "tables"): 1,
        ("read", "times and poses"): 6,
        ("faulty", "one motion a drive, found poses.csv, poses.tsv"): 6,
        ("skipped", f"no {LEFT}"): 4,
        ("skipped", "poses are there as well"): 1,
        ("skipped", "not in the setup"): 1,
        ("unread", ".txt"): 1,
    }


def test_what_lies_elsewhere_is_brought_only_if_it_is_read(drives):
    folder = first(drives)
    (folder / "roof.mp4").write_text("of no camera")
    names = [path.relative_to(drives).as_posix() for path in drives.rglob("*") if path.is_file()]
    brought: list[str] = []

    def bring(is_read: Callable[[str], bool]) -> Path:
        brought.extend(filter(is_read, names))
        return drives

    Rig((FRONT,), RigSource(frame="enu")).fetch(bring)
    assert f"{folder.name}/{FRONT}.mp4" in brought
    assert f"{folder.name}/poses.csv" in brought
    assert "drives.csv" in brought
    assert not any(name.endswith(("roof.mp4", f"{LEFT}.mp4")) for name in brought)


# Faults


@pytest.mark.parametrize(
    ("name", "text", "says", "line"),
    [
        ("poses.csv", "time_s,x,y,yaw_rad\n0,0,0,0\n1,nan,0,0\n", "x should hold a number, found 'nan'", 3),
        ("poses.csv", "time_s,x,y,yaw_rad\n0,0,0,0\n0,1,0,0\n", "times must increase", 3),
        ("poses.csv", "time_s,x,y\n0,0,0\n", "rotations are qx, qy, qz, qw, or one of", None),
        ("poses.csv", "time_s,x,y,yaw_rad,heading_deg\n0,0,0,0,0\n", "rotations are", None),
        ("poses.csv", "time_s,lat,lon,yaw_rad\n0,0,0,0\n", "poses need columns x and y", None),
        ("poses.csv", "t,x,y,yaw_rad\n0,0,0,0\n", "one column of times is read", None),
        ("poses.csv", "time,x,y,yaw_rad\n12.5,0,0,0\n", "should hold a date with a time of day", 2),
        (
            "poses.csv",
            "time_s,x,y,qx,qy,qz,qw\n0,0,0,0,0,0,1\n1,0,0,0,0,0,1.5\n",
            "another length than 1",
            None,
        ),
        ("poses.csv", "time_s,x,y,yaw_rad\n", "without a row", None),
        ("poses.csv", "time_s,x,y,yaw_rad\n0,0,0\n", "a row of 3 cells", 2),
        ("gps.csv", "time_s,lat,lon\n0,91,0\n1,0,0\n2,0,0\n3,0,0\n", "within 90 degrees", None),
        ("gps.csv", "time_s,lat,lon\n0,1,0\n10,1,0\n20,1,0\n", "no stretch of 4 fixes", None),
        ("gps.csv", "time_s,x,y\n0,1,0\n", "fixes need columns lat and lon", None),
        (
            "a.gpx",
            "<gpx><trk><trkseg></trkseg></trk></gpx>",
            "GPX with track points, found <gpx> with 0",
            None,
        ),
        ("a.gpx", "<kml><trkpt/></kml>", "found <kml>", None),
        ("a.gpx", '<gpx>\n<trkpt lat="1" lon="2"></trkpt></gpx>', "a track point without 'time'", 2),
        ("a.gpx", "<gpx>", "not XML", 1),
        ("a.gpx", '<!DOCTYPE gpx [<!ENTITY a "b">]><gpx>&a;</gpx>', "DOCTYPE", 1),
    ],
)
def test_a_motion_that_does_not_hold_is_told_with_its_place(drives, name, text, says, line):
    folder = first(drives)
    (folder / "poses.csv").unlink()
    (folder / name).write_text(text)
    [drive] = [one for one in rig().scan(drives).recordings if one.key == folder.name]
    with pytest.raises(SourceError, match=says) as caught:
        plan_clip(drive, PREPROCESSING, 4)
    place = str(caught.value.where)
    assert place.startswith(str(folder / name))
    assert caught.value.cure
    assert line is None or place.endswith(f":{line}")


def test_poses_in_a_world_that_nobody_stated_are_refused(drives):
    [drive, *_] = rig(frame=None).scan(drives).recordings
    with pytest.raises(SourceError, match="in which world") as caught:
        drive.trajectory()
    assert "source.frame: enu" in str(caught.value.cure)


def test_rotations_in_another_order_are_refused_by_the_motion(drives):
    order = ("qx", "qy", "qz", "qw")

    def scalar_first(row: dict[str, str]) -> dict[str, str]:
        return row | dict(zip(order, [row[name] for name in ("qw", "qx", "qy", "qz")], strict=True))

    for folder in filter(Path.is_dir, drives.iterdir()):
        rewrite(folder / "poses.csv", scalar_first)
    found = motion_evidence(rig().scan(drives).recordings)
    with pytest.raises(SourceError, match="quaternions w, x, y, z") as caught:
        refuse_other_conventions(found, drives)
    assert "write them x, y, z, w" in str(caught.value.cure)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nx\n", "no column drive"),
        ("drive,split\na,left\n", "no side 'left'"),
        ("drive\na\na/\n", "stands there twice"),
        ("drive,start_s\na,soon\n", "start_s should hold seconds, found 'soon'"),
        ("drive,start_s\na,nan\n", "start_s should hold seconds, found 'nan'"),
        ("drive,front.start\na,12.5\n", "a date with a time of day"),
    ],
)
def test_a_table_of_drives_that_does_not_hold_is_refused(drives, text, says):
    (drives / "drives.csv").write_text(text)
    with pytest.raises(SourceError, match=says) as caught:
        rig().scan(drives)
    assert "drives.csv" in str(caught.value.where)


def test_a_folder_without_drives_and_rows_without_folders_are_told(drives, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no folder has a video of .*poses\.csv") as caught:
        rig().scan(tmp_path / "empty")
    assert "source.cameras" in str(caught.value.cure)
    (drives / "drives.csv").write_text("drive,group\nnowhere,a\n")
    [note] = rig().scan(drives).notes
    assert note.message == "drives.csv names nowhere, which is no drive here"


def test_drives_that_are_links_are_read_through(drives, tmp_path):
    root = tmp_path / "linked"
    root.mkdir()
    for folder in filter(Path.is_dir, drives.iterdir()):
        (root / folder.name).symlink_to(folder)
    (drives / "loop").symlink_to(drives)
    assert [one.key for one in rig().scan(root).recordings] == [
        one.key for one in rig().scan(drives).recordings
    ]


def test_folders_whose_names_become_one_key_are_not_mixed_up(drives):
    names = sorted(path.name for path in drives.iterdir() if path.is_dir())
    (drives / names[0]).rename(drives / "a b")
    (drives / names[1]).rename(drives / "a_b")
    found = rig().scan(drives)
    assert "2 drives have the key a_b: a b, a_b" in fault_of(found)
    assert "a_b" not in [one.key for one in found.recordings]
    (drives / "a").mkdir()
    (drives / "a_b").rename(drives / "a" / "c")
    assert "a_c" in [one.key for one in rig().scan(drives).recordings]
