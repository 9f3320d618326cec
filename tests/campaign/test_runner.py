"""A whole campaign, small but real: gates that pass, are tuned, fail; the seal; damage, failures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from campaigns import NOTHING, NOTHING_NAME, TRIALS, WHOLE, Job, of_a_side, states
from typer.testing import CliRunner

from rushes.campaign.live import Show
from rushes.campaign.manifest.trials import open_campaign
from rushes.campaign.runner import Runner
from rushes.cli import app
from rushes.errors import GateError, StageError
from rushes.storage import open_workspace
from rushes.tasks import open_run


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


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
    """A loss that is not finite; a run in whose way a file stands; and runs that are well."""
    steep = {"train.class_weights": [1.0e300, 1.0, 1.0]}
    runs = {"good": {}, "steep": {"set": steep}, "blocked": {"set": {"train.epochs": 5}}}
    job = whole[0].copied(tmp_path_factory.mktemp("failing"))
    late = {"name": "next", "after": "base", "runs": {"late": {"set": NOTHING}}}
    phases = [{"name": "base", "runs": runs}, late]
    job = job.saying(campaign="failing", phases=phases, select=["good"], reasons={})
    [trial] = open_campaign(job.manifest).seeds_of("blocked", {})
    blocked = open_run(open_campaign(job.manifest).recipe_of(trial), open_workspace(job.workspace))
    blocked.folder("train").write_text("in the way")
    runner, failure = job.go()
    assert failure is None
    return job, runner


def test_a_run_that_fails_stops_no_other_and_keeps_the_seal(failing):
    job, runner = failing
    assert list(states(runner).items()) == [
        ("good-s0", "done"),
        ("steep-s0", "failed"),
        ("blocked-s0", "failed"),
        ("late-s0", "collapsed"),  # a phase has ended, however its runs did
    ]
    assert "TrainError: the loss (sum nan" in runner.results["steep-s0"].error
    assert "FileExistsError" in runner.results["blocked-s0"].error
    # A net that cannot be trained never will be; what stands in the way may be taken out of it.
    assert runner.waiting == {"test side": "sealed while blocked-s0 may still be done"}
    assert job.openings() == []
    assert [row["name"] for row in job.rows()] == ["good", "late"]
    negatives = job.read("negative-results.md")
    assert "is not finite in update 1" in negatives
    assert "`test side`: sealed while" in job.read("decisions.md")


def test_a_campaign_with_failed_runs_ends_with_1_and_tries_them_again(failing):
    job, _ = failing
    told = job.tell("run", "--workers", "1", "--json")
    assert told.code == 1
    assert "StageError: the campaign is not finished: " in told.err
    assert {one["name"]: one["state"] for one in told.json["results"]} == {
        "good": "done",
        "steep": "failed",
        "blocked": "failed",
        "late": "collapsed",
    }
    assert list(told.json["not_done"]) == ["test side"]


def test_a_report_still_tells_of_runs_that_failed(failing):
    job, _ = failing
    before = job.read("negative-results.md")
    runner, failure = job.go(work=False)
    assert failure is None
    assert states(runner)["steep-s0"] == "failed"
    assert job.read("negative-results.md") == before
    rows = {row["name"]: row for row in job.tell("status", "--json").json}
    assert rows["steep"]["state"] == "failed"
    assert "is not finite in update 1" in rows["steep"]["note"]


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


def test_recordings_are_looked_through_once_for_all_that_read_them(whole, tones: Path, tmp_path):
    """Two campaigns in a workspace, on recordings that differ: each has features of its own, shared by its runs."""
    fewer = Path(shutil.copytree(tones, tmp_path / "fewer"))
    for path in sorted((fewer / "quiet").iterdir())[:10]:
        path.unlink()
    runs = {"one": NOTHING, "other": {**NOTHING, "train.batch_size": 16}}
    phases = [{"name": "base", "runs": {name: {"set": changes} for name, changes in runs.items()}}]
    job = whole[0].copied(tmp_path)
    job = job.saying(campaign="fewer", phases=phases, set={"source.root": str(fewer)}, select=[], reasons={})
    runner, _ = job.go()
    [ours] = {result.signatures["features"] for result in runner.results.values()}
    [theirs] = {result.signatures["features"] for result in whole[1].results.values()}
    samples = [
        json.loads((job.workspace / f"features-{signature}" / "DONE").read_text())["counts"]["done"]
        for signature in (theirs, ours)
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
    assert [path.name for path in sorted((there / "looks").iterdir())] == ["000001.json"]
    shutil.rmtree(tmp_path / "first")
    board = (kept / "leaderboard.csv").read_bytes()
    again = go("second")  # with an empty disk: what was opened is known, what was done is not done again
    assert len(list((there / "looks").iterdir())) == 1
    assert (again.folder.path / "leaderboard.csv").read_bytes() == board
    (there / "looks" / "000001.json").unlink()
    with pytest.raises(StageError, match="is not on record: the record of looks was cut short"):
        go("second")
