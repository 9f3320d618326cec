"""Patterns of a recipe, matched within a bound."""

from __future__ import annotations

import pytest

from rushes.errors import RecipeError
from rushes.recipe.pattern import groups_of, match_whole
from rushes.tasks.sounds.recipe import SoundSource
from rushes.tasks.sounds.sources.blocks import Place, place_by


def test_repetitions_of_repetitions_have_an_answer():
    """Python's own module tries 2^40 ways."""
    assert place_by("((?P<label>a+)+)+$", "a" * 40 + "b") is None
    assert place_by("((?P<label>a+)+)+$", "aaa") == Place("aaa")


def test_what_would_never_end_is_refused():
    with pytest.raises(RecipeError, match="more than 1 s") as caught:
        place_by("(?P<label>(a|aa)+)c", "a" * 500)
    assert (caught.value.where, caught.value.exit_code) == ("source.pattern", 2)


def test_what_python_writes_is_read():
    pattern = r"(?!old)(?P<label>\w+)/(?:(?P<group>p\d+)_)?(?P<take>[\w ]+)(?<!x)\.wav"
    assert groups_of(pattern) == {"label", "group", "take"}
    found = match_whole(pattern, "snore/p7_a b.wav", "source.pattern")
    assert found == {"label": "snore", "group": "p7", "take": "a b"}
    assert match_whole(pattern, "old/p7_a.wav", "source.pattern") is None
    assert match_whole(pattern, "snore/p7_x.wav", "source.pattern") is None


def test_one_that_is_none_is_refused_with_the_recipe():
    with pytest.raises(ValueError, match="not a regular expression"):
        SoundSource(pattern="(?P<label>.*")
    with pytest.raises(ValueError, match="no named group label"):
        SoundSource(pattern="(.*)")
