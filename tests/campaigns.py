"""A whole campaign, small but real, to copy, change and damage, and how tests ask for one."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from jobs import TONES, Told, begin, tell

from rushes.campaign.live import Show
from rushes.campaign.manifest.trials import open_campaign
from rushes.campaign.pages.leaderboard import TIME
from rushes.campaign.runner import Runner
from rushes.errors import GateError
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

    def looks(self) -> list[dict[str, Any]]:
        """Entries of the record of looks that the campaign lists."""
        path = self.folder / "openings.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def openings(self) -> list[dict[str, Any]]:
        """What its own looks were for, each with its number."""
        opened = [(look["number"], look["content"]["opening"] or {}) for look in self.looks()]
        own = self.folder.name.removeprefix("campaign-")
        return [{**told, "number": number} for number, told in opened if told.get("campaign") == own]

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


def of_a_side(task: str) -> set[str]:
    """Figures of a whole side, by which runs are compared; those of classes and timelines are not."""
    return {name for name, figure in TASKS[task].figures.items() if figure.on == "all"}
