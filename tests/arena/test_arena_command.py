"""The verb: two recipes, a study, and what it says where they cannot be compared."""

import json
import re
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
def terminal(monkeypatch):
    """What is given as input counts as keys of a terminal."""
    monkeypatch.setattr(arena, "_is_at_a_terminal", lambda: True)


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


def test_from_a_terminal_to_a_result(folder, terminal):
    said = run("serve", folder, "--terminal", input="aabbf")
    assert said.exit_code == 0, said.stderr
    assert "4 of 4 judged; see `rushes arena result" in said.stderr
    said = run("result", folder)
    assert said.exit_code == 0, said.stderr
    assert "result.html" in said.stdout
    found = json.loads(run("result", folder, "--json").stdout)
    assert found["verdict"] == "not shown"
    assert found["systems"]["A"]["name"] == "tuned"


def test_two_systems_are_drawn_judged_and_gone_on_with(tmp_path, monkeypatch, terminal):
    monkeypatch.setattr(arena, "_contender", lambda asked, *where: Drawn(asked, ASKED))
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
    assert "the study is closed" in run("serve", folder).stderr


def test_a_study_of_other_systems_is_not_gone_on_with(folder):
    tuned, older = Drawn("tuned", ASKED), Drawn("older", ASKED)
    arena._require_same(folder, tuned, older)
    with pytest.raises(RecipeError, match="other signatures"):
        arena._require_same(folder, older, tuned)


@pytest.mark.parametrize(
    ("words", "says", "cure"),
    [
        (("--terminal", "--as", "zoe"), "no rater zoe; it has anna, ben", "--as anna"),
        (("--as", "zoe"), "no rater zoe; it has anna, ben", "--as anna"),
        (("--as", "ben"), "--as names who votes in the terminal", "--terminal"),
        (("--terminal",), "the study has anna, ben", "--as anna"),
        (("--terminal", "--as", "ben"), "there is no terminal", "docker run -it"),
    ],
)
def test_nobody_votes_for_another_nor_where_no_keys_are(tmp_path, monkeypatch, words, says, cure):
    """Neither in a study that is there already, nor in a new one, which is not even drawn."""
    monkeypatch.setattr(arena, "_contender", lambda asked, *where: Drawn(asked, ASKED))
    old, new = tmp_path / "old", tmp_path / "new"
    make_study(old, Drawn("a", ASKED), Drawn("b", ASKED), Ask(pairs=4, raters=("anna", "ben")))
    of_two = ("a.yaml", "b.yaml", "--rater", "anna", "--rater", "ben", "--study")
    for verb in (("serve", old), (*of_two, old), (*of_two, new)):
        said = run(*verb, *words, input="aaa")
        assert (said.exit_code, said.stdout) == (2, "")
        assert said.stderr.startswith("RecipeError")
        assert says in said.stderr
        assert cure in said.stderr
    assert not new.exists()


def test_overrides_count_for_both_recipes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"task: catalog\nname: {name}\n")
    recipes = (tmp_path / "a.yaml", tmp_path / "b.yaml", "--workspace", tmp_path / "runs")
    refused = run(*recipes, "--set", "train.sed=3")
    assert "did you mean seed?" in refused.stderr
    folders = {
        run(*recipes, "--set", f"twin.seed={seed}").stderr.partition("embed-")[2][:12] for seed in (1, 2)
    }
    assert len(folders) == 2


def test_a_result_calls_systems_by_their_names(folder):
    """Rows that raters see are A and B, whoever is in them."""
    with open_box(folder) as box:
        for number in range(4):
            box.ballots["1"].vote(f"{number:08d}", number, "tie", 900)
        box.ballots["1"].finish("f" * 8)
        box.close()
    said = run("result", folder).stdout
    page = (folder / "result.html").read_text()
    assert "share of tuned among decisive queries" in said
    assert "0 for tuned, 0 for older, 4 equal" in said
    for text in (said, page):
        assert not re.search(r"\b(of|for) [AB]\b|\b[AB] \(|\b[AB]: ", text)
