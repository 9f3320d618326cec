"""What two datasets share."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rushes.shards.overlap import Side, copies_in_both
from rushes.shards.read import ShardDataset


def array(*values: float) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(values, np.float32))
    return file.getvalue()


def test_copies_are_found_whatever_their_json_says(tmp_path: Path, write_series: Callable):
    """Also where members are called by what they hold alone, as pictures with their words are."""
    sides = []
    for name in ("test", "train"):
        members = {"jpg": b"\xff\xd8a picture", "txt": b"a chair", "json": name.encode()}
        write_series(tmp_path / name, name, [(f"{name}-1", members)])
        samples = ShardDataset.of_shards(sorted((tmp_path / name).glob("*.tar")))
        assert {field: bytes(data) for field, data in samples.sample(0).items()} == members
        sides.append(Side.of(name, samples, {}))
    assert list(copies_in_both(*sides)) == [("test-1", "train-1")]


@pytest.mark.parametrize(
    ("members", "are_copies"),
    [
        ({"logmel.npy": array(1, 2, 3)}, True),
        ({"logmel.npy": array(-80, -80, -80)}, False),  # silence
        ({"logmel.npy": array(np.nan, 1)}, True),
        ({"still.npy": array(0, 0), "frame.jpg": b"\xff\xd8a picture"}, True),
    ],
)
def test_samples_of_one_value_throughout_are_no_copies(
    tmp_path: Path, write_series: Callable, members: dict[str, bytes], are_copies: bool
):
    sides = []
    for name in ("test", "train"):
        write_series(tmp_path / name, name, [(f"{name}-1", members | {"meta.json": name.encode()})])
        samples = ShardDataset.of_shards(sorted((tmp_path / name).glob("*.tar")))
        sides.append(Side.of(name, samples, {}))
    assert list(copies_in_both(*sides)) == ([("test-1", "train-1")] if are_copies else [])
