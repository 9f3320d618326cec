"""A trained model as one ordinary checkpoint that other engines load: its adapter is part of the weights.

An update is added in float32 and rounded once, matrix by matrix, so that neither the precision of the result nor the
size of the model costs more than that rounding. Weights in 4 bits take no update: rounded again, they would be another
model (logits 1.6 apart on a small one), so it goes into the whole weights that they were made from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import GenerationConfig

from rushes.errors import ModelError
from rushes.models.base import Base
from rushes.models.pixels import Pictures
from rushes.models.processor import write_processor
from rushes.models.scoring import Continuation
from rushes.models.stored import PREPROCESSING_FILE
from rushes.models.vlm import Batch, Vlm, collate, forward, to_device
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.recipe.sections import Precision
from rushes.stages import write_atomic

P = TypeVar("P", bound=FramePreprocessing)

_PRECISIONS: Mapping[str, Precision] = {"bfloat16": "bfloat16", "float16": "float16"}


@dataclass(frozen=True, slots=True)
class Update:
    """What merging did to the weights.

    Attributes:
        matrices: that an adapter changes.
        unchanged: of these, how many are as they were.
        lost: greatest share of an update, by its norm, that rounding took.
    """

    matrices: int
    unchanged: int
    lost: float


def stored_precision(base: Base) -> Precision:
    """The type in which a base is stored, 16 bits or else float32: to load it so loses nothing."""
    try:
        told = json.loads((base.bring() / "config.json").read_text("utf-8"))
        name = told.get("dtype", told.get("torch_dtype"))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"no configuration of a checkpoint: {error}", where=base.name) from error
    return _PRECISIONS.get(name, "float32")


@torch.no_grad()
def merge(vlm: Vlm[P], precision: Precision) -> tuple[Vlm[P], Update]:
    """The model without an adapter in a precision; what was given is used up.

    Raises:
        ModelError: the weights under the adapter have 4 bits, or the adapter changes none of them.
    """
    dtype = getattr(torch, precision)
    update = Update(0, 0, 0.0)
    if isinstance(vlm.model, PeftModel):
        layers = [layer for layer in vlm.model.modules() if isinstance(layer, LoraLayer)]
        lost = [_merge_layer(layer, dtype) for layer in layers]
        update = Update(
            len(lost), lost.count(None), max((one for one in lost if one is not None), default=0.0)
        )
        if update.unchanged == update.matrices:
            raise ModelError(
                f"the adapter changes none of its {update.matrices} matrices in {precision}",
                cure="see that it was trained, or export in float32",
            )
        vlm = replace(vlm, model=vlm.model.unload())
    return replace(vlm, model=vlm.model.to(dtype)), update


def _merge_layer(layer: LoraLayer, dtype: torch.dtype) -> float | None:
    """Put an update into its matrix; the share of it that rounding took, None where the matrix is as it was."""
    linear = layer.get_base_layer()
    if not isinstance(linear, nn.Linear) or not linear.weight.is_floating_point():
        raise ModelError(
            f"the weights under the adapter are {type(linear).__name__}, which cannot take an update",
            cure="export merges into the base in 16 or 32 bits",
        )
    before, delta = linear.weight.float(), layer.get_delta_weight("default").float()
    linear.weight = nn.Parameter((before + delta).to(dtype), requires_grad=False)
    rounded = linear.weight.float() - (before + delta)
    if torch.equal(linear.weight.float(), before.to(dtype).float()):
        return None
    return float(rounded.norm() / delta.norm())


def write_checkpoint(vlm: Vlm[Any], folder: Path) -> None:
    """Fill a folder: weights, configuration, tokenizer, processor, chat template, preprocessing.

    The generation settings are ours: a base may ask for sampling or a penalty, and the answers would be others.
    """
    vlm.base.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=vlm.tokenizer.eos_token_id,
        pad_token_id=vlm.tokenizer.pad_token_id,
    )
    vlm.base.save_pretrained(folder)
    vlm.tokenizer.save_pretrained(folder)
    write_processor(vlm.preprocessing, folder)
    write_atomic(folder / PREPROCESSING_FILE, vlm.preprocessing.model_dump_json(indent=2) + "\n")


# --- what a model says of clips, so that two of them can be compared ------------------------------------------


@torch.inference_mode()
def scored_logits(vlm: Vlm[Any], views: Sequence[np.ndarray], times_s: Sequence[float]) -> Tensor:
    """Logits wherever a value of an answer is scored, behind every pair of frames.

    Args:
        vlm: the model.
        views: ``(T, H, W, 3)`` uint8 frames of each view of a clip.
        times_s: of each frame.

    Returns:
        ``(n, vocabulary)`` float32 on the CPU.
    """
    pictures, chat = Pictures.of(views), vlm.chat()
    slots = vlm.preprocessing.slots()
    turns = [
        (pair, vlm.preprocessing.turn(*(slot.choices[pair % len(slot.choices)] for slot in slots)))
        for pair in range(pictures.view[0])
    ]
    encoded = chat.encode(pictures.view, times_s, turns)
    batch = to_device(collate([encoded], [pictures], vlm.tokenizer.pad_token_id), vlm.device)
    before = batch["taught"].roll(-1, dims=1)
    before[:, -1] = False
    logits, _ = forward(vlm, batch, keep=before)
    return logits.float().cpu()


@torch.inference_mode()
def first_value(
    vlm: Vlm[Any], views: Sequence[np.ndarray], times_s: Sequence[float], *, of_library: bool = False
) -> np.ndarray:
    """Probabilities of the first value of the answer behind the last frame, among its choices.

    Args:
        vlm: the model.
        views, times_s: see `scored_logits`.
        of_library: with the rotary positions that the library gives, as other engines do, in place of ours.

    Returns:
        ``(choices,)`` float64, in the order of the slot.
    """
    pictures, chat = Pictures.of(views), vlm.chat()
    prompt = chat.prompt(pictures.view, times_s)
    asking, _ = chat.turn(vlm.preprocessing.asking())
    count = pictures.view[0] - 1
    positions = np.concatenate(
        [prompt.positions, np.tile(prompt.after(count) + np.arange(len(asking)), (3, 1))], axis=1
    )
    encoded = replace(prompt, ids=[*prompt.ids, *asking], positions=positions).encoded()
    batch = to_device(collate([encoded], [pictures], vlm.tokenizer.pad_token_id), vlm.device)
    if of_library:
        batch["positions"] = _library_positions(vlm, batch, pictures, times_s)
    state = Continuation.of(vlm, batch, [len(encoded.ids)])
    scores = state.score([chat.tokens(choice) for choice in vlm.preprocessing.slots()[0].choices])
    row: np.ndarray = scores[0]
    return row


def _library_positions(vlm: Vlm[Any], batch: Batch, pictures: Pictures, times_s: Sequence[float]) -> Tensor:
    """What ``get_rope_index`` makes of the conversation of `Chat.messages`."""
    pad = vlm.base.config.video_token_id
    kinds = torch.where(batch["ids"] == pad, 2, 0)
    grids = batch["grids"]
    if vlm.preprocessing.time_marks:
        views = len(vlm.preprocessing.views)
        grids = grids.new_tensor([[1, *pictures.view[1:]]] * (pictures.view[0] * views))
    step_s = grids.new_full((len(grids),), 1.0, dtype=torch.float64)
    if len(times_s) > 2 and not vlm.preprocessing.time_marks:
        step_s *= 2.0 * (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    positions, _ = vlm.base.model.get_rope_index(
        batch["ids"], kinds, video_grid_thw=grids, second_per_grid_ts=step_s
    )
    found: Tensor = positions.to(batch["positions"].dtype)
    return found


def units_in_last_place(ours: Tensor, theirs: Tensor, precision: Precision) -> Tensor:
    """How many steps of a precision two rows of logits are apart, steps being those at the largest of each row.

    A logit near nought has far smaller steps of its own; it is a sum of terms as large as the others are.

    Args:
        ours, theirs: ``(n, vocabulary)`` float32.
        precision: whose steps.

    Returns:
        ``(n, vocabulary)`` float32.

    >>> units_in_last_place(torch.tensor([[1.0, 0.1]]), torch.tensor([[1.0078125, 0.1]]), "bfloat16")
    tensor([[1., 0.]])
    """
    dtype = getattr(torch, precision)
    size = torch.maximum(ours.abs(), theirs.abs()).amax(1, keepdim=True).clamp_min(torch.finfo(dtype).tiny)
    step = torch.exp2(torch.floor(torch.log2(size))) * torch.finfo(dtype).eps
    return (ours - theirs).abs() / step


def files_of(folder: Path) -> Iterator[Path]:
    """Every file of a checkpoint folder, by name."""
    yield from sorted(path for path in folder.iterdir() if path.is_file())
