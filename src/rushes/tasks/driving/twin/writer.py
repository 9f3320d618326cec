"""The twin of driving, on disk: PhysicalAI-Autonomous-Vehicles' layout, so that real data needs a new path.

A unit is one clip. It is drawn into a folder of loose files, its *part*; when all parts are there, `assemble`
packs them into the archives of each chunk, stored and not compressed as in the dataset, and writes the
tables. Parts do not know of each other, so any number of workers makes the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rushes.errors import SourceError
from rushes.media.encode import Sensor, write_video
from rushes.runs.drawing import Written, seeded
from rushes.stages import atomic_file, write_atomic
from rushes.tasks.driving.sources.physical_ai_av.layout import CAMERAS
from rushes.tasks.driving.twin.motion import RoadMotion
from rushes.tasks.driving.twin.rig import VEHICLE, Camera, camera_of
from rushes.tasks.driving.twin.scene import RoadScene, draw_light, draw_scene
from rushes.tasks.driving.twin.script import (
    DrivingSettings,
    DrivingUnit,
    egomotion_timestamps,
    frame_timestamps,
    truth,
    units,
)
from rushes.tasks.driving.twin.view import RoadView

PARTS = "parts"
CRF = 23
CAMERA_FILES: Mapping[str, str] = {
    "video": "mp4",
    "frame_timestamps": "timestamps.parquet",
    "blurred_boxes": "blurred_boxes.parquet",
}
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of every member of an archive: the earliest that a zip can hold."""

CALIBRATIONS = ("camera_intrinsics", "sensor_extrinsics", "vehicle_dimensions")


def write_unit(root: Path, unit: DrivingUnit, settings: DrivingSettings) -> Written:
    """Draw and write one clip as a part: videos and their clocks, then the poses.

    The same arguments give the same files, byte for byte. Files that stand there already are replaced.

    Args:
        root: the twin's folder.
        unit: one of `units`.
        settings: of the whole twin.
    """
    motion = truth(settings, unit.key)
    clocks = {camera: frame_timestamps(settings, unit.key, camera) for camera in unit.cameras}
    times_s = (
        min(clock[0] for clock in clocks.values()) / 1e6,
        max(clock[-1] for clock in clocks.values()) / 1e6,
    )
    rng = seeded(settings.seed, "scene", unit.key)
    scene = draw_scene(rng, motion, times_s, unit.scene, settings.difficulty, settings.size[0])
    for name, clock in clocks.items():
        camera = camera_in(settings, unit, name)
        _write_video(_part(root, unit, f"{name}.mp4"), scene, camera, clock, unit, settings)
        write_table(_part(root, unit, f"{name}.timestamps.parquet"), {"timestamp": clock})
        write_table(_part(root, unit, f"{name}.blurred_boxes.parquet"), _no_boxes())
    poses = egomotion_rows(motion, egomotion_timestamps(settings, unit.key))
    if unit.egomotion:
        write_table(_part(root, unit, "egomotion.parquet"), poses)
    files = tuple(path.relative_to(root).as_posix() for path in _files_of(root, unit))
    return Written(files, sum(map(len, clocks.values())))


def assemble(root: Path, settings: DrivingSettings) -> Written:
    """Pack the parts of all clips into the archives of their chunks, and write the tables; the index last.

    Raises:
        SourceError: a part is missing.
    """
    clips = units(settings)
    for unit in clips:
        for path in _files_of(root, unit):
            if not path.is_file():
                raise SourceError(
                    f"clip {unit.key} is not drawn yet", where=path, cure="write_unit it, then assemble"
                )
    files = []
    for chunk in sorted({unit.chunk for unit in clips}):
        inside = [unit for unit in clips if unit.chunk == chunk]
        files += _write_chunk(root, chunk, inside, settings)
    files += _write_metadata(root, clips)
    return Written(tuple(path.relative_to(root).as_posix() for path in files))


def remove_parts(root: Path) -> None:
    """Remove the parts, which the archives hold by now."""
    shutil.rmtree(root / PARTS, ignore_errors=True)


def camera_in(settings: DrivingSettings, unit: DrivingUnit, name: str) -> Camera:
    """A camera as it is built into the vehicle of a clip; known for absent cameras too."""
    return camera_of(name, settings.size, seeded(settings.seed, "camera", unit.key, name))


