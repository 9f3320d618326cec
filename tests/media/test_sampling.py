from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from rushes.errors import MediaError
from rushes.media.sampling import SAMPLERS, SamplerOptions, evenly, linspace_indices

RATES = (15.0, 25.0, 30.0)


def clip(
    rate: float = 25.0, seconds: float = 5.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, entropy and a peaked motion of a clip."""
    random = np.random.default_rng(seed)
    times_s = np.arange(round(rate * seconds)) / rate
    return times_s, 7 + 0.1 * random.random(len(times_s)), 10 * random.random(len(times_s)) ** 8


def test_uniform_reference_of_the_earlier_system() -> None:
    times_s, entropy, motion = clip()
    indices = SAMPLERS["uniform"](times_s, entropy, motion, 8, SamplerOptions())
    assert indices.tolist() == [0, 17, 35, 53, 70, 88, 106, 124]


@pytest.mark.parametrize(
    "rate", [Fraction(15), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), 60]
)
@pytest.mark.parametrize("whole_ms", [False, True])
def test_an_even_clock_gives_frames_evenly_spaced_by_number(rate: Fraction, whole_ms: bool) -> None:
    """As the earlier system has it, wherever the clip begins and whether or not times are whole milliseconds."""
    for first, count, k in product((0, 1, 977), range(1, 200, 3), (2, 3, 8, 16, 61)):
        times_s = np.array([float((first + number) / rate) for number in range(count)])
        times_s = np.round(times_s, 3) if whole_ms else times_s
        found = evenly(times_s - times_s[0] + 0.02, k)
        assert found.tolist() == linspace_indices(count, k).tolist()


def test_uniform_is_even_in_time_where_the_rate_varies() -> None:
    """Half of the frames lie within the first second of five: by number every other pick would."""
    times_s = np.concatenate([np.arange(60) / 60, 1 + np.arange(60) / 15])
    still = np.zeros(120)
    picked_s = times_s[SAMPLERS["uniform"](times_s, still, still, 9, SamplerOptions())]
    assert np.abs(picked_s - np.linspace(0, times_s[-1], 9)).max() <= 1 / 30  # half of the longest step


@pytest.mark.parametrize("name", ["uniform", "entropy", "coverage"])
@pytest.mark.parametrize("hole_s", [0.5, 2.0, 3600.0])
def test_frames_do_not_crowd_at_the_edges_of_a_hole(name: str, hole_s: float) -> None:
    """A second at 25 per second, nothing, and another second; entropy falls back to even steps here."""
    times_s = np.concatenate([np.arange(25) / 25, 1 + hole_s + np.arange(25) / 25])
    picked = SAMPLERS[name](times_s, np.zeros(50), np.zeros(50), 16, SamplerOptions())
    assert (len(picked), picked[0], picked[-1]) == (16, 0, 49)
    steps_s = np.sort(np.diff(times_s[picked]))
    assert steps_s[0] >= 0.08
    assert steps_s[-2] <= 0.2


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("k", [2, 3, 8, 16])
def test_sorted_distinct_first_and_last(name: str, rate: float, k: int) -> None:
    for seed in range(20):
        indices = SAMPLERS[name](*clip(rate, seed=seed), k, SamplerOptions())
        assert len(indices) == k
        assert (np.diff(indices) > 0).all()
        assert indices[0] == 0
        assert indices[-1] == round(rate * 5) - 1


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_short_clips_are_taken_whole(name: str, count: int) -> None:
    times_s, entropy, motion = (values[:count] for values in clip())
    assert SAMPLERS[name](times_s, entropy, motion, 8, SamplerOptions()).tolist() == list(range(count))


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_sampler_knows_a_boundary_by_default(name: str) -> None:
    """With the default options a known boundary changes nothing but the mandatory frame of motion and flow."""
    signals = clip()
    blind = SAMPLERS[name](*signals, 8, SamplerOptions())
    told = SAMPLERS[name](*signals, 8, SamplerOptions(boundary_s=2.5))
    if name in ("motion", "flow"):
        assert np.abs(signals[0][told] - 2.5).min() < 0.021
    else:
        assert told.tolist() == blind.tolist()


def earlier_entropy_sampler(entropy: np.ndarray, boundary: int | None, k: int = 8) -> list[int]:
    """The earlier system's rules, in frames, written out a second time."""
    smoothed = [entropy[0]]
    for value in entropy[1:]:
        smoothed.append(0.7 * value + 0.3 * smoothed[-1])
    if boundary is not None:
        smoothed = [s * 1.5 if abs(i - boundary) <= 5 else s for i, s in enumerate(smoothed)]
    chosen = [0, len(entropy) - 1]
    while len(chosen) < k:
        free = [i for i in range(len(entropy)) if all(abs(i - j) > 5 for j in chosen)]
        if not free:
            return linspace_indices(len(entropy), k).tolist()
        chosen.append(max(free, key=lambda i: (smoothed[i], -i)))
    return sorted(chosen)


@pytest.mark.parametrize("count", [20, 40, 68, 125])
@pytest.mark.parametrize("boundary", [None, 12])
def test_entropy_equals_the_earlier_system_at_25_fps(count: int, boundary: int | None) -> None:
    for seed in range(30):
        times_s, entropy, motion = clip(seconds=count / 25, seed=seed)
        boundary_s = None if boundary is None else boundary / 25
        options = SamplerOptions(boundary_s=boundary_s, entropy_boost=1.5)
        found = SAMPLERS["entropy"](times_s, entropy, motion, 8, options)
        assert found.tolist() == earlier_entropy_sampler(entropy, boundary)


def test_entropy_falls_back_to_linspace_where_the_gap_leaves_no_frame() -> None:
    times_s, entropy, motion = clip(seconds=20 / 25)
    found = SAMPLERS["entropy"](times_s, entropy, motion, 8, SamplerOptions())
    assert found.tolist() == linspace_indices(20, 8).tolist()


def test_entropy_ties_go_to_the_earlier_frame() -> None:
    times_s, _, motion = clip()
    found = SAMPLERS["entropy"](times_s, np.zeros(125), motion, 8, SamplerOptions())
    assert found.tolist() == [0, 6, 12, 18, 24, 30, 36, 124]


@pytest.mark.parametrize("name", ["entropy", "motion", "flow"])
@pytest.mark.parametrize("rate", RATES)
def test_gaps_are_seconds_at_every_rate(name: str, rate: float) -> None:
    for seed in range(20):
        times_s, entropy, motion = clip(rate, seed=seed)
        found = SAMPLERS[name](times_s, entropy, motion, 8, SamplerOptions())
        assert np.diff(times_s[found]).min() > 0.2


def test_the_gap_rule_does_not_depend_on_a_jittering_clock() -> None:
    """Kinect frames come 66 or 67 ms apart; three of them are 200 or 201 ms, and both are one gap."""
    times_s = np.cumsum([0, *([66, 67, 67] * 25)])[:75] / 1000
    found = SAMPLERS["entropy"](times_s, np.zeros(75), np.zeros(75), 8, SamplerOptions())
    assert found.tolist() == [0, 4, 8, 12, 16, 20, 24, 74]


def test_motion_takes_the_peaks_and_halves_the_gap_when_it_must() -> None:
    times_s, entropy, _ = clip()
    motion = np.zeros(125)
    peaks = [20, 40, 60, 80, 100, 110]
    motion[peaks] = 5, 4, 3, 6, 2, 1
    assert SAMPLERS["motion"](times_s, entropy, motion, 8, SamplerOptions()).tolist() == [0, *peaks, 124]
    short = SAMPLERS["motion"](times_s[:20], entropy[:20], motion[:20], 8, SamplerOptions())
    assert len(short) == 8
    assert np.diff(short).min() >= 2  # .2 s leave room for 4 frames, .1 s for all 8


def test_motion_gaussian_pulls_frames_to_the_boundary() -> None:
    times_s, entropy, motion = clip()
    blind = SAMPLERS["motion"](times_s, entropy, motion, 8, SamplerOptions(boundary_s=2.5))
    pulled = SAMPLERS["motion"](
        times_s, entropy, motion, 8, SamplerOptions(boundary_s=2.5, motion_weight=5.0)
    )
    assert (np.abs(times_s[pulled] - 2.5) < 0.5).sum() > (np.abs(times_s[blind] - 2.5) < 0.5).sum()


def test_coverage_of_a_still_clip_is_uniform_in_time() -> None:
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.1, 125))
    found = SAMPLERS["coverage"](times_s, np.zeros(125), np.zeros(125), 8, SamplerOptions())
    even = np.linspace(times_s[0], times_s[-1], 8)
    assert np.abs(times_s[found] - even).max() <= 0.05  # half of the longest frame


