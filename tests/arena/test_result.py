"""From votes to a verdict: nothing before the end, each query once, and files that agree with each other."""

import csv
import json
import random
import secrets

import numpy as np
import pytest
from contenders import Drawn, questions

from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.arena.report import PAGE, RESULT, VOTES, write_result
from rushes.arena.result import measure, read_answers
from rushes.arena.study import read_key, read_study
from rushes.arena.words import doubts, reason, verdict
from rushes.errors import StageError

ASKED = questions(60, pictures=True)


@pytest.fixture
def study(tmp_path):
    same = {question.key: [f"item-{n:03d}" for n in range(4)] for question in ASKED[:6]}
    ask = Ask(pairs=30, raters=("anna", "ben"), checks=2, repeats=0.1, seed=5)
    coin = random.Random(2)  # a fair coin leaves one study in twenty with a side that looks preferred
    make_study(tmp_path / "s", Drawn("tuned", ASKED, same), Drawn("base", ASKED, same), ask, coin)
    return tmp_path / "s"


def answer_all(study, choose, raters=("anna", "ben")):
    """Every rater judges everything: ``choose`` a slot, tie, bad or skip by rater, showing and its first system."""
    key = read_key(study, read_study(study))
    with open_box(study) as box:
        for name in raters:
            ballot = box.ballots[name]
            for position, shown in enumerate(ballot.showings):
                wanted = choose(name, shown, key)
                if wanted in (0, 1):
                    wanted = "top" if shown.top == wanted else "bottom"
                ballot.vote(secrets.token_hex(8), position, wanted, 2000)
            ballot.finish(secrets.token_hex(8))
        box.close()


def slot_of(system, shown, key):
    if shown.pair.id in key.checks:
        return key.checks[shown.pair.id]
    return 0 if key.first[shown.pair.id] == system else 1


def prefer(system):
    return lambda name, shown, key: slot_of(system, shown, key)


@pytest.mark.parametrize(("system", "verdict"), [("A", "A is preferred"), ("B", "B is preferred")])
def test_whoever_is_preferred_everywhere_is_preferred(study, system, verdict):
    answer_all(study, prefer(system))
    result = write_result(study)
    assert result.all.verdict == verdict
    assert max(result.all.wins, result.all.losses) == result.all.queries == 30
    assert result.counts == {"A": 60, "B": 0, "tie": 0, "bad": 0} | (
        {} if system == "A" else {"A": 0, "B": 60}
    )
    assert {name: part.queries for name, part in result.strata.items()}.keys() == {
        "chairs",
        "lamps",
        "tables",
    }
    assert (result.repeats.value, result.alpha, result.all.strength.value) == (1.0, None, None)
    assert [row.checks for row in result.raters] == [(2, 2), (2, 2)]
    assert list(doubts(result)) == []
    assert result.upper.low < 0.5 < result.upper.high
    key = read_key(study, read_study(study))
    assert result.identical == len(key.identical)


def test_a_rater_who_leans_to_one_side_shows_nothing_and_is_told(study):
    answer_all(study, lambda name, shown, key: "top")
    result = write_result(study)
    assert result.all.verdict == "not shown"
    assert result.upper.value == 1.0
    assert result.repeats.value == 0.0
    told = " ".join(doubts(result))
    assert "upper row was preferred in 100%" in told
    assert "missed" in told or all(seen == n for seen, n in (row.checks for row in result.raters))


def test_skips_do_not_count_and_bad_pairs_tie(study):
    def choose(name, shown, key):
        place = [pair.id for pair in read_study(study).pairs].index(shown.pair.id)
        return (
            "skip"
            if place < 5
            else "bad"
            if place < 10
            else "tie"
            if place < 15
            else slot_of("A", shown, key)
        )

    answer_all(study, choose)
    result = write_result(study)
    assert (result.all.queries, result.all.wins, result.all.ties) == (25, 15, 10)
    assert (result.counts["tie"], result.counts["bad"], result.skipped) == (10, 10, 10)


def test_repeats_and_checks_do_not_count_in_the_test(study):
    answer_all(study, lambda name, shown, key: "tie" if shown.again else slot_of("A", shown, key))
    result = write_result(study)
    assert result.counts["tie"] == 0
    assert result.all.wins == 30
    assert result.repeats.value == 0.0


def test_raters_who_disagree_tie_and_agreement_says_so(study):
    answer_all(study, lambda name, shown, key: slot_of("A" if name == "anna" else "B", shown, key))
    result = write_result(study)
    assert (result.all.wins, result.all.losses, result.all.ties) == (0, 0, 30)
    assert result.alpha < 0
    assert "Not shown" in verdict(result)
    assert result.more is None


def test_before_the_end_there_is_no_result(study):
    with pytest.raises(StageError, match="not closed"):
        write_result(study)
    with open_box(study) as box:
        box.close()
    with pytest.raises(StageError, match="nobody judged"):
        write_result(study)


def test_an_early_end_is_said(study):
    answer_all(study, prefer("A"), raters=("anna",))
    told = list(doubts(write_result(study)))
    assert told == ["Closed early: 1 of 2 raters had not finished; 30 answers of 60 that were planned."]


@pytest.mark.parametrize("name", ["votes-anna.jsonl", "key.json"])
def test_what_was_changed_after_the_end_is_refused(study, name):
    answer_all(study, prefer("A"))
    text = (study / name).read_text()
    (study / name).write_text(
        text.replace("top", "bottom", 1) if "votes" in name else text.replace("A", "B", 1)
    )
    with pytest.raises(StageError, match="changed since"):
        write_result(study)


def test_undone_votes_do_not_count(study):
    with open_box(study) as box:
        for ballot in box.ballots.values():
            ballot.vote("a" * 8, 0, "top", 5)
            ballot.undo("b" * 8, 1)
            ballot.vote("c" * 8, 0, "tie", 5)
        box.close()
    _, _, _, answers = read_answers(study)
    assert [one.outcome in ("tie", None) for one in answers] == [True, True]


def test_files_agree(study):
    rng = np.random.default_rng(1)
    answer_all(study, lambda name, shown, key: slot_of("A" if rng.random() < 0.7 else "B", shown, key))
    result = write_result(study)
    stored = json.loads((study / RESULT).read_text())
    assert stored["verdict"] == result.all.verdict
    assert stored["all"]["wins"] == result.all.wins
    with (study / VOTES).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == [
        "timestamp",
        "query_image",
        "baseline_method",
        "challenger_method",
        "user_choice",
        "baseline_is_row_a",
    ]
    assert len(rows) == 2 * (32 + round(0.1 * 32))
    counted = [
        row for row in rows if row["repeat"] == "False" and row["outcome"] in ("baseline", "challenger")
    ]
    assert sum(row["outcome"] == "baseline" for row in counted) == result.counts["A"]
    for row in counted:
        assert (row["user_choice"] == "A") == (
            (row["outcome"] == "baseline") == (row["baseline_is_row_a"] == "True")
        )
    page = (study / PAGE).read_text()
    assert reason(result).partition(" (")[0] in page
    assert page.count("data:image/jpeg") == 24


def test_measuring_changes_nothing(study):
    answer_all(study, prefer("A"))
    assert measure(*read_answers(study)) == write_result(study) == write_result(study)
