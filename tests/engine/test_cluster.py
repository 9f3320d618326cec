"""The same engine on a Ray cluster of several nodes, all of them on this machine; deaths are real."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from operator import call

import psutil
import pytest

from rushes.engine import Engine, Unit, UnitDone, UnitResult, UnitRetried, UnitStarted, map_units
from rushes.engine.cluster import connected, import_ray
from rushes.errors import RecipeError, UnitError
from rushes.stages import read_json

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra: rushes[cluster]"),
]

STORE_BYTES = 80 << 20
QUICK_DEATHS = {  # a node that refuses is given up at once, a slow one late; by default both take a while
    "health_check_initial_delay_ms": 3000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 10000,
    "health_check_failure_threshold": 3,
}
DEATHS = {  # how the message ends; where the cluster is late, silence is all that is known
    "worker": ("died of SIGKILL",),
    "parent": ("its worker process has died", "its node does not answer"),
    "node": ("its node has died", "its node does not answer"),
}
UNITS = """
    import os, signal, time
    from pathlib import Path
    from rushes.stages import atomic_file

    def whom(path):
        "Say who works here, and wait until that is no longer asked."
        named = Path(f"{path}-{os.getpid()}")
        named.touch()
        while Path(path).exists():
            time.sleep(0.02)
        return os.getpid()

    def kill_once(path, signals, which):
        if not Path(path).exists():
            Path(path).touch()
            os.kill(os.getppid() if which == "parent" else os.getpid(), signals)
            time.sleep(100)
        return "done"

    def half_written(path):
        with atomic_file(Path(path)) as file:
            file.write(b"half")
            file.flush()
            time.sleep(1000)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head without CPUs and two nodes of one CPU each; we are connected to it."""
    import_ray()
    from ray.cluster_utils import Cluster

    home = tmp_path_factory.mktemp("units")
    (home / "cluster_units.py").write_text(textwrap.dedent(UNITS))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home)
        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": QUICK_DEATHS})
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        with connected(cluster.address, 2):
            yield cluster
        cluster.shutdown()


@pytest.fixture
def engine(cluster) -> Engine:
    return Engine("ray", cluster.address)


@pytest.fixture
def units_module(cluster):
    return importlib.import_module("cluster_units")


def run(calls: dict[str, partial], **options) -> dict[str, UnitResult]:
    """Map and key the results, each of which must come once."""
    results = list(map_units(call, [Unit(key, payload) for key, payload in calls.items()], **options))
    assert sorted(result.key for result in results) == sorted(calls)
    return {result.key: result for result in results}


def good(number: int) -> dict[str, partial]:
    return {f"good_{index}": partial(divmod, index, 3) for index in range(number)}


def check_good(results: dict[str, UnitResult]) -> None:
    for key, result in results.items():
        if key.startswith("good_"):
            assert (result.value, result.error) == (divmod(int(key[5:]), 3), None)
            assert result.attempts == 1


def wait_for(condition, limit_s: float = 60.0):
    """The first true answer of ``condition``."""
    until_s = time.monotonic() + limit_s
    while not (answer := condition()):
        assert time.monotonic() < until_s
        time.sleep(0.02)
    return answer


def is_gone(process: psutil.Process) -> bool:
    """Ended, or a zombie that nobody collects in a container without an init."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_agent(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[0] in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
    except (psutil.Error, IndexError):
        return False


def test_everything_that_can_happen_costs_one_unit_and_reads_as_on_one_machine(engine, tmp_path):
    (tmp_path / "torn.json").write_text('{"a": ')
    bad = {
        "input": partial(read_json, tmp_path / "torn.json"),
        "exception": partial(int, "twelve"),
        "unpicklable": partial(threading.Lock),
        "leaves": partial(sys.exit, 3),
        "too_much": partial(bytes, 2_000_000),
        "hog": partial(bytearray, 4 << 30),
        "segfault": partial(ctypes.string_at, 0),
        "abort": partial(os.abort),
        "exit": partial(os._exit, 7),
    }
    calls = good(9) | bad | {"threads": partial(os.getenv, "OMP_NUM_THREADS"), "folder": partial(os.getcwd)}
    far = run(calls, workers=2, engine=engine, memory_bytes=1 << 30, retries=0)
    near = run(bad, workers=2, memory_bytes=1 << 30, retries=0)
    check_good(far)
    assert (far["threads"].value, far["folder"].value) == ("1", os.getcwd())
    for key in bad:
        seen, expected = far[key], near[key]
        assert (seen.value, seen.attempts) == (None, 1)
        described = [(error.kind, error.type, error.message) for error in (seen.error, expected.error)]
        assert described[0] == described[1]
    assert "SIGABRT" in far["abort"].error.message
    assert "2,000,0" in far["too_much"].error.message


