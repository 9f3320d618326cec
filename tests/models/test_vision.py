from collections import Counter

import pytest
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from rushes.models import vision


@pytest.fixture(scope="module")
def visual():
    """A tower with windows, and full attention in the second and the fourth of its layers."""
    torch.manual_seed(0)
    config = Qwen2_5_VLVisionConfig(
        depth=4,
        hidden_size=96,
        intermediate_size=256,
        num_heads=4,
        out_hidden_size=128,
        fullatt_block_indexes=[1, 3],
    )
    return Qwen2_5_VisionTransformerPretrainedModel(config).eval()


class AttentionCalls(TorchFunctionMode):
    """Counts attention calls by the length of what is attended to."""

    def __init__(self):
        super().__init__()
        self.lengths = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is functional.scaled_dot_product_attention:
            self.lengths[args[1].shape[-2]] += 1
        return function(*args, **(kwargs or {}))


def pictures(*grids):
    grids = torch.tensor(grids)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(int(grids.prod(1).sum()), 1176, generator=generator), grids


GRIDS = {
    "336x336": [(4, 24, 24)],
    "one small window": [(1, 4, 6)],
    "ragged windows": [(2, 10, 14)],
    "one row of tokens": [(3, 2, 22)],
    "several sizes": [(2, 24, 24), (1, 4, 6), (3, 10, 14)],
}


def test_the_tiny_models_tower_too(shared_vlm):
    """Its weights are larger, so the numbers are rounded at another place."""
    patches, grids = pictures(*GRIDS["several sizes"])
    tower = shared_vlm.base.model.visual
    with torch.inference_mode():
        ours, theirs = vision.encode(tower, patches, grids), tower(patches, grid_thw=grids).pooler_output
    torch.testing.assert_close(ours, theirs, atol=1e-5 * theirs.abs().max().item(), rtol=0)


@pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS)
def test_tokens_are_the_librarys(visual, grids):
    patches, grids = pictures(*grids)
    with torch.inference_mode():
        ours, theirs = vision.encode(visual, patches, grids), visual(patches, grid_thw=grids).pooler_output
    assert ours.shape == (len(patches) // 4, visual.config.out_hidden_size)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_a_pair_of_frames_is_what_it_is_without_the_pairs_beside_it(visual):
    """In layers with windows and in those without: so it can be encoded once for all clips that hold it."""
    patches, grids = pictures((3, 24, 24), (1, 10, 14))
    with torch.inference_mode():
        together = vision.encode(visual, patches, grids)
        alone = vision.encode(visual, patches[576:1152], torch.tensor([[1, 24, 24]]))
    torch.testing.assert_close(together[144:288], alone, atol=1e-6, rtol=0)


def test_gradients_are_the_librarys(visual):
    patches, grids = pictures((2, 10, 14), (1, 4, 6))
    gradients = []
    for tokens in (vision.encode(visual, patches, grids), visual(patches, grid_thw=grids).pooler_output):
        visual.zero_grad()
        tokens.square().sum().backward()
        gradients.append({name: weight.grad.clone() for name, weight in visual.named_parameters()})
    ours, theirs = gradients
    assert ours.keys() == theirs.keys()
    for name in theirs:
        scale = theirs[name].abs().max().item()
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5 * max(scale, 1.0), rtol=0)


def test_windows_of_one_length_are_one_call(visual):
    patches, grids = pictures((4, 24, 24), (4, 24, 24))
    full = len(visual.fullatt_block_indexes)
    windowed = len(visual.blocks) - full
    with torch.inference_mode(), AttentionCalls() as ours:
        vision.encode(visual, patches, grids)
    assert ours.lengths == {64: windowed, 24 * 24: full}
    with torch.inference_mode(), AttentionCalls() as theirs:
        visual(patches, grid_thw=grids)
    assert theirs.lengths == {64: windowed * 2 * 36, 24 * 24: full * 2 * 4}


def test_every_other_length_is_one_more_call(visual):
    patches, grids = pictures((1, 10, 14))  # windows of 8x8, 8x6, 2x8 and 2x6 patches
    with torch.inference_mode(), AttentionCalls() as calls:
        vision.encode(visual, patches, grids)
    windowed = len(visual.blocks) - len(visual.fullatt_block_indexes)
    assert {length: calls.lengths[length] for length in (64, 48, 16, 12)} == dict.fromkeys(
        (64, 48, 16, 12), windowed
    )


def test_layout_uses_every_patch_once(visual):
    patches, grids = pictures((2, 10, 14), (3, 2, 22), (1, 4, 6))
    plan = vision.layout(visual, grids)
    for rows in (plan.windows, plan.frames):
        used = torch.cat([row.flatten() for row in rows])
        assert used.sort().values.tolist() == list(range(len(patches)))
