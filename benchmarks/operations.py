"""The demo through the real command line, for several training seeds: figures, bars, seconds.

    python benchmarks/operations.py [--quick] [--json] [--recipe FILE] [--workspace DIR] [--seeds 0,1,2]
                                    [--jobs N] [--set A.B=C ...] [--samplers uniform,entropy,motion,coverage]

Each seed is one `rushes run RECIPE --set train.seed=N --json`; all share the twin and the prepared clips.
Figures are those of metrics.json on all clips of the unseen subject, each beside its best baseline. Seconds
are told of the stages that ran, not of those that were done before; the total is the wall time of the first
command, start of Python included, and is judged only where that command did every stage and had the machine
for itself (`--jobs 1`, a fresh workspace).

`--samplers` trains the first seed once for each frame sampler instead, and puts the runs side by side.
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
from rich.console import Console
from rich.table import Table

from rushes.evaluate.scorecard import Scorecard, Standing, read_scorecard
from rushes.evaluate.tables import shown, with_unit
from rushes.runs.stage import METRICS_FILE
from rushes.tasks.operations.evaluate.names import FIGURES, HEADLINE

RECIPE = Path(__file__).parents[1] / "recipes" / "operations-twin.yaml"
RUSHES = Path(sys.executable).with_name("rushes")
BARS = dict(zip(HEADLINE, (0.85, 0.85, 0.75), strict=True))
BOUNDARY, BOUNDARY_S = "boundary_error_s", 0.4
TOTAL_S, AGAIN_S, HELP_S = 600.0, 2.0, 0.3
COMPARED = (*HEADLINE, "tiou_mean", "macro_f1", BOUNDARY)
"""Figures of samplers side by side."""
TABLE_WIDTH = 120  # where there is no terminal whose width the sampler table could take


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
        """metrics.json of the run."""
        (evaluated,) = (stage for stage in self.told["stages"] if stage["name"] == "evaluate")
        return read_scorecard(Path(evaluated["folder"]) / METRICS_FILE)


def quality_figures(cards: Mapping[int, Scorecard]) -> list[Figure]:
    """The headline figures of each seed with their means, against their bars and their best baselines."""
    figures = []
    for metric in HEADLINE:
        values = {seed: value(card, metric) for seed, card in cards.items()}
        title, bar = FIGURES[metric].title, BARS[metric]
        figures += [at_least(f"{title}, seed {seed}", found, bar) for seed, found in values.items()]
        if len(values) > 1:
            mean = statistics.fmean(values.values())
            figures.append(at_least(f"{title}, mean of {len(values)} seeds", mean, bar))
        figures += [
            better_than_best(f"{title}, seed {seed}", card.all.standings[metric])
            for seed, card in cards.items()
        ]
    return figures + [
        at_most(f"median boundary error (s), seed {seed}", value(card, BOUNDARY), BOUNDARY_S)
        for seed, card in cards.items()
    ]


def value(card: Scorecard, metric: str) -> float:
    """A figure of the model on all clips."""
    return card.all.estimates[card.model][metric].value


def better_than_best(name: str, standing: Standing) -> Figure:
    """The lower end of the interval of the difference to the best baseline."""
    off = standing.difference
    said = f"{name}, less {standing.rival} ({standing.value:.3f}): {off.value:+.3f}"
    if off.low is None:
        return not_measured(said, "> 0", "nothing tells the spread")
    return Figure(
        f"{said} [{off.low:+.3f}, {off.high:+.3f}], low end", off.low, "> 0", standing.verdict == "better"
    )


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


def samplers_scorecards(demo: Demo, samplers: Sequence[str], seed: int) -> dict[str, Scorecard]:
    """Train one seed for each sampler; scorecards by sampler."""
    demo.tell("twin")
    same_seed = replace(demo, overrides=(*demo.overrides, f"train.seed={seed}"))
    told = same_seed.tell_each("run", [f"preprocessing.sampler={sampler}" for sampler in samplers])
    cards = {sampler: answer.scorecard() for sampler, answer in zip(samplers, told, strict=True)}
    if len({(card.all.n, *card.details["first_clips"]) for card in cards.values()}) != 1:
        raise SystemExit("the samplers were measured on different clips")
    return cards


def show_samplers(cards: Mapping[str, Scorecard], seed: int, as_json: bool) -> None:
    """All samplers in one table, the best value of each column in bold; or as figures without bars."""
    found = {
        sampler: {name: value(card, name) for name in COMPARED if name in card.all.estimates[card.model]}
        for sampler, card in cards.items()
    }
    if as_json:
        emit(
            [
                Figure(f"{FIGURES[name].title}, {sampler}, seed {seed}", values[name])
                for sampler, values in found.items()
                for name in values
            ],
            as_json,
        )
        return
    card = next(iter(cards.values()))
    table = Table(title=f"Frame samplers, {card.all.n} clips, seed {seed}", title_justify="left")
    table.add_column("sampler")
    for name in COMPARED:
        table.add_column(with_unit(card.figures[name]), justify="right")
    for sampler, values in found.items():
        table.add_row(sampler, *(cell(found, sampler, name) if name in values else "·" for name in COMPARED))
    Console(width=None if sys.stdout.isatty() else TABLE_WIDTH).print(table)


def cell(found: Mapping[str, Mapping[str, float]], sampler: str, name: str) -> str:
    """A value, in bold where it is the best of its column."""
    best = min if FIGURES[name].better == "lower" else max
    own = found[sampler][name]
    return (
        f"[bold]{shown(own)}[/]"
        if own == best(of[name] for of in found.values() if name in of)
        else shown(own)
    )


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
            cards = samplers_scorecards(demo, arguments.samplers, seeds[0])
            show_samplers(cards, seeds[0], arguments.json)
        else:
            emit(seeds_figures(demo, seeds), arguments.json)


if __name__ == "__main__":
    main()
