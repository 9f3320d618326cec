"""The engine, on real processes and real crashes.

The units are calls from the standard library, so that a fresh process can import them: the mapped function is
``operator.call`` and a payload is a ``partial``.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from operator import call
from pathlib import Path

import psutil
import pytest

from rushes.engine import Unit, UnitDone, UnitResult, UnitRetried, UnitStarted, map_units
from rushes.errors import UnitError
from rushes.stages import read_json

SEGFAULT = partial(ctypes.string_at, 0)
HANG_WITHOUT_GIL_RELEASE = partial(sum, range(10**18))


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


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_unit_gives_its_value_once(workers):
    check_good(run(good(20), workers=workers))


def test_failures_of_every_kind_cost_one_unit_each_and_crashes_are_tried_again(tmp_path):
    (tmp_path / "torn.json").write_text('{"a": ')
    bad = {
        "input": partial(read_json, tmp_path / "torn.json"),
        "exception": partial(int, "twelve"),
        "unpicklable": partial(threading.Lock),
        "too_much": partial(bytes, 2_000_000),
        "leaves": partial(sys.exit, 3),
        "segfault": SEGFAULT,
        "exit": partial(os._exit, 7),
    }
    shuffled = dict(itertools.chain.from_iterable(zip(good(7).items(), bad.items(), strict=True)))
    results = run(shuffled, workers=2)
    check_good(results)
    errors = {key: results[key].error for key in bad}
    assert {key: error.kind for key, error in errors.items()} == {
        "input": "input",
        "exception": "exception",
        "unpicklable": "exception",
        "too_much": "exception",
        "leaves": "exception",
        "segfault": "crash",
        "exit": "crash",
    }
    assert {key: results[key].attempts for key in bad} == {
        "input": 1,
        "exception": 1,
        "unpicklable": 1,
        "too_much": 1,
        "leaves": 1,
        "segfault": 2,
        "exit": 2,
    }
    torn = errors["input"]
    assert (torn.type, torn.where) == ("StageError", str(tmp_path / "torn.json"))
    assert "not a whole JSON file" in torn.message
    assert torn.cure is not None
    assert errors["exception"].type == "ValueError"
    assert "Traceback" in errors["exception"].trace
    assert errors["too_much"].type == "UnitError"
    assert "more than 1,000,000" in errors["too_much"].message
    assert "SIGSEGV" in errors["segfault"].message
    assert "exit code 7" in errors["exit"].message


def test_a_time_out_stops_even_native_code_that_holds_the_interpreter():
    calls = {"good_0": partial(divmod, 0, 3), "hang": HANG_WITHOUT_GIL_RELEASE} | good(4)
    results = run(calls, workers=2, timeout_s=0.7, retries=1)
    check_good(results)
    assert (results["hang"].error.kind, results["hang"].attempts) == ("timeout", 2)
    assert "0.7 s" in results["hang"].error.message
    assert results["hang"].seconds >= 0.7


def test_a_unit_cannot_take_more_memory_than_it_may():
    hogs = {
        "python": partial(bytearray, 4 << 30),
        "kernel": partial(mmap.mmap, -1, 4 << 30, mmap.MAP_PRIVATE),
    }
    calls = hogs | {"small": partial(len, b"1234")} | good(2)
    results = run(calls, workers=1, memory_bytes=1 << 30)
    check_good(results)
    assert results["small"].value == 4
    assert [(results[hog].error.kind, results[hog].attempts) for hog in hogs] == [("memory", 1)] * 2


def test_a_crash_that_does_not_come_again_is_no_failure(tmp_path, monkeypatch):
    module = """
        import os
        from pathlib import Path

        def crash_once(path):
            if not Path(path).exists():
                Path(path).touch()
                os.abort()
            return "done"
    """
    (tmp_path / "crash_once.py").write_text(textwrap.dedent(module))
    monkeypatch.syspath_prepend(tmp_path)
    crash_once = importlib.import_module("crash_once").crash_once
    events = []
    (result,) = map_units(
        crash_once, [Unit("u", str(tmp_path / "been"))], workers=1, retries=1, on_event=events.append
    )
    assert (result.value, result.error, result.attempts) == ("done", None, 2)
    assert [type(event) for event in events] == [UnitStarted, UnitRetried, UnitStarted, UnitDone]
    assert events[1].error.kind == "crash"
    assert "SIGABRT" in events[1].error.message
    assert events[3].result == result


def test_a_unit_is_tried_again_by_another_worker():
    events = []
    calls = {"segfault": SEGFAULT} | {f"pause_{number}": partial(time.sleep, 0.3) for number in range(4)}
    results = run(calls, workers=2, on_event=events.append)
    first, second = (e.worker for e in events if isinstance(e, UnitStarted) and e.key == "segfault")
    assert first != second
    assert results["segfault"].attempts == 2


def test_a_worker_that_dies_idle_costs_nothing():
    def units():
        yield Unit("a", partial(divmod, 7, 3))
        (worker,) = multiprocessing.active_children()
        worker.kill()
        worker.join()
        yield Unit("b", partial(divmod, 8, 3))

    results = list(map_units(call, units(), workers=1, retries=0))
    assert [(r.value, r.error, r.attempts) for r in results] == [((2, 1), None, 1), ((2, 2), None, 1)]


def kill_when_given(key: str, after_s: float | None):
    """On every start of ``key``, kill the worker before it is given the unit, or a while after that.

    A worker that is stopped runs, for all that its parent can see, and takes up nothing.
    """

    def on_event(event):
        if isinstance(event, UnitStarted) and event.key == key:
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGSTOP)
            if after_s is None:
                worker.kill()
                worker.join()
            else:
                threading.Timer(after_s, worker.kill).start()

    return on_event


@pytest.mark.parametrize("after_s", [None, 0.3])
def test_a_worker_that_dies_before_it_takes_a_unit_up_is_no_fault_of_the_unit(after_s):
    kill, events = kill_when_given("b", after_s), []

    def once(event):
        if not any(isinstance(told, UnitStarted) and told.key == "b" for told in events):
            kill(event)
        events.append(event)

    units = [Unit("a", partial(divmod, 7, 3)), Unit("b", partial(divmod, 8, 3))]
    results = list(map_units(call, units, workers=1, retries=0, on_event=once))
    assert [(r.value, r.error, r.attempts) for r in results] == [((2, 1), None, 1), ((2, 2), None, 1)]
    assert [event.attempt for event in events if isinstance(event, UnitStarted)] == [1, 1, 1]


def test_a_unit_whose_workers_always_die_is_given_up():
    [result] = map_units(
        call,
        [Unit("b", partial(divmod, 8, 3))],
        workers=1,
        retries=0,
        on_event=kill_when_given("b", None),
    )
    assert (result.value, result.error.kind, result.attempts) == (None, "crash", 1)
    assert "SIGKILL" in result.error.message


def test_in_process_failures_are_the_same(tmp_path):
    calls = {"input": partial(read_json, tmp_path / "none.json"), "exception": partial(int, "x")} | good(2)
    results = run(calls, workers=0)
    check_good(results)
    assert [results[key].error.kind for key in ("input", "exception")] == ["input", "exception"]


def test_units_are_taken_lazily():
    taken = []

    def units():
        for index in itertools.count():
            taken.append(index)
            yield Unit(str(index), -index)

    results = map_units(abs, units(), workers=2)
    seen = [next(results).value for _ in range(5)]
    assert len(set(seen)) == 5
    assert len(taken) <= 5 + 2 * 2  # what came, what may lie ready, and one in flight for each worker
    assert len(multiprocessing.active_children()) == 2
    results.close()
    assert multiprocessing.active_children() == []


def test_crashes_do_not_make_it_take_more_units():
    taken = []

    def units():
        for index in itertools.count():
            taken.append(index)
            yield Unit(str(index), partial(os._exit, 7))

    results = map_units(call, units(), workers=1, retries=1)
    assert [next(results).attempts for _ in range(3)] == [2, 2, 2]
    assert len(taken) <= 3 + 1
    results.close()


def test_workers_end_with_the_units():
    run(good(3), workers=2)
    assert multiprocessing.active_children() == []


def test_workers_work_side_by_side(tmp_path):
    """Reader and writer of a named pipe wait for each other: one worker alone would never end."""
    os.mkfifo(tmp_path / "pipe")
    calls = {
        "reader": partial(Path.read_text, tmp_path / "pipe"),
        "writer": partial(Path.write_text, tmp_path / "pipe", "hello"),
    }
    results = run(calls, workers=2, timeout_s=60)
    assert (results["reader"].value, results["writer"].value) == ("hello", 5)


def test_workers_have_one_thread_each_and_our_standard_output_stays_ours(capfd):
    calls = {"threads": partial(os.getenv, "OMP_NUM_THREADS"), "print": partial(os.write, 1, b"noise")}
    results = run(calls, workers=1)
    assert results["threads"].value == "1"
    output = capfd.readouterr()
    assert "noise" not in output.out
    assert "noise" in output.err


def test_workers_are_born_deaf_to_ctrl_c_and_we_are_not(tmp_path):
    script = """
        import signal
        from functools import partial
        from operator import call
        from rushes.engine import Unit, map_units

        if __name__ == "__main__":  # a fresh process: the first worker starts helpers of multiprocessing, too
            ask = partial(signal.pthread_sigmask, signal.SIG_BLOCK, [])
            for result in map_units(call, [Unit("a", ask), Unit("b", ask)], workers=2):
                print(signal.SIGINT in result.value, signal.SIGINT in ask())
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True False\n" * 2, "")


