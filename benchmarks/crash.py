"""kill -9 at random moments, again and again, until the work is done all the same; then compare the bytes.

    python benchmarks/crash.py [--quick] [--json] [--stage STAGE] [--kills N] [--seed S]

A prepare run with two workers is started, killed at a random moment (the supervisor, or one of its
workers), looked at, and started again in the same folder; a run that comes through is compared with one
that nobody disturbed, and the next begins in a fresh folder, until N kills have hit a running process.
`rushes train` likewise, one process: see crash_train.py. About 4 s a kill of prepare on two cores, 10 s a
kill of train, most of which is the start of torch.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import footage
from crash_prepare import RATE, SECONDS
from crash_train import train_figures
from report import Figure, at_least, at_most, emit

from rushes.errors import RushesError
from rushes.shards.index import read_info
from rushes.shards.manifest import load_manifest
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset, verify_shards

HERE = Path(__file__).parent

Victims = Callable[[int], dict[str, list[int]]]


@dataclass(slots=True)
class Tally:
    """What happened in all rounds together."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    torn: int = 0
    lost_or_twice: int = 0
    other_checksum: int = 0
    faults: int = 0
    left_over: int = 0


def children(pid: int) -> list[int]:
    """Process ids of the workers below a supervisor; its resource tracker is none."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in below if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []


def torn_files(folder: Path) -> Iterator[Path]:
    """Files under their final names that are not whole, right after a kill."""
    for path in folder.rglob("*.*"):
        if path.name.startswith("."):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.suffix == ".tar":
                with tarfile.open(path, "r:") as tar:
                    size = sum(512 + -(-member.size // 512) * 512 for member in tar.getmembers())
                if size + 1024 != path.stat().st_size:
                    yield path
                if path.with_suffix(".parquet").exists() and verify_shards(path.parent, [read_info(path)]):
                    yield path
            elif path.suffix == ".parquet":
                read_info(path.with_suffix(".tar"))
        except (ValueError, OSError, tarfile.TarError, RushesError):
            yield path


def start(videos: Path, workspace: Path, options: Sequence[str] = ()) -> subprocess.Popen:
    """Begin or resume the stage."""
    command = [sys.executable, str(HERE / "crash_prepare.py"), str(videos), str(workspace), *options]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def victims(pid: int) -> dict[str, list[int]]:
    """Whom one can kill, by kind."""
    return {"supervisor": [pid], "worker": children(pid)}


def disturb(process: subprocess.Popen, after_s: float, rng: random.Random, find: Victims) -> str | None:
    """Wait, then kill somebody; says what kind, None where nobody was left to kill."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        found = {kind: pids for kind, pids in find(process.pid).items() if pids}
        whom = rng.choice(list(found))
        try:
            os.kill(rng.choice(found[whom]), signal.SIGKILL)
        except ProcessLookupError:
            return None
        if whom == "supervisor":
            process.wait()
        return whom
    return None


def compare(folder: Path, reference: Path, tally: Tally) -> None:
    """Hold a finished dataset against the undisturbed one."""
    found, expected = load_manifest(folder), load_manifest(reference)
    tally.finished += 1
    tally.other_checksum += found.checksum != expected.checksum
    tally.faults += len(verify_dataset(folder))
    tally.left_over += sum(1 for _ in folder.rglob(".*.tmp"))
    for split in expected.splits:
        keys, right = (sorted(ShardDataset.open(root, split).keys()) for root in (folder, reference))
        tally.lost_or_twice += keys != right or len(set(keys)) != len(keys)


