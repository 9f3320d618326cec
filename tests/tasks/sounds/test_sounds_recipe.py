"""What can be asked of sounds: signatures that stay, forms of a source, and faults before any work."""

import hashlib
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rushes.errors import RecipeError
from rushes.stages import canonical_json
from rushes.tasks import load_recipe
from rushes.tasks.sounds.recipe import RecordingSource, SoundsRecipe
from rushes.tasks.sounds.task import Sounds

RECIPES = Path(__file__).parents[3] / "recipes"
NIGHTS = {
    "source": {
        "kind": "recordings",
        "root": "nights",
        "annotation": {"files": "*.txt"},
        "background": "quiet",
    },
    "preprocessing": {"labels": ["quiet", "snore"]},
}
FOLDER = {"kind": "folder", "root": "sounds"}


def signed(recipe: SoundsRecipe) -> dict[str, str]:
    """Stage -> hash of what its signature depends on, less its inputs."""
    return {
        stage.name: hashlib.sha256(
            canonical_json([stage.version, stage.signed(recipe)]).encode()
        ).hexdigest()[:8]
        for stage in Sounds().stages
        if stage.asked(recipe)
    }


@pytest.mark.parametrize(
    ("said", "features"),
    [
        (yaml.safe_load((RECIPES / "sounds-twin.yaml").read_text()), "a5a7cdc9"),
        ({}, "a5a7cdc9"),
        ({"source": FOLDER}, "f69192fd"),
        ({"source": FOLDER | {"split": {"train": ["a"], "val": ["b"], "test": ["c"]}}}, "23aa81b1"),
    ],
    ids=["twin", "defaults", "index", "lists"],
)
def test_recipes_of_before_keep_their_signatures(said, features):
    found = signed(SoundsRecipe.model_validate(said))
    assert found["features"] == features
    assert (found["predict"], found["evaluate"]) == ("00b5a56a", "00b5a56a")


def test_recipes_that_deal_out_shares_have_a_new_one():
    shares = {"source": FOLDER | {"split": "shares"}}
    assert signed(SoundsRecipe.model_validate(shares))["features"] != "f69192fd"
    other = {"source": FOLDER | {"split": "shares", "shares": {"seed": 1}}}
    assert signed(SoundsRecipe.model_validate(shares)) != signed(SoundsRecipe.model_validate(other))


def test_how_recordings_are_measured_signs_their_evaluation_alone():
    first = signed(SoundsRecipe.model_validate(NIGHTS))
    second = signed(SoundsRecipe.model_validate(NIGHTS | {"timelines": {"collar_s": 0.5}}))
    assert {name for name in first if first[name] != second[name]} == {"evaluate"}
    short = SoundsRecipe.model_validate({"timelines": {"collar_s": 0.5}})
    assert signed(short) == signed(SoundsRecipe())


def test_a_kind_chooses_the_form_of_a_source():
    found = SoundsRecipe.model_validate(NIGHTS).source
    assert isinstance(found, RecordingSource)
    assert (found.background_in, found.hop_s, found.share) == ("recording", None, 0.5)
    assert SoundsRecipe.model_validate({"source": {"split": "index"}}).source.kind == "dreamcatcher"


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        ({"source": {"hop_s": 6.0}}, "", "source.hop_s is 6 s, and preprocessing.clip_s 5 s"),
        ({"source": {"background": "calm"}}, "", "source.background is calm, which is not among"),
        ({"source": {"hop": 1.0}}, "source.hop", "did you mean hop_s"),
        ({"source": {"share": 0.0}}, "source.share", "0"),
        (
            {"source": {"kind": "nights"}},
            "source.kind",
            "expected 'dreamcatcher', 'folder' or 'recordings', found 'nights'",
        ),
        ({"source": {"split": {"train": ["a"], "test": ["b"]}}}, "", "source.split has nobody for val"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(said, place, words, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(NIGHTS | {"task": "sounds", "source": NIGHTS["source"] | said["source"]}))
    with pytest.raises(RecipeError) as refused:
        load_recipe(path)
    assert place in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("source", "hop_s", 0.0001),  # two windows would have one key
        ("timelines", "segment_s", 0.0001),  # events are measured in whole milliseconds
        ("timelines", "segment_s", float("inf")),
        ("timelines", "collar_s", float("inf")),
        ("timelines", "smooth_s", 1e9),
    ],
)
def test_lengths_that_nothing_can_be_measured_with_are_refused(section, key, value):
    said = NIGHTS | {section: NIGHTS.get(section, {}) | {key: value}}
    with pytest.raises(ValidationError, match=key):
        SoundsRecipe.model_validate(said)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"root": None}, "source.root"),
        ({"split": {"train": ["a"], "val": ["a"], "test": ["b"]}}, "source.split"),
    ],
)
def test_faults_of_a_source_of_recordings(source, place):
    recipe = SoundsRecipe.model_validate(NIGHTS | {"source": NIGHTS["source"] | source})
    assert [where for where, _ in Sounds().faults(recipe)] == [place]
