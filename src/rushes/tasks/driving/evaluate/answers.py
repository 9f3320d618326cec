"""The windows of a split and every system's answers about their motion, paired by key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.evaluate.parts import MODEL, require_same_keys
from rushes.metrics.checks import finite
from rushes.metrics.egomotion import TARGETS

COLUMNS = (
    *("key", "variant", "recording", "group", "window_start_s", "speed_at_start_mps", "tags", "failure"),
    *(f"truth_{name}" for name in TARGETS),
    *TARGETS,
    *(f"{name}_{end}" for name in TARGETS for end in ("low", "high")),
)

Targets = Mapping[str, NDArray[np.float64]]
"""Each of `TARGETS` with a number for each of n windows, (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The truth about n windows, recording by recording in order of time.

    Attributes:
        key, recording, group: (n,) str.
        start_s: (n,) on the recording's clock.
        first_speed_mps: (n,) true speed at the window's first frame.
        tags: n mappings of what else is known, such as country and hour.
        truth: (n,) of each target.
    """

    key: NDArray[np.str_]
    recording: NDArray[np.str_]
    group: NDArray[np.str_]
    start_s: NDArray[np.float64]
    first_speed_mps: NDArray[np.float64]
    tags: tuple[Mapping[str, str], ...]
    truth: Targets

    def __len__(self) -> int:
        return len(self.key)

    def before(self) -> NDArray[np.int64]:
        """Row of the window before each window in its recording, (n,); -1 where it is the first."""
        rows = np.arange(len(self)) - 1
        rows[np.r_[True, self.recording[1:] != self.recording[:-1]]] = -1
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one system says about n windows.

    Attributes:
        values: for each target n numbers, None where the answer could not be read.
        intervals: for each target that has any: (n, 2) low and high of the system's own 90 %, nan where it
            gave none.
        failures: n reasons why an answer could not be read, None where it could.
    """

    values: Mapping[str, Sequence[float | None]]
    intervals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    failures: Sequence[str | None] = ()


def read_answers(predictions: pa.Table) -> tuple[Windows, dict[str, Answers]]:
    """The windows with their truth, and the answers of each variant in the same order.

    Raises:
        MetricError: no answer of the model, a variant that lacks or doubles a window, a truth that is not
            finite, or two windows of a recording that begin at the same time.
    """
    rows = predictions.select(COLUMNS)
    order = [("recording", "ascending"), ("window_start_s", "ascending"), ("key", "ascending")]
    names = pc.unique(rows["variant"]).to_pylist()
    if MODEL not in names:
        raise MetricError(
            f"nothing to evaluate: the predictions hold {len(predictions)} rows, and none is of the model",
            cure="check that the evaluated split holds windows, then run `rushes predict`",
        )
    variants = {name: rows.filter(pc.equal(rows["variant"], name)).sort_by(order) for name in sorted(names)}
    require_same_keys({name: rows["key"].to_pylist() for name, rows in variants.items()}, "window")
    return _windows(variants[MODEL]), {name: _answers(rows) for name, rows in variants.items()}


def _windows(rows: pa.Table) -> Windows:
    keys, starts, recordings = (
        np.array(rows[name].to_pylist()) for name in ("key", "window_start_s", "recording")
    )
    doubled = np.flatnonzero((recordings[1:] == recordings[:-1]) & (starts[1:] == starts[:-1]))
    if len(doubled):
        raise MetricError("two windows of a recording begin at the same time", where=keys[doubled[0] + 1])
    return Windows(
        keys,
        recordings,
        np.array(rows["group"].to_pylist()),
        finite(rows["window_start_s"].to_pylist(), "starts of windows"),
        finite(rows["speed_at_start_mps"].to_pylist(), "speeds at the start"),
        tuple(_tags(text) for text in rows["tags"].to_pylist()),
        {name: finite(rows[f"truth_{name}"].to_pylist(), f"truth_{name}") for name in TARGETS},
    )


def _tags(text: str | None) -> dict[str, str]:
    try:
        tags = json.loads(text or "{}")
        return {str(name): str(value) for name, value in tags.items() if value is not None}
    except (ValueError, AttributeError) as error:
        raise MetricError(
            f"tags must be a JSON object, found {text!r:.80}", cure="run `rushes predict` again"
        ) from error


def _answers(rows: pa.Table) -> Answers:
    failures = rows["failure"].to_pylist()
    values, intervals = {}, {}
    for target in TARGETS:
        read = zip(rows[target].to_pylist(), failures, strict=True)
        values[target] = [None if failure is not None else value for value, failure in read]
        ends = [rows[f"{target}_{end}"].to_pylist() for end in ("low", "high")]
        spans = np.array([[np.nan if value is None else value for value in end] for end in ends]).T
        spans[[value is None for value in values[target]]] = np.nan
        if not np.isnan(spans).all():
            intervals[target] = spans
    return Answers(values, intervals, failures)
