"""A whole campaign, small but real: gates that pass, are tuned, fail; the seal; damage, failures, kills."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from jobs import TONES, Told, begin, tell
from typer.testing import CliRunner

from rushes.campaign.live import Show
from rushes.campaign.manifest.trials import open_campaign
from rushes.campaign.pages.leaderboard import TIME
from rushes.campaign.runner import Runner
from rushes.cli import app
from rushes.engine.cluster import import_ray
from rushes.errors import GateError, StageError
from rushes.storage import open_workspace
from rushes.tasks import TASKS

RECIPE = TONES + "deploy: {runs: 10, calibration: 8}\n"

# A net that has learnt nothing: one epoch, at a rate that moves no weight.
NOTHING = {"train.learning_rate": 1.0e-6, "train.epochs": 1}
NOTHING_NAME = "learning_rate1e-06-epochs1"

WHOLE = {
    "campaign": "whole",
    "recipe": "tiny.yaml",
    "metric": "f1_macro",
    "phases": [
        {
            "name": "base",
            # What is `good` and the second of `few` is one run: the batch is that of the recipe.
            "runs": {"good": {}, "few": {"cells": [NOTHING, {"train.batch_size": 8}]}},
        },
        {"name": "first", "gate": {"better": ["good"], "than": ["few"]}},
        {
            "name": "second",
            "after": "first",
            "gate": {
                "better": [f"few-{NOTHING_NAME}"],
                "than": ["good"],
                "otherwise": {
                    "budget": 2,
                    "runs": {"tuned": {"cells": [NOTHING, {"train.epochs": 6}, {"train.epochs": 7}]}},
                },
            },
        },
        {
            "name": "kd",
            "after": "second",
            "runs": {
                "pupil": {
                    "take": {
                        "train.epochs": "few.train.epochs",
                        "distil.teacher.model": "second.model",
                        "distil.teacher.train": "second.train",
                    },
                    "set": {"distil.soft_weight": 0.5},
                    "control": "good",
                }
            },
        },
    ],
    "select": ["good", "second", "pupil"],
    "reasons": {
        f"few-{NOTHING_NAME}": "it was made to learn nothing",
        "tuned": "the first of them was made to learn nothing",
        "pupil": "a pupil may be worse than a net that makes no errors",
    },
}

TRIALS = {
    "good-s0": "done",
    f"few-{NOTHING_NAME}-s0": "collapsed",
    "few-batch_size8-s0": "done",
    f"tuned-{NOTHING_NAME}-s0": "collapsed",
    "tuned-epochs6-s0": "done",
    "pupil-s0": "done",
}


@dataclass(frozen=True)
class Job:
    """A manifest and a workspace."""

    manifest: Path
    workspace: Path

    def saying(self, **changes: Any) -> Job:
        """The same workspace with a manifest in which some keys differ, beside this one."""
        tree = yaml.safe_load(self.manifest.read_text()) | changes
        path = self.manifest.with_name(f"changed-{len(list(self.manifest.parent.iterdir()))}.yaml")
        path.write_text(text_of(tree))
        return replace(self, manifest=path)

    def copied(self, to: Path) -> Job:
        """A copy to damage; files keep their times."""
        return replace(self, workspace=Path(shutil.copytree(self.workspace, to / "copy")))

    def go(self, **how: Any) -> tuple[Runner, GateError | None]:
        """Run the campaign in this process."""
        campaign = open_campaign(self.manifest)
        show = Show(campaign.manifest.metric)
        runner = Runner(campaign, open_workspace(self.workspace), show, **{"workers": 0, **how})
        return runner, runner.run()

    def tell(self, verb: str, *options: str) -> Told:
        """``rushes campaign VERB MANIFEST``."""
        return tell("campaign", verb, str(self.manifest), "--workspace", str(self.workspace), *options)

    def begin(self, verb: str, *options: str, **how: Any) -> subprocess.Popen:
        """``rushes campaign VERB MANIFEST`` in a process of its own."""
        arguments = ("campaign", verb, str(self.manifest), "--workspace", str(self.workspace), *options)
        return begin(*arguments, **how)

    @property
    def folder(self) -> Path:
        name = yaml.safe_load(self.manifest.read_text())["campaign"]
        return self.workspace / f"campaign-{name}"

    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "leaderboard.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def timeless(self) -> list[dict[str, str]]:
        """Rows of the leaderboard without what differs between two runs of the same thing."""
        return [{name: cell for name, cell in row.items() if name not in TIME} for row in self.rows()]

    def openings(self) -> list[dict[str, Any]]:
        path = self.folder / "openings.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


def text_of(tree: dict[str, Any]) -> str:
    """YAML without aliases, which a manifest may not have."""
    return yaml.safe_dump(json.loads(json.dumps(tree)), sort_keys=False)


def written(folder: Path, tones: Path, manifest: dict[str, Any]) -> Job:
    (folder / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(tones)))
    (folder / "manifest.yaml").write_text(text_of(manifest))
    return Job(folder / "manifest.yaml", folder / "workspace")


def states(runner: Runner) -> dict[str, str]:
    return {key: result.state for key, result in runner.results.items()}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="module")
def whole(tones: Path, tmp_path_factory) -> tuple[Job, Runner]:
    """The campaign, run once from nothing; tests that write take a copy."""
    job = written(tmp_path_factory.mktemp("whole"), tones, WHOLE)
    runner, failure = job.go()
    assert failure is None, failure
    return job, runner


@pytest.fixture
def copy(whole, tmp_path: Path) -> Job:
    return whole[0].copied(tmp_path)


# --- three endings ----------------------------------------------------------------------------------------


def test_a_campaign_goes_through_its_gates(whole):
    _, runner = whole
    assert states(runner) == TRIALS
    assert runner.waiting == {}
    assert runner.unfinished == []
    assert all(one.figures.keys() == of_a_side("sounds") for one in runner.results.values())
    first, second = runner.verdicts["first"], runner.verdicts["second"]
    assert (first.passed, first.better, first.than) == (True, "good", "few-batch_size8")
    assert len(first.attempts) == 1
    # The first try has learnt nothing; the second is `good` again, and not trained twice.
    assert (second.passed, second.better, second.than) == (True, "tuned-epochs6", "good")
    assert [line.split(":")[0] for line in second.attempts] == ["0 tried", "1 tried", "2 tried"]
    assert runner.results["tuned-epochs6-s0"].signatures == runner.results["good-s0"].signatures


def test_runs_that_agree_share_their_stages(whole):
    job, runner = whole
    folders = [path.name for path in job.workspace.iterdir()]
    count = {name: sum(folder.startswith(f"{name}-") for folder in folders) for name in ("features", "train")}
    assert count == {"features": 1, "train": 3}  # good, one that learns nothing, the pupil
    assert sum(folder.startswith("logits-") for folder in folders) == 1
    pupil = runner.results["pupil-s0"]
    assert pupil.signatures["teacher"] == runner.results["good-s0"].signatures["train"]
    # Taken of the best of `few`, and of what passed the gate, not of the first of each.
    assert pupil.trial.overrides["train.epochs"] == 6
    assert pupil.trial.overrides["distil.teacher.train"]["epochs"] == 6


def test_every_run_that_counts_has_a_row_and_a_reason_where_it_is_worth_nothing(whole):
    job, _ = whole
    rows = {f"{row['name']}-s{row['seed']}": row for row in job.rows()}
    assert {key: row["state"] for key, row in rows.items()} == TRIALS
    assert all(rows[key]["val_f1_macro"] for key in TRIALS)
    assert rows["pupil-s0"]["control"] == "good"
    negatives = job.read("negative-results.md")
    assert negatives.count("reason: it was made to learn nothing") == 1
    assert "MISSING" not in negatives
    page = job.read("leaderboard.html")
    assert page.startswith("<!doctype html>")
    assert "pupil" in page


def test_only_what_was_selected_is_opened_and_once(whole):
    job, runner = whole
    [opened] = job.openings()
    names = {one["group"]: one["name"] for one in opened["selections"]}
    assert names == {"good": "good", "second": "tuned-epochs6", "pupil": "pupil"}
    with_test = {row["name"] for row in job.rows() if row["test_f1_macro"]}
    assert with_test == {"good", "tuned-epochs6", "pupil"}
    assert [one.name for one in runner.selections] == ["good", "tuned-epochs6", "pupil"]


def test_the_test_side_is_measured_and_reported_of_nothing_else(whole):
    job, _ = whole
    measured = [json.loads(path.read_text()) for path in job.workspace.glob("evaluate-*/metrics.json")]
    # `good` and its likes, one that learnt nothing, and the pupil; of these the first and the last are open.
    assert sorted(one["split"] for one in measured) == ["test"] * 2 + ["val"] * 3
    assert len(list(job.workspace.glob("report-*/report.html"))) == 2


def test_a_gate_that_never_passes_ends_with_3_and_what_comes_after_waits(copy: Job):
    phases = [
        WHOLE["phases"][0],
        {
            "name": "wall",
            "gate": {
                "better": ["good"],
                "than": ["few"],
                "margin": 0.9,
                "otherwise": {
                    "budget": 1,
                    "runs": {"tuned": {"cells": [{"train.epochs": 6}, {"train.epochs": 7}]}},
                },
            },
        },
        {"name": "more", "after": "wall", "runs": {"late": {"set": {"train.epochs": 2}}}},
        {"name": "last", "after": "more", "runs": {"later": {"set": {"train.epochs": 3}}}},
    ]
    job = copy.saying(campaign="spent", phases=phases, select=["good", "late"], reasons={})
    runner, failure = job.go()
    assert isinstance(failure, GateError)
    assert "the gate wall did not pass" in failure.message
    assert runner.waiting == {"more": "gate wall failed", "last": "more was not begun"}
    assert "late-s0" not in runner.results
    assert len(runner.verdicts["wall"].attempts) == 2  # the second cell is beyond the budget
    assert json.loads(job.read("verdicts/wall.json"))["passed"] is False
    assert "`more`: gate wall failed" in job.read("decisions.md")

    told = job.tell("run", "--json")
    assert told.code == 3
    assert told.json["not_done"] == runner.waiting
    assert told.json["verdicts"][0]["passed"] is False
    assert "GateError: the gate wall did not pass" in told.err


def test_nothing_is_taken_from_a_group_that_came_to_nothing(copy: Job):
    phases = [
        {"name": "base", "runs": {"few": {"cells": [NOTHING, {**NOTHING, "train.batch_size": 8}]}}},
        {"name": "next", "runs": {"heir": {"take": {"model": "few.model"}, "set": {"train.epochs": 6}}}},
    ]
    job = copy.saying(campaign="orphan", phases=phases, select=["few"], reasons={})
    runner, failure = job.go()
    assert failure is None
    assert set(states(runner).values()) == {"collapsed"}
    assert runner.waiting == {
        "next": "no run of few counts",
        "test side": "sealed: nothing that is selected counts",
    }
    assert job.openings() == []
    told = job.tell("run")
    assert told.code == 1
    assert "the campaign is not finished: next: no run of few counts" in told.err


# --- again ------------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_a_second_run_does_nothing_and_judges_nothing(copy: Job):
    before = files(copy.workspace)
    stages = {path: path.stat().st_mtime_ns for path in copy.workspace.glob("*-*/DONE")}
    code = "import sys\nfrom rushes.cli import main\ntry: main()\nexcept SystemExit as end: code = end.code\n"
    code += "print(' '.join(sys.modules), file=sys.stderr)\nsys.exit(code)"
    arguments = ["campaign", "run", str(copy.manifest), "--workspace", str(copy.workspace), "--json"]
    told = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "torch" not in told.stderr.split()  # no net was loaded
    assert files(copy.workspace) == before
    assert {path: path.stat().st_mtime_ns for path in stages} == stages
    result = json.loads(told.stdout)
    assert {f"{one['name']}-s{one['seed']}": one["state"] for one in result["results"]} == TRIALS
    assert result["selected"] == ["good", "tuned-epochs6", "pupil"]
    assert (result["not_done"], result["missing_reasons"]) == ({}, [])


def test_what_is_judged_again_is_the_same_to_the_last_bit(copy: Job):
    before = files(copy.folder)
    for name in ("results", "verdicts"):
        shutil.rmtree(copy.folder / name)
    for name in ("judged.json", "leaderboard.csv", "leaderboard.html", "decisions.md", "negative-results.md"):
        (copy.folder / name).unlink()
    _, failure = copy.go()
    assert failure is None
    after = files(copy.folder)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} <= {"judged.json"}


def test_the_dataset_is_hashed_once_for_all_that_is_judged_again(copy: Job):
    shutil.rmtree(copy.folder / "results")
    told = copy.tell("report")
    assert told.code == 0, told.err
    [features] = copy.workspace.glob("features-*")
    begun = [line for line in told.err.splitlines() if line == f"{features.name}: hashing: running"]
    # For those of the phase `base`, then those of the gate, the pupil, and for all that is opened.
    assert 1 <= len(begun) <= 4
    assert len(begun) < len(TRIALS)


def test_another_selection_is_another_opening(copy: Job):
    _, failure = copy.saying(select=["good", "pupil"]).go()
    assert failure is None
    [first, second] = copy.openings()
    assert [one["group"] for one in second["selections"]] == ["good", "pupil"]
    assert (first["number"], second["number"]) == (1, 2)
    copy.saying(select=["pupil", "good"]).go()  # the same in another order is the same look
    copy.go()
    assert copy.openings() == [first, second]


def test_a_damaged_file_takes_the_row_away_and_only_that(copy: Job, whole):
    runner = whole[1]
    [folder] = copy.workspace.glob(f"predict-{runner.results['pupil-s0'].signatures['predict']}")
    flip(folder / "predictions.parquet")
    changed, failure = copy.go()
    assert failure is None
    assert states(changed) == TRIALS | {"pupil-s0": "invalid"}
    assert changed.unfinished[0] == "pupil-s0 invalid"
    assert "predictions.parquet" in changed.results["pupil-s0"].faults[0]
    untouched = [row for row in whole[0].rows() if row["name"] != "pupil"]
    assert copy.rows() == untouched
    assert "pupil" in copy.read("negative-results.md")
    told = copy.tell("run")
    assert told.code == 1
    assert "pupil-s0 invalid" in told.err


def test_what_a_run_must_be_worth_is_the_manifests_and_judges_anew(copy: Job):
    changed, failure = copy.saying(worth=9, select=[], reasons={}).go()
    assert set(states(changed).values()) == {"collapsed"}
    assert isinstance(failure, GateError)
    asked = "better than every trivial system by 900 % of its figure"
    assert asked in changed.results["good-s0"].faults[0]
    assert all(asked in copy.read(name) for name in ("decisions.md", "leaderboard.html"))


def test_one_campaign_at_a_time_works_in_a_folder(copy: Job):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom rushes.stages import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, copy.folder], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        told = copy.tell("run")
        holder.kill()
    assert told.code == 1
    assert "works on this stage" in told.err


# --- runs that fail ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failing(whole, tmp_path_factory) -> tuple[Job, Runner]:
    """A class of which there is no sound; classes of which there are none at all; and runs that are well."""
    sounds = {"preprocessing.labels": ["quiet", "breathe", "snore", "cough"]}
    nobody = {"preprocessing.labels": ["cough", "hum"]}
    runs = {"good": {}, "absent": {"set": sounds}, "none": {"set": nobody}}
    job = whole[0].copied(tmp_path_factory.mktemp("failing"))
    late = {"name": "next", "after": "base", "runs": {"late": {"set": NOTHING}}}
    phases = [{"name": "base", "runs": runs}, late]
    job = job.saying(campaign="failing", phases=phases, select=["good"], reasons={})
    runner, failure = job.go()
    assert failure is None
    return job, runner


def test_a_run_that_fails_stops_no_other_and_keeps_the_seal(failing):
    job, runner = failing
    assert list(states(runner).items()) == [
        ("good-s0", "done"),
        ("absent-s0", "failed"),
        ("none-s0", "failed"),
        ("late-s0", "collapsed"),  # a phase has ended, however its runs did
    ]
    assert "TrainError: class_weights are to be balanced" in runner.results["absent-s0"].error
    assert "SourceError: none of 96 sounds has a class among cough, hum" in runner.results["none-s0"].error
    # A net that cannot be trained never will be; recordings that are not there may come.
    assert runner.waiting == {"test side": "sealed while none-s0 may still be done"}
    assert job.openings() == []
    assert [row["name"] for row in job.rows()] == ["good", "late"]
    negatives = job.read("negative-results.md")
    assert "no training sound is of class cough" in negatives
    assert "`test side`: sealed while" in job.read("decisions.md")


def test_a_campaign_with_failed_runs_ends_with_1_and_tries_them_again(failing):
    job, _ = failing
    told = job.tell("run", "--workers", "1", "--json")
    assert told.code == 1
    assert "StageError: the campaign is not finished: " in told.err
    assert {one["name"]: one["state"] for one in told.json["results"]} == {
        "good": "done",
        "absent": "failed",
        "none": "failed",
        "late": "collapsed",
    }
    assert list(told.json["not_done"]) == ["test side"]


def test_a_report_still_tells_of_runs_that_failed(failing):
    job, _ = failing
    before = job.read("negative-results.md")
    runner, failure = job.go(work=False)
    assert failure is None
    assert states(runner)["absent-s0"] == "failed"
    assert job.read("negative-results.md") == before
    rows = {row["name"]: row for row in job.tell("status", "--json").json}
    assert rows["absent"]["state"] == "failed"
    assert "class_weights are to be balanced" in rows["absent"]["note"]


def test_without_the_runs_that_failed_the_test_side_is_opened(failing, tmp_path):
    job = failing[0].copied(tmp_path)
    tree = yaml.safe_load(job.manifest.read_text())["phases"][0]["runs"]
    runner, _ = job.saying(phases=[{"name": "base", "runs": {"good": tree["good"]}}]).go()
    assert runner.waiting == {}
    assert len(job.openings()) == 1
    assert runner.results["good-s0"].test["f1_macro"]["value"] > 0.8


# --- looking only -----------------------------------------------------------------------------------------


def test_status_of_nothing_of_half_and_of_all(whole, copy: Job, tmp_path):
    nothing = replace(copy, workspace=tmp_path / "nothing")
    rows = nothing.tell("status", "--json").json
    assert [f"{row['name']}-s{row['seed']}" for row in rows] == list(TRIALS)
    assert {(row["state"], row["done"]) for row in rows} == {("waiting", 0)}
    assert not nothing.workspace.exists()

    all_of_it = {row["name"]: row for row in copy.tell("status", "--json").json}
    assert {f"{name}-s0": row["state"] for name, row in all_of_it.items()} == TRIALS
    assert all_of_it["pupil"]["value"] == pytest.approx(float(copy.rows()[-1]["val_f1_macro"]))
    assert all_of_it["pupil"]["done"] == all_of_it["pupil"]["stages"] == 7

    signatures = whole[1].results["pupil-s0"].signatures
    for name in ("train", "predict", "evaluate", "export"):
        shutil.rmtree(copy.workspace / f"{name}-{signatures[name]}")
    (copy.folder / "results" / "pupil-s0.json").unlink()
    half = {row["name"]: row for row in copy.tell("status", "--json").json}
    assert half["pupil"] | {"state": "waiting", "done": 3, "value": None, "note": ""} == half["pupil"]
    assert half["good"] == all_of_it["good"]
    text = copy.tell("status").out.splitlines()
    assert len(text) == len(TRIALS)
    assert text[-1].split() == ["kd", "pupil", "s0", "waiting", "3/7"]


def test_a_report_of_what_is_half_done_decides_and_opens_nothing(copy: Job, whole):
    (opened,) = copy.openings()
    for path in copy.workspace.glob(f"train-{whole[1].results['good-s0'].signatures['train']}"):
        shutil.rmtree(path)
    shutil.rmtree(copy.folder / "verdicts")
    runner, failure = copy.go(work=False)
    assert failure is None
    assert runner.verdicts == {}
    assert runner.waiting["first"] == "not asked: its runs are not done"
    assert runner.waiting["kd"] == "second was not begun"
    assert states(runner) == {f"few-{NOTHING_NAME}-s0": "collapsed"}
    assert copy.openings() == [opened]
    assert not list(copy.folder.glob("verdicts/*"))
    assert "pupil" not in copy.read("leaderboard.csv")
    assert not [path for path in copy.workspace.glob("train-*") if not (path / "DONE").exists()]


def test_a_report_opens_no_other_selection(copy: Job):
    runner, failure = copy.saying(select=["good"]).go(work=False)
    assert failure is None
    assert runner.waiting == {"test side": "sealed: `rushes campaign run` opens it for what is selected now"}
    assert runner.selections == ()
    assert len(copy.openings()) == 1


def test_a_report_ends_with_1_until_all_reasons_are_given(copy: Job):
    silent = copy.saying(reasons={})
    told = silent.tell("report", "--json")
    assert told.code == 1
    assert f"few-{NOTHING_NAME}" in told.json["missing_reasons"]
    assert f"cure:  add a line each under reasons: few-{NOTHING_NAME}" in told.err
    assert f"MISSING: add reasons.few-{NOTHING_NAME}" in copy.read("negative-results.md")
    told = copy.tell("report")
    assert told.code == 0, told.err
    assert "gate first: passed" in told.out
    assert "campaign: " in told.out
    assert "MISSING" not in copy.read("negative-results.md")


def test_a_plan_knows_what_is_decided(whole, tmp_path):
    job, _ = whole
    told = job.tell("plan", "--json")
    assert told.code == 0
    trials = {one["name"]: one for one in told.json["trials"]}
    assert (told.json["runs"], told.json["runs_with_tuning"]) == (4, 6)
    assert trials["pupil"]["stand_in"] == []
    assert {stage["state"] for stage in trials["pupil"]["stages"]} == {"done"}
    assert told.json["seconds"] == 0.0
    fresh = replace(job, workspace=tmp_path / "fresh")
    told = fresh.tell("plan", "--json")
    pupil = {one["name"]: one for one in told.json["trials"]}["pupil"]
    assert pupil["stand_in"] == ["few", "second"]
    assert told.json["seconds"] > 0
    assert not fresh.workspace.exists()
    assert "with the first candidate in its place" in fresh.tell("plan").out


def test_verdicts_about_runs_that_are_no_more_decide_nothing(copy: Job):
    path = copy.folder / "verdicts" / "second.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"better": "a-run-of-yesterday"}))
    assert copy.tell("status").code == 0
    trials = {one["name"]: one for one in copy.tell("plan", "--json").json["trials"]}
    assert trials["pupil"]["stand_in"] == ["second"]


def test_a_wrong_manifest_ends_with_2_and_makes_nothing(whole, tmp_path):
    job = replace(whole[0].saying(select=["goood"], metrik="f1_macro"), workspace=tmp_path / "none")
    for verb in ("plan", "run", "status", "report"):
        told = job.tell(verb)
        assert told.code == 2
        assert "metrik: unknown key; did you mean metric?" in told.err
    assert not job.workspace.exists()


def test_import_reads_a_leaderboard_of_the_earlier_system(tmp_path):
    path = tmp_path / "leaderboard.csv"
    path.write_text("run_name,model\nx,y\n")
    told = CliRunner().invoke(app, ["campaign", "import", str(path)])
    assert told.exit_code == 1
    assert "68" in told.stderr


# --- trackers, recordings of two kinds ----------------------------------------------------------------------


@pytest.mark.slow
def test_finished_runs_are_mirrored_in_a_tracker_once(copy: Job):
    pytest.importorskip("tensorboard")
    told = copy.tell("run", "--track", "tensorboard", "--json")
    assert told.code == 0, told.err
    logged = {path.stem for path in (copy.folder / "trackers" / "logged" / "tensorboard").glob("*.json")}
    assert logged == TRIALS.keys()
    events = sorted(copy.folder.glob("trackers/tensorboard/**/*tfevents*"))
    assert len(events) >= len(TRIALS)
    assert copy.tell("run", "--track", "tensorboard").code == 0
    assert sorted(copy.folder.glob("trackers/tensorboard/**/*tfevents*")) == events
    told = copy.tell("run", "--track", "tensorbord")
    assert told.code == 1
    assert "no tracker is called tensorbord" in told.err


def test_runs_on_other_recordings_have_other_features(whole, tones: Path, tmp_path):
    """Recordings are looked through once for all runs that read them, and for no other."""
    fewer = Path(shutil.copytree(tones, tmp_path / "fewer"))
    for path in sorted((fewer / "quiet").iterdir())[:10]:
        path.unlink()
    runs = {"good": {}, "fewer": {"set": {"source.root": str(fewer), **NOTHING}}}
    job = whole[0].copied(tmp_path)
    job = job.saying(campaign="two", phases=[{"name": "base", "runs": runs}], select=[], reasons={})
    runner, _ = job.go()
    ours, theirs = (runner.results[f"{name}-s0"].signatures["features"] for name in runs)
    assert ours != theirs
    samples = [
        json.loads((job.workspace / f"features-{signature}" / "DONE").read_text())["counts"]["done"]
        for signature in (ours, theirs)
    ]
    assert samples[0] - samples[1] == 10


def test_a_workspace_elsewhere_keeps_the_campaign_and_its_openings(whole, tmp_path):
    phases = [{"name": "base", "runs": {"good": {"set": {"train.epochs": 3}}}}]
    there = tmp_path / "there"
    job = whole[0].saying(campaign="far", phases=phases, select=["good"], reasons={})

    def go(cache: str) -> Runner:
        workspace = open_workspace(there.as_uri(), tmp_path / cache)
        runner = Runner(open_campaign(job.manifest), workspace, Show("f1_macro"), workers=0)
        assert runner.run() is None
        return runner

    first = go("first")
    kept = there / "campaign-far"
    assert (kept / "leaderboard.csv").read_bytes() == (first.folder.path / "leaderboard.csv").read_bytes()
    assert len((kept / "openings.jsonl").read_text().splitlines()) == 1
    shutil.rmtree(tmp_path / "first")
    board = (kept / "leaderboard.csv").read_bytes()
    again = go("second")  # with an empty disk: what was opened is known, what was done is not done again
    assert len((kept / "openings.jsonl").read_text().splitlines()) == 1
    assert (again.folder.path / "leaderboard.csv").read_bytes() == board
    path = again.folder.path / "openings.jsonl"
    path.write_bytes(path.read_bytes().replace(b"far", b"fur"))
    with pytest.raises(StageError, match="opened from two machines at once"):
        go("second")


# --- processes --------------------------------------------------------------------------------------------


def count(folder: Path) -> int:
    """Files and folders; unlike rglob, walk does not mind that some vanish while it looks."""
    return sum(len(folders) + len(names) for _, folders, names in os.walk(folder))


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_comes_to_the_same_leaderboard(whole, tmp_path):
    reference, _ = whole
    job = replace(reference, workspace=tmp_path / "killed")
    # Moments by how much stands on disk: as random on a slow machine as on a fast one.
    moments = sorted(np.random.default_rng().integers(1, count(reference.workspace), 3).tolist())
    for moment in moments:
        process = job.begin("run", "--workers", "1", start_new_session=True)
        while count(job.workspace) < moment and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    process = job.begin("run", "--workers", "2")
    _, err = process.communicate(timeout=250)
    assert process.returncode == 0, (moments, err)
    assert job.timeless() == reference.timeless(), moments
    for name in ("decisions.md", "negative-results.md", "verdicts/first.json", "verdicts/second.json"):
        assert job.read(name) == reference.read(name), moments
    assert len(job.openings()) == 1


@pytest.mark.slow
def test_ctrl_c_stops_the_workers_and_the_command_resumes(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reference, _ = whole
    job = replace(reference, workspace=Path("relative"))
    process = job.begin("run", "--workers", "2")
    while not list(job.workspace.glob("train-*")) and process.poll() is None:
        time.sleep(0.005)
    children = list(_children(process.pid))
    assert children
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; the same command resumes"
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    runner, failure = job.go()
    assert failure is None
    assert states(runner) == TRIALS
    assert job.timeless() == reference.timeless()


def of_a_side(task: str) -> set[str]:
    """Figures of a whole side, by which runs are compared; those of classes and timelines are not."""
    return {name for name, figure in TASKS[task].figures.items() if figure.on == "all"}


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra: rushes[cluster]")
def test_a_cluster_does_the_same_runs_in_a_workspace_of_a_relative_path(whole, tmp_path, monkeypatch):
    """Teacher, logits and runs are units of the cluster, in whatever folder its processes were started."""
    import_ray()
    from ray.cluster_utils import Cluster

    reference, _ = whole
    monkeypatch.chdir(tmp_path)
    job = replace(reference, workspace=Path("relative"))
    [features] = reference.workspace.glob("features-*")  # its recipe decodes in one process, not on a cluster
    shutil.copytree(features, job.workspace / features.name)
    head = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        told = job.tell("run", "--engine", "ray", "--address", cluster.address, "--workers", "1")
    finally:
        cluster.shutdown()
    assert told.code == 0, told.err
    assert job.timeless() == reference.timeless()


# --- the earlier study, and the task of pictures -----------------------------------------------------------

EARLIER = Path(__file__).parents[2] / "recipes" / "campaigns" / "sleep-earlier.yaml"


@pytest.mark.slow
def test_a_slice_of_the_earlier_study_runs_to_one_of_its_ends(tmp_path):
    recipe = yaml.safe_load((EARLIER.parent / "../sounds-twin.yaml").read_text())
    recipe["twin"] = {"train": 4, "val": 2, "test": 2, "clips": 24, "difficulty": 0.0}
    recipe["preprocessing"]["clip_s"] = 1.0
    recipe["train"] = {"epochs": 3, "patience": 2, "batch_size": 8, "learning_rate": 0.01}
    recipe |= {"deploy": {"runs": 10, "calibration": 8}}
    (tmp_path / "sounds-twin.yaml").write_text(yaml.safe_dump(recipe))
    tree = yaml.safe_load(EARLIER.read_text())
    base, gate, kd = tree["phases"]
    base["runs"]["cbam"]["grid"] = {"model.reduction": [8], "model.kernel": [3]}
    gate["gate"]["otherwise"]["budget"] = 1
    kd["runs"] = {"kd-tinycnn": kd["runs"]["kd-tinycnn"]}
    kd["runs"]["kd-tinycnn"]["grid"] = {"distil.soft_weight": [0.9], "distil.temperature": [3]}
    tree |= {"recipe": "sounds-twin.yaml", "select": ["crnn", "tinycnn", "cbam", "kd-tinycnn"]}
    (tmp_path / "earlier.yaml").write_text(text_of(tree))
    job = Job(tmp_path / "earlier.yaml", tmp_path / "workspace")
    process = job.begin("run", "--workers", "2", "--json")
    out, err = process.communicate(timeout=280)
    assert process.returncode in (0, 3), err
    told = json.loads(out)
    names = [one["name"] for one in told["results"]]
    pupil, tuned = "kd-tinycnn-soft_weight0.9-temperature3", "crnn-tuned-"
    assert names[:3] == ["crnn", "tinycnn", "cbam-reduction8-kernel3"]
    [verdict] = told["verdicts"]
    assert verdict["passed"] == (process.returncode == 0) == (pupil in names)
    assert any(name.startswith(tuned) for name in names) == (len(verdict["attempts"]) == 2)
    assert {one["state"] for one in told["results"]} <= {"done", "collapsed"}
    assert len(job.rows()) == len(names)
    assert {(row["phase"], row["seed"]) for row in job.rows()} <= {
        ("base", "42"),
        ("gate", "42"),
        ("kd", "42"),
    }


OPERATIONS = """\
name: tiny
source: {split: {train: [U0101], val: [U0102], test: [U0103]}}
twin: {subjects: 3, boxes: 1, difficulty: 0.0}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 8.0, workers: 0}
train:
  phases: [{ask: clips, steps: 1, batch_size: 2, accumulate: 1}]
  checkpoint_every: 1
  log_every: 1
