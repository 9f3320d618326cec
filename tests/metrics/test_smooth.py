"""A path through noisy places."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.smooth import smooth


def by_least_squares(fixes_s, fixes, times_s, sigma, jerk):
    """The same estimate without a filter: all states at once, as one Gaussian that the fixes condition."""
    steps = np.unique(np.concatenate([fixes_s, times_s]))
    count = len(steps)
    spread = np.zeros((3 * count, 3 * count))
    spread[:3, :3] = np.diag([sigma**2, 50.0**2, 5.0**2])
    for step in range(1, count):
        gap = steps[step] - steps[step - 1]
        move = np.array([[1, gap, gap**2 / 2], [0, 1, gap], [0, 0, 1]])
        noise = jerk * np.array(
            [
                [gap**5 / 20, gap**4 / 8, gap**3 / 6],
                [gap**4 / 8, gap**3 / 3, gap**2 / 2],
                [gap**3 / 6, gap**2 / 2, gap],
            ]
        )
        here, last = slice(3 * step, 3 * step + 3), slice(3 * step - 3, 3 * step)
        spread[here, : 3 * step] = move @ spread[last, : 3 * step]
        spread[: 3 * step, here] = spread[here, : 3 * step].T
        spread[here, here] = move @ spread[last, last] @ move.T + noise
    seen = 3 * np.searchsorted(steps, fixes_s)[1:]  # the first fix is the prior's mean
    prior = np.zeros((3 * count, fixes.shape[1]))
    prior[0::3] = fixes[0]
    gain = np.linalg.solve(spread[np.ix_(seen, seen)] + sigma**2 * np.eye(len(seen)), spread[seen]).T
    states = prior + gain @ (fixes[1:] - prior[seen])
    left = spread - gain @ spread[seen]
    rows = 3 * np.searchsorted(steps, times_s)
    return states[rows], states[rows + 1], np.sqrt(np.diag(left)[rows]), np.sqrt(np.diag(left)[rows + 1])


def test_it_is_the_gaussian_that_all_fixes_condition():
    rng = np.random.default_rng(0)
    fixes_s = np.cumsum(rng.uniform(0.2, 2.0, 25))
    fixes = np.cumsum(rng.normal(0, 5, (25, 2)), axis=0)
    times_s = np.linspace(fixes_s[0], fixes_s[-1], 40)
    found = smooth(fixes_s, fixes, times_s, sigma_m=1.2, jerk=0.4)
    places, speeds, place_sigmas, speed_sigmas = by_least_squares(fixes_s, fixes, times_s, 1.2, 0.4)
    np.testing.assert_allclose(found.positions, places, atol=1e-5)
    np.testing.assert_allclose(found.velocities, speeds, atol=1e-5)
    np.testing.assert_allclose(found.position_sigma_m, place_sigmas, rtol=1e-4)
    np.testing.assert_allclose(found.velocity_sigma_mps, speed_sigmas, rtol=1e-4)


def test_the_error_that_it_states_is_the_error_that_it_makes():
    """Paths drawn from the model itself: 95 of 100 errors lie within 1.96 stated deviations."""
    rng = np.random.default_rng(5)
    gap, jerk, sigma, count = 0.1, 0.3, 1.5, 2001
    noise = jerk * np.array(
        [
            [gap**5 / 20, gap**4 / 8, gap**3 / 6],
            [gap**4 / 8, gap**3 / 3, gap**2 / 2],
            [gap**3 / 6, gap**2 / 2, gap],
        ]
    )
    factor, move = np.linalg.cholesky(noise), np.array([[1, gap, gap**2 / 2], [0, 1, gap], [0, 0, 1]])
    states = np.zeros((count, 3, 20))
    states[0, 1] = rng.normal(0, 10, 20)
    for step in range(1, count):
        states[step] = move @ states[step - 1] + factor @ rng.normal(size=(3, 20))
    times_s = np.arange(count) * gap
    fixes = states[::10, 0] + rng.normal(0, sigma, (len(times_s[::10]), 20))
    found = smooth(times_s[::10], fixes, times_s, sigma_m=sigma, jerk=jerk)
    off = np.abs(found.velocities - states[:, 1]) / found.velocity_sigma_mps[:, np.newaxis]
    assert 0.93 < (off < 1.96).mean() < 0.97
    off = np.abs(found.positions - states[:, 0]) / found.position_sigma_m[:, np.newaxis]
    assert 0.93 < (off < 1.96).mean() < 0.97


def test_large_times_and_places_lose_nothing():
    rng = np.random.default_rng(7)
    fixes_s, fixes = np.arange(30.0), rng.normal(0, 20, (30, 3)).cumsum(0)
    times_s = np.arange(0, 29, 0.5)
    near = smooth(fixes_s, fixes, times_s)
    far = smooth(fixes_s + 1.75e9, fixes + 1e5, times_s + 1.75e9)
    np.testing.assert_allclose(far.velocities, near.velocities, atol=1e-4)


@pytest.mark.parametrize(
    ("fixes_s", "times_s", "says"),
    [
        ([0.0, 1.0, 1.0], [0.5], "increase"),
        ([0.0, 1.0, 2.0], [0.5, 0.5], "increase"),
        ([0.0, 1.0, 2.0], [2.5], "cover 0.0 to 2.0"),
        ([0.0, 1.0], [0.5], "as many fixes"),
        ([0.0, np.inf, 2.0], [0.5], "finite"),
    ],
)
def test_what_it_cannot_smooth_is_refused(fixes_s, times_s, says):
    with pytest.raises(MetricError, match=says):
        smooth(fixes_s, np.zeros((3, 2)), times_s)
