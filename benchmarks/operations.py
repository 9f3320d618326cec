"""The demo through the real command line, for several training seeds: figures, bars, seconds.

    python benchmarks/operations.py [--quick] [--json] [--recipe FILE] [--workspace DIR] [--seeds 0,1,2]
                                    [--jobs N] [--set A.B=C ...] [--samplers uniform,entropy,motion,flow,coverage]

Each seed is one `rushes run RECIPE --set train.seed=N --json`; all share the twin and the prepared clips.
Figures are those of the scorecard on all clips of the unseen subject; differences to the best baseline are
paired, with their 95 % interval. Seconds are told of the stages that ran, not of those that were done before;
the total is the wall time of the first command, start of Python included, and is judged only where that
command did every stage and had the machine for itself (`--jobs 1`, a fresh workspace).

`--samplers` trains the first seed once for each frame sampler instead, and tells the figures of each.
About 10 minutes for the first seed on two cores, less for the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from report import Figure, at_least, at_most, emit, not_measured

from rushes.evaluate.scorecard import Scorecard, Standing, read_scorecard
from rushes.runs.stage import METRICS_FILE
from rushes.tasks.operations.evaluate.names import FIGURES, HEADLINE

RECIPE = Path(__file__).parents[1] / "recipes" / "operations-twin.yaml"
RUSHES = Path(sys.executable).with_name("rushes")
BARS = dict(zip(HEADLINE, (0.85, 0.85, 0.75), strict=True))
BOUNDARY, BOUNDARY_S = "boundary_error_s", 0.4
TOTAL_S, AGAIN_S, HELP_S = 600.0, 2.0, 0.3
OF_SAMPLERS = ("oca", "tiou_50", "tiou_mean", "aa_1", "macro_f1", BOUNDARY)


@dataclass(frozen=True, slots=True)
class Demo:
    """A recipe in a workspace, as this benchmark was asked for it.

    Attributes:
        recipe: what to run.
        workspace: of all runs.
        overrides: of the recipe, ``a.b=c``.
        jobs: runs side by side; with more than one, each has one thread.
        quiet: keep the progress of the runs to themselves.
    """

    recipe: Path
    workspace: Path
    overrides: tuple[str, ...]
    jobs: int
    quiet: bool

    def tell(self, verb: str, *overrides: str) -> Answer:
        """``rushes VERB RECIPE --json``."""
        command = [str(RUSHES), verb, str(self.recipe), "--workspace", str(self.workspace), "--json"]
        for override in (*self.overrides, *overrides):
            command += ["--set", override]
        began = time.monotonic()
        told = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self.quiet else None,
            env=os.environ | ({} if self.jobs == 1 else {"OMP_NUM_THREADS": "1"}),
            text=True,
        )
        if told.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{told.stderr or '(its words are above)'}")
        return Answer(json.loads(told.stdout), time.monotonic() - began)

    def tell_each(self, verb: str, choices: Sequence[str]) -> list[Answer]:
        """The verb for each choice of one override, ``jobs`` at a time."""
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(lambda choice: self.tell(verb, choice), choices))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and the wall time from its start to its end."""

    told: Mapping[str, Any]
    wall_s: float

    @property
    def ran(self) -> dict[str, float]:
        """Seconds of the stages that ran, by name."""
        return {stage["name"]: stage["seconds"] for stage in self.told["stages"] if stage["state"] == "ran"}

    def scorecard(self) -> Scorecard:
        """What was measured of the run."""
        (evaluated,) = (stage for stage in self.told["stages"] if stage["name"] == "evaluate")
        return read_scorecard(Path(evaluated["folder"]) / METRICS_FILE)


def quality_figures(cards: Mapping[int, Scorecard]) -> list[Figure]:
    """The headline figures of each seed with their means, against their bars and their best baselines."""
    figures = []
    for metric in HEADLINE:
        values = {seed: value_of(card, metric) for seed, card in cards.items()}
        title, bar = FIGURES[metric].title, BARS[metric]
        figures += [at_least(f"{title}, seed {seed}", value, bar) for seed, value in values.items()]
        if len(values) > 1:
            mean = statistics.fmean(values.values())
            figures.append(at_least(f"{title}, mean of {len(values)} seeds", mean, bar))
        figures += [
            above_best(f"{title}, seed {seed}", card.all.standings[metric]) for seed, card in cards.items()
        ]
    for seed, card in cards.items():
        value = value_of(card, BOUNDARY)
        figures.append(at_most(f"median boundary error (s), seed {seed}", value, BOUNDARY_S))
    return figures


def value_of(card: Scorecard, figure: str) -> float:
    """A figure of the model on the whole side."""
    return card.all.estimates[card.model][figure].value


