"""The real catalogue on two cores: names and rendered views to pictures of products that nobody trained on.

    python benchmarks/furniture.py --out data
    python benchmarks/furniture_locked.py --data data [--quick] [--json]

Five folds of `recipes/catalog-locked.yaml`: products whose pictures are near-duplicates, or whose names are equal,
stand in one fold, so that every name and every variant that is asked about is new. A ninth of the other folds
validates. The gallery is the pictures of the fold that is asked about. --quick: one fold.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from report import Figure, at_least, at_most, emit, not_measured

from rushes.annotations.rows import read_rows
from rushes.evaluate.scorecard import Scorecard
from rushes.evaluate.search_figures import BASE, TEXT, VIEW
from rushes.prepare.leakage import LEAKAGE
from rushes.runs.do import do
from rushes.runs.kept_sides import SIDES_FILE, SideRow, sides_table
from rushes.runs.run import Run
from rushes.stages import read_json
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

RECIPE = Path(__file__).parents[1] / "recipes" / "catalog-locked.yaml"
FOLDS, VALIDATING, FIGURE = 5, 9, "hit_rate_10"
TEXT_BAR, VIEW_BAR = 0.60, 0.529


def run_of(data: Path, workspace: Path, *overrides: str) -> Run[Any]:
    """The recipe on the furniture of ``data``."""
    asked = [f"source.root={data / 'furniture'}", "probe=null", *overrides]
    return open_run(load_recipe(RECIPE, asked), open_workspace(workspace))


def done(run: Run[Any], *stages: str) -> Run[Any]:
    """The run after these stages."""
    for name in stages:
        do(run, name, lambda *said: None)
    return run


def sides_of(items: Sequence[SideRow], tested: int) -> str:
    """``sides.csv`` of a fold."""
    groups = sorted({item.group for item in items}, key=lambda name: hashlib.sha256(name.encode()).digest())
    side_of = {}
    for number, group in enumerate(groups):
        turn, fold = divmod(number, FOLDS)
        side_of[group] = "test" if fold == tested else "val" if turn % VALIDATING == 0 else "train"
    return sides_table(replace(item, side=side_of[item.group]) for item in items)


def folds(dealt: Run[Any], data: Path, workspace: Path, count: int) -> Iterator[Run[Any]]:
    """A measured run for each fold of the products that a run has dealt out."""
    items = [SideRow(**row) for _, row in read_rows(dealt.folder("prepare") / SIDES_FILE).dicts()]
    for tested in range(count):
        sides = workspace / f"fold{tested}.csv"
        sides.write_text(sides_of(items, tested))
        run = run_of(data, workspace, f"source.sides={sides}")
        yield done(run, "prepare", "train", "embed", "evaluate")


def across(run: Run[Any]) -> int:
    """Pairs of near-duplicates on two sides of a run."""
    pairs: int = read_json(run.folder("prepare") / LEAKAGE)["across"]["pairs"]
    return pairs


def values(cards: Sequence[Scorecard], part: str, system: str) -> list[float]:
    """R@10 of a system for one kind of question, fold by fold."""
    kinds: list[Mapping[str, Any]] = [
        {TEXT: card.all, **{one.name: one for one in card.of_kind("subset")}} for card in cards
    ]
    return [of[part].estimates[system][FIGURE].value for of in kinds]


def cpu_s() -> float:
    """CPU seconds of this process and of its workers that have ended."""
    return sum(os.times()[:4])


def figures_of(data: Path, folder: Path, quick: bool) -> Iterator[Figure]:
    """All folds."""
    began_s = cpu_s()
    dealt = done(run_of(data, folder), "prepare")
    runs = list(folds(dealt, data, folder, 1 if quick else FOLDS))
    spent_s = cpu_s() - began_s
    yield at_most(
        "near-duplicates (16 of 256 bits) across sides, of the split as it is dealt and of all folds",
        sum(map(across, [dealt, *runs])),
        0,
    )
    cards = [run.scorecard() for run in runs]
    asked = sum(card.all.n for card in cards)
    for what, part, bar in (
        ("English name to picture", TEXT, TEXT_BAR),
        ("view to picture", VIEW, VIEW_BAR),
        ("German name to picture, trained on English alone", "de to picture", None),
    ):
        found = values(cards, part, "model")
        spread = f", sd {statistics.stdev(found):.3f}" if len(found) > 1 else ""
        beside = statistics.mean(values(cards, part, BASE))
        title = (
            f"{what}: R@10, {asked} unseen products in {len(cards)} folds{spread}; maps as drawn {beside:.3f}"
        )
        value = round(statistics.mean(found), 3)
        yield Figure(title, value) if bar is None else at_least(title, value, bar)
    yield Figure("CPU seconds, those of workers among them", round(spent_s))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one fold")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="what furniture.py wrote (default: %(default)s)"
    )
    asked = parser.parse_args()
    data = asked.data.resolve()
    if not (data / "furniture" / "products.csv").is_file():
        emit(
            [not_measured("English name to picture: R@10", f">= {TEXT_BAR}", f"no {data / 'furniture'}")],
            asked.json,
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        emit(figures_of(data, Path(folder), asked.quick), asked.json)


if __name__ == "__main__":
    main()
