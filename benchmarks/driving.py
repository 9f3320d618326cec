"""Driving: from cameras in archives to checked shards, against bare decoding, other ways, damage and kills.

    python benchmarks/driving.py [--quick] [--json] [--parts PART,...] [--folder DIR] [--repeats N]
                                 [--workspace DIR] [--seed S]

The parts: `prepare`, source frames per CPU second of a whole prepare (start of Python, scan, decode out of
the archive, checksums, signals, scale, JPEG, tar, receipts, manifest) over those of `ffmpeg -threads 1 -f
null` on the same files, in turns, CPU time as the kernel accounts it; the decoder inside of PyAV is another
version, so bare decoding with that stands beside it. `peers`, CPU for a window in other ways over ours:
OpenCV, decord, torchcodec and the dataset's own kit, see peers.py. `open`, ways to get at a member. `oracle`,
pictures against FFmpeg's program, times and labels against the twin's truth. `corrupt`, damaged datasets.
`kills`, kill -9 at random moments. `reader`, memory and opening. `demo`, the recipe through `rushes run` in a
workspace of its own, which wants the machine for itself and is only done when asked for.

Footage: two clips of seven cameras, 1920x1080, 20 s, H.264 High with B-frames, a key frame a second, 6 Mb/s;
made once in DIR, in two minutes. All but the demo takes 25 minutes of one core, --quick about five.
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
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crash import finish, kill_until, tally_figures
from driving_corruption import corruption_figures, twin_settings
from driving_footage import large_settings, make_large, make_twin
from driving_opening import opening_figures
from driving_oracle import oracle_figures
from driving_peers import peer_figures, peer_plan
from driving_reader import reader_figures
from prepare import cpu_seconds, spread
from report import Figure, at_least, at_most, emit

from rushes.evaluate.scorecard import read_scorecard
from rushes.runs.stage import METRICS_FILE
from rushes.tasks.driving.evaluate.names import SPEED
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.twin.script import DrivingSettings

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "driving-twin.yaml"
RUSHES = Path(sys.executable).with_name("rushes")
SETUPS = ("cruciform", "surround")
SIZE = (1920, 1080)
BARE = """
import av, sys
with av.open(sys.argv[1]) as container:
    stream = container.streams.video[0]
    stream.thread_count = 1
    for frame in container.decode(stream):
        pass
