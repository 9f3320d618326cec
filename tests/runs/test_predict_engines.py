"""The same answers, whoever gives them: this process, several, actors of a cluster."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from rushes.engine.cluster import connected, import_ray
from rushes.predict.table import FILE, read_predictions
from rushes.tasks.operations.predict.table import SCHEMA

COMPARE = ("--set", "evaluate.compare=[untrained, no_vision, shuffled]")
STORE_BYTES = 80 << 20


@pytest.fixture(scope="module")
def trained(copy_of):
    return copy_of("twin", "prepare", "train")


@pytest.fixture(scope="module")
def answers(trained):
    """Predictions of this process, which would use two threads, as bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return predictions(trained, "here")
    finally:
        torch.set_num_threads(before)


def predictions(job, name: str, *options: str) -> bytes:
    """``rushes predict`` in a copy of the job's workspace."""
    workspace = job.workspace.with_name(f"{job.workspace.name}-{name}")
    workspace.mkdir()
    for folder in job.workspace.iterdir():
        (workspace / folder.name).symlink_to(folder)
    other = type(job)(job.recipe, workspace)
    told = other.tell("predict", *COMPARE, *options)
    assert told.code == 0, told.err
    folder = other.run(COMPARE[1]).folder("predict")
    assert len(set(read_predictions(folder, SCHEMA)["variant"].to_pylist())) == 4
    return (folder / FILE).read_bytes()


@pytest.mark.slow
def test_processes_answer_as_this_one_does(trained, answers):
    assert predictions(trained, "processes", "--set", "evaluate.workers=2") == answers


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra: rushes[cluster]")
def test_a_cluster_answers_as_this_process_does(trained, answers):
    """On two nodes of one CPU each; as many workers as prepare has, since evaluate has none of its own."""
    import_ray()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        with connected(cluster.address, 2):
            options = ("--engine", "ray", "--address", cluster.address, "--set", "prepare.workers=2")
            assert predictions(trained, "cluster", *options) == answers
    finally:
        cluster.shutdown()


def test_a_stage_without_units_takes_no_engine(trained):
    told = trained.tell("evaluate", "--engine", "ray")
    assert told.code == 2
    assert "evaluate runs in this process, asked for --engine ray" in told.err
    assert "predict take it" in told.err
