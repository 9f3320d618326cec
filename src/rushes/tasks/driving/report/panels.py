"""The report's tables and what is drawn beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.evaluate.markup import Markup, join, table, table_row, tag
from rushes.tasks.driving.evaluate.names import (
    COMPARED,
    MEANINGS,
    MODEL,
    QUANTITIES,
    QUANTITY_OF,
    SYSTEMS,
    TITLES,
    in_order,
    shown,
    values_in_order,
)
from rushes.tasks.driving.evaluate.tables import PARTS, best_rival
from rushes.tasks.driving.report.plots import Mark, error_rows

Figure = Mapping[str, Any]
Metrics = Mapping[str, Any]

WIDE = "grid-template-columns:repeat(auto-fit, minmax(480px, 1fr))"  # two drawings side by side


def remark(*said: object) -> Markup:
    """A line in small print."""
    return tag("p", *said, class_="note")


def marks(metrics: Metrics, systems: Mapping[str, Any], figure: str) -> list[Mark]:
    """Every baseline's error as a mark on a line."""
    best = best_rival(metrics, systems, figure)
    return [
        Mark(name, found[figure]["value"], name == best, metrics["baselines"][name]["privileged"])
        for name, found in systems.items()
        if name != MODEL
    ]


def systems_table(metrics: Metrics) -> Markup:
    """All systems on all windows: mean errors first, then root mean squares and medians, then differences."""
    block = metrics["all"]
    units = block["clusters"]
    note = (
        f"{block['n']} windows, resampled by {units['count']} units ({units['by']}). Underlined: best "
        "baseline that knows no truth. In italics: privileged systems, which are told a true speed; no model "
        "has to beat them."
    )
    squares, medians = ([quantity.figure(name) for quantity in QUANTITIES] for name in ("rmse", "median"))
    return join(
        (
            remark(note),
            _figures(metrics, (*COMPARED, "parse_rate")),
            tag("h3", "Root mean square and median errors"),
            _figures(metrics, squares),
            _figures(metrics, medians),
            tag("h3", "Difference of the model to each system on the same windows"),
            remark("Mean absolute error of the model less that of the system; below 0 the model is better."),
            _paired(metrics),
        )
    )


def _figures(metrics: Metrics, columns: Sequence[str]) -> Markup:
    block, rows = metrics["all"], []
    for name in in_order(block["systems"]):
        found = block["systems"][name]
        cells = [
            _cell(
                found[column] if column != "parse_rate" or name in metrics["failures"]["systems"] else None,
                best=block["best"].get(column, {}).get("best") == name,
                flag=block["best"].get(column) if name == MODEL else None,
            )
            for column in columns
        ]
        rows.append(table_row([_name(metrics, name), *cells], class_=_role(metrics, name)))
    heads = [tag("span", TITLES[column], title=MEANINGS.get(column)) for column in columns]
    return tag("div", table(["", *heads], rows), style="margin-bottom:14px")


def _name(metrics: Metrics, name: str) -> Markup:
    return tag("span", name, title=SYSTEMS.get(name, ""))


def _role(metrics: Metrics, name: str) -> str:
    return MODEL if name == MODEL else metrics["baselines"][name]["role"]


def _cell(
    figure: Figure | None, *, best: bool = False, flag: Figure | None = None, below: str | None = None
) -> Markup:
    """A figure with its interval, and what else is to be said, below it.

    ``flag`` colours the model's figure by how it stands.
    """
    if figure is None:
        return tag("td", tag("span", "·", class_="none"))
    look = "best" if best else None
    if flag is not None:
        look = "good" if flag["above"] else "bad" if flag["difference"] > 0 else "warn"
    interval = None
    if figure["low"] is not None:
        interval = tag("small", f"{shown(figure['low'])} – {shown(figure['high'])}", class_="ci")
    more = None if below is None else tag("small", below, class_="ci")
    return tag("td", tag("span", shown(figure["value"]), class_=look), interval, more)


def _paired(metrics: Metrics) -> Markup:
    rows = []
    for name in in_order(metrics["baselines"]):
        cells = []
        for figure in COMPARED:
            found = metrics["paired"][figure][name]
            look = "good" if found["above"] else "bad" if found["difference"] > 0 else "warn"
            spread = None
            if found["low"] is not None:
                spread = tag("small", f"{found['low']:+.2f} to {found['high']:+.2f}", class_="ci")
            cells.append(tag("td", tag("span", f"{found['difference']:+.2f}", class_=look), spread))
        rows.append(table_row([_name(metrics, name), *cells], class_=_role(metrics, name)))
    return table(["against", *(TITLES[figure] for figure in COMPARED)], rows)