evaluate: {compare: []}
"""


FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"
DRIVING = f"""\
task: driving
name: tiny
twin: {{train: 4, val: 1, test: 1, clip_s: 2.0, picture: [64, 36], difficulty: 0.2, missing: 0.0}}
preprocessing:
  setup: {{name: pair, reference: {FRONT}, rows: [[{FRONT}, {LEFT}]]}}
  layout: separate
  frames: 8
  tile_size: [56, 28]
  signal_size: [32, 18]
prepare: {{stride: 4, workers: 0}}
train:
  phases: [{{ask: windows, steps: 1, batch_size: 2, accumulate: 1}}]
  checkpoint_every: 1
  log_every: 1
evaluate: {{compare: []}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "recipe", "metric"),
    [("operations", OPERATIONS, "oca"), ("driving", DRIVING, "speed_mae_mps")],
    ids=["operations", "driving"],
)
def test_a_campaign_of_a_task_of_pictures(tmp_path, task, recipe, metric):
    (tmp_path / "tiny.yaml").write_text(recipe)
    rates = {"train.weight_decay": [0.0, 0.1]}
    manifest = {
        "campaign": "pictures",
        "recipe": "tiny.yaml",
        "metric": metric,
        "lower_is_better": task == "driving",
        "phases": [{"name": "base", "runs": {"model": {"grid": rates}}}],
        "select": ["model"],
    }
    (tmp_path / "manifest.yaml").write_text(text_of(manifest))
    job = Job(tmp_path / "manifest.yaml", tmp_path / "workspace")
    planned = job.tell("plan", "--json").json["trials"]
    assert [[stage["state"] for stage in one["stages"][:3]] for one in planned] == [
        ["new", "new", "new"],
        ["shared", "shared", "new"],
    ]
    runner, failure = job.go()
    assert failure is None
    # One step teaches nothing: the contract says so, on either side of every run.
    assert set(states(runner)) == {"model-weight_decay0.0-s0", "model-weight_decay0.1-s0"}
    assert set(states(runner).values()) <= {"done", "collapsed"}
    assert len(list(job.workspace.glob("prepare-*"))) == 1
    assert len(list(job.workspace.glob("train-*"))) == 2
    assert [row["task"] for row in job.rows()] == [task, task]
    assert all(row[f"val_{metric}"] and row["baseline_value"] for row in job.rows())
    of_a_side = {name for name, figure in TASKS[task].figures.items() if figure.on == "all"}
    assert all(one.figures.keys() <= of_a_side for one in runner.results.values())
    assert all(metric in one.figures for one in runner.results.values())
