"""Every variant's answers about windows beside the truth."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from rushes.predict.units import Questions, Row
from rushes.shards.read import ShardDataset
from rushes.tasks.driving.predict.answer import Answer, Answerer, question
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.preprocessing import QUANTITIES

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("key", "variant", "split", "recording", "group")),
        *((name, pa.float64()) for name in ("window_start_s", "window_end_s", "speed_at_start_mps")),
        ("tags", pa.string()),
        *((f"truth_{name}", pa.float64()) for name in QUANTITIES),
        *((f"{name}{end}", pa.float64()) for name in QUANTITIES for end in ("", "_low", "_high")),
        ("reasoning", pa.string()),
        ("failure", pa.string()),
    ]
)
"""Units as in the names; times on the clip's clock; ``tags`` is a JSON object."""


def _row(sample: Sample, answer: Answer) -> Row:
    meta, target = sample.meta, sample.target()
    row: Row = {
        **{name: meta[name] for name in ("recording", "group", "window_start_s", "window_end_s")},
        "speed_at_start_mps": target["start_speed_mps"],
        "tags": meta["tags"],
        "reasoning": answer.reasoning,
    }
    for name in QUANTITIES:
        said = answer.quantities[name]
        row |= {f"truth_{name}": target[name], name: said.value}
        row |= {f"{name}_low": said.low, f"{name}_high": said.high}
    return row


QUESTIONS = Questions(
    sample_of=Sample.of,
    question=question,
    answerer=Answerer,
    row=_row,
    schema=SCHEMA,
    said=QUANTITIES,
)


def train_targets(windows: ShardDataset) -> Iterator[dict[str, float]]:
    """The right answers of the training split, for baselines that are fitted on them."""
    return (sample.target() for sample in QUESTIONS.samples_of(windows, range(len(windows))))
