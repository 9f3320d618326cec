"""``predictions.parquet``: every variant's answers beside the truth, written once for all who read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa

from rushes.predict.operations.answer import Answer, Answerer, question
from rushes.predict.variants import Variant
from rushes.prepare.operations.sample import Sample
from rushes.shards.read import ShardDataset

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


def predict(
    answerers: Mapping[Variant, Answerer],
    clips: ShardDataset,
    split: str,
    seed: int,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    chunk: int = 64,
) -> pa.Table:
    """Ask every variant about every clip of a split.

    Windows of a timeline are asked of the trained model alone: the others are compared on clips with answers.

    Args:
        answerers: who answers as which variant.
        clips: the split.
        split: its name.
        seed: of the shuffled variant.
        on_progress: told questions done and planned.
        chunk: clips in memory at a time.

    Returns:
        A table of ``SCHEMA``, in the order of the variants and then of the clips.
    """
    samples = [(number, _is_window(clips.key(number))) for number in range(len(clips))]
    asked = {
        variant: [number for number, is_window in samples if variant == "model" or not is_window]
        for variant in answerers
    }
    done, total, rows = 0, sum(map(len, asked.values())), []
    for variant, numbers in asked.items():
        for start in range(0, len(numbers), chunk):
            read = [
                Sample.of(clips.key(number), clips.sample(number))
                for number in numbers[start : start + chunk]
            ]
            answers = answerers[variant].answer([question(sample, variant, seed) for sample in read])
            rows += [
                _row(sample, variant, split, answer) for sample, answer in zip(read, answers, strict=True)
            ]
            done += len(read)
            on_progress(done, total)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _is_window(key: str) -> bool:
    return key.endswith("_window")


def _row(sample: Sample, variant: Variant, split: str, answer: Answer) -> dict[str, object]:
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


def train_answers(clips: ShardDataset) -> Iterator[Sample]:
    """The samples of the training split with an answer, for baselines that are fitted on them."""
    for number in range(len(clips)):
        sample = Sample.of(clips.key(number), clips.sample(number))
        if sample.target is not None:
            yield sample
