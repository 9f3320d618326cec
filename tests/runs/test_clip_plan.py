"""What a plan says of a CLIP before anything is loaded."""

from __future__ import annotations

import json

import pytest

from rushes.recipe.clip import Clip, made_of
from rushes.runs.clip_plan import faults, notes
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run


@pytest.fixture
def checkpoint(tmp_path):
    """The configuration of ViT-B/32, without weights."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    return str(tmp_path)


def test_a_plan_tells_what_learns_and_whether_it_fits(checkpoint):
    estimate, fits = notes(Clip(name=checkpoint), 224, micro_batch=64)
    assert "5.1 of 151.3 M parameters are trained, in float32" in estimate
    assert "micro-batch of 64" in estimate
    assert "of this machine" in fits


def test_of_locked_it_tells_the_maps():
    (told,) = notes(Clip(name="locked", scenario="linear_probe"), 128, micro_batch=64)
    assert told.endswith("458,752 parameters learn")


@pytest.mark.parametrize("name", ["tiny", "locked"])
def test_of_what_learns_nothing_it_tells_no_memory_of_training(name):
    told = " ".join(notes(Clip(name=name, scenario="zero_shot"), 128, micro_batch=64))
    assert told.startswith("nothing learns")
    assert "memory" not in told


def test_what_is_not_here_is_to_be_downloaded():
    (told,) = notes(Clip(name="nobody/has-this"), 224, micro_batch=64)
    assert "nobody/has-this is not on this machine" in told


def test_what_cannot_be_is_said_before_a_run_begins(checkpoint, monkeypatch):
    assert list(faults(Clip(name=checkpoint), 224)) == []
    assert list(faults(Clip(name="nobody/has-this"), 100)) == []
    ((key, told),) = faults(Clip(name=checkpoint), 96)
    assert key == "model.name"
    assert "sees pictures of 224 pixels, and the dataset has 96: write preprocessing.size: 224" in told
    ((_, told),) = faults(Clip(), 60)
    assert told.endswith("write preprocessing.size: 56")
    monkeypatch.setattr("rushes.runs.clip_plan.SENTENCE_PACKAGES", ("sentences_nowhere",))
    ((_, told),) = faults(Clip(name="locked", scenario="linear_probe"), 128)
    assert "sentences_nowhere, not installed here: pip install 'rushes[locked]'" in told


def test_signatures_hold_what_no_checkpoint_tells(checkpoint):
    tiny, locked = made_of(Clip()), made_of(Clip(name="locked", scenario="linear_probe"))
    assert tiny == {"tiny": 1}
    assert locked["locked"]["encodings"][0]["side"] == 224
    assert made_of(Clip(name=checkpoint)) == {}
    json.dumps(locked)


@pytest.mark.parametrize(("name", "stage"), [("tiny", "pretrain"), ("tiny", "train"), ("locked", "train")])
def test_stages_of_weights_sign_it(tmp_path, name, stage):
    path = tmp_path / "catalog.yaml"
    model = f"{{name: {name}, scenario: linear_probe}}"
    path.write_text(f"task: catalog\npreprocessing: {{size: 64}}\nmodel: {model}\n")
    run = open_run(load_recipe(path), open_workspace(tmp_path))
    signed = run.stages[stage].signed(run.recipe)
    assert signed[name] == made_of(run.recipe.model)[name]
