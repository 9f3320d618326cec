"""The real catalogue on two cores: names and rendered views to pictures of products that nobody trained on.

    python benchmarks/furniture.py --out data
    python benchmarks/furniture_locked.py --data data [--quick] [--json]

Five folds of `recipes/catalog-locked.yaml`: products whose pictures are near-duplicates, or whose names are equal,
stand in one fold, so that every name and every variant that is asked about is new. A ninth of the other folds
validates. The gallery is the pictures of the fold that is asked about. --quick: one fold.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from report import Figure, at_least, at_most, emit, not_measured

from rushes.evaluate.scorecard import Scorecard
from rushes.prepare.pair import Pair
from rushes.runs.do import do
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

RECIPE = Path(__file__).parents[1] / "recipes" / "catalog-locked.yaml"
FOLDS, FIGURE = 5, "hit_rate_10"
TEXT_BAR, VIEW_BAR = 0.60, 0.529


def folds_of(data: Path, workspace: Path) -> tuple[dict[str, int], Mapping[str, int]]:
    """Line of the table -> fold; and near-duplicates on two sides of the split that was dealt for it."""
    run = open_run(
        load_recipe(RECIPE, [f"source.root={data / 'furniture'}", "probe=null"]), open_workspace(workspace)
    )
    do(run, "prepare", lambda *said: None)
    joined: dict[str, str] = {}

    def head(name: str) -> str:
        while joined.setdefault(name, name) != name:
            name = joined[name]
        return name

    lines: dict[str, str] = {}
    for side in ("train", "val", "test"):
        samples = run.samples(side)
        for number, key in enumerate(samples.keys()):
            pair = Pair.of(key, samples.sample(number))
            joined[head(f"group {pair.group or key}")] = head(f"name {pair.words.title}")
            lines[pair.words.where.rpartition(":")[2]] = f"group {pair.group or key}"
    leaks = json.loads((run.folder("prepare") / "leakage.json").read_text())
    heads = {line: head(group) for line, group in lines.items()}
    order = sorted(set(heads.values()), key=lambda name: hashlib.sha256(name.encode()).digest())
    fold = {name: number % FOLDS for number, name in enumerate(order)}
    return {line: fold[name] for line, name in heads.items()}, leaks


def write_fold(data: Path, fold_of: Mapping[str, int], tested: int) -> str:
    """Write the table with sides for one fold, beside the whole one; its name."""
    name = f"fold{tested}.csv"
    with (data / "furniture" / "products.csv").open(newline="", encoding="utf-8") as source:
        reader = csv.DictReader(source)
        rows = [(str(reader.line_num), row) for row in reader]
    with (data / "furniture" / name).open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, [*(reader.fieldnames or ()), "side"])
        writer.writeheader()
        for line, row in rows:
            others = "val" if int(hashlib.sha256(row["name"].encode()).hexdigest(), 16) % 9 == 0 else "train"
            side = "test" if fold_of.get(line) == tested else others
            writer.writerow({**row, "side": side})
    return name


def cards_of(data: Path, workspace: Path, fold_of: Mapping[str, int], folds: int) -> Iterator[Scorecard]:
    """The scorecard of each fold."""
    for tested in range(folds):
        table = write_fold(data, fold_of, tested)
        overrides = [
            f"source.root={data / 'furniture'}",
            f"source.table={table}",
            "source.split=column",
            f"probe.root={data / 'stamps'}",
        ]
        run = open_run(load_recipe(RECIPE, overrides), open_workspace(workspace))
        for name in run.stages:
            if name != "report":
                do(run, name, lambda *said: None)
        yield run.scorecard()


def values(cards: Sequence[Scorecard], part: str, system: str) -> list[float]:
    """R@10 of a system on a part, fold by fold; ``""`` is the whole: names to pictures."""
    found = []
    for card in cards:
        one = card.all if not part else next(one for one in card.parts if one.name == part)
        found.append(one.estimates[system][FIGURE].value)
    return found


def figures_of(data: Path, folder: Path, quick: bool) -> Iterator[Figure]:
    """All folds."""
    fold_of, leaks = folds_of(data, folder)
    yield at_most(
        "near-duplicates (16 of 256 bits) across sides of the split as it is dealt", leaks["across"], 0
    )
    cards = list(cards_of(data, folder, fold_of, 1 if quick else FOLDS))
    asked = sum(card.all.n for card in cards)
    for what, part, bar in (
        ("English name to picture", "", TEXT_BAR),
        ("view to picture", "view to picture", VIEW_BAR),
        ("German name to picture, trained on English alone", "language de", None),
    ):
        found = values(cards, part, "model")
        spread = f", sd {statistics.stdev(found):.3f}" if len(found) > 1 else ""
        beside = statistics.mean(values(cards, part, "untrained"))
        title = f"{what}: R@10, {asked} unseen products in {len(cards)} folds{spread}; untrained {beside:.3f}"
        value = round(statistics.mean(found), 3)
        yield Figure(title, value) if bar is None else at_least(title, value, bar)


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
