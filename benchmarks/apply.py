"""`rushes apply` with a frozen model: CPU over that of bare decoding, and what kills leave.

    python benchmarks/apply.py
    python benchmarks/apply.py --quick

A model is trained on the twin. A public clip of a conveyor, or the twin's own session where it does not lie beside
the repository, is encoded at each size and repeated; bare decoding and apply read it in turns, each in a process of
its own with all that it loads. 4 frames a second: clips of 4 s with 16 frames, side by side. Kills come at random
moments, and the folder must end with the bytes of one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import footage
import numpy as np

RECIPE = """\
task: operations
name: bench
source: {split: {train: [U0101], test: [U0102]}}
twin: {subjects: 2, boxes: 1, difficulty: 0.0}
preprocessing: {sampler: uniform, frames: 16, frame_size: [168, 168], clip_s: 4.0}
prepare: {window_stride_s: STRIDE, workers: 0}
model: {name: frozen}
train: {phases: [{ask: clips, steps: 40, batch_size: 16, accumulate: 1, learning_rate: 0.001}]}
"""
SIZES = ((640, 360), (1280, 720), (1920, 1080))
DECODE = """\
import sys
from pathlib import Path
from rushes.media.video import decode
from rushes.records import Media
for frame in decode(Media("video", Path(sys.argv[1]))):
    pass
"""
ENCODED_S = 20.0
"""Seconds of a recording that is labelled under kills."""

WHEN = ("DONE", "recipe.json", "lock")
"""Files that say when and where something was made."""


def cpu_s(command: Sequence[str], cwd: Path) -> float:
    """Seconds of CPU that a process took."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=cwd, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read().decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime


def rushes(*words: object) -> list[str]:
    return [sys.executable, "-m", "rushes.cli", *map(str, words)]


def trained(folder: Path, stride_s: float) -> Path:
    """A recipe in a folder of its own, its model trained."""
    recipe = folder / f"bench-{stride_s:g}.yaml"
    recipe.write_text(RECIPE.replace("STRIDE", f"{stride_s:g}"))
    for stage in ("twin", "prepare", "features", "train"):
        subprocess.run(rushes(stage, recipe), cwd=folder, check=True, capture_output=True)
    return recipe


def repeated(source: Path, path: Path, size: tuple[int, int] | None, seconds: float) -> Path:
    """A video scaled to ``size``, None keeps its own, again and again for so long.

    Each time a level lighter: a picture that was seen before is not encoded again, as it never comes in footage.
    """
    with av.open(str(path), "w") as target:
        stream, rate, number, turn = None, Fraction(25), 0, 0
        while number / rate < seconds:
            with av.open(str(source)) as clip:
                first = clip.streams.video[0]
                if stream is None:
                    rate = first.average_rate or rate
                    options = {"preset": "veryfast", "crf": "21"}
                    stream = target.add_stream("libx264", rate, options=options)
                    stream.width, stream.height = size or (first.width, first.height)
                    stream.pix_fmt = "yuv420p"
                for frame in clip.decode(video=0):
                    if number / rate >= seconds:
                        break
                    planes = frame.reformat(stream.width, stream.height, "yuv420p").to_ndarray()
                    luma = planes[: stream.height]
                    luma += np.minimum(255 - luma, turn).astype(np.uint8)
                    lighter = av.VideoFrame.from_ndarray(planes, "yuv420p")
                    lighter.pts, lighter.time_base = number, 1 / rate
                    target.mux(stream.encode(lighter))
                    number += 1
            turn += 1
        target.mux(stream.encode(None))
    return path


def row(figure: str, value: Any, bar: str | None = None, holds: bool | None = None) -> dict[str, Any]:
    return {"figure": figure, "value": value, "bar": bar, "holds": holds}


