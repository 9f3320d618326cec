"""The report: one HTML file that needs nothing else, for people who look before they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rushes.evaluate.markup import Markup, join, table, table_row, tag
from rushes.evaluate.page import facts, page
from rushes.evaluate.plots import heat, interval_bar, legend, loss_curve, palette, reliability, strips
from rushes.stages import write_atomic
from rushes.tasks.operations.evaluate.answers import read_answers
from rushes.tasks.operations.evaluate.names import HEADLINE, MEANINGS, MODEL, SYSTEMS, TITLES, in_order, shown
from rushes.tasks.operations.evaluate.tables import CLIP_COLUMNS, TIMELINE_COLUMNS
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.report.contact import best_and_worst, draw, read_card

CARDS = 4
PAIRS = 12
STRIPS = 12
Figure = Mapping[str, Any]


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    predictions: pa.Table,
    *,
    title: str,
    losses: Mapping[str, Sequence[tuple[int, float]]],
    preprocessing: Mapping[str, Any],
    sample_of: Callable[[str], Sample],
    signals_of: Callable[[str], NDArray],
) -> None:
    """Write one self-contained HTML file, whole or not at all.

    Args:
        path: where to.
        metrics: what `rushes.tasks.operations.evaluate.measure.evaluate` returned, also as it comes back from JSON.
        predictions: what it was measured on.
        title: name of the run.
        losses: for each phase of training its (step, loss) points.
        preprocessing: the preprocessing as plain values.
        sample_of: a clip by its key.
        signals_of: its signals by its key, (frames, 3): time on the clip's clock, entropy, motion.

    Raises:
        MetricError: predictions without clips.
        ShardError, MediaError: a clip that cannot be read.
    """
    cards = _contact_sheets(metrics, predictions, sample_of, signals_of)
    write_atomic(path, page(title, _sections(metrics, losses, preprocessing, cards)))


def _sections(
    metrics: Mapping[str, Any],
    losses: Mapping[str, Sequence[tuple[int, float]]],
    preprocessing: Mapping[str, Any],
    cards: Markup,
) -> dict[str, Markup]:
    """The report's sections in order."""
    colours = palette(metrics["labels"])
    return {
        "Result": _result(metrics),
        "All clips": _systems(metrics["all"], metrics["systems"]),
        "Contract subset": _systems(metrics["contract"], metrics["systems"]),
        "Classes": _parts(metrics["per_class"], metrics["labels"], "operation"),
        "Subjects": _parts(metrics["per_subject"], sorted(metrics["per_subject"]), "subject"),
        "Confusion": join((_confusion(metrics["confusion"]), _pairs(metrics["confused_pairs"]))),
        "Confidence and loss": _curves(metrics["calibration"], losses),
        "Timelines": _timelines(metrics["timeline"], colours),
        "Clips": join((legend(colours), cards)),
        "preprocessing": facts(preprocessing),
        "Provenance": facts(
            {"metric_version": metrics["metric_version"], **metrics["intervals"], **metrics["provenance"]}
        ),
    }


def _result(metrics: Mapping[str, Any]) -> Markup:
    """Headline figures against their best baselines, and in words where the model does not win."""
    block = metrics["all"]
    remarks = block["remarks"]
    if remarks:
        said = tag("div", tag("ul", *(tag("li", remark) for remark in remarks)), class_="remarks")
    else:
        fine = "On every compared figure the model is above its best baseline by more than the 95 % interval."
        said = tag("div", fine, class_="remarks fine")
    units = block["clusters"]
    counted = f"{block['n']} clips, resampled by {units['count']} units ({units['by']}). "
    return join(
        (
            tag("div", *(_tile(block, metric) for metric in HEADLINE), class_="grid"),
            said,
            tag("p", counted + metrics["intervals"]["rule"], class_="note"),
        )
    )


def _tile(block: Mapping[str, Any], metric: str) -> Markup:
    """One headline figure, large, with its place among the baselines."""
    figure = block["systems"][MODEL][metric]
    interval = f"[{shown(figure['low'])}, {shown(figure['high'])}]"
    rivals = {name: rival["value"] for name, rival in block["versus"][metric].items()}
    return tag(
        "div",
        tag("h3", TITLES[metric], title=MEANINGS[metric]),
        tag("div", shown(figure["value"]), tag("small", interval), class_="figure"),
        interval_bar(figure, rivals),
        _verdict(block["best"].get(metric)),
        class_="tile",
    )


