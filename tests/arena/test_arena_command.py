"""The verb: two recipes, a study, and what it says where they cannot be compared."""

import json
import secrets

import pytest
from contenders import Drawn, questions
from typer.testing import CliRunner

from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.cli import app, arena
from rushes.errors import RecipeError

ASKED = questions(12)


@pytest.fixture
def folder(tmp_path):
    make_study(
        tmp_path / "s", Drawn("tuned", ASKED), Drawn("older", ASKED), Ask(pairs=4, repeats=0.0, seed=1)
    )
    return tmp_path / "s"


def run(*words, **how):
    return CliRunner().invoke(app, ["arena", *map(str, words)], **how)


def test_two_recipes_need_no_further_word():
    said = run("nowhere.yaml", "elsewhere.yaml")
    assert said.exit_code == 2
    assert "nowhere.yaml" in said.stderr
    assert run("--help").exit_code == 0
    assert "compare" in run("--help").stdout


def test_from_a_terminal_to_a_result(folder):
    said = run("serve", folder, "--terminal", input="aabbf")
    assert said.exit_code == 0, said.stderr
    assert "4 of 4 judged; see `rushes arena result" in said.stderr
    said = run("result", folder)
    assert said.exit_code == 0, said.stderr
    assert "result.html" in said.stdout
    found = json.loads(run("result", folder, "--json").stdout)
    assert found["verdict"] == "not shown"
    assert found["systems"]["A"]["name"] == "tuned"


def test_two_systems_are_drawn_judged_and_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "_contender", lambda asked, workspace, cache: Drawn(asked, ASKED))
    how = ("--study", tmp_path / "new", "--pairs", "3", "--repeats", "0", "--seed", "5", "--terminal")
    said = run("runs/tuned.yaml", "runs/tuned.yaml:base", *how, input="aq")
    assert "3 pairs, seed 5; 3 decisive queries rarely show anything" in said.stderr
    assert "1 of 3 judged" in said.stderr
    assert run("compare", "runs/tuned.yaml", "runs/tuned.yaml:base", *how, input="bbf").exit_code == 0
    found = json.loads(run("result", tmp_path / "new", "--json").stdout)
    assert {key: one["name"] for key, one in found["systems"].items()} == {
        "A": "tuned.yaml",
        "B": "tuned.yaml:base",
    }
    assert sum(found["counts"].values()) == 3


def test_a_study_that_all_have_finished_is_closed_when_it_is_next_opened(folder):
    with open_box(folder) as box:
        for number in range(4):
            box.ballots["1"].vote(f"{number:08d}", number, "tie", 900)
        box.ballots["1"].finish("f" * 8)  # and the machine stops here
    assert run("serve", folder).exit_code == 0
    assert run("result", folder).exit_code == 0


def test_no_result_before_the_end_and_an_end_before_all_is_judged(folder):
    said = run("result", folder)
    assert said.exit_code == 1
    assert "nobody looks before" in said.stderr
    with open_box(folder) as box:
        box.ballots["1"].vote(secrets.token_hex(8), 0, "top", 900)
    assert "before 1 finished" in run("close", folder).stdout
    assert "Closed early" in run("result", folder).stdout
    assert run("serve", folder, "--terminal").exit_code == 1


def test_a_study_of_other_systems_is_not_gone_on_with(folder):
    tuned, older = Drawn("tuned", ASKED), Drawn("older", ASKED)
    arena._require_same(folder, tuned, older)
    with pytest.raises(RecipeError, match="other signatures"):
        arena._require_same(folder, older, tuned)


def test_a_rater_who_is_not_there(folder):
    said = run("serve", folder, "--terminal", "--as", "zoe")
    assert said.exit_code == 2
    assert "no rater zoe" in said.stderr
