"""The same prepare run with a pool of processes and with Ray, on one machine: seconds, scaling, kills.

    python benchmarks/scaleout.py [--quick] [--json] [--folder DIR] [--repeats N] [--kills N] [--seed S]

Six recordings of the same footage (640x480 H.264) are prepared with one and two workers by each engine, in
turns, each run a process of its own. `start`: from the call until the first unit begins, so imports, and with
Ray the cluster on top. `work`: from then to the end. Then kill -9 at random moments, as in crash.py: with the
pool the supervisor or a worker; with Ray, on a cluster of a head and two nodes of one CPU each, also the
process that Ray runs and the daemon of a node. Whatever was killed, the run goes on or is started again, and
the dataset must have the bytes of an undisturbed one made by the pool.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import footage
import psutil
from crash import HERE, prepare_tally, tally_figures
from report import Figure, emit

from rushes.engine import LOCAL, Engine, Unit, map_units
from rushes.engine.cluster import connected, import_ray

RECORDINGS = 6
ENGINES = ("local", "ray")
WORKERS = (1, 2)
NOTHINGS = 200
STORE_BYTES = 80 << 20
NODE_STARTS = 3  # attempts; Ray gives a node half a minute, too little on a busy machine
QUICK_DEATHS = {  # a node that refuses is given up at once, a slow one late; by default both take a while
    "health_check_initial_delay_ms": 3000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 10000,
    "health_check_failure_threshold": 3,
}


def one_run(videos: Path, seconds: int, engine: str, workers: int, workspace: Path) -> dict[str, float]:
    """``start_s`` and ``work_s`` of a run into a fresh workspace."""
    shutil.rmtree(workspace, ignore_errors=True)
    command = [sys.executable, str(HERE / "crash_prepare.py"), str(videos), str(workspace)]
    options = ["--seconds", str(seconds), "--engine", engine, "--workers", str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *options], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)


def speed_figures(videos: Path, seconds: int, repeats: int, folder: Path) -> list[Figure]:
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _, engine, workers in product(range(repeats), ENGINES, WORKERS):
        run = one_run(videos, seconds, engine, workers, folder / "workspace")
        found.setdefault((engine, workers), []).append(run)
    start_s, work_s = (
        {case: statistics.median(run[name] for run in runs) for case, runs in found.items()}
        for name in ("start_s", "work_s")
    )
    figures = []
    for engine, workers in product(ENGINES, WORKERS):
        case = f"{engine}, workers: {workers}"
        figures += [
            Figure(f"{case}: start, s", round(start_s[engine, workers], 2)),
            Figure(f"{case}: work, s (median of {repeats})", round(work_s[engine, workers], 2)),
        ]
    for engine in ENGINES:
        scaling = work_s[engine, 1] / work_s[engine, 2]
        figures.append(Figure(f"{engine}: work with one worker over two", round(scaling, 2)))
    for workers in WORKERS:
        overhead = work_s["ray", workers] / work_s["local", workers]
        figures.append(Figure(f"work of ray over local, workers: {workers}", round(overhead, 3)))
    return figures


def milliseconds_a_unit(engine: Engine) -> float:
    """What a unit costs that does nothing, once the worker is there."""
    began_s = 0.0
    for number, _ in enumerate(
        map_units(
            abs, (Unit(str(number), -number) for number in range(NOTHINGS + 1)), workers=1, engine=engine
        )
    ):
        began_s = time.perf_counter() if number == 0 else began_s
    return (time.perf_counter() - began_s) / NOTHINGS * 1e3


@contextmanager
def cluster_of_nodes() -> Iterator[Any]:
    """A head that has no CPU, and two nodes that have one."""
    import_ray()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": QUICK_DEATHS})
    try:
        for _ in WORKERS:
            add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> None:
    """Start a node of one CPU."""
    for attempt in range(1, NODE_STARTS + 1):
        try:
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
            return
        except Exception:  # Ray raises no narrower one
            if attempt == NODE_STARTS:
                raise


def victims_on_nodes(driver: int) -> dict[str, list[int]]:
    """Whom one can kill of a run on our own cluster, whose daemons are our children."""
    found: dict[str, list[int]] = {"supervisor": [driver], "worker": [], "actor": [], "node": []}
    for process in psutil.Process().children(recursive=True):
        try:
            if not any("RemoteControl" in word for word in process.cmdline()[:1]):
                continue
            workers = [child.pid for child in process.children() if "spawn_main" in " ".join(child.cmdline())]
            daemon = process.parent()
        except psutil.NoSuchProcess:
            continue
        found["worker"] += workers
        found["actor"].append(process.pid)
        if daemon is not None and daemon.name() == "raylet":
            found["node"].append(daemon.pid)
    return found


def kill_figures(kills: int, seed: int, folder: Path) -> list[Figure]:
    local = tally_figures("local", prepare_tally(kills, seed, folder / "local"), kills)
    return [*local, *ray_kill_figures(kills, seed + 1, folder / "ray")]


def ray_kill_figures(kills: int, seed: int, folder: Path) -> list[Figure]:
    with cluster_of_nodes() as cluster:

        def repair(whom: str) -> None:
            if whom == "node":
                add_node(cluster)

        tally = prepare_tally(
            kills,
            seed,
            folder,
            options=("--engine", "ray", "--address", cluster.address),
            find=victims_on_nodes,
            repair=repair,
        )
        return tally_figures("ray", tally, kills)


def nothing_figures() -> list[Figure]:
    figures = [Figure("local: milliseconds for a unit of nothing", round(milliseconds_a_unit(LOCAL), 2))]
    with connected(None, 1):
        cost_ms = milliseconds_a_unit(Engine("ray"))
    return [*figures, Figure("ray: milliseconds for a unit of nothing", round(cost_ms, 2))]


def make_footage(kept: Path, seconds: int, folder: Path) -> Path:
    """A folder with the same video under the names of all recordings."""
    video = footage.make_video(kept / f"640x480-{seconds}s.mp4", (640, 480), seconds)
    folder.mkdir(parents=True)
    for number in range(RECORDINGS):
        (folder / f"U010{number + 1}_S0100.mp4").symlink_to(video.resolve())
    return folder


def figures(arguments: argparse.Namespace) -> Sequence[Figure]:
    seconds = 40 if arguments.quick else 240
    repeats = arguments.repeats or (1 if arguments.quick else 3)
    kills = arguments.kills if arguments.kills is not None else (3 if arguments.quick else 25)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        videos = make_footage(arguments.folder or folder, seconds, folder / "videos")
        found = speed_figures(videos, seconds, repeats, folder) + nothing_figures()
        return found + kill_figures(kills, arguments.seed, folder) if kills else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short footage, one repeat, 3 kills of each")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="for footage, kept for the next time")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--kills", type=int, help="of each engine; by default 25")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    emit(figures(arguments), arguments.json)


if __name__ == "__main__":
    main()