def prepare_tally(
    kills: int,
    seed: int,
    folder: Path,
    *,
    options: Sequence[str] = (),
    find: Victims = victims,
    repair: Callable[[str], None] = lambda whom: None,
) -> Tally:
    """Kill prepare runs until ``kills`` have hit.

    Args:
        kills: how many.
        seed: of the moments and the victims.
        folder: for footage and datasets.
        options: of the runs that are disturbed, not of the one that they are compared with.
        find: whom one can kill.
        repair: called after each kill with the kind of what was killed.
    """
    videos = folder / "videos"
    for number in range(6):
        footage.make_noise(videos / f"U010{number + 1}_S0100.mp4", SECONDS * RATE, number, RATE)
    finish(start(videos, folder / "reference"))
    started_s = time.monotonic()
    finish(start(videos, folder / "whole", options))
    whole_s = time.monotonic() - started_s
    (reference,) = (folder / "reference").glob("prepare-*")

    def begin(workspace: Path) -> subprocess.Popen:
        return start(videos, workspace, options)

    return kill_until(kills, begin, reference, whole_s, folder / "workspace", seed, find, repair)


def kill_until(
    kills: int,
    begin: Callable[[Path], subprocess.Popen],
    reference: Path,
    whole_s: float,
    workspace: Path,
    seed: int,
    find: Victims = victims,
    repair: Callable[[str], None] = lambda whom: None,
) -> Tally:
    """Kill runs that ``begin`` starts until ``kills`` have hit; each that comes through is compared.

    Args:
        kills: how many.
        begin: starts, or resumes, a run in a workspace.
        reference: the dataset of a run that nobody disturbed.
        whole_s: about how long such a run takes.
        workspace: of the disturbed runs.
        seed: of the moments and the victims.
        find: whom one can kill.
        repair: called after each kill with the kind of what was killed.
    """
    rng, tally, stopped = random.Random(seed), Tally(), False
    while True:
        process = begin(workspace)
        whom = None
        if sum(tally.kills.values()) < kills:
            whom = disturb(process, rng.uniform(0.05, 1.1) * whole_s, rng, find)
        else:
            stopped = True
        if whom is not None:
            tally.kills[whom] += 1
            repair(whom)
        if whom == "supervisor":
            process.communicate()
            tally.torn += sum(1 for _ in torn_files(workspace))
            continue
        finish(process)
        (dataset,) = workspace.glob("prepare-*")
        compare(dataset, reference, tally)
        shutil.rmtree(workspace)
        if stopped:
            return tally


def finish(process: subprocess.Popen) -> None:
    """Wait for a run that must come through."""
    _, complaint = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a run failed that nobody stopped:\n{complaint.decode()}")


def prepare_figures(kills: int, seed: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as temporary:
        return tally_figures("prepare", prepare_tally(kills, seed, Path(temporary)), kills)


def tally_figures(what: str, tally: Tally, kills: int) -> list[Figure]:
    """What a tally of ``kills`` must show."""
    whom = " and ".join(f"{count} of {name}s" for name, count in sorted(tally.kills.items()))
    return [
        at_least(f"{what}: kill -9 ({whom}; {tally.finished} datasets)", tally.kills.total(), kills),
        at_most(f"{what}: torn files under final names", tally.torn, 0),
        at_most(f"{what}: datasets with a sample lost or twice", tally.lost_or_twice, 0),
        at_most(f"{what}: datasets with another checksum", tally.other_checksum, 0),
        at_most(f"{what}: faults that verify finds", tally.faults, 0),
        at_most(f"{what}: temporary files left over", tally.left_over, 0),
    ]


STAGES = {"prepare": prepare_figures, "train": train_figures}
KILLS = {"prepare": 100, "train": 30}
QUICK_KILLS = {"prepare": 10, "train": 5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 kills of prepare and 5 of train")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stage", choices=STAGES, help="only this one")
    parser.add_argument("--kills", type=int, help="of each stage; by default 100 of prepare and 30 of train")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kills = QUICK_KILLS if arguments.quick else KILLS
    stages = [arguments.stage] if arguments.stage else list(STAGES)
    figures = []
    for stage in stages:
        figures += STAGES[stage](arguments.kills or kills[stage], arguments.seed)
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
