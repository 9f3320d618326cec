import json
import resource
import shutil
from contextlib import contextmanager

import pytest
import torch

from rushes.errors import StageError, TrainError
from rushes.train.checkpoint import (
    checkpoint_steps,
    keep_newest,
    newest_checkpoint,
    open_checkpoint,
    write_checkpoint,
)

IDENTITY = {"signature": "abc", "seed": 0, "betas": [0.9, 0.999]}


def write(root, step, size=100):
    tensors = {"weights": {"w": torch.full((size,), float(step))}, "optimizer": {"m": torch.arange(4)}}
    return write_checkpoint(root, step, IDENTITY, tensors, {"progress": {"step": step}})


@contextmanager
def files_no_larger_than(limit_bytes):
    """As on a full disk: writing beyond the limit fails in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_comes_back_as_written(tmp_path):
    write(tmp_path, 9)
    write(tmp_path, 10)
    found = newest_checkpoint(tmp_path, IDENTITY, pytest.fail)
    assert (found.step, found.state["progress"]) == (10, {"step": 10})
    assert torch.equal(found.tensors("weights")["w"], torch.full((100,), 10.0))
    assert torch.equal(found.tensors("optimizer")["m"], torch.arange(4))


def test_no_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path / "missing", IDENTITY, pytest.fail) is None


def test_order_is_numeric(tmp_path):
    for step in (99_999_999, 100_000_000):
        write(tmp_path, step)
    assert newest_checkpoint(tmp_path, IDENTITY, pytest.fail).step == 100_000_000


def truncate(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(folder):
    path = folder / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("tear", "reason"),
    [
        (truncate, "weights.safetensors has"),
        (flip_a_bit, "optimizer.safetensors does not have the SHA-256"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors has 0 of"),
        (lambda folder: (folder / "state.json").unlink(), "no whole state.json"),
        (lambda folder: (folder / "state.json").write_text('{"step": 20'), "no whole state.json"),
        (lambda folder: (folder / "state.json").write_text("[]"), "no whole state.json"),
    ],
)
def test_torn_one_is_ignored_with_a_reason(tmp_path, tear, reason):
    write(tmp_path, 10)
    tear(write(tmp_path, 20))
    reasons = []
    assert newest_checkpoint(tmp_path, IDENTITY, reasons.append).step == 10
    assert len(reasons) == 1
    assert reason in reasons[0]
    assert "step-00000020 is ignored" in reasons[0]


def test_torn_one_is_replaced(tmp_path):
    truncate(write(tmp_path, 20))
    write(tmp_path, 20)
    assert newest_checkpoint(tmp_path, IDENTITY, pytest.fail).step == 20
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000020"]


def test_another_run_is_refused_and_the_difference_named(tmp_path):
    write(tmp_path, 10)
    with pytest.raises(StageError) as caught:
        newest_checkpoint(tmp_path, IDENTITY | {"signature": "xyz", "seed": 1}, pytest.fail)
    assert "signature: found 'abc', asked for 'xyz'" in str(caught.value)
    assert "seed: found 0, asked for 1" in str(caught.value)
    assert "betas" not in str(caught.value)


def test_keep_newest(tmp_path):
    for step in (5, 8, 9, 10, 11):
        write(tmp_path, step)
    keep_newest(tmp_path, newest=11, keep=2, spare=8)
    assert checkpoint_steps(tmp_path) == [8, 10, 11]


def test_torn_ones_ahead_do_not_count_among_the_newest(tmp_path):
    for step in (10, 20):
        write(tmp_path, step)
    truncate(write(tmp_path, 30))
    keep_newest(tmp_path, newest=20, keep=1)
    assert checkpoint_steps(tmp_path) == [20, 30]


def test_leftovers_of_a_killed_writer_are_swept(tmp_path):
    folder = write(tmp_path, 10)
    shutil.copytree(folder, tmp_path / ".step-00000020.partial")
    assert newest_checkpoint(tmp_path, IDENTITY, pytest.fail).step == 10
    write(tmp_path, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000030"]


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_failed_write_leaves_the_checkpoint_before(tmp_path, file):
    sizes = {path.name: path.stat().st_size for path in write(tmp_path, 10, size=1).iterdir()}
    assert sizes["weights.safetensors"] < sizes["optimizer.safetensors"] < sizes["state.json"]
    limit_bytes = sizes[file] - 1
    with files_no_larger_than(limit_bytes), pytest.raises(TrainError, match="step 20 could not be written"):
        write(tmp_path, 20, size=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010"]
    assert newest_checkpoint(tmp_path, IDENTITY, pytest.fail).step == 10


def test_folder_may_be_moved(tmp_path):
    folder = write(tmp_path / "here", 10)
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert open_checkpoint(tmp_path / "there" / folder.name, IDENTITY).step == 10
    assert json.loads((tmp_path / "there" / folder.name / "state.json").read_text())["identity"] == IDENTITY
