"""``rushes init``: recipes of twins, and of folders of recordings."""

from __future__ import annotations

import pytest
from jobs import tell

from rushes.storage import open_workspace
from rushes.tasks import OURS, load_recipe, open_run


@pytest.mark.parametrize("task", OURS)
def test_a_demo_is_a_recipe_of_a_twin_that_says_how_it_is_run(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tell("init", "--demo", task)
    assert told.code == 0
    [path] = tmp_path.iterdir()
    assert f"rushes run  {path.name}" in told.out
    assert f"#     rushes run {path.name}\n" in path.read_text()
    run = open_run(load_recipe(path), open_workspace(tmp_path / "workspace"))
    assert next(iter(run.stages)) == "twin"


def test_a_recipe_is_replaced_by_force_alone(tmp_path):
    out = tmp_path / "mine.yaml"
    out.write_text("precious")
    refused = tell("init", "--demo", "sounds", "--out", str(out))
    assert (refused.code, out.read_text()) == (2, "precious")
    assert "--force" in refused.err
    assert tell("init", "--demo", "sounds", "--out", str(out), "--force").code == 0
    assert load_recipe(out).task == "sounds"


def test_what_cannot_be_asked_is_said(tmp_path):
    assert "did you mean sounds?" in tell("init", "--demo", "sound").err
    assert "neither a folder nor a demo" in tell("init").err
    assert "a folder and a demo" in tell("init", str(tmp_path), "--demo", "sounds").err


def test_a_workspace_that_cannot_be_made_is_said(tmp_path):
    out = tmp_path / "mine.yaml"
    assert tell("init", "--demo", "sounds", "--out", str(out)).code == 0
    refused = tell("run", str(out), "--workspace", "/proc/nope")
    assert refused.code == 1
    assert "StorageError: no folder can be made there" in refused.err
