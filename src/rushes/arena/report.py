"""The files that a closed study ends in: ``result.json``, ``votes.csv``, and ``result.html`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rushes.arena.export import csv_of
from rushes.arena.result import Answer, Result, measure, read_answers
from rushes.arena.sheet import sheet
from rushes.arena.study import Key, Slot, Study
from rushes.arena.words import counts, doubts, facts, names, power_sentence, reason, verdict
from rushes.evaluate.markup import join
from rushes.evaluate.pages import (
    Cell,
    Clip,
    Column,
    Head,
    Markup,
    Section,
    gallery,
    image,
    note,
    page,
    pill,
    remarks,
    table,
)
from rushes.evaluate.pages.whiskers import Whisker, whiskers
from rushes.media.image import encode_jpeg
from rushes.stages import write_atomic
from rushes.stages.files import write_json

RESULT, VOTES, PAGE = "result.json", "votes.csv", "result.html"

PAIRS = 24
"""On the page."""


def write_result(folder: Path) -> Result:
    """Measure a closed study and write its files into its folder.

    Raises:
        StageError: it is not closed, a file is damaged, votes were changed since, or nobody judged a pair.
    """
    study, key, closed, answers = read_answers(folder)
    result = measure(study, key, closed, answers)
    write_json(folder / RESULT, result.to_json())
    write_atomic(folder / VOTES, csv_of(study, key, answers))
    write_atomic(folder / PAGE, page_of(folder, result, study, key, answers))
    return result


def page_of(folder: Path, result: Result, study: Study, key: Key, answers: Sequence[Answer]) -> str:
    """The result as one HTML file."""
    looks = {"A is preferred": "good", "B is preferred": "good", "not shown": "warn"}
    a, b = result.systems["A"], result.systems["B"]
    head = Head(
        title=f"{a.name} against {b.name}",
        what="result of a blind comparison: two lists side by side, and nobody knew whose they were",
        date=result.closed,
        command=f"rushes arena result {folder.name}",
        model=f"{a.name} ({a.signature}); {b.name} ({b.signature})",
        sizes={"pairs": result.asked, "raters": len(result.raters), "answers": sum(result.counts.values())},
        more={"begun": f"{result.created:%Y-%m-%d %H:%M %Z}", "seed": study.seed},
    )
    said = [
        pill(verdict(result), looks[result.all.verdict]),
        Markup(" "),
        reason(result),
    ]
    figures = table(
        ["figure", Column("value", text=True)],
        [[name, Cell(value, value)] for name, value in facts(result).items()],
    )
    told = counts(result)
    answered = table(["answers", *told], [["all raters", *told.values()]])
    return page(
        head,
        [
            Section(
                "Result",
                join(
                    (
                        note(join(said)),
                        remarks(list(doubts(result))),
                        _drawing(result),
                        note(power_sentence(result)),
                    )
                ),
            ),
            Section("Figures", join((figures, answered))),
            Section("Raters", _raters(result)),
            Section("Pairs", _pairs(folder, result, study, key, answers)),
            Section("How it was done", note(_METHOD)),
        ],
    )


_METHOD = (
    "Each query counts once: by the majority of its raters, or as tied. The exact two-sided sign test over decisive "
    "queries is what is shown; single answers are description, since those to one query move together. Intervals "
    "hold at 95 %; those by query leave out one query at a time. Parts are not tested. Which list was whose stood in "
    "a file that the page's server never opened; sides were swapped by a stored seed; some pairs came twice, the "
    "second time on other sides; nobody could see a result before the study was closed, and how many pairs there "
    "would be was fixed before it began."
)


def _drawing(result: Result) -> Markup:
    """Share of the first system, over all and by part."""
    lines = [
        Whisker(name, found.value, found.low, found.high, note=f"n={found.n:,}")
        for name, found in (("decisive queries", result.all.share), ("decisive answers", result.all.votes))
        if found is not None
    ]
    if len(result.strata) > 1:
        lines += [
            Whisker(
                name,
                part.share.value,
                part.share.low,
                part.share.high,
                f"n={part.share.n:,}",
                group="by part",
            )
            for name, part in result.strata.items()
            if part.share is not None
        ]
    if not lines:
        return note("No answer was decisive.")
    return whiskers(lines, f"share of {names(result)[0]}", at={"no preference": 0.5}, span=(0.0, 1.0))


def _raters(result: Result) -> Markup:
    def of(pair: tuple[int, int]) -> Cell:
        return Cell(f"{pair[0]} of {pair[1]}", pair[0] / pair[1] if pair[1] else None)

    rows = [
        [
            row.name,
            row.votes,
            row.skipped,
            None if row.upper is None else Cell(f"{row.upper:.0%}", row.upper),
            of(row.alike),
            of(row.checks),
            None if row.seconds is None else Cell(f"{row.seconds:.1f}", row.seconds),
        ]
        for row in result.raters
    ]
    columns = ["rater", "answers", "skipped", "upper row", "repeats alike", "checks seen"]
    return table([*columns, Column("median time", unit="s")], rows)


def _pairs(folder: Path, result: Result, study: Study, key: Key, answers: Sequence[Answer]) -> Markup:
    """The pairs with the clearest majorities: for the first system, whose list is the upper one, neither, the other."""
    votes: dict[str, list[str]] = {}
    for one in answers:
        if one.counts:
            votes.setdefault(one.pair.id, []).append(one.outcome or "")
    pairs = {pair.id: pair for pair in study.pairs if pair.id in votes}
    lead = {token: given.count("A") - given.count("B") for token, given in votes.items()}
    ranked = sorted(pairs, key=lambda token: (-abs(lead[token]), token))[:PAIRS]
    a, b = names(result)
    preferred = {1: a, -1: b, 0: "neither"}
    clips = []
    for token in sorted(ranked, key=lambda token: -lead[token]):
        winner = preferred[(lead[token] > 0) - (lead[token] < 0)]
        told = f"{pairs[token].text or 'picture on the left'}: {votes[token].count('A')} for {a}, "
        told += f"{votes[token].count('B')} for {b}, of {len(votes[token])}"
        upper: Slot = 0 if key.first[token] == "A" else 1
        jpeg = encode_jpeg(sheet(folder, pairs[token], upper), quality=80)
        clips.append(Clip(image(jpeg, told), told, label=winner, heading=f"preferred: {winner}"))
    said = note(f"The list of {a} is the upper one; {len(clips)} of {len(pairs)}.")
    return join((said, gallery(clips, "pairs", least=480)))
