"""Small videos and frame folders, written at test time by PyAV."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rushes.media.image import encode_jpeg

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data"


def picture(index: int, width: int = 128, height: int = 96) -> np.ndarray:
    """A textured background that slides and a box that moves: every frame differs from every other."""
    tiles = np.random.default_rng(1).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    frame = np.roll(tiles.repeat(8, 0).repeat(8, 1), 3 * index, axis=1)
    left = 2 * index % (width - 30)
    frame[20:50, left : left + 30] = (255, 0, 5 * index % 256)
    return frame


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    pts: list[int] | None = None,
    time_base: Fraction | None = None,
) -> Path:
    """Encode ``pictures``, uint8 (h, w, 3); with ``pts`` (units of ``time_base``) on that clock."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        if time_base is not None:
            stream.codec_context.time_base = time_base
        for index, rgb in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[index], time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if codec == "libsvtav1":  # which puts the calling thread of root in the real-time class, for good
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def write_frame(root: Path, stamp: str, rgb: np.ndarray, quality: int = 90) -> Path:
    """Write one frame of a folder tree as OpenPack does; ``stamp`` is ``YYYYmmdd_HHMMSS_mmm``."""
    folder = root / stamp[:4] / stamp[4:6] / stamp[6:8] / stamp[9:11] / stamp[11:13]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stamp}.jpg"
    path.write_bytes(encode_jpeg(rgb, quality))
    return path


@pytest.fixture(name="picture", scope="session")
def picture_fixture() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture(name="write_video", scope="session")
def write_video_fixture() -> Callable[..., Path]:
    return write_video


@pytest.fixture(name="write_frame", scope="session")
def write_frame_fixture() -> Callable[..., Path]:
    return write_frame


@pytest.fixture(scope="session")
def b_frame_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames, H.264 in mp4, two B-frames, key frame every 12."""
    path = tmp_path_factory.mktemp("video") / "b.mp4"
    return write_video(path, map(picture, range(40)), options={"bf": "2", "g": "12"})


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real recordings beside the checkout."""
    if not SAMPLES.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SAMPLES
