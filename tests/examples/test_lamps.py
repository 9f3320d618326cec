"""The example task, installed as a stranger would: a run, a campaign, and the contract of tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LAMPS = Path(__file__).parents[2] / "examples" / "lamps"
MOST_LINES = 200
MOST_LINES_OF_A_DOOR = 110

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Python in an environment that has the package."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    copy = tmp_path_factory.mktemp("copy") / "lamps"
    subprocess.run(["cp", "-r", str(LAMPS), str(copy)], check=True)
    subprocess.run([*pip, "--no-build-isolation", "--target", str(site), str(copy)], check=True)

    def call_(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        }
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=280
        )

    return call_


def test_it_is_as_small_as_it_says():
    lines = {path.name: len(path.read_text().splitlines()) for path in LAMPS.glob("src/*/*.py")}
    assert lines.pop("doors.py") <= MOST_LINES_OF_A_DOOR
    assert sum(lines.values()) <= MOST_LINES


def test_a_run_goes_to_a_report_and_a_second_one_skips(call, tmp_path):
    command = ("-m", "rushes.cli", "run", str(LAMPS / "lamps.yaml"), "--workspace", str(tmp_path))
    first = call(*command)
    assert first.returncode == 0, first.stderr
    assert "accuracy" in first.stdout
    assert (report := Path(first.stdout.split("report: ")[1].strip())).is_file()
    assert "majority" in report.read_text()
    second = call(*command)
    assert second.stderr.count("skipped") == 6


def test_a_recording_that_cannot_be_parsed_goes_to_the_quarantine(call, tmp_path):
    recipe = ("-m", "rushes.cli", "twin", str(LAMPS / "lamps.yaml"), "--workspace", str(tmp_path))
    assert call(*recipe).returncode == 0
    (raw,) = tmp_path.glob("twin-*/raw")
    cut = min(raw.glob("train-*.json"))
    cut.write_bytes(cut.read_bytes()[:-20])
    asked = ("--set", f"source.root={raw}", "--set", "prepare.max_quarantine=0.5")
    done = call(
        "-m", "rushes.cli", "prepare", str(LAMPS / "lamps.yaml"), "--workspace", str(tmp_path), *asked
    )
    assert done.returncode == 0, done.stderr
    (listing,) = tmp_path.glob("prepare-*/quarantine.jsonl")
    (entry,) = map(json.loads, listing.read_text().splitlines())
    assert entry["reason"]["where"] == str(cut)
    assert "it does not hold" in entry["reason"]["message"]


def test_a_campaign_of_two_runs_comes_to_a_leaderboard(call, tmp_path):
    done = call(
        "-m", "rushes.cli", "campaign", "run", str(LAMPS / "campaign.yaml"), "--workspace", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    (board,) = tmp_path.rglob("leaderboard.csv")
    assert board.read_text().count("\n") == 5  # a head, two runs, two seeds


def test_it_keeps_the_contract_of_tasks(call, tmp_path):
    checked = call(
        "-c",
        "import sys; from pathlib import Path; from rushes_lamps.task import Lamps; "
        "from rushes.testing import check_task; check_task(Lamps(), Path(sys.argv[1]), Path(sys.argv[2]), "
        "['twin.rooms=5', 'twin.clips=4'])",
        str(LAMPS / "lamps.yaml"),
        str(tmp_path),
    )
    assert checked.returncode == 0, checked.stderr


DOOR = """
import json, sys
from pathlib import Path
from rushes.predict.table import read_predictions
from rushes.testing import Request, door_checks, finish
from rushes_lamps.task import Lamps
from rushes_lamps.work import SCHEMA

folder = Path(sys.argv[2])
run = finish(Lamps(), Path(sys.argv[1]), folder / "workspace", ["twin.rooms=5", "twin.clips=4"]).run()
door, answers = run.task.doors(run)["predict"], {}
for room in run.scan.recordings:
    for number, clip in enumerate(json.loads(room.read_bytes())["clips"]):
        (folder / "clip.json").write_text(json.dumps({"light": clip["light"]}))
        request = Request(door, {}, {"file": folder / "clip.json"})
        answers[f"{room.stem}-{number}"] = request.answer().label
for row in read_predictions(run.folder("predict"), SCHEMA).to_pylist():
    assert answers[row["key"]] == row["said"], row
assert len(set(answers.values())) == 2
for check in door_checks():
    check(request, folder / check.__name__)
"""


def test_a_clip_that_is_sent_is_answered_as_predict_answers(call, tmp_path):
    done = call("-c", DOOR, str(LAMPS / "lamps.yaml"), str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_gone_takes_no_other_task_with_it(tmp_path):
    metadata = tmp_path / "gone-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gone\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[rushes.tasks]\ngone = rushes_gone.task:Gone\n")
    (tmp_path / "gone.yaml").write_text("task: gone\n")

    def rushes(*arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "rushes.cli", *arguments]
        return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)

    helped = rushes("--help")
    assert helped.returncode == 0
    assert "  prepare " in helped.stdout
    assert (
        "the task gone cannot be loaded: ModuleNotFoundError: No module named 'rushes_gone'" in helped.stderr
    )
    assert "pip uninstall gone" in helped.stderr
    asked = rushes("plan", str(tmp_path / "gone.yaml"))
    assert asked.returncode == 1
    assert asked.stderr.count("cannot be loaded") == 2  # once as it starts, once as the recipe asks for it
    assert "Traceback" not in asked.stderr
