"""The command line on a tiny job: what is done, skipped, said and printed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rushes.cli import app

STAGES = ("twin", "prepare", "train", "predict", "evaluate", "report")

HEAVY = ("torch", "transformers", "peft", "sklearn", "matplotlib")


def modules_of(*arguments: str) -> tuple[int, set[str]]:
    """Exit code of a command in a fresh process, and all modules that it imported."""
    code = (
        "import sys\n"
        "from rushes.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    return told.returncode, set(told.stderr.splitlines()[-1].split())


# --- run --------------------------------------------------------------------------------------------------


def test_a_run_prints_one_json_object_and_nothing_else(finished):
    result = finished.told.json
    assert [stage["name"] for stage in result["stages"]] == list(STAGES)
    assert {stage["state"] for stage in result["stages"]} == {"ran"}
    assert all(
        stage.keys() == {"name", "signature", "state", "folder", "seconds"} for stage in result["stages"]
    )
    assert all(re.fullmatch("[0-9a-f]{12}", stage["signature"]) for stage in result["stages"])
    assert {"recipe", "stages", "metrics", "baselines", "report"} == result.keys()
    assert {"oca", "tiou_50", "aa_1"} <= result["metrics"].keys()
    assert {"oca", "tiou_50", "aa_1"} <= set().union(*result["baselines"].values())
    assert Path(result["report"]).read_text().startswith("<!doctype html>")


def test_progress_of_every_stage_goes_to_standard_error(finished):
    for name in STAGES:
        assert re.search(rf"^{name}: finished \(", finished.told.err, re.MULTILINE), finished.told.err


def test_a_second_run_skips_every_stage_and_says_why(finished):
    told = finished.job.tell("run", "--json")
    assert told.code == 0
    first = finished.told.json
    assert {stage["state"] for stage in told.json["stages"]} == {"done"}
    assert told.json | {"stages": first["stages"]} == first
    for name in STAGES:
        assert f"{name}: skipped: finished 20" in told.err


def test_a_second_run_loads_nothing_heavy(finished):
    job = finished.job
    for json_or_not in (("--json",), ()):
        code, modules = modules_of("run", str(job.recipe), "--workspace", str(job.workspace), *json_or_not)
        assert code == 0
        assert not modules & {*HEAVY, "av", "scipy"}


def test_a_run_for_people_ends_with_figures_and_the_report(finished):
    told = finished.job.tell("run")
    assert "Side test: " in told.out
    assert "untrained" in told.out
    assert str(finished.job.run().report) in told.out


def test_help_is_instant():
    code, modules = modules_of("--help")
    assert code == 0
    assert not modules & {*HEAVY, "numpy", "pydantic", "pyarrow", "av", "rich", "yaml"}


# --- stages by themselves -----------------------------------------------------------------------------------


def test_a_stage_by_itself_needs_those_before_it(copy_of):
    job = copy_of("twin", "prepare")
    told = job.tell("predict")
    assert told.code == 1
    assert told.err.splitlines()[-3:] == [
        "StageError: predict needs train, which is not done",
        f"  where: {job.run().folder('train')}",
        "  cure:  run `rushes train RECIPE`, or `rushes run RECIPE` for all stages",
    ]
    assert told.out == ""
    assert job.tell("prepare", "--json").json["stages"][0]["state"] == "done"


def test_a_stage_by_itself_is_done_alone(copy_of):
    job = copy_of("twin", "prepare", "train", "predict")
    told = job.tell("evaluate", "--json")
    assert told.code == 0
    assert [(stage["name"], stage["state"]) for stage in told.json["stages"]] == [("evaluate", "ran")]
    assert "oca" in told.json["metrics"]
    assert "report" not in told.json


def test_predictions_and_figures_come_out_the_same_again(copy_of, finished):
    job = copy_of("twin", "prepare", "train")
    for stage, file in (("predict", "predictions.parquet"), ("evaluate", "metrics.json")):
        assert job.tell(stage).code == 0
        assert job.one(stage, file).read_bytes() == finished.job.one(stage, file).read_bytes()


def test_recordings_of_ones_own_have_no_twin_and_give_the_same_dataset(copy_of, finished, tmp_path):
    raw = f"source.root={finished.job.run().folder('twin') / 'raw'}"
    job = copy_of("twin")
    told = job.tell("prepare", "--json", "--set", raw)
    assert told.code == 0, told.err
    ours, twins = job.run(raw), finished.job.run()
    assert "twin" not in ours.stages
    assert ours.specs["prepare"].signature != twins.specs["prepare"].signature

    def checksum(run):
        return json.loads((run.folder("prepare") / "manifest.json").read_text())["checksum"]

    assert checksum(ours) == checksum(twins)
    told = job.tell("twin", "--set", raw)
    assert told.code == 2
    assert "this recipe has no stage twin" in told.err
    told = job.tell("prepare", "--set", raw, "--set", "source.split={train: [U0101], test: [U0107]}")
    assert told.code == 1
    assert "no recording that holds on side test of the split" in told.err


def test_recordings_in_quarantine_are_told_and_a_side_that_is_lost_to_it_is_refused(
    copy_of, finished, tmp_path
):
    shutil.copytree(finished.job.run().folder("twin") / "raw", tmp_path / "raw")
    session = "annotation/openpack-operations/S0100.csv"
    shutil.copytree(tmp_path / "raw/U0102", tmp_path / "raw/U0104")
    rows = (tmp_path / "raw/U0104" / session).read_text().replace("U0102", "U0104")
    (tmp_path / "raw/U0104" / session).write_text(rows)
    (tmp_path / "raw/U0104/kinect/color-masked/video/S0100.mp4").write_bytes(b"")
    shutil.copytree(tmp_path / "raw/U0102", tmp_path / "raw/U0999")  # nobody's id, and on no side
    job = copy_of()
    own = ["--set", f"source.root={tmp_path / 'raw'}", "--set", "prepare.max_quarantine=0.5"]
    told = job.tell("prepare", *own, "--set", "source.split={train: [U0101, U0104], test: [U0102]}")
    assert told.code == 0, told.err
    assert re.search(r"^prepare: 1 of 4 in quarantine, see .*quarantine\.jsonl$", told.err, re.MULTILINE)
    assert (
        "prepare: 4 recordings: 2 used, 1 faulty (1 a video of 0 bytes), 1 skipped (1 on no side" in told.err
    )
    assert "prepare: 16 files: 6 used, 3 faulty (a video of 0 bytes), 7 skipped (not used: ann" in told.err
    accounts = [json.loads(path.read_text()) for path in job.workspace.glob("prepare-*/account.json")]
    (account,) = (one for one in accounts if one["recordings"]["planned"] == 4)
    assert account["files"]["files"] == sum(line["files"] for line in account["files"]["lines"]) == 16
    assert sum(line["recordings"] for line in account["recordings"]["lines"]) == 4
    assert job.tell("verify", *own, "--set", "source.split={train: [U0101, U0104], test: [U0102]}").code == 0
    told = job.tell(
        *("prepare", *own, "--set", "prepare.max_quarantine=0.1"),
        *(
            "--set",
            "source.split={train: [U0101, U0104], test: [U0102]}",
            "--set",
            "prepare.window_stride_s=4",
        ),
    )
    assert (
        told.code,
        "1 of 3 units are in quarantine, at most 10.0% may be: 1 x a video of 0 bytes" in told.err,
    ) == (1, True)
    assert "or raise prepare.max_quarantine" in told.err
    told = job.tell("prepare", *own, "--set", "source.split={train: [U0101, U0102], test: [U0104]}")
    assert told.code == 1
    assert (
        "no sample came out for side test; of 4 recordings: 2 used, 1 faulty (1 a video of 0 bytes), 1 skip"
        in told.err
    )


# --- plan and audit -----------------------------------------------------------------------------------------


def states(told) -> dict[str, str]:
    return {row["name"]: row["state"] for row in told.json["stages"]}


def test_a_plan_says_what_would_run_and_why(finished, tmp_path):
    job = finished.job
    assert states(job.tell("plan", "--json")) == dict.fromkeys(STAGES, "done")
    fresh = type(job)(job.recipe, tmp_path / "fresh")
    told = fresh.tell("plan")
    assert told.code == 0
    assert all(
        re.search(rf"^{name} +[0-9a-f]{{12}}  absent +no such stage yet", told.out, re.M) for name in STAGES
    )
    assert "of memory" in told.out
    run = job.run()
    drawn = re.search(r"about (\d+) minutes of footage in (\d+) sessions, \d+ MB", told.out)
    assert int(drawn[2]) == len(run.scan.recordings)
    seconds = sum(recording.segments[-1].end_s for recording in run.scan.recordings)
    assert int(drawn[1]) == pytest.approx(seconds / 60, rel=0.3, abs=0.5)
    assert not fresh.workspace.exists()


def test_recipes_share_the_stages_in_which_they_do_not_differ(finished):
    told = finished.job.tell("plan", "--json", "--set", "train.seed=1", "--set", "prepare.workers=3")
    assert told.code == 0
    assert states(told) == dict.fromkeys(("twin", "prepare"), "done") | dict.fromkeys(STAGES[2:], "absent")
    row = told.json["stages"][2]
    assert re.search(r"differs from train-[0-9a-f]{12} in recipe.train.seed: 0 -> 1", row["reason"])


def test_a_stage_that_was_begun_is_partial(copy_of):
    job = copy_of("twin", "prepare")
    (job.run().folder("prepare") / "DONE").unlink()
    told = job.tell("plan", "--json")
    row = told.json["stages"][1]
    assert (row["state"], row["reason"]) == (
        "partial",
        "begun, not finished; 2 units have receipts: resumes there",
    )
    assert re.match(r"about \d+ clips from \d+ minutes of footage, \d+ MB of shards", row["notes"][0])


def test_an_audit_counts_sessions_labels_and_clips(finished, tmp_path):
    told = finished.job.tell("audit", "--json")
    assert told.code == 0
    assert told.json["recordings"] == {"train": 1, "test": 1}
    assert (told.json["faults"], told.json["absent"]) == ([], [])
    text = finished.job.tell("audit").out
    assert "    1 session for test" in text
    assert "x Picking" in text
    told = type(finished.job)(finished.job.recipe, tmp_path).tell("audit")
    assert told.code == 1
    assert "the twin is not drawn" in told.err


def test_footage_that_stands_on_two_sides_is_named(copy_of):
    job = copy_of("twin")
    assert job.tell("audit", "--json").json["copies"] == {"count": 0, "named": []}
    first, second = job.run().scan.recordings
    shutil.copy(first.media.path, second.media.path)
    note = "1 recording has the same bytes as one on another side"
    text = job.tell("audit").out
    assert f"note: {note}\n  {second.key} = {first.key}\n" in text
    assert job.tell("audit", "--json").json["copies"]["named"] == [[second.key, first.key]]
    assert job.tell("plan", "--json").json["stages"][1]["notes"][0].count(f"; {note}; ") == 1


def test_a_fault_of_the_recordings_ends_audit_and_plan_with_4(finished, tmp_path):
    raw = shutil.copytree(finished.job.run().folder("twin") / "raw", tmp_path / "raw")
    (raw / "notes.m4a").write_bytes(b"x")
    job = type(finished.job)(finished.job.recipe, tmp_path / "workspace")
    own = ("--set", f"source.root={raw}")
    told = job.tell("audit", *own)
    assert (told.code, "        1 unread   .m4a  such as notes.m4a" in told.out) == (0, True)
    assert job.tell("plan", *own).code == 0
    (raw / "U0102/kinect/color-masked/video/S0100.mp4").write_bytes(b"")
    told = job.tell("audit", *own)
    assert told.code == 4
    assert told.out.splitlines()[-1] == "2 faults"
    assert "fault: side test of the split would have no clip" in told.out
    assert "        3 faulty   a video of 0 bytes" in told.out
    assert "no recording of U0102" not in told.out
    for path in raw.rglob("S0100.csv"):
        path.write_text("")
    for verb in ("audit", "plan"):
        told = job.tell(verb, *own)
        last = told.out.splitlines()[-1]
        assert told.code == 4
        assert last.startswith("there is nothing to prepare: no recording gives a sample")
        assert ("`rushes audit RECIPE` tells more" in last) == (verb == "plan")
        told = job.tell(verb, "--json", *own)
        assert (told.code, told.json["fault"]) == (
            4,
            "there is nothing to prepare: no recording gives a sample",
        )


def test_checksums_beside_the_recordings_find_damage_that_decodes(finished, tmp_path):
    raw = shutil.copytree(finished.job.run().folder("twin") / "raw", tmp_path / "raw")
    files = sorted(path.relative_to(raw) for path in raw.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256((raw / name).read_bytes()).hexdigest()}  ./{name}\n" for name in files]
    (raw / "SHA256SUMS").write_text("".join(lines[1:]))
    job = type(finished.job)(finished.job.recipe, tmp_path / "workspace")
    own = ("--set", f"source.root={raw}")
    told = job.tell("audit", *own)
    assert (told.code, "        1 read     checksums" in told.out) == (0, True)
    assert f"note: not in SHA256SUMS: 1 of the files that are read, such as {files[0]}\n" in told.out
    assert job.tell("prepare", *own).code == 0
    assert job.tell("verify", *own).code == 0
    video = raw / "U0102/kinect/color-masked/video/S0100.mp4"
    content = bytearray(video.read_bytes())
    content[len(content) // 2] ^= 1
    video.write_bytes(content)
    told = job.tell("audit", *own)
    assert (told.code, told.out.splitlines()[-1]) == (4, "1 fault")
    assert "fault: S0100.mp4 has sha256" in told.out
    assert re.search("^ +3 faulty   not what SHA256SUMS says", told.out, re.MULTILINE)
    assert job.tell("audit", "--json", *own).json["damaged"][0]["where"] == str(video)


def test_a_root_that_is_not_there_is_a_fault_of_the_recipe(finished, tmp_path):
    (tmp_path / "recordings").mkdir()
    for verb in ("plan", "audit", "prepare"):
        told = finished.job.tell(verb, "--set", f"source.root={tmp_path / 'recording'}/day1")
        assert (told.code, told.out) == (2, "")
        assert (
            f"source.root does not exist: there is no recording in {tmp_path}; did you mean recordings?"
            in told.err
        )


def test_a_page_shows_what_became_of_every_file(finished):
    page = finished.job.run().report.read_text()
    assert "What became of every file" in page
    assert "8 files, " in page
    assert "2 recordings" in page


def test_an_unknown_engine_ends_with_2(finished):
    told = finished.job.tell("prepare", "--engine", "slurm")
    assert (told.code, "no engine 'slurm'" in told.err) == (2, True)


# --- refusals -----------------------------------------------------------------------------------------------


def test_a_wrong_recipe_ends_with_2_before_anything_is_made(finished, tmp_path):
    job = type(finished.job)(finished.job.recipe, tmp_path / "none")
    told = job.tell("run", "--json", "--set", "trian.seed=1", "--set", "twin.boxes=0")
    assert (told.code, told.out) == (2, "")
    assert "the recipe has 2 faults:" in told.err
    assert "--set trian.seed=1: trian: unknown key; did you mean train?" in told.err
    assert not job.workspace.exists()
    assert type(job)(tmp_path / "none.yaml", job.workspace).tell("plan").code == 2


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "source.split=earlier",
            "--set source.split=earlier: twin.subjects: 2 would be U0101 to U0102, nobody of whom is on side",
        ),
        (
            "source.split={train: [U0101], test: [U0999]}",
            ": source.split: nobody is known behind subject id 'U0999'",
        ),
        ("source.split={train: [U0103], test: [U0210]}", "person U0103 stands on 2 sides of the split"),
        (
            "prepare.wide_pairs=[[Picking, Pickin]]",
            "]]: prepare.wide_pairs.0: no label 'Pickin'; known are Picking",
        ),
    ],
)
def test_what_can_only_fail_later_is_refused_at_once(finished, override, says):
    told = finished.job.tell("plan", "--set", override)
    assert told.code == 2
    assert says in told.err


def test_a_machine_that_refuses_is_an_error_with_a_cure_and_no_traceback(finished, tmp_path):
    (tmp_path / "notes.txt").write_text("no folder")
    told = type(finished.job)(finished.job.recipe, tmp_path / "notes.txt").tell("twin")
    assert (told.code, told.out) == (1, "")
    assert "NotADirectoryError: the machine refuses: Not a directory" in told.err
    assert "cure:  a file stands where a folder should be: name another folder" in told.err


@pytest.mark.parametrize(("name", "verb"), [("DONE", "run"), ("DONE", "verify"), ("recipe.json", "verify")])
def test_a_folder_in_the_place_of_a_file_is_told(copy_of, name, verb):
    job = copy_of(*STAGES)
    path = job.run().folder("report") / name
    path.unlink()
    path.mkdir()
    told = job.tell(verb)
    assert (told.code, str(path) in told.err) == (1, True)
    assert "cure:  a folder stands where a file should be: move it away" in told.err


def test_a_folder_in_the_place_of_a_file_that_is_written_is_told(copy_of):
    job = copy_of("twin", "prepare")
    folder = job.run().folder("prepare")
    for name in ("DONE", "manifest.json"):
        (folder / name).unlink()
    (folder / "manifest.json").mkdir()
    told = job.tell("prepare")
    assert (told.code, f"where: {folder / 'manifest.json'}\n" in told.err) == (1, True)


@pytest.mark.parametrize("change", [lambda path: path.write_text("{}"), lambda path: path.unlink()])
def test_a_log_of_training_that_is_not_what_was_written_is_not_drawn(copy_of, change):
    job = copy_of(*STAGES[:-1])
    path = next(job.run().folder("train").glob("phase-*/events.jsonl"))
    change(path)
    told = job.tell("report")
    assert (told.code, str(path) in told.err) == (1, True)
    assert "what train left is not what it wrote" in told.err


@pytest.mark.parametrize("file", ["report.html", "metrics.json"])
def test_a_result_that_was_taken_away_is_no_result_and_the_cure_cures(copy_of, file):
    job = copy_of("twin", "prepare", "train", "predict", "evaluate", "report")
    next(job.workspace.glob(f"*/{file}")).unlink()
    for json_or_not in (("--json",), ()):
        told = job.tell("run", *json_or_not)
        assert (told.code, file in told.err) == (1, True)
        assert "`rushes verify RECIPE --repair`" in told.err
    assert job.tell("verify", "--repair").code == 0
    assert job.tell("run").code == 0


def test_no_verb_prints_the_help():
    told = CliRunner().invoke(app, [])
    assert "run       Do all stages of a recipe" in told.output


# --- interruption -------------------------------------------------------------------------------------------


def test_an_interrupted_command_ends_with_130_and_resumes(copy_of):
    job = copy_of("twin", "prepare")
    steps = 80
    longer = ["--set", f"train.phases.1.steps={steps}", "--set", "train.checkpoint_every=10"]
    run = job.run(longer[1], longer[3])
    process = job.begin("train", *longer)
    checkpoints = run.folder("train") / "phase-2-clips" / "checkpoints"
    end = time.monotonic() + 60
    while not list(checkpoints.glob("step-*")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; the same command resumes"
    assert run.status("train").state == "partial"
    told = job.tell("train", "--json", *longer)
    assert told.code == 0
    assert told.json["stages"][0]["state"] == "ran"
    events = [json.loads(line) for line in (checkpoints.parent / "events.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["kind"] == "train"] == list(range(1, steps + 1))
