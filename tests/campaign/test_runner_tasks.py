"""Campaigns of every task, and a slice of the earlier study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from campaigns import Job, of_a_side, states, text_of

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
    assert all(one.figures.keys() <= of_a_side(task) for one in runner.results.values())
    assert all(metric in one.figures for one in runner.results.values())
