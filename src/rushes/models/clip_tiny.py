"""A CLIP of the real classes at toy size, with a tokenizer of its own that knows any word.

Its vocabulary is byte-level BPE of the words below, so each of them is a token or two, and any other text falls
into pieces down to single bytes.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import torch
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from rushes.models.clip_sizes import ClipSizes, Tower

HEADS = 4
_START, _END, _LAST = "<|startoftext|>", "<|endoftext|>", "</w>"

WORDS = """
a an and the of in on with without for from to at by this that is it its one two three four five six
photo picture image view shot front side top close up high low quality professional product studio setting centred
featuring style object item thing plain background light dark bright pale deep warm cool
black white grey gray silver gold golden brown beige cream tan red crimson orange yellow green olive teal turquoise blue
navy purple violet pink
small large big little tall short long wide narrow thin thick round square oval flat curved straight open closed
soft hard smooth rough shiny matt glossy striped dotted checked patterned
modern classic rustic industrial vintage antique retro contemporary traditional minimalist scandinavian
wood wooden oak pine walnut beech birch ash maple metal steel iron brass copper aluminium glass plastic leather fabric
cotton linen wool velvet marble stone ceramic concrete paper rattan bamboo
table chair sofa couch bed desk lamp shelf bookcase cabinet wardrobe cupboard drawer dresser stool bench armchair mirror
rug curtain cushion pillow door window clock vase plant basket box sideboard nightstand coffee dining office kitchen
bath bathroom bedroom living room garden outdoor
cup mug plate bowl bottle glass fork knife spoon pot pan kettle jug tool hammer saw screwdriver
car bus truck train boat ship plane bicycle wheel ball book bag shoe hat shirt dress toy doll bear
animal dog cat bird fish horse cow pig sheep lion tree flower leaf apple pear banana fruit house star heart circle
triangle
"""


Pair = tuple[str, str]


def tokenizer() -> CLIPTokenizer:
    """CLIP's own kind, with every byte and the pieces of `WORDS`."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(WORDS.split())
    pieces = (*bytes_, *(byte + _LAST for byte in bytes_), *map("".join, merges), _START, _END)
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges)


def _merges(words: list[str]) -> list[Pair]:
    """Pairs to join, the most frequent first (Sennrich et al. 2016, algorithm 1), until each word is one piece.

    The trainer of the library breaks ties by chance; here the pair that sorts last wins.
    """
    split = [[*word[:-1], word[-1] + _LAST] for word in words]
    found: list[Pair] = []
    while counts := Counter(pair for pieces in split for pair in pairwise(pieces)):
        best = max(counts, key=lambda pair: (counts[pair], pair))
        found.append(best)
        split = [_joined(pieces, best) for pieces in split]
    return found


def _joined(pieces: list[str], pair: Pair) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def build(size: int, seed: int) -> tuple[CLIPModel, CLIPTokenizer]:
    """A CLIP with random weights for pictures of ``size`` pixels (0.5 M parameters), and its tokenizer.

    Raises:
        ModelError: that size cannot be cut into patches.
    """
    sizes, words = ClipSizes.tiny(size), tokenizer()
    config = CLIPConfig(
        text_config={
            **_layers(sizes.texts),
            "vocab_size": len(words),
            "max_position_embeddings": sizes.texts.tokens,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={**_layers(sizes.pictures), "image_size": size, "patch_size": sizes.patch},
        projection_dim=sizes.width,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIPModel(config), words


def _layers(tower: Tower) -> dict[str, int]:
    return {
        "num_hidden_layers": tower.layers,
        "hidden_size": tower.width,
        "intermediate_size": tower.mlp,
        "num_attention_heads": HEADS,
    }
