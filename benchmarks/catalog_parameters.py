"""What of a CLIP learns, what merging costs, and how fast it answers: the part `parameters` of `catalog.py`.

    python benchmarks/catalog_parameters.py [--quick] [--json]

The model is ViT-B/32 by its configuration, with weights drawn at random, built five times by the way that a recipe
takes. Rates are of CPU seconds of this process on one thread: pictures of 224 pixels, texts of ten words; for `locked`
pictures of 128 pixels. --quick: fewer of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from report import Figure, at_most, emit, not_measured
from transformers import CLIPConfig, CLIPModel

from rushes.models.clip import DualEncoder, build, merge, restore, save
from rushes.models.clip_tiny import tokenizer
from rushes.recipe.clip import LOCKED, Clip, Scenario
from rushes.recipe.frozen import INSTALL_LOCKED, SENTENCE_PACKAGES, missing_packages

COUNTS: Mapping[Scenario, int] = {
    "zero_shot": 0,
    "linear_probe": 655_360,
    "vision_lora": 3_309_568,
    "text_lora": 2_424_832,
    "dual_lora": 5_079_040,
}
TEXT = "a photo of a modern grey oak sideboard with two doors"
SIZE = 224


def rows(quick: bool = False) -> Iterator[Figure]:
    """All figures of this part."""
    pictures, texts = (16, 64) if quick else (128, 512)
    with tempfile.TemporaryDirectory() as place:
        folder = _checkpoint(Path(place) / "base")
        for scenario, count in COUNTS.items():
            encoder = build(Clip(name=str(folder), scenario=scenario), SIZE, seed=0)
            yield _exactly(
                f"parameters that learn, {scenario}, scale of the loss apart", _learning(encoder), count
            )
        yield from _kept(encoder, Path(place), 4 if quick else 16)
        yield from _rates("ViT-B/32", encoder, pictures, texts)
    if missing := missing_packages(*SENTENCE_PACKAGES):
        yield not_measured(f"{LOCKED}: pictures a second", None, f"{', '.join(missing)}: {INSTALL_LOCKED}")
    else:
        yield from _rates(
            LOCKED, build(Clip(name=LOCKED, scenario="linear_probe"), 128, seed=0), pictures, texts
        )


def _checkpoint(folder: Path) -> Path:
    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    colours = {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(colours))
    return folder


def _learning(encoder: DualEncoder) -> int:
    of_loss = {"log_scale", "bias"}
    return sum(
        weight.numel()
        for name, weight in encoder.named_parameters()
        if weight.requires_grad and name not in of_loss
    )


def _exactly(figure: str, value: int, right: int) -> Figure:
    return Figure(figure, value, f"== {right:,}", value == right)


def _kept(encoder: DualEncoder, place: Path, pictures: int) -> Iterator[Figure]:
    """An adapter that learnt something, after merging and after a restart."""
    asked = np.random.default_rng(0).integers(0, 256, (pictures, SIZE, SIZE, 3), dtype=np.uint8)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in encoder.parameters():
            if weight.requires_grad and weight.ndim:
                weight += 0.01 * torch.randn(weight.shape, generator=generator)

    def vectors(one: DualEncoder) -> np.ndarray:
        return np.concatenate([one.embed_pictures(asked), one.embed_texts([TEXT, "", "oak"])])

    before = vectors(encoder)
    merge(encoder, place / "merged")
    save(encoder, place / "model")
    merged = build(Clip(name=str(place / "merged"), scenario="zero_shot"), SIZE, seed=0)
    yield at_most(
        "merged against adapter, greatest difference of a vector",
        float(np.abs(vectors(merged) - before).max()),
        1e-5,
    )
    again = vectors(restore(place / "model", encoder.asked))
    yield at_most("numbers of restored vectors that differ", float((again != before).sum()), 0)
    megabytes = sum(path.stat().st_size for path in (place / "model").iterdir()) / 1e6
    yield Figure("saved adapter with maps, MB", round(megabytes, 1))


def _rates(name: str, encoder: DualEncoder, pictures: int, texts: int) -> Iterator[Figure]:
    noise = np.random.default_rng(0).integers(
        0, 256, (pictures, encoder.size, encoder.size, 3), dtype=np.uint8
    )
    asked = [f"{TEXT} number {number}" for number in range(texts)]
    for what, amount, ask in (
        ("pictures", pictures, lambda: encoder.embed_pictures(noise)),
        ("texts", texts, lambda: encoder.embed_texts(asked)),
    ):
        yield Figure(f"{name}: {what} a second of CPU, one thread", round(amount / _cpu_s(ask), 1))


def _cpu_s(ask: Callable[[], object]) -> float:
    ask()  # loads what is loaded once
    began = time.process_time()
    ask()
    return time.process_time() - began


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer pictures and texts")
    parser.add_argument("--json", action="store_true", help="a list of figures")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    emit(rows(asked.quick), asked.json)


if __name__ == "__main__":
    main()
