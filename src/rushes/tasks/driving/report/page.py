"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.evaluate.pages import (
    Cell,
    Clip,
    Column,
    Head,
    Markup,
    Section,
    differences,
    facts,
    framed,
    gallery,
    interval,
    join,
    note,
    number,
    page,
    parts,
    places,
    result,
    side_by_side,
    systems,
    table,
    tag,
    value_cell,
)
from rushes.evaluate.pages.charts import Points, loss_curve
from rushes.evaluate.pages.whiskers import of_parts, whiskers
from rushes.evaluate.scorecard import Scorecard, Value
from rushes.evaluate.tables import shown, with_unit
from rushes.metrics.egomotion import speed_bands, turn_classes
from rushes.stages import write_atomic
from rushes.tasks.driving.evaluate.answers import Answers, Windows, read_answers
from rushes.tasks.driving.evaluate.measure import Errors, answered, errors_of
from rushes.tasks.driving.evaluate.names import COMPARED, QUANTITIES, SPEED, YAW
from rushes.tasks.driving.report.cards import SampleOf, alignment, best_and_worst, caption, draw, scores
from rushes.tasks.driving.report.plots import Track, clip_over_time, scatter

CARDS = 4
CLIPS = 8
BANDS = ("speed", "turn")  # the conditions that are drawn; those of tags stand in tables alone
HALF = 520  # pixels of a drawing that has another one beside it


