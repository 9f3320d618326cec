"""A whole campaign in processes that are killed, interrupted, or somewhere else."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from campaigns import TRIALS, states

from rushes.engine.cluster import import_ray


def count(folder: Path) -> int:
    """Files and folders; unlike rglob, walk does not mind that some vanish while it looks."""
    return sum(len(folders) + len(names) for _, folders, names in os.walk(folder))


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_comes_to_the_same_leaderboard(whole, tmp_path):
    reference, _ = whole
    job = replace(reference, workspace=tmp_path / "killed")
    # Moments by how much stands on disk: as random on a slow machine as on a fast one.
    moments = sorted(np.random.default_rng().integers(1, count(reference.workspace), 3).tolist())
    for moment in moments:
        process = job.begin("run", "--workers", "1", start_new_session=True)
        while count(job.workspace) < moment and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    process = job.begin("run", "--workers", "2")
    _, err = process.communicate(timeout=250)
    assert process.returncode == 0, (moments, err)
    assert job.timeless() == reference.timeless(), moments
    for name in ("decisions.md", "negative-results.md"):
        assert job.read(name) == reference.read(name), moments
    for name in ("verdicts/first.json", "verdicts/second.json"):
        ours, theirs = (json.loads(one.read(name)) for one in (job, reference))
        assert ours.pop("entry") != theirs.pop("entry")  # an asking is on record with its time
        assert ours == theirs, moments
    assert len(job.openings()) == 1


@pytest.mark.slow
def test_ctrl_c_stops_the_workers_and_the_command_resumes(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reference, _ = whole
    job = replace(reference, workspace=Path("relative"))
    process = job.begin("run", "--workers", "2")
    while not list(job.workspace.glob("train-*")) and process.poll() is None:
        time.sleep(0.005)
    children = list(_children(process.pid))
    assert children
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; the same command resumes"
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    runner, failure = job.go()
    assert failure is None
    assert states(runner) == TRIALS
    assert job.timeless() == reference.timeless()


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra: rushes[cluster]")
def test_a_cluster_does_the_same_runs_in_a_workspace_of_a_relative_path(whole, tmp_path, monkeypatch):
    """Teacher, logits and runs are units of the cluster, in whatever folder its processes were started."""
    import_ray()
    from ray.cluster_utils import Cluster

    reference, _ = whole
    monkeypatch.chdir(tmp_path)
    job = replace(reference, workspace=Path("relative"))
    [features] = reference.workspace.glob("features-*")  # its recipe decodes in one process, not on a cluster
    shutil.copytree(features, job.workspace / features.name)
    head = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        told = job.tell("run", "--engine", "ray", "--address", cluster.address, "--workers", "1")
    finally:
        cluster.shutdown()
    assert told.code == 0, told.err
    assert job.timeless() == reference.timeless()
