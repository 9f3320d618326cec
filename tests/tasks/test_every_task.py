"""The contract of tasks and sources, over every task of the house."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jobs import TINY
from typer.testing import CliRunner

from rushes.arena.box import open_box
from rushes.arena.server import arena_app
from rushes.arena.study import read_key, read_study
from rushes.cli import app
from rushes.errors import RecipeError
from rushes.tasks import OURS, TASKS
from rushes.testing import Finished, finish, source_checks, task_checks


@pytest.fixture(scope="module", params=list(OURS))
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "tiny.yaml").write_text(TINY[request.param])
    return finish(TASKS[request.param], folder / "tiny.yaml", folder / "workspace")


@pytest.mark.parametrize("check", task_checks(), ids=lambda check: check.__name__)
def test_a_task_keeps_its_contract(check, finished, tmp_path):
    check(finished, tmp_path)


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_a_source_keeps_its_contract(check, finished, tmp_path):
    run = finished.run()
    check(finished.task.source(run.recipe), run.raw(), tmp_path)


def arena(*words: object, **how: Any) -> Any:
    return CliRunner().invoke(app, ["arena", *map(str, words)], **how)


def test_two_systems_of_a_run_are_compared_blind_from_the_draw_to_the_table(finished, tmp_path, monkeypatch):
    """Where a task answers with ranked lists; the others say that they do not."""
    monkeypatch.setattr("rushes.cli.arena._is_at_a_terminal", lambda: True)  # a pipe is none
    study, run = tmp_path / "study", finished.run()
    asked = [finished.recipe, f"{finished.recipe}:base", "--workspace", finished.workspace, "--study", study]
    asked += ["--rater", "anna", "--rater", "ben", "--terminal", "--as", "anna"]
    try:
        tuned, base = run.task.contenders(run).values()
    except RecipeError:
        assert "no ranked lists" in arena(*asked).stderr
        return
    cures = ((seed, arena(*asked, "--seed", seed, "--pairs", 1000).stderr) for seed in range(20))
    seed, pairs = next(
        (seed, int(told[1])) for seed, cure in cures if (told := re.search(r"--pairs (\d+)", cure))
    )
    said = arena(*asked, "--seed", seed, "--pairs", pairs, input="aq")
    assert f"1 of {2 * pairs} judged" in said.stderr, said.stderr

    told, made = (study / "study.json").read_text(), read_study(study)
    items = read_key(study, made).pictures.values()
    assert not [secret for secret in (*items, tuned.signature(), base.signature()) if secret in told]
    with open_box(study) as box, TestClient(arena_app(box)) as client:
        for rater in made.raters:
            here = f"/r/{rater.token}"
            while (now := client.get(f"{here}/state").json()["now"]) is not None:
                position = now["position"]
                assert client.get(f"{here}/{position}/8.jpg").content.startswith(b"\xff\xd8")
                cast = {"id": f"{position:08d}", "position": position, "choice": "top", "ms": 700}
                client.post(f"{here}/vote", json=cast)
            client.post(f"{here}/finish", json={"id": "f" * 8, "position": pairs})
        assert box.closed

    result = json.loads(arena("result", study, "--json").stdout)
    assert result["systems"]["A"]["signature"] == tuned.signature()
    assert result["systems"]["B"]["signature"] == base.signature()
    assert result["counts"]["A"] + result["counts"]["B"] == 2 * pairs
    rows = list(csv.DictReader((study / "votes.csv").read_text().splitlines()))
    assert {row["query_image"] for row in rows} <= {question.key for question in base.questions()}
    assert len(rows) == 2 * pairs
    for row in rows:  # the upper row was always chosen
        assert row["outcome"] == ("baseline" if row["baseline_is_row_a"] == "True" else "challenger")
