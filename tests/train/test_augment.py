import numpy as np
import pytest

from rushes.train.augment import augment, relight


def generator(seed):
    return np.random.default_rng(seed)


def noise(*shape):
    return generator(7).integers(0, 256, shape, dtype=np.uint8)


def relit(frames, rng):
    """Every value by itself, in float32."""
    contrast, brightness = rng.uniform(0.75, 1.25), rng.uniform(-25.0, 25.0)
    gain = (contrast * rng.uniform(0.85, 1.15, 3)).astype(np.float32)
    light = (frames.astype(np.float32) - 128.0) * gain + np.float32(128.0 + brightness)
    return np.clip(light, 0, 255).astype(np.uint8)


def moved(frames, rng):
    """Rows first, then columns."""
    _, height, width, _ = frames.shape
    zoom, mirrored = rng.uniform(0.92, 1.12), rng.random() < 0.5
    shifts = rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06)
    rows, columns = (
        np.clip(
            np.rint((np.arange(side) - side / 2) / zoom + side / 2 + shift * side).astype(int), 0, side - 1
        )
        for side, shift in zip((height, width), shifts, strict=True)
    )
    frames = frames[:, rows][:, :, columns]
    return frames[:, :, ::-1] if mirrored else frames


@pytest.mark.parametrize("seed", range(6))
def test_a_looked_up_level_is_the_computed_one(seed):
    frames = noise(3, 28, 56, 3)
    np.testing.assert_array_equal(relight(frames, generator(seed)), relit(frames, generator(seed)))


@pytest.mark.parametrize("seed", range(6))
def test_pixels_come_from_one_row_and_one_column(seed):
    frames = noise(3, 28, 56, 3)
    rng = generator(seed)
    expected = relit(moved(frames, rng), rng)
    np.testing.assert_array_equal(augment(frames, generator(seed)), expected)


def test_memory_may_lie_otherwise():
    frames = noise(3, 28, 56, 3)[:, ::-1, :, ::-1]
    np.testing.assert_array_equal(augment(frames, generator(0)), augment(frames.copy(), generator(0)))
    np.testing.assert_array_equal(relight(frames, generator(0)), relight(frames.copy(), generator(0)))
