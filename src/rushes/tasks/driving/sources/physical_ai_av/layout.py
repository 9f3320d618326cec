"""Where the files of a PhysicalAI-Autonomous-Vehicles dataset lie, by its own table of features.

    features.csv  clip_index.parquet  [splits/<name>.parquet]
    metadata/{data_collection, feature_presence | sensor_presence}.parquet
    camera/<camera>/<camera>.chunk_0000.zip     <clip>.<camera>.mp4, <clip>.<camera>.timestamps.parquet, ...
    labels/egomotion/egomotion.chunk_0000.zip   <clip>.egomotion.parquet

``features.csv`` has one row a feature: its name, the path of its chunks as a template with
``{chunk_id:04d}``, and the names of a clip's files in a chunk as JSON of templates with ``{clip_id}``. Whole
chunks and single sensors are missing in every copy; what is not there is data, not an error.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rushes.errors import SourceError

CAMERAS = (
    "camera_front_wide_120fov",
    "camera_front_tele_30fov",
    "camera_cross_left_120fov",
    "camera_cross_right_120fov",
    "camera_rear_left_70fov",
    "camera_rear_right_70fov",
    "camera_rear_tele_30fov",
)
EGOMOTION, OFFLINE = "egomotion", "egomotion.offline"
VIDEO, TIMES = "video", "frame_timestamps"
FEATURES_CSV, CLIP_INDEX = "features.csv", "clip_index.parquet"
COLLECTION = "metadata/data_collection.parquet"
PRESENCE = ("metadata/feature_presence.parquet", "metadata/sensor_presence.parquet")
"""The table had the second name until 2026; the first that is there is read."""
SPLITS = "splits"
"""Folder of tables that each put the clips on sides."""
TABLES = (FEATURES_CSV, CLIP_INDEX, COLLECTION, *PRESENCE)
"""All that is read of a dataset beside its archives and `SPLITS`."""

MAX_FEATURES_BYTES = 1 << 20

_PLACE = re.compile(r"\{(chunk_id|clip_id)(?::0([1-9])d)?\}")
_AGAIN = "fetch features.csv of the same revision as the rest again"


@dataclass(frozen=True, slots=True)
class Feature:
    """A sensor or label, as ``features.csv`` describes it.

    Attributes:
        name: ``camera_front_wide_120fov``, say.
        chunk_path: template of its chunks' paths below the root.
        files: what -> template of its name in a chunk's archive, e.g. ``video``; empty where a chunk is no
            archive.
    """

    name: str
    chunk_path: str
    files: Mapping[str, str] = field(default_factory=dict)

    def archive(self, chunk: int) -> str:
        """Path of a chunk below the root.

        >>> Feature("egomotion", "labels/egomotion/egomotion.chunk_{chunk_id:04d}.zip").archive(7)
        'labels/egomotion/egomotion.chunk_0007.zip'
        """
        return _fill(self.chunk_path, chunk_id=chunk)

    def file(self, clip: str, what: str) -> str:
        """Name of a clip's file in the archive."""
        return _fill(self.files[what], clip_id=clip)


def dataset_root(root: Path) -> Path:
    """The folder, checked to hold ``features.csv`` and ``clip_index.parquet``.

    Raises:
        SourceError: it does not; says what was found instead.
    """
    root = Path(root)
    missing = [name for name in (FEATURES_CSV, CLIP_INDEX) if not (root / name).is_file()]
    if missing:
        found = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
        listing = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
        raise SourceError(
            f"not the root of a PhysicalAI-Autonomous-Vehicles dataset: no {' and no '.join(missing)}; "
            + (f"found {listing or 'an empty folder'}" if root.is_dir() else "found no folder at all"),
            where=root,
            cure="give the folder with features.csv, and fetch the tables there of the chunks' revision",
        )
    return root


