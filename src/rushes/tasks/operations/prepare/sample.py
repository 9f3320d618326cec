"""A sample of the operations task, between the bytes of a shard and the record that train and predict use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.media.image import decode_jpeg
from rushes.recipe.frozen import FEATURES
from rushes.records import Clip, Segment, Target
from rushes.shards.member import json_member, read_array

Fields = Mapping[str, bytes | memoryview]

_TARGET = ("operation", "start_s", "end_s", "next")
_NO_TARGET = {"operation": "", "start_s": 0.0, "end_s": 0.0, "next": ""}


def target_member(clip: Clip, after: str | None) -> bytes:
    """The member ``target.json``, see `rushes.shards.member`: where nothing is labelled, the label is empty.

    Args:
        clip: its target and its segments.
        after: label of the operation that follows the last of them.
    """
    segments = [
        {"start_s": segment.start_s, "end_s": segment.end_s, "label": segment.label}
        for segment in clip.segments
    ]
    target = _NO_TARGET
    if clip.target is not None:
        target = {name: getattr(clip.target, name) for name in _TARGET} | {"next": clip.target.next or ""}
    nothing = {"start_s": 0.0, "end_s": clip.end_s - clip.start_s, "label": ""}
    return json_member({**target, "segments": segments or [nothing], "after": after or ""})


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip as it lies in a shard; all times on the clip's clock.

    Attributes:
        key: unique in the dataset.
        meta: where it comes from: recording, subject, group, kind, place in the recording.
        frames: the chosen frames, JPEG; none of a sample with features.
        times_s: true time of each frame.
        asked_s: the moment asked about.
        target: the right answer; None where the moment has none.
        segments: every labelled segment that the clip touches, cut to it.
        after: label of the operation that follows the last of them.
    """

    key: str
    meta: Mapping[str, Any]
    frames: tuple[bytes | memoryview, ...]
    times_s: tuple[float, ...]
    asked_s: float
    target: Target | None
    segments: tuple[Segment, ...]
    after: str | None

    @classmethod
    def of(cls, key: str, fields: Fields) -> Sample:
        """Read a sample's members.

        Raises:
            ShardError: a member is missing or is not what it should be.
        """
        with _readable(key):
            names = sorted(name for name in fields if name.startswith("frame_"))
            return cls(**_told(key, fields, len(names)), frames=tuple(fields[name] for name in names))

    @property
    def clip_s(self) -> float:
        """Length of the clip, to the microsecond: its ends are sums on the recording's clock."""
        return round(float(self.meta["clip_end_s"]) - float(self.meta["clip_start_s"]), 6)

    def pixels(self, *chosen: int) -> np.ndarray:
        """Decode frames, all of them or the ``chosen`` ones: ``(T, H, W, 3)`` uint8 RGB."""
        numbers = chosen or range(len(self.frames))
        return np.stack([decode_jpeg(self.frames[number], where=self.key) for number in numbers])

    def answerable(self) -> list[tuple[Segment, str]]:
        """Every segment of the clip whose successor is known, with that successor."""
        nexts = [*(segment.label for segment in self.segments[1:]), self.after]
        pairs = zip(self.segments, nexts, strict=True) if self.segments else ()
        return [(segment, follower) for segment, follower in pairs if follower is not None]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSample(Sample):
    """A clip with what a frozen encoder sees in place of its frames.

    Attributes:
        features: (T, width) float16, one row for each of ``times_s``; read-only, the shard's own memory.
    """

    features: NDArray[np.floating]

    @classmethod
    def of(cls, key: str, fields: Fields) -> FeatureSample:
        """Read a sample's members; the features are not copied.

        Raises:
            ShardError: a member is missing or is not what it should be.
        """
        with _readable(key):
            features = read_array(fields[FEATURES])
            return cls(**_told(key, fields, len(features)), frames=(), features=features)


def _told(key: str, fields: Fields, frames: int) -> dict[str, Any]:
    """What the JSON members of a sample of so many frames say."""
    meta = json.loads(str(fields["meta.json"], "utf-8"))  # of bytes, json would first guess the encoding
    answer = json.loads(str(fields["target.json"], "utf-8"))
    times_s = tuple(float(time) for time in meta["frame_times_s"])
    if not frames or frames != len(times_s):
        raise ValueError(f"{frames} frames with {len(times_s)} times")
    target = None
    if answer["operation"]:
        told = {name: answer[name] for name in _TARGET}
        target = Target(**told | {"next": told["next"] or None})
    return {
        "key": key,
        "meta": meta,
        "times_s": times_s,
        "asked_s": float(meta["asked_s"]),
        "target": target,
        "segments": tuple(Segment(**segment) for segment in answer["segments"] if segment["label"]),
        "after": answer["after"] or None,
    }


@contextmanager
def _readable(key: str) -> Iterator[None]:
    """Whatever is wrong with the members of a sample becomes one kind of error."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ShardError(
            f"no sample of the operations task: {error!r}",
            where=key,
            cure="run `rushes verify`, or prepare the dataset again",
        ) from error
