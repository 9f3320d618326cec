"""The sealed test side: what is selected, each opening on record once, torn lines and changed ones."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.campaign.judging.seal import OPENINGS_FILE, hash_of, open_seal, read_openings, select
from rushes.campaign.records import Opened, Result, Selection, Trial
from rushes.errors import StageError

Make = Callable[..., Result]

A = Selection("cbam", "cbam-reduction8", "f1_macro", {"cbam-reduction8": 0.8, "cbam-reduction4": 0.7}, (1, 2))
B = Selection("crnn", "crnn", "f1_macro", {"crnn": 0.9}, (1, 2))


def openings_for(folder: Path, name: str, seed: int) -> list[Opened]:
    """Those by which the test figures of a trial may be read."""
    return [one for one in read_openings(folder) if one.admits(Trial(name, name, "base", seed, {}))]


def test_the_best_on_validation_is_selected_whatever_the_test_side_says(make: Make):
    results = [
        make("a-1", 1, 0.70, test=0.99),
        make("a-1", 2, 0.70, test=0.99),
        make("a-2", 1, 0.80, test=0.10),
        make("a-2", 2, 0.70, test=0.10),
        make("a-3", 1, 0.99),
        make("a-3", 2, 0.99, state="collapsed"),
        make("lost", 1, None, state="failed"),
    ]
    groups = {"a": ["a-1", "a-2", "a-3"], "lost": ["lost"]}
    chosen = select(groups, results, metric="f1_macro", seeds=(1, 2))
    assert chosen == (Selection("a", "a-2", "f1_macro", {"a-1": 0.7, "a-2": 0.75}, (1, 2)),)
    assert select(groups, results, metric="f1_macro", seeds=(1, 2), lower_is_better=True)[0].name == "a-1"


def test_nothing_is_open_before_it_is_on_record(tmp_path: Path):
    assert openings_for(tmp_path, "crnn", 1) == []
    assert not list(tmp_path.iterdir())
    opened = open_seal(tmp_path, "study", [A, B])
    assert (tmp_path / OPENINGS_FILE).read_text().count("\n") == 1
    assert openings_for(tmp_path, "crnn", 1) == [opened]
    for other in (("crnn", 3), ("cbam-reduction4", 1), ("cbam", 1)):
        assert openings_for(tmp_path, *other) == []
    assert (opened.number, opened.campaign, opened.selections) == (1, "study", (A, B))


def test_a_selection_is_opened_once_and_another_adds_a_line(tmp_path: Path):
    first = open_seal(tmp_path, "study", [A, B])
    before = (tmp_path / OPENINGS_FILE).read_bytes()
    assert open_seal(tmp_path, "study", [B, A]) == first
    assert (tmp_path / OPENINGS_FILE).read_bytes() == before
    changed = replace(A, name="cbam-reduction4")
    second = open_seal(tmp_path, "study", [changed, B])
    assert second.hash != first.hash
    assert [one.number for one in read_openings(tmp_path)] == [1, 2]
    assert (tmp_path / OPENINGS_FILE).read_bytes().startswith(before)
    assert openings_for(tmp_path, "cbam-reduction4", 2) == [second]
    third = replace(B, candidates={"crnn": 0.91})  # the same run, trained anew
    assert open_seal(tmp_path, "study", [A, third]).number == 3


def test_the_hash_is_of_everything_that_was_frozen():
    others = [[A], [replace(A, seeds=(1,)), B], [replace(A, metric="accuracy"), B]]
    hashes = {hash_of("study", some) for some in ([A, B], *others)} | {hash_of("other", [A, B])}
    assert len(hashes) == 5
    assert all(len(one) == 64 for one in hashes)


def test_a_torn_line_is_an_opening_that_never_came_to_a_look(tmp_path: Path):
    first = open_seal(tmp_path, "study", [A])
    open_seal(tmp_path, "study", [A, B])
    path = tmp_path / OPENINGS_FILE
    whole = path.read_bytes()
    head = whole[: whole.index(b"\n") + 1]
    for cut in (len(head), len(head) + 1, len(head) + 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert read_openings(tmp_path) == (first,)
        assert openings_for(tmp_path, "crnn", 1) == []
        assert open_seal(tmp_path, "study", [A, B]).number == 2
        assert [one.number for one in read_openings(tmp_path)] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0].replace("cbam-reduction8", "cbam-reduction9"), lines[1]],
        lambda lines: ["{}", lines[1]],
        lambda lines: ["not JSON", lines[1]],
        lambda lines: [lines[0], lines[0]],
        lambda lines: ["", *lines],
        lambda lines: [json.dumps({**json.loads(lines[0]), "more": 1}), lines[1]],
    ],
)
def test_a_record_that_was_changed_opens_nothing(tmp_path: Path, change: Callable):
    open_seal(tmp_path, "study", [A])
    open_seal(tmp_path, "study", [A, B])
    path = tmp_path / OPENINGS_FILE
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))
    for ask in (
        lambda: read_openings(tmp_path),
        lambda: open_seal(tmp_path, "study", [B]),
    ):
        with pytest.raises(StageError, match="the record of openings was changed"):
            ask()


def test_nothing_selected_opens_nothing(tmp_path: Path):
    with pytest.raises(StageError, match="nothing is selected"):
        open_seal(tmp_path, "study", [])
    assert not list(tmp_path.iterdir())


def test_who_opens_waits_for_who_is_opening(tmp_path: Path):
    open_seal(tmp_path, "study", [A])
    with (tmp_path / OPENINGS_FILE).open("a+b") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        waiting = threading.Thread(target=open_seal, args=(tmp_path, "study", [A, B]))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join()
    assert [one.number for one in read_openings(tmp_path)] == [1, 2]


def _open(folder: Path, number: int) -> None:
    open_seal(folder, "study", [replace(A, candidates={"a": number % 4 / 8})])


def test_many_that_open_at_once_leave_one_line_each(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        pool.starmap(_open, [(tmp_path, number) for number in range(12)])
    assert [one.number for one in read_openings(tmp_path)] == [1, 2, 3, 4]
