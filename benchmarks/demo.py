"""Training of the demo against another checkout in turns, and the bars of the whole demo for several seeds.

    python benchmarks/demo.py [--quick] [--json] [--against CHECKOUT] [--updates N] [--repeats N] [--seeds N]
                              [--workspace DIR]

`--against`: both checkouts draw and prepare their demo once, then train for N updates, shared by its phases
as in the demo, in turns, each time by a `rushes train` of its own. Told are its wall time and the processor
time that the kernel accounts to it, both less those of a training of one update a phase, so that the start
and what happens once are not counted; and the ratios, this checkout over the other. They must be at most .3
where the processor has no bfloat16 instructions, else .8. Threads are as the environment has them: `make demo`
sets no OMP_NUM_THREADS.

`--seeds N` runs the whole demo for N seeds, each with a twin of its own, with the bars of operations.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from operations import Demo, quality_figures, seconds_figures
from report import Figure, at_most, emit

HERE = Path(__file__).parents[1]
RECIPE = Path("recipes") / "operations-twin.yaml"
UPDATES, REPEATS = 70, 3
QUICK_UPDATES, QUICK_REPEATS = 14, 1
BAR, BAR_WITH_BFLOAT16 = 0.3, 0.8
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class Spent(NamedTuple):
    """Seconds of a process and its children: of the clock, and of processors."""

    wall_s: float
    cpu_s: float

    def less(self, other: Spent) -> Spent:
        """What came on top of ``other``."""
        return Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of rushes, run by this interpreter on its own recipe.

    Attributes:
        root: where it is.
        workspace: of its demo.
    """

    root: Path
    workspace: Path

    def run(self, verb: str, *overrides: str) -> Spent:
        """``rushes VERB RECIPE``, silent."""
        command = [sys.executable, "-m", "rushes.cli", verb, str(self.root / RECIPE)]
        command += ["--workspace", str(self.workspace)]
        for override in overrides:
            command += ["--set", override]
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(self.root / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return Spent(time.monotonic() - began, usage.ru_utime + usage.ru_stime)

    def train(self, updates: int) -> Spent:
        """Train from nothing for one update a phase and ``updates`` more, in the proportion of the demo's."""
        for folder in self.workspace.glob("train-*"):
            shutil.rmtree(folder)
        return self.run("train", f"train.phases={json.dumps(shortened(self.root / RECIPE, updates))}")


def shortened(recipe: Path, updates: int) -> list[dict[str, Any]]:
    """The phases of a recipe with one step each, and ``updates`` more together."""
    phases = yaml.safe_load(recipe.read_text())["train"]["phases"]
    total = sum(phase["steps"] for phase in phases)
    return [{**phase, "steps": 1 + round(updates * phase["steps"] / total)} for phase in phases]


def has_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions, as far as Linux says."""
    information = Path("/proc/cpuinfo")
    return information.exists() and not BFLOAT16.isdisjoint(information.read_text().split())


def against_figures(ours: Checkout, theirs: Checkout, updates: int, repeats: int) -> list[Figure]:
    """Seconds of both, and the ratios."""
    both = (ours, theirs)
    for checkout in both:
        checkout.run("twin")
        checkout.run("prepare")
    turns = []
    for _ in range(repeats):
        starts = [checkout.train(0) for checkout in both]
        turns.append(
            [checkout.train(updates).less(start) for checkout, start in zip(both, starts, strict=True)]
        )
    bar = BAR_WITH_BFLOAT16 if has_bfloat16() else BAR
    figures = []
    for field, title in (("wall_s", "wall time"), ("cpu_s", "processor time")):
        own, other = ([getattr(turn[side], field) for turn in turns] for side in (0, 1))
        ratios = [one / another for one, another in zip(own, other, strict=True)]
        what = f"training, {updates} updates, {title}"
        figures.append(Figure(f"{what} (s)", round(statistics.median(own), 1)))
        figures.append(Figure(f"{what} (s), the other's", round(statistics.median(other), 1)))
        spread = f"{min(ratios):.3f}-{max(ratios):.3f} in {repeats}"
        figures.append(at_most(f"{what}, over the other's ({spread})", statistics.median(ratios), bar))
    return figures


def seeds_figures(demo: Demo, seeds: Sequence[int]) -> list[Figure]:
    """The bars of each seed's whole demo, and its seconds."""
    answers = {seed: demo.tell("run", f"twin.seed={seed}", f"train.seed={seed}") for seed in seeds}
    metrics: Mapping[int, Any] = {seed: answer.metrics()["all"] for seed, answer in answers.items()}
    return quality_figures(metrics) + seconds_figures(answers, (), demo.jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_UPDATES} updates, once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--updates", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--seeds", type=int, default=0, metavar="N")
    parser.add_argument("--workspace", type=Path, help="kept, and resumed; else a fresh one that goes")
    arguments = parser.parse_args()
    if arguments.against is None and not arguments.seeds:
        parser.error("give --against, --seeds, or both")
    updates = arguments.updates or (QUICK_UPDATES if arguments.quick else UPDATES)
    repeats = arguments.repeats or (QUICK_REPEATS if arguments.quick else REPEATS)
    figures = []
    with tempfile.TemporaryDirectory() as temporary:
        workspace = (arguments.workspace or Path(temporary)).resolve()
        if arguments.against is not None:
            ours = Checkout(HERE, workspace / "ours")
            theirs = Checkout(arguments.against.resolve(), workspace / "theirs")
            figures += against_figures(ours, theirs, updates, repeats)
        if arguments.seeds:
            demo = Demo(HERE / RECIPE, workspace / "seeds", (), jobs=1, quiet=arguments.json)
            figures += seeds_figures(demo, range(arguments.seeds))
        emit(figures, arguments.json)


if __name__ == "__main__":
    main()
