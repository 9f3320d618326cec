"""Frames to the patches that a Qwen2.5-VL vision tower reads, in numpy.

The library's own video processor needs torchvision; this one needs nothing. Layout and constants follow
``Qwen2VLVideoProcessor`` of transformers 5.23, against which the tests compare where torchvision exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rushes.errors import ModelError

PATCH = 14  # pixels on a side of one patch
MERGE = 2  # patches on a side that the merger joins into one visual token
PAIR = 2  # frames that one temporal patch joins
FACTOR = PATCH * MERGE  # both sides of a frame are multiples of this

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def grid_of(frames: np.ndarray) -> tuple[int, int, int]:
    """The grid ``(T/2, H/14, W/14)`` that frames ``(T, H, W, 3)`` become, T rounded up to whole pairs.

    Raises:
        ModelError: wrong shape or type, or a side that is no multiple of 28.

    >>> grid_of(np.zeros((3, 56, 84, 3), np.uint8))
    (2, 4, 6)
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ModelError(f"asked to patch (T, H, W, 3) uint8 frames, found {frames.shape} {frames.dtype}")
    count, height, width, _ = frames.shape
    if height % FACTOR or width % FACTOR:
        raise ModelError(
            f"frames are {width}x{height}, both sides must be multiples of {FACTOR}",
            cure="set preprocessing.frame_size to multiples of 28",
        )
    return -(-count // PAIR), height // PATCH, width // PATCH


def grid_of_views(views: Sequence[np.ndarray]) -> tuple[int, int, int]:
    """The grid of the frames of each view of a clip.

    Raises:
        ModelError: as `grid_of`, or views of different sizes.
    """
    grids = set(map(grid_of, views))
    if len(grids) != 1:
        raise ModelError(f"views of one clip must be of one size, found grids {sorted(grids)}")
    return grids.pop()


def patchify(frames: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Normalise frames and cut them into temporal patches.

    An odd number of frames is made even by repeating the last one, as the library does.

    Args:
        frames: ``(T, H, W, 3)`` uint8 RGB, H and W multiples of 28.

    Returns:
        ``(N, 1176)`` float32 patches in merge-block order with ``N = T/2 * H/14 * W/14``, and the grid
        ``(T/2, H/14, W/14)``.

    Raises:
        ModelError: wrong shape or type, or a side that is no multiple of 28.

    >>> patches, grid = patchify(np.zeros((3, 56, 84, 3), np.uint8))
    >>> patches.shape, grid
    ((48, 1176), (2, 4, 6))
    """
    grid = grid_of(frames)
    if len(frames) % PAIR:
        frames = np.concatenate([frames, frames[-1:]])
    count, height, width, _ = frames.shape
    rows, columns = height // FACTOR, width // FACTOR
    blocks = frames.reshape(count // PAIR, PAIR, rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    # (T, pair, R, m, p, C, n, q, channel) -> (T, R, C, m, n, channel, pair, p, q), moved as bytes
    ordered = np.ascontiguousarray(blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7))
    # One multiply-add instead of /255, -mean, /std: the same numbers to one rounding.
    scale, offset = (each.reshape(3, 1, 1, 1) for each in (1 / (255 * CLIP_STD), CLIP_MEAN / CLIP_STD))
    patches = ordered * scale
    patches -= offset
    return patches.reshape(math.prod(grid), -1), grid


@dataclass(frozen=True, slots=True)
class Pictures:
    """What one clip shows, as patches.

    Attributes:
        patches: ``(N, 1176)`` float32, in the order in which their tokens stand in the prompt.
        grids: of each video among them, (T, H/14, W/14).
        view: grid of all frames of one view.
    """

    patches: np.ndarray
    grids: tuple[tuple[int, int, int], ...]
    view: tuple[int, int, int]

    @classmethod
    def of(cls, views: Sequence[np.ndarray]) -> Pictures:
        """Patch the frames of each view, ``(T, H, W, 3)`` uint8 each, all of one shape.

        One view is one video. Several are one short video for each pair of frames and view, since all views
        of a moment stand together in the prompt.

        >>> pictures = Pictures.of([np.zeros((4, 28, 56, 3), np.uint8)] * 3)
        >>> pictures.patches.shape, pictures.grids[:2], len(pictures.grids), pictures.view
        ((48, 1176), ((1, 2, 4), (1, 2, 4)), 6, (2, 2, 4))
        """
        view = grid_of_views(views)
        patched, grids = zip(*map(patchify, views), strict=True)
        if len(views) == 1:
            return cls(patched[0], grids, view)
        by_pair = [patches.reshape(view[0], -1, patches.shape[-1]) for patches in patched]
        joined = np.stack(by_pair, axis=1).reshape(-1, patched[0].shape[-1])
        return cls(joined, ((1, *view[1:]),) * (view[0] * len(views)), view)


def visual_tokens(grid: tuple[int, int, int]) -> int:
    """Visual tokens that a grid of patches becomes after merging.

    >>> visual_tokens((4, 24, 24))
    576
    """
    return math.prod(grid) // MERGE**2
