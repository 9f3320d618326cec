"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from rushes.evaluate.pages import (
    Cell,
    Column,
    Head,
    Markup,
    Section,
    confusion,
    differences,
    facts,
    framed,
    interval,
    join,
    note,
    number,
    page,
    palette,
    parts,
    pill,
    remarks,
    result,
    side_by_side,
    systems,
    table,
    timelines,
)
from rushes.evaluate.pages.charts import Bin, curves, reliability
from rushes.evaluate.pages.whiskers import of_parts, whiskers
from rushes.evaluate.scorecard import Scorecard, counted
from rushes.stages import write_atomic
from rushes.tasks.sounds.evaluate.answers import read_answers
from rushes.tasks.sounds.evaluate.measure import GROUP_CLIPS
from rushes.tasks.sounds.evaluate.names import SMOOTHED, TEACHER
from rushes.tasks.sounds.report.spectrograms import SampleOf, surest, wall
from rushes.train.events import Event

CLASSES = 8  # on the wall
CARDS = 3  # of a class, recognised and missed
GROUPS = 40  # drawn at most
STRIPS = 12  # recordings drawn over time
FEW = 6  # classes whose confusion is drawn on half of the page


def write_report(
    path: Path,
    head: Head,
    card: Scorecard,
    predictions: pa.Table,
    *,
    events: Sequence[Event],
    preprocessing: Mapping[str, Any],
    sample_of: SampleOf,
    deploy: Mapping[str, Any] | None = None,
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        card: what `rushes.tasks.sounds.evaluate.measure.evaluate` returned.
        predictions: what it was measured on.
        events: of the training, in order.
        preprocessing: the preprocessing as plain values.
        sample_of: a clip's sample by its key.
        deploy: ``deploy.json``, where the net was exported.

    Raises:
        MetricError: predictions without clips.
        ShardError, MediaError: a clip that cannot be read.
    """
    answers = read_answers(predictions, card.details["labels"])
    classes = card.of_kind("class")
    worst = sorted(classes, key=lambda part: part.estimates[card.model]["f1"].value)[:CLASSES]
    walls = surest(answers, sorted(answers.labels.index(part.name) for part in worst), CARDS)
    sections = [
        Section("Result", result(card)),
        Section("All systems", systems(card)),
        Section("Classes", _classes(card)),
        Section("Groups", _groups(card)),
        Section("Recordings", _recordings(card)),
        Section("Training", _training(card, events)),
        Section("Distillation", _distillation(card)),
        Section("Device", _device(deploy)),
        Section(
            "Sounds",
            join(
                (note(_shown(preprocessing, few=len(worst) < len(classes))), wall(walls, answers, sample_of))
            ),
        ),
        Section("Preprocessing", facts(preprocessing)),
        Section("Provenance", facts(_provenance(card))),
    ]
    write_atomic(path, page(head, sections))


def _classes(card: Scorecard) -> Markup:
    """Each class in figures, what it is taken for, and how far confidence can be trusted."""
    details = card.details
    matrix = framed("Confusion", confusion(details["labels"], details["labels"], details["confusion"]))
    ece = card.all.estimates[card.model]["ece"]
    bins = [
        Bin(one["confidence"], share["value"], share["low"], share["high"], share["n"])
        for one in details["calibration"]["bins"]
        for share in (one["accuracy"],)
    ]
    said = (
        f"ECE {number(ece.value)} ({interval(ece.low, ece.high)}) over {ece.n:,} clips; large dots hold many."
    )
    sure = framed("Confidence", reliability(bins), said)
    tiles = side_by_side([matrix, sure], 440 if len(card.of_kind("class")) <= FEW else 1000)
    return join((parts(card, "class", more={"in training": details["train"]}), tiles))


def _groups(card: Scorecard) -> Markup:
    """Each wearer or speaker, from the worst on."""
    found = card.of_kind("group")
    if not card.details["groups"]:
        return note("There are none: nobody said who is in these sounds.")
    if not found:
        return note(f"No group has {GROUP_CLIPS} clips, so none has figures of its own.")
    said = (
        "Macro-F1 over the classes that a group has or was said to have, from the worst group on: "
        f"{min(len(found), GROUPS)} of {card.details['groups']:,} groups; those of fewer than {GROUP_CLIPS} "
        "clips have no figures. Ticks: other systems on the same clips, orange the best baseline."
    )
    overall = {"all clips": card.all.estimates[card.model]["f1_macro"].value}
    drawing = whiskers(of_parts(card, found[:GROUPS], "f1_macro"), "macro-F1", at=overall, span=(0.0, 1.0))
    return join((note(said), drawing, parts(card, "group")))


def _recordings(card: Scorecard) -> Markup:
    """Figures of whole recordings, and what is heard in each over time; nothing where sounds have a class each."""
    found = card.details.get("timeline")
    if found is None:
        return Markup("")
    [part] = card.of_kind("timeline")
    recordings = found["recordings"]
    said = (
        f"{counted(len(recordings), 'recording')}, an answer every {found['hop_s']:g} s; smoothed: the median of "
        f"{found['smooth_s']:g} s. Figures of events are measured again without each {part.clusters.by}, PSDS "
        "without each group or recording, so one recording tells nothing about others."
    )
    colours = palette(found["events"])  # background has none
    drawn = timelines(recordings, (card.model, SMOOTHED), colours, noun="recording", most=STRIPS)
    return join((note(said), systems(card, part), differences(card, part), drawn))


def _training(card: Scorecard, events: Sequence[Event]) -> Markup:
    """Loss and macro-F1 over optimizer steps, side by side; nothing where no event tells of the training."""

    def points(kind: str, field: str) -> list[tuple[int, float]]:
        return [(event["step"], event[field]) for event in events if event["kind"] == kind]

    tiles = []
    lines = {"training": points("train", "loss"), "validation": points("validation", "loss")}
    if any(lines.values()):
        said = "Validation counts labels alone; training has the teacher's opinion in it, where there is one."
        tiles.append(framed("Loss", curves(lines, "loss"), said))
    if f1_macro := points("validation", "f1_macro"):
        step, value = kept = max(f1_macro, key=lambda point: point[1])  # of equal ones the first
        said = f"On the validation side after each epoch; ringed: the kept one, step {step} with {value:.3f}."
        standing = card.all.standings["f1_macro"]
        drawing = curves(
            {"validation": f1_macro},
            "macro-F1",
            y_range=(0.0, 1.0),
            marks={f"{standing.rival}, side {card.split}": standing.value},
            kept=kept,
        )
        tiles.append(framed("Macro-F1", drawing, said))
    return side_by_side(tiles) if tiles else Markup("")


def _distillation(card: Scorecard) -> Markup:
    """The net beside its teacher; nothing without one."""
    if TEACHER not in card.systems:
        return Markup("")
    said = (
        f"Net and teacher give the same answer to {card.details['agreement']:.1%} of the clips. Whether the teacher "
        "helped is another question: it is answered by the same net trained without one, which the leaderboard "
        "of a campaign shows."
    )
    return join((differences(card, systems=[TEACHER]), note(said)))


def _device(report: Mapping[str, Any] | None) -> Markup:
    """What the net costs on a device, and whether it fits; nothing where it was not exported.

    Args:
        report: ``deploy.json``, see `rushes.tasks.sounds.export`.
    """
    if report is None:
        return Markup("")
    verdict, time, f1 = report["verdict"], report["time"], report["f1_macro"]
    size, clips = report["bytes"], report["clips"]
    columns: list[Column | str] = [
        "",
        Column("weights", unit="bytes", better="lower"),
        Column("file", unit="bytes", better="lower"),
        Column(f"macro-F1 on {clips['evaluation']:,} clips", better="higher"),
        Column("median latency of a clip", unit="ms", better="lower"),
        Column("95 % latency", unit="ms", better="lower"),
    ]
    rows = [
        ["floats", size["fp32"], size["onnx"], *_cells(f1["fp32"], time["p50_ms"], time["p95_ms"])],
        [
            "8 bits",
            size["int8"],
            size["onnx_int8"],
            *_cells(f1["int8"], time["int8_p50_ms"], time["int8_p95_ms"]),
        ],
    ]
    pinned = "pinned to one core" if time["pinned"] else "on one thread, not pinned to a core"
    said = (
        f"{report['parameters']:,} parameters; {report['macs_per_clip']:,} multiplications and additions a "
        f"clip, {report['macs_per_s']:,} for a second of sound. Eight bits change macro-F1 by "
        f"{-f1['drop']:+.4f}; their ranges were chosen on {clips['calibration']:,} training clips. Logits of the "
        f"exported net differ from the trained one's by {report['parity']:.1e} at most. Latency on this "
        f"machine, {pinned}."
    )
    fits = pill("fits", "good") if verdict["fits"] else pill("does not fit", "bad")
    return join((fits, remarks(verdict["reasons"], fine=verdict["fits"]), table(columns, rows), note(said)))


def _cells(f1: float, median_ms: float, high_ms: float) -> list[Cell]:
    return [Cell(number(value, places), value) for value, places in ((f1, 3), (median_ms, 2), (high_ms, 2))]


def _shown(preprocessing: Mapping[str, Any], *, few: bool) -> str:
    worst = f", the {CLASSES} classes of least F1" if few else ""
    return (
        f"Spectrograms as the net is given them, by true class{worst}: the clips that it was surest about, "
        f"right and wrong, of as many groups as there are. {preprocessing['clip_s']:g} s from left to right, "
        f"{preprocessing['low_hz']:g} Hz at the bottom to {preprocessing['high_hz']:g} Hz at the top on the mel scale. "
        "Above each: the answer with its probability, and where it is wrong the truth with its own."
    )


def _provenance(card: Scorecard) -> dict[str, Any]:
    weights = [f"{weight:.4g}" for weight in card.details["class_weights"]]
    costs = card.details["costs"]
    return {"class_weights": weights, **({"costs": costs} if costs else {}), **card.provenance}
