"""Ways to damage a dataset in the real layout, and what must come of each."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq

from rushes.tasks.driving.twin.script import REFERENCE

OTHER = "camera_rear_left_70fov"
REFUSED, SKIPPED, FEWER, RIGHT = "refused", "skipped", "fewer", "right"

Damage = Callable[[Path, str], None]
"""Given the root and the clip."""


@dataclass(frozen=True, slots=True)
class Case:
    """A damage to one clip.

    Attributes:
        name: what is wrong.
        expected: ``refused`` (in quarantine, with reason and place), ``skipped`` (counted as absent),
            ``fewer`` (windows that are not covered are counted, the others as if nothing were), or ``right``
            (other footage, whose every picture and time is shown to be right).
        damage: does it.
        whole_chunk: the damage is of an archive, so the chunk's other clips may be set aside as well.
    """

    name: str
    expected: str
    damage: Damage
    whole_chunk: bool = False


# --- archives and tables ---------------------------------------------------------------------------------


def archive(root: Path, feature: str) -> Path:
    """The first chunk's archive of a camera or of the poses."""
    folder = root / "labels" if feature == "egomotion" else root / "camera"
    return folder / feature / f"{feature}.chunk_0000.zip"


def repack(path: Path, edits: Mapping[str, Callable[[bytes], bytes | None]]) -> None:
    """Write an archive again, with right checksums; a member that becomes None is left out."""
    with zipfile.ZipFile(path) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    if missing := set(edits) - set(contents):
        raise RuntimeError(f"{path} has no {missing}")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as opened:
        for name, content in contents.items():
            changed = edits[name](content) if name in edits else content
            if changed is not None:
                opened.writestr(name, changed)


def video_of(clip: str, camera: str = OTHER) -> str:
    return f"{clip}.{camera}.mp4"


def times_of(clip: str, camera: str = OTHER) -> str:
    return f"{clip}.{camera}.timestamps.parquet"


def in_camera(name: Callable[[str], str], edit: Callable[[bytes], bytes | None]) -> Damage:
    return lambda root, clip: repack(archive(root, OTHER), {name(clip): edit})


def in_table(edit: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[[bytes], bytes]:
    """Change a parquet file's columns."""

    def changed(content: bytes) -> bytes:
        table = pq.read_table(io.BytesIO(content))
        columns = {name: table[name].to_numpy().copy() for name in table.column_names}
        sink = io.BytesIO()
        pq.write_table(table.schema.empty_table().from_pydict(edit(columns)), sink)
        return sink.getvalue()

    return changed


def in_poses(edit: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Damage:
    return lambda root, clip: repack(
        archive(root, "egomotion"), {f"{clip}.egomotion.parquet": in_table(edit)}
    )


def with_value(column: str, row: int, value: float) -> Callable[[dict], dict]:
    def changed(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns[column][row] = value
        return columns

    return changed


def rows(keep: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict], dict]:
    """Keep the rows whose timestamps ``keep`` chooses, by number."""
    return lambda columns: {name: values[keep(columns["timestamp"])] for name, values in columns.items()}


# --- bytes where they lie --------------------------------------------------------------------------------


def spoil_member(feature: str, name: Callable[[str], str], share: float) -> Damage:
    """Overwrite some bytes inside of a member; the archive keeps its checksum."""

    def damage(root: Path, clip: str) -> None:
        path = archive(root, feature)
        with zipfile.ZipFile(path) as opened:
            info = opened.getinfo(name(clip))
        data = bytearray(path.read_bytes())
        start = info.header_offset + 30 + len(info.filename) + int(share * info.file_size)
        for place in range(start, start + 8):
            data[place] ^= 0xFF
        path.write_bytes(data)

    return damage


def truncate(root: Path, clip: str) -> None:
    path = archive(root, OTHER)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_crc_in_directory(root: Path, clip: str) -> None:
    path, name = archive(root, OTHER), video_of(clip).encode()
    data = bytearray(path.read_bytes())
    entry = data.rindex(name) - 46  # the directory stands behind the members
    assert data[entry : entry + 4] == b"PK\x01\x02"
    (crc,) = struct.unpack_from("<I", data, entry + 16)
    struct.pack_into("<I", data, entry + 16, crc ^ 0x10)
    path.write_bytes(data)


def deflate(root: Path, clip: str) -> None:
    path = archive(root, OTHER)
    with zipfile.ZipFile(path) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in contents.items():
            opened.writestr(name, content)


def lose_archive(root: Path, clip: str) -> None:
    archive(root, OTHER).unlink()


def flip_anywhere(root: Path, rng: random.Random) -> str:
    """Change one to four random bytes of one random archive; says which."""
    path = rng.choice(sorted(root.rglob("*.zip")))
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 4))):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    path.write_bytes(data)
    return path.name


# --- videos ----------------------------------------------------------------------------------------------


def bad_header(content: bytes) -> bytes:
    """The sizes of all frames are nonsense."""
    data = bytearray(content)
    place = data.index(b"stsz") + 4
    data[place + 8 : place + 200] = b"\x7f" * 192
    return bytes(data)


