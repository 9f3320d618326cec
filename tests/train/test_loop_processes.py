"""Two processes, as torchrun starts them, against one; and half precision."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rushes.train.events import read_events

HERE = Path(__file__).parent


def run(processes, worker, *arguments):
    """Run a worker in so many processes and wait for them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes)}
    ranks = [{**world, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    command = [sys.executable, "-W", "error", str(HERE / worker), *arguments]
    started = [
        subprocess.Popen(command, env=os.environ | (rank if processes > 1 else {}), stdout=subprocess.DEVNULL)
        for rank in ranks
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * processes


def train(folder, processes, **settings):
    usual = {"steps": 8, "learning_rate": 0.01, "log_every": 1, "checkpoint_every": 3, "threads": 0}
    options = json.dumps({"dropout": 0.0, "settings": usual | settings})
    run(processes, "loop_worker.py", str(folder), options)
    return load_file(folder / "checkpoints/step-00000008/weights.safetensors")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Folder and weights of one process that takes all eight samples of an update at once."""
    folder = tmp_path_factory.mktemp("one")
    return folder, train(folder, 1, batch_size=8, accumulate=1)


def losses(folder):
    return [event["loss"] for event in read_events(folder / "events.jsonl") if event["kind"] == "train"]


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path, one):
    folder, expected = one
    found = train(tmp_path, 2, batch_size=2, accumulate=2)
    # The bias of an attention's keys has no gradient but rounding noise, which Adam blows up.
    for name in expected.keys() - {"block.self_attn.in_proj_bias"}:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=2e-5)
    assert losses(tmp_path) == pytest.approx(losses(folder), rel=1e-5)
    counts = [
        [(event.get("samples"), event.get("tokens")) for event in read_events(at / "events.jsonl")]
        for at in (tmp_path, folder)
    ]
    assert counts[0] == counts[1]
    generators = load_file(tmp_path / "checkpoints/step-00000008/random.safetensors")
    assert generators["torch"].shape[0] == 2
    assert not torch.equal(*generators["torch"])


def test_bf16_computes_coarsely_and_keeps_fine_weights(tmp_path, one):
    weights = train(tmp_path, 1, batch_size=8, precision="bf16")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert losses(tmp_path) == pytest.approx(losses(one[0]), rel=0.02)
    assert losses(tmp_path) != pytest.approx(losses(one[0]), rel=1e-5)


def test_sharded_state_is_saved_whole_and_restored(tmp_path):
    run(2, "sharded_worker.py", str(tmp_path))
    saved, expected, found = (
        load_file(tmp_path / f"{name}.safetensors") for name in ("saved", "expected", "found")
    )
    assert saved["0.weight"].shape == saved["0.weight.exp_avg"].shape == (6, 4)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not torch.equal(expected["0.weight"], saved["0.weight"])


BOTH = ["pictures", "texts"]
CONTRAST = {
    "epochs": 2,
    "batch_size": 20,
    "micro_batch": 4,
    "learning_rate": 0.01,
    "log_every": 1,
    "patience": None,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learning", "loss"), [(BOTH, "softmax"), (BOTH, "sigmoid"), ([], "softmax")], ids=str
)
def test_a_contrastive_batch_is_that_of_all_processes(tmp_path, loss, learning):
    """Each of two meets the negatives of both: masks, scale and every weight come out as with one."""
    towers = {"learning": learning, "dropout": 0.0, "sigmoid": loss == "sigmoid"}
    options = json.dumps({"settings": CONTRAST | {"loss": loss}, "towers": towers})
    for processes in (1, 2):
        run(processes, "contrastive_worker.py", str(tmp_path / str(processes)), options)
    one, two = (
        load_file(tmp_path / str(processes) / "checkpoints/step-00000004/weights.safetensors")
        for processes in (1, 2)
    )
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=2e-5)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), rel=1e-5)
