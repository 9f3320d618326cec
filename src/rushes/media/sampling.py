"""Which frames of a clip a model sees: pure functions of signals, one typed table.

Every sampler returns sorted, distinct frame numbers (int64) and always takes the first and the last frame. A
clip of no more than ``k`` frames is taken whole, nothing is padded. All gaps are in seconds, so a rule means
the same at 15, 25 and 30 frames per second and on uneven clocks. Ties go to the earlier frame.

A boundary may be given where the truth is known; by default none is, since service knows none, and a sampler
that was shown the boundary in training inserts the answer into the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from rushes.errors import MediaError
from rushes.media.flow import Motion, mean_flow
from rushes.media.signals import smooth

SamplerName = Literal["uniform", "entropy", "motion", "flow", "coverage"]

CLOCK_TOLERANCE_S = 1e-3
"""Frame names and many containers count milliseconds; differences of time are known no better."""


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """What a sampler may be told besides the signals.

    Attributes:
        min_gap_s: entropy, motion and flow: chosen frames lie *more* than this apart (five frames at 25 per second).
        boundary_s: a known boundary on the clock of ``times_s``; None in service.
        entropy_boost: entropy: factor on frames within ``boost_window_s`` of the boundary; 1.5 in the earlier
            system.
        boost_window_s: half the width of that zone, five frames at 25 per second.
        motion_weight: motion and flow: height of the Gaussian added at the boundary, in units of the largest motion.
        motion_sigma_s: motion and flow: its standard deviation.
        epsilon: coverage: weight of plain time against motion; no gap is longer than ``(1 + epsilon) /
            epsilon`` times the uniform one.
    """

    min_gap_s: float = 0.2
    boundary_s: float | None = None
    entropy_boost: float = 1.0
    boost_window_s: float = 0.2
    motion_weight: float = 0.0
    motion_sigma_s: float = 0.25
    epsilon: float = 1.0


Sampler = Callable[[np.ndarray, np.ndarray, np.ndarray, int, SamplerOptions], np.ndarray]
"""``(times_s, entropy, motion, k, options) -> indices``; arrays float64 (T,), times strictly increasing."""

DEFAULT = SamplerOptions()


def linspace_indices(count: int, k: int) -> np.ndarray:
    """``linspace(0, count - 1, k)`` truncated to whole frames; every frame where ``count <= k``.

    >>> linspace_indices(125, 8).tolist()
    [0, 17, 35, 53, 70, 88, 106, 124]
    """
    if count <= k:
        return np.arange(count)
    return np.linspace(0, count - 1, k).astype(np.int64)


def evenly(times_s: np.ndarray, k: int) -> np.ndarray:
    """``k`` frames evenly spaced in time; every frame where there are no more.

    On a clock of even steps, as far as it is known, those of `linspace_indices`; on any other the frames
    nearest to even steps, a hole being one step.

    >>> evenly(np.array([0.0, 0.1, 0.2, 0.3, 0.6, 0.9]), 4).tolist()
    [0, 3, 4, 5]
    """
    count = len(times_s)
    steps_s = np.linspace(times_s[0], times_s[-1], count)
    if count <= k or np.abs(times_s - steps_s).max() <= CLOCK_TOLERANCE_S:
        return linspace_indices(count, k)
    return _equal_shares(_filmed(times_s, k), k)


def uniform(
    times_s: np.ndarray, entropy: np.ndarray, motion: np.ndarray, k: int, options: SamplerOptions = DEFAULT
) -> np.ndarray:
    """Frames evenly spaced in time; signals and options are not looked at."""
    _checked(times_s, entropy, motion, k)
    return evenly(times_s, k)


def by_entropy(
    times_s: np.ndarray, entropy: np.ndarray, motion: np.ndarray, k: int, options: SamplerOptions = DEFAULT
) -> np.ndarray:
    """The frames of highest smoothed entropy, more than ``min_gap_s`` apart, first and last forced.

    The entropy sampler of the earlier system: causal smoothing .7/.3, greedy arg max, and where no frame is
    left that keeps the gap, everything is thrown away for evenly spaced frames.
    """
    count = _checked(times_s, entropy, motion, k)
    if count <= k:
        return np.arange(count)
    score = smooth(entropy)
    if options.boundary_s is not None:
        near = np.abs(times_s - options.boundary_s) <= options.boost_window_s + CLOCK_TOLERANCE_S
        score = np.where(near, score * options.entropy_boost, score)
    chosen = _greedy(times_s, score, [0, count - 1], k, options.min_gap_s)
    return evenly(times_s, k) if len(chosen) < k else np.sort(chosen)


def by_motion(
    times_s: np.ndarray, entropy: np.ndarray, motion: np.ndarray, k: int, options: SamplerOptions = DEFAULT
) -> np.ndarray:
    """The frames of most motion; first, last and (if given) the frame nearest the boundary are mandatory.

    Motion is how much pixels differ, or how far they flow (`motion_for`).
    Score: ``motion / max(motion) + motion_weight * exp(-(t - boundary)^2 / (2 sigma^2))``. Gap rule, which the
    earlier system left open: more than ``min_gap_s`` from every chosen frame; where no frame is left, the gap is
    halved until ``k`` frames are found.
    """
    count = _checked(times_s, entropy, motion, k)
    if count <= k:
        return np.arange(count)
    score = motion / max(float(motion.max()), np.finfo(np.float64).tiny)
    chosen = [0, count - 1]
    if options.boundary_s is not None:
        offset_s = times_s - options.boundary_s
        score = score + options.motion_weight * np.exp(-0.5 * (offset_s / options.motion_sigma_s) ** 2)
        nearest = int(np.abs(offset_s).argmin())
        chosen += [nearest] if nearest not in chosen and len(chosen) < k else []
    gap_s = options.min_gap_s
    while len(chosen) < k:
        chosen = _greedy(times_s, score, chosen, k, gap_s)
        gap_s = gap_s / 2 if gap_s > CLOCK_TOLERANCE_S else -CLOCK_TOLERANCE_S
    return np.sort(chosen)


def by_coverage(
    times_s: np.ndarray, entropy: np.ndarray, motion: np.ndarray, k: int, options: SamplerOptions = DEFAULT
) -> np.ndarray:
    """Dense where things change, yet never blind: equal shares of ``epsilon * time + motion`` between frames.

    Time and motion are normalised to 1 over the clip and summed up; frame j is where the sum reaches
    ``j / (k - 1)`` of its end (the inverse of the cumulative distribution, one frame a stratum). Unlike a
    greedy choice it has no gap to tune, does not cluster on one peak, and a still clip gives the uniform
    frames.
    """
    count = _checked(times_s, entropy, motion, k)
    if count <= k:
        return np.arange(count)
    moved = np.array(motion, np.float64)
    moved[0] = 0.0  # the first frame's motion lies before the clip
    moved = moved / max(float(moved.sum()), np.finfo(np.float64).tiny)
    elapsed = _filmed(times_s, k)
    elapsed = elapsed / elapsed[-1]
    return _equal_shares(options.epsilon * elapsed + np.cumsum(moved), k)


SAMPLERS: Mapping[SamplerName, Sampler] = MappingProxyType(
    {
        "uniform": uniform,
        "entropy": by_entropy,
        "motion": by_motion,
        "flow": by_motion,
        "coverage": by_coverage,
    }
)


def motion_for(name: SamplerName) -> Motion | None:
    """What measures the motion that a sampler looks at; None for the mean difference, see `Signal`.

    Raises:
        RecipeError: its library is not installed.
    """
    return mean_flow() if name == "flow" else None


def _checked(times_s: np.ndarray, entropy: np.ndarray, motion: np.ndarray, k: int) -> int:
    """Number of frames; refuses input for which no sampler is defined."""
    if k < 2:
        raise MediaError(f"a sampler takes the first and the last frame, so k >= 2, found k = {k}")
    if not len(times_s) == len(entropy) == len(motion) > 0:
        raise MediaError(
            f"a sampler needs one entropy and one motion per frame, found {len(times_s)} times, "
            f"{len(entropy)} entropies, {len(motion)} motions"
        )
    finite = np.isfinite(times_s).all() and np.isfinite(entropy).all() and np.isfinite(motion).all()
    if not finite or (np.diff(times_s) <= 0).any():
        raise MediaError("a sampler needs finite signals and strictly increasing times")
    return len(times_s)


def _filmed(times_s: np.ndarray, k: int) -> np.ndarray:
    """Seconds since the first frame, of more than ``k``; a hole counts as much as an even step between picks.

    Where it counted in full, the picks that fall into it would crowd at its edges.
    """
    filmed_s: np.ndarray = times_s - times_s[0]
    steps_s, even_s = np.diff(times_s), filmed_s[-1] / (k - 1)
    if steps_s.max() > even_s:
        for _ in range(64):  # to where the steps, each of at most one even step, make k - 1 of them
            even_s = np.minimum(steps_s, even_s).sum() / (k - 1)
        filmed_s[1:] = np.minimum(steps_s, even_s).cumsum()
    return filmed_s


def _equal_shares(mass: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` distinct frames nearest to equal shares of ``mass``, which rises from 0; first and last too."""
    count, steps = len(mass), np.arange(k)
    shares = np.linspace(0.0, mass[-1], k)
    right = np.searchsorted(mass, shares).clip(1, count - 1)
    indices = np.where(shares - mass[right - 1] <= mass[right] - shares, right - 1, right)
    indices[0], indices[-1] = 0, count - 1
    # Two shares can fall on one frame: the later moves on, or at the end of the clip the earlier one back.
    indices = np.maximum.accumulate(indices - steps) + steps
    return np.minimum(indices, count - k + steps)


def _greedy(times_s: np.ndarray, score: np.ndarray, chosen: list[int], k: int, gap_s: float) -> list[int]:
    """Add arg max after arg max, more than ``gap_s`` from all chosen; may stop short of ``k``."""
    chosen = list(chosen)
    free = np.ones(len(times_s), bool)
    for index in chosen:
        free &= np.abs(times_s - times_s[index]) > gap_s + CLOCK_TOLERANCE_S
    while len(chosen) < k and free.any():
        best = int(np.where(free, score, -np.inf).argmax())
        chosen.append(best)
        free &= np.abs(times_s - times_s[best]) > gap_s + CLOCK_TOLERANCE_S
    return chosen
