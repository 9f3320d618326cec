from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.errors import MediaError, SourceError
from rushes.media.zipped import members
from rushes.records import Member
from rushes.tasks.driving.sources.physical_ai_av import parquet as physical_ai_av_parquet
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times, read_trajectory

Archived = Callable[..., Member]


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


@pytest.fixture
def archived(tmp_path: Path) -> Archived:
    """Put a table, or bytes, into an archive; gives the member."""

    def put(content: dict[str, Any] | bytes, **options: Any) -> Member:
        data = content if isinstance(content, bytes) else parquet(content, **options)
        with zipfile.ZipFile(tmp_path / "chunk.zip", "w") as opened:
            opened.writestr("first", b"odd")
            opened.writestr("clip.parquet", data)
        return members(tmp_path / "chunk.zip")[1]

    return put


def poses(rows: int = 200) -> dict[str, np.ndarray]:
    """A quarter turn to the left within two seconds, at 5 m/s."""
    times_us = np.arange(rows) * 11_000 - 500_000
    yaw = np.pi / 4 * times_us / 1e6
    still = np.zeros(rows)
    radius = 5 / (np.pi / 4)
    return {
        "timestamp": times_us,
        **{"qx": still, "qy": still, "qz": np.sin(yaw / 2), "qw": np.cos(yaw / 2)},
        **{"x": radius * np.sin(yaw), "y": radius * (1 - np.cos(yaw)), "z": still},
        **{"vx": 5 * np.cos(yaw), "vy": 5 * np.sin(yaw), "vz": still},
        **{"ax": still, "ay": still, "az": still, "curvature": still + 1 / radius},
    }


# --- the clock of a camera ----------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_microseconds_become_seconds(archived: Archived, compression: str) -> None:
    times_us = np.array([-14_001, 0, 33_333, 33_334, 20_119_000])
    times_s = read_camera_times(archived({"timestamp": times_us}, compression=compression))
    assert times_s.dtype == np.float64
    assert times_s.tolist() == [-0.014001, 0.0, 0.033333, 0.033334, 20.119]


def test_a_column_that_counts_the_frames_must_count_them(archived: Archived) -> None:
    times_us = np.arange(5) * 33_333
    assert len(read_camera_times(archived({"timestamp": times_us, "frame_index": np.arange(5)}))) == 5
    with pytest.raises(SourceError, match="row 2: frame_index should be 2, found 3") as caught:
        read_camera_times(archived({"timestamp": times_us, "frame_index": [0, 1, 3, 4, 5]}))
    assert caught.value.where.endswith("chunk.zip/clip.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"timestamp": [0, 5, 5]}, r"row 2: times must increase, found 5 us after 5 us \(1 of 3 rows\)"),
        ({"timestamp": [0, 5, -5]}, "row 2: times must increase"),
        ({"timestamp": [9 * 10**18, -9 * 10**18]}, "row 1: times must increase"),
        ({"timestamp": [0.0, 1.0]}, "timestamp should hold whole numbers, found double"),
        ({"timestamp": [0, None, 2]}, "with 1 holes"),
        ({"timestamp": np.zeros(0, np.int64)}, "a table without a row"),
        ({"time": [0, 1]}, "no column timestamp; the table has time"),
    ],
)
def test_clocks_that_do_not_hold(archived: Archived, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_camera_times(archived(columns))
    assert caught.value.where.endswith("chunk.zip/clip.parquet")


# --- the motion ---------------------------------------------------------------------------------------------


def test_poses_and_velocities(archived: Archived) -> None:
    table = poses()
    trajectory = read_trajectory(archived(table))
    assert trajectory.times_s[0] == -0.5
    assert trajectory.velocities[:, 0] == pytest.approx(table["vx"])
    at = trajectory.at(np.array([0.0, 1.0]))
    assert at.positions[1] == pytest.approx([np.sqrt(0.5) * 20 / np.pi, (1 - np.sqrt(0.5)) * 20 / np.pi, 0])


def test_single_precision_will_do(archived: Archived) -> None:
    table = {name: v if name == "timestamp" else v.astype(np.float32) for name, v in poses().items()}
    trajectory = read_trajectory(archived(table))
    assert trajectory.positions.dtype == np.float64
    assert np.abs(trajectory.positions[:, 0] - poses()["x"]).max() < 1e-5


def test_the_offline_table_has_no_velocities(archived: Archived) -> None:
    table = {name: values for name, values in poses().items() if name not in ("vx", "vy", "vz", "ax")}
    trajectory = read_trajectory(archived(table))
    assert trajectory.velocities is None
    speed = np.linalg.norm(trajectory.at(np.array([0.0, 0.5])).velocities, axis=1)
    assert speed == pytest.approx([5, 5], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("x", 17, np.nan, "row 17: positions not finite"),
        ("vy", 18, np.inf, "row 18: velocities not finite"),
        ("qw", 3, np.nan, "row 3: rotations not finite"),
        ("qz", 150, 2.0, "row 150: a quaternion of another length than 1"),
        ("timestamp", 10, -401_000, "row 10: times must increase, found -401000 us after -401000 us"),
    ],
)
def test_poses_that_do_not_hold(archived: Archived, name: str, row: int, value: float, message: str) -> None:
    table = poses()
    table[name][row] = value
    with pytest.raises(SourceError, match=message) as caught:
        read_trajectory(archived(table))
    assert caught.value.where.endswith("chunk.zip/clip.parquet")
    assert "leave the clip out" in caught.value.cure


