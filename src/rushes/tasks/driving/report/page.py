"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rushes.evaluate.markup import Markup, join, tag
from rushes.evaluate.page import facts, page
from rushes.evaluate.plots import loss_curve
from rushes.metrics.egomotion import TARGETS
from rushes.stages import write_atomic
from rushes.tasks.driving.evaluate.answers import System, Windows, read_answers
from rushes.tasks.driving.evaluate.figures import Errors
from rushes.tasks.driving.evaluate.names import (
    HEADLINE,
    MEANINGS,
    MODEL,
    QUANTITIES,
    QUANTITY_OF,
    SPEED,
    TITLES,
    YAW,
    shown,
)
from rushes.tasks.driving.evaluate.tables import failure_remarks
from rushes.tasks.driving.report.cards import SampleOf, alignment, best_and_worst, draw, scores
from rushes.tasks.driving.report.panels import (
    WIDE,
    aligned,
    conditions,
    coverage,
    failed_answers,
    framed,
    marks,
    parts_drawn,
    remark,
    systems_table,
)
from rushes.tasks.driving.report.plots import Track, clip_over_time, error_bar, scatter

CARDS = 4
CLIPS = 8
Figure = Mapping[str, Any]
Metrics = Mapping[str, Any]
Losses = Mapping[str, Sequence[tuple[int, float]]]