def read_features(root: Path) -> dict[str, Feature]:
    """The features that ``features.csv`` lists, by name.

    Raises:
        SourceError: the table cannot be read, or a template names another place than a file below the root.
    """
    path = root / FEATURES_CSV
    if path.stat().st_size > MAX_FEATURES_BYTES:
        raise SourceError(f"features.csv of more than {MAX_FEATURES_BYTES:,} bytes", where=path, cure=_AGAIN)
    features: dict[str, Feature] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            for row in rows:
                feature = _feature(row, f"{path}:{rows.line_num}")
                if feature.name in features:
                    raise SourceError(f"feature {feature.name!r} stands twice", where=path, cure=_AGAIN)
                features[feature.name] = feature
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"features.csv is no table: {error}", where=path, cure=_AGAIN) from error
    if EGOMOTION not in features:
        raise SourceError(f"features.csv does not list {EGOMOTION}", where=path, cure=_AGAIN)
    return features


def wanted_cameras(features: Mapping[str, Feature], cameras: tuple[str, ...]) -> dict[str, Feature]:
    """The features of ``cameras``, in their order.

    Raises:
        SourceError: no camera, one twice, or one that the dataset does not know; lists those it knows.
    """
    known = [name for name, feature in features.items() if {VIDEO, TIMES} <= set(feature.files)]
    strange = [camera for camera in cameras if camera not in known]
    if strange or not cameras or len(set(cameras)) < len(cameras):
        raise SourceError(
            f"no cameras {', '.join(strange)}" if strange else f"each camera once, found {list(cameras)}",
            where=FEATURES_CSV,
            cure=f"choose among {', '.join(known)}",
        )
    return {camera: features[camera] for camera in cameras}


def _feature(row: Mapping[str, str | None], where: str) -> Feature:
    name, chunk_path = row.get("feature"), row.get("chunk_path")
    if not name or not chunk_path:
        raise SourceError("features.csv: a row without feature or chunk_path", where=where, cure=_AGAIN)
    try:
        files = json.loads(row.get("clip_files_in_zip") or "{}")
    except (ValueError, RecursionError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise SourceError(f"{name}: clip_files_in_zip is no JSON of names", where=where, cure=_AGAIN)
    feature = Feature(name, chunk_path, files)
    for place in (feature.archive(0), *(feature.file("clip", what) for what in files)):
        if re.search(r"^/|\\|\{|\}|[\x00-\x1f]|(^|/)\.\.?(/|$)", place):
            raise SourceError(f"{name}: {place!r} is no path below the root", where=where, cure=_AGAIN)
    return feature


def _fill(template: str, **values: object) -> str:
    """Fill in chunk and clip, and nothing else: ``str.format`` would follow attributes and any width."""
    return _PLACE.sub(
        lambda found: str(values.get(found[1], found[0])).zfill(int(found[2] or 0)),
        template,
    )


def is_table(name: str) -> bool:
    """Whether a file of this name below the root is read, or listed, beside the archives.

    >>> is_table("splits/default.parquet"), is_table("splits/old/default.parquet")
    (True, False)
    """
    return name in TABLES or re.fullmatch(rf"{SPLITS}/[^/]+\.parquet", name) is not None


def chunks_here(
    root: Path, features: Mapping[str, Feature], wanted: Iterable[str], numbers: Iterable[int]
) -> set[int]:
    """Chunks of which at least one archive of the ``wanted`` features is in this copy.

    Raises:
        SourceError: none; names an archive that was looked for.
    """
    series = [features[name] for name in wanted if name in features]
    numbers = sorted(numbers)
    here = {n for n in numbers if any((root / feature.archive(n)).is_file() for feature in series)}
    if not here:
        looked = f", not even {series[0].archive(numbers[0])}" if series and numbers else ""
        raise SourceError(
            f"no archive of the wanted features is here{looked}",
            where=root,
            cure="fetch whole chunks: the archives of the wanted cameras and of egomotion",
        )
    return here
