"""A scorecard as a task would write one, a page of all that pages can show, and names nobody should choose."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import numpy as np
import pytest

from rushes.evaluate.pages import (
    Clip,
    Head,
    Markup,
    Plane,
    Section,
    confusion,
    differences,
    drawing,
    facts,
    fell_into_one_class,
    framed,
    gallery,
    image,
    join,
    legend,
    note,
    page,
    palette,
    parts,
    pill,
    remarks,
    result,
    side_by_side,
    strips,
    systems,
    tag,
)
from rushes.evaluate.pages.charts import Bin, curves, loss_curve, reliability
from rushes.evaluate.pages.whiskers import of_parts, whiskers
from rushes.evaluate.scorecard import (
    Clusters,
    FigureRow,
    Part,
    Scorecard,
    Standing,
    System,
    Value,
)
from rushes.media.image import encode_jpeg

EVIL = '<script>alert("x")</script>'
SYSTEMS = {
    "model": System(role="model", what="the trained net"),
    "untrained": System(role="ablation", what="the net before training"),
    "majority": System(role="baseline", what="always the most frequent class of the training side"),
    "prior": System(role="baseline", what="guesses each class as often as it occurs in training"),
    "teacher": System(role="reference", what="the net that it was distilled from"),
    "grammar_prior_true": System(role="ceiling", what="most frequent successor of the true operation"),
}


def figure(title, meaning, *, unit="", better="higher", bounds=(0.0, 1.0), headline=False, compared=False):
    return FigureRow(
        title=title,
        meaning=meaning,
        unit=unit,
        better=better,
        bounds=bounds,
        headline=headline,
        compared=compared,
    )


FIGURES = {
    "oca": figure("OCA", "share of clips whose operation is named exactly", headline=True, compared=True),
    "tiou_50": figure(
        "tIoU@0.5",
        "share of clips whose segment overlaps the true one by half of their union or more",
        headline=True,
        compared=True,
    ),
    "boundary_error_s": figure(
        "boundary error",
        "median distance of answered from true boundaries; a miss costs the clip's length",
        unit="s",
        better="lower",
        bounds=(0.0, None),
        headline=True,
        compared=True,
    ),
    "aa_1": figure("AA@1", "share of clips whose next operation is named exactly", compared=True),
    "macro_f1": figure("macro F1", "mean F1 of the operations that the clips hold"),
    "edit": figure("edit", "Levenshtein similarity of the order of operations", bounds=(0.0, 100.0)),
    "loss": figure("loss", "cross-entropy", better="lower", bounds=(0.0, None)),
    "ece": figure("ECE", "how far confidence is off the share of right answers", better="lower"),
    "parse_rate": figure("parsed", "share of answers that could be read"),
}
CENTRES = {"boundary_error_s": 2.4, "edit": 40.0, "loss": 1.3}
MODEL = {"oca": 0.91, "tiou_50": 0.55, "boundary_error_s": 0.41, "edit": 83.2, "loss": 0.31, "ece": 0.05}


def value(at, n=116, clusters=22, width=0.06, *, unsure=False):
    if unsure:
        return Value(value=at, low=None, high=None, n=n, clusters=clusters)
    return Value(value=at, low=at * (1 - width), high=at * (1 + width), n=n, clusters=clusters)


def made_part(rng, kind="all", name="", condition="", *, n=116, count=22, systems=SYSTEMS, figures=FIGURES):
    estimates = {}
    for system in systems:
        estimates[system] = {}
        for key in figures:
            centre = CENTRES.get(key, 0.4)
            at = MODEL.get(key, 0.85) if system == "model" else centre * rng.uniform(0.4, 1.3)
            if system in ("majority", "prior") and key in ("edit", "ece"):
                continue
            estimates[system][key] = value(at * rng.uniform(0.95, 1.05), n, count, unsure=count < 2)
    standings, against = {}, {}
    for key, row in figures.items():
        if not row.compared:
            continue
        own, verdicts = estimates["model"][key].value, {"oca": "better", "aa_1": "worse"}
        rivals = {s: v[key].value for s, v in estimates.items() if s != "model" and key in v}
        against[key] = {
            rival: Standing(
                rival=rival,
                value=at,
                difference=value(own - at, n, count, -0.4 if own < at else 0.4),
                verdict=verdicts.get(key, "cannot be told"),
            )
            for rival, at in rivals.items()
        }
        trivial = {s: at for s, at in rivals.items() if SYSTEMS[s].role == "baseline"}
        best = (min if row.better == "lower" else max)(trivial, key=trivial.get)
        standings[key] = against[key][best]
    return Part(
        kind=kind,
        name=name,
        condition=condition,
        n=n,
        clusters=Clusters(by="person", count=count),
        estimates=estimates,
        standings=standings,
        against=against,
    )


def made_card(**changes):
    rng = random.Random(1)
    few = {name: SYSTEMS[name] for name in ("model", "majority", "prior")}
    some = {name: FIGURES[name] for name in ("oca", "tiou_50", "boundary_error_s", "macro_f1")}
    small = {"systems": few, "figures": some}
    parts = (
        made_part(rng),
        *(
            made_part(rng, "class", name, n=n, count=c, **small)
            for name, n, c in (("Assemble Box", 40, 8), ("Insert Items", 52, 8), (EVIL, 24, 1))
        ),
        *(made_part(rng, "group", f"U01{n:02}", n=10 + n, count=3, **small) for n in range(8)),
        *(
            made_part(rng, "band", name, "speed", n=20, count=5, **small)
            for name in ("still", "slow", "fast")
        ),
    )
    found = {
        "task": "operations",
        "split": "test",
        "systems": SYSTEMS,
        "figures": FIGURES,
        "parts": parts,
        "intervals": "95 % bootstrap intervals resample persons where there are at least 5.",
        "remarks": ("2 of 116 answers could not be read; they count as wrong.",),
        "provenance": {
            "metric_version": 7,
            "seed": 0,
            "signatures": {"predict": "a91bfe12", "train": "77aa01"},
        },
    }
    return Scorecard(**(found | changes))


LABELS = (
    "Picking",
    "Relocate Label",
    "Assemble Box",
    "Insert Items",
    "Close Box",
    "Attach Label",
    "Scan",
    "Idle",
)


def counts(rng, columns):
    rows = []
    for row in range(len(LABELS)):
        line = [rng.randrange(4) if rng.random() < 0.3 else 0 for _ in range(columns)]
        line[row] = rng.randrange(10, 40)
        rows.append([0 if column == 7 else count for column, count in enumerate(line)])
    rows[7] = [0] * columns
    return rows


def picture(number):
    y, x = np.mgrid[0:120, 0:200]
    red = 127 + 120 * np.sin(x / (11 + number) + y / 17)
    return encode_jpeg(np.stack([red, 2 * y, 255 - x], axis=2).astype(np.uint8), 80)


def clips(evil):
    for number in range(9):
        right = number % 3 != 0
        truth = LABELS[number % 3 + 1]
        said = truth if right else LABELS[number % 5 + 2]
        caption = join(
            (
                tag("code", f"U0108-{number:03}"),
                " ",
                tag("b", said, class_="good" if right else "bad"),
                f" truth {truth}",
            )
        )
        heading = "Worst answers" if number < 4 else "Best answers"
        shown = image(picture(number), f"frames of {evil}")
        if number == 8:
            plane = Plane(60, 10, 1000, 90, (0, 10), (-1, 1))
            line = plane.line([(t / 10, math.sin(t / 9)) for t in range(100)], "#1f6f8b")
            shown = drawing(1080, 140, *plane.axes("s", "motion"), line, label="motion over the clip")
        yield Clip(shown, caption, right, truth, heading)


def example_page(card, evil=EVIL):
    rng = random.Random(2)
    colours = palette(LABELS)
    bins = [
        Bin(c, min(c + rng.uniform(-0.1, 0.1), 1), max(c - 0.2, 0), min(c + 0.15, 1), rng.randrange(4, 90))
        for c in (0.15, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    ]
    phases = {
        "captions": [(step, 2.4 * math.exp(-step / 60) + rng.uniform(0, 0.2)) for step in range(0, 200, 2)],
        "clips": [(step, 1.4 * math.exp(-step / 90) + rng.uniform(0, 0.1)) for step in range(0, 400, 2)],
    }
    scores = {"validation": [(40 * n, 0.9 - 0.6 * math.exp(-n / 3)) for n in range(12)]}
    truth = [(n * 12.0, n * 12.0 + 12.0, LABELS[n % 6]) for n in range(30)]
    raw = [(n * 6.0, n * 6.0 + 6.0, LABELS[rng.randrange(6)] if n % 7 else None) for n in range(60)]
    smoothed = [(0.0, 360.0, "Picking")]
    flagged = fell_into_one_class(truth, smoothed)
    timeline = tag(
        "figure",
        tag("figcaption", tag("code", "U0108 S0500"), pill(flagged, "warn")),
        strips({"truth": truth, "raw": raw, "smoothed": smoothed}, colours, "labels of U0108 S0500"),
    )
    classes = card.of_kind("class")
    bands = of_parts(card, card.of_kind("band", "speed"), "boundary_error_s", "speed")
    head = Head(
        title=f"operations-twin {evil}",
        what=f"report of a run of {card.task}, measured on the {card.split} side",
        date=datetime(2026, 10, 3, 14, 5, tzinfo=UTC),
        command="rushes run recipes/operations-twin.yaml",
        model="Qwen3-VL of 4 layers, 1.2 M parameters",
        sizes={"training clips": 1_240, "test clips": "116 of 22 persons", "frames a clip": 8},
    )
    few = [row[:3] for row in counts(rng, 8)[:3]]
    sections = [
        Section("Result", result(card)),
        Section("All clips", systems(card)),
        Section("Against others", differences(card)),
        Section("Classes", parts(card, "class", more={"in training": {one.name: 412 for one in classes}})),
        Section(
            "Persons",
            join(
                (
                    whiskers(
                        of_parts(card, card.of_kind("group"), "oca"), "OCA", at={"all": 0.9}, span=(0.0, 1.0)
                    ),
                    parts(card, "group"),
                )
            ),
        ),
        Section("Speed", join((whiskers(bands, "boundary error, s"), parts(card, "band", "speed")))),
        Section(
            "Confusion",
            join(
                (
                    confusion(LABELS, (*LABELS, "unreadable"), counts(rng, 9)),
                    side_by_side(
                        (
                            framed("Three", confusion(LABELS[:3], LABELS[:3], few)),
                            framed("ECE", reliability(bins)),
                        )
                    ),
                )
            ),
        ),
        Section(
            "Training",
            side_by_side(
                (
                    framed("Loss", loss_curve(phases), "One phase after the other."),
                    framed(
                        "Macro-F1",
                        curves(scores, "macro-F1", y_range=(0, 1), marks={"majority": 0.2}, kept=(440, 0.88)),
                    ),
                )
            ),
        ),
        Section("Timelines", join((legend(colours, {label for *_, label in truth}), timeline))),
        Section("Clips", join((note("The frames that the model saw."), gallery(list(clips(evil)), "clips")))),
        Section("Empty", Markup("")),
        Section("Provenance", join((remarks([evil]), facts(card.provenance)))),
    ]
    return page(head, sections)


@pytest.fixture(scope="session")
def evil():
    return EVIL


@pytest.fixture(scope="session")
def card():
    return made_card()


@pytest.fixture(scope="session")
def text(card):
    return example_page(card)


@pytest.fixture(scope="session")
def again(card):
    """The same page, written once more."""
    return example_page(card)
