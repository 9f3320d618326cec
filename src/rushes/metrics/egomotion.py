"""How far answers about a vehicle's motion are off: errors in the quantity's own unit, angles on the circle.

A prediction may be None (no answer could be read). It never leaves the denominator: it is charged the error
of a constant that knows nothing of the scene, and the figure over the answers alone stands beside that. A nan
or an infinity is a fault of the caller and an error on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import as_list, finite, same_length, vector
from rushes.metrics.jackknife import Jackknife

TARGETS = ("mean_speed_mps", "final_speed_mps", "displacement_m", "yaw_deg")
CIRCULAR = frozenset({"yaw_deg"})  # 179 and -179 degrees are 2 degrees apart

SPEED_BANDS = ("still", "slow", "fast")
STILL_MPS, FAST_MPS = 0.5, 10.0
TURNS = ("left", "straight", "right")
TURN_DEG = 5.0

Statistic = Literal["mae", "rmse", "median"]


def wrapped_deg(angle: ArrayLike) -> NDArray[np.float64]:
    """Angles in degrees, any shape, brought into (-180, 180].

    Raises:
        MetricError: empty, nan or infinity.

    >>> wrapped_deg([190.0, -180.0, 540.0, -10.0]).tolist()
    [-170.0, 180.0, 180.0, -10.0]
    """
    wrapped = 180.0 - np.mod(180.0 - finite(angle, "angles"), 360.0)
    # The modulus of a tiny negative number rounds up to 360.
    return np.where(wrapped == -180.0, 180.0, wrapped)


def differences(predicted: ArrayLike, truth: ArrayLike, *, circular: bool = False) -> NDArray[np.float64]:
    """``predicted - truth`` of each row, shape (n,), in the unit of both.

    Args:
        predicted: (n,) numbers.
        truth: (n,) numbers.
        circular: whether they are degrees; the shorter way round is taken, in (-180, 180].

    Raises:
        MetricError: empty, not finite, or lengths differ.

    >>> differences([4.0, 1.0], [3.0, 3.0]).tolist()
    [1.0, -2.0]
    >>> differences([179.0, -179.0], [-179.0, 179.0], circular=True).tolist()
    [-2.0, 2.0]
    """
    answer, true = vector(predicted, "the prediction"), vector(truth, "the truth")
    same_length(prediction=answer, truth=true)
    return wrapped_deg(answer - true) if circular else answer - true


def centre(values: ArrayLike, *, circular: bool = False) -> tuple[float, float]:
    """Mean and median of (n,) numbers, in their unit.

    On the circle the mean is the direction of the summed unit vectors (Mardia and Jupp 2000, eq. 2.2.4), and
    the median is that of the angles unrolled around this mean; where all lie within half a circle it is their
    plain median.

    Args:
        values: (n,) numbers.
        circular: whether they are degrees; the results then lie in (-180, 180].

    Raises:
        MetricError: empty, not finite, or angles that cancel out, so that no direction is their mean.

    >>> centre([1.0, 2.0, 6.0])
    (3.0, 2.0)
    >>> mean, median = centre([170.0, -170.0, -176.0], circular=True)
    >>> round(mean, 2), round(median, 2)
    (-178.65, -176.0)
    """
    rows = vector(values, "values")
    if not circular:
        return float(rows.mean()), float(np.median(rows))
    radians = np.radians(rows)
    across, along = np.sin(radians).mean(), np.cos(radians).mean()
    if np.hypot(across, along) < 1e-9:
        raise MetricError(f"the {len(rows)} angles cancel out, so they have no mean direction")
    mean = float(np.degrees(np.arctan2(across, along)))
    unrolled = np.median(wrapped_deg(rows - mean))
    return mean, float(wrapped_deg(mean + unrolled))


@dataclass(frozen=True, slots=True, eq=False)
class MotionErrors:
    """Errors of one quantity in each of n rows, in its unit.

    Attributes:
        signed: (n,) answer less truth; a row without an answer is charged the constant's error.
        answered: (n,) whether there was an answer; its mean is the parse rate.
    """

    signed: NDArray[np.float64]
    answered: NDArray[np.bool_]


def motion_errors(
    truth: ArrayLike, predicted: Sequence[float | None], constant: float, *, circular: bool = False
) -> MotionErrors:
    """Errors of one quantity, every missing answer replaced by ``constant``.

    A system that never answers scores exactly what the constant scores: silence wins nothing over it.

    Args:
        truth: (n,) numbers.
        predicted: n numbers or None.
        constant: of the baseline that answers the same always, such as the median of the training windows.
        circular: whether they are degrees.

    Raises:
        MetricError: empty, lengths differ, or a value that is not finite.

    >>> found = motion_errors([10.0, 20.0, 5.0], [11.0, 17.0, None], constant=9.0)
    >>> found.signed.tolist(), found.answered.tolist()
    ([1.0, -3.0, 4.0], [True, True, False])
    """
    values = as_list(predicted, "the prediction")
    rest = float(finite([constant], "the constant")[0])
    filled = [rest if value is None else value for value in values]
    signed = differences(filled, truth, circular=circular)
    return MotionErrors(signed, np.array([value is not None for value in values]))


def error_figures(errors: ArrayLike, jackknife: Jackknife) -> dict[Statistic, NDArray[np.float64]]:
    """Figures of (n,) signed errors, in their unit: of all rows, then without each leave-out, (1 + G,).

    ``mae`` is the mean of their absolute values, ``rmse`` the root of the mean of their squares and never
    below ``mae``, ``median`` that of their absolute values.

    Args:
        errors: (n,) numbers.
        jackknife: of the same n rows.

    Raises:
        MetricError: not finite, or lengths differ.

    >>> found = error_figures([1.0, -1.0, 4.0, 0.0], Jackknife.of(range(4)))
    >>> {name: round(float(figures[0]), 3) for name, figures in found.items()}
    {'mae': 1.5, 'rmse': 2.121, 'median': 1.0}
    """
    rows = vector(errors, "errors")
    absolute = np.abs(rows)
    return {
        "mae": jackknife.means(absolute),
        # A mean without the only cluster that errs may come out below 0 by rounding.
        "rmse": np.sqrt(np.maximum(jackknife.means(rows**2), 0.0)),
        "median": jackknife.medians(absolute),
    }


def covered(
    truth: ArrayLike, low: ArrayLike, high: ArrayLike, *, circular: bool = False
) -> NDArray[np.bool_]:
    """Whether each truth lies in its interval ``[low, high]``, shape (n,).

    Args:
        truth: (n,) numbers.
        low: (n,) lower ends.
        high: (n,) upper ends; on the circle the interval runs from ``low`` to the left until ``high``.
        circular: whether they are degrees.

    Raises:
        MetricError: empty, not finite, lengths differ, or an interval that ends before it begins.

    >>> covered([1.0, 5.0], [0.5, 0.5], [2.0, 2.0]).tolist()
    [True, False]
    >>> covered([-179.0, 0.0], [170.0, 170.0], [190.0, 190.0], circular=True).tolist()
    [True, False]
    """
    true, lower, upper = vector(truth, "the truth"), vector(low, "low"), vector(high, "high")
    same_length(truth=true, low=lower, high=upper)
    if (lower > upper).any():
        row = int(np.argmax(lower > upper))
        raise MetricError(
            f"an interval must not end before it begins, found [{lower[row]}, {upper[row]}]",
            where=f"row {row}",
        )
    if circular:
        return np.mod(true - lower, 360.0) <= upper - lower
    return (lower <= true) & (true <= upper)


def speed_bands(
    speed_mps: ArrayLike, *, still_mps: float = STILL_MPS, fast_mps: float = FAST_MPS
) -> NDArray[np.str_]:
    """The band of each of n speeds, shape (n,): ``still`` < still_mps <= ``slow`` < fast_mps <= ``fast``.

    Args:
        speed_mps: (n,) metres per second, not negative.
        still_mps: below it the vehicle stands.
        fast_mps: from it on the vehicle is fast.

    Raises:
        MetricError: empty, not finite, negative, or thresholds out of order.

    >>> speed_bands([0.0, 0.5, 9.9, 10.0]).tolist()
    ['still', 'slow', 'slow', 'fast']
    """
    speeds = vector(speed_mps, "speeds")
    if speeds.min() < 0:
        raise MetricError(f"a speed is not negative, found {speeds.min()}", where=f"row {speeds.argmin()}")
    if not 0 < still_mps < fast_mps:
        raise MetricError(f"bands need 0 < still < fast, found {still_mps} and {fast_mps} m/s")
    return np.array(SPEED_BANDS)[np.searchsorted([still_mps, fast_mps], speeds, side="right")]


def turn_classes(yaw_deg: ArrayLike, *, turn_deg: float = TURN_DEG) -> NDArray[np.str_]:
    """``left``, ``straight`` or ``right`` for each of n changes of direction, shape (n,).

    Args:
        yaw_deg: (n,) degrees, to the left positive.
        turn_deg: from it on, to either side, it is a turn.

    Raises:
        MetricError: empty, not finite, or a threshold outside of (0, 180).

    >>> turn_classes([12.0, 4.9, -5.0, 355.0]).tolist()
    ['left', 'straight', 'right', 'right']
    """
    yaw = wrapped_deg(vector(yaw_deg, "yaw"))
    if not 0 < turn_deg < 180:
        raise MetricError(f"a turn begins between 0 and 180 degrees, found {turn_deg}")
    return np.array(TURNS)[np.where(yaw >= turn_deg, 0, np.where(yaw <= -turn_deg, 2, 1))]
