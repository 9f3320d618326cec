"""From a table of products to a dataset: pictures a second, near-duplicates in seconds, and what sides share.

    python benchmarks/products.py [--quick] [--json] [--furniture DIR] [--list N]

Pictures are JPEGs of 512 pixels, drawn here; both passes of `prepare` count, with the start of its two workers, in
CPU seconds of this process and its children, so that other work beside does not count. Near-duplicates are looked for
among 70,000 hashes, a tenth of them close to another one. `--furniture` names what `furniture.py` wrote: then the split
of that corpus is checked by brute force, and pairs that were kept apart although their hashes are close are listed on
standard error, so that a person can look for wrong ones. --quick: a quarter of the pictures and hashes.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from report import Figure, at_least, at_most, emit, not_measured

from rushes.media.dhash import Look, look_of
from rushes.media.picture import read_picture
from rushes.prepare.near import Seen, near_groups
from rushes.recipe.near import NearDuplicates
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.storage import open_workspace
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.task import Catalog

PIXELS, CORES = 512, 2
SAME_BITS = NearDuplicates().same_bits


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def prepared(recipe: CatalogRecipe, folder: Path) -> Path:
    """The dataset of a recipe."""
    run = Run(Catalog(), recipe, open_workspace(folder), aim="prepare")
    do(run, "prepare", lambda *_: None)
    return run.folder("prepare")


def shop(root: Path, count: int) -> None:
    """Products of smooth, grainy pictures: JPEGs of some 80 kB, as of a camera."""
    rng = np.random.default_rng(0)
    (root / "pictures").mkdir(parents=True)
    with (root / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "image_path", "object_type"])
        for number in range(count):
            spots = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((PIXELS, PIXELS))
            grain = np.asarray(spots) + rng.normal(0, 9, (PIXELS, PIXELS, 1))
            picture = Image.fromarray(grain.clip(0, 255).astype(np.uint8))
            picture.save(root / "pictures" / f"{number}.jpg", quality=85)
            writer.writerow([f"thing {number}", f"pictures/{number}.jpg", f"type {number % 5}"])


def speed(quick: bool) -> Iterator[Figure]:
    count = 500 if quick else 2000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shop(root / "raw", count)
        recipe = CatalogRecipe.model_validate(
            {"source": {"root": root / "raw"}, "prepare": {"shard_samples": 250, "workers": CORES}}
        )
        began = cpu_s()
        prepared(recipe, root / "runs")
        rate = CORES * count / (cpu_s() - began)
    yield at_least(f"pictures of {PIXELS} px a second of {CORES} cores, both passes", round(rate), 100)


def hashes(count: int) -> list[Seen]:
    """Hashes of which a tenth is a few bits from another."""
    rng = np.random.default_rng(1)
    bits = rng.random((count, 256)) < 0.4
    copies = rng.permutation(count)[: count // 10]
    bits[copies] = bits[(copies + 1) % count] ^ (rng.random((len(copies), 256)) < 0.05)
    packed, colours = np.packbits(bits, axis=1), rng.integers(0, 256, (count, 12), np.uint8)
    looks = (
        Look(one.tobytes(), 900.0, colour.tobytes()) for one, colour in zip(packed, colours, strict=True)
    )
    return [Seen(look, f"file {number}", f"name {number // 3}") for number, look in enumerate(looks)]


def near(quick: bool) -> Iterator[Figure]:
    count = 17_500 if quick else 70_000
    seen = hashes(count)
    began = time.process_time()
    found = near_groups(seen, **NearDuplicates().model_dump())
    took = time.process_time() - began
    yield at_most(f"CPU seconds to group {count:,} pictures, every pair compared", round(took, 1), 60.0)
    yield Figure("pairs within 16 bits among them", found.counts["bits"])


def furniture(place: Path, listed: int) -> Iterator[Figure]:
    """The split of the real corpus, against its pictures read anew."""
    columns = {"size": ["width", "depth", "height"]}
    with tempfile.TemporaryDirectory() as folder:
        recipe = CatalogRecipe.model_validate(
            {"source": {"root": place / "furniture", "columns": columns}, "preprocessing": {"size": 128}}
        )
        dataset = prepared(recipe, Path(folder))
        rows = list(csv.DictReader((dataset / "sides.csv").open(newline="")))
        report = json.loads((dataset / "leakage.json").read_text())
    sides, labels = ({row["id"]: row[name] for row in rows} for name in ("side", "label"))
    run = Run(Catalog(), recipe, open_workspace(place), aim="prepare")
    items = [item for item in run.scan.items if item.key in sides]
    looks = [look_of(read_picture(item.picture.read(), item.where)) for item in items]
    table = np.unpackbits(np.array([list(look.bits) for look in looks], np.uint8), axis=1).astype(np.int32)
    distance = table.sum(1)[:, None] + table.sum(1)[None, :] - 2 * table @ table.T
    side = np.array([sides[item.key] for item in items])
    across = np.triu((distance <= SAME_BITS) & (side[:, None] != side[None, :]), 1)
    groups = Counter(group for group, _ in {(row["group"], row["side"]) for row in rows})
    yield at_least("products of the real corpus", len(rows), 1)
    yield at_most(
        f"pairs within {SAME_BITS} bits on two sides, of {len(rows):,} real products", int(across.sum()), 0
    )
    yield at_most("groups of them on two sides", sum(count > 1 for count in groups.values()), 0)
    large = {label: count for label, count in Counter(labels.values()).items() if count >= 200}
    shares = recipe.source.shares.of_sides
    told = "points that a type of 200 or more is off its share"
    if large:
        found = Counter((labels[key], side) for key, side in sides.items())
        worst = max(
            abs(100 * (found[label, one] / count - share))
            for label, count in large.items()
            for one, share in shares.items()
        )
        yield at_most(told, round(worst, 2), 1.0)
    else:
        yield not_measured(told, "<= 1", "no type has so many")
    for evidence, count in report["near"].items():
        yield Figure(f"close pairs: {evidence}", count)
    apart = [pair for pair in report["closest"] if not pair["evidence"]]
    for pair in apart[:listed]:
        names = " | ".join(f"{item['title']} ({item['side']})" for item in pair["items"])
        print(f"kept apart at {pair['bits']} bits: {names}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--furniture", type=Path, help="folder that furniture.py wrote")
    parser.add_argument("--list", type=int, default=40, help="pairs kept apart that are listed")
    asked = parser.parse_args()
    figures = [*speed(asked.quick), *near(asked.quick)]
    if asked.furniture is None:
        figures.append(
            not_measured("pairs on two sides of the real corpus", "<= 0", "name it: --furniture DIR")
        )
    else:
        figures += furniture(asked.furniture, asked.list)
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
