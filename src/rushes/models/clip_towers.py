"""The towers of a Hugging Face CLIP: load a checkpoint, adapt a tower with LoRA, put it together again.

In this class queries, keys, values and outputs are linear layers of their own, so that PEFT can adapt them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, PreTrainedTokenizerBase

from rushes.errors import ModelError
from rushes.models.base import Base
from rushes.models.clip_sizes import NAME_ONE, read_sizes
from rushes.models.dual_encoder import DualEncoder, PictureTower, TextTower
from rushes.models.library import refused, without_peft_warning
from rushes.models.pixels import CLIP_MEAN, CLIP_STD
from rushes.recipe.clip import TowerLora
from rushes.stages import write_json

WITH_SAFETENSORS = (
    "name a revision that has them, as model.revision: refs/pr/15 of openai/clip-vit-base-patch32, or load the "
    "checkpoint elsewhere once and write it with save_pretrained"
)
PROCESSOR_FILES = "preprocessor_config.json", "processor_config.json"


@dataclass(frozen=True, slots=True)
class Levels:
    """How a level of a colour enters a tower: ``(level / 255 - mean) / std``.

    Attributes:
        mean, std: of red, green and blue.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


LEVELS = Levels(tuple(map(float, CLIP_MEAN)), tuple(map(float, CLIP_STD)))
"""Those of OpenAI's checkpoints."""


class ClipPictures(PictureTower):
    """The picture tower of a CLIP, which may be under an adapter.

    Args:
        tower: of transformers.
        levels: of the checkpoint.
    """

    def __init__(self, tower: nn.Module, levels: Levels) -> None:
        super().__init__()
        self.tower, self.levels = tower, levels
        scale = 255 * torch.tensor(levels.std)
        self.register_buffer("scale", (1 / scale)[:, None, None], persistent=False)
        self.register_buffer(
            "offset", (255 * torch.tensor(levels.mean) / scale)[:, None, None], persistent=False
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """See `PictureTower`; what the class token became."""
        pixels = pictures.permute(0, 3, 1, 2) * self.scale - self.offset
        features: Tensor = self.tower(pixel_values=pixels).pooler_output
        return features


class ClipTexts(TextTower):
    """The text tower of a CLIP, which may be under an adapter.

    Args:
        tower: of transformers.
        tokenizer: that belongs to it.
        longest: tokens that it reads, those of beginning and end among them.
    """

    def __init__(self, tower: nn.Module, tokenizer: PreTrainedTokenizerBase, longest: int) -> None:
        super().__init__()
        self.tower, self.tokenizer, self.longest = tower, tokenizer, longest
        # A copy that never changes, so that threads can share it: the library sets lengths anew at each call.
        self._words = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._words.no_truncation()
        self._words.no_padding()

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """See `TextTower`; what is cut keeps its last token, by which the tower knows the end.

        Without a mask of what is padded: attention looks back alone, and the vector is that of the first end.
        """
        found = [
            [*ids[: self.longest - 1], ids[-1]] if len(ids) > self.longest else ids
            for ids in self._ids(texts)
        ]
        longest = max(map(len, found), default=0)
        padded = [ids + ids[-1:] * (longest - len(ids)) for ids in found]
        return {"input_ids": torch.tensor(padded, dtype=torch.int64)}

    def count_cut(self, texts: Sequence[str]) -> int:
        """See `TextTower`."""
        return sum(len(ids) > self.longest for ids in self._ids(texts))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self._words.encode_batch(list(texts))]

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """See `TextTower`; what the token of the end became."""
        features: Tensor = self.tower(input_ids=tokens["input_ids"]).pooler_output
        return features


