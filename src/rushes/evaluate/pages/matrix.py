"""The confusion matrix, as a table: it sorts nothing, but reads, copies and prints as one."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rushes.evaluate.markup import join
from rushes.evaluate.pages.render import block
from rushes.evaluate.pages.theme import ACCENT, BAD

ROOMY = 6
"""Classes up to which a cell has room for share and count."""


def confusion(
    truths: Sequence[str], answers: Sequence[str], counts: Sequence[Sequence[int]], *, noun: str = "clips"
) -> Markup:
    """Counts of (true, answered) pairs, shaded by their share of the true class.

    Classes that neither occur nor were answered are left out, and so is an answer like "unreadable" that
    nobody gave; a line below says which.

    Args:
        truths: the K classes of the rows.
        answers: the classes of the columns: the same, and further kinds of answers.
        counts: K rows, each with a count for every answer.
        noun: what is counted.

    Raises:
        ValueError: counts of another shape.
    """
    if len(counts) != len(truths) or any(len(row) != len(answers) for row in counts):
        raise ValueError(f"counts must be {len(truths)} rows of {len(answers)}")
    occur = {name for name, row in zip(truths, counts, strict=True) if sum(row)}
    given = {name for column, name in enumerate(answers) if any(row[column] for row in counts)}
    columns = [column for column, name in enumerate(answers) if name in occur | given]
    roomy = len(columns) <= ROOMY
    rows = [
        {
            "label": name,
            "total": f"{sum(row):,}",
            "cells": [_cell(name, answers[column], row[column], sum(row), roomy) for column in columns],
        }
        for name, row in zip(truths, counts, strict=True)
        if name in occur
    ]
    if not rows:
        return block("note", f"No {noun}.")
    labels = [answers[column] for column in columns]
    upright = max(map(len, labels)) > (15 if roomy else 4)
    shares = (
        "shares of the row, with counts below"
        if roomy
        else f"counts of {noun}, shaded by their share of the row"
    )
    said = f"Rows are the truth, columns the answer; {shares}. Blue is right, red is wrong."
    silent = sorted({*truths, *answers} - occur - given)
    if silent:
        said += f" Left out, since they neither occur nor were answered: {', '.join(silent)}."
    if unseen := sorted((given & {*truths}) - occur):
        said += f" Answered, though no {noun} of it occur: {', '.join(unseen)}."
    return join((block("note", said), block("matrix", labels, rows, noun, upright, roomy)))


def _cell(truth: str, answer: str, count: int, total: int, roomy: bool) -> dict[str, str]:
    share = count / total
    colour = ACCENT if truth == answer else BAD
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    ink = ";color:#fff" if share > 0.6 else ""
    style = (
        f"background:rgba({red},{green},{blue},{0.05 + 0.8 * share:.2f}){ink}" if count else "color:#c5ccd1"
    )
    shown, below = (f"{share:.0%}", f"{count:,}") if roomy else (f"{count:,}" if count else "", "")
    return {
        "shown": shown,
        "below": below,
        "style": style,
        "said": f"{truth} taken for {answer}: {count} of {total}",
    }
