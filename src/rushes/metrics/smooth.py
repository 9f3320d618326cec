"""A path through noisy places: the Rauch-Tung-Striebel smoother under constant acceleration.

    path = smooth(fixes_s, fixes, times_s)           # fixes (n, axes) metres at fixes_s; times_s (m,), in between
    path.positions, path.velocities                  # (m, axes)
    path.velocity_sigma_mps                          # (m,) standard deviation of each axis of a velocity

Between two fixes the acceleration drifts at random (white jerk), and every estimate knows all fixes, those behind it
as well. Its axes move independently, so that one covariance serves all. H. E. Rauch, F. Tung, C. T. Striebel: Maximum
likelihood estimates of linear dynamic systems, AIAA Journal 3(8), 1965; the model: Y. Bar-Shalom, X.-R. Li,
T. Kirubarajan: Estimation with Applications to Tracking and Navigation, 2001, section 6.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rushes.errors import MetricError
from rushes.metrics.checks import finite, vector

JERK, FIX_SIGMA_M = 0.3, 1.5
"""Spectral density of the jerk of road vehicles, m^2/s^5, and standard deviation of an axis of a GPS fix, metres."""

_FIRST_SIGMAS = (50.0, 5.0)  # of what is known of velocity and acceleration before the first fix


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """A path at some times.

    Attributes:
        times_s: (m,) seconds.
        positions: (m, axes) metres.
        velocities: (m, axes) metres per second.
        position_sigma_m, velocity_sigma_mps: (m,) standard deviation of each axis, by the model.
    """

    times_s: NDArray[np.float64]
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    position_sigma_m: NDArray[np.float64]
    velocity_sigma_mps: NDArray[np.float64]


def smooth(
    fixes_s: ArrayLike,
    fixes: ArrayLike,
    times_s: ArrayLike,
    *,
    sigma_m: float = FIX_SIGMA_M,
    jerk: float = JERK,
) -> Smoothed:
    """The likeliest path, and how well it is known.

    >>> path = smooth([0.0, 1.0, 2.0, 3.0], [[0.0], [10.0], [20.0], [30.0]], [0.5, 2.5])
    >>> path.positions.round(1).tolist(), path.velocities.round(1).tolist()
    ([[5.0], [25.0]], [[10.0], [10.0]])

    Args:
        fixes_s: (n,) seconds, increasing, n >= 2.
        fixes: (n, axes) metres.
        times_s: (m,) seconds, increasing, of the estimates; within the fixes.
        sigma_m: standard deviation of each axis of a fix, metres, > 0.
        jerk: spectral density of the jerk, m^2/s^5, > 0.

    Raises:
        MetricError: shapes that do not fit, values that are not finite, times that do not increase or lie outside.
    """
    stamps, wanted = vector(fixes_s, "times of fixes"), vector(times_s, "times")
    places = finite(fixes, "fixes")
    if len(stamps) < 2 or places.ndim != 2 or len(places) != len(stamps):
        raise MetricError(f"{len(stamps)} times need as many fixes, at least 2, found shape {places.shape}")
    if (np.diff(stamps) <= 0).any() or (np.diff(wanted) <= 0).any():
        raise MetricError("times must increase", cure="sort them, and keep one fix of each time")
    if wanted[0] < stamps[0] or wanted[-1] > stamps[-1]:
        raise MetricError(
            f"fixes cover {stamps[0]} to {stamps[-1]} s, asked for {wanted[0]} to {wanted[-1]} s"
        )
    steps = np.unique(np.concatenate([stamps, wanted]))
    fixed = np.full((len(steps), places.shape[1]), np.nan)
    fixed[np.searchsorted(steps, stamps)] = places
    states, covariances = _backward(*_forward(np.diff(steps), fixed, sigma_m**2, jerk))
    rows = np.searchsorted(steps, wanted)
    sigmas = np.sqrt(np.diagonal(covariances[rows], axis1=1, axis2=2))
    return Smoothed(wanted, states[rows, 0], states[rows, 1], sigmas[:, 0], sigmas[:, 1])


def _forward(
    gaps_s: NDArray[np.float64], fixed: NDArray[np.float64], variance: float, jerk: float
) -> tuple[NDArray[np.float64], ...]:
    """The Kalman filter over steps of which some have a fix.

    Returns:
        Transitions (n-1, 3, 3), predicted and filtered states (n, 3, axes), covariances (n, 3, 3), likewise.
    """
    count, axes = fixed.shape
    moves, noises = _transitions(gaps_s), _noises(gaps_s, jerk)
    predicted, filtered = np.zeros((2, count, 3, axes))
    before, behind = np.zeros((2, count, 3, 3))
    before[0] = np.diag([variance, *(sigma**2 for sigma in _FIRST_SIGMAS)])
    predicted[0, 0] = fixed[0]
    for step in range(count):
        if step:
            move = moves[step - 1]
            predicted[step] = move @ filtered[step - 1]
            before[step] = move @ behind[step - 1] @ move.T + noises[step - 1]
        state, covariance = predicted[step], before[step]
        if step and not np.isnan(fixed[step, 0]):  # the first is the state that the filter begins with
            gain = covariance[:, 0] / (covariance[0, 0] + variance)
            state = state + np.outer(gain, fixed[step] - state[0])
            covariance = covariance - np.outer(gain, covariance[0])
        filtered[step], behind[step] = state, (covariance + covariance.T) / 2
    return moves, predicted, filtered, before, behind


def _backward(
    moves: NDArray[np.float64],
    predicted: NDArray[np.float64],
    filtered: NDArray[np.float64],
    before: NDArray[np.float64],
    behind: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """States (n, 3, axes) and covariances (n, 3, 3) that know all fixes."""
    states, covariances = filtered.copy(), behind.copy()
    gains = np.linalg.solve(before[1:], moves @ behind[:-1]).transpose(0, 2, 1)
    for step in range(len(states) - 2, -1, -1):
        gain = gains[step]
        states[step] += gain @ (states[step + 1] - predicted[step + 1])
        covariances[step] += gain @ (covariances[step + 1] - before[step + 1]) @ gain.T
    return states, covariances


def _transitions(gaps_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3, 3): position, velocity and acceleration after each gap."""
    moves = np.tile(np.eye(3), (len(gaps_s), 1, 1))
    moves[:, 0, 1] = moves[:, 1, 2] = gaps_s
    moves[:, 0, 2] = gaps_s**2 / 2
    return moves


def _noises(gaps_s: NDArray[np.float64], jerk: float) -> NDArray[np.float64]:
    """(n, 3, 3): what white jerk adds to their covariance; power and divisor of each element."""
    powers = np.array([[5, 4, 3], [4, 3, 2], [3, 2, 1]])
    divisors = np.array([[20, 8, 6], [8, 3, 2], [6, 2, 1]])
    noises: NDArray[np.float64] = jerk * gaps_s[:, np.newaxis, np.newaxis] ** powers / divisors
    return noises
