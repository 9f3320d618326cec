"""``predictions.parquet``: every variant's answers beside the truth, written once for all who read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from rushes.predict.units import Chunk, Questions, Row
from rushes.predict.variants import Variant
from rushes.runs.admission.answers import Answered
from rushes.shards.read import ShardDataset
from rushes.tasks.operations.predict.answer import Answer, Answerer, question
from rushes.tasks.operations.prepare.sample import Sample

SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("key", "variant", "split", "recording", "subject", "group", "kind")
        ),
        *((name, pa.float64()) for name in ("clip_start_s", "clip_end_s", "asked_s")),
        ("truth_operation", pa.string()),
        ("truth_start_s", pa.float64()),
        ("truth_end_s", pa.float64()),
        ("truth_next", pa.string()),
        ("operation", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("next", pa.string()),
        ("confidence", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
        ("next_probabilities", pa.list_(pa.float64())),
        ("failure", pa.string()),
    ]
)


def asked_about(clips: ShardDataset, variant: Variant) -> Sequence[int]:
    """Numbers of the clips that a variant is asked about.

    Windows of a timeline are asked of the trained model alone: the others are compared on clips with answers.
    """
    return [n for n in range(len(clips)) if variant == "model" or not clips.key(n).endswith("_window")]


def rows_of(answerer: Answerer, clips: ShardDataset, chunk: Chunk, split: str, seed: int) -> list[Row]:
    """Ask about the clips of a chunk.

    Args:
        answerer: who answers as the chunk's variant.
        clips: the split.
        chunk: which of them.
        split: its name.
        seed: of the shuffled variant.

    Returns:
        A row of ``SCHEMA`` for each clip.
    """
    read = [Sample.of(clips.key(number), clips.sample(number)) for number in chunk.numbers]
    answers = answerer.answer([question(sample, chunk.variant, seed) for sample in read])
    return [_row(sample, chunk.variant, split, answer) for sample, answer in zip(read, answers, strict=True)]


def _row(sample: Sample, variant: Variant, split: str, answer: Answer) -> Row:
    target, meta = sample.target, sample.meta
    return {
        "key": sample.key,
        "variant": variant,
        "split": split,
        **{
            name: meta[name]
            for name in ("recording", "subject", "group", "kind", "clip_start_s", "clip_end_s")
        },
        "asked_s": sample.asked_s,
        "truth_operation": target and target.operation,
        "truth_start_s": target and target.start_s,
        "truth_end_s": target and target.end_s,
        "truth_next": target and target.next,
        "operation": answer.operation,
        "start_s": answer.start_s,
        "end_s": answer.end_s,
        "next": answer.next,
        "confidence": answer.confidence,
        "probabilities": answer.probabilities.tolist(),
        "next_probabilities": answer.next_probabilities.tolist(),
        "failure": None,
    }


QUESTIONS = Questions(Answerer, asked_about, rows_of, SCHEMA)


def train_answers(clips: ShardDataset) -> Iterator[Sample]:
    """The samples of the training split with an answer, for baselines that are fitted on them."""
    for number in range(len(clips)):
        sample = Sample.of(clips.key(number), clips.sample(number))
        if sample.target is not None:
            yield sample


_SAID = ("operation", "start_s", "end_s", "next")
ANSWERED = Answered(SCHEMA, asked_about, _SAID, tuple(f"truth_{name}" for name in _SAID))
