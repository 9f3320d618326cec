"""Pairs of a picture and its words, drawn, and a small encoder for them."""

from __future__ import annotations

import numpy as np

from rushes.media.image import encode_jpeg
from rushes.models.clip import DualEncoder, build
from rushes.prepare.pair import Pair, Words
from rushes.recipe.clip import Clip

SIZE = 32
COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (50, 60, 200), "black": (20, 20, 20)}


def encoder(seed: int = 0) -> DualEncoder:
    """A CLIP from nothing for pictures of `SIZE` pixels."""
    return build(Clip(), SIZE, seed=seed)


def picture(colour: str, seed: int) -> bytes:
    """A rectangle of a colour on white, as JPEG."""
    rng = np.random.default_rng(seed)
    pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
    top, left, bottom, right = (*rng.integers(2, 12, 2), *rng.integers(18, 30, 2))
    pixels[top:bottom, left:right] = COLOURS[colour]
    return encode_jpeg(pixels, 95)


def pair(number: int, views: int = 0) -> Pair:
    """An item; every other one has a German title."""
    colour = list(COLOURS)[number % len(COLOURS)]
    kind = ("box", "cup")[number % 2]
    words = Words(
        title=f"{colour} {kind} {number}",
        original_title=f"{colour.upper()} {kind}",
        text=f"{colour} {kind}",
        captions=(f"a photo of a {colour} {kind}",),
        titles={"de": f"Ding {number}"} if number % 2 else {},
        fields={"color": colour, "style": "modern" if number < 4 else "classic"},
    )
    key = f"{number * 7919 % 65536:016x}"
    shown = tuple(picture(colour, 1000 * number + view) for view in range(1, views + 1))
    return Pair(key, picture(colour, number), words, shown, f"family{number // 2}", kind)
