"""The report's tables and what is drawn beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rushes.evaluate.markup import Markup, join, table, table_row, tag
from rushes.evaluate.plots import interval_bar, reliability
from rushes.tasks.sounds.evaluate.measure import GROUP_CLIPS, spread
from rushes.tasks.sounds.evaluate.names import (
    BASELINES,
    COMPARED,
    FIGURES,
    HEADLINE,
    LOWER_IS_BETTER,
    MEANINGS,
    MODEL,
    SYSTEMS,
    TEACHER,
    TITLES,
    in_order,
    shown,
)
from rushes.tasks.sounds.report import plots

Figure = Mapping[str, Any]
Metrics = Mapping[str, Any]

GROUPS = 40  # drawn at most
FEW = 6  # classes whose confusion is drawn on half of the page
ALONE = "grid-template-columns:minmax(0, 1fr)"
PAIRS = "grid-template-columns:repeat(auto-fit, minmax(min(440px, 100%), 1fr))"


def remark(*said: object) -> Markup:
    """A line in small print."""
    return tag("p", *said, class_="note")


def framed(heading: str, *content: object) -> Markup:
    """A tile with a heading."""
    return tag("div", tag("h3", heading), *content, class_="tile")


def result(metrics: Metrics) -> Markup:
    """Headline figures against their best baselines, and in words what keeps them from meaning much."""
    said = metrics["remarks"]
    if said:
        box = tag("div", tag("ul", *(tag("li", line) for line in said)), class_="remarks")
    else:
        fine = "On every compared figure the net is above its best baseline by more than the 95 % interval."
        box = tag("div", fine, class_="remarks fine")
    units = metrics["clusters"]
    counted = (
        f"{metrics['n']:,} clips of {metrics['groups']:,} groups on side {metrics['split']}, resampled by "
        f"{units['count']:,} units ({units['by']}). "
    )
    tiles = (_tile(metrics, name) for name in HEADLINE)
    return join((tag("div", *tiles, class_="grid"), box, remark(counted, metrics["intervals"]["rule"])))


def _tile(metrics: Metrics, name: str) -> Markup:
    """One headline figure, large, with its place among the baselines."""
    systems, best = metrics["systems"], metrics["best"][name]
    found = systems[MODEL][name]
    rivals = {rival: systems[rival][name]["value"] for rival in BASELINES}
    drawn = {end: found["value"] if found[end] is None else found[end] for end in ("value", "low", "high")}
    look, word = "warn", "not clearly above"
    if best["above"]:
        look, word = "good", "above"
    elif best["difference"] < 0:
        look, word = "bad", "below"
    return tag(
        "div",
        tag("h3", TITLES[name], title=MEANINGS[name]),
        tag("div", shown(found["value"]), tag("small", _interval(found)), class_="figure"),
        interval_bar(drawn, rivals),
        tag(
            "div",
            tag("span", f"{word} {best['best']}", class_=f"pill {look}"),
            tag("small", f" {shown(best['value'])}; difference {spread(best)}"),
        ),
        class_="tile",
    )


def _interval(found: Figure) -> str:
    return "" if found["low"] is None else f"[{shown(found['low'])}, {shown(found['high'])}]"


def systems_table(metrics: Metrics) -> Markup:
    """All figures of all systems; the best baseline of each is underlined."""
    rows = []
    for name in in_order(metrics["systems"]):
        found = metrics["systems"][name]
        cells = [
            cell(
                found.get(figure),
                best=metrics["best"].get(figure, {}).get("best") == name,
                flag=metrics["best"].get(figure) if name == MODEL else None,
            )
            for figure in FIGURES
        ]
        role = MODEL if name == MODEL else "ceiling" if name == TEACHER else None
        rows.append(table_row([tag("span", name, title=SYSTEMS[name]), *cells], class_=role))
    heads = [tag("span", TITLES[figure], title=MEANINGS[figure]) for figure in FIGURES]
    said = "; ".join(f"{name}: {SYSTEMS[name]}" for name in BASELINES)
    note = f"Underlined: best baseline. {said}."
    return join((remark(note), table(["", *heads], rows)))


def cell(found: Figure | None, *, best: bool = False, flag: Figure | None = None) -> Markup:
    """A figure with its interval below; ``flag`` colours the net's figure by how it stands."""
    if found is None:
        return tag("td", tag("span", "·", class_="none"))
    look = "best" if best else None
    if flag is not None:
        worse = flag["difference"] > 0 if flag["lower_is_better"] else flag["difference"] < 0
        look = "good" if flag["above"] else "bad" if worse else "warn"
    ends = None
    if found["low"] is not None:
        ends = tag("small", f"{shown(found['low'])} – {shown(found['high'])}", class_="ci")
    return tag("td", tag("span", shown(found["value"]), class_=look), ends)


