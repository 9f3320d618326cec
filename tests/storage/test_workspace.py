"""A workspace elsewhere behaves as one on this disk does, also when everything is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushes.errors import StageError
from rushes.stages import StageSpec, read_json, write_json
from rushes.storage import RemoteWorkspace, open_workspace
from rushes.storage.lock import LOCK, held, owner
from rushes.storage.remote import Remote

SPEC = StageSpec("evaluate", 1, {"split": "test"})


@pytest.fixture(params=["local", "file", "memory", "s3"])
def workspace(request, tmp_path):
    if request.param == "local":
        return open_workspace(tmp_path / "runs")
    if request.param == "memory":
        return open_workspace(f"memory://rushes-tests/{tmp_path.name}", tmp_path / "cache")
    there = request.getfixturevalue({"file": "folder_by_url", "s3": "s3"}[request.param])
    return open_workspace(there.url, tmp_path / "cache")


def do(workspace, spec=SPEC, n=1, reopen=False):
    with workspace.working(spec, reopen=reopen) as stage:
        write_json(stage.folder / "metrics.json", {"n": n})
        stage.finish({"files": {}}, {"clips": n})


def elsewhere(workspace, tmp_path):
    """The same workspace on another machine."""
    return (
        open_workspace(workspace.url, tmp_path / "b") if isinstance(workspace, RemoteWorkspace) else workspace
    )


def test_absent_partial_done(workspace, tmp_path):
    assert workspace.status(SPEC).state == "absent"
    with workspace.working(SPEC):
        assert "works there now" in workspace.status(SPEC).reason
    other = elsewhere(workspace, tmp_path)
    assert other.status(SPEC).state == "partial"
    assert "begun, not finished" in other.status(SPEC).reason
    do(other)
    status = workspace.status(SPEC)
    assert (status.state, status.folder) == ("done", SPEC.folder(workspace.root))
    assert status.reason.startswith("finished ")
    assert read_json(workspace.bring(SPEC) / "metrics.json") == {"n": 1}


def test_what_differs_is_named(workspace, tmp_path):
    do(workspace)
    other = elsewhere(workspace, tmp_path)
    reason = other.status(StageSpec("evaluate", 1, {"split": "train"})).reason
    assert 'recipe.split: "test" -> "train"' in reason


def test_done_is_not_done_again_unless_reopened(workspace, tmp_path):
    do(workspace)
    other = elsewhere(workspace, tmp_path)
    with pytest.raises(StageError, match="the stage is done"):
        do(other)
    assert workspace.status(SPEC).state == "done"
    do(other, n=2, reopen=True)
    assert read_json(workspace.bring(SPEC) / "metrics.json") == {"n": 2}


def test_an_error_leaves_it_partial(workspace):

    def fail():
        with workspace.working(SPEC) as stage:
            write_json(stage.folder / "metrics.json", {"n": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert workspace.status(SPEC).state == "partial"
    do(workspace)
    assert workspace.status(SPEC).state == "done"


def test_one_at_a_time(workspace, tmp_path):
    with workspace.working(SPEC):
        for machine in (workspace, elsewhere(workspace, tmp_path)):
            with pytest.raises(StageError, match="works on this stage"):
                do(machine)


def test_what_is_being_made_is_not_brought(shared, tmp_path):
    workspace = open_workspace(shared.url, tmp_path / "cache")
    with workspace.working(SPEC) as stage:
        write_json(stage.folder / "metrics.json", {"n": 1})
        with pytest.raises(StageError, match="not done"):
            workspace.bring(SPEC)
        assert (stage.folder / "metrics.json").exists()


def test_what_a_killed_writer_left_is_swept(shared, tmp_path):
    there = shared.child(SPEC.folder(tmp_path).name)
    there.put_bytes(b"half", ".metrics.json.0123456789ab.tmp")
    do(open_workspace(shared.url, tmp_path / "cache"))
    assert (sorted(there.list()), there.list(hidden=True)) == (["DONE", "metrics.json", "recipe.json"], {})


def test_nothing_is_committed_by_one_who_lost_the_lock(shared, tmp_path):
    workspace = open_workspace(shared.url, tmp_path / "cache")
    there = shared.child(SPEC.folder(tmp_path).name)

    def lose():
        with workspace.working(SPEC) as stage:
            stage.finish({}, {})
            there.put_bytes(b'{"token": "other"}', LOCK)

    with pytest.raises(StageError, match="was lost"):
        lose()
    assert not there.exists("DONE")
    assert workspace.status(SPEC).state == "partial"


def test_a_changed_done_is_none(shared, tmp_path):
    workspace = open_workspace(shared.url, tmp_path / "cache")
    do(workspace)
    there = shared.child(SPEC.folder(tmp_path).name)
    done = json.loads(there.read_bytes("DONE"))
    there.put_bytes(json.dumps(done | {"counts": {"clips": 2}}).encode(), "DONE")
    assert workspace.status(SPEC).state == "partial"
    do(workspace)
    assert workspace.status(SPEC).state == "done"


def test_caches_of_two_workspaces_are_apart(tmp_path):
    one, two = (open_workspace(f"memory://rushes-tests/{name}", tmp_path) for name in "ab")
    assert isinstance(one, RemoteWorkspace)
    assert one.root != two.root
    assert {one.root.parent, two.root.parent} == {tmp_path}


def test_a_local_workspace_needs_no_fsspec(tmp_path):
    code = (
        "import sys; from rushes.storage import open_workspace; from rushes.shards.read import ShardDataset; "
    )
    code += (
        "open_workspace(sys.argv[1]); assert not {'fsspec', 's3fs'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


# --- kills ----------------------------------------------------------------------------------------------

WORKER = Path(__file__).with_name("workspace_worker.py")
KILLS = 4


def start(remote, machine):
    """The worker on a machine that has nothing yet, in a group of processes of its own."""
    command = [sys.executable, "-W", "error", str(WORKER), remote.url, str(machine / "cache"), str(machine)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def result(remote):
    """All files but those that hold times, and locks; of receipts and shards every byte."""
    names = [name for name in remote.list() if not name.endswith(("DONE", "recipe.json", LOCK))]
    return {name: remote.read_bytes(name) for name in names}


@pytest.fixture
def undisturbed(shared, tmp_path):
    whole = Remote(f"{shared.url}-whole")
    with start(whole, tmp_path / "whole") as process:
        output = process.stdout.read()
    assert process.returncode == 0
    assert output.splitlines()[-1] == "done"
    assert not [name for name in whole.list() if name.endswith(LOCK)]
    return result(whole), len(output.splitlines())


@pytest.mark.slow
def test_killed_at_random_points_and_resumed_on_another_machine(shared, tmp_path, undisturbed):
    """Every process at once, as when a node goes; the next one has an empty disk."""
    expected, lines = undisturbed
    rng = random.Random(5)
    kills = ends = 0
    while ends < 2:  # the second finds everything done
        machine = tmp_path / f"machine-{kills}-{ends}"
        with start(shared, machine) as process:
            for _ in range(rng.randint(1, 5) if kills < KILLS else lines):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            if kills < KILLS and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
                process.wait()
                _require_consistent(shared)
                continue
            output = process.stdout.read()
        assert process.returncode == 0, output
        ends += 1
    assert result(shared) == expected
    # Who is killed between DONE and the end of its lock leaves that; it holds nobody up.
    locked = [name.rpartition("/")[0] for name in shared.list() if name.endswith(LOCK)]
    assert {owner(shared.child(stage)) for stage in locked} <= {None}
    assert shared.list(hidden=True) == {}


def _require_consistent(remote):
    """Whatever is committed is whole: nothing under a final name is torn or lacks what it stands for."""
    there = remote.list()
    for name in there:
        folder = name.partition("/")[0]
        if "/units/" in name:
            receipt = json.loads(remote.read_bytes(name))["receipt"]
            for shard in receipt["shards"]:
                assert there[f"{folder}/shards/train/{shard['name']}"] == shard["bytes"]
        if name.endswith("state.json"):
            files = json.loads(remote.read_bytes(name))["files"]
            for file, known in files.items():
                assert there[f"{name.rpartition('/')[0]}/{file}"] == known["bytes"]
        if name.endswith("/DONE"):
            summary = json.loads(remote.read_bytes(name))["summary"]
            assert all(f"{folder}/{file}" in there for file in summary["files"])


def test_a_lock_of_the_dead_does_not_stop_who_resumes(shared, tmp_path):
    with start(shared, tmp_path / "a") as process:
        assert process.stdout.readline().startswith("prepare")
        os.killpg(process.pid, signal.SIGKILL)
    (stage,) = shared.folders()
    assert shared.child(stage).exists(LOCK)
    with held(shared.child(stage)):
        pass
