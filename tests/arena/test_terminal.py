"""Voting without a browser."""

import io
import re
from dataclasses import replace

import pytest
from contenders import Drawn, questions
from rich.console import Console

from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.arena.terminal import judge, keys_of

ASKED = questions(12, pictures=True)


@pytest.fixture
def box(tmp_path):
    make_study(
        tmp_path / "s", Drawn("tuned", ASKED), Drawn("older", ASKED), Ask(pairs=4, repeats=0.0, seed=1)
    )
    with open_box(tmp_path / "s") as opened:
        yield opened


def played(box, keys, width=120):
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="truecolor", width=width, height=50, _environ={}
    )
    with keys_of(io.StringIO(keys)) as key:
        judge(box.ballots["1"], box.folder, console, key)
    return console.file.getvalue()


def test_keys_vote_undo_and_finish(box):
    played(box, "abuxn3 sf")
    ballot = box.ballots["1"]
    assert [vote.choice for vote in ballot.standing] == ["top", "bad", "tie", "skip"]
    assert ballot.finished


def test_stopping_goes_on_later_at_the_same_pair(box):
    assert "1 / 4" in played(box, "aq")
    assert box.ballots["1"].position == 1
    assert "2 / 4" in played(box, "")


def test_pictures_fill_half_blocks_and_nothing_names_a_system(box):
    text = played(box, "1 q")
    assert text.count("▀") > 2 * 4 * 20 * 10
    assert len(set(re.findall(r"38;2;\d+;\d+;\d+", text))) > 16
    assert not re.search("tuned|older|item-", text)
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).splitlines() if "▀" in line]
    assert max(map(len, lines)) <= 120


def test_other_keys_show_the_same_pair_again(box):
    played(box, "zzz\x1b")
    assert box.ballots["1"].position == 0


@pytest.mark.parametrize("width", [40, 97, 200])
def test_any_width_will_do(box, width):
    assert "▀" in played(box, "1 q", width)


def test_words_that_are_codes_of_the_terminal_stay_words(tmp_path):
    odd = [replace(one, text=f"[red]\x1b[2J{one.key}[/red]") for one in questions(4)]
    make_study(tmp_path / "s", Drawn("a", odd), Drawn("b", odd), Ask(pairs=2))
    with open_box(tmp_path / "s") as box:
        text = played(box, "q")
    assert "[red][2Jquestion" in text
