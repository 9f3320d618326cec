"""Which items answer each other's questions."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics import sharing
from rushes.metrics.sharing import KIN, families, plain_words, right_items


def test_right_items_are_the_one_asked_for_and_whatever_shares_a_name_with_it():
    keys = np.array(["a", "b", "c", "d", "e"], object)
    groups = np.array(["x", "x", "", "", ""], object)
    words = plain_words(np.array(["Oak table", "pine table", "oak  TABLE", "", ""], object))
    found = right_items(np.array([0, 3, 2]), np.array([4, 2, 1, 0]), keys, words, kin=groups)
    pairs = list(zip(found.query.tolist(), found.item.tolist(), strict=True))
    # The first finds c (its words), b (its group) and itself; d is not searched, and shares no empty name with e.
    assert pairs == [(0, 1), (0, 2), (0, 3), (2, 1), (2, 3)]
    assert found.gain.tolist() == [1.0, KIN, 1.0, 1.0, 1.0]  # of its group alone is b


def test_a_name_that_everybody_shares_is_refused_before_memory_is_gone(monkeypatch):
    monkeypatch.setattr(sharing, "MOST_PAIRS", 99)
    every, one = np.arange(10), np.full(10, "product", object)
    with pytest.raises(MetricError, match="100 pairs of a question and a right item"):
        right_items(every, every, one)


def test_families_follow_names_step_by_step():
    groups, words = np.array(["x", "x", "", "y", ""]), np.array(["", "lamp", "lamp", "", ""])
    assert families(groups, words).tolist() == [0, 0, 0, 1, 2]