def parts_drawn(metrics: Metrics) -> Markup:
    """Errors by speed band and by turn, drawn and in figures."""
    limits = metrics["thresholds"]
    note = (
        f"still: below {limits['still_mps']:g} m/s of true mean speed; fast: from {limits['fast_mps']:g} m/s "
        f"on. left and right: from {limits['turn_deg']:g}° of true yaw on. Dots: the model with its "
        "interval; orange: best baseline there; grey: other baselines; dashed: privileged. Beside each part "
        "stands its "
        "number of windows; baselines beyond the edge are left out."
    )
    tiles = []
    for figure in COMPARED:
        groups = {
            part: [
                (value, found[MODEL][figure], marks(metrics, found, figure))
                for value in values_in_order(metrics[part])
                if (found := metrics[part][value]["systems"])
            ]
            for part, _ in PARTS
        }
        tiles.append(framed(TITLES[figure], error_rows(groups, QUANTITY_OF[figure])))
    grid = tag("div", *tiles, class_="grid", style=WIDE)
    tables = [_parts_table(metrics, metrics[part], name) for part, name in PARTS]
    return join((remark(note), grid, *tables))


def conditions(metrics: Metrics) -> Markup:
    """Errors by what the source tells of a clip; nothing where it tells nothing that differs."""
    return join(_parts_table(metrics, metrics["by_tag"][name], name) for name in sorted(metrics["by_tag"]))


def _parts_table(metrics: Metrics, parts: Mapping[str, Any], what: str) -> Markup:
    """Model and best baseline side by side in each part."""
    rows = []
    for value in values_in_order(parts):
        part, cells = parts[value], []
        for figure in COMPARED:
            ours, rival = part["systems"][MODEL][figure], best_rival(metrics, part["systems"], figure)
            if rival is None:
                cells.append(_cell(ours))
                continue
            theirs = part["systems"][rival][figure]["value"]
            flag = {"difference": ours["value"] - theirs, "above": ours["value"] < theirs}
            cells.append(_cell(ours, flag=flag, below=f"{rival} {shown(theirs)}"))
        rows.append([value, part["n"], *cells])
    heads = [TITLES[figure] for figure in COMPARED]
    return tag(
        "div", tag("h3", f"By {what}, with the best baseline there"), table([what, "windows", *heads], rows)
    )


def framed(heading: str, *content: object) -> Markup:
    """A tile with a heading."""
    return tag("div", tag("h3", heading), *content, class_="tile")


def coverage(calibration: Metrics | None) -> Markup:
    """How often the truth lies inside of the model's own intervals."""
    if calibration is None:
        return remark("The model gave no intervals.")
    rows = []
    for quantity in QUANTITIES:
        found = calibration["quantities"].get(quantity.column)
        if found is not None:
            sides = (f"{found[side]:.3f}" for side in ("below", "above"))
            width = f"{shown(found['width'])} {quantity.symbol}"
            rows.append([quantity.title, found["coverage"]["n"], _cell(found["coverage"]), *sides, width])
    nominal = f"{calibration['nominal']:.0%}"
    note = (
        f"How often the truth lies inside the {nominal} interval of the model's own distribution over "
        f"answers: at {nominal} it knows how sure it may be, below that it is too sure."
    )
    heads = ("quantity", "windows", "inside", "truth below", "truth above", "mean width")
    return join((remark(note), table(heads, rows)))


def failed_answers(metrics: Metrics) -> Markup:
    """Parse rates and the two figures: failures charged, and over the answers alone."""
    failures, rows = metrics["failures"], []
    for name in in_order(failures["systems"]):
        found = failures["systems"][name]
        cells = [found["failed"], _cell(found["parse_rate"])]
        for figure in COMPARED:
            cells += [_cell(metrics["all"]["systems"][name][figure]), _cell(found["answered"].get(figure))]
        rows.append(table_row([_name(metrics, name), *cells], class_=_role(metrics, name)))
    heads = [head for quantity in QUANTITIES for head in (quantity.title, "answered")]
    note = (
        f"A failed answer never leaves the denominator: it is charged the error of {failures['charged']}. "
        "Mean absolute errors so, and beside each the one over the answers alone."
    )
    reasons = [
        tag("li", tag("b", name), f": {count} × {reason}")
        for name in in_order(failures["systems"])
        for reason, count in failures["systems"][name]["reasons"].items()
    ]
    said = [tag("h3", "Failed answers"), remark(note), table(["", "failed", "parsed", *heads], rows)]
    return join([*said, tag("ul", *reasons) if reasons else None])


def aligned(offsets: Mapping[str, NDArray[np.float64]]) -> Markup:
    """How far each camera's frames are off the reference camera's moments, given in seconds."""
    rows = []
    for name, seconds in offsets.items():
        size = 1000 * np.abs(seconds)
        reference = tag("small", " reference") if not size.any() else None
        spread = (np.median(size), np.quantile(size, 0.95), size.max(), 1000 * seconds.mean())
        rows.append(
            [
                tag("span", name, reference),
                len(size),
                *(f"{value:.1f}" for value in spread[:3]),
                f"{spread[3]:+.1f}",
            ]
        )
    note = (
        "Milliseconds between the moment of a window, which is that of a frame of the reference camera, "
        "and the frame of each camera that stands for it."
    )
    heads = ("camera", "frames", "median |dt| (ms)", "95 % |dt| (ms)", "largest |dt| (ms)", "mean dt (ms)")
    return join((remark(note), table(heads, rows)))
