"""The record of looks: every stage that measures test rows is on it, and names its entry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import StageError
from rushes.runs.do import do
from rushes.runs.looks import LOOKS, Datasets, Look, hash_of_opening, look_back, settled
from rushes.runs.run import Run
from rushes.stages import OpenStage, read_done, spec_of_folder
from rushes.storage import open_workspace
from rushes.storage.record import Record

ON_TEST = "evaluate.split=test"


def looks(finished) -> tuple[Look, ...]:
    return settled(open_workspace(finished.workspace))


def forgetting(folder: Path, **summary: str) -> None:
    """Write DONE of a stage again, without its look or with another."""
    done = read_done(folder)
    kept = {name: value for name, value in done["summary"].items() if name != "look"}
    OpenStage(spec_of_folder(folder), folder, 0.0).finish({**kept, **summary}, done["counts"])


def test_what_measures_the_validation_side_is_no_look(finished):
    assert looks(finished) == ()
    assert not (finished.workspace / LOOKS).exists()


def test_a_look_is_on_record_once_and_all_that_is_made_of_it_names_it(finished):
    run = finished.do(ON_TEST)
    [look] = looks(finished)
    assert look.by == "run tiny"
    assert look.datasets == (run.folder("features").name,)
    assert set(look.stages) == {run.folder(name).name for name in ("predict", "evaluate", "export")}
    named = {
        name: read_done(run.folder(name))["summary"].get("look") for name in ("train", "predict", "evaluate")
    }
    assert named == {"train": None, "predict": look.entry.hash, "evaluate": look.entry.hash}
    (run.folder("evaluate") / "DONE").unlink()  # killed before its end, and done again: the same look
    finished.do(ON_TEST)
    assert looks(finished) == (look,)
    finished.do(ON_TEST, "train.epochs=2")
    assert [one.entry.number for one in looks(finished)] == [1, 2]


def test_it_concerns_all_that_was_cut_from_the_same_recordings(finished):
    ours = finished.do(ON_TEST)
    [look] = looks(finished)
    other = finished.run("preprocessing.mels=9", "source.shares={train: 0.4, val: 0.3, test: 0.3}")
    seen = {run: Datasets.of([run.specs["features"]]) for run in (ours, other)}
    assert [look.concerns(one, "any") for one in seen.values()] == [True, True]
    elsewhere = finished.run("twin.seed=3")
    assert elsewhere.specs["features"] == finished.run().specs["features"]  # not drawn: nothing else
    assert not look.concerns(Datasets(frozenset({"features-000000000000"}), frozenset({"other"})), "any")


def groups(run: Run, side: str) -> list[str]:
    return sorted(set(run.samples(side).groups()))


def test_test_rows_are_seen_by_whatever_name_their_side_has(finished):
    first = finished.run()
    sides = {"train": groups(first, "train"), "val": groups(first, "test"), "test": groups(first, "val")}
    run = finished.do(f"source.split={json.dumps(sides)}", "train.epochs=1")
    assert run.recipe.evaluate.split == "val"
    [look] = looks(finished)
    assert look.datasets == (first.folder("features").name,)


def test_rows_that_became_test_rows_after_they_were_measured_are_found(finished):
    first = finished.run()
    sides = {"train": groups(first, "train"), "val": groups(first, "test"), "test": groups(first, "val")}
    swapped = finished.run(f"source.split={json.dumps(sides)}")
    do(swapped, "features", lambda *told: None)
    assert looks(finished) == ()
    for _ in range(2):
        look_back(swapped)  # whose test rows were the validation side of the first
    [look] = looks(finished)
    assert (look.found, look.datasets) == (True, (swapped.folder("features").name,))
    assert set(look.stages) >= {first.folder(name).name for name in ("predict", "evaluate")}
    look_back(first)
    assert looks(finished) == (look,)


def test_copies_of_test_rows_are_seen_in_other_recordings(finished, tones: Path, tmp_path: Path):
    first, root = finished.run(), tmp_path / "renamed"
    sides = {"train": [], "val": [], "test": []}
    heard = [(side, name) for side in sides for name in groups(first, side)]
    for side, name in heard:
        place = root / name.replace("/", "/renamed-")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tones / name, place)
        sides[{"val": "test", "test": "val"}.get(side, side)].append(place.relative_to(root).as_posix())
    finished.do(f"source.split={json.dumps(sides)}", f"source.root={root}", "train.epochs=1")
    [look] = looks(finished)
    assert first.folder("features").name in look.datasets


# --- held against what was made ---------------------------------------------------------------------------


@pytest.fixture
def seen(finished) -> tuple:
    return finished, finished.do(ON_TEST)


def test_a_record_that_was_taken_away_is_missed(seen):
    finished, run = seen
    shutil.rmtree(finished.workspace / LOOKS)
    with pytest.raises(
        StageError, match=r"was made and is not on record: .* \(0 looks are on record\)"
    ) as caught:
        looks(finished)
    assert Path(caught.value.where).name in {run.folder(name).name for name in ("predict", "evaluate")}
    assert "restore the folder looks" in caught.value.cure


def test_a_stage_that_names_the_look_of_another_is_refused(seen):
    finished, _ = seen
    other = finished.do(ON_TEST, "train.epochs=1")
    first, second = looks(finished)
    assert read_done(other.folder("predict"))["summary"]["look"] == second.entry.hash
    forgetting(other.folder("predict"), look=first.entry.hash)
    with pytest.raises(StageError, match="is not on record"):
        looks(finished)


@pytest.mark.parametrize("unfinished", [False, True])
def test_what_is_older_than_the_record_is_put_on_it_once(seen, unfinished):
    finished, run = seen
    shutil.rmtree(finished.workspace / LOOKS)
    for name in ("predict", "evaluate"):
        forgetting(run.folder(name))
    if unfinished:
        (run.folder("evaluate") / "DONE").unlink()
    [look] = looks(finished)
    assert look.found
    assert set(look.stages) == {run.folder(name).name for name in ("predict", "evaluate")}
    assert "found later" in look.by
    assert looks(finished) == (look,)
    finished.do(ON_TEST)
    assert looks(finished) == (look,)


OLD_LINE = {
    "number": 1,
    "campaign": "old",
    "selections": [{"group": "a", "name": "a", "metric": "f1_macro", "candidates": {"a": 0.5}, "seeds": [0]}],
    "when": "2026-01-01T00:00:00+00:00",
}
OLD_LINE["hash"] = hash_of_opening(OLD_LINE["campaign"], OLD_LINE["selections"])


@pytest.mark.parametrize("torn", ["", '{"number": 2, "camp'])
def test_openings_of_version_0_4_are_put_on_record_once(finished, torn: str):
    place = finished.workspace / "campaign-old" / "openings.jsonl"
    place.parent.mkdir()
    place.write_text(json.dumps(OLD_LINE) + "\n" + torn)
    [look] = looks(finished)
    assert (look.by, look.opening["hash"], look.found) == ("campaign old", OLD_LINE["hash"], True)
    assert looks(finished) == (look,)


def test_an_opening_of_version_0_4_that_was_changed_never_comes_on_record(finished):
    place = finished.workspace / "campaign-old" / "openings.jsonl"
    place.parent.mkdir()
    place.write_text(json.dumps(OLD_LINE | {"campaign": "other"}) + "\n")
    with pytest.raises(StageError, match="the record of openings was changed"):
        looks(finished)
    place.write_text(json.dumps(OLD_LINE) + "\n")  # restored, as the cure says
    assert len(looks(finished)) == 1


@pytest.mark.parametrize(
    "hide",
    [
        lambda workspace: shutil.rmtree(workspace / LOOKS),
        lambda workspace: (workspace / LOOKS / "000001.json").unlink(),
    ],
)
def test_the_list_of_a_campaign_tells_of_a_look(finished, hide: Callable[[Path], None]):
    workspace = open_workspace(finished.workspace)
    content = {"run": "x", "datasets": [], "recordings": [], "stages": [], "opening": None, "found": False}
    entry = Record(workspace, LOOKS).add(content, lambda known: False)
    place = finished.workspace / "campaign-any" / "openings.jsonl"
    place.parent.mkdir()
    place.write_text(json.dumps(entry.to_json()) + "\n")
    assert len(looks(finished)) == 1
    hide(finished.workspace)
    with pytest.raises(StageError, match="is not on record"):
        looks(finished)


def test_nothing_of_the_test_side_is_read_before_the_look_is_on_record(finished):
    run = finished.run(ON_TEST)
    (finished.workspace / LOOKS).write_text("in the way of the record")
    with pytest.raises(OSError, match=LOOKS):
        do(run, "predict", lambda *told: None)
    assert not (run.folder("predict") / "predictions.parquet").exists()
