"""Admission of answers: what a run that fine-tunes a vision language model must have said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rushes.runs.admission.values import Fault, check_keys, not_finite
from rushes.runs.run import Run
from rushes.stages import canonical_json

if TYPE_CHECKING:
    from rushes.predict.units import Questions

MODEL = "model"


def rows_of(run: Run[Any], task: Questions) -> list[tuple[str, str]]:
    """Key and truth of every row of the trained model."""
    from rushes.predict.table import read_predictions

    rows = read_predictions(run.bring("predict"), task.schema).to_pylist()
    return [
        (row["key"], canonical_json([row[name] for name in task.truth]))
        for row in rows
        if row["variant"] == MODEL
    ]


def check_answers(run: Run[Any], task: Questions) -> Iterator[Fault]:
    """Every variant answers what it is asked, in finite numbers, and the model not always the same."""
    from rushes.predict.table import FILE, read_predictions

    table = read_predictions(run.folder("predict"), task.schema)
    where = str(run.folder("predict") / FILE)
    samples = run.samples(run.recipe.evaluate.split)
    rows = table.to_pylist()
    if odd := not_finite(rows):
        yield Fault("predictions", f"{odd[0]} is not finite", where)
    if strange := {row["split"] for row in rows} - {run.recipe.evaluate.split}:
        yield Fault("predictions", f"answers about {', '.join(map(str, strange))}", where)
    for variant in (MODEL, *run.recipe.evaluate.compare):
        asked = [samples.key(number) for number in task.asked_about(samples, variant)]
        yield from check_keys(asked, [row["key"] for row in rows if row["variant"] == variant], where)
    own = [row for row in rows if row["variant"] == MODEL]
    truths = {tuple(row[name] for name in task.truth) for row in own}
    answers = {tuple(row[name] for name in task.said) for row in own}
    if len(truths) > 1 and len(answers) <= 1:
        message = f"the model gives {len(own)} samples one and the same answer"
        yield Fault("answers", message, where, kind="collapsed")
