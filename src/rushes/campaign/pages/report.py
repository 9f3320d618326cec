"""``leaderboard.html``: the whole campaign on one page that needs nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rushes.campaign.judging.gate import caution, corrected_text
from rushes.campaign.judging.standing import Board, Standing, aggregate, baseline_of
from rushes.campaign.pages.cells import COST_COLUMNS, column, cost, figure, gain, plain
from rushes.campaign.pages.leaderboard import figures_of
from rushes.campaign.pages.logs import Negative, negatives
from rushes.campaign.pages.plots import Priced, against_bytes
from rushes.campaign.records import Logged, Result, Verdict, text_of
from rushes.evaluate.pages import (
    Cell,
    Column,
    Head,
    Markup,
    Row,
    Section,
    block,
    join,
    note,
    page,
    pill,
    remarks,
    table,
    tag,
    verdict_legend,
)
from rushes.evaluate.pages.tables import Content
from rushes.evaluate.pages.theme import COLOURS, LOOKS, WARN
from rushes.evaluate.pages.vega import framed_chart
from rushes.evaluate.pages.whiskers import Whisker, whiskers
from rushes.metrics.verdict import verdict as verdict_of
from rushes.runs.looks import Look
from rushes.stages import write_atomic
from rushes.tasks import TASKS

FILE = "leaderboard.html"

LOOK_OF = {"done": "good", "collapsed": "warn", "invalid": "bad", "failed": "bad"}
"""The colour of what became of a trial."""


def write_report(folder: Path, board: Board, results: Sequence[Result], logged: Logged) -> None:
    """Write ``leaderboard.html`` into a campaign's folder."""
    standings = in_order(board, aggregate(board, results))
    gates = join(_gate(verdict) for verdict in logged.verdicts) or note("This campaign has none.")
    sections = [
        Section("Runs", _runs(board, standings, results)),
        Section("Against control", _against(board, standings)),
        Section("Gates", gates),
        Section("Test side", _test_side(board, standings, logged)),
        Section("Costs", _costs(board, standings)),
        Section("Negative results", _negative(negatives(board, results, logged.reasons))),
        Section("Trials", _trials(board, results, logged.skipped)),
    ]
    write_atomic(folder / FILE, page(_head(board, standings, results, logged.manifest), sections))


def _head(board: Board, standings: Sequence[Standing], results: Sequence[Result], manifest: str) -> Head:
    ended = [str(one.costs["ended"]) for one in results if one.costs and "ended" in one.costs]
    groups = dict.fromkeys(one.group for one in standings)
    return Head(
        title=board.campaign,
        what=f"leaderboard of a campaign of {board.task}",
        date=datetime.fromisoformat(max(ended)) if ended else None,
        command=f"rushes campaign run {shlex.quote(manifest)}",
        model=f"{len(standings)} runs in {len(groups)} groups",
        sizes={
            "trials": len(results),
            "trials that count": sum(result.state == "done" for result in results),
            "seeds": len({result.trial.seed for result in results}),
        },
        more={"metric": f"{column(board, board.metric).title} ({board.metric}), validation side"},
    )


def in_order(board: Board, standings: Sequence[Standing]) -> list[Standing]:
    """Runs from best to worst: first by how many seeds count, so that no run leads for having lost some."""

    def rank(one: Standing) -> tuple[int, float, str]:
        found = one.validation.get(board.metric)
        if found is None:
            return 0, 0.0, one.name
        return -found.n, found.mean if board.lower_is_better else -found.mean, one.name

    return sorted(standings, key=rank)


# --- runs -------------------------------------------------------------------------------------------------


def _runs(board: Board, standings: Sequence[Standing], results: Sequence[Result]) -> Markup:
    better = "lower" if board.lower_is_better else "higher"
    metric = column(board, board.metric)
    said = (
        f"{metric.title} on the validation side, {better} is better; a run counts that is {board.asked}. "
        "Over several seeds: mean with Student's t interval at 95 %, and where all seeds agree one "
        "that allows for how few they are; of one seed: its own interval over clips. "
        "A run that lacks seeds stands below those that have more. Small dots are seeds, diamonds the test side "
        "where it was opened."
    )
    names = figures_of(board)
    others = [name for name in names[1:] if any(name in one.validation for one in standings)]
    heads: list[Column | str] = [
        "run",
        Column("group", text=True),
        "seeds",
        metric,
        "sd",
        *(column(board, name) for name in others),
    ]
    known = TASKS[board.task].figures
    told = [(known[name].title, known[name].meaning) for name in (names[0], *others) if name in known]
    lines = [line for one in standings if (line := _whisker(board, one, results)) is not None]
    drawing = whiskers(lines, _axis(metric), at=_trivial(board, results)) if lines else None
    rows = [_run(board, one, others) for one in standings]
    meanings = block("meanings", "What the figures are", [told], False)
    return join((note(said), drawing, table(heads, rows), meanings))


