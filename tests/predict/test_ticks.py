"""Ticks of a recording: labels, stretches, and the table in which they stand."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.errors import ShardError
from rushes.predict.ticks import Ticks, read_ticks, stretches, write_ticks

NAMES = ("Pick", "Tape", "idle")
ROWS = [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [np.nan] * 3, [0.1, 0.6, 0.3], [0.1, 0.2, 0.7]]


def ticks() -> Ticks:
    return Ticks.of(2.0, NAMES, np.array(ROWS))


def test_stretches_end_where_the_label_changes_or_nothing_was_asked():
    found = list(stretches(ticks(), 10.0))
    assert [(one.start_s, one.end_s, one.label) for one in found] == [
        (0.0, 4.0, "Pick"),
        (6.0, 8.0, "Tape"),
        (8.0, 10.0, "idle"),
    ]
    assert (found[0].confidence, found[0].rival, found[0].rival_confidence) == pytest.approx(
        (0.6, "Tape", 0.25)
    )


def test_background_gives_no_stretch():
    assert [one.label for one in stretches(ticks(), 10.0, {"idle"})] == ["Pick", "Tape"]


def test_other_labels_keep_their_own_probability_and_no_label_comes_where_nothing_was_asked():
    found = list(stretches(ticks().saying(["Tape"] * 5), 10.5))
    assert [(one.start_s, one.end_s) for one in found] == [(0.0, 4.0), (6.0, 10.5)]
    assert found[0].confidence == pytest.approx(0.25)
    assert found[0].rival == "Pick"


def test_a_table_gives_back_what_was_written(tmp_path):
    write_ticks(ticks(), tmp_path / "a.parquet")
    write_ticks(ticks(), tmp_path / "b.parquet")
    found = read_ticks(tmp_path / "a.parquet", NAMES)
    assert found.said == ticks().said
    assert found.stride_s == 2.0
    assert np.array_equal(found.probabilities, ticks().probabilities, equal_nan=True)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"PAR1 torn"])
def test_a_table_that_does_not_hold_is_refused(tmp_path, content):
    path = tmp_path / "a.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShardError, match="no table of ticks"):
        read_ticks(path, NAMES)
