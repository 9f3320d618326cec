"""Votes as a table for other programs; its first six columns are those of earlier exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from rushes.arena.ballot import Choice
from rushes.arena.result import Answer, Outcome
from rushes.arena.study import Key, Study

COLUMNS = (
    *("timestamp", "query_image", "baseline_method", "challenger_method", "user_choice", "baseline_is_row_a"),
    *("rater", "position", "repeat", "ms", "side_seed", "outcome", "overlap", "stratum", "app_version"),
)
"""A is the baseline, B the challenger; the user's choice is a row of the page, the outcome a system."""

CHOICES: Mapping[Choice, str] = {"top": "A", "bottom": "B", "tie": "tie", "bad": "both bad", "skip": "skip"}
OUTCOMES: Mapping[Outcome | None, str] = {
    "A": "baseline",
    "B": "challenger",
    "tie": "tie",
    "bad": "both bad",
    "skip": "skip",
    None: "check",
}


def csv_of(study: Study, key: Key, answers: Iterable[Answer]) -> str:
    """Every vote that stands, those for repeats and checks as well, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in answers:
        vote = one.vote
        writer.writerow(
            (
                *(
                    vote.at.isoformat(),
                    key.questions[vote.pair],
                    key.systems["A"].name,
                    key.systems["B"].name,
                ),
                *(CHOICES[vote.choice], "" if one.a_on_top is None else one.a_on_top),
                *(one.rater, vote.position, vote.again, vote.ms, study.seed),
                *(OUTCOMES[one.outcome], one.pair.overlap, one.pair.stratum, study.app),
            )
        )
    return text.getvalue()