def above_best(name: str, best: Standing) -> Figure:
    """The lower end of the interval of the paired difference to the best baseline."""
    name, off = f"{name}, above {best.rival} ({best.value:.3f})", best.difference
    if off.low is None or off.high is None:
        return not_measured(f"{name}, low end", "> 0", f"{off.value:+.3f} has no interval")
    spread = f"{off.value:+.3f} [{off.low:+.3f}, {off.high:+.3f}]"
    return Figure(f"{name}: {spread}, low end", off.low, "> 0", off.low > 0)


def seconds_figures(answers: Mapping[int, Answer], shared: Sequence[Answer], jobs: int) -> list[Figure]:
    """Seconds of each stage that ran, and of the first command as a whole."""
    figures = [
        Figure(f"{name} (s)", seconds) for answer in shared for name, seconds in answer.ran.items()
    ] + [
        Figure(f"{name} (s), seed {seed}", seconds)
        for seed, answer in answers.items()
        for name, seconds in answer.ran.items()
    ]
    first = next(iter(answers.values()))
    before = sorted({stage["name"] for stage in first.told["stages"]} - first.ran.keys())
    title = "whole demo, wall time (s)"
    if jobs > 1:
        return [*figures, not_measured(title, f"<= {TOTAL_S:g}", f"{jobs} runs side by side")]
    if before:
        return [*figures, not_measured(title, f"<= {TOTAL_S:g}", f"done before: {', '.join(before)}")]
    return [*figures, at_most(title, first.wall_s, TOTAL_S)]


def again_figure(demo: Demo, seed: int) -> Figure:
    """The wall time of a run that has nothing to do."""
    quiet = replace(demo, quiet=True)
    answers = [quiet.tell("run", f"train.seed={seed}") for _ in range(3)]
    if worked := set().union(*(answer.ran for answer in answers)):
        raise SystemExit(f"a second run did again what was done: {', '.join(sorted(worked))}")
    return at_most("second run (s), median of 3", statistics.median(a.wall_s for a in answers), AGAIN_S)


def help_figure() -> Figure:
    """The wall time of `rushes --help`."""
    walls = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([str(RUSHES), "--help"], stdout=subprocess.DEVNULL, check=True)
        walls.append(time.monotonic() - began)
    return at_most("rushes --help (s), median of 5", statistics.median(walls), HELP_S)


def seeds_figures(demo: Demo, seeds: Sequence[int]) -> list[Figure]:
    """Train every seed; all that there is to say about them."""
    # Two runs cannot draw the same twin at once, so what they share is done before they begin.
    shared = [demo.tell(verb) for verb in ("twin", "prepare")] if demo.jobs > 1 else []
    told = demo.tell_each("run", [f"train.seed={seed}" for seed in seeds])
    answers = dict(zip(seeds, told, strict=True))
    figures = quality_figures({seed: answer.scorecard() for seed, answer in answers.items()})
    figures += seconds_figures(answers, shared, demo.jobs)
    return [*figures, again_figure(demo, seeds[0]), help_figure()]


def samplers_figures(demo: Demo, samplers: Sequence[str], seed: int) -> list[Figure]:
    """Train one seed for each sampler; the figures of each, one sampler beside the other."""
    demo.tell("twin")
    same_seed = replace(demo, overrides=(*demo.overrides, f"train.seed={seed}"))
    told = same_seed.tell_each("run", [f"preprocessing.sampler={sampler}" for sampler in samplers])
    cards = [answer.scorecard() for answer in told]
    return [
        Figure(f"{FIGURES[name].title}, {sampler}, seed {seed}, {card.all.n} clips", value_of(card, name))
        for name in OF_SAMPLERS
        for sampler, card in zip(samplers, cards, strict=True)
    ]


def listed(text: str) -> list[str]:
    """``a,b`` as a list."""
    return text.split(",")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the first seed")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--workspace", type=Path, help="kept, and resumed; else a fresh one that goes")
    parser.add_argument("--seeds", type=listed, default=["0", "1", "2"])
    parser.add_argument("--jobs", type=int, default=1, help="seeds or samplers side by side, one core each")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--samplers", type=listed, help="compare these with the first seed")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds[: 1 if arguments.quick else None]]
    with tempfile.TemporaryDirectory() as temporary:
        workspace = arguments.workspace or Path(temporary)
        jobs = arguments.jobs
        demo = Demo(arguments.recipe, workspace, tuple(arguments.overrides), jobs, quiet=jobs > 1)
        if arguments.samplers:
            figures = samplers_figures(demo, arguments.samplers, seeds[0])
        else:
            figures = seeds_figures(demo, seeds)
        emit(figures, arguments.json)


if __name__ == "__main__":
    main()
