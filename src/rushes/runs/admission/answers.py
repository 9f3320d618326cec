"""Admission of answers: what a run that fine-tunes a vision language model must have said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.runs.admission.values import Fault, check_keys, not_finite
from rushes.runs.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from rushes.predict.variants import Variant
    from rushes.shards.read import ShardDataset

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Answered:
    """Where a task's answers stand.

    Attributes:
        schema: of the table of predictions.
        asked_about: numbers of the samples that a variant is asked about.
        said: columns of an answer; a model that always gives the same one has collapsed.
        truth: columns that say what would have been right.
    """

    schema: pa.Schema
    asked_about: Callable[[ShardDataset, Variant], Sequence[int]]
    said: tuple[str, ...]
    truth: tuple[str, ...]


def check_answers(run: Run[Any], task: Answered) -> Iterator[Fault]:
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
