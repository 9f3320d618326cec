"""A sample of the sounds task, between the bytes of a shard and what train and predict use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes.errors import ShardError
from rushes.records import SoundRecording
from rushes.shards.member import array_member, json_member, read_array
from rushes.shards.read import ShardDataset

Fields = Mapping[str, bytes | memoryview]

FEATURES, META = "logmel.npy", "meta.json"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A sound as it lies in a shard.

    Attributes:
        key: unique in the dataset; the recording's.
        group: what a split does not cut through: the wearer, the speaker, the take; empty where nobody said.
        label: its class.
        features: (mels, frames) float32 or float16, dB; read-only, the shard's own memory.
    """

    key: str
    group: str
    label: str
    features: np.ndarray

    @classmethod
    def of(cls, key: str, fields: Fields) -> Sample:
        """Read a sample's members; the features are not copied.

        Raises:
            ShardError: a member is missing or is not what it should be.
        """
        try:
            meta = json.loads(str(fields[META], "utf-8"))  # of bytes, json would first guess the encoding
            return cls(key, meta["group"], meta["label"], read_array(fields[FEATURES]))
        except (KeyError, TypeError, ValueError) as error:
            raise _no_sample(key, error) from error


def fields_of(
    recording: SoundRecording,
    features: np.ndarray,
    length_s: float,
    *,
    of: str | None = None,
    start_s: float = 0.0,
) -> dict[str, bytes]:
    """The members of a sound, or of a window of one.

    Args:
        recording: where it comes from.
        features: (mels, frames) float32 or float16, dB.
        length_s: of the whole sound, before it was cut or filled; of a window its own.
        of: key of the recording that it is a window of; None of a whole sound.
        start_s: where the window starts in it.
    """
    meta = {
        "recording": of or recording.key,
        "group": recording.group,
        "label": recording.label,
        "length_s": length_s or 0.0,
    }
    if of is not None:
        meta["start_s"] = start_s
    return {FEATURES: array_member(features), META: json_member(meta)}


def metas(dataset: ShardDataset) -> Iterator[dict[str, Any]]:
    """``recording``, ``group``, ``label`` and ``length_s`` of all samples in order; of windows also ``start_s``.

    Raises:
        ShardError: a member is missing or is not what it should be.
    """
    for number in range(len(dataset)):
        try:
            meta = json.loads(str(dataset.sample(number)[META], "utf-8"))
            if not meta.keys() >= {"group", "label", "length_s"}:
                raise ValueError(f"a meta of {', '.join(meta)}")
        except (KeyError, AttributeError, ValueError) as error:
            raise _no_sample(dataset.key(number), error) from error
        yield meta


def _no_sample(key: str, error: Exception) -> ShardError:
    return ShardError(
        f"no sample of the sounds task: {error!r}",
        where=key,
        cure="run `rushes verify`, or take the features again",
    )
