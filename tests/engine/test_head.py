"""The head of a cluster that goes, and attacks on whole clusters that need less than a minute."""

from __future__ import annotations

import importlib
import importlib.util
import socket
import time
from pathlib import Path

import pytest

from rushes.engine.head import SILENCE_S, Head
from rushes.errors import UnitError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LONG_AGO_S = SILENCE_S + 5.0


@pytest.fixture
def silent_for():
    """The head at an address that was last heard so many seconds ago."""

    def head(address: str, seconds: float) -> Head:
        now_s = time.monotonic()
        return Head(address, looked_s=now_s - seconds, heard_s=now_s - seconds)

    return head


def test_a_head_that_answers_is_heard(silent_for):
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = silent_for(f"127.0.0.1:{server.getsockname()[1]}", LONG_AGO_S)
        head.require()
        assert not head.gone
        assert head.heard_s == head.looked_s
        server.accept()[0].close()


def test_a_head_may_be_away_for_a_moment(silent_for):
    head = silent_for("127.0.0.1:1", SILENCE_S / 2)
    head.require()
    assert not head.gone
    assert head.looked_s > head.heard_s


def test_a_head_that_stays_away_is_an_error_of_ours(silent_for):
    head = silent_for("127.0.0.1:1", LONG_AGO_S)
    with pytest.raises(UnitError, match="the head of the Ray cluster is gone, for 25 s now") as caught:
        head.require()
    assert (caught.value.where, head.gone) == ("127.0.0.1:1", True)
    assert "kept" in caught.value.message
    assert "type the same command" in caught.value.cure


def test_it_is_not_looked_at_more_often_than_it_must(silent_for):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        silent_for(f"127.0.0.1:{server.getsockname()[1]}", 0.0).require()
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra: rushes[cluster]")
@pytest.mark.parametrize("name", ["node without the package", "node of another version"])
def test_a_cluster_is_attacked(monkeypatch, tmp_path, name):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    attacks = importlib.import_module("ray_attacks")
    monkeypatch.setitem(attacks.SOUNDS, "train", 4)
    attacks.draw_sounds(tmp_path)
    assert name in attacks.QUICK
    assert attacks.ATTACKS[name](attacks.Place(tmp_path / "attacked"))