def _verdict(best: Figure | None) -> Markup | None:
    """Above, not to be told from, or below the best baseline."""
    if best is None:
        return None
    look, word = ("warn", "not clearly above")
    if best["above"]:
        look, word = "good", "above"
    elif best["difference"] < 0:
        look, word = "bad", "below"
    difference = f"{best['difference']:+.3f} [{best['low']:+.3f}, {best['high']:+.3f}]"
    return tag(
        "div",
        tag("span", f"{word} {best['best']}", class_=f"pill {look}"),
        tag("small", f" {shown(best['value'])}; difference {difference}"),
    )


def _systems(block: Mapping[str, Any], systems: Mapping[str, Mapping[str, str]]) -> Markup:
    """All systems on some clips; the best baseline of each column is underlined."""
    columns = (*CLIP_COLUMNS, "tiou_30", "tiou_70", "allowed", "transition_distance", "ece", "failure_rate")
    halves = (columns[:6], columns[6:])
    units = block["clusters"]
    note = (
        f"{block['n']} clips, resampled by {units['count']} units ({units['by']}). Underlined: best baseline."
    )
    return join(
        (
            tag("p", note, class_="note"),
            *(_figures(block["systems"], half, systems, block["best"]) for half in halves),
        )
    )


def _figures(
    found: Mapping[str, Mapping[str, Figure]],
    columns: Sequence[str],
    systems: Mapping[str, Mapping[str, str]],
    best: Mapping[str, Figure],
) -> Markup:
    """A row for each system that has one of the figures."""
    rows = []
    for name in in_order(found):
        if not any(column in found[name] for column in columns):
            continue
        cells = [
            _cell(
                found[name].get(column),
                best=best.get(column, {}).get("best") == name,
                flag=best.get(column) if name == MODEL else None,
            )
            for column in columns
        ]
        role = systems[name]["role"] if name in systems else ""
        label = tag("span", name, title=SYSTEMS.get(name, ""))
        rows.append(table_row([label, *cells], class_=role))
    heads = [tag("span", TITLES[column], title=MEANINGS.get(column)) for column in columns]
    return tag("div", table(["", *heads], rows), style="margin-bottom:14px")


def _cell(figure: Figure | None, *, best: bool = False, flag: Figure | None = None) -> Markup:
    """A figure with its interval below; ``flag`` colours the model's figure by how it stands."""
    if figure is None:
        return tag("td", tag("span", "·", class_="none"))
    look = "best" if best else None
    if flag is not None:
        worse = flag["difference"] > 0 if flag.get("lower_is_better") else flag["difference"] < 0
        look = "good" if flag["above"] else "bad" if worse else "warn"
    interval = None
    if figure["low"] is not None:
        interval = tag("small", f"{shown(figure['low'])} – {shown(figure['high'])}", class_="ci")
    return tag("td", tag("span", shown(figure["value"]), class_=look), interval)


def _parts(parts: Mapping[str, Any], names: Sequence[str], what: str) -> Markup:
    """Model and best baseline side by side for each class or subject."""
    extra = [column for column in ("precision", "f1") if any(column in part for part in parts.values())]
    columns = (*HEADLINE, "tiou_mean")
    rows = []
    for name in names:
        if name not in parts:
            continue
        part = parts[name]
        cells = [cell for column in columns for cell in _against(part["systems"], column)]
        rows.append([name, part["n"], *cells, *(shown(part[column]) for column in extra)])
    heads = [head for column in columns for head in (TITLES[column], "best baseline")]
    note = (
        "Best baseline: the highest of all baselines on these very clips; red where the model is below it. "
        "The majority baseline is always right about its own class."
    )
    return join(
        (
            tag("p", note, class_="note"),
            table([what, "clips", *heads, *(column.replace("f1", "F1") for column in extra)], rows),
        )
    )


def _against(systems: Mapping[str, Mapping[str, Figure]], column: str) -> tuple[Markup, Markup]:
    """The model's cell and that of its best baseline."""
    rivals = {
        name: found[column]["value"]
        for name, found in systems.items()
        if column in found and name not in (MODEL, "grammar_prior_true")
    }
    ours = systems[MODEL][column]
    if not rivals:
        return _cell(ours), _cell(None)
    best = max(in_order(rivals), key=lambda name: rivals[name])
    flag = {"difference": ours["value"] - rivals[best], "above": ours["value"] > rivals[best]}
    value = tag("td", shown(rivals[best]), tag("small", best, class_="ci"))
    return _cell(ours, flag=flag), value


