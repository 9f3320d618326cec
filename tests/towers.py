"""Two small towers with dropout behind the contract of `DualEncoder`, and pairs to teach them."""

import hashlib
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rushes.media.image import encode_jpeg
from rushes.prepare.pair import Pair, Words

SIZE, WIDTH, WORDS, LENGTH = 8, 6, 97, 12
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 220), "white": (250, 250, 250)}
PLACES = ("left", "right", "top", "bottom")


class Towers(nn.Module):
    """Pictures (B, 8, 8, 3) and words, 10 and 12 features, vectors of 6."""

    def __init__(self, learning=("pictures", "texts"), *, seed=0, sigmoid=False, dropout=0.2):
        super().__init__()
        torch.manual_seed(seed)
        self.pictures = nn.Sequential(
            nn.Linear(SIZE * SIZE * 3, 32), nn.GELU(), nn.Dropout(dropout), nn.Linear(32, 10)
        )
        self.words = nn.Embedding(WORDS, 14)
        self.texts = nn.Sequential(nn.Linear(14, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 12))
        self.picture_map = nn.Linear(10, WIDTH, bias=False)
        self.text_map = nn.Linear(12, WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0 if sigmoid else 1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0)) if sigmoid else None
        self.learning = frozenset(learning)
        self.pictures.requires_grad_("pictures" in learning)
        self.words.requires_grad_("texts" in learning)
        self.texts.requires_grad_("texts" in learning)
        self.passes = {"pictures": 0, "texts": 0}

    def train(self, mode=True):
        super().train(mode)
        for name in {"pictures", "texts"} - self.learning:
            getattr(self, name).eval()
        return self

    def tokenize(self, texts):
        rows = [
            [1 + int(hashlib.sha256(word.encode()).hexdigest(), 16) % (WORDS - 1) for word in text.split()]
            for text in texts
        ]
        return {"input_ids": torch.tensor([(row + [0] * LENGTH)[:LENGTH] for row in rows])}

    def picture_features(self, pictures):
        self.passes["pictures"] += len(pictures)
        return self.pictures(pictures.flatten(1).to(self.log_scale.dtype) / 255)

    def text_features(self, tokens):
        self.passes["texts"] += len(tokens["input_ids"])
        return self.texts(self.words(tokens["input_ids"]).mean(1))

    def project_pictures(self, features):
        return _unit(self.picture_map(features))

    def project_texts(self, features):
        return _unit(self.text_map(features))

    @torch.no_grad()
    def clamp(self):
        self.log_scale.clamp_(max=math.log(100))


def _unit(vectors):
    return functional.normalize(vectors if vectors.dtype == torch.float64 else vectors.float(), dim=-1)


def pairs(count, seed=0, grouped=False):
    """Pictures of a colour at a side of a grey square, each with two captions."""
    return [_pair(number, np.random.default_rng([seed, number]), grouped) for number in range(count)]


def _pair(number, rng, grouped):
    colour, place = list(COLOURS)[number % 4], PLACES[number // 4 % 4]
    picture = rng.integers(90, 130, (SIZE, SIZE, 3)).astype(np.uint8)
    half = slice(SIZE // 2) if place in ("left", "top") else slice(SIZE // 2, None)
    picture[(slice(None), half) if place in ("left", "right") else half] = COLOURS[colour]
    captions = (f"{colour} at the {place} {number}", f"the {place} is {colour} {number}")
    return Pair(
        key=f"{number:016x}",
        picture=encode_jpeg(picture, 95),
        words=Words(title=captions[0], original_title=captions[0], text=captions[0], captions=captions),
        group=f"group {number // 2}" if grouped else "",
        label=colour,
    )