def egomotion_rows(motion: RoadMotion, timestamps: np.ndarray) -> dict[str, np.ndarray]:
    """The table of poses at ``timestamps`` (n,) microseconds; velocity and acceleration in the world."""
    poses = motion.at(timestamps / 1e6)
    return {
        "timestamp": timestamps,
        **dict(zip(("qx", "qy", "qz", "qw"), poses.rotations.T, strict=True)),
        **dict(zip(("x", "y", "z"), poses.positions.T, strict=True)),
        **dict(zip(("vx", "vy", "vz"), poses.velocities.T, strict=True)),
        **dict(zip(("ax", "ay", "az"), poses.accelerations.T, strict=True)),
        "curvature": poses.curvatures,
    }


def _write_video(
    path: Path,
    scene: RoadScene,
    camera: Camera,
    timestamps: np.ndarray,
    unit: DrivingUnit,
    settings: DrivingSettings,
) -> None:
    """Draw each frame at its true time and encode H.264 at an even rate, as the dataset's videos are."""
    rng = seeded(settings.seed, "sensor", unit.key, camera.name)
    light = draw_light(rng, unit.hour, settings.difficulty)
    sensor = Sensor(rng, settings.size, 1.0 + 8.0 * settings.difficulty, 20)
    view, poses = RoadView(scene, camera), scene.motion.at(timestamps / 1e6)

    def expose(number: int, luma: np.ndarray) -> None:
        np.take(light.table(float(poses.times_s[number])), luma, out=luma, mode="clip")
        luma += sensor.offsets()

    pictures = (np.asarray(view.draw(poses, number)) for number in range(len(timestamps)))
    options = {"crf": str(CRF), "g": str(settings.gop), "bf": str(settings.b_frames)}
    write_video(path, pictures, settings.size, settings.fps, options, expose)


def _no_boxes() -> dict[str, np.ndarray]:
    """Nothing is blurred in the twin: there are no faces in it, and no number plates."""
    corners = {name: np.zeros(0, np.float64) for name in ("x1", "y1", "x2", "y2")}
    return {"frame_index": np.zeros(0, np.int64), **corners}


def _part(root: Path, unit: DrivingUnit, name: str) -> Path:
    """A file of a part; its name is that of the archive's member."""
    return root / PARTS / unit.clip_id / f"{unit.clip_id}.{name}"


def _files_of(root: Path, unit: DrivingUnit) -> list[Path]:
    names = [f"{camera}.{suffix}" for camera in unit.cameras for suffix in CAMERA_FILES.values()]
    return [_part(root, unit, name) for name in (*names, *(["egomotion.parquet"] if unit.egomotion else []))]


def _write_chunk(
    root: Path, chunk: int, clips: Sequence[DrivingUnit], settings: DrivingSettings
) -> list[Path]:
    """Archives and calibration of one chunk; a sensor that no clip has, has no archive."""
    files = []
    for camera in settings.cameras:
        members = [
            _part(root, unit, f"{camera}.{suffix}")
            for unit in clips
            if camera in unit.cameras
            for suffix in CAMERA_FILES.values()
        ]
        files.append(pack(root / "camera" / camera / f"{camera}.chunk_{chunk:04d}.zip", members))
    poses = [_part(root, unit, "egomotion.parquet") for unit in clips if unit.egomotion]
    files.append(pack(root / "labels/egomotion" / f"egomotion.chunk_{chunk:04d}.zip", poses))
    written = [path for path in files if path is not None]
    cameras = [camera_in(settings, unit, name) for unit in clips for name in unit.cameras]
    keys = {
        "clip_id": [unit.clip_id for unit in clips for _ in unit.cameras],
        "camera_name": [camera.name for camera in cameras],
    }
    tables = zip(
        CALIBRATIONS,
        (
            keys | _intrinsics(cameras),
            {"clip_id": keys["clip_id"], "sensor_name": keys["camera_name"]} | _extrinsics(cameras),
            {"clip_id": [unit.clip_id for unit in clips]}
            | {name: np.full(len(clips), value) for name, value in VEHICLE.items()},
        ),
        (("clip_id", "camera_name"), ("clip_id", "sensor_name"), ("clip_id",)),
        strict=True,
    )
    for name, columns, index in tables:
        path = root / "calibration" / name / f"{name}.chunk_{chunk:04d}.parquet"
        write_table(path, columns, index)
        written.append(path)
    return written


