"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rushes.evaluate.contents import listed
from rushes.evaluate.pages import (
    Column,
    Head,
    Markup,
    Section,
    Strip,
    differences,
    facts,
    found,
    framed,
    join,
    note,
    page,
    parts,
    remarks,
    result,
    side_by_side,
    systems,
    table,
)
from rushes.evaluate.pages.charts import curves
from rushes.evaluate.pages.whiskers import of_parts, whiskers
from rushes.evaluate.scorecard import Part, Scorecard, counted
from rushes.evaluate.search_figures import BASE, OTHER_PICTURE, OTHER_TEXT, PROBE
from rushes.stages import write_atomic
from rushes.tasks.catalog.evaluate.measure import LEAST
from rushes.train.events import Event

PAIRS = 30
"""Of close pictures in the table."""


def write_report(
    path: Path,
    head: Head,
    card: Scorecard,
    *,
    strips: Sequence[Strip],
    leakage: Mapping[str, Any],
    events: Sequence[Event],
    preprocessing: Mapping[str, Any],
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: of the file.
        head: of the page.
        card: what `rushes.tasks.catalog.evaluate.measure.evaluate` returned.
        strips: questions with their answers.
        leakage: ``leakage.json`` of the dataset, see `rushes.prepare.leakage`.
        events: of the training, in order.
        preprocessing: the preprocessing as plain values.
    """
    sections = [
        Section("Result", result(card)),
        Section("Before and after", _against_base(card)),
        Section("Questions", join((note(_said_of_strips(card)), found(strips)))),
        Section("Kinds of question", _kinds(card)),
        Section("Forgetting", _forgetting(card)),
        Section("Types", _types(card)),
        Section("All systems", systems(card)),
        Section("Split", _split(leakage)),
        Section("Training", _training(card, events)),
        Section("Preprocessing", facts(preprocessing)),
        Section("Provenance", facts(card.provenance)),
    ]
    write_atomic(path, page(head, sections))


def _said_of_strips(card: Scorecard) -> str:
    return (
        f"What {BASE} and {card.model} find among {counted(card.details['gallery'], 'picture')}, best first. Framed in "
        "green: the product itself, or one that is asked for in the same words; dashed: another of its family or a "
        "near-duplicate, which counts as found and gains half. Where scores tie, a place is the mean of those that it "
        "could be. Under a heading no two questions are about one family."
    )


def _against_base(card: Scorecard) -> Markup:
    """The model less the one that training began from."""
    return differences(card, systems=[BASE])


def _kinds(card: Scorecard) -> Markup:
    """Words to pictures beside all other kinds of question about the shop."""
    shop = [card.all.model_copy(update={"name": "text to picture"}), *_subsets(card, other=False)]
    [name, *_] = card.headline
    drawing = whiskers(of_parts(card, shop, name), card.figures[name].title, span=(0.0, 1.0))
    said = note("Ticks: other systems on the same questions, orange the best baseline.")
    return join((said, drawing, parts(card, "subset", figures=[*card.headline, "map", "median_rank"])))


def _forgetting(card: Scorecard) -> Markup:
    """The model less the one before training, on products that training saw nothing like; nothing without any."""
    probes = _subsets(card, other=True)
    if not probes:
        return Markup("")
    said = (
        f"{counted(probes[0].n, 'product')} of another domain, asked for and searched among themselves. Where the "
        "model is worse than the one that training began from, it has forgotten."
    )
    lost = [remark for remark in card.remarks if remark.startswith("forgetting")]
    told = remarks(lost or ["No headline figure shows that anything was forgotten."], fine=not lost)
    each = (framed(part.name, differences(card, part, systems=[BASE])) for part in probes)
    return join((note(said), told, *each))


def _subsets(card: Scorecard, *, other: bool) -> list[Part]:
    return [part for part in card.of_kind("subset") if (part.name in (OTHER_TEXT, OTHER_PICTURE)) == other]


def _types(card: Scorecard) -> Markup:
    """Words to pictures for each type of object, from the worst on."""
    classes = card.of_kind("class")
    if not classes:
        return note(f"No type has {LEAST} products on this side, so none has figures of its own.")
    [name, *_] = card.headline
    worst = sorted(classes, key=lambda part: part.estimates[card.model][name].value)
    at = {"all products": card.all.estimates[card.model][name].value}
    drawing = whiskers(of_parts(card, worst, name), card.figures[name].title, at=at, span=(0.0, 1.0))
    said = note(f"Types of at least {LEAST} products on this side, from the worst on.")
    return join((said, drawing, parts(card, "class", figures=[*card.headline, "map", "median_rank"])))


def _split(leakage: Mapping[str, Any]) -> Markup:
    """What the sides share all the same, and the nearest pairs of products for a look at the rule."""
    across, texts = leakage["across"], leakage["equal_texts"]
    closest = [pair for pair in leakage["closest"] if any(item["side"] != PROBE for item in pair["items"])]
    counts = ", ".join(f"{name} {number:,}" for name, number in leakage["near"].items())
    told = [
        f"{counted(across['pairs'], 'pair')} of pictures within {across['bits']} of 256 bits stand on two sides.",
        f"{counted(texts['texts'], 'text')} of {counted(texts['items'], 'product')} stand on several sides.",
    ]
    said = note(
        f"{counted(leakage['groups']['count'], 'group')} of near-duplicates and families"
        + (f"; close pairs by what joined them: {counts}." if counts else ".")
    )
    columns: list[Column | str] = [
        Column("bits apart"),
        Column("product", text=True),
        Column("side", text=True),
        Column("the other", text=True),
        Column("side", text=True),
        Column("joined by", text=True),
    ]
    rows = [
        [
            str(pair["bits"]),
            *(each for item in pair["items"] for each in (item["title"], item["side"] or "left out")),
            listed(pair["evidence"]) or "nothing: they stay apart",
        ]
        for pair in closest[:PAIRS]
    ]
    of = f"{min(PAIRS, len(closest))} of {counted(len(closest), 'close pair')}"
    return join((remarks(told, fine=not across["pairs"]), said, table(columns, rows, f"The closest {of}")))


def _training(card: Scorecard, events: Sequence[Event]) -> Markup:
    """Loss, and how well the validation side is found; nothing where no event tells of a training."""

    def points(kind: str, field: str) -> list[tuple[int, float]]:
        return [(event["step"], event[field]) for event in events if event["kind"] == kind and field in event]

    tiles = []
    if loss := points("train", "loss"):
        tiles.append(framed("Loss", curves({"training": loss}, "loss")))
    fields = [name for event in events if event["kind"] == "validation" for name in event]
    lines = {name: points("validation", name) for name in dict.fromkeys(fields) if name.startswith("recall_")}
    if lines:
        *_, last = lines
        kept = max(lines[last], key=lambda point: point[1])  # of equal ones the first
        said = f"On the validation side, mean of both ways; ringed: the kept one, step {kept[0]}."
        shown = {name.replace("recall_", "R@"): line for name, line in lines.items()}
        tiles.append(framed("R@k", curves(shown, "R@k", y_range=(0.0, 1.0), kept=kept), said))
    return side_by_side(tiles) if tiles else note("Nothing was trained.")
