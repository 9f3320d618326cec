import math

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.checks import MetricTypeError
from rushes.metrics.egomotion import (
    centre,
    covered,
    differences,
    error_figures,
    motion_errors,
    speed_bands,
    turn_classes,
    wrapped_deg,
)
from rushes.metrics.jackknife import Jackknife

NAN, INF = float("nan"), float("inf")


def test_the_shorter_way_round_is_taken_at_the_seam():
    assert differences([181.0, 359.0, 1.0], [-179.0, 0.0, 359.0], circular=True) == pytest.approx([0, -1, 2])
    assert differences([0.0], [180.0], circular=True).tolist() == [180.0]
    assert differences([359.0], [0.0]).tolist() == [359.0]


def test_circular_differences_agree_with_complex_numbers():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(-900, 900, 2000), rng.uniform(-900, 900, 2000)
    turned = np.exp(1j * np.radians(first)) / np.exp(1j * np.radians(second))
    assert differences(first, second, circular=True) == pytest.approx(np.degrees(np.angle(turned)), abs=1e-8)


def test_wrapping_keeps_the_half_open_range_and_the_direction():
    rng = np.random.default_rng(1)
    angles = np.concatenate(
        [rng.uniform(-2000, 2000, 1000), np.arange(-7, 8) * 180.0, [np.nextafter(180, 181)]]
    )
    found = wrapped_deg(angles)
    assert ((found > -180) & (found <= 180)).all()
    assert np.abs(np.mod(found - angles + 180, 360) - 180).max() < 1e-9


def figures(errors):
    """Each figure of all rows."""
    return {name: found[0] for name, found in error_figures(errors, Jackknife.of(range(len(errors)))).items()}


def test_figures_by_hand():
    found = figures([3.0, -4.0])
    assert (found["mae"], found["median"]) == (3.5, 3.5)
    assert found["rmse"] == pytest.approx(math.sqrt(12.5))


def test_figures_are_those_of_the_plain_sums_and_in_order():
    rng = np.random.default_rng(2)
    for _ in range(200):
        errors = rng.normal(size=int(rng.integers(1, 60))) * 10
        found = figures(errors)
        assert found["mae"] == pytest.approx(sum(abs(error) for error in errors) / len(errors))
        assert found["rmse"] == pytest.approx(math.sqrt(sum(error**2 for error in errors) / len(errors)))
        assert found["rmse"] >= found["mae"] - 1e-12
        assert found == figures(-errors)


def test_leave_outs_are_the_figures_of_the_rows_that_stay():
    errors, clips = np.random.default_rng(6).normal(size=30), np.repeat(np.arange(6), 5)
    found = error_figures(errors, Jackknife.of(clips))
    for clip in range(6):
        alone = figures(errors[clips != clip])
        assert found["mae"][1 + clip] == pytest.approx(alone["mae"])
        assert found["rmse"][1 + clip] == pytest.approx(alone["rmse"])


def test_without_the_only_clip_that_errs_nothing_is_left():
    clips = np.repeat([0, 1, 2], 40)
    for seed in range(20):
        errors = np.where(clips == 0, np.random.default_rng(seed).normal(size=120), 0.0)
        found = error_figures(errors, Jackknife.of(clips))
        assert found["mae"][1] == pytest.approx(0, abs=1e-12)
        assert found["rmse"][1] == pytest.approx(0, abs=1e-6)


def test_a_failure_never_leaves_the_denominator():
    truth, answers = [10.0, 20.0, 30.0, 40.0], [10.0, 20.0, None, None]
    found = motion_errors(truth, answers, constant=10.0)
    assert found.signed.tolist() == [0, 0, -20, -30]
    assert found.answered.tolist() == [True, True, False, False]


def test_silence_scores_what_the_constant_scores():
    rng = np.random.default_rng(3)
    truth = rng.uniform(-180, 180, 50)
    found = motion_errors(truth, [None] * 50, constant=12.5, circular=True)
    assert not found.answered.any()
    constant = motion_errors(truth, [12.5] * 50, constant=0.0, circular=True)
    assert found.signed.tolist() == constant.signed.tolist()


def test_zero_is_an_answer():
    found = motion_errors([0.0, 0.0], [0.0, None], constant=7.0)
    assert found.answered.tolist() == [True, False]
    assert found.signed.tolist() == [0.0, 7.0]