def test_a_function_that_workers_cannot_import_is_said_so(tmp_path, monkeypatch):
    (tmp_path / "vanishing.py").write_text("def function(payload):\n    return payload\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        function = importlib.import_module("vanishing").function
    with pytest.raises(UnitError, match="cannot import its function: ModuleNotFoundError"):
        list(map_units(function, [Unit("u", 1)], workers=1))


def test_workers_that_never_become_ready_end_the_map(tmp_path):
    script = """
        import os
        from rushes.engine import Unit, map_units

        if __name__ != "__main__":
            os._exit(9)  # every worker imports this script first
        list(map_units(abs, [Unit("u", 1)], workers=1))
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "3 workers in a row could not start; the last one left with exit code 9" in done.stderr


@pytest.mark.parametrize(("workers", "retries"), [(-1, 1), (1, -1)])
def test_negative_numbers_are_refused(workers, retries):
    with pytest.raises(ValueError, match="must not be negative"):
        map_units(abs, [], workers=workers, retries=retries)


# --- the end of the parent -------------------------------------------------------------------------------

SCRIPT = r"""
    import itertools, os, sys, time
    from functools import partial
    from operator import call
    from pathlib import Path
    from rushes.engine import Unit, map_units
    from rushes.stages import atomic_file

    def half_written(path):
        with atomic_file(Path(path)) as file:
            file.write(b"half")
            file.flush()
            os.write(2, b"writing\n")  # in one piece: two processes write there
            time.sleep(1000)

    if __name__ == "__main__":
        payloads = {"sleep": partial(half_written, sys.argv[1]), "spin": partial(sum, range(10**18))}
        units = [Unit(key, payloads[key]) for key in sys.argv[2].split(",")]
        try:
            list(map_units(call, units, workers=2))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr, flush=True)
            sys.exit(130)