"""


@dataclass(slots=True)
class Bench:
    """What the parts share.

    Attributes:
        folder: for what is thrown away.
        kept: for footage.
        quick: less of everything.
        repeats: of the decode ratio.
        seed: of damages and kills.
        workspace: of the demo.
        window_s: CPU seconds of one window, by setup, once measured.
    """

    folder: Path
    kept: Path
    quick: bool
    repeats: int
    seed: int
    workspace: Path | None
    window_s: dict[str, float] = field(default_factory=dict)

    @property
    def settings(self) -> DrivingSettings:
        """Of the large footage."""
        return large_settings(*((1, 10.0) if self.quick else (2, 20.0)))

    @property
    def root(self) -> Path:
        """The large footage, made if it is not there."""
        settings = self.settings
        root = self.kept / f"driving-{settings.clips}x{settings.clip_s:g}s"
        make_large(root, settings)
        return root

    @property
    def twin(self) -> Path:
        """The small twin, likewise."""
        root = self.kept / "driving-twin"
        make_twin(root, twin_settings())
        return root

    def dataset(self, setup: str) -> Path:
        """The large footage prepared; measured by the way."""
        workspace = self.folder / f"ws-{setup}"
        if not workspace.exists():
            self.measure(setup)
        return next(workspace.glob("prepare-*"))

    def measure(self, setup: str) -> float:
        """CPU seconds of a prepare run into a fresh workspace, which stays for a look."""
        workspace = self.folder / f"ws-{setup}"
        shutil.rmtree(workspace, ignore_errors=True)
        script = [sys.executable, str(HERE / "driving_once.py"), str(self.root), str(workspace)]
        spent_s = cpu_seconds([*script, "--setup", setup])
        done = json.loads((self.dataset(setup) / "DONE").read_text())
        each_s = spent_s / sum(done["summary"]["samples"].values())
        self.window_s[setup] = min(each_s, self.window_s.get(setup, each_s))
        return spent_s


def prepare_part(bench: Bench) -> list[Figure]:
    figures = []
    for setup in SETUPS:
        cameras = RigPreprocessing(setup=setup).setup.cameras
        videos = _unpacked(bench, cameras)
        ratios: list[float] = []
        inner: list[float] = []
        for _ in range(bench.repeats):
            program_s = sum(cpu_seconds(_ffmpeg(video)) for video in videos)
            library_s = sum(cpu_seconds([sys.executable, "-c", BARE, str(video)]) for video in videos)
            spent_s = bench.measure(setup)
            ratios.append(program_s / spent_s)
            inner.append(library_s / spent_s)
        name = f"prepare / bare decode, {len(cameras)} cameras of 1080p"
        figures.append(
            at_least(f"{name}, ffmpeg ({spread(ratios)})", round(statistics.median(ratios), 3), 0.65)
        )
        inner_name = f"{name}, PyAV and its own FFmpeg, start included ({spread(inner)})"
        figures.append(Figure(inner_name, round(statistics.median(inner), 3)))
        figures.append(
            Figure(f"prepare, CPU ms for one window, {len(cameras)} cameras", 1e3 * bench.window_s[setup])
        )
    return figures


def _unpacked(bench: Bench, cameras: tuple[str, ...]) -> list[Path]:
    """The videos of ``cameras`` as files."""
    folder = bench.folder / "videos"
    found = []
    for camera in cameras:
        for archive in sorted(bench.root.glob(f"camera/{camera}/*.zip")):
            with zipfile.ZipFile(archive) as opened:
                names = [name for name in opened.namelist() if name.endswith(".mp4")]
                found += [Path(opened.extract(name, folder)) for name in names]
    return found


def _ffmpeg(video: Path) -> list[str]:
    return ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(video), "-f", "null", "-"]


def peers_part(bench: Bench) -> list[Figure]:
    setup, windows = SETUPS[0], 2 if bench.quick else 6
    plan = peer_plan(bench.root, bench.dataset(setup), RigPreprocessing(setup=setup), SIZE)
    return peer_figures(plan, bench.window_s[setup], windows, bench.folder)


def oracle_part(bench: Bench) -> list[Figure]:
    figures: dict[str, Figure] = {}
    for setup in SETUPS[:1] if bench.quick else SETUPS:
        found = oracle_figures(
            bench.root,
            bench.dataset(setup),
            bench.settings,
            RigPreprocessing(setup=setup),
            bench.folder,
            clips=bench.settings.clips,
            drives=5 if bench.quick else 40,
        )
        figures |= {figure.figure: figure for figure in found}
    return list(figures.values())


def corrupt_part(bench: Bench) -> list[Figure]:
    folder = bench.folder / "corrupt"
    folder.mkdir()
    return corruption_figures(bench.twin, folder, 10 if bench.quick else 100, bench.seed)


def kills_part(bench: Bench) -> list[Figure]:
    twin, kills = bench.twin, 5 if bench.quick else 25

    def begin(workspace: Path) -> subprocess.Popen:
        script = [sys.executable, str(HERE / "driving_once.py"), str(twin), str(workspace)]
        options = ["--tile", "84", "56", "--workers", "2", "--shard-bytes", "200000"]
        return subprocess.Popen(
            [*script, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    began_s = time.monotonic()
    finish(begin(bench.folder / "undisturbed"))
    whole_s = time.monotonic() - began_s
    (reference,) = (bench.folder / "undisturbed").glob("prepare-*")
    tally = kill_until(kills, begin, reference, whole_s, bench.folder / "disturbed", bench.seed)
    return tally_figures("driving prepare", tally, kills)


def open_part(bench: Bench) -> list[Figure]:
    return opening_figures(bench.folder)


def reader_part(bench: Bench) -> list[Figure]:
    return reader_figures(bench.folder, bench.quick)


def demo_part(bench: Bench) -> list[Figure]:
    """The recipe; its total is judged only where every stage ran now."""
    workspace = bench.workspace or bench.folder / "demo"
    fresh = not workspace.exists() or not any(workspace.iterdir())
    command = [str(RUSHES), "run", str(RECIPE), "--workspace", str(workspace), "--json"]
    began_s = time.monotonic()
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    total_s = time.monotonic() - began_s
    (folder,) = (stage["folder"] for stage in told["stages"] if stage["name"] == "evaluate")
    card, figure = read_scorecard(Path(folder) / METRICS_FILE), SPEED.figure("mae")
    errors = {name: found[figure].value for name, found in card.all.estimates.items()}
    own, best = errors[card.model], card.all.standings[figure]
    figures = [
        Figure("demo: mean absolute error of the speed, m/s", own),
        Figure(f"demo: the same of the best baseline, {best.rival}", best.value),
        at_most("demo: the model's over that baseline's", round(own / best.value, 3), 0.5),
        Figure(
            "demo: the model's over that of its own answer about the window before",
            own / errors["previous_prediction"],
        ),
    ]
    if fresh:
        figures.append(at_most("demo: seconds from an empty workspace to the report", round(total_s), 600))
    return figures


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "prepare": prepare_part,
    "peers": peers_part,
    "open": open_part,
    "oracle": oracle_part,
    "corrupt": corrupt_part,
    "kills": kills_part,
    "reader": reader_part,
    "demo": demo_part,
}
DEFAULT = [part for part in PARTS if part != "demo"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one shorter clip, fewer of everything")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", default=",".join(DEFAULT), help=f"among {', '.join(PARTS)}")
    parser.add_argument("--folder", type=Path, help="for footage, kept for the next time")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--workspace", type=Path, help="of the demo; a fresh one if not given")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if strange := [part for part in parts if part not in PARTS]:
        parser.error(f"no part {', '.join(strange)}; there are {', '.join(PARTS)}")
    os.environ["OMP_NUM_THREADS"] = "1" if "demo" not in parts else os.environ.get("OMP_NUM_THREADS", "2")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bench = Bench(
            folder=folder,
            kept=arguments.folder or folder,
            quick=arguments.quick,
            repeats=arguments.repeats or (1 if arguments.quick else 3),
            seed=arguments.seed,
            workspace=arguments.workspace,
        )
        figures = [figure for part in parts for figure in PARTS[part](bench)]
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
