"""``predictions.parquet``: every variant's answers beside the truth, written once for all who read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rushes.predict.units import Questions, Row, Variant
from rushes.shards.read import ShardDataset
from rushes.tasks.operations.predict.features import FeatureAnswerer, question_of_features
from rushes.tasks.operations.predict.read_off import Answer
from rushes.tasks.operations.prepare.sample import FeatureSample, Sample

if TYPE_CHECKING:
    from rushes.tasks.operations.predict.answer import Answerer, Question

_ANSWER = (
    ("operation", pa.string()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("next", pa.string()),
)
SAID = tuple(name for name, _ in _ANSWER)
SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("key", "variant", "split", "recording", "subject", "group", "kind")
        ),
        *((name, pa.float64()) for name in ("clip_start_s", "clip_end_s", "asked_s")),
        *((f"truth_{name}", kind) for name, kind in _ANSWER),
        *_ANSWER,
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


def _row(sample: Sample, answer: Answer) -> Row:
    target, meta = sample.target, sample.meta
    about = ("recording", "subject", "group", "kind", "clip_start_s", "clip_end_s")
    return {
        **{name: meta[name] for name in about},
        "asked_s": sample.asked_s,
        **{f"truth_{name}": target and getattr(target, name) for name in SAID},
        **{name: getattr(answer, name) for name in SAID},
        "confidence": answer.confidence,
        "probabilities": answer.probabilities.tolist(),
        "next_probabilities": answer.next_probabilities.tolist(),
    }


# A vision language model takes seconds to import, in each process: nobody pays for it who asks a head, or none.


def _question(sample: Sample, variant: Variant, seed: int) -> Question:
    from rushes.tasks.operations.predict.answer import question

    return question(sample, variant, seed)


def _answerer(vlm: Any, batch_size: int) -> Answerer:
    from rushes.tasks.operations.predict.answer import Answerer

    return Answerer(vlm, batch_size)


QUESTIONS = Questions(
    sample_of=Sample.of,
    question=_question,
    answerer=_answerer,
    row=_row,
    schema=SCHEMA,
    said=SAID,
    asked_about=asked_about,
)
QUESTIONS_OF_FEATURES = replace(
    QUESTIONS, sample_of=FeatureSample.of, question=question_of_features, answerer=FeatureAnswerer
)


def train_answers(clips: ShardDataset) -> Iterator[Sample]:
    """The samples of the training split with an answer, for baselines that are fitted on them."""
    samples = QUESTIONS.samples_of(clips, range(len(clips)))
    return (sample for sample in samples if sample.target is not None)
