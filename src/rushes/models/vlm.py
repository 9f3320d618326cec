"""Qwen2.5-VL: load or build, adapt, feed. With `trained` the only door to transformers and peft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypedDict, TypeVar

import numpy as np
import torch
from accelerate.utils import send_to_device
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedTokenizerBase,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from rushes.errors import ModelError
from rushes.models import tiny, vision
from rushes.models.base import Base, Origin
from rushes.models.chat import Chat, Encoded, attention_mask
from rushes.models.library import refused, without_peft_warning
from rushes.models.pixels import PAIR, PATCH, Pictures
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.recipe.sections import RELEASED, TINY, Precision, nearest_released

P = TypeVar("P", bound=FramePreprocessing)

NO_PATCHES = np.empty((0, PAIR * PATCH * PATCH * 3), np.float32)

# The vision tower's MLP has gate, up and down projections too; LoRA belongs on the language model alone.
LORA_TARGETS = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"


@dataclass(frozen=True, slots=True)
class Vlm(Generic[P]):
    """A model with the tokenizer and the preprocessing that belong to it.

    Attributes:
        model: the library's, or its adapter.
        tokenizer: of the model.
        preprocessing: how it is asked.
        origin: the weights that it started from; None where these were drawn.
    """

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    preprocessing: P
    origin: Origin | None = None

    @property
    def base(self) -> Qwen2_5_VLForConditionalGeneration:
        """The library's model, under its adapter if it has one."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    def chat(self) -> Chat:
        """The encoder of clips and questions for this model."""
        return Chat(self.tokenizer, self.preprocessing, self.base.config.vision_config.tokens_per_second)


class Batch(TypedDict):
    """Clips with their questions, ready for the model. B clips, L tokens, N patches.

    Attributes:
        ids: ``(B, L)`` int64.
        positions: ``(3, B, L)`` float32 rotary positions (time, row, column).
        mask: ``(B, 1, L, L)`` bool, see ``chat.attention_mask``.
        taught: ``(B, L)`` bool, tokens that the loss counts.
        patches: ``(N, 1176)`` float32.
        grids: ``(G, 3)`` int64, of all videos of all clips.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    taught: Tensor
    patches: Tensor
    grids: Tensor


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch on ``device``."""
    moved: Batch = send_to_device(batch, device, non_blocking=True)
    return moved


def on_best_device(vlm: Vlm[P]) -> Vlm[P]:
    """The same model, on a GPU where there is one; 4-bit weights are there from the start."""
    if torch.cuda.is_available() and vlm.device.type == "cpu":
        vlm.model.to("cuda")
    return vlm


def collate(clips: Sequence[Encoded], pictures: Sequence[Pictures], pad_id: int) -> Batch:
    """Join encoded clips of any length, with pictures of any size, into one batch, padded on the right.

    Without pictures there are no patches: for those whose visual tokens are known.
    """
    length = max(len(clip.ids) for clip in clips)

    def padded(rows: Sequence[np.ndarray], value: float) -> np.ndarray:
        widths = [[(0, 0)] * (row.ndim - 1) + [(0, length - row.shape[-1])] for row in rows]
        return np.stack(
            [np.pad(row, width, constant_values=value) for row, width in zip(rows, widths, strict=True)]
        )

    return Batch(
        ids=torch.from_numpy(padded([clip.ids for clip in clips], pad_id)),
        positions=torch.from_numpy(
            padded([clip.positions for clip in clips], 0).transpose(1, 0, 2).astype(np.float32)
        ),
        mask=torch.from_numpy(
            attention_mask(
                padded([clip.block for clip in clips], -1), padded([clip.sees for clip in clips], 0)
            )
        ),
        taught=torch.from_numpy(padded([clip.taught for clip in clips], False)),
        patches=torch.from_numpy(np.concatenate([NO_PATCHES, *(shown.patches for shown in pictures)])),
        grids=torch.tensor([grid for shown in pictures for grid in shown.grids], dtype=torch.int64).reshape(
            -1, 3
        ),
    )


