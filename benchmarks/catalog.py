"""Contrastive training: is a batch of 1,024 really one, and what does that cost?

    python benchmarks/catalog.py [--quick] [--json] [--parts exact,time,memory,parameters]

`exact`: the gradient of 1,024 pairs in micro-batches of 64, against one graph over the same chunks with the same
draws of dropout, the worst tensor of all that learn; beside it plain accumulation, whose negatives come from the
micro-batch alone. `time`: CPU seconds of an update, cached against plain accumulation, in turns on one thread: LoRA on
both towers, on one while the other is computed each time (the costlier case), and maps alone after the first epoch,
when the features are known. `memory`: highest resident memory of a process that does one update of ViT-B/32 with
random weights, LoRA on both towers, with 1,024 pairs against one with 64. `parameters`: what learns in each scenario.

--quick: 256 pairs in memory, fewer turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import torch
from report import Figure, at_most, emit
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from rushes.models import clip_tiny, clip_towers
from rushes.models.clip_sizes import ClipSizes
from rushes.models.dual_encoder import DualEncoder
from rushes.recipe.clip import LEARNING, Clip, Scenario, TowerLora
from rushes.train.batches import Batch
from rushes.train.contrastive import Contrasting
from rushes.train.contrastive_loss import alike, softmax_loss
from rushes.train.pairs import SIDES, cut, ways

PAIRS, MICRO = 1024, 64
PARTS = ("exact", "time", "memory", "parameters")
COUNTS: Final[Mapping[Scenario, int]] = {
    "zero_shot": 0,
    "linear_probe": 655_360,
    "vision_lora": 3_309_568,
    "text_lora": 2_424_832,
    "dual_lora": 5_079_040,
}

SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
MIDDLE = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 3, "num_attention_heads": 4}


def encoder_of(
    tower: Mapping[str, int] | None, side_px: int, patch: int, scenario: Scenario, dropout: float = 0.0
) -> DualEncoder:
    """A CLIP with random weights, LoRA on what the scenario names; ViT-B/32 where ``tower`` is None."""
    torch.manual_seed(0)
    words = clip_tiny.tokenizer()
    sizes = {} if tower is None else {**tower, "attention_dropout": dropout}
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    config = CLIPConfig(
        text_config={**sizes, **ends, "pad_token_id": words.pad_token_id},
        vision_config={**sizes, "image_size": side_px, "patch_size": patch},
    )
    model = CLIPModel(config)
    encoder = clip_towers.encoder_of(model, words, clip_towers.LEVELS, asked=Clip(scenario=scenario))
    encoder.requires_grad_(False)
    encoder.learning = LEARNING[scenario]
    for side in sorted(encoder.learning):
        clip_towers.adapt(getattr(encoder, side), TowerLora())
    for name, weight in encoder.named_parameters():
        if not name.startswith(("pictures.", "texts.")):
            weight.requires_grad_(True)
        elif "lora_B" in name:  # at zero, its partner would have no gradient to compare
            torch.nn.init.normal_(weight, std=0.02)
    return encoder.train()


def batch_of(pairs: int, side_px: int, tokens: int = 16) -> Batch:
    """Random pictures and words; every 50th pair shares its words with the next."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (pairs, side_px, side_px, 3), generator=generator, dtype=torch.uint8)
    ids = torch.randint(10, 500, (pairs, tokens), generator=generator)
    numbers = torch.arange(pairs)
    captions = torch.where(numbers % 50 == 1, numbers - 1, numbers)
    return {"pictures": pictures, "texts": {"input_ids": ids}, "captions": captions, "groups": numbers}


# --- exact ----------------------------------------------------------------------------------------------------


def gradients(encoder: DualEncoder, loss: Tensor) -> dict[str, Tensor]:
    weights = {name: weight for name, weight in encoder.named_parameters() if weight.requires_grad}
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def cached(encoder: DualEncoder, batch: Batch) -> dict[str, Tensor]:
    """The gradient as a training computes it."""
    torch.manual_seed(2)
    return gradients(encoder, Contrasting(encoder, "softmax", True, MICRO)(batch))


def in_one_graph(encoder: DualEncoder, batch: Batch) -> dict[str, Tensor]:
    """The gradient of one graph over the same chunks in the same order, so with the same draws."""
    torch.manual_seed(2)
    vectors = [
        torch.cat([ways(encoder)[side].vectors(part) for part in cut(batch[side], MICRO)]) for side in SIDES
    ]
    masked = alike(batch["captions"], batch["groups"])
    return gradients(encoder, softmax_loss(*vectors, encoder.log_scale, encoder.bias, masked))


def accumulated(encoder: DualEncoder, batch: Batch) -> dict[str, Tensor]:
    """The sum of the gradients of micro-batches, each with its own negatives."""
    torch.manual_seed(2)
    total: dict[str, Tensor] = {}
    parts = zip(*(cut(batch[name], MICRO) for name in batch), strict=True)
    for part in (dict(zip(batch, values, strict=True)) for values in parts):
        for name, gradient in in_one_graph(encoder, part).items():
            total[name] = total.get(name, torch.zeros_like(gradient)) + gradient
    return total


