"""Optical flow between two luma planes: the method of Farnebäck (2003), in OpenCV's implementation.

    motion = mean_flow()
    motion(before, luma)        # pixels of the luma plane

OpenCV is an extra (``pip install 'rushes[flow]'``), imported here and only when asked for. It costs ten times as much
as decoding: 5.2 ms of a core for two planes of 160x120.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rushes.errors import RecipeError

Motion = Callable[[np.ndarray, np.ndarray], float]
"""The luma plane before, the luma plane now, both uint8 (h, w) -> how much moved between them, at least 0."""


def mean_flow() -> Motion:
    """Mean length of the flow vectors, in pixels of the plane.

    The parameters are those of the earlier system: three levels of half the size each, a window of 15 pixels,
    three iterations, polynomials over 5 pixels with a sigma of 1.2. The result is the same whatever the number of
    threads; OpenCV's number of threads in this process becomes one, as everything here works on one core a unit.

    Raises:
        RecipeError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise RecipeError(
            f"the sampler flow needs OpenCV, which is not installed: {error}",
            cure="pip install 'rushes[flow]', or set preprocessing.sampler: motion",
        ) from error
    cv2.setNumThreads(1)

    def measure(before: np.ndarray, luma: np.ndarray) -> float:
        start = np.empty((*luma.shape, 2), np.float32)  # overwritten: flags of 0 begin from no flow
        vectors = cv2.calcOpticalFlowFarneback(before, luma, start, 0.5, 3, 15, 3, 5, 1.2, 0)
        return float(np.hypot(vectors[..., 0], vectors[..., 1]).mean(dtype=np.float64))

    return measure
