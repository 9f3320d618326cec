"""What the contract asks of a run that fine-tunes a vision language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes.campaign.contract_values import Fault, check_keys, not_finite
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


def operations_answered() -> Answered:
    """Operation, its ends and the next one."""
    from rushes.predict.operations.table import SCHEMA, asked_about

    said = ("operation", "start_s", "end_s", "next")
    return Answered(SCHEMA, asked_about, said, tuple(f"truth_{name}" for name in said))


def driving_answered() -> Answered:
    """The quantities of a window's motion."""
    from rushes.predict.driving.table import SCHEMA, asked_about

    truth = tuple(name for name in SCHEMA.names if name.startswith("truth_"))
    said = tuple(name.removeprefix("truth_") for name in truth)
    return Answered(SCHEMA, asked_about, said, truth)


def check_operations(run: Run) -> Iterator[Fault]:
    """See `check_pictures`."""
    return check_pictures(run, operations_answered())


def check_driving(run: Run) -> Iterator[Fault]:
    """See `check_pictures`."""
    return check_pictures(run, driving_answered())


def check_pictures(run: Run, task: Answered) -> Iterator[Fault]:
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
