"""The lock of a remote stage, and what happens to those who fall silent."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from rushes.errors import StageError
from rushes.storage.lock import LOCK, held, owner


def write_lock(remote, **changes):
    lock = {"token": "other", "pid": 1, "host": "host-a", "machine": "another", "since": "today"}
    remote.put_bytes(json.dumps(lock | {"beat": time.time()} | changes).encode(), LOCK)


def test_one_at_a_time(remote):
    with held(remote) as lease:
        lease.require()
        assert f"process {json.loads(remote.read_bytes(LOCK))['pid']} on" in owner(remote)
        with pytest.raises(StageError, match="works on this stage"), held(remote):
            pass
        lease.require()
    assert owner(remote) is None
    assert not remote.exists(LOCK)
    with held(remote):
        pass


def test_given_back_after_an_error(remote):
    with pytest.raises(ZeroDivisionError), held(remote):
        raise ZeroDivisionError
    assert not remote.exists(LOCK)


def test_a_living_one_of_another_machine_is_respected_a_silent_one_is_not(remote):
    write_lock(remote)
    with pytest.raises(StageError, match="process 1 on host-a since today works"), held(remote):
        pass
    write_lock(remote, beat=time.time() - 121)
    assert owner(remote) is None
    with held(remote):
        pass


@pytest.mark.parametrize("content", [b"", b"[]", b'{"token"', b"{}"])
def test_an_unreadable_lock_is_none(remote, content):
    remote.put_bytes(content, LOCK)
    assert owner(remote) is None
    with held(remote):
        pass


def test_lost_to_another(remote):
    with held(remote, beat_s=0.05) as lease:
        write_lock(remote)
        assert lease.lost.wait(20)
        with pytest.raises(StageError, match="was lost"):
            lease.require()
    assert json.loads(remote.read_bytes(LOCK))["token"] == "other"


def test_the_heart_beats(remote):
    with held(remote, beat_s=0.05):
        first = json.loads(remote.read_bytes(LOCK))["beat"]
        for _ in range(400):
            if json.loads(remote.read_bytes(LOCK))["beat"] > first:
                return
            time.sleep(0.05)
    pytest.fail("the lock was never renewed")


HOLD = """
import sys, time
from rushes.storage.lock import held
from rushes.storage.remote import Remote
with held(Remote(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_of_this_machine_leaves_no_lock(shared):
    with subprocess.Popen([sys.executable, "-c", HOLD, shared.url], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StageError, match=f"process {process.pid} on"), held(shared):
            pass
        process.kill()
    assert shared.exists(LOCK)
    with held(shared):
        pass
