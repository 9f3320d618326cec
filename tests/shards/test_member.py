"""JSON members: their type must be evident from any one of them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from rushes.errors import ShardError
from rushes.shards.member import json_member


def test_a_member_is_what_was_given() -> None:
    record = {"name": "ä", "rows": [{"start_s": 0.0, "label": ""}], "size": (3, 4), "at": {"x": 1.5}}
    assert json.loads(json_member(record)) == {**record, "size": [3, 4]}


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"a": None}, "in a"),
        ({"a": {"b": [None]}}, "in a.b"),
        ({"a": []}, "in a"),
        ({"a": {}}, "in a"),
        ({}, "the whole member"),
        ({"a": [0.0, 1.0, "Tape"]}, "Tape"),
        ({"a": float("nan")}, "JSON"),
        ({"a": {1, 2}}, "set"),
    ],
)
def test_what_has_no_type_is_refused(record: dict, named: str) -> None:
    with pytest.raises(ShardError, match=named):
        json_member(record)


def test_members_of_one_kind_have_one_type() -> None:
    """Where nothing is labelled the type is that of where something is."""
    labelled = {"segments": [{"start_s": 0.5, "end_s": 2.0, "label": "Tape"}], "after": "Pack"}
    bare = {"segments": [{"start_s": 0.0, "end_s": 5.0, "label": ""}], "after": ""}
    types = {pa.array([json.loads(json_member(record))]).type for record in (labelled, bare)}
    assert len(types) == 1
