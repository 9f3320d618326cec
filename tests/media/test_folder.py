from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.errors import MediaError
from rushes.media.folder import frame_unix_ms
from rushes.media.limits import Limits
from rushes.media.video import decode, probe
from rushes.records import Media

SAMPLE = Path("openpack-sample/U0209/kinect/color-masked/frames/S0500")


@pytest.fixture
def folder(tmp_path: Path, write_frame: Callable, picture: Callable) -> Path:
    """Five frames over two nested folders, 66/67 ms apart with one gap; other files among them."""
    stamps = ("142559_800", "142559_866", "142559_933", "142600_000", "142600_500")
    for index, stamp in enumerate(stamps):
        write_frame(tmp_path, f"20220329_{stamp}", picture(index))
    (tmp_path / "README.txt").write_text("not a frame")
    (tmp_path / "2022" / ".hidden.jpg").write_text("not a frame")
    return tmp_path


def frames(root: Path) -> Media:
    return Media("frames", root)


def test_names_are_japanese_time_with_milliseconds() -> None:
    assert frame_unix_ms(Path("20220329_142522_000.jpg")) == 1648531522000
    assert frame_unix_ms(Path("20220329_142522_030.JPG")) == 1648531522030
    assert frame_unix_ms(Path("20220301_000000_001.jpeg")) == 1646060400001  # still February in UTC


def test_times_come_from_names_across_folders(folder: Path) -> None:
    times = [frame.time_s for frame in decode(frames(folder))]
    assert times == [0.0, 0.066, 0.133, 0.2, 0.7]


def test_probe_counts_the_frames_and_measures_them(folder: Path) -> None:
    info = probe(frames(folder))
    assert info.frame_count == 5
    assert info.duration_s == pytest.approx(0.7 + 0.067)


def test_pictures_are_those_of_the_files(folder: Path) -> None:
    for frame, path in zip(decode(frames(folder)), sorted(folder.rglob("2*.jpg")), strict=True):
        stored = np.asarray(Image.open(path)).astype(int)
        answered = np.asarray(Image.open(io.BytesIO(frame.jpeg((128, 96), 95)))).astype(int)
        assert np.abs(stored - answered).mean() < 6  # chroma at half resolution, twice
        grey = np.asarray(Image.open(path).convert("L")).astype(int)
        assert np.abs(grey - frame.luma((128, 96))).mean() < 0.5
        assert (frame.luma((16, 12)) == frame.luma((128, 96))[4::8, 4::8]).all()


@pytest.mark.parametrize(
    "name",
    ["frame_0001.jpg", "20220329_142522_000000.jpg", "20221329_142522_000.jpg", "20220329_256000_000.jpg"],
)
def test_an_unreadable_name_is_named(folder: Path, name: str) -> None:
    (folder / "2022" / name).write_bytes(b"")
    with pytest.raises(MediaError, match=name):
        next(decode(frames(folder)))


def test_two_frames_of_one_time_are_refused(folder: Path, write_frame: Callable, picture: Callable) -> None:
    write_frame(folder / "copy", "20220329_142559_866", picture(0))
    with pytest.raises(MediaError, match=r"same time: 20220329_142559_866\.jpg"):
        next(decode(frames(folder)))


def test_missing_empty_and_unreadable_folders(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such folder"):
        next(decode(frames(tmp_path / "none")))
    with pytest.raises(MediaError, match=r"without a single \.jpg"):
        next(decode(frames(tmp_path)))


def test_a_cut_frame_is_an_error_with_its_file(folder: Path) -> None:
    path = sorted(folder.rglob("2*.jpg"))[2]
    path.write_bytes(path.read_bytes()[:-300])
    decoded = decode(frames(folder))
    next(decoded).luma((16, 12))
    next(decoded).luma((16, 12))
    with pytest.raises(MediaError, match=path.name):
        next(decoded).luma((16, 12))
    path.write_bytes(b"")
    with pytest.raises(MediaError, match=path.name):
        list(decode(frames(folder)))


def test_a_folder_in_the_place_of_a_frame_is_told(folder: Path) -> None:
    path = sorted(folder.rglob("2*.jpg"))[2]
    path.unlink()
    path.mkdir()
    for read in (lambda: probe(frames(folder)), lambda: list(decode(frames(folder)))):
        with pytest.raises(MediaError, match="a folder in the place of a frame") as caught:
            read()
        assert caught.value.where == str(path)


def test_a_change_of_size_is_refused(folder: Path, write_frame: Callable, picture: Callable) -> None:
    write_frame(folder, "20220329_142601_000", picture(0, 64, 48))
    with pytest.raises(MediaError, match="began with 128x96, found 64x48"):
        list(decode(frames(folder)))


@pytest.mark.parametrize(
    ("limits", "figure"),
    [
        (Limits(max_frames=4), "frames: at most 4 accepted, found 5"),
        (Limits(max_duration_s=0.6), "duration s: at most 0.6 accepted, found 0.7"),
        (Limits(max_pixels=100 * 96), "pixels: at most 9,600 accepted, found 12,288"),
        (Limits(max_decoded_bytes=128 * 96 * 3), "decoded bytes: at most 36,864"),
    ],
)
def test_limits(folder: Path, limits: Limits, figure: str) -> None:
    with pytest.raises(MediaError, match=figure):
        list(decode(frames(folder), limits))


def test_real_kinect_frames(samples: Path) -> None:
    media = frames(samples / SAMPLE)
    assert probe(media).frame_count == 15
    times, planes = [], []
    for frame in decode(media):
        times.append(frame.time_s)
        planes.append(frame.luma((160, 90)))
        assert (frame.width, frame.height) == (1280, 720)
        assert Image.open(io.BytesIO(frame.jpeg((336, 336)))).size == (336, 336)
    assert times[-1] == 0.933
    assert {round(1000 * (later - earlier)) for earlier, later in pairwise(times)} == {66, 67}
    assert {plane.shape for plane in planes} == {(90, 160)}
    assert len({plane.tobytes() for plane in planes}) == 15
