"""Pairs of frames that several windows hold: encoded once, the same numbers, bounded memory."""

import numpy as np
import pytest
import torch

from rushes.errors import ModelError
from rushes.models import vision
from rushes.models.pair_features import PairFeatures
from rushes.models.pixels import Pictures


def noise(count, seed=0, size=(56, 84)):
    """Frames (count, H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def by_the_tower(vlm, clips):
    """Visual tokens of whole clips, none shared."""
    pictures = [Pictures.of(views) for views in clips]
    patches = torch.from_numpy(np.concatenate([shown.patches for shown in pictures]))
    grids = torch.tensor([grid for shown in pictures for grid in shown.grids])
    return vision.encode(vlm.base.model.visual, patches, grids)


@pytest.fixture
def pairs(shared_vlm):
    return PairFeatures(shared_vlm)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5 * theirs.abs().max().item(), rtol=0)


@torch.inference_mode()
def test_windows_that_overlap_share_their_pairs(shared_vlm, pairs):
    frames = noise(12)
    clips = [[frames[start : start + 8]] for start in (0, 2, 4)]
    close(pairs.of(clips), by_the_tower(shared_vlm, clips))
    assert (pairs.asked, pairs.encoded) == (12, 6)
    close(pairs.of(clips[1:]), by_the_tower(shared_vlm, clips[1:]))
    assert (pairs.asked, pairs.encoded) == (20, 6)


@torch.inference_mode()
def test_views_stand_together_in_each_pair(shared_vlm, pairs):
    clips = [[noise(4, seed) for seed in (1, 2, 3)], [noise(2, seed) for seed in (4, 2, 5)]]
    close(pairs.of(clips), by_the_tower(shared_vlm, clips))
    assert (pairs.asked, pairs.encoded) == (9, 8)  # a view of the second shows what one of the first did


@torch.inference_mode()
def test_a_lone_last_frame_is_a_pair_of_itself(shared_vlm, pairs):
    frames = noise(5)
    close(pairs.of([[frames]]), by_the_tower(shared_vlm, [[frames]]))
    assert pairs.encoded == 3


@torch.inference_mode()
def test_pairs_of_other_pixels_order_or_shape_are_others(shared_vlm, pairs):
    frames = noise(2)
    changed = frames.copy()
    changed[1, -1, -1, -1] ^= 1
    clips = [[frames], [changed], [frames[::-1]], [frames.reshape(2, 28, 168, 3)]]
    close(pairs.of(clips), by_the_tower(shared_vlm, clips))
    assert pairs.encoded == 4


@torch.inference_mode()
def test_memory_is_bounded_and_keeps_what_was_asked_for_last(shared_vlm):
    one = PairFeatures(shared_vlm)
    one.of([[noise(2)]])
    pairs = PairFeatures(shared_vlm, most_bytes=3 * one.nbytes)
    for number in (0, 1, 2, 0, 3):  # 1 has not been asked for the longest
        pairs.of([[noise(2, number)]])
    assert (pairs.encoded, pairs.nbytes) == (4, 3 * one.nbytes)
    pairs.of([[noise(2, number)] for number in (0, 2, 3)])
    assert pairs.encoded == 4
    pairs.of([[noise(2, 1)]])
    assert pairs.encoded == 5


@torch.inference_mode()
def test_a_batch_of_more_than_is_remembered_is_whole(shared_vlm):
    clips = [[noise(8, seed)] for seed in range(3)]
    pairs = PairFeatures(shared_vlm, most_bytes=1)
    close(pairs.of([*clips, *clips]), by_the_tower(shared_vlm, [*clips, *clips]))
    assert (pairs.encoded, pairs.nbytes) == (12, 0)


@torch.inference_mode()
def test_what_is_remembered_holds_on_to_nothing_else(shared_vlm, pairs):
    pairs.of([[noise(20)]])
    held = sum(tokens.untyped_storage().nbytes() for tokens in pairs._known.values())
    assert held == pairs.nbytes


def test_views_of_different_sizes_are_refused(pairs):
    with pytest.raises(ModelError, match="of one size"):
        pairs.of([[noise(2), noise(4)]])
    with pytest.raises(ModelError, match="multiples of 28"):
        pairs.of([[noise(2, size=(30, 28))]])