def write_report(
    path: Path,
    metrics: Metrics,
    predictions: pa.Table,
    *,
    title: str,
    losses: Losses,
    preprocessing: Mapping[str, Any],
    sample_of: SampleOf,
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: where to.
        metrics: what `rushes.tasks.driving.evaluate.measure.evaluate` returned, also as it comes back from JSON.
        predictions: what it was measured on.
        title: name of the run.
        losses: for each phase of training its (step, loss) points.
        preprocessing: the preprocessing as plain values.
        sample_of: a window's sample by its key.

    Raises:
        MetricError: predictions without windows.
        ShardError, MediaError: a window that cannot be read.
    """
    windows, systems = read_answers(predictions)
    model = systems[MODEL]
    sections = {
        "Result": _result(metrics),
        "All windows": systems_table(metrics),
        "Speed and turn": parts_drawn(metrics),
        "Conditions": conditions(metrics),
        "Truth and answer": _scatters(windows, model),
        "Clips over time": _clips(windows, model, metrics),
        "Intervals and failures": join((coverage(metrics["calibration"]), failed_answers(metrics))),
        "Loss": _loss(losses),
        "Windows": _cards(metrics, windows, model, predictions, sample_of),
        "Camera alignment": aligned(alignment(windows.key.tolist(), sample_of)),
        "preprocessing": facts(preprocessing),
        "Provenance": facts(
            {
                "metric_version": metrics["metric_version"],
                **metrics["intervals"],
                **metrics["thresholds"],
                **metrics["provenance"],
            }
        ),
    }
    write_atomic(path, page(title, {name: part for name, part in sections.items() if part}))


def _result(metrics: Metrics) -> Markup:
    """Headline errors against their best baselines, and in words where the model does not win."""
    block = metrics["all"]
    lines = [*block["remarks"], *failure_remarks(metrics)]
    if block["remarks"]:
        said = tag("div", tag("ul", *(tag("li", line) for line in lines)), class_="remarks")
    else:
        fine = "All four mean errors are smaller than their best baseline's by more than the 95 % interval."
        more = tag("ul", *(tag("li", line) for line in lines)) if lines else None
        said = tag("div", fine, more, class_="remarks fine")
    units = block["clusters"]
    counted = (
        f"{block['n']} windows of {metrics['span_s']:g} s in {metrics['n']['clips']} clips, resampled by "
        f"{units['count']} units ({units['by']}). "
    )
    return join(
        (
            tag("div", *(_tile(metrics, figure) for figure in HEADLINE), class_="grid"),
            said,
            remark(counted, metrics["intervals"]["rule"]),
        )
    )


def _tile(metrics: Metrics, figure: str) -> Markup:
    """One headline error, large, with its place among the baselines."""
    block = metrics["all"]
    found, symbol = block["systems"][MODEL][figure], QUANTITY_OF[figure].symbol
    spread = "" if found["low"] is None else f" [{shown(found['low'])}, {shown(found['high'])}]"
    return tag(
        "div",
        tag("h3", TITLES[figure], title=MEANINGS[figure]),
        tag("div", shown(found["value"]), tag("small", symbol, spread), class_="figure"),
        error_bar(found, marks(metrics, block["systems"], figure)),
        _verdict(block["best"].get(figure)),
        class_="tile",
    )


def _verdict(best: Figure | None) -> Markup | None:
    """Better, not to be told from, or worse than the best baseline."""
    if best is None:
        return None
    look, word = ("warn", "not clearly better than")
    if best["above"]:
        look, word = "good", "better than"
    elif best["difference"] > 0:
        look, word = "bad", "worse than"
    spread = "" if best["low"] is None else f" [{best['low']:+.2f}, {best['high']:+.2f}]"
    return tag(
        "div",
        tag("span", f"{word} {best['best']}", class_=f"pill {look}"),
        tag("small", f" {shown(best['value'])}; difference {best['difference']:+.2f}{spread}"),
    )


def _scatters(windows: Windows, model: System) -> Markup:
    note = "Each dot is a window; on the dashed line answer and truth agree. Red ticks: no readable answer."
    tiles = (
        framed(
            quantity.title,
            scatter(windows.truth[quantity.column], model.answers[quantity.column], quantity),
        )
        for quantity in QUANTITIES
    )
    return join((remark(note), tag("div", *tiles, class_="grid", style=WIDE)))


def _clips(windows: Windows, model: System, metrics: Metrics) -> Markup:
    """Clips from the one with the largest error in speed to the one with the smallest."""
    errors = Errors.of(windows, model, metrics["constants"]["train_median"])
    off = np.abs(errors.signed[SPEED.column])
    clips = np.unique(windows.recording)
    mean = np.array([off[windows.recording == clip].mean() for clip in clips])
    order = np.argsort(-mean, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), CLIPS)).astype(int))]
    note = (
        f"{len(chosen)} of {len(clips)} clips, from the largest error in speed to the smallest. Black: the "
        "truth. Blue: the answer, with the model's own 90 % interval behind it. Red ticks: no readable "
        "answer."
    )
    tiles = []
    for number in chosen:
        rows = np.flatnonzero(windows.recording == clips[number])
        if len(rows) < 2:
            continue
        middle = windows.start_s[rows] + metrics["span_s"] / 2
        speed, yaw = (_track(windows, model, quantity.column, rows, middle) for quantity in (SPEED, YAW))
        caption = (
            tag("code", clips[number]),
            tag("span", f"{TITLES[SPEED.figure('mae')]} {shown(mean[number])}"),
        )
        drawn = clip_over_time(speed, yaw, str(clips[number]))
        tiles.append(tag("figure", tag("figcaption", *caption), drawn))
    return join((remark(note), tag("div", *tiles, class_="grid", style=WIDE)))


def _track(windows: Windows, model: System, column: str, rows: Sequence[int], middle: Any) -> Track:
    spans = (model.intervals or {}).get(column)
    nothing = np.full((len(rows), 2), np.nan)
    answers = [model.answers[column][row] for row in rows]
    return Track(middle, windows.truth[column][rows], answers, nothing if spans is None else spans[rows])


def _loss(losses: Losses) -> Markup | None:
    if not any(losses.values()):
        return None
    note = remark("Training loss per optimizer step, one phase after the other.")
    return tag("div", note, loss_curve(losses), class_="tile", style="max-width:560px")


def _cards(
    metrics: Metrics, windows: Windows, model: System, predictions: pa.Table, sample_of: SampleOf
) -> Markup:
    constant = metrics["constants"]["train_median"]
    errors = Errors.of(windows, model, constant)
    best, worst, unread = best_and_worst(windows, errors, scores(windows, errors, constant), CARDS)
    wanted = pc.and_(
        pc.equal(predictions["variant"], MODEL),
        pc.is_in(predictions["key"], pa.array([*best, *worst, *unread])),
    )
    rows = {row["key"]: row for row in predictions.filter(wanted).to_pylist()}
    ranges = {name: _axis(windows.truth[name], model.answers[name]) for name in TARGETS}
    note = (
        "The pictures as the model was shown them, its first, a middle and its last moment; below them "
        "the truth (black) and the answer (blue) with the model's own 90 % interval. At most one "
        "window of a clip."
    )
    parts: list[Markup] = [remark(note)]
    for heading, keys in (("Worst answers", worst), ("Best answers", best), ("No readable answer", unread)):
        if keys:
            parts.append(tag("h3", heading))
            parts += [draw(rows[key], sample_of(key), ranges) for key in keys]
    return join(parts)


def _axis(truth: Any, answers: Sequence[float | None]) -> tuple[float, float]:
    """Whole numbers between which all truths and answers lie."""
    values = [*truth, *(value for value in answers if value is not None), 0.0]
    return float(np.floor(min(values))), float(np.ceil(max([*values, min(values) + 1.0])))