def _axis(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.unit else column.title


def _run(board: Board, one: Standing, others: Sequence[str]) -> Row:
    main = one.validation.get(board.metric)
    cells: list[Content] = [
        _named(one.name, _lost(one)),
        one.group,
        Cell(f"{len(one.seeds)} of {one.asked}", len(one.seeds)),
        figure(main, one.lone, one.partial),
        plain(None if main is None else main.sd),
        *(figure(one.validation.get(name)) for name in others),
    ]
    lost = "" if one.seeds else "warn" if "collapsed" in one.states else "bad"
    return Row(cells, lost)


def _named(name: str, pills: Sequence[Markup]) -> Cell:
    return Cell(Markup(" ").join((name, *pills)), name)


def _lost(one: Standing) -> list[Markup]:
    """What became of the seeds of a run that do not count."""
    several = sum(one.states.values()) > 1
    return [
        pill(f"{count} {state}" if several else state, LOOK_OF[state])
        for state, count in one.states.items()
        if state != "done"
    ]


def _whisker(board: Board, one: Standing, results: Sequence[Result]) -> Whisker | None:
    """A run's line; one of which no seed counts is drawn in its own colour where it has figures."""
    own = [result for result in results if result.trial.name == one.name]
    found, test = one.validation.get(board.metric), one.test.get(board.metric)
    if found is None:
        lost = [r.figures[board.metric]["value"] for r in own if r.figures and board.metric in r.figures]
        if not lost or "collapsed" not in one.states:
            return None
        return Whisker(f"{one.name} (collapsed)", sum(lost) / len(lost), seeds=lost, colour=WARN)
    low, high = found.low, found.high
    if low is None and one.lone is not None:
        low, high = one.lone["low"], one.lone["high"]
    seeds = [value for result in own if (value := result.value(board.metric)) is not None]
    return Whisker(
        _marked(one),
        found.mean,
        low,
        high,
        _seeds(found.n),
        seeds=seeds if len(seeds) > 1 else (),
        mark=None if test is None else test.mean,
    )


def _seeds(count: int) -> str:
    return f"{count} {'seed' if count == 1 else 'seeds'}"


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


def _against(board: Board, standings: Sequence[Standing]) -> Markup:
    said = (
        "Gain over the control with the same seed, paired; positive is better. A run without a control is "
        "compared with the best trivial system; one seed tells no spread."
    )
    known = [one for one in standings if one.difference is not None]
    lines = [
        Whisker(
            f"{one.name} − {one.control}",
            one.difference.mean,
            one.difference.low,
            one.difference.high,
            _seeds(one.difference.n),
            colour=COLOURS[LOOKS[verdict_of(one.difference.low, one.difference.high)]],
        )
        for one in known
        if one.against_run and one.difference is not None
    ]
    axis = f"gain in {_axis(column(board, board.metric))}"
    drawing = whiskers(lines, axis, at={"no difference": 0.0}) if lines else None
    rows: list[list[Content]] = [
        [one.name, one.control, gain(one.difference), one.difference.n] for one in known if one.difference
    ]
    heads: list[Column | str] = ["run", Column("control", text=True), "gain", "seeds"]
    return join((verdict_legend(said, "its control"), drawing, table(heads, rows)))


def _gate(verdict: Verdict) -> Markup:
    said = pill("passed", "good") if verdict.passed else pill("failed", "bad")
    sure = "" if verdict.confidence is None else f", and above 0 at {verdict.confidence:.0%} confidence"
    sure += corrected_text(verdict)
    asked = f"{_compared(verdict)}; asked for {verdict.margin:+.4f}{sure}."
    rows: list[list[Content]] = [
        [f"seed {seed}", plain(ours), plain(theirs), plain(verdict.gain(ours, theirs), sign=True)]
        for seed, (ours, theirs) in sorted(verdict.by_seed.items(), key=lambda pair: int(pair[0]))
    ]
    attempts = tag("ol", *(tag("li", line) for line in verdict.attempts))
    numbers = table(["", verdict.better, verdict.than, "gain"], rows) if rows else None
    mind = caution(verdict)
    warned = tag("p", pill("mind", "warn"), f" {mind}.") if mind else None
    return join((tag("h3", verdict.gate, " ", said), tag("p", asked), warned, numbers, attempts))


def _compared(verdict: Verdict) -> str:
    if verdict.empty:
        return f"Nothing to compare in {verdict.metric}: no run of {verdict.empty} counts with every seed"
    return (
        f"{verdict.better} against {verdict.than} in {verdict.metric}: {text_of(verdict.difference, '+')} over "
        f"n={verdict.difference['n']} ({verdict.test})"
    )


def _test_side(board: Board, standings: Sequence[Standing], logged: Logged) -> Markup:
    if not logged.openings:
        sealed = note("Sealed: nothing was selected on it.")
        return join((sealed, _looks(logged.looks)))
    by_name = {one.name: one for one in standings}
    others = [name for name in figures_of(board)[1:] if any(name in one.test for one in standings)]
    looks: dict[tuple[str, str], list[str]] = {}
    for opened in logged.openings:
        for look in opened.selections:
            looks.setdefault((opened.hash, look.name), []).append(look.group)
    rows = []
    for (selection, name), groups in looks.items():
        one = by_name.get(name)
        test, seen = ({}, {}) if one is None else (one.test, one.validation)
        said = f"{', '.join(groups)}, selection {selection[:12]}"
        cells: list[Content] = [figure(side.get(board.metric)) for side in (seen, test)]
        cells.append(gain(None if one is None else one.test_difference, None if one is None else one.control))
        rows.append([name, said, *cells, *(figure(test.get(other)) for other in others)])
    times = len({selection for selection, _ in looks})
    said = (
        f"Opened {'once' if times == 1 else f'{times} times'} for what was chosen on the validation side; "
        "by selection and run, with what the run shows now."
    )
    sides = [column(board, board.metric, side) for side in ("validation", "test")]
    heads: list[Column | str] = ["run", Column("opened for", text=True), *sides, "gain over its control"]
    heads += [column(board, name, "test") for name in others]
    chosen = tag(
        "ul",
        *(
            tag("li", f"{one.group}: {one.name}, best of {len(one.candidates)} on the validation side")
            for one in logged.selections
        ),
    )
    return join((verdict_legend(said, "its control"), table(heads, rows), chosen, _looks(logged.looks)))


def _looks(looks: Sequence[Look]) -> Markup:
    """Every look at the test side on record, with the hash that the record ends in."""
    if not looks:
        return note("Nobody has looked at it, as far as the record of this workspace goes.")
    rows: list[list[Content]] = [
        [look.entry.number, look.by, look.entry.when, look.entry.hash[:12], ", ".join(look.datasets)]
        for look in looks
    ]
    words = [Column(title, text=True) for title in ("who", "when", "hash", "datasets")]
    said = (
        "Every look at the test side of these data on record in this workspace, by this campaign, by others and "
        "by hand. Each entry carries the hash of the one before it, so the last hash stands for all of them."
    )
    return join((tag("h3", "Looks"), note(said), table(["look", *words], rows)))


# --- costs ------------------------------------------------------------------------------------------------


def _costs(board: Board, standings: Sequence[Standing]) -> Markup:
    known = [one for one in standings if one.seeds]
    names = [name for name in COST_COLUMNS if any(name in one.costs for one in known)]
    if not names:
        return note("No costs are known.")
    priced = [
        Priced(
            _marked(one),
            one.costs["bytes_int8"] / 1000,
            one.validation[board.metric],
            None if "fits" not in one.costs else one.costs["fits"] == 1.0,
        )
        for one in known
        if "bytes_int8" in one.costs and board.metric in one.validation
    ]
    metric = _axis(column(board, board.metric))
    said = "8-bit weights; red does not fit its device. Names that would cover others are left out."
    drawing = framed_chart(against_bytes(priced, metric), caption=said) if priced else None
    rows: list[list[Content]] = [
        [one.name, *(cost(one.costs.get(name), name) for name in names)] for one in known
    ]
    return join((drawing, table(["run", *(COST_COLUMNS[name] for name in names)], rows)))


# --- what did not work, and all trials --------------------------------------------------------------------


def _negative(found: Sequence[Negative]) -> Markup:
    if not found:
        return note("None: every trial counts, and no run is below what it is compared with.")
    rows: list[list[Content]] = [
        [
            _named(one.name, [pill(kind, LOOK_OF.get(kind, "warn")) for kind in one.kinds]),
            join(tag("div", finding.replace("`", "")) for finding in one.findings),
            Cell(f"MISSING: add reasons.{one.name} to the manifest", look="bad")
            if one.reason is None
            else one.reason,
        ]
        for one in found
    ]
    return table(["run", Column("finding", text=True), Column("reason", text=True)], rows)


def _trials(board: Board, results: Sequence[Result], skipped: Mapping[str, str]) -> Markup:
    rows = []
    for one in results:
        value, look = (one.figures or {}).get(board.metric), LOOK_OF[one.state]
        cells: list[Content] = [
            one.trial.name,
            one.trial.seed,
            one.trial.phase,
            Cell(one.state, one.state, look=f"pill {look}"),
            plain(None if value is None else value["value"]),
            "; ".join(one.faults) or one.error or "",
        ]
        rows.append(Row(cells, "" if one.state == "done" else look))
    words = [Column(title, text=True) for title in ("phase", "state", "what admission says")]
    heads: list[Column | str] = ["run", "seed", *words[:2], column(board, board.metric), words[2]]
    not_done = [f"{name}: {why}" for name, why in skipped.items()]
    return join((table(heads, rows), tag("h3", "Not done") if skipped else None, remarks(not_done)))