def forward(
    vlm: Vlm[Any],
    batch: Batch,
    keep: Tensor | int = 0,
    cache: object = None,
    features: Tensor | None = None,
) -> tuple[Tensor, object]:
    """Logits at the kept positions.

    Args:
        vlm: the model.
        batch: its input.
        keep: ``(B, L)`` bool mask of positions, or a number of last positions (0: all), as the library's
            ``logits_to_keep``.
        cache: a key-value cache to fill.
        features: ``(tokens, hidden)`` visual tokens of the batch, where they are known; see
            `rushes.models.pair_features`.

    Returns:
        ``(n kept, vocabulary)`` for a mask, else ``(B, n, vocabulary)``; and the cache.
    """
    if features is None:
        features = vision.encode(vlm.base.model.visual, batch["patches"], batch["grids"])
    output = vlm.model(
        input_ids=batch["ids"],
        position_ids=batch["positions"],
        attention_mask={"full_attention": batch["mask"]},
        mm_encoder_outputs={"video": BaseModelOutputWithPooling(pooler_output=(features,))},
        logits_to_keep=keep,
        past_key_values=cache,
        use_cache=cache is not None,
    )
    return output.logits, output.past_key_values


def loss(vlm: Vlm[Any], batch: Batch) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy of the taught tokens, and their number.

    Only positions before a taught token reach the vocabulary, which saves the head's memory.
    """
    before = batch["taught"].roll(-1, dims=1)
    before[:, -1] = False
    logits, _ = forward(vlm, batch, keep=before)
    return nn.functional.cross_entropy(
        logits.float(), batch["ids"][batch["taught"]], reduction="sum"
    ), before.sum()


def check_name(name: str) -> None:
    """Refuse the name of a checkpoint that was never released, before anything is downloaded.

    Raises:
        ModelError: e.g. for ``Qwen/Qwen2.5-VL-2B``, which earlier systems name and which does not exist.
    """
    if (near := nearest_released(name)) is not None:
        raise ModelError(
            f"no checkpoint {name!r} was ever released; Qwen2.5-VL comes as 3B, 7B, 32B and 72B",
            where="model.name",
            cure=f"write model.name: {near}, or the path of a checkpoint folder",
        )


def load(
    name: str,
    preprocessing: P,
    *,
    seed: int = 0,
    precision: Precision = "float32",
    nf4: bool = False,
    revision: str | None = None,
) -> Vlm[P]:
    """Build ``tiny``, or load a checkpoint folder or hub name of the Qwen2.5-VL family.

    Args:
        name: ``tiny``, a folder that ``save_pretrained`` wrote, or a hub name.
        preprocessing: how its questions are asked.
        seed: for the random weights of ``tiny``.
        precision: type of the weights.
        nf4: 4-bit language model (needs bitsandbytes and CUDA); the vision tower and the head stay whole.
        revision: of a hub name, see `Base`.

    Raises:
        ModelError: unknown, unreadable or of another architecture.
    """
    check_name(name)
    if name == TINY:
        model, words = tiny.build(preprocessing, seed)
        return Vlm(model, words, preprocessing)
    quantisation = None
    if nf4:
        # A given list replaces the library's default, so the head must be named again.
        whole = ["visual", "model.visual", "lm_head"]
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, precision),
            llm_int8_skip_modules=whole,
        )
    cure = "name a folder written by save_pretrained, or one of " + ", ".join(RELEASED)
    asked = Base(name, revision)
    origin, folder = asked.prove(), asked.bring()
    with refused("cannot load a Qwen2.5-VL model", name, cure):
        config = AutoConfig.from_pretrained(folder)
        if config.model_type != "qwen2_5_vl":
            raise ValueError(f"it is a {config.model_type}")
        model, found = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, precision),
            quantization_config=quantisation,
            use_safetensors=True,
            output_loading_info=True,
        )
        if absent := sorted(found["missing_keys"]):  # the library would draw them at random
            raise ValueError(f"{len(absent)} tensors are missing, {absent[0]} among them")
        words = AutoTokenizer.from_pretrained(folder)
    return Vlm(model, words, preprocessing, origin)


def adapt(vlm: Vlm[P], rank: int, alpha: int, dropout: float) -> Vlm[P]:
    """Freeze the model and add LoRA to the seven projections of every language layer."""
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=LORA_TARGETS,
        task_type="CAUSAL_LM",
    )
    with without_peft_warning():
        return replace(vlm, model=get_peft_model(vlm.model, config))
