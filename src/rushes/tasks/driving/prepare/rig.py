"""The cameras of a rig, decoded side by side, a moment at a time, and what a window of them shows.

Which frames are wanted is known before anything is decoded, so every camera is read once, linearly, and only wanted
frames are scaled. Nothing here knows how the vehicle moved.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.media.frame import CompactFrame
from rushes.media.geometry import Letterbox
from rushes.media.grid import encode_tiles
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.media.signals import Signals
from rushes.media.video import decode
from rushes.tasks.driving.prepare.plan import require_times
from rushes.tasks.driving.prepare.windows import Moments
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.recording import Video


@dataclass(frozen=True, slots=True)
class Shown:
    """A moment as it will be stored.

    Attributes:
        moment: its number.
        jpegs: suffix of the member's name -> picture.
        signals: (cameras, 2) entropy and motion.
        boxes: camera -> where its picture stands in its tile.
    """

    moment: int
    jpegs: Mapping[str, bytes]
    signals: np.ndarray
    boxes: Mapping[str, Letterbox]


class Cameras:
    """The cameras of one clip.

    Args:
        videos: camera -> its video.
        times_of: camera -> (n,) times of its frames.
        moments: of the clip.
        preprocessing: what is shown of them.
        limits: of each video.

    Attributes:
        encoded: pictures so far.
    """

    def __init__(
        self,
        videos: Mapping[str, Video],
        times_of: Mapping[str, np.ndarray],
        moments: Moments,
        preprocessing: RigPreprocessing,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.encoded = 0
        self._videos, self._moments, self._preprocessing = videos, moments, preprocessing
        self._counts = {camera: len(times_s) for camera, times_s in times_of.items()}
        self._limits = limits

    def shown(self, wanted: Sequence[int]) -> Iterator[Shown]:
        """The wanted moments in order; every camera is decoded to its end, and its frames counted.

        Raises:
            MediaError: a video cannot be read as a whole, or has not as many frames as times.
        """
        streams = {
            camera: self._pictures(camera, self._moments.numbers[camera][wanted]) for camera in self._videos
        }
        for moment in wanted:
            tiles, signals = zip(*(next(stream) for stream in streams.values()), strict=True)
            by_camera = dict(zip(streams, tiles, strict=True))
            boxes = {camera: tile.box for camera, tile in by_camera.items()}
            yield Shown(moment, self._encode(by_camera), np.array(signals), boxes)
        for stream in streams.values():
            for _ in stream:
                raise AssertionError("a camera gave more pictures than were asked for")

    def _pictures(
        self, camera: str, numbers: np.ndarray
    ) -> Iterator[tuple[CompactFrame, tuple[float, float]]]:
        """Frames with these numbers, at the size of a tile, with entropy and motion."""
        preprocessing, member = self._preprocessing, self._videos[camera]
        signals, count, wanted = Signals(), 0, iter(numbers)
        number = next(wanted)
        for frame in decode(member, self._limits):
            signal = signals.update(frame.luma(preprocessing.signal_size))
            if count == number:
                compact = frame.compact(preprocessing.tile_size)
                while count == number:  # a slow camera's frame can be the nearest to two moments
                    yield compact, signal
                    number = next(wanted, -1)
            count += 1
        require_times(camera, count, self._counts[camera], member)

    def _encode(self, tiles: Mapping[str, CompactFrame]) -> dict[str, bytes]:
        preprocessing = self._preprocessing
        if preprocessing.layout == "separate":
            self.encoded += len(tiles)
            return {f"_{camera}": tile.jpeg(preprocessing.jpeg_quality) for camera, tile in tiles.items()}
        self.encoded += 1
        placed = {preprocessing.setup.place(camera): tile for camera, tile in tiles.items()}
        return {
            "": encode_tiles(
                placed, preprocessing.setup.grid, preprocessing.tile_size, preprocessing.jpeg_quality
            )
        }


def meta_of(
    window: range, moments: Moments, preprocessing: RigPreprocessing, boxes: Mapping[str, Letterbox]
) -> dict[str, Any]:
    """When and how the cameras show a window; times since its first frame unless said otherwise.

    Args:
        window: numbers of its moments.
        moments: of the clip.
        preprocessing: what is shown of them.
        boxes: of its first moment, see `Shown`.
    """
    chosen = slice(window.start, window.stop)
    start_s = float(moments.times_s[window.start])
    since_s = moments.times_s[chosen] - start_s
    cameras = {}
    for camera, box in boxes.items():
        offsets_s = moments.offsets_s[camera][chosen]
        cameras[camera] = {
            "times_s": (since_s + offsets_s).tolist(),
            "dt_s": offsets_s.tolist(),
            "place": preprocessing.setup.place(camera),
            "source_size": box.source,
            "scale": box.scale,
            "offset": (box.left, box.top),
        }
    return {
        "setup": preprocessing.setup.name,
        "layout": preprocessing.layout,
        "order": preprocessing.setup.cameras,  # of pictures and signals
        "window_start_s": start_s,  # this and the next: the clip's clock
        "window_end_s": start_s + preprocessing.frames / preprocessing.rate_hz,
        "frame_times_s": since_s.tolist(),
        "cameras": cameras,
    }


def pictures_of(shown: Sequence[Shown]) -> dict[str, bytes]:
    """The members of a window that hold its pictures."""
    return {
        f"frame_{place:02d}{suffix}.jpg": data
        for place, one in enumerate(shown)
        for suffix, data in one.jpegs.items()
    }


def signals_of(since_s: np.ndarray, shown: Sequence[Shown]) -> bytes:
    """The member of a window that holds entropy and motion of each camera, beside the times (frames,)."""
    table = np.concatenate([since_s[:, None], np.stack([one.signals.ravel() for one in shown])], axis=1)
    signals = io.BytesIO()
    np.save(signals, table.astype(np.float32), allow_pickle=False)
    return signals.getvalue()
