"""nuScenes, as tables and files written after its schema."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rig_twin import City, city

from rushes.errors import SourceError
from rushes.media.video import decode
from rushes.stages import take_inventory
from rushes.tasks.driving.prepare.plan import plan_clip
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import NuScenesSource
from rushes.tasks.driving.sources.nuscenes.source import NuScenes
from rushes.testing import source_checks

PAIR = ("CAM_FRONT", "CAM_BACK")
VERSION = "v1.0-mini"
CHANNELS = (*PAIR, "LIDAR_TOP")
BEGINS_US = 1_532_402_927_000_000
FRAMES = 36
PREPROCESSING = RigPreprocessing(
    setup={"name": "pair", "reference": "CAM_FRONT", "rows": [list(PAIR)]},
    frames=8,
    tile_size=(56, 56),
    signal_size=(32, 18),
)


def driven_s(scene: int, time_us: int) -> float:
    """When in the drive that all scenes are cut from."""
    return (time_us - BEGINS_US) / 1e6 + 28.0 + 40.0 * scene


def write(root: Path, truth: City, scenes: int = 2) -> dict[str, list[dict[str, Any]]]:
    """Two scenes of one ride and its next; key frames at 2 Hz, cameras at 12 Hz, the rear one 20 ms late."""
    tables: dict[str, list[dict[str, Any]]] = {
        "log": [{"token": f"log{n}", "logfile": f"n00{n}", "location": "boston", "vehicle": "n008"} for n in (0, 1)],
        "scene": [
            {"token": f"s{n}", "name": f"scene-000{n}", "log_token": f"log{n // 2}", "nbr_samples": 6}
            for n in range(scenes)
        ],
        "sensor": [{"token": f"sensor-{name}", "channel": name, "modality": "x"} for name in CHANNELS],
        "calibrated_sensor": [
            {"token": f"cal-{name}", "sensor_token": f"sensor-{name}", "camera_intrinsic": []} for name in CHANNELS
        ],
        "sample": [], "sample_data": [], "ego_pose": [], "instance": [],
    }  # fmt: skip
    for scene in range(scenes):
        tables["sample"] += [
            {"token": f"k{scene}-{n}", "scene_token": f"s{scene}"} for n in range(FRAMES // 6 + 1)
        ]
        for channel in CHANNELS:
            for frame in range(FRAMES):
                late_us = 20_000 if channel == "CAM_BACK" else 0
                time_us = BEGINS_US + round(frame * 1e6 / 12) + late_us
                place = "samples" if frame % 6 == 0 else "sweeps"
                name = f"{place}/{channel}/n008__{channel}__{scene}{time_us}.jpg"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((36, 64, 3), frame * 6, np.uint8)).save(root / name, quality=95)
                token = f"{scene}-{channel}-{frame}"
                at = np.array([driven_s(scene, time_us)])
                (x, y), heading = truth.path(at)[0], truth.headings(at)[0]
                tables["ego_pose"].append(
                    {
                        "token": f"p{token}", "timestamp": time_us, "translation": [x, y, 0],
                        "rotation": [float(np.cos(heading / 2)), 0.0, 0.0, float(np.sin(heading / 2))],
                    }
                )  # fmt: skip
                tables["sample_data"].append(
                    {
                        "token": token, "sample_token": f"k{scene}-{-(-frame // 6)}", "ego_pose_token": f"p{token}",
                        "calibrated_sensor_token": f"cal-{channel}", "filename": name, "timestamp": time_us,
                        "is_key_frame": frame % 6 == 0, "fileformat": "jpg",
                    }
                )  # fmt: skip
    np.random.default_rng(0).shuffle(tables["sample_data"])  # rows stand in no order
    save(root, tables)
    return tables


def save(root: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    (root / VERSION).mkdir(exist_ok=True)
    for name, rows in tables.items():
        (root / VERSION / f"{name}.json").write_text(json.dumps(rows))


@pytest.fixture(scope="module")
def truth() -> City:
    return city(2, 200.0)


@pytest.fixture
def written(truth, tmp_path) -> Path:
    root = tmp_path / "nuscenes"
    root.mkdir()
    write(root, truth)
    return root


def nuscenes(cameras: tuple[str, ...] = PAIR, **asked) -> NuScenes:
    return NuScenes(cameras, NuScenesSource(**{"version": VERSION, **asked}))


def change(root: Path, table: str, alter: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = root / VERSION / f"{table}.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(alter(rows) or rows))


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract_of_sources(check, written, tmp_path):
    check(nuscenes(), written, tmp_path / "check")


def test_labels_are_those_of_the_drive_to_a_millimetre(written, truth):
    found = nuscenes().scan(written)
    assert [(one.key, one.group) for one in found.recordings] == [
        ("scene-0000", "n000"),
        ("scene-0001", "n000"),
    ]
    assert dict(found.recordings[0].tags) == {"location": "boston", "vehicle": "n008"}
    assert [*found.faults, *found.skipped, *found.notes] == []
    for scene, recording in enumerate(found.recordings):
        plan = plan_clip(recording, PREPROCESSING, 4)
        assert len(plan.windows) >= 5
        assert plan.evidence.verdict == "fits"
        for window in plan.windows:
            at = driven_s(scene, BEGINS_US) + window.times_s - BEGINS_US / 1e6
            places = truth.path(at) - truth.path(at[:1])
            np.testing.assert_allclose(
                window.motion.displacement_m, np.linalg.norm(places, axis=1), atol=1e-3
            )
            np.testing.assert_allclose(window.motion.final_speed_mps, truth.speed(at), atol=0.02)
            turned = np.degrees(truth.headings(at) - truth.headings(at[:1]))
            np.testing.assert_allclose(window.motion.yaw_deg, turned, atol=0.02)


def test_frames_between_key_frames_belong_to_their_scene_and_stand_in_order(written):
    recording = nuscenes().scan(written).recordings[1]
    levels = [int(frame.luma((1, 1))[0, 0]) for frame in decode(recording.video("CAM_BACK"))]
    np.testing.assert_allclose(levels, [6 * n for n in range(FRAMES)], atol=2)
    late_s = recording.frame_times("CAM_BACK") - recording.frame_times("CAM_FRONT")
    np.testing.assert_allclose(late_s, 0.02, atol=1e-6)


def test_pictures_that_are_not_there_are_left_out_and_told(written):
    gone = sorted((written / "sweeps" / "CAM_FRONT").iterdir())[3:5]
    for path in gone:
        path.unlink()
    found = nuscenes().scan(written)
    assert [(note.key, note.message) for note in found.notes] == [
        ("scene-0000", "2 pictures are not there and are left out")
    ]
    assert len(found.recordings[0].frame_times("CAM_FRONT")) == FRAMES - 2
    for path in [one for place in ("samples", "sweeps") for one in (written / place / "CAM_FRONT").iterdir()]:
        if "CAM_FRONT__1" in path.name:
            path.unlink()
    source = nuscenes()
    found = source.scan(written)
    assert [(one.key, one.message) for one in found.skipped] == [("scene-0001", "no picture of CAM_FRONT")]
    told = take_inventory(written, source.claims(found))
    assert {(line.fate, line.reason): line.files for line in told.lines} == {
        ("used", "cameras"): 2 * FRAMES - 2,
        ("read", "times and poses"): 7,
        ("skipped", "not in the setup: LIDAR_TOP"): 2 * FRAMES,
        ("skipped", "pictures of no scene that is taken"): FRAMES,
        ("skipped", "tables that are not used"): 1,
    }


def test_two_pictures_of_one_moment_are_a_fault_of_their_scene(written):
    def together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        late = ("1-CAM_BACK-0", "1-CAM_BACK-1")
        return [row | {"timestamp": BEGINS_US} if row["token"] in late else row for row in rows]

    change(written, "sample_data", together)
    found = nuscenes().scan(written)
    [fault] = found.faults
    assert (fault.key, [one.key for one in found.recordings]) == ("scene-0001", ["scene-0000"])
    assert "times of pictures must increase" in fault.message
    assert fault.cure


def test_what_lies_elsewhere_is_brought_only_if_it_is_read(written):
    names = [path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()]
    brought: list[str] = []

    def bring(is_read: Callable[[str], bool]) -> Path:
        brought.extend(filter(is_read, names))
        return written

    nuscenes(("CAM_FRONT",)).fetch(bring)
    assert {name.split("/")[1] for name in brought if "/" in name} >= {"CAM_FRONT", "sample_data.json"}
    assert not any("CAM_BACK" in name or "LIDAR" in name for name in brought)


@pytest.mark.parametrize(
    ("table", "alter", "says"),
    [
        ("ego_pose", lambda rows: rows[5:], "names a row that ego_pose.json does not have"),
        ("sample", lambda rows: rows[1:], "names a row that sample.json does not have"),
        ("ego_pose", lambda rows: rows[0].update(rotation=[1, 0, 0]), "a rotation of 4"),
        ("ego_pose", lambda rows: rows[0].update(translation=["a", 0, 0]), "a translation of 3 numbers"),
        (
            "sample_data",
            lambda rows: [row | {"filename": "../../etc/passwd"} for row in rows],
            "below the root",
        ),
        ("sample_data", lambda rows: [row | {"filename": "/etc/passwd"} for row in rows], "below the root"),
        ("sample_data", lambda rows: [row | {"timestamp": 1.5} for row in rows], "whole microseconds"),
        ("sample_data", lambda rows: {"rows": rows}, "expected a list of rows"),
        ("sensor", lambda rows: [row | {"token": []} for row in rows], "expected a list of rows with token"),
        ("scene", lambda rows: [row | {"name": 7} for row in rows], "expected a list of rows"),
        ("scene", lambda rows: [row | {"name": "a/b"} for row in rows], "not a name of a scene"),
        ("sensor", lambda rows: rows[1:], "there is no sensor CAM_FRONT"),
        ("scene", lambda rows: [row | {"name": "scene-7"} for row in rows], "2 scenes are called scene-7"),
        ("sample_data", lambda rows: [row | {"timestamp": 10**400} for row in rows], "whole microseconds"),
        ("ego_pose", lambda rows: rows[0].update(translation=[10**400, 0, 0]), "a translation of 3 numbers"),
        (
            "ego_pose",
            lambda rows: rows[0].update(translation=[float("nan"), 0, 0]),
            "a translation of 3 numbers",
        ),
        ("ego_pose", lambda rows: [*rows, 7], "expected a list of rows"),
    ],
)
def test_tables_that_do_not_hold_are_refused_by_name(written, table, alter, says):
    change(written, table, alter)
    with pytest.raises(SourceError, match=says) as caught:
        nuscenes().scan(written)
    assert ".json" in str(caught.value.where)
    assert caught.value.cure


def test_poses_that_do_not_hold_are_told_by_their_table(written):
    change(written, "ego_pose", lambda rows: [row | {"rotation": [2.0, 0, 0, 0]} for row in rows])
    [first, *_] = nuscenes().scan(written).recordings
    with pytest.raises(SourceError, match="another length than 1") as caught:
        first.trajectory()
    assert str(caught.value.where).endswith("ego_pose.json")


def test_rotations_with_the_scalar_last_are_seen_by_the_motion(written):
    def rolled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"rotation": row["rotation"][1:] + row["rotation"][:1]} for row in rows]

    change(written, "ego_pose", rolled)
    with pytest.raises(SourceError, match="do not fit the motion"):
        plan_clip(nuscenes().scan(written).recordings[0], PREPROCESSING, 4)


def test_what_is_no_copy_is_refused(written):
    with pytest.raises(SourceError, match=r"no scene\.json.* in v1\.0-trainval; versions here: v1\.0-mini"):
        nuscenes(version="v1.0-trainval").scan(written)
    (written / VERSION / "sample.json").write_text("{")
    with pytest.raises(SourceError, match="cannot read a table"):
        nuscenes().scan(written)
    for text in ("[" * 200_000, '[{"token": ' + "[" * 200_000, '[{"token": "' + "a" * 5_000_000 + '"}]'):
        (written / VERSION / "sample.json").write_text(text)
        with pytest.raises(SourceError, match="cannot read a table"):
            nuscenes().scan(written)


def test_a_table_is_read_row_by_row_wherever_its_pieces_end(written, monkeypatch):
    whole = nuscenes().scan(written).recordings
    for table in (written / VERSION).iterdir():
        table.write_text(json.dumps(json.loads(table.read_text()), indent=0))
    for characters in (400, 401, 457):  # a row has some 300
        monkeypatch.setattr("rushes.tasks.driving.sources.nuscenes.tables.CHUNK", characters)
        assert nuscenes().scan(written).recordings == whole


def test_rows_of_other_cameras_take_no_memory(written):
    def many(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*rows, *(rows[0] | {"token": f"other{number}"} for number in range(40_000))]

    change(written, "ego_pose", many)
    tracemalloc.start()
    nuscenes().scan(written)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (written / VERSION / "ego_pose.json").stat().st_size > 6_000_000
    assert most < 6_000_000
