"""From a table of products to a dataset: look at all pictures, group them, deal out sides, write blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rushes.errors import SourceError
from rushes.prepare.captions import words_of
from rushes.prepare.leakage import LEAKAGE, Placed, leakage
from rushes.prepare.near import Seen
from rushes.prepare.pair_unit import Job, Raw, prepare_block
from rushes.prepare.stage import Planned, prepare
from rushes.prepare.survey import survey
from rushes.recipe.sections import Side
from rushes.runs.kept_sides import SIDES_FILE, SideRow, sides_table
from rushes.runs.run import Run
from rushes.runs.stage import Made, Tell
from rushes.shards.manifest import Manifest
from rushes.stages import OpenStage, write_atomic, write_json
from rushes.tasks.catalog.prepare.places import (
    PROBE,
    Places,
    label_of,
    look_at,
    places_of,
    said_sides,
    seen_of,
)
from rushes.tasks.catalog.recipe import CatalogRecipe
from rushes.tasks.catalog.sources.item import Item
from rushes.tasks.catalog.sources.products import ProductScan

MINI = "mini.json"


def prepare_products(run: Run[CatalogRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Prepare the dataset of a run; a `rushes.runs.stage.Work`.

    Beside the shards its folder gets ``sides.csv``, which a later dataset can name as ``source.sides``,
    ``leakage.json``, see `rushes.prepare.leakage`, and ``mini.json``, which lists the first shards of training.

    Raises:
        SourceError: a side that is needed has no product.
    """
    recipe, scan, name = run.recipe, run.scan, stage.spec.name
    asked, home, on_progress = recipe.prepare, run.home(name), partial(tell, name)
    said = said_sides(scan.items, recipe.source)
    shop = {item.key: item for item in scan.items if item.key not in said.skipped}
    probe = {item.key: item for item in scan.probe.items if item.key not in shop} if scan.probe else {}
    found = survey(shop | probe, look_at, home, asked, engine=run.engine, on_progress=on_progress)
    items = [item for key, item in (shop | probe).items() if key in found.told]
    seen = [seen_of(item, found.told[item.key]) for item in items]
    places = places_of(items, seen, probe.keys(), said.side_of, recipe.source, asked.near)
    roots = {key: scan.probe.root for key in probe} if scan.probe else {}
    raw = [_raw(item, places, roots.get(item.key, scan.root), recipe) for item in items]
    report = _write_reports(stage.folder, raw, seen, places, recipe)
    jobs = _jobs(raw, places, recipe, stage.folder)
    needed = dict.fromkeys(("train", "val", recipe.evaluate.split))
    if missing := [side for side in needed if side not in {job.split for job in jobs.values()}]:
        raise SourceError(
            f"of {report['groups']:,} groups of products none came to side {' and '.join(missing)}{_told(places)}",
            where=scan.root,
            cure="change source.split or source.shares, or give products of more groups",
        )
    skipped, faults = _left_out(scan)
    planned = Planned(
        jobs=jobs,
        splits=(*get_args(Side), *([PROBE] if probe else [])),
        needed=needed,
        skipped={**skipped, **said.skipped, **places.sides.skipped},
        faults={**faults, **found.bad},
        members={key: [item.key for item in job.items] for key, job in jobs.items()},
        inventory=run.inventory,
    )
    prepared = prepare(
        planned,
        prepare_block,
        home,
        recipe.preprocessing,
        asked,
        engine=run.engine,
        on_progress=on_progress,
    )
    write_json(stage.folder / MINI, _mini(prepared.manifest, asked.mini))
    told = {"absent": list(said.absent), "joined": list(places.joined)}
    return {**prepared.summary(), **report, **told}, prepared.account.counts


def _told(places: Places) -> str:
    """Of families that near-duplicates join across sides, so that one of them has none."""
    pairs = "; ".join(places.joined[:3])
    return f"; near-duplicates join families of different sides: {pairs}" if pairs else ""


def _raw(item: Item, places: Places, root: Path, recipe: CatalogRecipe) -> Raw:
    """An item with its words. Its place is told below the root of its source: the same wherever that lies."""
    captions, where = recipe.preprocessing.captions, item.where.removeprefix(f"{root}/")
    label = label_of(item)
    words = words_of(
        item.key, item.title, item.fields, captions, titles=item.titles, label=label, where=where
    )
    return Raw(item.key, item.picture, item.views, words, places.group_of[item.key], label, item.where)


def _jobs(raw: Iterable[Raw], places: Places, recipe: CatalogRecipe, folder: Path) -> dict[str, Job]:
    """Blocks of one side each, in order of keys, which are hashes: every block is a mixture of all types."""
    by_side: dict[str, list[Raw]] = defaultdict(list)
    for item in sorted(raw, key=lambda item: item.key):
        if (side := places.sides.side_of.get(item.key)) is not None:
            by_side[side].append(item)
    samples, seen = recipe.prepare.shard_samples, recipe.preprocessing
    jobs = (
        Job(
            f"{side}-{start // samples:05d}",
            side,
            tuple(items[start : start + samples]),
            seen.size,
            seen.jpeg_quality,
            folder,
            recipe.prepare.shard_bytes,
        )
        for side, items in by_side.items()
        for start in range(0, len(items), samples)
    )
    return {job.key: job for job in jobs}


def _left_out(scan: ProductScan) -> tuple[dict[str, str], dict[str, Mapping[str, Any]]]:
    """Rows that were left out on purpose and those at fault, of both domains; their tables have the same lines."""
    skipped: dict[str, str] = {}
    faults: dict[str, Mapping[str, Any]] = {}
    for one, prefix in ((scan, ""), (scan.probe, f"{PROBE}-")):
        if one is not None:
            skipped |= {f"{prefix}{key}": why for key, why in one.skipped.items()}
            faults |= {f"{prefix}{fault.key}": fault.reason() for fault in one.faults}
    return skipped, faults


def _write_reports(
    folder: Path, raw: Sequence[Raw], seen: Sequence[Seen], places: Places, recipe: CatalogRecipe
) -> dict[str, int]:
    """Write ``sides.csv`` and ``leakage.json``; returns the figures of the latter that DONE has."""
    sides, near = places.sides.side_of, recipe.prepare.near
    both = list(zip(raw, seen, strict=True))
    table = sides_table(
        SideRow(item.key, item.group, sides[item.key], item.label, one.content)
        for item, one in both
        if item.key in sides
    )
    write_atomic(folder / SIDES_FILE, table)
    placed = [
        Placed(
            item.key,
            item.words.title,
            item.words.text,
            item.group,
            item.label,
            sides.get(item.key, ""),
            one.look,
        )
        for item, one in both
    ]
    told = leakage(placed, places.near, same_bits=near.same_bits, least_variance=near.least_variance)
    write_json(folder / LEAKAGE, told)
    return {"groups": told["groups"]["count"], "pairs_across": told["across"]["pairs"]}


def _mini(manifest: Manifest, count: int) -> dict[str, Any]:
    """The first shards of the training side, for a quick try with any reader of WebDataset."""
    shards = manifest.splits["train"][:count]
    names = [f"shards/train/{shard.name}" for shard in shards]
    return {"shards": names, "samples": sum(shard.samples for shard in shards)}
