"""The difference hash is the field's own, and its companions say what it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rushes.media.dhash import BITS, look_of


def test_bits_are_those_of_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash")
    rng = np.random.default_rng(0)
    for width, height in ((17, 16), (40, 300), (333, 97), (1, 1)):
        picture = rng.integers(0, 256, (height, width, 3), np.uint8)
        wanted = imagehash.dhash(Image.fromarray(picture), 16).hash
        assert np.array_equal(np.unpackbits(np.frombuffer(look_of(picture).bits, np.uint8)), wanted.ravel())
        assert wanted.size == BITS


def test_a_scaled_and_compressed_copy_stays_close() -> None:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    picture, other = coarse.resize((512, 512)), coarse.transpose(Image.Transpose.ROTATE_90).resize((512, 512))
    small = picture.resize((140, 140))

    bits = [
        np.unpackbits(np.frombuffer(look_of(np.asarray(one)).bits, np.uint8))
        for one in (picture, small, other)
    ]

    assert (bits[0] != bits[1]).sum() <= 8
    assert (bits[0] != bits[2]).sum() > 64


def test_variance_tells_uniform_pictures_and_colour_tells_quarters() -> None:
    uniform = look_of(np.full((64, 64, 3), 200, np.uint8))
    noise = np.random.default_rng(2).normal(200, 6, (256, 256, 1)).clip(0, 255)
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = (255, 0, 10)

    assert uniform.variance == 0.0
    assert look_of(np.repeat(noise, 3, axis=2).astype(np.uint8)).variance < 5.0  # grain is nothing to go by
    assert look_of(halves).variance > 1000.0
    assert list(look_of(halves).colour) == [0, 0, 0, 255, 0, 10] * 2
