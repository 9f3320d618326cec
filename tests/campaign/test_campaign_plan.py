"""The plan of a campaign: what is shared, what is done, how long the rest may take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rushes.campaign.manifest.trials import Campaign, open_campaign
from rushes.campaign.plan import CampaignPlan, PlannedRun, duration, plan_campaign
from rushes.runs.run import Run
from rushes.stages import OpenStage
from rushes.storage import Workspace, open_workspace
from rushes.tasks import open_run

EARLIER = Path(__file__).parents[2] / "recipes" / "campaigns" / "sleep-earlier.yaml"


@pytest.fixture(scope="module")
def earlier() -> Campaign:
    return open_campaign(EARLIER)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def finish(run: Run, name: str, seconds: float, summary: Mapping | None = None) -> None:
    """Finish a stage that took so long, and made nothing."""
    with run.workspace.working(run.specs[name]) as stage:
        long_ago = OpenStage(stage.spec, stage.folder, time.monotonic() - seconds)
        long_ago.finish(summary or {}, {})


def run_of(campaign: Campaign, workspace: Workspace, name: str) -> Run:
    trial = campaign.seeds_of(name, campaign.stand_ins())[0]
    return open_run(campaign.recipe_of(trial), workspace)


def states(run: PlannedRun) -> dict[str, str]:
    return {stage.name: stage.state for stage in run.stages}


def planned(plan: CampaignPlan, name: str) -> PlannedRun:
    return next(run for run in plan.runs if run.trial.name == name)


def test_the_earlier_study_has_29_runs_and_47_with_tuning(earlier: Campaign, workspace: Workspace):
    plan = plan_campaign(earlier, workspace, workers=2)
    told = plan.to_json()
    assert (told["runs"], told["runs_with_tuning"]) == (29, 47)
    assert [run.attempt for run in plan.runs].count(None) == 29
    assert [run.attempt for run in plan.runs if run.attempt] == list(range(1, 19))
    assert {run.trial.phase for run in plan.runs if run.attempt} == {"gate"}
    assert told["seconds"] < told["seconds_with_tuning"]
    assert told["seconds_in_parallel"] < told["seconds"]
    assert told["stages_of_unknown_length"] == 0
    assert told["asked"]["select"] == list(earlier.manifest.select)
    assert told["asked"]["gates"]["gate"]["budget"] == 18
    assert not workspace.root.exists()
    json.dumps(told, allow_nan=False)


def test_a_stage_is_done_by_the_first_run_that_needs_it(earlier: Campaign, workspace: Workspace):
    plan = plan_campaign(earlier, workspace)
    assert set(states(planned(plan, "crnn")).values()) == {"new"}
    assert states(planned(plan, "tinycnn")) | {"train": "new"} == states(planned(plan, "tinycnn"))
    assert states(planned(plan, "tinycnn"))["features"] == "shared"
    repeated = planned(plan, "crnn-tuned-learning_rate0.002-weight_decay1e-05-clip_normnone")
    assert set(states(repeated).values()) == {"shared"}  # a cell of the tuning is the first teacher again
    assert repeated.seconds == 0.0
    pupils = [run for run in plan.runs if run.trial.phase == "kd"]
    assert {states(run)["teacher"] for run in pupils} == {"shared"}
    assert [states(run)["logits"] for run in pupils].count("new") == 1
    new = [(stage.name, stage.signature) for run in plan.runs for stage in run.stages if stage.state == "new"]
    assert len(set(new)) == len(new)


def test_what_depends_on_a_verdict_is_marked(earlier: Campaign, workspace: Workspace):
    plan = plan_campaign(earlier, workspace)
    assert {run.stand_in for run in plan.runs if run.trial.phase == "base"} == {()}
    assert {run.trial.group: run.stand_in for run in plan.runs if run.trial.phase == "kd"} == {
        "kd-tinycnn": ("gate",),
        "kd-cbam": ("cbam", "gate"),
    }
    decided = plan_campaign(earlier, workspace, winners={"gate": "crnn", "cbam": "cbam-reduction8-kernel3"})
    assert not any(run.stand_in for run in decided.runs)
    assert decided.runs[-1].trial.overrides["model"]["reduction"] == 8


def test_finished_stages_are_done_and_tell_how_long_others_take(earlier: Campaign, workspace: Workspace):
    first = run_of(earlier, workspace, "tinycnn")
    clips = {"train": 200, "val": 50, "test": 50}
    finish(first, "twin", 30.0)
    finish(first, "features", 60.0, {"samples": clips})
    finish(first, "train", 100.0)
    with first.workspace.working(first.specs["predict"]):
        pass  # begun, and given up
    plan = plan_campaign(earlier, workspace)
    assert states(planned(plan, "crnn"))["features"] == "done"
    tiny = states(planned(plan, "tinycnn"))
    assert (tiny["train"], tiny["predict"], tiny["evaluate"]) == ("done", "partial", "new")
    train = next(stage for stage in planned(plan, "crnn").stages if stage.name == "train")
    assert train.cost.seconds == pytest.approx(100.0 * 84_489_408 / 78_345_408, rel=1e-3)
    assert train.cost.basis == "1 finished"
    assert {s.cost.seconds for r in plan.runs for s in r.stages if s.state in ("done", "shared")} == {0.0}


def test_rates_are_medians_of_what_is_finished(earlier: Campaign, workspace: Workspace):
    for name, seconds in (("tinycnn", 10.0), ("cbam-reduction4-kernel3", 20.0), ("crnn", 1000.0)):
        run = run_of(earlier, workspace, name)
        if name == "tinycnn":
            finish(run, "features", 5.0, {"samples": {"train": 100, "val": 10}})
        finish(run, "train", seconds)
    plan = plan_campaign(earlier, workspace)
    train = next(s for s in planned(plan, "cbam-reduction8-kernel7").stages if s.name == "train")
    assert train.cost.basis == "3 finished"
    assert train.cost.seconds == pytest.approx(20.0, rel=0.01)


def test_a_stage_that_was_tampered_with_is_not_done(earlier: Campaign, workspace: Workspace):
    run = run_of(earlier, workspace, "crnn")
    finish(run, "twin", 30.0)
    (run.folder("twin") / "DONE").write_text("{}")
    (workspace.root / "notes").mkdir()
    (workspace.root / "notes" / "DONE").write_text("not ours")
    other = run_of(earlier, workspace, "tinycnn")
    finish(other, "evaluate", 500.0)
    recipe = other.folder("evaluate") / "recipe.json"
    recipe.write_text(recipe.read_text().replace("val", "test"))  # no longer what its name says
    plan = plan_campaign(earlier, workspace)
    assert states(planned(plan, "crnn"))["twin"] == "partial"
    assert {stage.cost.basis for run in plan.runs for stage in run.stages} == {"assumed", ""}


def test_stages_that_nobody_needs_are_left_out(earlier: Campaign, workspace: Workspace):
    plan = plan_campaign(earlier, workspace, without=("export", "report"))
    assert {stage.name for run in plan.runs for stage in run.stages}.isdisjoint({"export", "report"})


def test_workers_share_what_can_be_done_side_by_side(earlier: Campaign, workspace: Workspace):
    plan = plan_campaign(earlier, workspace)
    one, two, many = (plan.seconds(workers) for workers in (1, 2, 100))
    longest = max(run.seconds for run in plan.runs)
    assert one == pytest.approx(sum(run.seconds for run in plan.runs if run.attempt is None))
    assert one / 2 <= two < one * 0.6
    assert longest < many < one / 5  # two phases with runs, one after the other
    bare = plan_campaign(earlier, workspace, without=("twin", "features"))
    assert many - bare.seconds(100) == pytest.approx((one - bare.seconds(1)) / 100)  # cut into units
    extra = plan.seconds(100, worst=True) - many
    assert extra == pytest.approx(sum(run.seconds for run in plan.runs if run.attempt))  # one by one


def test_the_table_says_it_all(earlier: Campaign, workspace: Workspace):
    text = StringIO()
    plan_campaign(earlier, workspace, workers=2).print(Console(file=text, width=140))
    lines = text.getvalue().splitlines()
    assert sum("kd-cbam-soft_weight" in line and " ~ " in line for line in lines) == 9
    assert any(line.startswith("gate, try 18") for line in lines)
    assert any(line.startswith("29 runs: about ") and "with 2 workers" in line for line in lines)
    assert any(line.startswith("47 runs with everything that gates may try: ") for line in lines)
    assert "~ depends on what wins cbam, gate: planned with the first candidate in its place" in lines
    assert any("assumed, not measured" in line for line in lines)
    assert any(line.startswith("gate gate: ") and " better than " in line for line in lines)
    assert any(line.startswith("opened on the test side: ") for line in lines)


def test_recordings_of_ones_own_are_looked_through_once(tmp_path: Path, workspace: Workspace):
    for split in ("train", "validation", "test"):
        for label in ("quiet", "breathe"):
            folder = tmp_path / "raw" / "data" / split / label
            folder.mkdir(parents=True)
            (folder / f"{split}1_a.wav").write_bytes(b"RIFF")
    (tmp_path / "base.yaml").write_text(f"task: sounds\nsource: {{root: {tmp_path / 'raw'}}}\n")
    (tmp_path / "c.yaml").write_text(
        "campaign: c\nrecipe: base.yaml\nmetric: f1_macro\n"
        "phases: [{name: p, runs: {a: {grid: {model.kernel: [3, 5, 7]}}}}]\n"
    )
    plan = plan_campaign(open_campaign(tmp_path / "c.yaml"), workspace)
    features = {run.stages[0].signature for run in plan.runs}
    assert [run.stages[0].name for run in plan.runs] == ["features"] * 3
    assert len(features) == 1
    assert plan.unknown > 0  # nobody has counted clips yet
    assert any("of unknown length" in line for line in plan.lines())


def test_a_campaign_of_pictures_is_planned_without_inventing_lengths(tmp_path: Path, workspace: Workspace):
    (tmp_path / "base.yaml").write_text("task: operations\n")
    (tmp_path / "c.yaml").write_text(
        "campaign: c\nrecipe: base.yaml\nmetric: oca\n"
        "phases: [{name: p, runs: {a: {grid: {train.phases: [[{steps: 10}], [{steps: 30}]]}}}}]\n"
    )
    campaign = open_campaign(tmp_path / "c.yaml")
    costs = [stage.cost for stage in plan_campaign(campaign, workspace).runs[0].stages]
    assert {cost.basis for cost in costs if cost.seconds is not None} == {"assumed"}
    assert [cost.seconds for cost in costs].count(None) == 4, (
        "nothing tells of twin, prepare, train and predict"
    )
    finish(run_of(campaign, workspace, campaign.cells[0].name), "train", 20.0)
    second = plan_campaign(campaign, workspace).runs[1]
    assert next(s for s in second.stages if s.name == "train").cost.seconds == pytest.approx(60.0, rel=1e-3)


def test_planning_loads_no_net(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from rushes.campaign.manifest.trials import open_campaign\n"
        "from rushes.campaign.plan import plan_campaign; from rushes.storage import open_workspace\n"
        "plan_campaign(open_campaign(Path(sys.argv[1])), open_workspace(sys.argv[2]))\n"
        "print(*sorted({'torch', 'scipy', 'av', 'ray', 'onnx', 'pyarrow'} & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", code, str(EARLIER), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "1 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7200, "2 h")])
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text
