"""``leaderboard.html``: the whole campaign on one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rushes.campaign.judging.gate import corrected_text
from rushes.campaign.judging.standing import Board, Standing, aggregate, baseline_of
from rushes.campaign.pages.cells import TITLES, cost, figure, number, signed
from rushes.campaign.pages.leaderboard import COSTS, LATENCY, figures_of
from rushes.campaign.pages.logs import Negative, negatives
from rushes.campaign.pages.plots import Priced, Whisker, against_bytes, whiskers
from rushes.campaign.records import Opening, Result, Selection, Verdict
from rushes.evaluate.markup import Markup, join, table, table_row, tag
from rushes.evaluate.page import page
from rushes.evaluate.plots import ACCENT, BAD
from rushes.stages import write_atomic

FILE = "leaderboard.html"

PILLS = {"done": "good", "collapsed": "warn", "invalid": "bad", "failed": "bad"}

STYLE = """
th.sortable { cursor:pointer } th.sortable:hover { color:var(--accent) }
tr.lost td { background:#fdf3f0 } tr.lost td:first-child { border-left:3px solid var(--bad) }
tr.collapsed td { background:#fdf8ea } tr.collapsed td:first-child { border-left:3px solid var(--warn) }
table.second th:nth-child(2), table.second td:nth-child(2) { text-align:left }
table.said th { text-align:left } table.said td:first-child { white-space:normal; min-width:180px }
"""

SORT = """
for (const head of document.querySelectorAll("table.sort th")) {
  head.classList.add("sortable");
  head.onclick = () => {
    const rows = head.closest("table").tBodies[0], at = head.cellIndex;
    const value = row => parseFloat(row.cells[at].dataset.value ?? "NaN");
    const text = row => row.cells[at].textContent, down = head.dataset.down !== "1";
    head.dataset.down = down ? "1" : "0";
    const order = (a, b) => isNaN(value(a)) && isNaN(value(b)) ? text(a).localeCompare(text(b))
      : isNaN(value(a)) ? 1 : isNaN(value(b)) ? -1 : down ? value(b) - value(a) : value(a) - value(b);
    rows.append(...[...rows.rows].sort(order));
  };
}
"""


def write_report(
    folder: Path,
    board: Board,
    results: Sequence[Result],
    *,
    verdicts: Sequence[Verdict] = (),
    selections: Sequence[Selection] = (),
    openings: Sequence[Opening] = (),
    skipped: Mapping[str, str] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> None:
    """Write ``leaderboard.html`` into a campaign's folder; for the arguments see ``logs.write_logs``."""
    standings = in_order(board, aggregate(board, results))
    found = negatives(board, results, reasons or {})
    sections = {
        "Runs": _runs(board, standings, results),
        "Against control": _against(standings),
        "Gates": join(_gate(verdict) for verdict in verdicts)
        if verdicts
        else _said("This campaign has none."),
        "Test side": _test_side(board, standings, selections, openings),
        "Costs": _costs(board, standings),
        "Negative results": _negative(found),
        "Trials": _trials(board, results, skipped or {}),
    }
    write_atomic(folder / FILE, page(f"campaign {board.campaign}", sections))


def in_order(board: Board, standings: Sequence[Standing]) -> list[Standing]:
    """Runs from best to worst: first by how many seeds count, so that no run leads for having lost some."""

    def rank(one: Standing) -> tuple[int, float, str]:
        found = one.validation.get(board.metric)
        if found is None:
            return 0, 0.0, one.name
        return -found.n, found.mean if board.lower_is_better else -found.mean, one.name

    return sorted(standings, key=rank)


def _said(text: str) -> Markup:
    return tag("p", text, class_="note")


# --- runs -------------------------------------------------------------------------------------------------


def _runs(board: Board, standings: Sequence[Standing], results: Sequence[Result]) -> Markup:
    counted = sum(result.state == "done" for result in results)
    better = "lower" if board.lower_is_better else "higher"
    note = (
        f"{len(results)} trials of {len(standings)} runs, {counted} count. {board.metric} on the validation "
        f"side, {better} is better; a run counts that is {board.asked}. "
        "Over several seeds: mean with Student's t interval at 95 %; of one seed: "
        "its own interval over clips. A run that lacks seeds stands below those that have more. "
        "Small dots are seeds, diamonds the test side where it was opened."
    )
    parts: list[object] = [tag("style", Markup(STYLE)), _said(note)]
    lines = [line for one in standings if (line := _whisker(board, one, results)) is not None]
    if lines:
        at = _trivial(board, results)
        parts.append(tag("figure", whiskers(lines, board.metric, at, f"{board.metric} of all runs")))
    others = [name for name in figures_of(board)[1:] if any(name in one.validation for one in standings)]
    head = ["run", "group", "seeds", board.metric, "sd", *others]
    rows = [_run(board, one, others) for one in standings]
    return join([*parts, table(head, rows, class_="sort second"), tag("script", Markup(SORT))])


def _run(board: Board, one: Standing, others: Sequence[str]) -> Markup:
    main = one.validation.get(board.metric)
    cells = [
        join([one.name, " ", *_pills(one)]),
        one.group,
        tag("td", f"{len(one.seeds)} of {one.asked}", data_value=len(one.seeds)),
        figure(main, one.lone, one.partial),
        number(None if main is None else main.sd),
        *(figure(one.validation.get(name)) for name in others),
    ]
    return table_row(cells, class_=_class(one))


def _class(one: Standing) -> str | None:
    if one.seeds:
        return None
    return "collapsed" if "collapsed" in one.states else "lost"


def _pills(one: Standing) -> list[Markup]:
    lost = {state: count for state, count in one.states.items() if state != "done"}
    return [
        tag(
            "span",
            f"{count} {state}" if sum(one.states.values()) > 1 else state,
            class_=f"pill {PILLS[state]}",
        )
        for state, count in lost.items()
    ]


def _whisker(board: Board, one: Standing, results: Sequence[Result]) -> Whisker | None:
    """A run's line; one of which no seed counts is drawn in its own colour where it has figures."""
    own = [result for result in results if result.trial.name == one.name]
    found, test = one.validation.get(board.metric), one.test.get(board.metric)
    if found is None:
        lost = [r.figures[board.metric]["value"] for r in own if r.figures and board.metric in r.figures]
        if not lost or "collapsed" not in one.states:
            return None
        mean = sum(lost) / len(lost)
        return Whisker(f"{one.name} (collapsed)", mean, singles=tuple(lost), colour=BAD)
    low, high = found.low, found.high
    if low is None and one.lone is not None:
        low, high = one.lone["low"], one.lone["high"]
    singles = tuple(value for result in own if (value := result.value(board.metric)) is not None)
    return Whisker(
        _marked(one),
        found.mean,
        low,
        high,
        singles if len(singles) > 1 else (),
        None if test is None else test.mean,
        hint=f"{one.name} {found.mean:.4f}, {found.n} {'seed' if found.n == 1 else 'seeds'}",
    )


def _marked(one: Standing) -> str:
    """Name of a run in a plot, with the mark of a mean that lacks seeds."""
    return one.name if one.partial is None else f"{one.name} ({one.partial})"


def _trivial(board: Board, results: Sequence[Result]) -> dict[str, float]:
    """The best trivial system of the first trial that has one; all trials share the validation side."""
    for result in results:
        name, value = baseline_of(board, result)
        if name is not None and value is not None:
            return {name: value}
    return {}


# --- controls, gates, test side ---------------------------------------------------------------------------


def _against(standings: Sequence[Standing]) -> Markup:
    note = (
        "Gain over the control with the same seed, paired; positive is better. A run without a control is "
        "compared with the best trivial system."
    )
    known = [one for one in standings if one.difference is not None]
    runs = [one for one in known if one.against_run]
    parts: list[object] = [_said(note)]
    if runs:
        lines = [
            Whisker(
                f"{one.name} − {one.control}",
                one.difference.mean,
                one.difference.low,
                one.difference.high,
                colour=ACCENT if one.difference.mean > 0 else BAD,
            )
            for one in runs
        ]
        parts.append(tag("figure", whiskers(lines, "gain", {"no difference": 0.0}, "gain over control")))
    rows = [[one.name, one.control, signed(one.difference), str(one.difference.n)] for one in known]
    return join([*parts, table(["run", "control", "gain", "seeds"], rows, class_="sort second")])


def _gate(verdict: Verdict) -> Markup:
    pill = tag(
        "span", "passed" if verdict.passed else "failed", class_="pill good" if verdict.passed else "pill bad"
    )
    sure = "" if verdict.confidence is None else f", and above 0 at {verdict.confidence:.0%} confidence"
    sure += corrected_text(verdict)
    asked = f"{_compared(verdict)}; asked for {verdict.margin:+.4f}{sure}."
    rows = [
        [f"seed {seed}", number(ours), number(theirs), number(verdict.gain(ours, theirs), sign=True)]
        for seed, (ours, theirs) in sorted(verdict.by_seed.items(), key=lambda pair: int(pair[0]))
    ]
    attempts = tag("ol", *(tag("li", line) for line in verdict.attempts))
    numbers = table(["", verdict.better, verdict.than, "gain"], rows) if rows else None
    return join([tag("h3", verdict.gate, " ", pill), tag("p", asked), numbers, attempts])


def _compared(verdict: Verdict) -> str:
    """What was compared, and what came of it."""
    if verdict.empty:
        return f"Nothing to compare in {verdict.metric}: no run of {verdict.empty} counts with every seed"
    gain = verdict.difference
    ends = f" [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain.get("low") is not None else ""
    return (
        f"{verdict.better} against {verdict.than} in {verdict.metric}: {gain['value']:+.4f}{ends} over n="
        f"{gain['n']} ({verdict.test})"
    )


def _test_side(
    board: Board, standings: Sequence[Standing], selections: Sequence[Selection], openings: Sequence[Opening]
) -> Markup:
    if not openings:
        return _said("Sealed: nothing was selected on it, and nobody has looked at it.")
    by_name = {one.name: one for one in standings}
    others = [name for name in figures_of(board)[1:] if any(name in one.test for one in standings)]
    looks: dict[tuple[str, str], list[str]] = {}
    for look in openings:
        looks.setdefault((look.selection, look.name), []).append(look.group)
    rows = []
    for (selection, name), groups in looks.items():
        one = by_name.get(name)
        test, seen = ({}, {}) if one is None else (one.test, one.validation)
        said = f"{', '.join(groups)}, selection {selection[:12]}"
        cells = [figure(side.get(board.metric)) for side in (seen, test)]
        cells.append(_gain_on_test(one))
        rows.append([name, said, *cells, *(figure(test.get(other)) for other in others)])
    times = len({selection for selection, _ in looks})
    note = (
        f"Opened {'once' if times == 1 else f'{times} times'} for what was chosen on the validation side; "
        "every look is listed here, by selection and run, with what the run shows now."
    )
    sides = [f"{side} {board.metric}" for side in ("validation", "test")]
    head = ["run", "opened for", *sides, "gain over its control", *others]
    chosen = tag(
        "ul",
        *(
            tag("li", f"{one.group}: {one.name}, best of {len(one.candidates)} on the validation side")
            for one in selections
        ),
    )
    return join([_said(note), table(head, rows, class_="sort second"), chosen])


def _gain_on_test(one: Standing | None) -> Markup:
    """Paired gain on the test side, with the control that was opened as well; else a dash."""
    if one is None or one.test_difference is None:
        return number(None)
    return signed(one.test_difference, one.control)


# --- costs ------------------------------------------------------------------------------------------------


def _costs(board: Board, standings: Sequence[Standing]) -> Markup:
    known = [one for one in standings if one.seeds]
    names = [name for name in (*COSTS, *LATENCY, "seconds") if any(name in one.costs for one in known)]
    if not names:
        return _said("No costs are known.")
    priced = [
        Priced(
            _marked(one),
            one.costs["bytes_int8"] / 1000,
            one.validation[board.metric].mean,
            one.validation[board.metric].low,
            one.validation[board.metric].high,
            None if "fits" not in one.costs else one.costs["fits"] == 1.0,
        )
        for one in known
        if "bytes_int8" in one.costs and board.metric in one.validation
    ]
    parts: list[object] = []
    if priced:
        note = "8-bit weights; orange does not fit its device. Names that would cover others are left out."
        parts += [_said(note), tag("figure", against_bytes(priced, board.metric))]
    rows = [[one.name, *(cost(one.costs.get(name), name) for name in names)] for one in known]
    return join([*parts, table(["run", *(TITLES.get(name, name) for name in names)], rows, class_="sort")])


# --- what did not work, and all trials --------------------------------------------------------------------


def _negative(found: Sequence[Negative]) -> Markup:
    if not found:
        return _said("None: every trial counts, and no run is below what it is compared with.")
    rows = [
        [
            join(
                [
                    one.name,
                    " ",
                    *(tag("span", kind, class_=f"pill {PILLS.get(kind, 'warn')}") for kind in one.kinds),
                ]
            ),
            tag("td", *(tag("div", finding.replace("`", "")) for finding in one.findings), class_="text"),
            tag("td", one.reason, class_="text")
            if one.reason is not None
            else tag("td", f"MISSING: add reasons.{one.name} to the manifest", class_="text bad"),
        ]
        for one in found
    ]
    return table(["run", "finding", "reason"], rows, class_="said")


def _trials(board: Board, results: Sequence[Result], skipped: Mapping[str, str]) -> Markup:
    rows = []
    for one in results:
        value = (one.figures or {}).get(board.metric)
        said = "; ".join(one.faults) or one.error or ""
        cells = [
            one.trial.name,
            str(one.trial.seed),
            tag("td", one.trial.phase, class_="left"),
            tag("td", tag("span", one.state, class_=f"pill {PILLS[one.state]}"), class_="left"),
            number(None if value is None else value["value"]),
            tag("td", said, class_="text"),
        ]
        rows.append(table_row(cells, class_={"done": None, "collapsed": "collapsed"}.get(one.state, "lost")))
    head = ["run", "seed", "phase", "state", board.metric, "what the contract says"]
    not_done = tag("ul", *(tag("li", f"{name}: {why}") for name, why in skipped.items()))
    return join(
        [table(head, rows, class_="sort said"), *([tag("h3", "Not done"), not_done] if skipped else [])]
    )
