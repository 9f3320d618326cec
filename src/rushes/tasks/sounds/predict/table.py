"""The logits of every clip beside the truth, and what follows from logits alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import log_softmax

from rushes.errors import ShardError

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("key", "group", "label")),
        ("logits", pa.list_(pa.float32())),
    ]
)
"""``label`` is the truth; ``logits`` stand in the order of the preprocessing's labels."""


def predictions_table(
    keys: Sequence[str], groups: Sequence[str], labels: Sequence[str], logits: NDArray[np.float32]
) -> pa.Table:
    """The table of n clips.

    Args:
        keys, groups, labels: n strings each; labels are the truth.
        logits: (n, k).

    Raises:
        ShardError: lengths differ, or logits that are not finite.
    """
    n = len(keys)
    if logits.ndim != 2 or not n == len(groups) == len(labels) == len(logits):
        raise ShardError(
            f"needed logits (n, k) and n names, found {logits.shape} and {n} keys, {len(groups)} groups, "
            f"{len(labels)} labels"
        )
    _require_finite(logits, keys)
    values = pa.array(np.ascontiguousarray(logits, dtype=np.float32).ravel())
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * logits.shape[1])
    columns = [pa.array(list(names), pa.string()) for names in (keys, groups, labels)]
    return pa.Table.from_arrays([*columns, pa.ListArray.from_arrays(offsets, values)], schema=SCHEMA)


def logits_array(table: pa.Table, classes: int) -> NDArray[np.float32]:
    """The column ``logits`` as (n, classes).

    Raises:
        ShardError: a row without as many logits as there are classes, or one that is not finite.
    """
    column = table["logits"].combine_chunks()
    lengths = np.diff(column.offsets.to_numpy())
    if column.null_count or (lengths != classes).any():
        row = 0 if column.null_count else int(np.flatnonzero(lengths != classes)[0])
        raise ShardError(
            f"a clip has {int(lengths[row])} logits for {classes} classes",
            where=table["key"][row].as_py(),
            cure="run `rushes predict RECIPE` with the labels that the model was trained with",
        )
    logits: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, classes)
    _require_finite(logits, table["key"].to_pylist())
    return logits


def _require_finite(logits: NDArray[np.float32], keys: Sequence[str]) -> None:
    odd = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(odd):
        raise ShardError(f"logits must be finite, found {logits[odd[0]].tolist()}", where=keys[int(odd[0])])


def log_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural logarithms of the classes' probabilities, (n, k), at most 0.

    >>> np.exp(log_probabilities(np.float32([[0.0, 0.0], [1000.0, 0.0]]))).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    values: NDArray[np.float64] = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return values
