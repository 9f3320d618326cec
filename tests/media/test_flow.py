"""Optical flow as a measure of motion: what it measures, and what happens without its library."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from rushes.errors import RecipeError
from rushes.media.flow import mean_flow
from rushes.media.sampling import motion_for
from rushes.media.signals import Signals


def texture(seed: int = 0) -> np.ndarray:
    """Blobs that flow can hold on to, uint8 (120, 160)."""
    noise = gaussian_filter(np.random.default_rng(seed).random((120, 160)), 2, mode="wrap")
    return np.round(255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


@pytest.mark.parametrize("shift", [(0, 1), (2, 0), (3, 4)])
def test_a_shifted_picture_flows_by_its_shift(shift):
    before = texture()
    assert mean_flow()(before, np.roll(before, shift, (0, 1))) == pytest.approx(np.hypot(*shift), abs=0.15)


def test_light_that_changes_is_motion_for_the_difference_and_not_for_the_flow():
    planes = [texture() // 2, texture() // 2 + 40]
    difference, flow = Signals(), Signals(mean_flow())
    assert [difference.update(plane).motion for plane in planes] == [0.0, 40.0]
    first, second = (flow.update(plane).motion for plane in planes)
    assert first == 0.0
    assert second < 0.2


def test_entropy_does_not_depend_on_the_measure():
    plane = texture()
    assert Signals(mean_flow()).update(plane).entropy == Signals().update(plane).entropy


def test_the_number_of_threads_changes_nothing():
    before, now = texture(), np.roll(texture(), 2, 1) // 2 + texture(1) // 2
    measure = mean_flow()
    assert cv2.getNumThreads() == 1
    alone = measure(before, now)
    cv2.setNumThreads(4)
    try:
        assert measure(before, now) == alone
    finally:
        cv2.setNumThreads(1)


def test_only_the_sampler_flow_asks_for_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert [motion_for(name) for name in ("uniform", "entropy", "motion", "coverage")] == [None] * 4
    with pytest.raises(RecipeError, match="needs OpenCV") as refused:
        motion_for("flow")
    assert "pip install 'rushes[flow]'" in str(refused.value.cure)
