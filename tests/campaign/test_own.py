"""A result is kept only where this user judged it on this machine, and nothing that it rests on was changed."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.campaign.folder import CampaignFolder
from rushes.campaign.judging.own import is_own, key_file, mark_of
from rushes.stages import write_json


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> CampaignFolder:
    return CampaignFolder(tmp_path / "campaign-any")


def test_a_mark_is_of_the_value_and_of_the_key(home: Path, tmp_path: Path, monkeypatch):
    told = {"figures": [0.5, None], "seed": 1}
    mark = mark_of(told)
    assert is_own(told, mark)
    assert not is_own(told | {"seed": 2}, mark)
    assert not is_own(told, "0" * 64)
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    monkeypatch.setenv("HOME", str(tmp_path / "another"))
    assert not is_own(told, mark)


def test_where_no_key_can_be_kept_this_process_has_its_own(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert is_own([1], mark_of([1]))
    assert not key_file().exists()


def test_a_kept_result_is_as_it_was_judged(folder: CampaignFolder, make):
    result = make("a", 1, 0.5, test=0.6)
    folder.write_result(result, ["val", "test"])
    assert folder.kept_result(result.trial, ["val", "test"]) == folder.read_result(result.trial)
    assert folder.kept_result(result.trial, ["val"]).test is None
    assert folder.kept_result(result.trial, ["other"]) is None
    assert folder.kept_result(replace(result.trial, seed=2), ["val"]) is None


def test_weights_that_gave_their_answers_are_not_asked_again(folder: CampaignFolder, make):
    result = make("a", 1, 0.5)
    write_json(folder.path / "judged.json", {result.trial.key: ["of version 0.4"]})
    folder.write_result(result, ["val"])
    assert not folder.is_proven(result)
    folder.write_proven(result)
    folder.write_result(replace(result, final=True), ["val", "test"])  # judged once more
    assert folder.is_proven(result)
    assert folder.is_own(replace(result, final=True))
    others = {**result.fingerprints, "weights": "others"}
    assert not folder.is_proven(replace(result, fingerprints=others))


def edited(path: Path, *place: str, to: object) -> None:
    tree = inner = json.loads(path.read_bytes())
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = to
    write_json(path, tree)


@pytest.mark.parametrize(
    ("file", "place", "to"),
    [
        ("results/a-s1.json", ("figures", "f1_macro", "value"), 0.9),
        ("results/a-s1.json", ("test", "f1_macro", "high"), 0.9),
        ("results/a-s1.json", ("state",), "collapsed"),
        ("results/a-s1.json", ("fingerprints", "rows"), "0"),
        ("judged.json", ("a-s1", "mark"), "0" * 64),
        ("judged.json", ("a-s1", "stamps"), ["val", "another"]),
        ("judged.json", ("a-s1",), ["val", "test"]),  # as version 0.4 wrote it
    ],
)
def test_a_result_that_was_edited_is_not_kept(folder: CampaignFolder, make, file, place, to):
    result = make("a", 1, 0.5, test=0.6)
    folder.write_result(result, ["val", "test"])
    edited(folder.path / file, *place, to=to)
    assert folder.kept_result(result.trial, ["val", "test"]) is None
    assert not folder.is_own(folder.read_result(result.trial))
