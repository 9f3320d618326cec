"""What systems that look at no picture answer; their roles stand in `rushes.tasks.driving.evaluate.names`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import finite
from rushes.metrics.egomotion import CIRCULAR, TARGETS, centre
from rushes.tasks.driving.evaluate.answers import Answers, Targets, Windows

Constant = Mapping[str, float]


def target_arrays(rows: Iterable[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """The four targets of the training windows as arrays, (windows,) each.

    Args:
        rows: the targets of each training window by name; what else a row holds is left alone.

    Raises:
        MetricError: no window, a target that is missing or not finite.
    """
    taken = list(rows)
    if not taken:
        raise MetricError(
            "the training split holds no window, so no baseline can be fitted",
            cure="check the split and the prepared dataset",
        )
    try:
        return {name: finite([row[name] for row in taken], f"{name} of training") for name in TARGETS}
    except KeyError as error:
        raise MetricError(f"a training window lacks the target {error}") from error


def constants(train: Targets) -> tuple[Constant, Constant]:
    """Mean and median of each target over the training windows; of yaw those on the circle."""
    both = {name: centre(train[name], circular=name in CIRCULAR) for name in TARGETS}
    return {name: mean for name, (mean, _) in both.items()}, {
        name: median for name, (_, median) in both.items()
    }


def baselines(train: Targets, windows: Windows, model: Answers, span_s: float) -> dict[str, Answers]:
    """Every baseline's answers about the windows.

    Args:
        train: targets of the training windows, on which the constants are fitted.
        windows: what they are asked about.
        model: its answers about earlier windows feed ``previous_prediction``.
        span_s: from the first to the last frame of a window.
    """
    n = len(windows)
    mean, median = constants(train)
    held = [steady(speed_mps, 0.0, span_s) for speed_mps in windows.first_speed_mps.tolist()]
    return {
        "zero": _each([dict.fromkeys(TARGETS, 0.0)] * n),
        "train_mean": _each([mean] * n),
        "train_median": _each([median] * n),
        "previous_prediction": _before(windows, model.values, median, span_s),
        "previous_truth": _before(windows, windows.truth, median, span_s),
        "constant_velocity": _each(held),
    }


def _before(
    windows: Windows,
    known: Mapping[str, Sequence[float | None] | NDArray[np.float64]],
    otherwise: Constant,
    span_s: float,
) -> Answers:
    """Mean speed and yaw of the window before, held; ``otherwise`` where none is known."""
    rows = []
    for before in windows.before():
        speed_mps, yaw_deg = known["mean_speed_mps"][before], known["yaw_deg"][before]
        there = before >= 0 and speed_mps is not None and yaw_deg is not None
        rows.append(steady(float(speed_mps), float(yaw_deg), span_s) if there else otherwise)
    return _each(rows)


def _each(rows: Sequence[Constant]) -> Answers:
    return Answers({name: [row[name] for row in rows] for name in TARGETS})


def steady(speed_mps: float, yaw_deg: float, span_s: float) -> Constant:
    """The targets of a window driven at one speed.

    >>> steady(10.0, 3.0, 1.5)
    {'mean_speed_mps': 10.0, 'final_speed_mps': 10.0, 'displacement_m': 15.0, 'yaw_deg': 3.0}
    """
    return {
        "mean_speed_mps": speed_mps,
        "final_speed_mps": speed_mps,
        "displacement_m": speed_mps * span_s,
        "yaw_deg": yaw_deg,
    }
