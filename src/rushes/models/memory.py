"""How much memory a training step takes, from sizes alone: no weight is loaded.

Terms, with B clips, L tokens and P patches a clip, layers of width H and MLP width I, c bytes of a number:

- frozen weights: c a parameter, or in NF4 with double quantisation 1/2 + 1/64 + 4/(64*256) bytes (QLoRA,
  Dettmers et al. 2023, section 3);
- trained weights in float32: 4 + 4 (gradient) + 8 (Adam's two moments) bytes a parameter;
- what a trained layer keeps for its gradient: c (4 I + 10 H) bytes a token. It is 129 kB for the 3B model in
  16 bit, and the tensors that autograd really saves add up to it within 6 % (tests), attention being fused;
- what a frozen layer with LoRA and dropout keeps: c (3 I + 5 H), its weights needing no inputs, and for each
  of the seven projections the input in float32 after dropout with one byte of mask, 5 (I + 6 H);
- a layer on its way, forward without a graph or backward: c (4 I + 10 H) a token;
- logits: c + 8 bytes for each scored token and word of the vocabulary (as they are, in float32, and their
  softmax).

Only tokens of an answer are scored, and no activation is recomputed: that is what the loop does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import ModelError
from rushes.models.pixels import FACTOR, PAIR, PATCH
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.recipe.sections import Precision
from rushes.recipe.turns import Value

GIB = 2**30
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
TRAINED_BYTES = 4 + 4 + 8
PATCH_VALUES = PAIR * 3 * PATCH**2
MERGED = (FACTOR // PATCH) ** 2

WIDTH: Mapping[Precision, int] = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a number

# The released checkpoints' config.json: layers, hidden, MLP, heads, key-value heads, vocabulary, tied, and
# the MLP of the vision tower.
RELEASED: Mapping[str, tuple[int, int, int, int, int, int, bool, int]] = {
    "3B": (36, 2048, 11008, 16, 2, 151_936, True, 3420),
    "7B": (28, 3584, 18944, 28, 4, 152_064, False, 3420),
    "32B": (64, 5120, 27648, 40, 8, 152_064, False, 3456),
    "72B": (80, 8192, 29568, 64, 8, 152_064, False, 3456),
}


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of transformer layers.

    Attributes:
        layers: how many.
        hidden: width between layers.
        mlp: width inside the MLP.
        key_value: width of keys, and of values.
    """

    layers: int
    hidden: int
    mlp: int
    key_value: int

    def linears(self) -> int:
        """Weights of the seven projections of all layers, without biases."""
        attention = 2 * self.hidden * (self.hidden + self.key_value)
        return self.layers * (attention + 3 * self.hidden * self.mlp)

    def lora(self, rank: int) -> int:
        """Parameters of LoRA on the seven projections: rank times (inputs + outputs) of each.

        >>> Tower(36, 2048, 11008, 256).lora(16)
        29933568
        """
        attention = 2 * (self.hidden + self.hidden) + 2 * (self.hidden + self.key_value)
        return self.layers * rank * (attention + 3 * (self.hidden + self.mlp))

    def trained_elements(self) -> int:
        """Numbers that a trained layer keeps for each token, or that one holds on its way."""
        return 4 * self.mlp + 10 * self.hidden

    def lora_bytes(self, width: int) -> int:
        """Bytes that a frozen layer with LoRA keeps for each token."""
        return width * (3 * self.mlp + 5 * self.hidden) + 5 * (self.mlp + 6 * self.hidden)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a Qwen2.5-VL."""

    language: Tower
    vision: Tower
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Read a ``config.json``, flat as the released ones or nested as the library writes it now."""
        text, vision = config.get("text_config", config), config["vision_config"]
        hidden, heads = text["hidden_size"], text["num_attention_heads"]
        return cls(
            Tower(
                text["num_hidden_layers"],
                hidden,
                text["intermediate_size"],
                hidden // heads * text["num_key_value_heads"],
            ),
            Tower(
                vision.get("depth", 32),
                vision["hidden_size"],
                vision["intermediate_size"],
                vision["hidden_size"],
            ),
            text["vocab_size"],
            config.get("tie_word_embeddings", text.get("tie_word_embeddings", False)),
        )

    @property
    def vocabulary_weights(self) -> int:
        """Parameters of the embedding, and of the head where it has its own."""
        return self.vocabulary * self.language.hidden * (1 if self.tied else 2)

    @property
    def vision_weights(self) -> int:
        """Parameters of the vision tower: patches in, layers, merger out."""
        tower, merged = self.vision, MERGED * self.vision.hidden
        biases = tower.layers * (5 * tower.hidden + 2 * tower.mlp)
        norms = tower.layers * 2 * tower.hidden + tower.hidden
        merger = merged * (merged + 1) + (merged + 1) * self.language.hidden
        return PATCH_VALUES * tower.hidden + tower.linears() + biases + norms + merger

    @property
    def language_rest(self) -> int:
        """Norms and biases of the language model, which are never quantised."""
        tower = self.language
        return tower.layers * (3 * tower.hidden + 2 * tower.key_value) + tower.hidden

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.language.linears() + self.language_rest + self.vocabulary_weights + self.vision_weights


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The peak of a training step, and what it is made of.

    Attributes:
        items: (what, GiB) of everything that is held at the peak.
        parameters, trained: numbers of parameters.
        precision: type of frozen weights and activations.
    """

    items: tuple[tuple[str, float], ...]
    parameters: int
    trained: int
    precision: str

    @property
    def peak_gib(self) -> float:
        """The sum of all items, GiB."""
        return sum(gib for _, gib in self.items)

    def text(self) -> str:
        """One line, for people."""
        parts = ", ".join(f"{name} {_size(gib)}" for name, gib in self.items)
        return (
            f"about {_size(self.peak_gib)} of memory: {parts}; {_millions(self.trained)} of "
            f"{_millions(self.parameters)} M parameters are trained, in {self.precision}"
        )


def estimate_training(
    name: str,
    preprocessing: FramePreprocessing,
    batch_size: int,
    lora_rank: int | None,
    nf4: bool,
    *,
    precision: Precision | None = None,
) -> MemoryEstimate:
    """What one training step holds at its peak.

    Args:
        name: ``tiny``, a checkpoint folder, or a released name.
        preprocessing: frames, their size, and the words of the question.
        batch_size: clips of one forward pass.
        lora_rank: None trains all parameters.
        nf4: 4-bit language layers.
        precision: of frozen weights and activations; by default bfloat16 under LoRA, else float32.

    Raises:
        ModelError: the folder holds no configuration of a Qwen2.5-VL, or the name says no size.
    """
    precision = precision or ("float32" if lora_rank is None else "bfloat16")
    width = WIDTH[precision]
    sizes, count = _sizes(name, preprocessing)
    tokens, scored, patches = (batch_size * n for n in lengths(preprocessing, count))
    language, vision = sizes.language, sizes.vision
    passing = width * vision.trained_elements() * patches
    through = width * language.trained_elements() * tokens
    weights: tuple[tuple[str, float], ...]
    if lora_rank is None:
        trained = sizes.parameters
        weights = (("weights, gradients and Adam", float(TRAINED_BYTES * trained)),)
        kept = width * language.trained_elements() * language.layers * tokens
        kept += width * vision.trained_elements() * vision.layers * patches
    else:
        trained = language.lora(lora_rank)
        frozen = language.linears() * (NF4_BYTES if nf4 else width)
        if nf4:  # one layer at a time stands in full width
            through += width * language.hidden * language.mlp
        weights = (
            ("language layers in NF4" if nf4 else "language layers", frozen + width * sizes.language_rest),
            ("vocabulary", float(width * sizes.vocabulary_weights)),
            ("vision tower", float(width * sizes.vision_weights)),
            ("LoRA with gradients and Adam", float(TRAINED_BYTES * trained)),
        )
        kept = language.lora_bytes(width) * language.layers * tokens
    logits = (width + 8) * sizes.vocabulary * scored
    # A frozen vision tower has let go of its layer before the language model fills up.
    step: tuple[tuple[str, float], ...] = (("activations", float(kept + through)), ("logits", float(logits)))
    if lora_rank is not None and passing > kept + through + logits:
        step = (("vision tower at work", float(passing)),)
    pictures = ("pictures", 4.0 * PATCH_VALUES * patches)
    return MemoryEstimate(
        tuple((what, held / GIB) for what, held in (*weights, *step, pictures)),
        sizes.parameters + (0 if lora_rank is None else trained),
        trained,
        precision,
    )


def lengths(preprocessing: FramePreprocessing, count: Callable[[str], int]) -> tuple[int, int, int]:
    """Tokens, scored tokens and patches of one clip, with the longest values in the answers.

    Args:
        preprocessing: frames, their size, and the words of the question.
        count: tokens of a text.
    """
    from rushes.models.chat import TURN, USER

    columns, rows = preprocessing.picture_size
    pairs, views = math.ceil(preprocessing.frames / PAIR), len(preprocessing.views)
    patches = pairs * views * (rows // PATCH) * (columns // PATCH)
    marks = (
        preprocessing.frames * count(preprocessing.moment(preprocessing.span_s))
        if preprocessing.time_marks
        else 0
    )
    marks += pairs * sum(map(count, preprocessing.views))
    borders = 2 * (pairs * views if preprocessing.time_marks else 1)
    turn = preprocessing.turn(*(max(slot.choices, key=count, default="") for slot in preprocessing.slots()))
    values = sum(count(part.text) for part in turn.answer if isinstance(part, Value))
    texts = (part if isinstance(part, str) else part.text for part in (turn.question, TURN, *turn.answer))
    tokens = count(USER) + marks + borders + patches // MERGED + pairs * sum(map(count, texts))
    return tokens, pairs * values, patches


def _sizes(name: str, preprocessing: FramePreprocessing) -> tuple[Sizes, Callable[[str], int]]:
    """The sizes of a model, and how many tokens its tokenizer makes of a text, or about how many."""
    if name == "tiny":
        from rushes.models import tiny

        model, words = tiny.build(preprocessing, seed=0)  # as quick as a look into a file
        return Sizes.of(model.config.to_dict()), lambda text: len(words.encode(text))
    folder = Path(name)
    if folder.is_dir():
        return _read(folder), _about
    released = re.search(r"qwen2\.?5-vl-(\d+B)", name, re.IGNORECASE)
    if released is None or released[1].upper() not in RELEASED:
        raise ModelError(
            f"the name {name!r} does not say how large the model is",
            where="model.name",
            cure=f"name a checkpoint folder, or one of Qwen/Qwen2.5-VL-({'|'.join(RELEASED)})-Instruct",
        )
    layers, hidden, mlp, heads, key_value, vocabulary, tied, vision_mlp = RELEASED[released[1].upper()]
    language = Tower(layers, hidden, mlp, hidden // heads * key_value)
    return Sizes(language, Tower(32, 1280, vision_mlp, 1280), vocabulary, tied), _about


def _read(folder: Path) -> Sizes:
    path = folder / "config.json"
    try:
        return Sizes.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"no configuration of a Qwen2.5-VL: {error!r}",
            where=path,
            cure="name a folder written by save_pretrained",
        ) from error


def _about(text: str) -> int:
    """Tokens of ``text`` as the released tokenizer splits it, but for rare long words.

    >>> _about("<|im_start|>user, 2.4")
    6
    """
    return len(re.findall(r"<\|\w+\|>|\d|[^\W\d_]+|[^\w\s]|_", text))


def _size(gib: float) -> str:
    return f"{gib:.1f} GiB" if gib >= 0.95 else f"{gib * 1024:.0f} MiB"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f}"