def drawn(frames: int, *, uneven: bool = False, b_frames: int = 0, lost: range = range(0)) -> bytes:
    """A video whose frames all differ: noise that drifts, 192x112; ``lost`` frames were never taken."""
    rng = np.random.default_rng(frames)
    wide = np.kron(rng.integers(16, 235, (14, 24 + frames)), np.ones((8, 8))).astype(np.uint8)
    sink, pts = io.BytesIO(), 0
    with av.open(sink, "w", format="mp4") as container:
        options = {"bf": str(b_frames), "g": "30", "crf": "18", "threads": "1"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 112, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        for number in range(frames):
            pts += int(rng.integers(900, 5100)) if uneven else 3000
            if number in lost:
                continue
            grey = np.ascontiguousarray(wide[:, 8 * number : 8 * number + 192])
            frame = av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = pts, Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def other_video(lost: range = range(0), **how: object) -> Damage:
    """Put a drawn video into the archive, with as many frames as the clip's table has rows."""

    def damage(root: Path, clip: str) -> None:
        path = archive(root, OTHER)
        with zipfile.ZipFile(path) as opened:
            count = pq.read_metadata(io.BytesIO(opened.read(times_of(clip)))).num_rows
        edits = {video_of(clip): lambda _: drawn(count, lost=lost, **how)}
        if lost:
            kept = np.setdiff1d(np.arange(count), lost)
            edits[times_of(clip)] = in_table(rows(lambda _: kept))
        repack(path, edits)

    return damage


CASES = (
    Case("the archive is cut in the middle", REFUSED, truncate, whole_chunk=True),
    Case("another CRC in the zip directory", REFUSED, other_crc_in_directory, whole_chunk=True),
    Case("compressed members", REFUSED, deflate, whole_chunk=True),
    Case("the camera's archive is missing", SKIPPED, lose_archive, whole_chunk=True),
    Case("bytes of a video flipped", REFUSED, spoil_member(OTHER, video_of, 0.6)),
    Case("bytes of timestamps flipped", REFUSED, spoil_member(OTHER, times_of, 0.4)),
    Case(
        "bytes of egomotion flipped",
        REFUSED,
        spoil_member("egomotion", lambda clip: f"{clip}.egomotion.parquet", 0.3),
    ),
    Case("mp4 header broken, CRC right", REFUSED, in_camera(video_of, bad_header)),
    Case("mp4 cut, CRC right", REFUSED, in_camera(video_of, lambda content: content[: len(content) // 2])),
    Case("mp4 of no bytes, CRC right", REFUSED, in_camera(video_of, lambda content: b"")),
    Case("noise in place of an mp4", REFUSED, in_camera(video_of, lambda content: content[::-1])),
    Case(
        "camera missing in the clip",
        SKIPPED,
        lambda root, clip: repack(
            archive(root, OTHER), {video_of(clip): lambda _: None, times_of(clip): lambda _: None}
        ),
    ),
    Case("a video without timestamps", REFUSED, in_camera(times_of, lambda _: None)),
    Case("timestamps without a video", REFUSED, in_camera(video_of, lambda _: None)),
    Case(
        "timestamps too short", REFUSED, in_camera(times_of, in_table(rows(lambda t: np.arange(len(t) - 7))))
    ),
    Case(
        "timestamps too long",
        REFUSED,
        in_camera(
            times_of,
            in_table(lambda c: {"timestamp": np.append(c["timestamp"], c["timestamp"][-1] + 33_333)}),
        ),
    ),
    Case("timestamps do not rise", REFUSED, in_camera(times_of, in_table(with_value("timestamp", 20, 0)))),
    Case(
        "timestamps of the reference do not rise",
        REFUSED,
        lambda root, clip: repack(
            archive(root, REFERENCE), {times_of(clip, REFERENCE): in_table(with_value("timestamp", 30, 0))}
        ),
    ),
    Case("no table but text", REFUSED, in_camera(times_of, lambda _: b"timestamp\n0\n33333\n")),
    Case("NaN in egomotion", REFUSED, in_poses(with_value("x", 300, np.nan))),
    Case("infinite velocity in egomotion", REFUSED, in_poses(with_value("vy", 300, np.inf))),
    Case("a quaternion of length 2", REFUSED, in_poses(with_value("qw", 300, 2.0))),
    Case("egomotion's times do not rise", REFUSED, in_poses(with_value("timestamp", 300, 0))),
    Case("rotations from the world to the vehicle", REFUSED, in_poses(lambda c: c | {"qw": -c["qw"]})),
    Case("egomotion missing", SKIPPED, lambda root, clip: _without_poses(root, clip)),
    Case("egomotion ends before the video", FEWER, in_poses(rows(lambda t: np.flatnonzero(t < 2_500_000)))),
    Case(
        "egomotion has a hole of 0.7 s",
        FEWER,
        in_poses(rows(lambda t: np.flatnonzero((t < 2_600_000) | (t > 3_300_000)))),
    ),
    Case("video at a variable rate", RIGHT, other_video(uneven=True)),
    Case("video with 3 B-frames in a row", RIGHT, other_video(b_frames=3)),
    Case("video at a variable rate, with B-frames", RIGHT, other_video(uneven=True, b_frames=2)),
    Case("a camera lost 12 frames, and tells", RIGHT, other_video(b_frames=2, lost=range(60, 72))),
)


def _without_poses(root: Path, clip: str) -> None:
    repack(archive(root, "egomotion"), {f"{clip}.egomotion.parquet": lambda _: None})
