"""A picture is computed once, whoever asks, and the answers are those of the encoder."""

from __future__ import annotations

import numpy as np

from rushes.models.once import Once

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)


class Sums:
    """Counts the pictures that it computes."""

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self, pictures):
        self.computed += len(pictures)
        return pictures.sum(axis=(1, 2)).astype(np.float32)


def test_each_picture_is_computed_once():
    sums = Sums()
    once = Once(sums, 10)
    asked = PICTURES[[0, 1, 1, 0, 2]]
    assert np.array_equal(once(asked), Sums()(asked))
    assert sums.computed == 3
    assert np.array_equal(once(PICTURES), Sums()(PICTURES))
    assert np.array_equal(once(PICTURES[:2]), Sums()(PICTURES[:2]))
    assert sums.computed == 6


def test_those_that_came_last_are_kept():
    sums = Sums()
    once = Once(sums, 2)
    once(PICTURES[:4])
    once(PICTURES[2:4])
    assert sums.computed == 4
    once(PICTURES[:1])
    assert sums.computed == 5


def test_no_pictures_have_no_features():
    assert Once(Sums(), 2)(PICTURES[:0]).shape == (0, 3)
