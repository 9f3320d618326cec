"""Colours of a picture as a vector."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.media.colours import WHITE, colours


def painted(*stripes: tuple[int, int, int]) -> np.ndarray:
    return np.array(stripes, np.uint8)[None].repeat(8, 0)


def test_equal_histograms_have_a_product_of_1_whatever_stands_where():
    one, other = painted((255, 0, 0), (0, 0, 255)), painted((0, 0, 255), (255, 0, 0))
    assert float(colours(one).astype(float) @ colours(other).astype(float)) == pytest.approx(1.0, abs=1e-3)


def test_white_is_background_and_a_white_picture_still_has_a_vector():
    red, framed = painted((200, 0, 0)), painted((200, 0, 0), (WHITE, 255, 255), (255, 255, 255))
    assert (colours(red) == colours(framed)).all()
    assert np.linalg.norm(colours(painted((255, 255, 255))).astype(float)) == 1.0


def test_half_a_colour_in_common_is_the_bhattacharyya_coefficient():
    one, other = painted((200, 0, 0)), painted((200, 0, 0), (0, 0, 200))
    assert float(colours(one).astype(float) @ colours(other).astype(float)) == pytest.approx(
        0.5**0.5, abs=1e-3
    )
