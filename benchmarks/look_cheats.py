"""Cheats that hide a look at the test side."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from campaign_study import Study
from cheat_table import Outcome, cheat, groups_of, on_record, refused

from rushes.stages import StageSpec, canonical_json, read_done, read_json
from rushes.stages.folder import OpenStage
from rushes.storage import open_workspace
from rushes.storage.record import Entry, Record


@cheat("C3 the record of looks deleted")
def deleted(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    return refused(study.go, "is not on record")


@cheat("C3 the record of looks cut short")
def shortened(study: Study) -> Outcome:
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    (study.workspace / "looks" / "000002.json").unlink()
    return refused(study.go, "is not on record")


@cheat("C3 an entry of the record changed, with its own hash")
def changed(study: Study) -> Outcome:
    path = study.workspace / "looks" / "000001.json"
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    told = read_json(path)
    told["content"]["run"] = "nobody"
    entry = Entry.after((), told["content"])
    path.write_text(canonical_json(entry.to_json()))
    return refused(study.go, "the record of looks was changed")


@cheat("C3 a second campaign of another name")
def second(study: Study) -> Outcome:
    count = len(study.looks)
    again = study.saying(campaign="other", select=["soft"])
    again.go()
    return on_record(again, count, 1)


@cheat("C3 `rushes run` on the test side, by hand")
def by_hand(study: Study) -> Outcome:
    count = len(study.looks)
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    study.go()
    return on_record(study, count, 1)


@cheat("by hand with val and test swapped, so that the test rows are called val")
def swapped(study: Study) -> Outcome:
    count = len(study.looks)
    groups = {
        "train": groups_of(study, "train"),
        "val": groups_of(study, "test"),
        "test": groups_of(study, "val"),
    }
    split = f"source.split={json.dumps(groups)}"
    study.by_hand("run", "--set", split, "--set", "evaluate.split=val", "--set", "train.epochs=1")
    study.go()
    return on_record(study, count, 1)


@cheat("by hand with the test rows called val, before there is a dataset that tests them")
def early(study: Study) -> Outcome:
    learnt = groups_of(study, "train")
    groups = {"train": learnt[1:], "val": groups_of(study, "test"), "test": learnt[:1]}
    empty = replace(study, workspace=study.folder / "empty")
    split = f"source.split={json.dumps(groups)}"
    empty.by_hand("run", "--set", split, "--set", "evaluate.split=val", "--set", "train.epochs=1")
    empty.go()
    return on_record(empty, 0, 2)


@cheat("a sound added, so that the data are others, under another name")
def added(study: Study) -> Outcome:
    source = study.folder / "sounds" / groups_of(study, "test")[0]
    samples = bytearray(source.read_bytes())
    samples[-1] ^= 1
    source.with_name(f"new-{source.name}").write_bytes(samples)
    runner = study.saying(campaign="other").go()
    listed = [look.by for look in runner.looks if look.entry.number == 1]
    return Outcome("recorded" if listed else "NOT CAUGHT", f"the first look is listed: {listed}")


@cheat("workspace copied, looked at there, what was measured copied back")
def abroad(study: Study) -> Outcome:
    other = study.copied(study.folder / "abroad")
    shutil.rmtree(other.folder / "sounds")
    (other.folder / "tiny.yaml").write_text((study.folder / "tiny.yaml").read_text())
    other.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    for path in other.workspace.glob("*-*/DONE"):
        if not (study.workspace / path.parent.name).exists():
            shutil.copytree(path.parent, study.workspace / path.parent.name)
    return refused(study.go, "is not on record")


@cheat("record and test stages deleted, the campaign's list left")
def both(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    for path in study.workspace.glob("*-*/DONE"):
        if "look" in json.loads(path.read_bytes())["summary"]:
            shutil.rmtree(path.parent)
    return refused(study.go, "is not on record")


@cheat("record deleted, and the look taken out of what was measured")
def stripped(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    (study.place / "openings.jsonl").unlink()
    for path in list(study.workspace.glob("*-*/DONE")):
        _without_look(path.parent)
    study.go()
    found = [look["content"]["stages"] for look in study.looks if look["content"]["found"]]
    told = Outcome("recorded", f"{sum(map(len, found))} stages found and put on record")
    return told if found else Outcome("NOT CAUGHT", "nothing was found")


def _without_look(folder: Path) -> None:
    told = read_done(folder)
    if "look" in told["summary"]:
        del told["summary"]["look"]
        spec = read_json(folder / "recipe.json")
        parts = {name: spec[name] for name in ("version", "recipe", "inputs", "fingerprint")}
        OpenStage(StageSpec(spec["stage"], **parts), folder, 0.0).finish(told["summary"], told["counts"])


@cheat("the folder of the record linked to an empty one elsewhere")
def elsewhere(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    (study.folder / "empty").mkdir()
    (study.workspace / "looks").symlink_to((study.folder / "empty").absolute())
    return refused(study.go, "is not on record")


@cheat("a look under a clock that was set back")
def back(study: Study) -> Outcome:
    record = Record(open_workspace(study.workspace), "looks")
    ahead = replace(Entry.after(record.read(), record.read()[0].content), when="2099-01-01T00:00:00+00:00")
    ahead = replace(ahead, hash=ahead.true_hash)  # by a clock that was right, as seen from one set back
    (study.workspace / "looks" / "000002.json").write_text(canonical_json(ahead.to_json()))
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    study.go()
    return on_record(study, 2, 1)
