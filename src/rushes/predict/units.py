"""Answers about a split, cut into units: in this process, in several or on a cluster, always the same rows.

A unit holds whole batches, and rows are put together in the order of the questions, so neither the number of
workers nor who is done first changes an answer. A matrix product does depend, in its last bits, on how many
threads share it: every unit is answered by one thread, wherever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rushes.engine import LOCAL, Engine, Unit, map_units
from rushes.predict.variants import Variant

QUESTIONS = 64  # of a unit: their pictures are in memory together, and their rows are far below a megabyte

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A unit of answering: who is asked, and about which samples of the split, by number."""

    variant: Variant
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Questions:
    """How a task asks; functions at the top of a module, so that they can travel.

    Attributes:
        answerer: model and batch size -> who answers.
        asked_about: samples of the split and a variant -> which of them it is asked about, by number.
        rows_of: answerer, samples, chunk, name of the split and seed of shuffles -> a row for each sample.
        schema: of the rows.
    """

    answerer: Callable[[Any, int], Any]
    asked_about: Callable[[Any, Variant], Sequence[int]]
    rows_of: Callable[[Any, Any, Chunk, str, int], Sequence[Row]]
    schema: pa.Schema


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