def encoder_of(
    model: CLIPModel, tokenizer: PreTrainedTokenizerBase, levels: Levels, **options: Any
) -> DualEncoder:
    """A CLIP as a `DualEncoder`, whose ``options`` are those of that class."""
    return DualEncoder(
        ClipPictures(model.vision_model, levels),
        ClipTexts(model.text_model, tokenizer, model.config.text_config.max_position_embeddings),
        model.visual_projection,
        model.text_projection,
        size=model.config.vision_config.image_size,
        log_scale=model.logit_scale.item(),
        **options,
    )


def adapt(tower: ClipPictures | ClipTexts, lora: TowerLora) -> None:
    """Add LoRA to the linear layers of a tower, in place; nothing else of it learns."""
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets)
    )
    with without_peft_warning():
        tower.tower = get_peft_model(tower.tower, config)


def load(base: Base, size: int, **options: Any) -> DualEncoder:
    """A checkpoint folder, or a name on the hub, as a `DualEncoder`.

    Raises:
        ModelError: it is missing, unreadable, of another architecture, or for pictures of another size.
    """
    folder = base.bring()
    read_sizes(folder, size)
    origin = base.prove()
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{base.name} has no safetensors, and pickled weights are not read",
            where=folder,
            cure=WITH_SAFETENSORS,
        )
    with refused("cannot load a CLIP", base.name, NAME_ONE):
        model, found = CLIPModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
        if absent := sorted(found["missing_keys"]):  # the library would draw them at random
            raise ValueError(f"{len(absent)} tensors are missing, {absent[0]} among them")
        words = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        levels = _levels(folder)
    encoder = encoder_of(model, words, levels, **options)
    encoder.origin = origin
    return encoder


def _levels(folder: Path) -> Levels:
    """As the checkpoint's processor says, in either of its forms.

    Raises:
        ValueError: it says nothing of them.
    """
    for name in PROCESSOR_FILES:
        if (folder / name).is_file():
            told = json.loads((folder / name).read_text("utf-8"))
            told = told.get("image_processor", told)
            return Levels(tuple(map(float, told["image_mean"])), tuple(map(float, told["image_std"])))
    raise ValueError(f"it does not say how colours enter: {' and '.join(PROCESSOR_FILES)} are missing")


def write(encoder: DualEncoder, folder: Path, *, merged: bool) -> None:
    """Write a checkpoint folder as the library has them; the encoder stays as it is.

    Args:
        encoder: whose towers are those of a CLIP.
        folder: for the files.
        merged: whether adapters are merged into their weights, or left out.

    Raises:
        ModelError: its towers are of other classes.
    """
    pictures, texts = encoder.pictures, encoder.texts
    if not isinstance(pictures, ClipPictures) or not isinstance(texts, ClipTexts):
        raise ModelError(
            f"{encoder.asked.name} has encoders of its own, and no checkpoint of CLIPModel can hold them",
            where="model.name",
            cure="ask it with rushes.models.clip.restore; tiny and checkpoints can be merged",
        )
    vision, text = (_plain(tower, merged) for tower in (pictures.tower, texts.tower))
    config = CLIPConfig(
        vision_config=vision.config.to_dict(),
        text_config=text.config.to_dict(),
        projection_dim=encoder.width,
    )
    with torch.device("meta"):
        model = CLIPModel(config)
    model.vision_model, model.text_model = vision, text
    model.visual_projection, model.text_projection = encoder.picture_map, encoder.text_map
    model.logit_scale = encoder.log_scale
    model.save_pretrained(folder)
    texts.tokenizer.save_pretrained(folder)
    write_json(folder / PROCESSOR_FILES[0], _processor(encoder.size, pictures.levels))


def _plain(tower: nn.Module, merged: bool) -> Any:
    if not isinstance(tower, PeftModel):
        return tower
    copied = copy.deepcopy(tower)
    return copied.merge_and_unload() if merged else copied.unload()


def _processor(size: int, levels: Levels) -> dict[str, Any]:
    """As `CLIPImageProcessor` reads it: squares of the right size stay as they are."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": levels.mean,
        "image_std": levels.std,
    }
