"""Real recordings, where they are: RUSHES_CORPUS names the folder that docs/sounds.md unpacks into."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from rushes.errors import MediaError
from rushes.media.audio import decode
from rushes.tasks import load_recipe
from rushes.tasks.sounds.task import Sounds

VOICES = Path(__file__).parents[4] / "recipes" / "voices.yaml"
CORPUS = os.environ.get("RUSHES_CORPUS")
SHARE = Path(CORPUS or ".") / "usr" / "share"

pytestmark = pytest.mark.skipif(CORPUS is None, reason="RUSHES_CORPUS is not set")


def test_the_voices_are_there_and_no_word_stands_on_two_sides():
    recipe = load_recipe(VOICES, [f"source.root={SHARE / 'asterisk/sounds'}"])
    found = Sounds().source(recipe).scan(recipe.source.root)
    sides: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for block in found.blocks:
        for recording, data in block:
            assert decode(data, sample_rate=8000, longest_s=30.0, where=recording.path).wave.any()
            sides.setdefault(recording.group, set()).add(block.split)
            counts[recording.label] += 1
    assert set(counts) == set(recipe.preprocessing.labels)
    assert min(counts.values()) > 150
    assert all(len(found) == 1 for found in sides.values())


def test_what_calls_itself_ogg_and_is_not_is_refused():
    """Five of LMMS's sounds are WAVs with Vorbis inside, which libsndfile does not read either."""
    refused = []
    for path in sorted((SHARE / "lmms/samples").rglob("*.ogg")):
        try:
            decode(path.read_bytes(), sample_rate=16_000, longest_s=300.0, where=path)
        except MediaError:
            refused.append(path.stem)
    assert sorted(refused) == ["harpsichord01", "hit01", "kick04", "scratch01", "wind_chimes01"]
