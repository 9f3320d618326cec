"""The drawn shop: what tuning a tiny CLIP is worth on products of families that nobody trained on.

    python benchmarks/shop.py [--quick] [--json] [--seeds 3]

Each scenario of `recipes/catalog-twin.yaml` through the command's own stages; shop, dataset and pretrained base are
made once. A scenario is better than `zero_shot` where the whole 95 % interval of the paired difference, clustered by
product family, lies above zero, for every seed. The time is that of one run of `dual_lora` with everything before it,
on an idle machine; CPU seconds say what it would be on a busy one. --quick: one seed of what is judged.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from report import Figure, at_most, emit

from rushes.recipe.clip import Scenario
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.storage import Workspace, open_workspace
from rushes.tasks import load_recipe, open_run

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "catalog-twin.yaml"
TASKS = ROOT / "src" / "rushes" / "tasks"
FIGURE, BASE = "hit_rate_10", "base"
JUDGED: tuple[Scenario, ...] = ("linear_probe", "dual_lora")


def lines_of(task: str) -> int:
    """Lines of Python in a task's folder."""
    return sum(len(path.read_text().splitlines()) for path in (TASKS / task).rglob("*.py"))


def cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


def finished(workspace: Workspace, scenario: Scenario, seed: int) -> tuple[Run[Any], dict[str, int]]:
    """The run of a scenario, every stage of it done, and the CPU seconds that each stage took."""
    overrides = (f"model.scenario={scenario}", f"train.seed={seed}")
    run = open_run(load_recipe(RECIPE, overrides), workspace)
    spent = {}
    for name in run.stages:
        before = cpu_seconds()
        do(run, name, lambda *said: None)
        spent[name] = round(cpu_seconds() - before)
    return run, spent


def figures_of(folder: Path, scenarios: Iterable[Scenario], seeds: int) -> Iterator[Figure]:
    """The shop, scenario by scenario; `dual_lora` first, since its time includes everything that is shared."""
    began = time.perf_counter()
    workspace = open_workspace(folder)
    _, spent = finished(workspace, "dual_lora", 0)
    wall = round(time.perf_counter() - began)
    yield at_most("from nothing to the report of dual_lora, wall seconds", wall, 300)
    stages = ", ".join(f"{name} {seconds}" for name, seconds in spent.items())
    yield Figure(f"the same in CPU seconds: {stages}", sum(spent.values()))
    for scenario in scenarios:
        wholes = [finished(workspace, scenario, seed)[0].scorecard().all for seed in range(seeds)]
        values = [whole.estimates["model"][FIGURE].value for whole in wholes]
        base = wholes[0].estimates[BASE][FIGURE].value
        worst = min(whole.against[FIGURE][BASE].difference.low or 0.0 for whole in wholes)
        judged = scenario in JUDGED
        yield Figure(
            f"{scenario}: R@10 of {wholes[0].n} unseen products, mean of {seeds} seeds; before training {base:.3f}; "
            f"lowest end of an interval of the difference {worst:+.3f}",
            round(statistics.mean(values), 3),
            "interval above zero" if judged else None,
            worst > 0.0 if judged else None,
        )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed of what is judged")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    asked = parser.parse_args()
    ours, theirs = lines_of("catalog"), lines_of("sounds")
    figures = [at_most(f"lines of the task, against half of the {theirs:,} of sounds", ours, theirs // 2)]
    with tempfile.TemporaryDirectory() as folder:
        scenarios, seeds = (JUDGED, 1) if asked.quick else (get_args(Scenario), asked.seeds)
        figures += figures_of(Path(folder), scenarios, seeds)
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