def test_coverage_is_dense_where_things_change() -> None:
    times_s, entropy, _ = clip()
    motion = np.where((times_s > 2) & (times_s < 3), 9.0, 0.1)
    found = times_s[SAMPLERS["coverage"](times_s, entropy, motion, 8, SamplerOptions())]
    assert ((found > 1.9) & (found < 3.1)).sum() == 4  # of eight, where uniform has one or two


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_coverage_never_leaves_a_hole(epsilon: float) -> None:
    for seed in range(50):
        times_s, entropy, motion = clip(seed=seed)
        found = SAMPLERS["coverage"](times_s, entropy, motion**4, 8, SamplerOptions(epsilon=epsilon))
        bound_s = (1 + epsilon) / epsilon * times_s[-1] / 7
        assert np.diff(times_s[found]).max() <= bound_s + 2 / 25  # frames are whole


def test_coverage_keeps_frames_distinct_on_a_single_spike() -> None:
    times_s, entropy, _ = clip(seconds=10 / 25)
    for spike in range(1, 10):
        motion = np.zeros(10)
        motion[spike] = 1000.0
        found = SAMPLERS["coverage"](times_s, entropy, motion, 8, SamplerOptions(epsilon=1e-6))
        assert len(set(found.tolist())) == 8
        assert (found[0], found[-1]) == (0, 9)


@pytest.mark.parametrize("name", SAMPLERS)
def test_undefined_input_is_refused(name: str) -> None:
    times_s, entropy, motion = clip()
    sampler, options = SAMPLERS[name], SamplerOptions()
    with pytest.raises(MediaError, match="k >= 2"):
        sampler(times_s, entropy, motion, 1, options)
    with pytest.raises(MediaError, match="one entropy and one motion per frame"):
        sampler(times_s, entropy[1:], motion, 8, options)
    with pytest.raises(MediaError, match="one entropy"):
        sampler(times_s[:0], entropy[:0], motion[:0], 8, options)
    with pytest.raises(MediaError, match="finite"):
        sampler(times_s, np.where(times_s > 1, np.nan, entropy), motion, 8, options)
    with pytest.raises(MediaError, match="strictly increasing"):
        sampler(np.where(times_s > 1, 0.0, times_s), entropy, motion, 8, options)
