"""The result: a row for each answered item, as Parquet and CSV, and a line for each that has none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rushes.label.ledger import Labelled
from rushes.label.question import Question
from rushes.stages import atomic_file, canonical_json

PARQUET, CSV, QUARANTINE = "attributes.parquet", "attributes.csv", "quarantine.jsonl"
_GROUP = 4_000


def columns(question: Question) -> tuple[str, ...]:
    """Of the result."""
    return ("id", "title", *question.attributes, "model", "question", "finish", "shrunk")


def write_result(folder: Path, labelled: Iterable[Labelled], question: Question) -> Mapping[str, int]:
    """Write ``attributes.parquet``, ``attributes.csv`` and ``quarantine.jsonl``; rows of each.

    The same answers give the same bytes. Of the quarantine are items that were refused, or asked as often as they may.

    Args:
        folder: where they go.
        labelled: all items, in order.
        question: what was asked.
    """
    counts = {"answered": 0, "quarantined": 0}
    names = columns(question)
    schema = pa.schema([(name, pa.int8() if name == "shrunk" else pa.string()) for name in names])
    with (
        atomic_file(folder / CSV) as table,
        atomic_file(folder / PARQUET) as binary,
        atomic_file(folder / QUARANTINE) as refused,
        pq.ParquetWriter(binary, schema) as parquet,
    ):
        text = io.TextIOWrapper(table, encoding="utf-8", newline="", write_through=True)
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(names)
        for some in _chunks(labelled, refused, counts):
            rows = [_row(one, question) for one in some]
            lines.writerows(rows)
            parquet.write_table(
                pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)), schema=schema)
            )
        text.detach()
    return counts


def _chunks(labelled: Iterable[Labelled], refused: Any, counts: dict[str, int]) -> Iterator[list[Labelled]]:
    """Answered items, some at a time; the others go aside on the way."""
    some: list[Labelled] = []
    for one in labelled:
        if one.answer is not None:
            some.append(one)
            counts["answered"] += 1
        elif one.state in ("refused", "exhausted"):
            refused.write(canonical_json(_reason(one)).encode() + b"\n")
            counts["quarantined"] += 1
        if len(some) == _GROUP:
            yield some
            some = []
    if some:
        yield some


def _row(one: Labelled, question: Question) -> tuple[Any, ...]:
    assert one.answer is not None
    told = [one.answer[name] for name in question.attributes]
    return (one.key, one.title, *told, one.model, question.digest, one.code, one.level)


def _reason(one: Labelled) -> dict[str, Any]:
    return {
        "id": one.key,
        "title": one.title,
        "where": one.place,
        "state": one.state,
        "code": one.code,
        "message": one.message,
        "attempts": one.attempts,
    }
