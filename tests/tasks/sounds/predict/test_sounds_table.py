import numpy as np
import pyarrow as pa
import pytest

from rushes.errors import ShardError
from rushes.predict.table import read_predictions, write_predictions
from rushes.tasks.sounds.predict.table import (
    SCHEMA,
    log_probabilities,
    logits_array,
    predictions_table,
)

LOGITS = np.array([[2.0, -1.0, 0.5], [0.25, 0.25, -3.0]], np.float32)


def table(logits=LOGITS):
    return predictions_table(["k1", "k2"], ["w1", "w2"], ["snore", "quiet"], logits)


def test_a_table_comes_back_from_disk_bit_for_bit(tmp_path):
    write_predictions(table(), tmp_path)
    again = read_predictions(tmp_path, SCHEMA)
    assert again.equals(table())
    assert np.array_equal(logits_array(again, 3), LOGITS)


def test_a_slice_of_a_table_has_its_own_logits():
    assert logits_array(table().slice(1), 3).tolist() == LOGITS[1:].tolist()
    assert logits_array(table().take([1, 0]), 3).tolist() == LOGITS[::-1].tolist()


def test_probabilities_add_up_and_do_not_overflow():
    huge = np.array([[1e30, 0.0], [-200.0, 200.0]], np.float32)
    assert np.exp(log_probabilities(LOGITS)).sum(axis=1) == pytest.approx([1, 1])
    assert np.isfinite(log_probabilities(huge)).all()
    assert log_probabilities(huge)[1, 0] == pytest.approx(-400.0)


def test_logits_that_are_not_finite_or_do_not_fit_are_refused():
    with pytest.raises(ShardError, match="finite"):
        table(np.array([[1, 2], [np.nan, 0]], np.float32))
    with pytest.raises(ShardError, match="needed logits"):
        table(LOGITS[:1])
    with pytest.raises(ShardError, match="3 logits for 4 classes"):
        logits_array(table(), 4)
    rows = [
        {"key": "k", "group": "g", "label": "a", "logits": row} for row in ([1.0, 2.0], [float("inf"), 0.0])
    ]
    with pytest.raises(ShardError, match="finite"):
        logits_array(pa.Table.from_pylist(rows, schema=SCHEMA), 2)
    ragged = [{**rows[0]}, {**rows[0], "logits": [1.0]}]
    with pytest.raises(ShardError, match="1 logits for 2"):
        logits_array(pa.Table.from_pylist(ragged, schema=SCHEMA), 2)
