"""What a campaign decided and what did not work, written from its data: two files for people.

Neither holds a time, so both are functions of the manifest and of the finished stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rushes.campaign.judging.gate import caution, corrected_text
from rushes.campaign.judging.standing import Board, Spread, Standing, aggregate, baseline_of
from rushes.campaign.records import Logged, Result, Selection, Verdict, text_of
from rushes.stages import write_atomic

DECISIONS, NEGATIVES = "decisions.md", "negative-results.md"

Kind = Literal["below", "collapsed", "invalid", "failed"]


@dataclass(frozen=True, slots=True)
class Negative:
    """A run that did not do what it was there for.

    Attributes:
        name, group: of the run.
        kinds: in which ways.
        findings: what its data show, one sentence each.
        reason: why, from the manifest; None where it is missing.
    """

    name: str
    group: str
    kinds: tuple[Kind, ...]
    findings: tuple[str, ...]
    reason: str | None


def negatives(board: Board, results: Sequence[Result], reasons: Mapping[str, str]) -> list[Negative]:
    """Every run below its control or the trivial baseline, collapsed, invalid or failed.

    Args:
        board, results: of all trials that were begun.
        reasons: name of a run or group -> why, from the manifest; that of a run goes before.
    """
    found = []
    for standing in aggregate(board, results):
        own = [result for result in results if result.trial.name == standing.name]
        control = own[0].trial.control
        begun = any(control in (result.trial.name, result.trial.group) for result in results)
        said = [
            *_below(board, standing, own, begun),
            *(_lost(board, one) for one in own if one.state != "done"),
        ]
        if said:
            kinds, findings = zip(*said, strict=True)
            reason = (reasons.get(standing.name) or reasons.get(standing.group, "")).strip() or None
            unique = tuple(dict.fromkeys(kinds))
            found.append(Negative(standing.name, standing.group, unique, findings, reason))
    return found


def missing_reasons(board: Board, results: Sequence[Result], reasons: Mapping[str, str]) -> list[str]:
    """Names of the runs for which the manifest owes a reason; a report is not finished before it has them."""
    return [one.name for one in negatives(board, results, reasons) if one.reason is None]


def _below(
    board: Board, standing: Standing, own: Sequence[Result], control_begun: bool
) -> list[tuple[Kind, str]]:
    """In what a run is below; one whose control is still to be done is not yet below anything."""
    said: list[tuple[Kind, str]] = []
    if standing.difference is not None and standing.difference.mean < 0:
        against = f"`{standing.control}`"
        ours, gain = _over_seeds(standing.validation[board.metric]), _over_seeds(standing.difference, "+")
        line = f"{board.metric} {ours}, gain over {against} {gain} on the validation side"
        said.append(("below", line + _epochs(own)))
    elif standing.difference is None and control_begun and standing.seeds:
        control = standing.control or own[0].trial.control
        line = f"nothing to compare it with: its control `{control}` has no seed in common that counts"
        said.append(("below", line))
    if not standing.against_run:
        return said
    values = [
        board.gain(value, baseline)
        for one in own
        if (value := one.value(board.metric)) is not None
        and (baseline := baseline_of(board, one)[1]) is not None
    ]
    if values and sum(values) / len(values) <= 0:
        mean = sum(values) / len(values)
        said.append(("below", f"not better than the best trivial baseline either: gain {mean:+.4f}"))
    return said


def _lost(board: Board, result: Result) -> tuple[Kind, str]:
    seed = f"seed {result.trial.seed}"
    if result.state == "failed":
        return "failed", f"{seed}: {_one_line(result.error or 'ended with an error')}"
    kind: Kind = "collapsed" if result.state == "collapsed" else "invalid"
    parts = []
    if result.collapsed is not None:
        parts.append(f"every answer is `{result.collapsed}`")
    figure = (result.figures or {}).get(board.metric)
    if kind == "collapsed" and figure is not None:
        parts.append(f"{board.metric} {text_of(figure)}")
        system, value = baseline_of(board, result)
        if value is not None:
            parts.append(f"`{system}` has {value:.4f}")
    if result.collapsed is None:  # else that says it all
        parts += [_one_line(fault) for fault in result.faults]
    return kind, f"{seed}: {'; '.join(parts) or kind}{_epochs([result])}"


def _epochs(results: Sequence[Result]) -> str:
    """Where the kept weights come from: a best first epoch is the mark of a run that learnt nothing."""
    best = [f"{one.best_epoch} of {one.epochs}" for one in results if one.best_epoch is not None]
    return f"; best epoch {', '.join(best)}" if best else ""


def negative_results(board: Board, results: Sequence[Result], reasons: Mapping[str, str]) -> str:
    """Text of ``negative-results.md``."""
    found = negatives(board, results, reasons)
    lines = [f"# Negative results of {board.campaign}", ""]
    if not found:
        counted = sum(result.state == "done" for result in results)
        lines.append(f"None: all {counted} trials count, and no run is below what it is compared with.")
    for one in found:
        lines += [f"## {one.name}", "", f"Group `{one.group}`; {', '.join(one.kinds)}.", ""]
        lines += [f"- {finding}" for finding in one.findings]
        missing = f"MISSING: add reasons.{one.name} to the manifest"
        lines += ["", f"reason: {missing if one.reason is None else _one_line(one.reason)}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def decisions(board: Board, logged: Logged) -> str:
    """Text of ``decisions.md``: what was decided, by which numbers."""
    better = "lower" if board.lower_is_better else "higher"
    lines = [
        f"# Decisions of {board.campaign}",
        "",
        f"By {board.metric} on the validation side; {better} is better. A run counts that is {board.asked}.",
    ]
    for verdict in logged.verdicts:
        lines += ["", *_verdict(verdict)]
    lines += ["", "## Selection", ""]
    lines += [_selection(board, selection) for selection in logged.selections] or ["Nothing was selected."]
    lines += ["", "## Openings of the test side", ""]
    lines += [
        f"- `{one.name}` for `{one.group}`, {_seeds(one.seeds)}, selection {opened.hash[:12]}"
        for opened in logged.openings
        for one in opened.selections
    ] or ["None: the test side is sealed."]
    lines += ["", "## Every look at the test side on record", ""]
    lines += [f"{number}. {look.by}" for number, look in enumerate(logged.looks, 1)] or ["None."]
    lines += ["", "## Not done", ""]
    lines += [f"- `{name}`: {_one_line(why)}" for name, why in logged.skipped.items()] or [
        "Everything was done."
    ]
    return "\n".join(lines) + "\n"


def _verdict(verdict: Verdict) -> list[str]:
    if verdict.empty:
        found = f"no run of {verdict.empty} counts with every seed"
    else:
        found = f"{text_of(verdict.difference, '+')}, n={verdict.difference['n']} ({verdict.test})"
    names = f"`{verdict.better or 'better'}` better than `{verdict.than or 'than'}`"
    asked = f"{names} by {verdict.margin:g} in {verdict.metric}"
    sure = "" if verdict.confidence is None else f", above 0 at {verdict.confidence:.0%} confidence"
    sure += corrected_text(verdict)
    lines = [
        f"## Gate `{verdict.gate}`: {'passed' if verdict.passed else 'FAILED'}",
        "",
        f"- asked: {asked}{sure}",
        f"- found: {found}",
        *([f"- mind: {said}"] if (said := caution(verdict)) else []),
    ]
    if verdict.by_seed:
        lines += ["", f"| seed | {verdict.better} | {verdict.than} | gain |", "|---|---|---|---|"]
    for seed in sorted(verdict.by_seed, key=int):
        ours, theirs = verdict.by_seed[seed]
        lines.append(f"| {seed} | {ours:.4f} | {theirs:.4f} | {verdict.gain(ours, theirs):+.4f} |")
    lines += ["", "Candidates by mean over seeds: " + (_ranked(verdict.candidates) or "none") + "."]
    if verdict.attempts:
        lines += ["", "Attempts:", "", *(f"{n}. {line}" for n, line in enumerate(verdict.attempts, start=1))]
    return lines


def _selection(board: Board, selection: Selection) -> str:
    sign = 1 if board.lower_is_better else -1
    ranked = dict(sorted(selection.candidates.items(), key=lambda pair: (sign * pair[1], pair[0])))
    seeds = _seeds(selection.seeds)
    return f"- `{selection.group}`: `{selection.name}`, over {seeds}; of {_ranked(ranked)}"


def _ranked(candidates: Mapping[str, float]) -> str:
    return ", ".join(f"`{name}` {value:.4f}" for name, value in candidates.items())


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _over_seeds(found: Spread, sign: str = "") -> str:
    if found.low is None:
        return f"{found.mean:{sign}.4f} (one seed)"
    return f"{found.mean:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}] over {found.n} seeds"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def write_logs(folder: Path, board: Board, results: Sequence[Result], logged: Logged) -> None:
    """Write ``decisions.md`` and ``negative-results.md`` into a campaign's folder."""
    write_atomic(folder / DECISIONS, decisions(board, logged))
    write_atomic(folder / NEGATIVES, negative_results(board, results, logged.reasons))
