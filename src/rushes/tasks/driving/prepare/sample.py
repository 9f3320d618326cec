"""A sample of the driving task, between the bytes of a shard and the record that train and predict use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.errors import ShardError
from rushes.media.image import decode_jpeg
from rushes.tasks.driving.preprocessing import QUANTITIES

Fields = Mapping[str, bytes | memoryview]

_TRUTHS = (*QUANTITIES, "forward_m", "left_m", "path_m")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a window shows; times since its first frame.

    Attributes:
        key: unique in the dataset.
        meta: where it comes from: recording, group, place in the clip, the cameras' times and geometry.
        views: the pictures of each view, JPEG, one for each moment.
        times_s: time of each moment.
    """

    key: str
    meta: Mapping[str, Any]
    views: tuple[tuple[bytes | memoryview, ...], ...]
    times_s: tuple[float, ...]

    def pixels(self, *chosen: int) -> list[np.ndarray]:
        """Decode all moments or the ``chosen`` ones: ``(T, H, W, 3)`` uint8 RGB of each view."""
        numbers = chosen or range(len(self.times_s))
        return [
            np.stack([decode_jpeg(frames[number], where=self.key) for number in numbers])
            for frames in self.views
        ]


def seen_of(key: str, fields: Fields) -> Seen:
    """Read the members of a window that the model sees.

    Raises:
        ShardError: a member is missing or is not what it should be.
    """
    try:
        meta = json.loads(bytes(fields["meta.json"]))
        times_s = tuple(float(time) for time in meta["frame_times_s"])
        suffixes = [f"_{camera}" for camera in meta["order"]] if meta["layout"] == "separate" else [""]
        views = tuple(
            tuple(fields[f"frame_{place:02d}{suffix}.jpg"] for place in range(len(times_s)))
            for suffix in suffixes
        )
        if not times_s:
            raise ValueError("no moment")
        return Seen(key, meta, views, times_s)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_sample(key, error) from error


@dataclass(frozen=True, slots=True)
class Sample(Seen):
    """A window as it lies in a shard.

    Attributes:
        truth: quantity -> (frames,) its value behind each moment, since the first; also ``forward_m``,
            ``left_m`` and ``path_m``.
    """

    truth: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, key: str, fields: Fields) -> Sample:
        """Read a sample's members.

        Raises:
            ShardError: a member is missing or is not what it should be.
        """
        seen = seen_of(key, fields)
        try:
            target = json.loads(bytes(fields["target.json"]))
            truth = {name: np.array(target[name], np.float64) for name in _TRUTHS}
            if any(values.shape != (len(seen.times_s),) for values in truth.values()):
                raise ValueError(f"{len(seen.times_s)} moments, and truths of other lengths")
        except (KeyError, TypeError, ValueError) as error:
            raise _no_sample(key, error) from error
        return cls(key, seen.meta, seen.views, seen.times_s, truth)

    def target(self, moments: Sequence[int] | None = None, tempo: float = 1.0) -> dict[str, float]:
        """The four quantities over some moments, and ``start_speed_mps``.

        Args:
            moments: numbers of moments in order; the whole window without it.
            tempo: how many times faster the moments are shown than they were taken: that many times faster
                the vehicle goes.
        """
        chosen = list(moments) if moments is not None else list(range(len(self.times_s)))
        first, last = chosen[0], chosen[-1]
        truth, speeds = self.truth, self.truth["final_speed_mps"][chosen] * tempo
        moved = [truth[name][last] - truth[name][first] for name in ("forward_m", "left_m")]
        turned = truth["yaw_deg"][last] - truth["yaw_deg"][first]
        return {
            "mean_speed_mps": float(speeds.mean()),
            "final_speed_mps": float(speeds[-1]),
            "displacement_m": float(truth["displacement_m"][last] if first == 0 else np.hypot(*moved)),
            "yaw_deg": float(180.0 - (180.0 - turned) % 360.0),
            "start_speed_mps": float(speeds[0]),
        }


def _no_sample(key: str, error: Exception) -> ShardError:
    return ShardError(
        f"no sample of the driving task: {error!r}",
        where=key,
        cure="run `rushes verify`, or prepare the dataset again",
    )
