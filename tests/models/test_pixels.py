import warnings

import numpy as np
import pytest
import torch
from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as library

from rushes.errors import ModelError
from rushes.models.pixels import patchify, visual_tokens

PATCH_OF = (-1, 3, 2, 14, 14)  # channel, frame of the pair, row, column


@pytest.mark.parametrize(("height", "width"), [(56, 84), (336, 336), (28, 140)])
def test_patches_are_those_of_the_librarys_image_processor(noise, height, width):
    """It sees single pictures, each as both frames of its pair: every frame must lie where it says."""
    frames = noise(4, height, width)
    patches, grid = patchify(frames)
    processor = library.Qwen2VLImageProcessorPil(do_resize=False)
    theirs = processor(images=list(frames), return_tensors="np")
    assert (theirs["image_grid_thw"] == [1, height // 14, width // 14]).all()
    assert grid == (2, height // 14, width // 14)
    ours = patches.reshape(2, *PATCH_OF)
    for number, picture in enumerate(np.split(theirs["pixel_values"], 4)):
        pair, place = divmod(number, 2)
        np.testing.assert_allclose(ours[pair, :, :, place], picture.reshape(PATCH_OF)[:, :, 0], atol=2e-6)


@pytest.mark.parametrize(("count", "height", "width"), [(8, 336, 336), (3, 56, 84), (1, 84, 28)])
def test_patches_are_those_of_the_librarys_video_processor(noise, count, height, width):
    pytest.importorskip("torchvision")
    from transformers import Qwen2VLVideoProcessor

    frames = noise(count, height, width)
    patches, grid = patchify(frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own announcements
        processor = Qwen2VLVideoProcessor(do_resize=False, do_sample_frames=False)
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)
        theirs = processor(videos=[video], return_tensors="pt")
    assert theirs["video_grid_thw"].tolist() == [list(grid)]
    np.testing.assert_allclose(patches, theirs["pixel_values_videos"].numpy(), atol=2e-6)


def test_an_odd_last_frame_is_repeated(noise):
    frames = noise(3, 56, 56)
    odd, even = patchify(frames), patchify(np.concatenate([frames, frames[-1:]]))
    assert odd[1] == even[1]
    np.testing.assert_array_equal(odd[0], even[0])


def test_frames_are_not_changed(noise):
    frames = noise(2, 28, 28)
    before = frames.copy()
    patches, grid = patchify(frames)
    np.testing.assert_array_equal(frames, before)
    assert patches.dtype == np.float32
    assert patches.flags.c_contiguous
    assert visual_tokens(grid) == 1


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 50, 56, 3), np.uint8),
        np.zeros((2, 56, 56, 3), np.float32),
        np.zeros((2, 56, 56), np.uint8),
        np.zeros((0, 56, 56, 3), np.uint8),
    ],
)
def test_what_cannot_be_patched_is_refused(frames):
    with pytest.raises(ModelError):
        patchify(frames)