def test_centres_of_the_line_and_of_the_circle_agree_far_from_the_seam():
    rng = np.random.default_rng(4)
    angles = rng.normal(0, 8, 301)
    line, circle = centre(angles), centre(angles, circular=True)
    assert circle[0] == pytest.approx(line[0], abs=0.1)
    assert circle[1] == pytest.approx(line[1], abs=1e-9)
    across = centre(wrapped_deg(angles + 180), circular=True)
    assert differences(across, [circle[0] + 180, circle[1] + 180], circular=True) == pytest.approx([0, 0])


def test_the_median_is_the_constant_of_least_mean_absolute_error():
    rng = np.random.default_rng(5)
    values = rng.gamma(2.0, 5.0, 301)
    mean, median = centre(values)
    grid = np.linspace(0, 40, 400)
    best = min(figures(values - constant)["mae"] for constant in [*grid, mean])
    assert figures(values - median)["mae"] <= best
    best = min(figures(values - constant)["rmse"] for constant in [*grid, median])
    assert figures(values - mean)["rmse"] <= best


def test_intervals_hold_their_ends_and_cross_the_seam():
    assert covered([1.0, 2.0, 2.1], [1.0] * 3, [2.0] * 3).tolist() == [True, True, False]
    assert covered([-175.0, 175.0, 160.0], [170.0] * 3, [190.0] * 3, circular=True).tolist() == [
        True,
        True,
        False,
    ]
    assert covered([-20.0, -10.0, 5.0], [-20.0] * 3, [0.0] * 3, circular=True).tolist() == [True, True, False]


def test_a_calibrated_interval_covers_what_it_promises():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=20_000)
    assert covered(truth, np.full(20_000, -1.645), np.full(20_000, 1.645)).mean() == pytest.approx(
        0.9, abs=0.01
    )


def test_bands_and_turns_take_their_thresholds():
    speeds = [0.0, 0.49, 0.5, 4.0, 29.0]
    assert speed_bands(speeds).tolist() == ["still", "still", "slow", "slow", "fast"]
    assert speed_bands(speeds, still_mps=0.1, fast_mps=4.0).tolist() == [
        "still",
        "slow",
        "slow",
        "fast",
        "fast",
    ]
    assert turn_classes([5.0, 4.99, -4.99, -5.0]).tolist() == ["left", "straight", "straight", "right"]
    assert turn_classes([5.0, -30.0], turn_deg=20).tolist() == ["straight", "right"]


REFUSED = {
    "nan among errors": (lambda: figures([1.0, NAN]), "finite"),
    "matrix of errors": (lambda: figures([[1.0]]), "one axis"),
    "errors of other rows": (lambda: error_figures([1.0], Jackknife.of(range(2))), "one length"),
    "infinite answer": (lambda: motion_errors([1.0, 1.0], [INF, 1.0], 0.0), "finite"),
    "nan constant": (lambda: motion_errors([1.0], [1.0], NAN), "constant"),
    "text as answer": (lambda: motion_errors([1.0], ["3 m"], 0.0), "numbers"),
    "lengths differ": (lambda: motion_errors([1.0, 2.0], [1.0], 0.0), "one length"),
    "nan truth": (lambda: motion_errors([NAN], [1.0], 0.0), "truth"),
    "no answers at all": (lambda: motion_errors([1.0], [], 0.0), "empty"),
    "reversed interval": (lambda: covered([1.0], [2.0], [0.0]), "before it begins"),
    "negative speed": (lambda: speed_bands([1.0, -0.1]), "negative"),
    "bands out of order": (lambda: speed_bands([1.0], still_mps=5.0, fast_mps=5.0), "still < fast"),
    "turn of nothing": (lambda: turn_classes([1.0], turn_deg=0.0), "between 0 and 180"),
    "angles that cancel": (lambda: centre([0.0, 180.0], circular=True), "cancel"),
}


@pytest.mark.parametrize(("call", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_defined_is_an_error_that_says_why(call, said):
    with pytest.raises(MetricError, match=said):
        call()


def test_a_wrong_kind_is_also_a_type_error():
    with pytest.raises(MetricTypeError):
        motion_errors([1.0], 3.0, 0.0)
