"""The tokenizer of the tiny CLIP: the same each time, and no word is unknown to it."""

from __future__ import annotations

import hashlib
import json

import pytest

from rushes.models.clip_tiny import WORDS, build, tokenizer


@pytest.fixture(scope="module")
def words():
    return tokenizer()


def test_it_is_the_same_each_time_and_everywhere(words):
    model = json.loads(words.backend_tokenizer.to_str())["model"]
    content = json.dumps([model["vocab"], model["merges"]], sort_keys=True)
    # Another one makes other models of the same recipe: raise TINY_VERSION, and write its hash here.
    assert hashlib.sha256(content.encode()).hexdigest()[:12] == "1053f6eb48c6"


def test_its_words_are_one_token_each(words):
    assert [word for word in WORDS.split() if len(words.tokenize(word)) != 1] == []


@pytest.mark.parametrize("text", ["Kästchen", "家具", "x7-ÿ", "🪑 sofa", "oak,pine;don't"])
def test_any_text_comes_back(words, text):
    ids = words(text)["input_ids"]
    assert (ids[0], ids[-1]) == (words.bos_token_id, words.eos_token_id)
    back = words.decode(ids, skip_special_tokens=True)
    assert back.replace(" ", "") == text.lower().replace(" ", "")


def test_the_end_is_found_by_its_own_id(words):
    """An end of id 2 would make the library look for the highest id instead."""
    config = build(64, seed=0)[0].config.text_config
    assert config.eos_token_id == words.eos_token_id == len(words) - 1