def test_a_hole_in_a_column_is_no_number(archived: Archived) -> None:
    table = poses() | {"y": pa.array([None if row == 40 else 0.0 for row in range(200)])}
    with pytest.raises(SourceError, match="row 40: positions not finite"):
        read_trajectory(archived(table))


def test_columns_that_are_missing_or_of_another_kind(archived: Archived) -> None:
    with pytest.raises(SourceError, match="no column qw, z; the table has"):
        read_trajectory(archived({name: v for name, v in poses().items() if name not in ("qw", "z")}))
    with pytest.raises(SourceError, match="column x should hold numbers, found string"):
        read_trajectory(archived(poses() | {"x": ["1.0"] * 200}))
    with pytest.raises(SourceError, match="at least 2 poses, found 1"):
        read_trajectory(archived({name: values[:1] for name, values in poses().items()}))


# --- members that are damaged or too large ------------------------------------------------------------------


def test_a_flipped_byte_is_found_before_it_is_read(archived: Archived) -> None:
    member = archived(poses())
    data = bytearray(member.archive.read_bytes())
    data[member.offset + 700] ^= 1
    member.archive.write_bytes(data)
    for read in (read_camera_times, read_trajectory):
        with pytest.raises(MediaError, match="CRC32"):
            read(member)


def test_what_is_no_parquet_whatever_its_checksum_says(archived: Archived) -> None:
    whole = parquet(poses())
    noise = np.random.default_rng(0)
    for data in (b"", b"PAR1", whole[:-9], whole[: len(whole) // 2], b"PAR1" + bytes(500) + b"PAR1"):
        with pytest.raises(SourceError, match="cannot read it as parquet"):
            read_trajectory(archived(data))
    for _ in range(60):
        damaged = bytearray(whole)
        for at in noise.integers(0, len(whole), 8):
            damaged[at] ^= 1 << int(noise.integers(8))
        with suppress(SourceError):  # or it holds: a changed value may be a value
            read_trajectory(archived(bytes(damaged)))


def test_a_table_of_too_many_rows_is_not_read(archived: Archived) -> None:
    """A million equal numbers are a few hundred bytes as a file."""
    rows = physical_ai_av_parquet.MAX_MEMBER_ROWS + 1
    member = archived({"timestamp": np.zeros(rows, np.int64)})
    assert member.size < 20_000
    with pytest.raises(SourceError, match="at most 1,000,000 rows is read, found 1,000,001"):
        read_camera_times(member)


def test_a_member_of_too_many_bytes_is_not_read(archived: Archived) -> None:
    member = archived(bytes(physical_ai_av_parquet.MAX_MEMBER_BYTES + 1))
    with pytest.raises(SourceError, match="at most 67,108,864 bytes is read"):
        read_camera_times(member)


def test_what_the_machine_refuses_is_no_damage(
    archived: Archived, tmp_path: Path, no_file_opens: Callable
) -> None:
    member, table = archived(poses()), tmp_path / "table.parquet"
    table.write_bytes(parquet({"clip_id": ["a"]}))
    read_trajectory(member)  # so that every module is loaded
    for refused in (
        lambda: read_trajectory(member),
        lambda: physical_ai_av_parquet.read_table(table, ("clip_id",)),
    ):
        with pytest.raises(OSError, match="Too many open files"), no_file_opens():
            refused()