def test_a_time_out_kills_what_holds_the_interpreter(engine):
    hang = partial(sum, range(10**18))
    events = []
    results = run({"hang": hang} | good(3), workers=2, timeout_s=1.5, engine=engine, on_event=events.append)
    check_good(results)
    assert (results["hang"].error.kind, results["hang"].attempts) == ("timeout", 2)
    first, second = (e.worker for e in events if isinstance(e, UnitStarted) and e.key == "hang")
    assert first != second  # elsewhere


def test_a_killed_worker_or_its_remote_control_costs_one_attempt(engine, units_module, tmp_path, capfd):
    payloads = {
        which: partial(units_module.kill_once, tmp_path / which, signal.SIGKILL, which)
        for which in ("worker", "parent")
    }
    events = []
    results = run(payloads, workers=2, engine=engine, on_event=events.append)
    for which in payloads:
        result = results[which]
        assert (result.value, result.error, result.attempts) == ("done", None, 2)
        kinds = [type(e) for e in events if which == (e.result.key if isinstance(e, UnitDone) else e.key)]
        assert kinds == [UnitStarted, UnitRetried, UnitStarted, UnitDone]
        (retried,) = (e for e in events if isinstance(e, UnitRetried) and e.key == which)
        assert retried.error.kind == "crash"
        assert retried.error.message.endswith(DEATHS[which])
    assert capfd.readouterr().out == ""


def test_the_death_of_a_node_costs_one_attempt_of_what_was_on_it(
    cluster, engine, units_module, tmp_path, capfd
):
    cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    asked = tmp_path / "asked"
    asked.touch()
    payloads = {name: partial(units_module.whom, asked) for name in ("a", "b", "c")} | good(3)
    events = []
    results = map_units(
        call,
        [Unit(key, payload) for key, payload in payloads.items()],
        workers=3,
        engine=engine,
        on_event=events.append,
    )

    def pids() -> list[int]:
        return [int(path.name.split("-")[1]) for path in tmp_path.glob("asked-*")]

    def disturb() -> None:
        try:
            wait_for(lambda: len(pids()) == 3)
            lost = psutil.Process(pids()[0])
            raylet = lost.parent().parent()
            assert raylet.name() == "raylet"
            raylet.kill()
            wait_for(lambda: is_gone(lost))
            wait_for(lambda: any(isinstance(event, UnitRetried) for event in events))
        finally:
            asked.unlink()

    thread = threading.Thread(target=disturb)
    thread.start()
    found = {result.key: result for result in results}
    thread.join()
    check_good(found)
    assert all(result.error is None for result in found.values())
    assert sorted(result.attempts for key, result in found.items() if not key.startswith("good")) == [1, 1, 2]
    (retried,) = [event for event in events if isinstance(event, UnitRetried)]
    assert (retried.error.kind, retried.error.type) == ("crash", "UnitError")
    assert retried.error.message.endswith(DEATHS["node"])
    assert capfd.readouterr().out == ""


def test_units_are_taken_lazily_and_closing_ends_the_workers(engine, units_module, tmp_path):
    asked = tmp_path / "asked"
    taken = []

    def units():
        for index in itertools.count():
            taken.append(index)
            yield Unit(str(index), partial(abs, -index) if index < 5 else partial(units_module.whom, asked))

    asked.touch()
    results = map_units(call, units(), workers=2, engine=engine)
    assert {next(results).value for _ in range(5)} == {0, 1, 2, 3, 4}
    assert len(taken) <= 5 + 2 * 2
    pids = wait_for(lambda: [int(path.name.split("-")[1]) for path in tmp_path.glob("asked-*")])
    processes = [psutil.Process(pid) for pid in pids]
    results.close()
    wait_for(lambda: all(is_gone(process) for process in processes))


@pytest.mark.parametrize("seen", ["dead", "dying", "alive"])
def test_a_worker_that_dies_idle_costs_nothing(engine, units_module, tmp_path, seen):
    """Also one that dies when the next unit is under way to it; one that is stopped seems to run."""

    def units():
        yield Unit("a", partial(units_module.whom, tmp_path / "never_asked"))
        (named,) = tmp_path.iterdir()
        worker = psutil.Process(int(named.name.split("-")[1]))
        if seen == "alive":
            worker.suspend()
            threading.Timer(1.0, worker.kill).start()
        else:
            worker.kill()
        if seen == "dead":  # or a zombie, of which the last thread may still be there
            wait_for(lambda: is_gone(worker))
        yield Unit("b", partial(divmod, 7, 3))

    _, after = map_units(call, units(), workers=1, engine=engine, retries=0)
    assert (after.value, after.error, after.attempts) == ((2, 1), None, 1)


