"""The clips of a side with a net's answers, paired by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.clusters import codes, levels_in_time
from rushes.metrics.checks import encode
from rushes.tasks.sounds.predict.table import log_probabilities, logits_array
from rushes.tasks.sounds.sources.windows import place_of


@dataclass(frozen=True, eq=False)
class Answers:
    """What a net says of n clips, in the order of their keys.

    Attributes:
        labels: the K classes.
        key, group: (n,) str; the group is empty where nobody said.
        truth: (n,) places in ``labels``.
        log_probabilities: (n, K).
        windows: whether the clips are windows of long recordings.
    """

    labels: tuple[str, ...]
    key: NDArray[np.str_]
    group: NDArray[np.str_]
    truth: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]
    windows: bool = False

    def __len__(self) -> int:
        return len(self.key)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Place of the most probable class, (n,); of equal ones the first."""
        places: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return places

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the predicted class, (n,)."""
        probabilities: NDArray[np.float64] = np.exp(self.log_probabilities.max(axis=1))
        return probabilities

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the true one, (n,)."""
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right

    @cached_property
    def owner(self) -> NDArray[np.str_]:
        """Group of each clip, or the clip itself where it is not known, (n,)."""
        return np.where(self.group == "", self.key, self.group)

    @cached_property
    def levels(self) -> dict[str, NDArray[np.int64]]:
        """What moves together, from the widest: the number of each clip's group if any is known, of the clip, (n,).

        Of windows see `levels_in_time`.
        """
        if self.windows:
            recordings, at_s = zip(*map(place_of, self.key.tolist()), strict=True)
            return levels_in_time(self.group, np.array(recordings), np.array(at_s))
        groups = {"group": codes(self.owner)} if self.group.any() else {}
        return groups | {"clip": np.arange(len(self))}

    @cached_property
    def cross_entropy(self) -> NDArray[np.float64]:
        """``-log p`` of the true class, (n,), nats."""
        return -np.take_along_axis(self.log_probabilities, self.truth[:, None], axis=1)[:, 0]


def read_answers(predictions: pa.Table, labels: Sequence[str], *, windows: bool = False) -> Answers:
    """The answers in the order of their keys, so that the order of the table changes nothing.

    Args:
        predictions: of ``rushes.tasks.sounds.predict.table.SCHEMA``.
        labels: the classes in the order of the logits.
        windows: whether the clips are windows of long recordings.

    Raises:
        MetricError: no clips, a clip that stands twice, or a true label outside of ``labels``.
        ShardError: logits that do not fit the labels.
    """
    if not len(predictions):
        raise MetricError(
            "nothing to evaluate: the predictions hold no clip",
            cure="check that the evaluated split holds clips, then run `rushes predict`",
        )
    rows = predictions.sort_by("key")
    key = np.array(rows["key"].to_pylist())
    doubled = np.flatnonzero(key[1:] == key[:-1])
    if len(doubled):
        raise MetricError("a clip is answered twice", where=key[doubled[0]])
    return Answers(
        tuple(labels),
        key,
        np.array(rows["group"].to_pylist()),
        encode(rows["label"].to_pylist(), labels, "the truth"),
        log_probabilities(logits_array(rows, len(labels))),
        windows,
    )


def require_same_clips(first: Answers, second: Answers) -> None:
    """Two nets were asked about the same clips with the same truth.

    Raises:
        MetricError: they were not; one odd clip is named.
    """
    odd = sorted(set(first.key.tolist()) ^ set(second.key.tolist()))
    if not odd and not np.array_equal(first.truth, second.truth):
        odd = first.key[first.truth != second.truth].tolist()
    if not odd and not np.array_equal(first.group, second.group):
        odd = first.key[first.group != second.group].tolist()
    if odd:
        raise MetricError(
            f"{len(first)} and {len(second)} clips cannot be paired: {len(odd)} differ",
            where=odd[0],
            cure="predict the same split of the same dataset with both nets",
        )
