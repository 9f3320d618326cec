"""The tables of nuScenes, joined: the frames of each scene and camera with their poses."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np

from rushes.errors import SourceError, unreadable_as
from rushes.records import KEY
from rushes.tasks.driving.sources.trajectory import Trajectory

TableName = Literal["scene", "log", "sample", "sample_data", "sensor", "calibrated_sensor", "ego_pose"]
Row = dict[str, Any]

KEYS: Mapping[TableName, tuple[str, ...]] = {
    "scene": ("token", "name", "log_token"),
    "log": ("token",),
    "sensor": ("token", "channel"),
    "calibrated_sensor": ("token", "sensor_token"),
    "sample": ("token", "scene_token"),
    "sample_data": (
        "token",
        "sample_token",
        "ego_pose_token",
        "calibrated_sensor_token",
        "filename",
        "timestamp",
    ),
    "ego_pose": ("token", "translation", "rotation"),
}
"""What is read of each table."""

TOLD = ("logfile", "location", "vehicle")
"""What is read of it as well, where it is there."""

MAX_BYTES = 4 << 30
CHUNK = 1 << 20
"""Characters of a table that are read at a time; no row is longer than two of these."""

FURTHEST = 2**63
"""No time, and no place, is a number beyond."""

_OPENED, _FOLLOWED = re.compile(r"\s*\[\s*(?=\{)"), re.compile(r"\s*,\s*(?=\{)")
_EMPTY, _CLOSED = re.compile(r"\s*\[\s*\]\s*"), re.compile(r"\s*\]\s*")

_NUMBERS = frozenset({"timestamp", "translation", "rotation"})
_BROKEN = (OSError, ValueError, RecursionError)
_AGAIN = "fetch the metadata of the same version again"


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tables say of the cameras that are asked for.

    Attributes:
        files: the tables that are read.
        scenes: in order of their names.
        logs: token -> row.
        frames: token of a scene -> camera -> its frames: ``filename``, ``timestamp`` (us) and ``pose``, x, y, z of the
            vehicle and its quaternion x, y, z, w.
    """

    files: tuple[Path, ...]
    scenes: tuple[Row, ...]
    logs: Mapping[str, Row]
    frames: Mapping[str, Mapping[str, list[Row]]]

    @classmethod
    def read(cls, root: Path, version: str, cameras: Collection[str]) -> Self:
        """Read them row by row; what is kept grows with the frames of the cameras that are asked for alone.

        Raises:
            SourceError: a table is missing, is none, names what another one does not have, or a scene twice.
        """
        paths = {name: root / version / f"{name}.json" for name in KEYS}
        if absent := [path.name for path in paths.values() if not path.is_file()]:
            found = sorted(path.name for path in root.glob("v*") if path.is_dir())
            raise SourceError(
                f"no {', '.join(absent)} in {version}; versions here: {', '.join(found) or 'none'}",
                where=root / version,
                cure="set source.version to one of them, or give the folder that holds samples/ and v1.0-...",
            )
        scenes = sorted(_read(paths["scene"], "scene"), key=lambda row: row["name"])
        for row in scenes:
            if KEY.fullmatch(row["name"]) is None:
                raise SourceError(
                    f"not a name of a scene: {row['name'][:80]!r}", where=paths["scene"], cure=_AGAIN
                )
        name, count = Counter(row["name"] for row in scenes).most_common(1)[0] if scenes else ("", 1)
        if count > 1:
            raise SourceError(f"{count} scenes are called {name}", where=paths["scene"], cure=_AGAIN)
        logs = {row["token"]: row for row in _read(paths["log"], "log")}
        frames = _frames(paths, _cameras(paths, cameras))
        return cls(tuple(paths.values()), tuple(scenes), logs, frames)


def _cameras(paths: Mapping[TableName, Path], cameras: Collection[str]) -> dict[str, str]:
    """Token of a calibrated sensor -> the camera that it is, of those that are asked for."""
    channel_of = {row["token"]: row["channel"] for row in _read(paths["sensor"], "sensor")}
    if strange := sorted(set(cameras) - set(channel_of.values())):
        raise SourceError(
            f"there is no sensor {', '.join(strange)}",
            where=paths["sensor"],
            cure=f"choose among {', '.join(sorted(set(channel_of.values())))}",
        )
    calibrated = _read(paths["calibrated_sensor"], "calibrated_sensor")
    found = {row["token"]: channel_of.get(row["sensor_token"], "") for row in calibrated}
    return {token: channel for token, channel in found.items() if channel in cameras}