def test_more_workers_than_the_cluster_has_room_for_is_no_error(engine):
    check_good(run(good(6), workers=7, engine=engine))


def test_a_function_that_nodes_cannot_import_is_said_so(engine, tmp_path, monkeypatch):
    (tmp_path / "vanishing_far.py").write_text("def function(payload):\n    return payload\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        function = importlib.import_module("vanishing_far").function
    with pytest.raises(UnitError, match="cannot import its function: ModuleNotFoundError"):
        list(map_units(function, [Unit("u", 1)], workers=1, engine=engine))


# --- clusters that are not there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "no Ray cluster answers"),
        ("ray://127.0.0.1:10001", "not the address of a cluster"),
        ("somewhere", "not the address of a cluster"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_so_at_once(address, says):
    with pytest.raises(UnitError, match=says) as caught:
        list(map_units(abs, [Unit("u", 1)], workers=1, engine=Engine("ray", address)))
    assert caught.value.cure is not None


def test_a_cluster_of_another_version_is_said_so(cluster, tmp_path):
    """The head tells its version in a table that all who join read; for a while it says another one."""
    script = """
        import sys
        from rushes.engine import Engine, Unit, map_units
        from rushes.errors import UnitError

        if __name__ == "__main__":
            try:
                list(map_units(abs, [Unit("u", -1)], workers=1, engine=Engine("ray", sys.argv[1])))
            except UnitError as error:
                print(error)
    """
    from ray._private import ray_constants
    from ray.experimental import internal_kv

    table = {"key": b"CLUSTER_METADATA", "namespace": ray_constants.KV_NAMESPACE_CLUSTER}
    truth = internal_kv._internal_kv_get(**table)
    told = truth.replace(f'"{import_ray().__version__}"'.encode(), b'"1.2.3"')
    assert told != truth
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    internal_kv._internal_kv_put(table["key"], told, overwrite=True, namespace=table["namespace"])
    try:
        done = subprocess.run(
            [sys.executable, tmp_path / "script.py", cluster.address], capture_output=True, text=True
        )
    finally:
        internal_kv._internal_kv_put(table["key"], truth, overwrite=True, namespace=table["namespace"])
    assert "cannot join the Ray cluster: Version mismatch" in done.stdout
    assert "1.2.3" in done.stdout
    assert "cure:" in done.stdout


def test_ray_is_asked_for_only_where_it_is_used(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)  # what Python keeps for a module that must not be imported
        check_good(run(good(2), workers=1))
        with pytest.raises(UnitError, match="ray is not installed") as caught:
            list(map_units(abs, [Unit("u", 1)], workers=1, engine=Engine("ray")))
    assert "rushes[cluster]" in caught.value.cure


def test_an_engine_that_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="no engine 'slurm'") as caught:
        Engine("slurm")
    assert "local, ray" in caught.value.cure
    with pytest.raises(RecipeError, match="no address"):
        Engine("local", "127.0.0.1:6379")


# --- the end of the driver, which has a cluster of its own -------------------------------------------------

SCRIPT = r"""
    import sys
    from functools import partial
    from operator import call
    from rushes.engine import Engine, Unit, map_units

    if __name__ == "__main__":
        from cluster_units import half_written

        units = [Unit("good", partial(abs, -3)), Unit("half", partial(half_written, sys.argv[1]))]
        try:
            for result in map_units(call, units, workers=1, engine=Engine("ray")):
                print(result.key, result.value, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_the_driver_and_nothing_half_done_has_its_final_name(tmp_path, how):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "cluster_units.py").write_text(textwrap.dedent(UNITS))
    out = tmp_path / "out"
    command = [sys.executable, tmp_path / "script.py", out / "file.bin"]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_for(lambda: out.exists() and list(out.iterdir()))
        below = psutil.Process(driver.pid).children(recursive=True)
        assert any("raylet" in process.name() for process in below)
        if how == signal.SIGINT:
            os.killpg(driver.pid, how)
        else:
            driver.send_signal(how)  # which it has no handler for, so it ends like one that is killed
        output, _ = driver.communicate(timeout=30)
    finally:
        driver.kill()
        driver.communicate()
    assert output == "good 3\n" + ("interrupted\n" if how == signal.SIGINT else "")
    assert driver.returncode == (130 if how == signal.SIGINT else -signal.SIGTERM)
    if how == signal.SIGTERM:  # two helpers of Ray's daemon that work on nothing wait a minute for it
        below = [process for process in below if not is_agent(process)]
    assert len(below) >= 4
    wait_for(lambda: all(is_gone(process) for process in below))
    assert not (out / "file.bin").exists()
