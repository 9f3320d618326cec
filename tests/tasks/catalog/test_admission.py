"""Admission of a search: vectors are those of the dataset and of the weights, whatever a hash says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from jobs import CATALOG

from rushes.predict.vectors import VECTORS, read_vectors, vectors_schema, writing_vectors
from rushes.recipe.frozen import SENTENCE_PACKAGES, missing_packages
from rushes.runs.admission.admit import admit
from rushes.tasks import TASKS
from rushes.tasks.catalog.admission import check_search
from rushes.testing import Finished, finish

pytestmark = pytest.mark.skipif(
    bool(missing_packages(*SENTENCE_PACKAGES)), reason="needs the packages of rushes[locked]"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Finished:
    """A run of two public encoders as they are, which needs no training."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "shop.yaml").write_text(
        CATALOG.replace("model: {drawn_pairs: 128}", "model: {name: locked, scenario: zero_shot}")
    )
    return finish(TASKS["catalog"], folder / "shop.yaml", folder / "workspace")


Columns = dict[str, object]


def changed(finished: Finished, folder: Path, change: Callable[[Columns], Columns]) -> list[str]:
    """What admission says where ``vectors.parquet`` was written anew."""
    run = finished.copy(folder).run()
    path = run.folder("embed") / VECTORS
    vectors = read_vectors(path.parent)
    table = vectors._items.parquet.read()
    columns: Columns = {name: table[name].to_pylist() for name in table.column_names if "_" not in name}
    for system in ("model", "base"):
        columns[f"{system}_picture"], columns[f"{system}_text"] = (
            vectors.picture(system),
            vectors.text(system),
        )
    width, fields = vectors.picture("model").shape[1], vectors.field_names
    path.unlink()
    with writing_vectors(path, vectors_schema(width, fields)) as writer:
        writer.add(change(columns))
    return [str(fault) for fault in check_search(run)]


def row_of_side(columns: Columns) -> int:
    return columns["side"].index("test")


def test_a_run_that_nobody_touched_is_admitted_and_its_costs_are_told(finished):
    run = finished.run()
    assert admit(run) == []
    assert run.task.costs(run) == {}  # nothing learnt
    rows = run.task.measured(run)
    assert sorted(key for key, _ in rows) == sorted(run.samples("test").keys())
    for compare in run.task.compare.values():
        assert compare(run, run, 0.95).value == 0.0


def test_a_vector_of_other_weights_is_told(finished, tmp_path):
    def turn(columns):
        vectors = columns["model_text"].copy()
        vectors[row_of_side(columns)] = np.roll(vectors[row_of_side(columns)], 1)
        return columns | {"model_text": vectors}

    [told] = changed(finished, tmp_path, turn)
    assert told.startswith("reload: reloaded, model gives text of ")


def test_words_of_another_product_are_told(finished, tmp_path):
    def rename(columns):
        texts = list(columns["text"])
        texts[row_of_side(columns)] = "anything"
        return columns | {"text": texts}

    [told] = changed(finished, tmp_path, rename)
    assert "'anything'), the dataset has (" in told


def test_a_product_without_vectors_is_told(finished, tmp_path):
    def drop(columns):
        kept = np.arange(len(columns["id"])) != row_of_side(columns)
        return {
            name: each[kept]
            if isinstance(each, np.ndarray)
            else pa.array(each).filter(pa.array(kept)).to_pylist()
            for name, each in columns.items()
        }

    assert "keys are not those of the dataset" in " ".join(changed(finished, tmp_path, drop))
