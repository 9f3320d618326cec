"""Every variant's answers about windows beside the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from rushes.predict.units import Chunk, Questions, Row
from rushes.predict.variants import Variant
from rushes.runs.admission.answers import Answered
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


def asked_about(windows: ShardDataset, variant: Variant) -> Sequence[int]:
    """Every variant is asked about every window."""
    return range(len(windows))


def rows_of(answerer: Answerer, windows: ShardDataset, chunk: Chunk, split: str, seed: int) -> list[Row]:
    """Ask about the windows of a chunk.

    Args:
        answerer: who answers as the chunk's variant.
        windows: the split.
        chunk: which of them.
        split: its name.
        seed: of the shuffled variant.

    Returns:
        A row of ``SCHEMA`` for each window.
    """
    read = [_read(windows, number) for number in chunk.numbers]
    answers = answerer.answer([question(sample, chunk.variant, seed) for sample in read])
    return [_row(sample, chunk.variant, split, answer) for sample, answer in zip(read, answers, strict=True)]


def _read(windows: ShardDataset, number: int) -> Sample:
    return Sample.of(windows.key(number), windows.sample(number))


def _row(sample: Sample, variant: Variant, split: str, answer: Answer) -> Row:
    meta, target = sample.meta, sample.target()
    row: Row = {
        "key": sample.key,
        "variant": variant,
        "split": split,
        **{name: meta[name] for name in ("recording", "group", "window_start_s", "window_end_s")},
        "speed_at_start_mps": target["start_speed_mps"],
        "tags": json.dumps(meta["tags"], sort_keys=True),
        "reasoning": answer.reasoning,
        "failure": None,
    }
    for name in QUANTITIES:
        said = answer.quantities[name]
        row |= {f"truth_{name}": target[name], name: said.value}
        row |= {f"{name}_low": said.low, f"{name}_high": said.high}
    return row


QUESTIONS = Questions(Answerer, asked_about, rows_of, SCHEMA)


def train_targets(windows: ShardDataset) -> Iterator[dict[str, float]]:
    """The right answers of the training split, for baselines that are fitted on them."""
    for number in range(len(windows)):
        yield _read(windows, number).target()


_TRUTH = tuple(name for name in SCHEMA.names if name.startswith("truth_"))
ANSWERED = Answered(SCHEMA, asked_about, tuple(name.removeprefix("truth_") for name in _TRUTH), _TRUTH)
