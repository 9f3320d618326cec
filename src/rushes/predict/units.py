"""Answers about a split, cut into units: in this process, in several or on a cluster, always the same rows.

A unit holds whole batches, and rows are put together in the order of the questions, so neither the number of
workers nor who is done first changes an answer. A matrix product does depend, in its last bits, on how many
threads share it: every unit is answered by one thread, wherever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from rushes.engine import LOCAL, Engine, Unit, map_units
from rushes.shards.read import ShardDataset

QUESTIONS = 64  # of a unit: their pictures are in memory together, and their rows are far below a megabyte

Row = dict[str, Any]

Variant = Literal["model", "untrained", "no_vision", "shuffled"]
"""What answers beside the trained model."""

View = Callable[[np.ndarray, np.random.Generator], np.ndarray]

VIEWS: dict[Variant, View] = {
    "model": lambda frames, rng: frames,
    "untrained": lambda frames, rng: frames,
    "no_vision": lambda frames, rng: np.zeros_like(frames),
    "shuffled": lambda frames, rng: frames[rng.permutation(len(frames))],
}
"""What a variant is shown instead of a sample's frames ``(T, H, W, 3)``."""


def shown(views: Sequence[np.ndarray], variant: Variant, seed: int, key: str) -> list[np.ndarray]:
    """What a variant is shown of each view's frames; a shuffle, the same for all, depends on seed and key."""
    return [VIEWS[variant](frames, np.random.default_rng([seed, *key.encode()])) for frames in views]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A unit of answering: who is asked, and about which samples of the split, by number."""

    variant: Variant
    numbers: tuple[int, ...]


def everything(samples: ShardDataset, variant: Variant) -> Sequence[int]:
    """Every variant is asked about every sample; a `Questions.asked_about`."""
    return range(len(samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """How a task asks, and where the answers stand; functions at the top of a module, so that they can travel.

    Attributes:
        sample_of: key and members of a sample -> the sample.
        question: sample, variant and seed of shuffles -> what it is asked.
        answerer: model and batch size -> who answers.
        row: sample and its answer -> columns of ``schema`` beside key, variant, split and failure.
        schema: of the rows.
        said: columns of an answer; a model that always gives the same one has collapsed. What would have been
            right stands in columns of the same names behind ``truth_``.
        asked_about: samples of the split and a variant -> which of them it is asked about, by number.
    """

    sample_of: Callable[[str, Mapping[str, bytes | memoryview]], Any]
    question: Callable[[Any, Variant, int], Any]
    answerer: Callable[[Any, int], Any]
    row: Callable[[Any, Any], Row]
    schema: pa.Schema
    said: tuple[str, ...]
    asked_about: Callable[[ShardDataset, Variant], Sequence[int]] = everything

    @property
    def truth(self) -> tuple[str, ...]:
        """Columns that say what would have been right."""
        return tuple(f"truth_{name}" for name in self.said)

    def samples_of(self, dataset: ShardDataset, numbers: Iterable[int]) -> Iterator[Any]:
        """The samples with these numbers."""
        return (self.sample_of(dataset.key(number), dataset.sample(number)) for number in numbers)

    def rows_of(self, answerer: Any, dataset: ShardDataset, chunk: Chunk, split: str, seed: int) -> list[Row]:
        """Ask about the samples of a chunk.

        Args:
            answerer: who answers as the chunk's variant.
            dataset: the split.
            chunk: which of them.
            split: its name.
            seed: of the shuffled variant.

        Returns:
            A row of ``schema`` for each sample.
        """
        samples = list(self.samples_of(dataset, chunk.numbers))
        answers = answerer.answer([self.question(sample, chunk.variant, seed) for sample in samples])
        about = {"variant": chunk.variant, "split": split, "failure": None}
        return [
            {"key": sample.key, **about, **self.row(sample, answer)}
            for sample, answer in zip(samples, answers, strict=True)
        ]


def chunks_of(asked: Mapping[Variant, Sequence[int]], batch_size: int) -> Iterator[Chunk]:
    """Cut questions into units of whole batches; only the last one of a variant may end within a batch.

    >>> [len(chunk.numbers) for chunk in chunks_of({"model": range(100), "no_vision": range(50)}, 20)]
    [60, 40, 50]
    """
    size = batch_size * max(1, QUESTIONS // batch_size)
    for variant, numbers in asked.items():
        for start in range(0, len(numbers), size):
            yield Chunk(variant, tuple(numbers[start : start + size]))


def predict(
    rows_of: Callable[[Chunk], Sequence[Row]],
    asked: Mapping[Variant, Sequence[int]],
    schema: pa.Schema,
    *,
    batch_size: int,
    workers: int = 0,
    engine: Engine = LOCAL,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pa.Table:
    """Ask every variant about its samples.

    Args:
        rows_of: answers a chunk, a row for each of its samples; with workers it travels to them.
        asked: variant -> the samples that it is asked about, by number.
        schema: of the rows.
        batch_size: questions that are answered together.
        workers: processes; 0 asks in this one.
        engine: where they run.
        on_progress: told questions done and planned.

    Returns:
        A table of ``schema``, in the order of the variants and then of their samples.

    Raises:
        RushesError: a chunk could not be answered; of the class of what went wrong.
    """
    chunks = list(chunks_of(asked, batch_size))
    done, total = 0, sum(map(len, asked.values()))
    rows: dict[str, Sequence[Row]] = {}
    units = [Unit(f"{number}-{chunk.variant}", chunk) for number, chunk in enumerate(chunks)]
    on_progress(done, total)
    with closing(map_units(rows_of, units, workers=workers, engine=engine)) as results:
        for result in results:
            if result.error is not None:
                raise result.error.to_error(result.key)
            rows[result.key] = result.value
            done += len(result.value)
            on_progress(done, total)
    return pa.Table.from_pylist([row for unit in units for row in rows[unit.key]], schema=schema)