def costs(folder: Path, source: Path, minutes: float, turns: int) -> list[dict[str, Any]]:
    """CPU of apply over that of bare decoding."""
    recipes = {stride_s: trained(folder, stride_s) for stride_s in (4.0, 1.0)}
    rows = []
    for size in SIZES:
        place = folder / f"{size[0]}x{size[1]}"
        place.mkdir()
        video = repeated(source, place / "a.mp4", size, 60 * minutes)
        bare, found = [], {stride_s: [] for stride_s in recipes}
        for turn in range(turns):
            bare.append(cpu_s([sys.executable, "-c", DECODE, str(video)], folder))
            for stride_s, recipe in recipes.items():
                out = folder / f"out-{size[0]}-{stride_s:g}-{turn}"
                found[stride_s].append(
                    cpu_s(rushes("apply", recipe, place, "--out", out, "--workers", 0), folder)
                )
        video.unlink()
        decode_s = statistics.median(bare)
        name = f"{minutes:g} min of {size[0]}x{size[1]}"
        ratio = round(statistics.median(a / b for a, b in zip(found[4.0], bare, strict=True)), 2)
        rows.append(row(f"apply / bare decoding, CPU, 4 frames a second: {name}", ratio, "<= 3", ratio <= 3))
        ratio = round(statistics.median(a / b for a, b in zip(found[1.0], bare, strict=True)), 2)
        rows.append(row(f"the same, a window each second, 16 frames each: {name}", ratio))
        rows.append(row(f"bare decoding, s of CPU: {name}", round(decode_s, 1)))
    return rows


def content(out: Path) -> dict[str, bytes]:
    """Every file below a folder but those of `WHEN`."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in WHEN)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def kills(
    recipe: Path, workspace: Path, folder: Path, source: Path, recordings: int, count: int, seed: int
) -> dict[str, Any]:
    """Files that differ between a command that was killed again and again and one that was not."""
    rng = random.Random(seed)
    video = repeated(source, folder / "once.mp4", None, ENCODED_S).read_bytes()
    for place in ("whole", "killed"):
        (folder / place / "in").mkdir(parents=True)
        for number in range(recordings):
            (folder / place / "in" / f"{number}.mp4").write_bytes(video)
    words = ["apply", recipe, "in", "--out", "out", "--as", "csv", "--as", "eaf", "--as", "labelstudio"]
    words += ["--workspace", workspace]
    landed = sum(killed(words, folder / "killed", rng) for _ in range(count))
    for place in ("killed", "whole"):
        subprocess.run(rushes(*words), cwd=folder / place, check=True, capture_output=True)
    whole, found = (content(folder / place / "out") for place in ("whole", "killed"))
    differ = sum(whole.get(name) != found.get(name) for name in whole.keys() | found.keys())
    name = f"kill -9 at {landed} random moments, then once more: of {len(whole)} files those that differ"
    return row(name, differ, "0", differ == 0 if landed else None)


def killed(words: Sequence[object], cwd: Path, rng: random.Random) -> bool:
    """Start a command and kill it with its workers, some time after it began or after a receipt or two more."""

    def receipts() -> int:
        return len(list(cwd.glob("out/apply-*/units/*.json")))

    wanted = receipts() + rng.choice([0, 1, 1, 2])
    process = subprocess.Popen(
        rushes(*words), cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and receipts() < wanted:
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 2.0))
    lives = process.poll() is None
    if lives:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return lives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 minutes of video, two kills")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", default="costs,kills")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    minutes, turns, count = (3.0, 1, 2) if arguments.quick else (20.0, 1, 8)
    rows = []
    for part in arguments.parts.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = next(iter(footage.DATA.glob("bottle-detection.mp4")), None) or _of_the_twin(folder)
            if part == "costs":
                rows += costs(folder, source, minutes, turns)
            else:
                recipe = trained(folder, 4.0)
                rows.append(kills(recipe, folder / "workspace", folder, source, 6, count, arguments.seed))
    if arguments.json:
        print(json.dumps(rows))
        return
    for one in rows:
        print(f"{one['figure']:90} {one['value']!s:>10}  {one['bar'] or '':8} {one['holds']}")


def _of_the_twin(folder: Path) -> Path:
    trained(folder, 4.0)
    return next((folder / "workspace").glob("twin-*/raw/U0102/**/*.mp4"))


if __name__ == "__main__":
    main()
