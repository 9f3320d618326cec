"""A first reading of training on a GPU: Qwen2.5-VL-3B as released, with random weights, through the loop.

    python benchmarks/gpu.py [--quick] [--json] [--steps N] [--tiny]

Shards of eight JPEG frames of 336x336 in two classes of noise are written, read, decoded, augmented and asked
about as `rushes train` does; LoRA of rank 16, bfloat16, batch 2 x 8, twenty updates. Speed depends on the
shapes and not on the values of the weights, so nothing is downloaded: the configuration is the released one,
but for the numbers of its special tokens; the tokenizer splits into words, digits and signs, about as the
released one does. The figures are those of the loop's own result, over all updates, the first ones included.

Needs CUDA and about 18 GiB of its memory; without, it says so. `--tiny` runs the same at toy size and 56x56,
anywhere, to try the script. No bars: nothing is tuned yet.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import Figure, emit, not_measured
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast, Qwen2_5_VLConfig

from rushes.media.image import encode_jpeg
from rushes.models import vlm as family
from rushes.models.chat import END, TURN, USER, VIDEO_PAD, VISION_END, VISION_START
from rushes.models.tiny import SPECIAL
from rushes.models.vlm import Vlm
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.sources.openpack.tables import load_label_set
from rushes.tasks.operations.train import Collator
from rushes.train.batches import ShardSamples
from rushes.train.loop import FitResult, LoopSettings, fit
from rushes.train.phases import Answering, step

CLIPS = 64
BATCH, ACCUMULATE, RANK, ALPHA, DROPOUT = 2, 8, 16, 32, 0.05
GIB = 2**30

# config.json of Qwen/Qwen2.5-VL-3B-Instruct, in the library's nested form.
TEXT_3B = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "max_position_embeddings": 128_000,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}
VISION_3B = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
}

# The same at toy size.
TEXT_TINY = TEXT_3B | {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 512,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]},
}
VISION_TINY = VISION_3B | {
    "depth": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_heads": 4,
    "out_hidden_size": 128,
    "fullatt_block_indexes": [1],
}


# --- what is trained -------------------------------------------------------------------------------------


def word_tokenizer(preprocessing: ClipPreprocessing) -> PreTrainedTokenizerFast:
    """A tokenizer of words, digits and signs over all text that the preprocessing can produce."""
    split = pre_tokenizers.Split(Regex(r"\d|\s?[^\W\d_]+|\s?[^\w\s]+|_|\s"), "isolated")
    turns = (preprocessing.turn(label, label) for label in preprocessing.labels)
    parts = [part if isinstance(part, str) else part.text for turn in turns for part in turn.answer]
    texts = [USER, TURN, preprocessing.question, *parts, *preprocessing.moments()]
    pieces = dict.fromkeys(piece for text in texts for piece, _ in split.pre_tokenize_str(text))
    backend = Tokenizer(
        models.WordLevel({piece: n for n, piece in enumerate(["<|unk|>", *pieces])}, "<|unk|>")
    )
    backend.pre_tokenizer, backend.decoder = split, decoders.Fuse()
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<|unk|>", eos_token=END, pad_token="<|endoftext|>"
    )


def random_model(preprocessing: ClipPreprocessing, text: Mapping[str, Any], vision: Mapping[str, Any]) -> Vlm:
    """A Qwen2.5-VL of this shape with random weights and LoRA, in bfloat16 on the GPU where there is one."""
    words = word_tokenizer(preprocessing)
    token = words.convert_tokens_to_ids
    ends = {"bos_token_id": None, "eos_token_id": token(END), "pad_token_id": token("<|endoftext|>")}
    config = Qwen2_5_VLConfig(
        text_config={**text, **ends},
        vision_config=dict(vision),
        image_token_id=token("<|image_pad|>"),
        video_token_id=token(VIDEO_PAD),
        vision_start_token_id=token(VISION_START),
        vision_end_token_id=token(VISION_END),
        tie_word_embeddings=True,
    )
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    return family.adapt(Vlm(model, words, preprocessing), RANK, ALPHA, DROPOUT)


# --- what it is trained on -------------------------------------------------------------------------------


def noise_clips(preprocessing: ClipPreprocessing) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Clips with one boundary in the middle, their frames evenly spaced."""
    rng = np.random.default_rng(0)
    width, height = preprocessing.frame_size
    times_s = np.linspace(0.0, preprocessing.clip_s, preprocessing.frames, endpoint=False).tolist()
    middle_s = preprocessing.clip_s / 2
    for number in range(CLIPS):
        first, second, after = (
            preprocessing.labels[(number + n) % len(preprocessing.labels)] for n in range(3)
        )
        answer = {"operation": first, "start_s": 0.0, "end_s": middle_s, "next": second}
        segments = [[0.0, middle_s, first], [middle_s, preprocessing.clip_s, second]]
        meta = {"asked_s": middle_s / 2, "frame_times_s": times_s}
        fields = {
            "meta.json": json.dumps(meta).encode(),
            "target.json": json.dumps(answer | {"segments": segments, "after": after}).encode(),
        }
        for place in range(preprocessing.frames):
            coarse = rng.integers(0, 256, (height // 14, width // 14, 3), np.uint8)
            fields[f"frame_{place:02d}.jpg"] = encode_jpeg(coarse.repeat(14, axis=0).repeat(14, axis=1))
        yield f"U0101_S0100_t{number:07d}_window", fields


def write_clips(folder: Path, preprocessing: ClipPreprocessing) -> ShardDataset:
    """The clips in shards."""
    with ShardWriter(folder, "U0101_S0100") as writer:
        for key, fields in noise_clips(preprocessing):
            writer.write(key, fields)
        infos = writer.close()
    return ShardDataset([folder / info.name for info in infos], infos)


# --- how fast --------------------------------------------------------------------------------------------


def train(vlm: Vlm, clips: ShardDataset, steps: int, batch: tuple[int, int], folder: Path) -> FitResult:
    """A few updates through the loop."""
    settings = LoopSettings(
        steps=steps,
        batch_size=batch[0],
        accumulate=batch[1],
        learning_rate=2e-4,
        precision="bf16" if torch.cuda.is_available() else "no",
        checkpoint_every=steps,
        log_every=1,
    )
    collator = Collator(vlm, "clips", augmented=True)
    samples = ShardSamples(clips, Sample.of)
    return fit(Answering(vlm), step, samples, collator, settings, folder, "gpu benchmark")


def figures(result: FitResult, vlm: Vlm, name: str) -> list[Figure]:
    parameters = list(vlm.model.parameters())
    trained = sum(weight.numel() for weight in parameters if weight.requires_grad)
    return [
        Figure(f"{name}: parameters (M)", sum(weight.numel() for weight in parameters) / 1e6),
        Figure(f"{name}: of them trained (M)", trained / 1e6),
        Figure(f"{name}: samples/s, {result.steps} updates", result.samples_per_s),
        Figure(f"{name}: peak memory (GiB)", result.peak_memory_bytes / GIB),
        Figure(f"{name}: share of time waiting for data", result.data_wait_share),
        Figure(f"{name}: loss of the last update", result.last_loss),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three updates")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--tiny", action="store_true", help="at toy size, also on a CPU")
    arguments = parser.parse_args()
    steps = arguments.steps or (3 if arguments.quick else 20)
    name = "tiny" if arguments.tiny else "Qwen2.5-VL-3B"
    if not arguments.tiny and not torch.cuda.is_available():
        emit([not_measured(f"{name}: samples/s", None, "no CUDA device")], arguments.json)
        return
    labels = load_label_set("openpack")
    size, shape = (
        ((56, 56), (TEXT_TINY, VISION_TINY)) if arguments.tiny else ((336, 336), (TEXT_3B, VISION_3B))
    )
    preprocessing = ClipPreprocessing(labels=labels.labels, label_set=labels.name, frames=8, frame_size=size)
    vlm = random_model(preprocessing, *shape)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    with tempfile.TemporaryDirectory() as temporary:
        clips = write_clips(Path(temporary) / "shards", preprocessing)
        result = train(vlm, clips, steps, (BATCH, ACCUMULATE), Path(temporary) / "training")
        emit(figures(result, vlm, f"{name} on {where}"), arguments.json)


if __name__ == "__main__":
    main()
