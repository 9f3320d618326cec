"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rushes.evaluate.pages import (
    Cell,
    Clip,
    Head,
    Markup,
    Section,
    confusion,
    differences,
    facts,
    framed,
    gallery,
    interval,
    join,
    legend,
    note,
    number,
    page,
    palette,
    parts,
    result,
    side_by_side,
    systems,
    table,
    tag,
    timelines,
    value_cell,
)
from rushes.evaluate.pages.charts import Bin, Points, loss_curve, reliability
from rushes.evaluate.scorecard import Scorecard, Value, counted
from rushes.stages import write_atomic
from rushes.tasks.operations.evaluate.answers import read_answers
from rushes.tasks.operations.report.cards import SampleOf, SignalsOf, best_and_worst, caption, draw, read_card

CARDS = 6  # best and worst each
PAIRS = 12
STRIPS = 12


def write_report(
    path: Path,
    head: Head,
    card: Scorecard,
    predictions: pa.Table,
    *,
    losses: Mapping[str, Points],
    preprocessing: Mapping[str, Any],
    sample_of: SampleOf,
    signals_of: SignalsOf,
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: where to.
        head: of the page.
        card: what `rushes.tasks.operations.evaluate.measure.evaluate` returned.
        predictions: what it was measured on.
        losses: for each phase of training its (step, loss) points.
        preprocessing: the preprocessing as plain values.
        sample_of: a clip by its key.
        signals_of: its signals by its key, (frames, 3): time on the clip's clock, entropy, motion.

    Raises:
        MetricError: predictions without clips.
        ShardError, MediaError: a clip that cannot be read.
    """
    labels = card.details["labels"]
    colours = palette(labels)
    matrix = card.details["confusion"]
    [first] = card.of_kind("subset")
    sections = [
        Section("Result", result(card)),
        Section("All clips", join((systems(card), differences(card)))),
        Section(
            f"{first.name} clips".capitalize(),
            join((systems(card, first, folded=True), differences(card, first))),
        ),
        Section("Operations", parts(card, "class")),
        *([Section("Subjects", parts(card, "group"))] if card.of_kind("group") else []),
        Section(
            "Confusion", join((confusion(labels, matrix["labels"], matrix["counts"][:-1]), _pairs(card)))
        ),
        Section("Confidence and loss", _curves(card, losses)),
        Section("Whole sessions", _sessions(card, colours)),
        Section("Clips", _clips(card, predictions, sample_of, signals_of, colours)),
        Section("Preprocessing", facts(preprocessing)),
        Section(
            "Provenance",
            facts({"scorecard": card.version, "clusters": card.details["clusters"], **card.provenance}),
        ),
    ]
    write_atomic(path, page(head, sections))


def _pairs(card: Scorecard) -> Markup:
    """Operations taken for another one, highest rate first."""
    confused = card.details["confused_pairs"]
    said = (
        "One operation taken for another, highest rate first; operations with fewer than "
        f"{confused['minimum_support']} clips are left out. Clips of one operation move together. Less untrained: "
        "how much more often than the model before training."
    )
    rows = []
    for pair in confused["pairs"][:PAIRS]:
        rate = Value.model_validate(pair["rate"])
        less = Value.model_validate(pair["less_untrained"]) if "less_untrained" in pair else None
        rows.append(
            [
                join((pair["truth"], " → ", tag("b", pair["predicted"] or "no answer"))),
                Cell(f"{pair['count']:,} of {rate.n:,}", pair["count"]),
                pair["operations"],
                value_cell(rate),
                value_cell(less, sign=True),
            ]
        )
    heads = ("truth → answer", "clips", "operations", "rate", "less untrained")
    return join((tag("h3", "Confused pairs"), note(said), table(heads, rows)))


def _curves(card: Scorecard, losses: Mapping[str, Points]) -> Markup:
    """Reliability diagram and loss curve side by side."""
    tiles, found = [], card.details["calibration"]
    if found is not None:
        ece = card.all.estimates[card.model]["ece"]
        said = (
            f"ECE {number(ece.value)} ({interval(ece.low, ece.high)}) over {ece.n:,} readable answers; large dots "
            "hold many."
        )
        bins = [
            Bin(one["confidence"], share["value"], share["low"], share["high"], share["n"])
            for one in found["bins"]
            for share in (one["accuracy"],)
        ]
        tiles.append(framed("Reliability", reliability(bins), said))
    if any(losses.values()):
        said = "Training loss per optimizer step, one phase after the other."
        tiles.append(framed("Loss", loss_curve(losses), said))
    return side_by_side(tiles)


def _sessions(card: Scorecard, colours: Mapping[str, str]) -> Markup:
    """Figures of whole sessions, and the labels of each over time."""
    timeline = card.details["timeline"]
    if timeline is None:
        return note("No session was cut into windows.")
    [part] = card.of_kind("timeline")
    sessions = timeline["sessions"]
    said = (
        f"{timeline['ticks']:,} ticks of {timeline['stride_s']:g} s in {counted(len(sessions), 'session')}, "
        f"{part.n:,} of them labelled. Intervals of edit score, F1@ and mAP leave out a session at a time, so one "
        "session tells nothing about others."
    )
    drawn = timelines(sessions, (card.model, "smoothed"), colours, noun="session", most=STRIPS)
    return join((note(said), systems(card, part), differences(card, part), drawn))


def _clips(
    card: Scorecard,
    predictions: pa.Table,
    sample_of: SampleOf,
    signals_of: SignalsOf,
    colours: Mapping[str, str],
) -> Markup:
    """What the model saw of its worst and best clips, and what it made of it."""
    clips, answers = read_answers(predictions)
    best, worst = best_and_worst(clips, answers[card.model], CARDS)
    wanted = pc.and_(
        pc.equal(predictions["variant"], card.model), pc.is_in(predictions["key"], pa.array([*best, *worst]))
    )
    rows = {row["key"]: row for row in predictions.filter(wanted).to_pylist()}
    said = (
        "The frames that the model saw, each tied to its moment on the clip's signals; below them the true "
        "and the answered segment, coloured by operation. At most one clip of a boundary. Right here means that "
        "the operation is named exactly."
    )
    found = [
        Clip(
            draw(one, colours),
            caption(one),
            right=row["failure"] is None and row["operation"] == row["truth_operation"],
            label=row["truth_operation"],
            heading=heading,
        )
        for heading, keys in (("Worst answers", worst), ("Best answers", best))
        for row in (rows[key] for key in keys)
        for one in (read_card(row, sample_of, signals_of),)
    ]
    present = {label for row in rows.values() for label in (row["truth_operation"], row["operation"])}
    return join((note(said), legend(colours, present), gallery(found, "clips", least=700)))
