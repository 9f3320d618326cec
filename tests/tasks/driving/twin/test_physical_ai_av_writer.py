"""The twin of driving on disk: the dataset's layout, the same bytes, pictures at their true times."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from rushes.errors import SourceError
from rushes.runs.drawing import seeded
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.sources.trajectory import Trajectory
from rushes.tasks.driving.twin.scene import draw_scene
from rushes.tasks.driving.twin.script import (
    CAMERAS,
    REFERENCE,
    DrivingSettings,
    frame_timestamps,
    truth,
    units,
)
from rushes.tasks.driving.twin.view import RoadView
from rushes.tasks.driving.twin.writer import assemble, camera_in, remove_parts, write_unit

PAIR = (REFERENCE, "camera_rear_left_70fov")
SETTINGS = DrivingSettings(
    train=2,
    val=1,
    test=1,
    clip_s=0.5,
    cameras=PAIR,
    size=(128, 72),
    missing_share=0.25,
    without_egomotion=1,
    invalid=1,
    chunk_clips=2,
    seed=1,
)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twin")
    for unit in units(SETTINGS):
        write_unit(root, unit, SETTINGS)
    assemble(root, SETTINGS)
    remove_parts(root)
    return root


def members(root: Path, feature: str, folder: str, chunk: int) -> dict[str, bytes]:
    path = root / folder / feature / f"{feature}.chunk_{chunk:04d}.zip"
    with zipfile.ZipFile(path) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        return {info.filename: archive.read(info) for info in archive.infolist()}


def columns(data: bytes | Path) -> dict[str, np.ndarray]:
    table = pq.read_table(io.BytesIO(data) if isinstance(data, bytes) else data)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def test_the_layout_is_the_datasets(twin: Path) -> None:
    files = {path.relative_to(twin).as_posix() for path in twin.rglob("*") if path.is_file()}
    series = [f"camera/{camera}/{camera}.chunk_{{}}.zip" for camera in PAIR]
    series += ["labels/egomotion/egomotion.chunk_{}.zip"]
    series += [
        f"calibration/{name}/{name}.chunk_{{}}.parquet"
        for name in ("camera_intrinsics", "sensor_extrinsics", "vehicle_dimensions")
    ]
    tables = {"features.csv", "clip_index.parquet"}
    tables |= {"metadata/data_collection.parquet", "metadata/feature_presence.parquet"}
    assert files == tables | {name.format(chunk) for name in series for chunk in ("0000", "0001")}


def test_tables_say_what_is_there(twin: Path) -> None:
    clips = units(SETTINGS)
    index = columns(twin / "clip_index.parquet")
    assert index["clip_id"].tolist() == [unit.key for unit in clips]
    assert index["chunk"].tolist() == [0, 0, 1, 1]
    assert index["split"].tolist() == [unit.split for unit in clips]
    assert index["clip_is_valid"].tolist() == [unit.valid for unit in clips]
    presence = columns(twin / "metadata/feature_presence.parquet")
    for camera in CAMERAS:
        assert presence[camera].tolist() == [camera in unit.cameras for unit in clips]
    assert presence["egomotion"].tolist() == [unit.egomotion for unit in clips]
    note = json.loads(pq.read_schema(twin / "clip_index.parquet").metadata[b"pandas"])
    assert note["index_columns"] == ["clip_id"]


def test_features_lead_to_every_file(twin: Path) -> None:
    with (twin / "features.csv").open() as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    for unit in units(SETTINGS):
        for feature in (*unit.cameras, *(["egomotion"] if unit.egomotion else [])):
            archive = twin / rows[feature]["chunk_path"].format(chunk_id=unit.chunk)
            names = json.loads(rows[feature]["clip_files_in_zip"]).values()
            assert {name.format(clip_id=unit.key) for name in names} <= set(
                zipfile.ZipFile(archive).namelist()
            )
    absent = [unit for unit in units(SETTINGS) if len(unit.cameras) < 2]
    assert len(absent) == 1
    assert not [name for name in members(twin, PAIR[1], "camera", absent[0].chunk) if absent[0].key in name]


def test_the_source_reads_it(twin: Path) -> None:
    found = scan(twin, (REFERENCE,))
    sound = {unit.key for unit in units(SETTINGS) if unit.valid and unit.egomotion}
    assert {recording.key for recording in found.recordings} == sound


def test_videos_have_a_time_for_each_frame(twin: Path) -> None:
    unit = units(SETTINGS)[0]
    for camera in unit.cameras:
        inside = members(twin, camera, "camera", 0)
        times = columns(inside[f"{unit.key}.{camera}.timestamps.parquet"])["timestamp"]
        assert (times == frame_timestamps(SETTINGS, unit.key, camera)).all()
        boxes = columns(inside[f"{unit.key}.{camera}.blurred_boxes.parquet"])
        assert list(boxes) == ["frame_index", "x1", "y1", "x2", "y2"]
        with av.open(io.BytesIO(inside[f"{unit.key}.{camera}.mp4"])) as video:
            stream = video.streams.video[0]
            assert (stream.codec_context.name, stream.average_rate) == ("h264", 30)
            frames = list(video.decode(stream))
        assert len(frames) == len(times)
        assert (frames[0].width, frames[0].height) == SETTINGS.size
        kinds = [frame.pict_type for frame in frames]
        assert kinds[0] == 1  # I
        assert 3 in kinds  # B


def test_the_same_settings_give_the_same_bytes_in_any_order(twin: Path, tmp_path: Path) -> None:
    small = replace(SETTINGS, train=2, val=0, test=0, chunk_clips=1, size=(64, 36))
    for root, order in ((tmp_path / "a", units(small)), (tmp_path / "b", units(small)[::-1])):
        for unit in order:
            write_unit(root, unit, small)
        write_unit(root, order[0], small)
        assemble(root, small)
        remove_parts(root)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) > 8
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    small = replace(SETTINGS, train=2, val=0, test=0)
    write_unit(tmp_path, units(small)[0], small)
    with pytest.raises(SourceError, match=f"clip {units(small)[1].key} is not drawn"):
        assemble(tmp_path, small)
    assert not (tmp_path / "clip_index.parquet").exists()


def test_it_names_what_is_there_and_counts_its_pictures(tmp_path: Path) -> None:
    small = replace(SETTINGS, train=1, val=0, test=0, missing_share=0.0, invalid=0)
    (blind,) = units(small)
    written = write_unit(tmp_path, blind, small)
    assert not blind.egomotion
    assert written.frames == sum(len(frame_timestamps(small, blind.key, camera)) for camera in PAIR)
    assert {tmp_path / name for name in written.files} == {
        path for path in tmp_path.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("name", PAIR)
def test_each_frame_is_drawn_at_the_time_of_its_row(name: str, tmp_path: Path) -> None:
    """A frame looks like the scene at its own timestamp, less so a quarter of a period earlier or later."""
    settings, key = _fast_clip(name)
    (unit,) = units(settings)
    write_unit(tmp_path, unit, settings)
    times_s = frame_timestamps(settings, key, name) / 1e6
    motion, camera = truth(settings, key), camera_in(settings, unit, name)
    scene = draw_scene(
        seeded(settings.seed, "scene", key), motion, (times_s[0], times_s[-1]), unit.scene, 0.2, 256
    )
    with av.open(str(tmp_path / f"parts/{key}/{key}.{name}.mp4")) as video:
        frames = [np.asarray(frame.to_image().convert("L"), float) for frame in video.decode(video=0)]
    view, scores = RoadView(scene, camera), {}
    for shift in (-0.5, -0.25, 0.0, 0.25, 0.5):
        poses = motion.at(times_s + shift / settings.fps)
        drawn = [np.asarray(view.draw(poses, number).convert("L"), float) for number in (5, 15, 25)]
        seen = [frames[number] for number in (5, 15, 25)]
        scores[shift] = np.corrcoef(np.ravel(drawn), np.ravel(seen))[0, 1]
    assert max(scores, key=scores.get) == 0.0
    assert scores[-0.5] < scores[-0.25] < scores[0.0] > scores[0.25] > scores[0.5]


@pytest.mark.parametrize("name", PAIR)
def test_pictures_move_as_the_tables_say_and_at_the_time_they_say(name: str, tmp_path: Path) -> None:
    """Carry the ground of one frame to another by the files alone: calibration, poses, timestamps.

    The carried picture must look like the later frame best when the later frame's own time is taken, and
    clearly worse when that time is off by half a frame's period either way.
    """
    settings, key = _fast_clip(name)
    write_unit(tmp_path, units(settings)[0], settings)
    assemble(tmp_path, settings)
    rows = columns(members(tmp_path, "egomotion", "labels", 0)[f"{key}.egomotion.parquet"])
    table = Trajectory(
        rows["timestamp"] / 1e6,
        np.stack([rows[axis] for axis in ("qx", "qy", "qz", "qw")], -1),
        np.stack([rows[axis] for axis in ("x", "y", "z")], -1),
    )
    inside = members(tmp_path, name, "camera", 0)
    times_s = columns(inside[f"{key}.{name}.timestamps.parquet"])["timestamp"] / 1e6
    with av.open(io.BytesIO(inside[f"{key}.{name}.mp4"])) as video:
        frames = [np.asarray(frame.to_image().convert("L"), float) for frame in video.decode(video=0)]
    camera = _calibration(tmp_path, key, name)
    scores = {shift: 0.0 for shift in (-0.5, 0.0, 0.5)}
    for number in range(4, 28, 4):
        for shift in scores:
            later_s = times_s[number + 3] + shift / 30
            carried, inside = _carried(frames[number + 3], camera, table, times_s[number], later_s)
            own = frames[number][inside]
            scores[shift] += np.corrcoef(own - own.mean(), carried[inside])[0, 1] / 6
    assert scores[0.0] > 0.6
    assert scores[0.0] > max(scores[-0.5], scores[0.5]) + 0.03


def _fast_clip(name: str) -> tuple[DrivingSettings, str]:
    """A twin of one clip in which the vehicle drives at 7 to 14 m/s."""
    for seed in range(100):
        settings = DrivingSettings(
            train=1,
            val=0,
            test=0,
            clip_s=1.0,
            cameras=(name,),
            size=(256, 144),
            difficulty=0.2,
            missing_share=0.0,
            without_egomotion=0,
            invalid=0,
            seed=seed,
        )
        (unit,) = units(settings)
        if 7.0 < truth(settings, unit.key).speed(np.array([0.0, 1.0])).mean() < 14.0:
            return settings, unit.key
    raise AssertionError("no vehicle of 100 drives at 7 to 14 m/s")


def _calibration(root: Path, key: str, name: str) -> dict:
    """Focal length, centre and camera -> rig of a camera, out of the written tables."""
    tables = {}
    for kind, column in (("camera_intrinsics", "camera_name"), ("sensor_extrinsics", "sensor_name")):
        table = columns(root / "calibration" / kind / f"{kind}.chunk_0000.parquet")
        row = np.flatnonzero((table["clip_id"] == key) & (table[column] == name))[0]
        tables |= {column: values[row] for column, values in table.items()}
    model = json.loads(tables["model_parameters"])
    return {
        "focal": model["fx"],
        "centre": (model["cx"], model["cy"]),
        "turn": Rotation.from_quat([tables[axis] for axis in ("qx", "qy", "qz", "qw")]),
        "place": np.array([tables[axis] for axis in ("x", "y", "z")]),
    }


def _carried(
    later: np.ndarray, camera: dict, table: Trajectory, first_s: float, later_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """What the pixels that see the ground at ``first_s`` look like in the picture of ``later_s``."""
    height, width = later.shape
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([x - camera["centre"][0], y - camera["centre"][1], np.full_like(x, camera["focal"])], -1)
    rays = camera["turn"].apply(rays.reshape(-1, 3))
    scale = np.where(rays[:, 2] < 0, camera["place"][2] / np.maximum(-rays[:, 2], 1e-9), np.inf)
    near = np.linalg.norm(rays, axis=1) * scale < 12.0
    points = camera["place"] + rays[near] * scale[near, np.newaxis]
    poses = table.at(np.array([first_s, later_s]))
    first, then = Rotation.from_quat(poses.rotations)
    world = first.apply(points) + poses.positions[0]
    seen = camera["turn"].inv().apply(then.inv().apply(world - poses.positions[1]) - camera["place"])
    flat = seen[:, :2] / np.maximum(seen[:, 2:], 1e-6) * camera["focal"] + camera["centre"]
    carried, inside = np.zeros(height * width), np.zeros(height * width, bool)
    carried[near] = map_coordinates(later, [flat[:, 1] - 0.5, flat[:, 0] - 0.5], order=1, mode="nearest")
    inside[near] = (
        (seen[:, 2] > 0.5) & (flat > 1).all(1) & (flat[:, 0] < width - 1) & (flat[:, 1] < height - 1)
    )
    return carried.reshape(height, width), inside.reshape(height, width)
