"""How much of bare decoding is left when a whole prepare run is done, and how the per-sample way compares.

    python benchmarks/prepare.py [--quick] [--json] [--folder DIR] [--repeats N]

The ratio: source frames per CPU second of the whole prepare (start of Python, decode, signals, choice,
scale, JPEG, tar, index, checksums, receipts, manifest) over those of `ffmpeg -threads 1 -f null` on the
same file, each in a process of its own, in turns; CPU time is what the kernel accounts to that process.
Footage: public clips end to end, H.264 with B-frames, one key frame in 250, made once in DIR. `boundary`:
three clips around each operation boundary; `windows`: those and a window each second, as test sessions
have. The sampler flow is told over motion, in turns, and has no bar. The per-sample way is that of OpenCV, decord and
torchcodec, see peers.py; a dozen clips are taken and the cost of one clip compared.
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
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import footage
import peers
from report import Figure, at_least, emit, not_measured

from rushes.media.geometry import letterbox
from rushes.shards.read import ShardDataset

HERE = Path(__file__).parent
CONDITIONS = tuple(product(("motion", "entropy"), ("boundary", "windows")))
QUICK = (("motion", "boundary"), ("entropy", "windows"))
PEERS = ("opencv", "decord", "torchcodec")
PEER_CLIPS = 12


@dataclass(frozen=True, slots=True)
class Source:
    """A file to prepare."""

    name: str
    size: tuple[int, int]
    seconds: int
    path: Path


def cpu_seconds(command: Sequence[str]) -> float:
    """User and system time of a command and all its children."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def bare_decode(source: Source) -> float:
    """CPU seconds of ffmpeg, one thread, all frames thrown away."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-threads",
        "1",
        "-i",
        str(source.path),
        "-f",
        "null",
        "-",
    ]
    return cpu_seconds(command)


def whole_prepare(source: Source, sampler: str, cut: str, workspace: Path) -> float:
    """CPU seconds of a prepare run into a fresh workspace, which stays for a look."""
    shutil.rmtree(workspace, ignore_errors=True)
    script = [sys.executable, str(HERE / "prepare_once.py"), str(source.path), str(source.seconds)]
    return cpu_seconds([*script, sampler, cut, str(workspace)])


def spread(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f}-{max(ratios):.2f} in {len(ratios)}"


def decode_figures(
    sources: Sequence[Source], conditions: Sequence[tuple[str, str]], repeats: int, folder: Path
) -> tuple[list[Figure], dict[tuple[str, str], float]]:
    """The ratios, and the best CPU seconds of prepare by (source, cut)."""
    ratios: dict[tuple[str, str, str], list[float]] = {}
    best: dict[tuple[str, str], float] = {}
    for _, source in product(range(repeats), sources):
        for sampler, cut in conditions:
            bare = bare_decode(source)
            spent = whole_prepare(source, sampler, cut, folder / f"ws-{source.name}-{cut}")
            ratios.setdefault((source.name, sampler, cut), []).append(bare / spent)
            best[source.name, cut] = min(spent, best.get((source.name, cut), spent))
    figures = [
        at_least(
            f"prepare / bare decode, {name}, {sampler}, {cut} ({spread(found)})",
            round(statistics.median(found), 3),
            0.65,
        )
        for (name, sampler, cut), found in sorted(ratios.items())
    ]
    return figures, best


def flow_figure(source: Source, repeats: int, folder: Path) -> Figure:
    """CPU seconds of prepare with optical flow over those with differences, on the same footage."""
    ratios = [
        whole_prepare(source, "flow", "boundary", folder / "ws-flow")
        / whole_prepare(source, "motion", "boundary", folder / "ws-motion")
        for _ in range(repeats)
    ]
    told = f"prepare with flow / with motion, CPU, {source.name}, boundary ({spread(ratios)})"
    return Figure(told, round(statistics.median(ratios), 2))


def peer_figures(source: Source, cut: str, spent: float, folder: Path) -> list[Figure]:
    """CPU seconds for one clip, the peer's over ours."""
    dataset = ShardDataset.open(next((folder / f"ws-{source.name}-{cut}").glob("prepare-*")), "test")
    metas = [
        json.loads(bytes(dataset.sample(len(dataset) * number // PEER_CLIPS)["meta.json"]))
        for number in range(PEER_CLIPS)
    ]
    plan = {
        "video": str(source.path),
        "content": letterbox(source.size, tuple(metas[0]["frame_size"])).content,
        "clips": [
            [round((meta["clip_start_s"] + time_s) * footage.RATE) for time_s in meta["frame_times_s"]]
            for meta in metas
        ],
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    figures = []
    for peer in PEERS:
        figure, bar = (
            f"{peer} / prepare, CPU for one clip, {source.name}, {cut}",
            10.0 if peer == "opencv" else 1.0,
        )
        try:
            answer = peers.ask(peer, "prepare_peer.py", peer, path)
        except peers.Unavailable as why:
            figures.append(not_measured(figure, f">= {bar:g}", why))
            continue
        each = answer["cpu_s"] / len(plan["clips"])
        figures.append(at_least(figure, round(each / (spent / len(dataset)), 2), bar))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter footage, two conditions, one repeat")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="for footage, kept for the next time")
    parser.add_argument("--repeats", type=int)
    arguments = parser.parse_args()
    seconds = (240, 60) if arguments.quick else (600, 120)
    repeats = arguments.repeats or (1 if arguments.quick else 5)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kept = arguments.folder or folder
        sources = [
            Source(name, size, length, kept / f"{name}-{length}s.mp4")
            for name, size, length in zip(
                ("640x480", "1080p"), ((640, 480), (1920, 1080)), seconds, strict=True
            )
        ]
        for source in sources:
            footage.make_video(source.path, source.size, source.seconds)
        figures, best = decode_figures(sources, QUICK if arguments.quick else CONDITIONS, repeats, folder)
        figures += [flow_figure(source, repeats, folder) for source in sources]
        for source, cut in product(sources, ("boundary", "windows")):
            figures += peer_figures(source, cut, best[source.name, cut], folder)
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
