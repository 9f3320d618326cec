"""A result in sentences and figures, as console and page both tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rushes.arena.result import REACH, Outcome, Result
from rushes.metrics.estimate import Estimate
from rushes.metrics.preference import LEVEL, Preference, detectable


def verdict(result: Result) -> str:
    """Who is preferred, by name, or that it is not shown."""
    a, b = names(result)
    told = {"A is preferred": f"{a} is preferred", "B is preferred": f"{b} is preferred"}
    return told.get(result.all.verdict, "Not shown that one is preferred")


def reason(result: Result) -> str:
    """What the verdict rests on."""
    found, (a, b) = result.all, names(result)
    test = f"sign test over queries, p = {found.p:.3g}, shown at {LEVEL:g}"
    if found.verdict == "not shown":
        return f"{found.wins} queries for {a}, {found.losses} for {b} ({test})."
    return f"by {max(found.wins, found.losses)} of {found.wins + found.losses} decisive queries ({test})."


def can_show(decisive: int) -> str:
    """What so many queries can show at all."""
    share = detectable(decisive)
    if share is None:
        return f"{decisive} decisive queries rarely show anything"
    return f"{decisive} decisive queries show a true share of {share:.0%} in four of five studies"


def power_sentence(result: Result) -> str:
    """What the study could show, and how many more queries would tell the share closely."""
    more = ""
    if result.all.share is not None and result.all.verdict == "not shown" and result.needed is not None:
        more = f"; {max(result.all.share.value, 1 - result.all.share.value):.0%} would take {result.needed:,}"
    if result.more is not None:
        more += f"; {result.more:,} more queries would tell the share to ±{REACH:.0%}"
    return f"{can_show(result.all.wins + result.all.losses)}{more}."


def doubts(result: Result) -> Iterator[str]:
    """Whatever keeps the result from meaning what it seems to."""
    if result.unfinished:
        judged = sum(row.votes for row in result.raters)
        yield (
            f"Closed early: {len(result.unfinished)} of {len(result.raters)} raters had not finished; {judged} "
            f"answers of {result.asked * len(result.raters)} that were planned."
        )
    side = result.upper
    if (
        side is not None
        and side.low is not None
        and side.high is not None
        and not side.low <= 0.5 <= side.high
    ):
        yield (
            f"The upper row was preferred in {side.value:.0%} of decisive answers [{side.low:.0%}, {side.high:.0%}]. "
            "Sides were swapped at random, so this hides a difference rather than making one."
        )
    for row in result.raters:
        seen, checks = row.checks
        if seen < checks:
            yield f"Rater {row.name} missed {checks - seen} of {checks} checks."


def _percent(found: Estimate | None) -> str:
    if found is None:
        return "·"
    ends = "" if found.low is None or found.high is None else f" [{found.low:.0%}, {found.high:.0%}]"
    return f"{found.value:.0%}{ends}"


def _strength(found: Preference) -> str:
    one = found.strength
    low = "-∞" if one.low is None else f"{one.low:+.2f}"
    high = "∞" if one.high is None else f"{one.high:+.2f}"
    return f"{'without bound' if one.value is None else f'{one.value:+.2f}'} [{low}, {high}]"


def facts(result: Result) -> dict[str, str]:
    """Figures of the whole study, by their names. A and B are rows that raters see, so systems go by their names."""
    found, a, b = result.all, *names(result)
    return {
        f"queries for {a}": f"{found.wins}",
        f"queries for {b}": f"{found.losses}",
        "queries tied": f"{found.ties}, and {result.identical} with the same list twice, shown to nobody",
        f"share of {a} among decisive queries": f"{_percent(found.share)} exact",
        f"share of {a} among decisive answers": f"{_percent(found.votes)} by query",
        "sign test over queries": f"p = {found.p:.3g}, the one that is shown",
        "sign-flip test over queries": f"p = {found.p_flip:.3g}",
        f"Bradley-Terry, log odds of {a}": f"{_strength(found)} by query",
        "upper row among decisive answers": f"{_percent(result.upper)} by query",
        "repeats answered alike": _percent(result.repeats),
        "agreement of raters (Krippendorff)": "·" if result.alpha is None else f"{result.alpha:.2f}",
    }


def names(result: Result) -> tuple[str, str]:
    """Of the two systems."""
    return result.systems["A"].name, result.systems["B"].name


def counts(result: Result) -> dict[str, int]:
    """Answers by what they say."""
    a, b = names(result)
    told: Mapping[Outcome, str] = {"A": f"for {a}", "B": f"for {b}", "tie": "equal", "bad": "both bad"}
    return {told[outcome]: count for outcome, count in result.counts.items()} | {"skipped": result.skipped}


# --- console ------------------------------------------------------------------------------------------------


def print_result(result: Result, console: Console) -> None:
    """Print the result."""
    shown = Table(
        title=escape(f"{verdict(result)}: {reason(result)}"),
        title_justify="left",
        title_style="bold",
        show_header=False,
    )
    for name, value in facts(result).items():
        shown.add_row(escape(name), escape(value))
    shown.add_row("answers", escape(", ".join(f"{count} {name}" for name, count in counts(result).items())))
    console.print(shown)
    if len(result.strata) > 1:
        strata = Table("part", "queries", "decisive", escape(f"share of {names(result)[0]}"))
        for name, part in result.strata.items():
            strata.add_row(
                escape(name), str(part.queries), str(part.wins + part.losses), escape(_percent(part.share))
            )
        console.print(strata)
    console.print(power_sentence(result), highlight=False)
    for doubt in doubts(result):
        console.print(f"! {doubt}", style="yellow", highlight=False, markup=False)
