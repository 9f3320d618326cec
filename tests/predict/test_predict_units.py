"""Answering in units: whole batches, the order of the questions, and errors that stay what they are."""

from __future__ import annotations

import doctest
import json
import multiprocessing

import pyarrow as pa
import pytest

from rushes.errors import ModelError, UnitError
from rushes.predict import units
from rushes.predict.units import Chunk, chunks_of, predict

SCHEMA = pa.schema([("variant", pa.string()), ("number", pa.int64())])


def rows(chunk: Chunk) -> list[dict[str, object]]:
    return [{"variant": chunk.variant, "number": number} for number in chunk.numbers]


def test_examples():
    assert doctest.testmod(units).failed == 0


@pytest.mark.parametrize("batch_size", [1, 2, 7, 16, 33, 63, 64, 65, 1000])
def test_chunks_are_whole_batches_of_all_questions(batch_size):
    asked = {"model": list(range(0, 600, 2)), "untrained": [], "shuffled": [5]}
    chunks = list(chunks_of(asked, batch_size))
    for variant, numbers in asked.items():
        ours = [chunk for chunk in chunks if chunk.variant == variant]
        assert [number for chunk in ours for number in chunk.numbers] == numbers
        assert all(len(chunk.numbers) % batch_size == 0 for chunk in ours[:-1])
        assert all(0 < len(chunk.numbers) <= max(64, batch_size) for chunk in ours)


def test_rows_stand_in_the_order_of_the_questions_and_progress_reaches_the_end():
    told = []
    asked = {"shuffled": [9, 3], "model": range(200)}
    table = predict(rows, asked, SCHEMA, batch_size=20, on_progress=lambda *how_far: told.append(how_far))
    expected = [{"variant": "shuffled", "number": n} for n in (9, 3)]
    assert table.to_pylist() == expected + [{"variant": "model", "number": n} for n in range(200)]
    assert told == [(0, 202), (2, 202), (62, 202), (122, 202), (182, 202), (202, 202)]
    assert table.schema == SCHEMA


def test_nothing_asked_is_an_empty_table():
    table = predict(rows, {"model": []}, SCHEMA, batch_size=4)
    assert (len(table), table.schema) == (0, SCHEMA)


def test_an_error_of_ours_is_itself_again_and_any_other_shows_where_it_was():
    def missing(chunk):
        raise ModelError("no trained model", where="there", cure="train it")

    def broken(chunk):
        raise ZeroDivisionError("by zero")

    with pytest.raises(ModelError) as caught:
        predict(missing, {"model": [0]}, SCHEMA, batch_size=1)
    assert str(caught.value) == "no trained model\n  where: there\n  cure:  train it"
    with pytest.raises(UnitError, match="in broken") as caught:
        predict(broken, {"model": [0]}, SCHEMA, batch_size=1)
    assert "ZeroDivisionError: by zero" in str(caught.value)


def test_workers_end_with_the_first_error():
    with pytest.raises(UnitError, match="TypeError: the JSON object must be"):
        predict(json.loads, {"model": range(500)}, SCHEMA, batch_size=1, workers=2)
    assert multiprocessing.active_children() == []