def _intrinsics(cameras: Sequence[Camera]) -> dict[str, Any]:
    models = [
        {
            "width": camera.size[0],
            "height": camera.size[1],
            "cx": camera.centre[0],
            "cy": camera.centre[1],
            "fx": camera.focal_px,
            "fy": camera.focal_px,
        }
        for camera in cameras
    ]
    return {
        "model_type": ["pinhole"] * len(cameras),
        "model_parameters": [json.dumps(model, sort_keys=True) for model in models],
        "ego_mask_image_png": pa.array([None] * len(cameras), pa.binary()),
    }


def _extrinsics(cameras: Sequence[Camera]) -> dict[str, Any]:
    values = np.array([[*camera.quaternion, *camera.place] for camera in cameras]).reshape(-1, 7)
    return dict(zip(("qx", "qy", "qz", "qw", "x", "y", "z"), values.T.copy(), strict=True))


def _write_metadata(root: Path, clips: Sequence[DrivingUnit]) -> list[Path]:
    ids = [unit.clip_id for unit in clips]
    presence: dict[str, Any] = {
        camera: np.array([camera in unit.cameras for unit in clips]) for camera in CAMERAS
    }
    presence["egomotion"] = np.array([unit.egomotion for unit in clips])
    collection = {
        "country": [unit.country for unit in clips],
        "month": np.array([unit.month for unit in clips]),
        "hour_of_day": np.array([unit.hour for unit in clips]),
        "platform_class": [unit.platform for unit in clips],
    }
    index = {
        "chunk": np.array([unit.chunk for unit in clips]),
        "split": [unit.split for unit in clips],
        "clip_is_valid": np.array([unit.valid for unit in clips]),
    }
    tables = {
        "metadata/data_collection.parquet": collection,
        "metadata/feature_presence.parquet": presence,
        "clip_index.parquet": index,
    }
    write_atomic(root / "features.csv", _features_csv())
    for name, columns in tables.items():
        write_table(root / name, {"clip_id": ids} | columns, ("clip_id",))
    return [root / name for name in ("features.csv", *tables)]


def _features_csv() -> str:
    """Which feature lies where: folder, archive of a chunk, members of a clip."""
    rows = [
        (
            camera,
            "camera",
            f"camera/{camera}/{camera}.chunk_{{chunk_id:04d}}.zip",
            json.dumps({key: f"{{clip_id}}.{camera}.{suffix}" for key, suffix in CAMERA_FILES.items()}),
        )
        for camera in CAMERAS
    ]
    poses = json.dumps({"egomotion": "{clip_id}.egomotion.parquet"})
    rows.append(("egomotion", "labels", "labels/egomotion/egomotion.chunk_{chunk_id:04d}.zip", poses))
    rows += [
        (name, "calibration", f"calibration/{name}/{name}.chunk_{{chunk_id:04d}}.parquet", "")
        for name in CALIBRATIONS
    ]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("feature", "directory", "chunk_path", "clip_files_in_zip"))
    writer.writerows(sorted(rows))
    return sink.getvalue()


# --- files as the dataset has them: nothing in them depends on the time or the machine --------------------


def write_table(path: Path, columns: Mapping[str, Any], index: Sequence[str] = ()) -> None:
    """Write a parquet file whose first columns ``index`` are the index of the frame that pandas reads."""
    table = pa.table(dict(columns))
    if index:
        table = table.replace_schema_metadata({"pandas": _pandas_note(table.schema, index)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    write_atomic(path, sink.getvalue())


def pack(path: Path, members: Sequence[Path]) -> Path | None:
    """Write a flat archive of the files ``members``, stored and not compressed; None where there are none."""
    if not members:
        return None
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, LONG_AGO)
            info.external_attr, info.create_system = 0o644 << 16, 3
            archive.writestr(info, member.read_bytes())
    return path


def _pandas_note(schema: pa.Schema, index: Sequence[str]) -> str:
    """The note by which pandas knows a file's index columns, in its own format."""
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": "unicode" if pa.types.is_string(field.type) else str(field.type),
            "numpy_type": str(np.dtype(field.type.to_pandas_dtype())),
            "metadata": None,
        }
        for field in schema
    ]
    note = {"index_columns": list(index), "column_indexes": [], "columns": columns, "pandas_version": "2.0"}
    return json.dumps(note)
