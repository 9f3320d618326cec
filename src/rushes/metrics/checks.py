"""What every metric asks of its input before it computes: something there, finite, of known labels.

A metric of this house returns a finite number or raises `MetricError`; it never returns nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError

Label = str | int

MISSING = -1  # code of a prediction that is None: equal to no label, so always wrong


class MetricTypeError(MetricError, TypeError):
    """A value of a kind that a metric cannot read, such as a float where a label is due."""


def as_list(values: Any, what: str) -> list[Any]:
    """The non-empty sequence ``values`` as a list of plain Python values.

    Raises:
        MetricTypeError: ``values`` is a scalar or one string.
        MetricError: it is empty.

    >>> as_list(np.array([1, 2]), "labels")
    [1, 2]
    """
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise MetricTypeError(f"{what} must have one axis, found shape {values.shape}")
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise MetricTypeError(f"{what} must be a sequence, found {type(values).__name__} {values!r}")
    if not len(values):
        raise MetricError(
            f"{what} is empty, so the metric is not defined", cure="check that the split holds samples"
        )
    return list(values)


def same_length(**sequences: Sequence[Any] | NDArray[Any]) -> int:
    """The common length of the named sequences.

    Raises:
        MetricError: their lengths differ.

    >>> same_length(truth=["a", "b"], predicted=["a", None])
    2
    """
    lengths = {name: len(values) for name, values in sequences.items()}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise MetricError(f"sequences must be of one length, found {found}", cure="pair them by key first")
    return next(iter(lengths.values()))


def finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """``values`` as a non-empty float64 array without nan and infinities.

    Raises:
        MetricTypeError: not numbers, or rows of unequal length.
        MetricError: empty, or some value is not finite; the first such place is named.

    >>> finite([0, 1.5], "times")
    array([0. , 1.5])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricTypeError(f"{what} must be numbers: {error}") from error
    if array.size == 0:
        raise MetricError(f"{what} is empty, so the metric is not defined")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise MetricError(f"{what} must be finite, found {array[place]}", where=f"index {place}")
    return array


def vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """``values`` as `finite` numbers along one axis, (n,).

    Raises:
        MetricTypeError: another number of axes.
        MetricError: as `finite`.

    >>> vector([0, 1.5], "times")
    array([0. , 1.5])
    """
    array = finite(values, what)
    if array.ndim != 1:
        raise MetricTypeError(f"{what} must have one axis, found shape {array.shape}")
    return array


def label_index(labels: Sequence[Label]) -> dict[Label, int]:
    """Position of each label in the class list ``labels``.

    Raises:
        MetricError: the list is empty or names a class twice.
        MetricTypeError: a label is neither str nor int.

    >>> label_index(["Pack", "Tape"])
    {'Pack': 0, 'Tape': 1}
    """
    names = as_list(labels, "the class list")
    _refuse_odd_types(names, "the class list")
    index = {label: position for position, label in enumerate(names)}
    if len(index) != len(names):
        twice = next(label for position, label in enumerate(names) if index[label] != position)
        raise MetricError(f"the class list names {twice!r} twice")
    return index


def encode(
    values: Sequence[Label | None], labels: Sequence[Label], what: str, *, missing: bool = False
) -> NDArray[np.int64]:
    """Positions of ``values`` in the class list, shape (n,); None becomes `MISSING` where it is allowed.

    Args:
        values: n labels, str or int.
        labels: the class list.
        what: how an error calls ``values``.
        missing: whether None (no answer) may occur.

    Raises:
        MetricTypeError: a value is neither str nor int (a float label, say).
        MetricError: empty; None where it is not allowed; a label outside of the class list.

    >>> encode(["Tape", None, "Pack"], ["Pack", "Tape"], "the prediction", missing=True).tolist()
    [1, -1, 0]
    """
    names = as_list(values, what)
    index = label_index(labels) | {None: MISSING}
    _refuse_odd_types([name for name in names if name is not None], what)
    if not missing and None in names:
        raise MetricError(f"{what} must not hold None", where=f"index {names.index(None)}")
    try:
        return np.array([index[name] for name in names], dtype=np.int64)
    except KeyError as error:
        unknown = error.args[0]
        near = get_close_matches(str(unknown), [str(label) for label in labels], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known labels: {', '.join(map(str, labels))}"
        place = f"index {names.index(unknown)}"
        raise MetricError(f"{what} holds the unknown label {unknown!r}", where=place, cure=hint) from None


def _refuse_odd_types(names: list[Any], what: str) -> None:
    odd = {kind for kind in set(map(type, names)) if not issubclass(kind, str | int | np.integer)}
    odd |= {bool} & set(map(type, names))  # True == 1 would pass for the class 1
    if odd:
        value = next(name for name in names if type(name) in odd)
        raise MetricTypeError(
            f"labels of {what} must be str or int, found {type(value).__name__} {value!r}",
            where=f"value {names.index(value)}",
        )