def _confusion(confusion: Mapping[str, Any]) -> Markup:
    """Counts with the share of the true class as background; a column for unreadable answers if any."""
    labels, counts = list(confusion["labels"]), [list(row) for row in confusion["counts"]]
    if not any(row[-1] for row in counts):
        labels, counts = labels[:-1], [row[:-1] for row in counts]
    classes = confusion["labels"][:-1]
    rows = []
    for label, row in zip(classes, counts, strict=False):
        total = sum(row)
        cells = [
            tag(
                "td",
                count or "",
                title=f"{label} taken for {other}: {count} of {total}",
                style=heat(count / total),
            )
            for other, count in zip(labels, row, strict=True)
            if total
        ] or [tag("td")] * len(labels)
        rows.append(table_row([tag("th", label), *cells, tag("td", total)]))
    heads = ["", *(tag("span", label) for label in labels), tag("span", "clips")]
    note = "Rows are the truth, columns the answer; counts of clips, coloured by their share of the row."
    return join((tag("p", note, class_="note"), table(heads, rows, class_="confusion")))


def _pairs(confused: Mapping[str, Any]) -> Markup:
    """Ordered pairs, highest rate first."""
    note = (
        f"One operation taken for another, highest rate first; operations with fewer than "
        f"{confused['minimum_support']} clips are left out, intervals resample operations."
    )
    pairs = confused["pairs"][:PAIRS]
    if not pairs:
        return join((tag("h3", "Confused pairs"), tag("p", "None.", class_="note")))
    rows = [
        [
            tag("span", pair["truth"], " → ", tag("b", pair["predicted"] or "no answer")),
            f"{pair['count']} of {pair['rate']['n']}",
            pair["operations"],
            _cell(pair["rate"]),
            _cell(pair.get("less_untrained")),
        ]
        for pair in pairs
    ]
    heads = ["truth → answer", "clips", "operations", "rate", "less untrained"]
    return join((tag("h3", "Confused pairs"), tag("p", note, class_="note"), table(heads, rows)))


def _curves(
    calibration: Mapping[str, Any] | None, losses: Mapping[str, Sequence[tuple[int, float]]]
) -> Markup:
    """Reliability diagram and loss curve side by side."""
    tiles = []
    if calibration is not None:
        note = f"ECE {calibration['ece']:.3f} over {calibration['n']} readable answers; large dots hold many."
        tiles.append(_tile_of("Reliability", note, reliability(calibration["bins"])))
    if any(losses.values()):
        note = "Training loss per optimizer step, one phase after the other."
        tiles.append(_tile_of("Loss", note, loss_curve(losses)))
    return tag("div", *tiles, class_="grid")


def _tile_of(heading: str, note: str, picture: Markup) -> Markup:
    return tag("div", tag("h3", heading), tag("p", note, class_="note"), picture, class_="tile")


def _timelines(timeline: Mapping[str, Any] | None, colours: Mapping[str, str]) -> Markup:
    if timeline is None:
        return tag("p", "No session was cut into windows.", class_="note")
    note = (
        f"{timeline['ticks']} ticks of {timeline['stride_s']:g} s in {len(timeline['sessions'])} session(s); "
        f"intervals resample by {timeline['clusters']}; "
        "where sessions are few, figures of whole sessions carry none."
    )
    drawn = [
        tag("figure", tag("figcaption", tag("code", session["key"])), strips(session, colours))
        for session in timeline["sessions"][:STRIPS]
    ]
    if len(timeline["sessions"]) > STRIPS:
        drawn.append(tag("p", f"The first {STRIPS} sessions are drawn.", class_="note"))
    figures = _figures(timeline["systems"], TIMELINE_COLUMNS, {}, {})
    return join((tag("p", note, class_="note"), figures, legend(colours), *drawn))


def _contact_sheets(
    metrics: Mapping[str, Any],
    predictions: pa.Table,
    sample_of: Callable[[str], Sample],
    signals_of: Callable[[str], NDArray],
) -> Markup:
    colours = palette(metrics["labels"])
    clips, systems = read_answers(predictions)
    best, worst = best_and_worst(clips, systems[MODEL], CARDS)
    wanted = pc.and_(
        pc.equal(predictions["variant"], MODEL), pc.is_in(predictions["key"], pa.array([*best, *worst]))
    )
    rows = {row["key"]: row for row in predictions.filter(wanted).to_pylist()}
    note = (
        "The frames that the model saw, each tied to its moment on the clip's signals; below them the true "
        "and the answered segment, coloured by operation. At most one clip of a boundary."
    )
    parts: list[Markup] = [tag("p", note, class_="note")]
    for heading, keys in (("Worst answers", worst), ("Best answers", best)):
        cards = (draw(read_card(rows[key], sample_of, signals_of), colours) for key in keys)
        parts += [tag("h3", heading), *cards]
    return join(parts)
