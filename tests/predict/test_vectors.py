"""Files of vectors: what is written is read again, other tools read it, and what does not hold is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.predict.vectors import (
    QUERIES,
    VECTORS,
    Vectors,
    queries_schema,
    read_vectors,
    vectors_schema,
    writing_vectors,
)

WIDTH = 24


def unit(n: int, seed: int = 0, width: int = WIDTH) -> NDArray[np.float32]:
    """Unit vectors (n, width) in float32."""
    vectors = np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def items(n: int, first: int = 0) -> dict[str, Any]:
    """Columns of n items."""
    ids = [f"{number:016x}" for number in range(first, first + n)]
    texts = {name: [f"{name} of {one}" for one in ids] for name in ("group", "label", "title", "text")}
    vectors = {
        f"{system}_{kind}": unit(n, first + seed)
        for seed, (system, kind) in enumerate(
            (system, kind) for system in ("base", "model") for kind in ("picture", "text")
        )
    }
    fields = [{"style": "modern"} if number % 2 else {"color": "oak"} for number in range(n)]
    return {"id": ids, "side": ["test"] * n, **texts, "fields": fields, **vectors}


def write(folder: Path, *parts: dict[str, Any], fields: tuple[str, ...] = ("style", "color")) -> Vectors:
    """Files with these items and two kinds of questions."""
    with writing_vectors(folder / VECTORS, vectors_schema(WIDTH, fields)) as writer:
        for part in parts:
            writer.add(part)
    with writing_vectors(folder / QUERIES, queries_schema(WIDTH)) as writer:
        views = {"id": ["a", "b"], "kind": ["view"] * 2, "text": ["", ""]}
        writer.add({**views, "base": unit(2, 7), "model": unit(2, 8)})
        writer.add({"id": ["a"], "kind": ["untrained:picture"], "text": [""], "model": unit(1, 9)})
    return read_vectors(folder)


def test_what_is_written_is_read_again_rounded_to_halves(tmp_path: Path) -> None:
    first, second = items(3), items(2, first=3)
    found = write(tmp_path, first, second)
    assert len(found) == 5
    assert found.keys.tolist() == first["id"] + second["id"]
    assert found.titles[4] == "title of 0000000000000004"
    assert (found.sides == "test").all()
    assert found.field_names == ("color", "style")
    assert found.field("style").tolist() == [None, "modern", None, None, "modern"]
    expected = np.concatenate([first["model_text"], second["model_text"]]).astype(np.float16)
    assert found.text("model").dtype == np.float16
    assert np.array_equal(found.text("model"), expected)


def test_questions_are_read_by_kind_and_a_system_that_was_not_asked_is_missing(tmp_path: Path) -> None:
    found = write(tmp_path, items(1))
    assert found.kinds == ("view", "untrained:picture")
    views, untrained = found.queries("view"), found.queries("untrained:picture")
    assert views.ids.tolist() == ["a", "b"]
    assert np.array_equal(views.vectors["base"], unit(2, 7).astype(np.float16))
    assert np.array_equal(views.vectors["model"], unit(2, 8).astype(np.float16))
    assert list(untrained.vectors) == ["model"]
    assert len(found.queries("language:de").ids) == 0


def test_rows_are_written_in_groups_and_items_need_no_metadata(tmp_path: Path) -> None:
    parts = [{**items(3000, first), "fields": None} for first in range(0, 12_000, 3000)]
    found = write(tmp_path, *parts, fields=())
    meta = pq.ParquetFile(tmp_path / VECTORS).metadata
    assert [meta.row_group(number).num_rows for number in range(meta.num_row_groups)] == [8192, 808, 3000]
    assert found.field_names == ()
    assert np.array_equal(found.picture("base")[-3000:], parts[-1]["base_picture"].astype(np.float16))


def test_other_tools_read_plain_lists_without_compression_and_dictionary(tmp_path: Path) -> None:
    write(tmp_path, part := items(3))
    column = pq.read_table(tmp_path / VECTORS)["model_picture"]
    assert column.type.list_size == WIDTH
    assert np.array_equal(np.array(column.to_pylist(), np.float16), part["model_picture"].astype(np.float16))
    group = pq.ParquetFile(tmp_path / VECTORS).metadata.row_group(0)
    for number in range(group.num_columns):
        assert group.column(number).compression == "UNCOMPRESSED"
        assert not group.column(number).has_dictionary_page


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (unit(2, width=WIDTH - 1), r"needed vectors \(2, 24\), found \(2, 23\)"),
        (unit(3), r"needed vectors \(2, 24\), found \(3, 24\)"),
        (np.full((2, WIDTH), np.nan, np.float32), "needed unit vectors, found one of length nan"),
        (unit(2) * np.float32(1.1), "needed unit vectors, found one of length 1.1"),
        (np.zeros((2, WIDTH), np.float32), "needed unit vectors, found one of length 0"),
    ],
)
def test_only_unit_vectors_of_one_width_are_written_and_nothing_is_left_behind(
    tmp_path: Path, vectors: NDArray[np.float32], words: str
) -> None:
    with pytest.raises(ShardError, match=words):
        write(tmp_path, {**items(2), "base_text": vectors})
    assert not list(tmp_path.iterdir())


def test_an_item_with_two_rows_is_refused(tmp_path: Path) -> None:
    found = write(tmp_path, items(3), items(2, first=2))
    with pytest.raises(ShardError, match="an item has two rows of vectors: 0000000000000002"):
        _ = found.keys


def rewritten(folder: Path, table: pa.Table) -> None:
    pq.write_table(table, folder / VECTORS)


def test_a_file_of_another_form_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    write(tmp_path, items(2))
    table = pq.read_table(tmp_path / VECTORS)
    rewritten(tmp_path, table.drop_columns(["title"]))
    with pytest.raises(ShardError, match="title is missing, needed string"):
        read_vectors(tmp_path)
    number = table.schema.get_field_index("base_text")
    lists = pa.array(table["base_text"].to_pylist(), pa.list_(pa.float16()))
    rewritten(tmp_path, table.set_column(number, "base_text", lists))
    with pytest.raises(ShardError, match=r"base_text is list<.*>, needed fixed_size_list"):
        read_vectors(tmp_path)
    narrow = pa.array(unit(2, width=8).astype(np.float16).tolist(), pa.list_(pa.float16(), 8))
    rewritten(tmp_path, table.set_column(number, "base_text", narrow))
    with pytest.raises(ShardError, match=r"base_text is fixed_size_list<.*>\[8\], needed .*\[24\]"):
        read_vectors(tmp_path)


def test_values_that_are_missing_or_not_finite_are_refused_when_they_are_read(tmp_path: Path) -> None:
    write(tmp_path, items(2))
    table = pq.read_table(tmp_path / VECTORS)
    number = table.schema.get_field_index("base_text")
    values = table["base_text"].to_pylist()
    for spoiled, words in (
        ([values[0], [float("nan"), *values[1][1:]]], "base_text: a vector that is not finite"),
        ([values[0], [float("inf"), *values[1][1:]]], "base_text: a vector that is not finite"),
        ([values[0], None], "base_text: a row without its vector"),
        ([values[0], [None, *values[1][1:]]], "vectors that cannot be read"),
    ):
        column = pa.array(spoiled, pa.list_(pa.float16(), WIDTH))
        rewritten(tmp_path, table.set_column(number, "base_text", column))
        found = read_vectors(tmp_path)
        with pytest.raises(ShardError, match=words):
            found.text("base")
        assert len(found.text("model")) == 2


def test_files_that_are_missing_or_torn_are_refused_with_what_repairs_them(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="the file is missing") as missing:
        read_vectors(tmp_path)
    assert missing.value.cure == "run `rushes verify RECIPE --repair`"
    write(tmp_path, items(40))
    whole = (tmp_path / VECTORS).read_bytes()
    (tmp_path / VECTORS).write_bytes(whole[:-100])
    with pytest.raises(ShardError, match="no vectors"):
        read_vectors(tmp_path)
