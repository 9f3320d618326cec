"""Drawn pictures as a video of a camera: its sensor's noise, and H.264 that is the same wherever it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from rushes.media.geometry import Size
from rushes.stages import atomic_file


class Sensor:
    """Noise of a camera: a tile of grey-level offsets, laid elsewhere on every frame.

    Args:
        rng: of the tile and of its places.
        size: (width, height) of the pictures.
        deviation: of the noise, grey levels.
        most: largest offset; pictures leave room for it at both ends.
    """

    def __init__(self, rng: np.random.Generator, size: Size, deviation: float, most: int) -> None:
        self._rng, self._size = rng, size
        tile = rng.normal(0.0, deviation, (size[1] + 64, size[0] + 64))
        self._tile = np.clip(np.rint(tile), -most, most).astype(np.int8).view(np.uint8)

    def offsets(self) -> np.ndarray:
        """Offsets modulo 256, ``uint8 (height, width)``, of the next frame."""
        (width, height), (x, y) = self._size, self._rng.integers(0, 64, 2)
        return self._tile[y : y + height, x : x + width]


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    size: Size,
    fps: int,
    options: Mapping[str, str],
    see: Callable[[int, np.ndarray], None],
) -> None:
    """Encode pictures as H.264 at an even rate, whole or not at all.

    Args:
        path: where to; an MP4.
        pictures: RGB or RGBA, ``uint8 (height, width, 3 or 4)``.
        size: (width, height), even.
        fps: frames a second.
        options: of libx264, beside its fastest preset and one thread.
        see: told the number of each picture and its luma ``uint8 (height, width)``, which it changes in place.
    """
    width, height = size
    reformatter = VideoReformatter()  # one, with one thread: a frame's own would start a pool for each frame
    options = {"preset": "ultrafast", "threads": "1", **options}
    with atomic_file(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(pictures):
            drawn = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.shape[2] == 3 else "rgba")
            frame = reformatter.reformat(drawn, format="yuv420p", threads=1)
            luma = frame.planes[0]
            see(number, np.asarray(memoryview(luma)).reshape(-1, luma.line_size)[:height, :width])
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
