"""The vision tower of Qwen2.5-VL with equal attention windows run as one batch.

The library runs one attention call per window on every backend but FlashAttention: 1,024 calls for eight
frames of 336x336. Windows of equal length are independent rows of a batch, so they are one call here. The
weights, the modules and the numbers are the library's; the result enters the model through its
``mm_encoder_outputs`` door, so nothing of it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionBlock,
    apply_rotary_pos_emb_vision,
)
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index


class Layout(NamedTuple):
    """What attention needs to know of a batch of grids; depends on their sizes only.

    Attributes:
        order: ``(tokens,)`` window order of the merged tokens.
        windows: ``(window length in patches, patch indices (n, length))`` of every distinct length.
        frames: the same for full attention, one row per temporal patch.
        positions: ``(patches, 2)`` row and column of each patch, before the window order.
    """

    order: Tensor
    windows: tuple[Tensor, ...]
    frames: tuple[Tensor, ...]
    positions: Tensor


def _rows(lengths: Tensor) -> tuple[Tensor, ...]:
    """Group consecutive stretches of ``lengths`` patches into one index matrix per distinct length."""
    starts = F.pad(lengths.cumsum(0), (1, 0))[:-1]
    return tuple(
        starts[lengths == length][:, None] + torch.arange(int(length), device=lengths.device)
        for length in lengths.unique()
        if length > 0
    )


def layout(visual: Qwen2_5_VisionTransformerPretrainedModel, grids: Tensor) -> Layout:
    """Work out window order and attention rows for ``grids`` ``(n, 3)`` = (T, H/14, W/14) each."""
    merge = visual.spatial_merge_size
    order, ends = get_vision_window_index(grids, merge, visual.window_size, visual.patch_size)
    ends = torch.as_tensor(ends, device=grids.device).unique_consecutive()
    frames = torch.repeat_interleave(grids[:, 1] * grids[:, 2], grids[:, 0])
    return Layout(order, _rows(ends.diff()), _rows(frames), get_vision_position_ids(grids, merge))


def _attend(
    block: Qwen2_5_VLVisionBlock, x: Tensor, rows: tuple[Tensor, ...], rotary: tuple[Tensor, Tensor]
) -> Tensor:
    """Self-attention of ``x`` (patches, hidden) inside each row of patch indices."""
    attention = block.attn
    # Unbound rather than indexed: three indexings have three gradients of the size of all, mostly zeros.
    query, key, value = attention.qkv(x).reshape(len(x), 3, attention.num_heads, -1).unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *rotary)
    if len(rows) == 1:  # they follow one another; a copy of the values lets go of all three
        batch = (part.unflatten(0, rows[0].shape) for part in (query, key, value.contiguous()))
        return attention.proj(_attended(batch, attention.scaling).reshape(len(x), -1))
    out = torch.empty_like(value)
    for index in rows:
        batch = (part[index] for part in (query, key, value))
        out = out.index_copy(0, index.flatten(), _attended(batch, attention.scaling).flatten(0, 1))
    return attention.proj(out.flatten(1))


def _attended(batch: Iterable[Tensor], scale: float) -> Tensor:
    """What each position gathers in its row, from queries, keys and values (n, length, heads, dim) each."""
    query, key, value = (part.transpose(1, 2) for part in batch)
    return F.scaled_dot_product_attention(query, key, value, scale=scale).transpose(1, 2)


def encode(visual: Qwen2_5_VisionTransformerPretrainedModel, patches: Tensor, grids: Tensor) -> Tensor:
    """Visual tokens of a batch of pictures.

    Args:
        visual: the model's tower.
        patches: ``(patches, 1176)`` of all grids, one after the other.
        grids: ``(n, 3)`` int64 of (T, H/14, W/14).

    Returns:
        ``(patches / 4, out_hidden)`` in the order of the patches.
    """
    plan = layout(visual, grids)
    unit = visual.spatial_merge_unit

    def windowed(x: Tensor) -> Tensor:
        return x.reshape(len(x) // unit, unit, -1)[plan.order].reshape(len(x), -1)

    embed = visual.patch_embed.proj
    # A convolution whose kernel covers its whole input is a matrix product, and a faster one on CPU.
    x = windowed(F.linear(patches.to(embed.weight.dtype), embed.weight.flatten(1)))
    rotary = tuple(windowed(part) for part in visual.rotary_pos_emb(x, plan.positions))
    for number, block in enumerate(visual.blocks):
        rows = plan.frames if number in visual.fullatt_block_indexes else plan.windows
        x = x + _attend(block, block.norm1(x), rows, rotary)
        x = x + block.mlp(block.norm2(x))
    return visual.merger(x)[torch.argsort(plan.order)]
