"""Votes: a file that only grows, from which a rater's place follows."""

import json
import os
import resource
import signal

import pytest
from contenders import Drawn, questions

from rushes.arena.ballot import Ballot, read_events, standing
from rushes.arena.box import open_box
from rushes.arena.draw import Ask, make_study
from rushes.arena.schedule import schedule
from rushes.errors import StageError


@pytest.fixture
def folder(tmp_path):
    asked = questions(10)
    make_study(tmp_path / "s", Drawn("a", asked), Drawn("b", asked), Ask(pairs=6, raters=("anna", "ben")))
    return tmp_path / "s"


@pytest.fixture
def box(folder):
    with open_box(folder) as opened:
        yield opened


def opened(box, name="anna"):
    """The same ballot after a restart."""
    box.ballots[name].close()
    return Ballot(box.folder, name, box.ballots[name].showings)


def test_a_vote_names_the_slot_that_was_preferred(box):
    ballot = box.ballots["anna"]
    for number, choice in enumerate(("top", "bottom", "tie", "bad", "skip")):
        ballot.vote(f"{number:08d}", number, choice, 1200)
    tops = [showing.top for showing in ballot.showings]
    assert [vote.slot for vote in ballot.standing] == [tops[0], 1 - tops[1], None, None, None]
    assert [vote.pair for vote in ballot.standing] == [one.pair.id for one in ballot.showings[:5]]
    assert ballot.position == 5


def test_the_same_vote_again_and_one_for_another_pair_have_no_effect(box):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    ballot.vote("0" * 8, 1, "top", 5)  # the same press, sent twice
    ballot.vote("1" * 8, 0, "top", 5)  # another page that did not know
    ballot.vote("2" * 8, 3, "top", 5)
    assert ballot.position == 1
    assert len(ballot.path.read_text().splitlines()) == 1


def test_undo_goes_back_as_far_as_asked_and_erases_nothing(box):
    ballot = box.ballots["anna"]
    for number in range(4):
        ballot.vote(f"{number:08d}", number, "top", 5)
    for number in range(4, 0, -1):
        ballot.undo(f"d000000{number}", number)
    ballot.undo("d0000000", 0)
    assert ballot.position == 0
    ballot.vote("a0a0a0a0", 0, "bottom", 5)
    lines = [json.loads(line) for line in ballot.path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["vote"] * 4 + ["undo"] * 4 + ["vote"]
    assert [vote.id for vote in opened(box).standing] == ["a0a0a0a0"]


def test_an_undone_vote_that_arrives_once_more_stays_undone(box):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    ballot.undo("1" * 8, 1)
    ballot.vote("0" * 8, 0, "top", 5)
    assert ballot.position == 0


def test_a_restart_goes_on_where_it_was(box):
    ballot = box.ballots["anna"]
    for number in range(3):
        ballot.vote(f"{number:08d}", number, "tie", 5)
    again = opened(box)
    assert (again.position, again.standing) == (3, ballot.standing)
    assert box.ballots["ben"].position == 0


@pytest.mark.parametrize("cut", [1, 30, -1])
def test_half_a_line_was_never_a_vote(box, cut):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    whole = ballot.path.read_bytes()
    ballot.path.write_bytes(whole + whole[:cut])
    again = opened(box)
    assert again.position == 1
    again.vote("1" * 8, 1, "top", 5)
    assert len(read_events(again.path)[0]) == 2


def test_a_damaged_line_is_told_with_its_place(box):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    ballot.path.write_text("{}\n" + ballot.path.read_text())
    with pytest.raises(StageError, match="line 1"):
        opened(box)


def test_votes_out_of_order_are_refused(box):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    ballot.vote("1" * 8, 1, "top", 5)
    events = read_events(ballot.path)[0]
    with pytest.raises(StageError, match="does not follow"):
        standing(events[::-1], ballot.showings)


@pytest.mark.parametrize("change", [{"pair": "0" * 16}, {"top": 2}, {"again": True}])
def test_a_vote_for_what_was_not_shown_is_refused(box, change):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    vote = ballot.standing[0]
    change = {"top": 1 - vote.top} if "top" in change else change
    with pytest.raises(StageError, match="does not follow"):
        standing([vote.model_copy(update=change)], ballot.showings)
    with pytest.raises(StageError, match="does not follow"):
        standing([vote], ())


def test_where_the_disk_refuses_nothing_is_half_written(box):
    ballot = box.ballots["anna"]
    ballot.vote("0" * 8, 0, "top", 5)
    size = ballot.path.stat().st_size
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cut short|too large"):
            ballot.vote("1" * 8, 1, "top", 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert (ballot.path.stat().st_size, ballot.position) == (size, 1)
    ballot.vote("1" * 8, 1, "top", 5)  # the page sends the same press again
    assert ballot.position == 2


def test_one_process_holds_the_votes(folder, box):
    with pytest.raises(StageError, match="another process"), open_box(folder):
        pass


def test_a_rater_finishes_when_all_is_judged_and_not_before(box):
    ballot = box.ballots["anna"]
    ballot.finish("f" * 8)
    assert not ballot.finished
    for number in range(len(ballot.showings)):
        ballot.vote(f"{number:08d}", number, "top", 5)
    ballot.finish("e" * 8)
    ballot.undo("d" * 8, ballot.position)
    assert ballot.finished
    assert ballot.position == len(ballot.showings)
    assert opened(box).finished


def test_a_closed_study_takes_no_votes(folder):
    with open_box(folder) as box:
        closed = box.close()
    assert closed.unfinished == ("anna", "ben")
    with pytest.raises(StageError, match="closed"), open_box(folder):
        pass


def test_time_left_is_told_at_the_raters_own_pace(box):
    ballot = box.ballots["anna"]
    assert ballot.left_s is None
    for number, ms in enumerate((1000, 3000, 90_000)):
        ballot.vote(f"{number:08d}", number, "top", ms)
    assert ballot.left_s == 3.0 * (len(schedule(box.study, 0)) - 3)


def test_every_vote_is_flushed_before_it_counts(box, monkeypatch):
    flushed = []
    true = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (flushed.append(file), true(file)))
    box.ballots["anna"].vote("0" * 8, 0, "top", 5)
    assert len(flushed) == 1