def classes(metrics: Metrics) -> Markup:
    """Each class in figures, and what it is taken for."""
    rows = []
    for label in metrics["labels"]:
        part = metrics["per_class"][label]
        cells = (cell(part[name]) for name in ("f1", "precision", "recall"))
        rows.append([label, f"{part['support']:,}", f"{metrics['train'][label]:,}", *cells])
    heads = ("class", "clips", "in training", "F1", "precision", "recall")
    note = "Rows are the truth, columns the answer; shares of the row, with the number of clips below."
    matrix = framed("Confusion", remark(note), plots.confusion(metrics["labels"], metrics["confusion"]))
    ece = metrics["systems"][MODEL]["ece"]
    note = f"ECE {shown(ece['value'])} {_interval(ece)} over {ece['n']:,} clips; large dots hold many."
    sure = framed("Confidence", remark(note), reliability(metrics["calibration"]["bins"]))
    tiles = tag("div", matrix, sure, class_="grid", style=PAIRS if len(rows) <= FEW else ALONE)
    return join((table(heads, rows), tag("div", tiles, style="margin-top:14px")))


def groups(metrics: Metrics) -> Markup:
    """Each wearer or speaker, from the worst on."""
    found = metrics["by_group"]
    if not found:
        return remark(f"No group has {GROUP_CLIPS} clips, so none has figures of its own.")
    order = sorted(found, key=lambda name: (found[name]["f1_macro"]["value"], name))
    drawn = [(name, found[name]) for name in order[:GROUPS]]
    note = (
        f"Macro-F1 over the classes that a group has or was said to have, from the worst group on, with "
        f"intervals that resample its clips; {len(drawn)} of {metrics['groups']:,} groups. Groups of fewer "
        f"than {GROUP_CLIPS} clips have none. Dashed: all clips."
    )
    overall = metrics["systems"][MODEL]["f1_macro"]["value"]
    return join(
        (remark(note), framed(TITLES["f1_macro"], plots.group_rows(drawn, overall, figure="f1_macro")))
    )


def distillation(metrics: Metrics) -> Markup | None:
    """The net beside its teacher; nothing without one."""
    found = metrics["distillation"]
    if found is None:
        return None
    rows = []
    for figure in COMPARED:
        ours, theirs = (metrics["systems"][name][figure] for name in (MODEL, TEACHER))
        off = found["differences"][figure]
        gain = -off["value"] if figure in LOWER_IS_BETTER else off["value"]
        sure = off["low"] is not None and (off["low"] > 0 or off["high"] < 0)
        look = "warn" if not sure else "good" if gain > 0 else "bad"
        rows.append(
            [TITLES[figure], cell(ours), cell(theirs), tag("td", tag("span", spread(off), class_=look))]
        )
    note = (
        f"On the same clips and draws. Net and teacher give the same answer to {found['agreement']:.1%} of "
        "the clips. Whether the teacher helped is another question: it is answered by the same net trained "
        "without one, which the leaderboard of a campaign shows."
    )
    return join((remark(note), table(["", "net", "teacher", "net less teacher"], rows)))


def deploy(report: Mapping[str, Any] | None) -> Markup | None:
    """What the net costs on a device, and whether it fits; nothing where it was not exported.

    Args:
        report: ``deploy.json``, see `rushes.tasks.sounds.export`.
    """
    if report is None:
        return None
    verdict, time, f1 = report["verdict"], report["time"], report["f1_macro"]
    size, clips = report["bytes"], report["clips"]
    look, word = ("good", "fits") if verdict["fits"] else ("bad", "does not fit")
    reasons = tag("ul", *(tag("li", reason) for reason in verdict["reasons"]), style="margin:6px 0 14px")
    rows = [
        ["weights, bytes", f"{size['fp32']:,}", f"{size['int8']:,}"],
        ["file, bytes", f"{size['onnx']:,}", f"{size['onnx_int8']:,}"],
        [f"macro-F1 on {clips['evaluation']:,} clips", shown(f1["fp32"]), shown(f1["int8"])],
        ["median latency of a clip, ms", f"{time['p50_ms']:.2f}", f"{time['int8_p50_ms']:.2f}"],
        ["95 % latency, ms", f"{time['p95_ms']:.2f}", f"{time['int8_p95_ms']:.2f}"],
    ]
    pinned = "pinned to one core" if time["pinned"] else "on one thread, not pinned to a core"
    note = (
        f"{report['parameters']:,} parameters; {report['macs_per_clip']:,} multiplications and additions a "
        f"clip, {report['macs_per_s']:,} for a second of sound. Eight bits cost {f1['drop']:+.4f} of "
        f"macro-F1; their ranges were chosen on {clips['calibration']:,} training clips. Logits of the "
        f"exported net differ from the trained one's by {report['parity']:.1e} at most. Latency on this "
        f"machine, {pinned}."
    )
    return join(
        (
            tag("p", tag("span", word, class_=f"pill {look}")),
            reasons,
            table(["", "floats", "8 bits"], rows),
            remark(note),
        )
    )


def chosen_classes(metrics: Metrics, most: int) -> Sequence[int]:
    """Places of the classes, at most so many: those of the least F1, in the order of the labels."""
    labels, parts = metrics["labels"], metrics["per_class"]
    worst = sorted(range(len(labels)), key=lambda place: parts[labels[place]]["f1"]["value"])
    return sorted(worst[:most])
