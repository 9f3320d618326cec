"""A sample of the driving task, between the bytes of a shard and the record that train and predict use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rushes.contract.driving import QUANTITIES
from rushes.errors import ShardError
from rushes.media.image import decode_jpeg

Fields = Mapping[str, bytes | memoryview]

_TRUTHS = (*QUANTITIES, "forward_m", "left_m", "path_m")


@dataclass(frozen=True, slots=True)
class Sample:
    """A window as it lies in a shard; times since its first frame.

    Attributes:
        key: unique in the dataset.
        meta: where it comes from: recording, group, place in the clip, the cameras' times and geometry.
        views: the pictures of each view, JPEG, one for each moment.
        times_s: time of each moment.
        truth: quantity -> (frames,) its value behind each moment, since the first; also ``forward_m``,
            ``left_m`` and ``path_m``.
    """

    key: str
    meta: Mapping[str, object]
    views: tuple[tuple[bytes | memoryview, ...], ...]
    times_s: tuple[float, ...]
    truth: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, key: str, fields: Fields) -> Sample:
        """Read a sample's members.

        Raises:
            ShardError: a member is missing or is not what it should be.
        """
        try:
            meta = json.loads(bytes(fields["meta.json"]))
            target = json.loads(bytes(fields["target.json"]))
            times_s = tuple(float(time) for time in meta["frame_times_s"])
            suffixes = [f"_{camera}" for camera in meta["order"]] if meta["layout"] == "separate" else [""]
            views = tuple(
                tuple(fields[f"frame_{place:02d}{suffix}.jpg"] for place in range(len(times_s)))
                for suffix in suffixes
            )
            truth = {name: np.array(target[name], np.float64) for name in _TRUTHS}
            if not times_s or any(values.shape != (len(times_s),) for values in truth.values()):
                raise ValueError(f"{len(times_s)} moments, and truths of other lengths")
            return cls(key, meta, views, times_s, truth)
        except (KeyError, TypeError, ValueError) as error:
            raise ShardError(
                f"no sample of the driving task: {error!r}",
                where=key,
                cure="run `rushes verify`, or prepare the dataset again",
            ) from error

    @property
    def frames(self) -> tuple[bytes | memoryview, ...]:
        """The pictures of the first view."""
        return self.views[0]

    def pixels(self, *chosen: int) -> list[np.ndarray]:
        """Decode all moments or the ``chosen`` ones: ``(T, H, W, 3)`` uint8 RGB of each view."""
        numbers = chosen or range(len(self.times_s))
        return [
            np.stack([decode_jpeg(frames[number], where=self.key) for number in numbers])
            for frames in self.views
        ]

    def target(self, moment: int = -1, since: int = 0) -> dict[str, float]:
        """The four quantities behind a moment, and ``start_speed_mps``, about the time since another one.

        Distances are chords in the world's x and y. From a later moment than the first they are worked out
        from ``forward_m`` and ``left_m``, which is the same on level ground and 1.5 % more on a slope of 10°.

        Args:
            moment: the last moment; the window's end by default.
            since: the first moment; the window's start by default.
        """
        last = moment % len(self.times_s)
        truth, stretch = self.truth, slice(since, last + 1)
        moved = [truth[name][last] - truth[name][since] for name in ("forward_m", "left_m")]
        turned = truth["yaw_deg"][last] - truth["yaw_deg"][since]
        return {
            "mean_speed_mps": float(truth["final_speed_mps"][stretch].mean()),
            "final_speed_mps": float(truth["final_speed_mps"][last]),
            "displacement_m": float(truth["displacement_m"][last] if since == 0 else np.hypot(*moved)),
            "yaw_deg": float(180.0 - (180.0 - turned) % 360.0),
            "start_speed_mps": float(truth["final_speed_mps"][since]),
        }
