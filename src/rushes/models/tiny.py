"""A Qwen2.5-VL of the real architecture at toy size, with its own small tokenizer.

Built from nothing, trained from nothing, saved as an ordinary checkpoint folder: everything above cannot tell
it from a real one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from rushes.models.chat import END, TURN, USER, VIDEO_PAD, VISION_END, VISION_START
from rushes.recipe.preprocessing import FramePreprocessing

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    END,
    VISION_START,
    VISION_END,
    "<|vision_pad|>",
    "<|image_pad|>",
    VIDEO_PAD,
)


def _vocabulary(preprocessing: FramePreprocessing) -> Iterable[str]:
    """Every whole piece of text that the preprocessing can produce, then single characters for any other text."""
    yield from (USER, TURN)
    yield from preprocessing.texts()
    yield from (chr(code) for code in (10, *range(32, 127)))


def tokenizer(preprocessing: FramePreprocessing) -> PreTrainedTokenizerFast:
    """A tokenizer that knows each piece of the preprocessing's questions and answers as one token.

    Other text falls back to characters; a character outside of ASCII becomes the unknown token.
    """
    backend = Tokenizer(models.WordLevel({"<|unk|>": 0}, unk_token="<|unk|>"))
    backend.decoder = decoders.Fuse()
    pieces = dict.fromkeys(piece for piece in _vocabulary(preprocessing) if piece and piece not in SPECIAL)
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    backend.add_tokens([AddedToken(text, normalized=False) for text in pieces])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<|unk|>", eos_token=END, pad_token="<|endoftext|>"
    )


def _config(words: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    def token(text: str) -> int:
        number: int = words.convert_tokens_to_ids(text)
        return number

    return Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5]},
            "bos_token_id": None,
            "eos_token_id": token(END),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 96,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": 128,
            "fullatt_block_indexes": [0, 1],
            "tokens_per_second": 8,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token(VIDEO_PAD),
        vision_start_token_id=token(VISION_START),
        vision_end_token_id=token(VISION_END),
        tie_word_embeddings=True,
    )


def _write_numbers(weight: torch.Tensor, ids: list[int], values: list[float]) -> None:
    """Start the tokens of numbers as smooth functions of their value, so that near ones are near vectors.

    A large model has learnt this from text; a tiny one cannot in five minutes.
    """
    width = weight.shape[1]
    periods = torch.logspace(math.log10(0.4), math.log10(4 * max(map(abs, values))), width // 2)
    phase = torch.tensor(values)[:, None] * (2 * math.pi / periods)
    scale = float(weight.detach().std()) * math.sqrt(2.0)
    with torch.no_grad():
        weight[ids] = scale * torch.cat([phase.sin(), phase.cos()], dim=1)


def _spread(model: Qwen2_5_VLForConditionalGeneration) -> None:
    """Start each matrix at the scale that keeps its input's size (Glorot and Bengio 2010, fan-in).

    The library starts all at 0.02, which is made for thousands of columns: here signals would fade, and the
    first hundred updates would go into scaling them up again.
    """
    embedding = model.get_input_embeddings().weight
    for weight in model.parameters():
        if weight.ndim >= 2 and weight is not embedding:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    torch.nn.init.normal_(embedding, std=0.1)


def build(
    preprocessing: FramePreprocessing, seed: int
) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """A tiny model with random weights (1.3 M parameters) and its tokenizer."""
    words = tokenizer(preprocessing)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(_config(words))
        _spread(model)
        numbers = list(dict.fromkeys(preprocessing.numbers()))
        _write_numbers(
            model.get_input_embeddings().weight,
            [words.convert_tokens_to_ids(text) for text in numbers],
            [float(text) for text in numbers],
        )
    return model, words


def save(model: Qwen2_5_VLForConditionalGeneration, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write an ordinary checkpoint folder: config, safetensors, tokenizer."""
    model.save_pretrained(folder)
    words.save_pretrained(folder)