def _frames(paths: Mapping[TableName, Path], camera_of: Mapping[str, str]) -> dict[str, dict[str, list[Row]]]:
    """Token of a scene -> camera -> its frames, see `Tables.frames`."""
    scene_of = {row["token"]: row["scene_token"] for row in _read(paths["sample"], "sample")}
    data = paths["sample_data"]
    rows = [row for row in _read(data, "sample_data") if row["calibrated_sensor_token"] in camera_of]
    wanted = {row["ego_pose_token"] for row in rows}
    poses = {row["token"]: row for row in _read(paths["ego_pose"], "ego_pose") if row["token"] in wanted}
    frames: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for key, known in (("ego_pose", poses), ("sample", scene_of)):
            if row[f"{key}_token"] not in known:
                raise SourceError(
                    f"row {row['token']} names a row that {key}.json does not have", where=data, cure=_AGAIN
                )
        frame = {
            "filename": _inside(row["filename"], data),
            "timestamp": _whole(row["timestamp"], data),
            "pose": _pose(poses[row["ego_pose_token"]], paths["ego_pose"]),
        }
        frames[scene_of[row["sample_token"]]][camera_of[row["calibrated_sensor_token"]]].append(frame)
    return frames


@dataclass(frozen=True, slots=True)
class EgoPoses:
    """Poses of a scene.

    Attributes:
        files: the tables; the poses stand in the last.
        rows: seconds, x, y, z, and quaternion x, y, z, w of each.
    """

    files: tuple[Path, ...]
    rows: tuple[tuple[float, ...], ...]

    def read(self) -> Trajectory:
        """See `Motion.read`."""
        rows = np.array(self.rows)
        try:
            return Trajectory(rows[:, 0], rows[:, 4:], rows[:, 1:4])
        except SourceError as error:
            raise SourceError(error.message, where=self.files[-1], cure=error.cure or _AGAIN) from error


def _read(path: Path, name: TableName) -> Iterator[Row]:
    """Rows of a table, one by one, with the columns that are read; tokens and names are text."""
    keys = KEYS[name]
    with unreadable_as(SourceError, "cannot read a table", where=path, cure=_AGAIN, errors=_BROKEN):
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"a table of more than {MAX_BYTES:,} bytes", where=path, cure=_AGAIN)
        for row in _objects(path):
            if not _is_row(row, keys):
                raise SourceError(f"expected a list of rows with {', '.join(keys)}", where=path, cure=_AGAIN)
            yield {key: row[key] for key in (*keys, *TOLD) if key in row}


def _objects(path: Path) -> Iterator[Row]:
    """The objects of a JSON list, one after the other: of a table of a gigabyte a few are in memory.

    Raises:
        ValueError: no such list, one that is cut, or an object longer than any row.
    """
    decode, text, place = json.JSONDecoder().raw_decode, "", 0
    before, end = _OPENED, _EMPTY
    with path.open(encoding="utf-8-sig") as file:
        while True:
            try:
                found = before.match(text, place)
                if found is None:
                    raise ValueError
                row, place = decode(text, found.end())
            except ValueError:  # perhaps the rest of the row stands in what is not read yet
                more = file.read(CHUNK) if len(text) - place <= CHUNK else ""
                if not more:
                    break
                text, place = text[place:] + more, 0
                continue
            yield row
            before, end = _FOLLOWED, _CLOSED
    if end.fullmatch(text, place) is None:
        raise ValueError("expected a list of rows, found something else, or its beginning alone")


def _is_row(row: Row, keys: Sequence[str]) -> bool:
    return all(key in row and (key in _NUMBERS or isinstance(row[key], str)) for key in keys)


def _inside(name: str, where: Path) -> str:
    """A file's name that stays below the root."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise SourceError(f"not a file below the root: {name[:80]!r}", where=where, cure=_AGAIN)
    return path.as_posix()


def _whole(value: Any, where: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= FURTHEST:
        raise SourceError(
            f"timestamps are whole microseconds, found {str(value)[:40]}", where=where, cure=_AGAIN
        )
    return int(value)


def _pose(row: Row, where: Path) -> tuple[float, ...]:
    """Place, and rotation with its scalar last: the table has it first."""
    place, rotation = row["translation"], row["rotation"]
    if not (_are_numbers(place, 3) and _are_numbers(rotation, 4)):
        raise SourceError(
            f"row {row['token']} should have a translation of 3 numbers and a rotation of 4",
            where=where,
            cure=_AGAIN,
        )
    w, x, y, z = map(float, rotation)
    return (*map(float, place), x, y, z, w)


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, Sequence)
        and len(values) == count
        and all(isinstance(value, int | float) and abs(value) < FURTHEST for value in values)
    )
