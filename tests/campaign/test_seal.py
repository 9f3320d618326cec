"""The sealed test side: what is selected, and each opening on record once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.campaign.judging.seal import hash_of, open_seal, openings_of, select
from rushes.campaign.records import Opened, Result, Selection, Trial
from rushes.errors import StageError
from rushes.runs.looks import LOOKS, settled
from rushes.storage import Workspace
from rushes.storage.record import Record

Make = Callable[..., Result]

A = Selection("cbam", "cbam-reduction8", "f1_macro", {"cbam-reduction8": 0.8, "cbam-reduction4": 0.7}, (1, 2))
B = Selection("crnn", "crnn", "f1_macro", {"crnn": 0.9}, (1, 2))


def openings(folder: Path) -> tuple[Opened, ...]:
    return openings_of(settled(Workspace(folder)), "study")


def openings_for(folder: Path, name: str, seed: int) -> list[Opened]:
    """Those by which the test figures of a trial may be read."""
    return [one for one in openings(folder) if one.admits(Trial(name, name, "base", seed, {}))]


def open_(folder: Path, *chosen: Selection) -> Opened:
    return open_seal(Workspace(folder), "study", chosen)


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
    opened = open_(tmp_path, A, B)
    assert [path.name for path in (tmp_path / LOOKS).iterdir()] == ["000001.json"]
    assert openings_for(tmp_path, "crnn", 1) == [opened]
    for other in (("crnn", 3), ("cbam-reduction4", 1), ("cbam", 1)):
        assert openings_for(tmp_path, *other) == []
    assert (opened.number, opened.campaign, opened.selections) == (1, "study", (A, B))


def test_a_selection_is_opened_once_and_another_adds_an_entry(tmp_path: Path):
    first = open_(tmp_path, A, B)
    assert open_(tmp_path, B, A) == first
    changed = replace(A, name="cbam-reduction4")
    second = open_(tmp_path, changed, B)
    assert second.hash != first.hash
    assert openings(tmp_path) == (first, second)
    assert openings_for(tmp_path, "cbam-reduction4", 2) == [second]
    third = replace(B, candidates={"crnn": 0.91})  # the same run, trained anew
    assert open_(tmp_path, A, third).number == 3
    assert open_seal(Workspace(tmp_path), "other", [A]).number == 4
    assert len(openings(tmp_path)) == 3


def test_the_hash_is_of_everything_that_was_frozen():
    others = [[A], [replace(A, seeds=(1,)), B], [replace(A, metric="accuracy"), B]]
    hashes = {hash_of("study", some) for some in ([A, B], *others)} | {hash_of("other", [A, B])}
    assert len(hashes) == 5
    assert all(len(one) == 64 for one in hashes)


def test_an_opening_of_another_selection_than_its_hash_says_is_refused(tmp_path: Path):
    open_(tmp_path, A)
    record = Record(Workspace(tmp_path), LOOKS)
    [entry] = record.read()
    opening = entry.content["opening"] | {"selections": []}
    record.add(dict(entry.content) | {"opening": opening}, lambda known: False)
    with pytest.raises(StageError, match="the record of openings was changed"):
        openings(tmp_path)


def test_nothing_selected_opens_nothing(tmp_path: Path):
    with pytest.raises(StageError, match="nothing is selected"):
        open_(tmp_path)
    assert not list(tmp_path.iterdir())