def write_report(
    path: Path,
    head: Head,
    card: Scorecard,
    predictions: pa.Table,
    *,
    losses: Mapping[str, Points],
    preprocessing: Mapping[str, Any],
    sample_of: SampleOf,
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: where to.
        head: of the page.
        card: what `rushes.tasks.driving.evaluate.measure.evaluate` returned.
        predictions: what it was measured on.
        losses: for each phase of training its (step, loss) points.
        preprocessing: the preprocessing as plain values.
        sample_of: a window's sample by its key.

    Raises:
        MetricError: predictions without windows.
        ShardError, MediaError: a window that cannot be read.
    """
    windows, asked = read_answers(predictions)
    model = asked[card.model]
    errors = errors_of(windows, model, card.details["constants"][card.details["failures"]["charged"]])
    keys = windows.key.tolist()
    sections = [
        Section("Result", result(card)),
        Section("All systems", _systems(card)),
        Section("Speed and turn", _bands(card)),
        Section("Conditions", _conditions(card)),
        Section("Truth and answer", _scatters(windows, model)),
        Section("Clips over time", _clips(windows, model, errors, card)),
        Section("Intervals", _coverage(card)),
        Section("Failures", _failures(card)),
        Section("Training", _training(losses)),
        Section("Windows", _windows(card, windows, model, errors, predictions, sample_of)),
        Section("Camera alignment", _aligned(alignment(keys, sample_of))),
        Section("Preprocessing", facts(preprocessing)),
        Section("Provenance", facts(_provenance(card))),
    ]
    write_atomic(path, page(head, sections))


def _systems(card: Scorecard) -> Markup:
    """Mean errors first, then the others, then differences."""
    rest = [name for name in card.figures if name not in (*COMPARED, "parse_rate")]
    return join(
        (
            systems(card, figures=(*COMPARED, "parse_rate")),
            tag("h3", "Root mean square and median errors"),
            systems(card, figures=rest, folded=True),
            tag("h3", "The model beside each other system"),
            differences(card),
        )
    )


def _bands(card: Scorecard) -> Markup:
    """Errors by speed band and by turn, drawn and in figures."""
    limits = card.details["thresholds"]
    said = (
        f"still: below {limits['still_mps']:g} m/s of true mean speed; fast: from {limits['fast_mps']:g} m/s "
        f"on. left and right: from {limits['turn_deg']:g}° of true yaw on. Dots: the model with its interval; "
        "orange: the best baseline there; grey: other systems. Intervals are cut at the edge."
    )
    tiles = []
    for name in COMPARED:
        figure = card.figures[name]
        lines = [
            line
            for condition in BANDS
            for line in of_parts(card, card.of_kind("band", condition), name, condition)
        ]
        reach = 1.05 * max(value for line in lines for value in (line.value, *line.others.values()))
        drawn = whiskers(lines, with_unit(figure), span=(0.0, reach or 1.0), width=HALF)
        tiles.append(framed(figure.title, drawn))
    return join((note(said), side_by_side(tiles, HALF), *(parts(card, "band", one) for one in BANDS)))


def _conditions(card: Scorecard) -> Markup:
    """Errors by what the source tells of a clip; nothing where it tells nothing that differs."""
    conditions = dict.fromkeys(part.condition for part in card.parts if part.kind == "band")
    return join(parts(card, "band", one) for one in conditions if one not in BANDS)


def _scatters(windows: Windows, model: Answers) -> Markup:
    said = "Each dot is a window; on the dashed line answer and truth agree. Red ticks: no readable answer."
    tiles = (
        framed(one.title, scatter(windows.truth[one.column], model.values[one.column], one))
        for one in QUANTITIES
    )
    return join((note(said), side_by_side(list(tiles))))


def _clips(windows: Windows, model: Answers, errors: Errors, card: Scorecard) -> Markup:
    """Clips from the one with the largest error in speed to the one with the smallest."""
    off = np.abs(errors[SPEED.column].signed)
    clips = np.unique(windows.recording)
    mean = np.array([off[windows.recording == clip].mean() for clip in clips])
    order = np.argsort(-mean, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), CLIPS)).astype(int))]
    said = (
        f"{len(chosen)} of {len(clips)} clips, from the largest error in speed to the smallest. Black: the "
        "truth. Blue: the answer, with the model's own 90 % interval behind it. Red ticks: no readable "
        "answer."
    )
    title, drawn = card.figures[SPEED.figure("mae")].title, []
    for at in chosen:
        rows = np.flatnonzero(windows.recording == clips[at])
        if len(rows) < 2:
            continue
        middle = windows.start_s[rows] + card.details["windows"]["span_s"] / 2
        speed, yaw = (_track(windows, model, one.column, rows, middle) for one in (SPEED, YAW))
        words = (tag("code", clips[at]), tag("span", f"{title} {shown(mean[at])} {SPEED.unit}"))
        drawn.append(Clip(clip_over_time(speed, yaw, str(clips[at])), join(words)))
    return join((note(said), gallery(drawn, "clips", least=440))) if drawn else Markup("")


def _track(
    windows: Windows, model: Answers, column: str, rows: NDArray[np.int64], middle: NDArray[np.float64]
) -> Track:
    nothing = np.full((len(windows), 2), np.nan)
    answers = [model.values[column][row] for row in rows]
    return Track(middle, windows.truth[column][rows], answers, model.intervals.get(column, nothing)[rows])


def _coverage(card: Scorecard) -> Markup:
    """How often the truth lies inside of the model's own intervals."""
    calibration = card.details["calibration"]
    if calibration is None:
        return note("The model gave no intervals.")
    rows: list[Sequence[Any]] = []
    for one in QUANTITIES:
        found = calibration["quantities"].get(one.column)
        if found is not None:
            inside, width = Value.model_validate(found["coverage"]), found["width"]
            sides = (Cell(number(found[side]), found[side]) for side in ("below", "above"))
            rows.append(
                [f"{one.title} ({one.unit})", inside.n, value_cell(inside), *sides, Cell(shown(width), width)]
            )
    nominal = f"{100 * calibration['nominal']:.0f} %"
    said = (
        f"How often the truth lies inside the {nominal} interval of the model's own distribution over "
        f"answers: at {nominal} it knows how sure it may be, below that it is too sure. Shares, and the mean "
        "width of an interval in the unit of its row."
    )
    heads = ("quantity", "windows", "inside", "truth below", "truth above", "mean width")
    return join((note(said), table(heads, rows)))


def _failures(card: Scorecard) -> Markup:
    """Parse rates and both errors: failures charged, and over the answers alone."""
    failures, rows = card.details["failures"], []
    digits = {name: places(found[name].value for found in card.all.estimates.values()) for name in COMPARED}
    for name, found in failures["systems"].items():
        estimates = card.all.estimates[name]
        cells = [found["failed"], value_cell(estimates["parse_rate"])]
        for figure in COMPARED:
            alone = found["answered"].get(figure)
            below = () if alone is None else (f"answered {_with_interval(alone, digits[figure])}",)
            cells.append(value_cell(estimates[figure], digits[figure], below=below))
        rows.append([name, *cells])
    said = (
        f"A failed answer never leaves the denominator: it is charged the error of {failures['charged']}. "
        "Mean absolute errors so, and below each the one over the answers alone."
    )
    heads = (Column.of(card.figures[name]) for name in ("parse_rate", *COMPARED))
    columns: list[Column | str] = ["system", "failed", *heads]
    reasons = [
        [name, Markup.escape(reason), count]
        for name, found in failures["systems"].items()
        for reason, count in found["reasons"].items()
    ]
    why = table(["system", Column("reason", text=True), "answers"], reasons) if reasons else None
    return join((note(said), table(columns, rows), why))


def _with_interval(value: Mapping[str, Any], digits: int) -> str:
    ends = interval(value["low"], value["high"], digits)
    return f"{number(value['value'], digits)}{f' ({ends})' if ends else ''}"


def _training(losses: Mapping[str, Points]) -> Markup:
    if not any(losses.values()):
        return Markup("")
    said = "Training loss per optimizer step, one phase after the other."
    return side_by_side([framed("Loss", loss_curve(losses), said)], HALF)


def _windows(
    card: Scorecard,
    windows: Windows,
    model: Answers,
    errors: Errors,
    predictions: pa.Table,
    sample_of: SampleOf,
) -> Markup:
    """Windows as the model was shown them: the worst, the best, and those without a readable answer."""
    details = card.details
    charged = details["failures"]["charged"]
    score = scores(windows, errors, details["constants"][charged])
    best, worst, unread = best_and_worst(windows, errors, score, CARDS)
    wanted = pc.and_(
        pc.equal(predictions["variant"], card.model),
        pc.is_in(predictions["key"], pa.array([*best, *worst, *unread])),
    )
    rows = {row["key"]: row for row in predictions.filter(wanted).to_pylist()}
    at = {key: place for place, key in enumerate(windows.key.tolist())}
    right, kinds = answered(errors) & (score < 1), _kinds(windows, details["thresholds"])
    spans = {name: _span(truth, model.values[name]) for name, truth in windows.truth.items()}
    said = (
        "The pictures as the model was shown them, its first, a middle and its last moment; below them the "
        "truth (black) and the answer (blue) with the model's own 90 % interval. At most one window of a clip "
        f"under each heading. Right here means nearer to the truth than {charged} is on average."
    )
    cards = [
        Clip(
            draw(rows[key], sample_of(key), spans),
            caption(rows[key]),
            right=bool(right[at[key]]),
            label=str(kinds[at[key]]),
            heading=heading,
        )
        for heading, keys in (
            ("Worst answers", worst),
            ("Best answers", best),
            ("No readable answer", unread),
        )
        for key in keys
    ]
    return join((note(said), gallery(cards, "windows", least=700)))


def _kinds(windows: Windows, limits: Mapping[str, float]) -> NDArray[np.str_]:
    """How each window was driven, (n,), as ``slow, left``."""
    bands = speed_bands(
        windows.truth[SPEED.column], still_mps=limits["still_mps"], fast_mps=limits["fast_mps"]
    )
    turns = turn_classes(windows.truth[YAW.column], turn_deg=limits["turn_deg"])
    return np.array([f"{band}, {turn}" for band, turn in zip(bands, turns, strict=True)])


def _span(truth: NDArray[np.float64], answers: Sequence[float | None]) -> tuple[float, float]:
    """Whole numbers between which all truths and answers lie."""
    values = [*truth, *(value for value in answers if value is not None), 0.0]
    return float(np.floor(min(values))), float(np.ceil(max([*values, min(values) + 1.0])))


def _aligned(offsets: Mapping[str, NDArray[np.float64]]) -> Markup:
    """How far each camera's frames are off the reference camera's moments, given in seconds."""
    rows: list[list[Cell | int]] = []
    for name, seconds in offsets.items():
        size = 1000 * np.abs(seconds)
        spread = (np.median(size), np.quantile(size, 0.95), size.max())
        mean = 1000 * seconds.mean()
        rows.append(
            [
                Cell(name, name, () if size.any() else ("reference",)),
                len(size),
                *(Cell(number(value, 1), float(value)) for value in spread),
                Cell(number(mean, 1, sign=True), float(mean)),
            ]
        )
    said = (
        "Between the moment of a window, which is that of a frame of the reference camera, and the frame of "
        "each camera that stands for it."
    )
    heads = ("median |dt|", "95 % |dt|", "largest |dt|", "mean dt")
    return join((note(said), table(["camera", "frames", *(Column(head, unit="ms") for head in heads)], rows)))


def _provenance(card: Scorecard) -> dict[str, Any]:
    details = card.details
    return {
        "scorecard": card.version,
        "windows": details["windows"],
        "clusters": details["clusters"],
        "thresholds": details["thresholds"],
        "constants": details["constants"],
        **card.provenance,
    }