"""


@pytest.fixture
def parent(tmp_path):
    """Start the script in a session of its own; give it, and its children, once its units run."""
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    started = []

    def start(kinds: str) -> tuple[subprocess.Popen, list[psutil.Process]]:
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", tmp_path / "out" / "file.bin", kinds],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        for _ in range(kinds.count("sleep")):
            assert process.stderr.readline() == "writing\n"
        children = psutil.Process(process.pid).children(recursive=True)
        while "spin" in kinds and not any(child.cpu_times().user > 0.5 for child in children):
            time.sleep(0.05)
            assert process.poll() is None
            children = psutil.Process(process.pid).children(recursive=True)
        return process, children

    yield start
    for process in started:
        process.kill()
        process.communicate()


def check_gone(processes: list[psutil.Process]) -> None:
    """Orphans are gone, or zombies that nobody collects in a container without an init."""
    limit = time.monotonic() + 20
    left = processes
    while left and time.monotonic() < limit:
        left = [process for process in left if process.is_running() and not is_zombie(process)]
        time.sleep(0.02)
    for process in left:
        process.kill()
    assert left == []


def is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("kinds", ["sleep,sleep", "spin"])
def test_no_orphan_outlives_a_killed_parent(parent, kinds):
    process, children = parent(kinds)
    assert len(children) >= len(kinds.split(","))
    process.kill()
    process.wait()
    check_gone(children)


def test_ctrl_c_stops_the_workers_and_leaves_no_half_file(parent, tmp_path):
    process, children = parent("sleep,sleep")
    assert len(list((tmp_path / "out").iterdir())) == 2
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "interrupted\n")  # no traceback of any worker either
    assert list((tmp_path / "out").iterdir()) == []
    check_gone(children)