def worst(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Greatest relative error of a tensor."""
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


def exact_figures() -> Iterator[Figure]:
    """Both precisions; attention dropout .1, LoRA dropout .05, equal captions masked."""
    for dtype, bar in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        encoder = encoder_of(SMALL, 32, 8, "dual_lora", dropout=0.1).to(dtype)
        batch, name = batch_of(PAIRS, 32), str(dtype).removeprefix("torch.")
        found, expected = cached(encoder, batch), in_one_graph(encoder, batch)
        what = f"{PAIRS:,} pairs in {MICRO}s, {name}, worst of {len(expected)} tensors"
        yield at_most(f"relative error of the gradient, {what}", worst(found, expected), bar)
        scale = float(found["log_scale"] / expected["log_scale"])
        yield Figure(f"gradient of the scale over that of one graph, {name}", round(scale, 7))
        if dtype == torch.float64:
            plain = accumulated(encoder, batch)
            yield Figure(f"the same error by plain accumulation, {name}", round(worst(plain, expected), 3))
            scale = float(plain["log_scale"] / expected["log_scale"])
            yield Figure(
                "gradient of the scale by plain accumulation over that of one graph", round(scale, 3)
            )


# --- time -----------------------------------------------------------------------------------------------------


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def cached_step(model: Contrasting, batch: Batch) -> None:
    model.zero_grad()
    model(batch).backward()


def plain_step(encoder: DualEncoder, batch: Batch, micro: int) -> None:
    """Plain accumulation: a graph for each micro-batch; none for a tower that does not learn."""
    encoder.zero_grad()
    sides = {side: cut(batch[side], micro) for side in SIDES}
    for pictures, texts in zip(*sides.values(), strict=True):
        vectors = []
        for side, part in zip(SIDES, (pictures, texts), strict=True):
            way = ways(encoder)[side]
            with torch.set_grad_enabled(side in encoder.learning):
                features = way.features(part)
            vectors.append(way.project(features))
        masked = torch.zeros(len(pictures), len(pictures), dtype=torch.bool)
        softmax_loss(*vectors, encoder.log_scale, encoder.bias, masked).backward()


def time_figures(quick: bool) -> Iterator[Figure]:
    """Towers of three layers, pictures of 50 tokens and texts of 48, 16 micro-batches of 16 pairs, or of 4."""
    turns, micro = (3, 4) if quick else (7, 16)
    batch = batch_of(16 * micro, 224, tokens=48)
    bars: Mapping[Scenario, float] = {
        "dual_lora": 1.65,
        "vision_lora": 1.5,
        "text_lora": 1.5,
        "linear_probe": 1.05,
    }
    for scenario, bar in bars.items():
        encoder = encoder_of(MIDDLE, 224, 32, scenario)
        model, given, when = Contrasting(encoder, "softmax", True, micro).train(), dict(batch), ""
        if scenario == "linear_probe":
            when = " after the first epoch"
            with torch.no_grad():
                for side in SIDES:
                    given[f"{side}_features"] = ways(encoder)[side].features(given.pop(side))
        ratios = []
        for turn in range(turns + 1):  # the first warms up
            both = (partial(cached_step, model, given), partial(plain_step, encoder, batch, micro))
            ours, plain = map(cpu_s, both)
            ratios += [ours / plain] if turn else []
        yield at_most(
            f"update of {scenario}{when}, CPU over plain accumulation, median of {turns}",
            round(statistics.median(ratios), 3),
            bar,
        )


# --- memory and parameters ------------------------------------------------------------------------------------


def one_update(pairs: int, plain: bool = False) -> int:
    """Do an update of ViT-B/32; highest resident memory of this process, in MB."""
    encoder, batch = encoder_of(None, 224, 32, "dual_lora"), batch_of(pairs, 224)
    if plain:
        plain_step(encoder, batch, MICRO)
    else:
        cached_step(Contrasting(encoder, "softmax", True, MICRO).train(), batch)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def peak_mb(malloc: Mapping[str, str], **asked: Any) -> int:
    """Of :func:`one_update` in a process of its own."""
    command, place = [sys.executable, __file__, "--update", json.dumps(asked)], os.environ | malloc
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=place).stdout)


def memory_figures(quick: bool) -> Iterator[Figure]:
    """With blocks above 1 MB given back when they are freed: what is in use; and as glibc keeps them by default."""
    pairs = 256 if quick else PAIRS
    for how, malloc in (("in use", {"MALLOC_MMAP_THRESHOLD_": str(2**20)}), ("with glibc's heap", {})):
        one, many = peak_mb(malloc, pairs=MICRO, plain=True), peak_mb(malloc, pairs=pairs)
        yield Figure(f"peak of one micro-batch of {MICRO}, ViT-B/32, {how}, MB", one)
        yield at_most(f"peak of {pairs:,} pairs in {MICRO}s over that, {how}", round(many / one, 3), 1.15)


def parameter_figures() -> Iterator[Figure]:
    """By sizes alone, which the tests of models hold against built ones."""
    for scenario, count in COUNTS.items():
        found = ClipSizes.of({}).learning(scenario, TowerLora())
        yield Figure(
            f"parameters that learn, ViT-B/32, r 16, {scenario}", found, f"= {count}", found == count
        )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer pairs and turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument("--update", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.update:
        print(one_update(**asked.update))
        return
    torch.set_num_threads(1)
    parts: Mapping[str, Callable[[], Iterator[Figure]]] = {
        "exact": exact_figures,
        "time": lambda: time_figures(asked.quick),
        "memory": lambda: memory_figures(asked.quick),
        "parameters": parameter_figures,
    }
    emit([figure for part in asked.parts.split(",") for figure in parts[part]()], asked.json)


if __name__ == "__main__":
    main()
