"""Footage beside a table of labels."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

VIDEO_S = 4.0
WriteTable = Callable[..., Path]


@pytest.fixture(scope="session")
def video_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of noise, 10 frames a second."""
    path, rate = tmp_path_factory.mktemp("video") / "noise.mp4", 10
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(VIDEO_S * rate)):
            picture = rng.integers(0, 255, (48, 64), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture
def write_table(tmp_path: Path, video_bytes: bytes) -> WriteTable:
    """Write videos of `VIDEO_S` and files of text below a root; gives the root."""

    def write(*videos: str, folder: str = "footage", **texts: str) -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for number, name in enumerate(videos):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(video_bytes + number.to_bytes(2, "big"))  # no two are copies
        for name, text in texts.items():
            (root / f"{name}.csv").write_text(text, encoding="utf-8")
        return root

    return write
