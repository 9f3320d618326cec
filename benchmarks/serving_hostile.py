"""What strangers upload: bombs, headers that lie, damaged recordings; and what a process of its own for each costs.

    python benchmarks/serving_hostile.py [--quick] [--json] [--seed S] [--cache DIR]

Bombs, 1,000 damaged videos and 500 damaged sounds (100 and 50 with --quick) are uploaded to a service with the limits
that it has by default; it decodes each to its end and looks at every picture, so each must end as a refusal with a
code, or as an answer about parts that are all what they should be. Memory of a decoding process is its peak. The
cost of a process is measured without HTTP. Takes 6 minutes on two processors, 1 minute with --quick.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hostile_files
from hostile_client import CODES, End, Peak, Service, service
from hostile_decode import Look
from report import Figure, at_most, emit

from rushes.media.limits import Limits
from rushes.recipe.sections import Serve
from rushes.serve.bounds import limits_of
from rushes.serve.children import Children

LATEST_S, CHILD_MB, SERVER_MB = 2.0, 512.0, 32.0
DEADLINE_S = 60.0
CHILD_MS = 250.0
STEP = 8
"""Of the frames of a bomb each so many is wanted, as by a task that looks several times a second."""


def overhead_figures(uploads: int, cache: Path) -> Iterator[Figure]:
    """A short recording in a process of its own, against the same in this one."""
    path, look = hostile_files.video(cache / "short.mp4", "libx264"), Look()

    def here() -> float:
        began = time.perf_counter()
        assert sum(1 for _ in look({"file": path}, Limits()).parts) > 0
        return time.perf_counter() - began

    async def there(warm: int) -> list[float]:
        settings, found = Serve(), []
        preload = ("av", "numpy", "hostile_decode")
        async with Children(preload, limits_of(settings), settings.memory_mb, warm) as children:
            for _ in range(uploads):
                began = time.perf_counter()
                async with children.decode(look, {"file": path}, DEADLINE_S) as stream:
                    assert len([part async for part in stream]) > 0
                found.append(time.perf_counter() - began)
        return found

    bare_s = statistics.median(here() for _ in range(uploads))
    for warm, name in ((0, "started when it comes"), (2, "of two that wait")):
        found_s = statistics.median(asyncio.run(there(warm)))
        yield at_most(f"a process {name}: ms more than none, median", 1000 * (found_s - bare_s), CHILD_MS)


def bomb_figures(to: Service, cache: Path) -> Iterator[Figure]:
    """Each bomb once, behind an upload that is none."""
    whole = hostile_files.video(cache / "short.mp4", "libx264")
    bombs = {name: hostile_files.bomb(name, cache) for name in hostile_files.BOMBS}
    to.upload("predict", whole, DEADLINE_S)
    before_mb = to.rss_mb()
    for name, path in bombs.items():
        with Peak(to.process.pid) as peak:
            end = to.upload("predict", path, DEADLINE_S, every=STEP)
        yield at_most(
            f"{name}, {path.stat().st_size:,} bytes ({end.code}): s until refused",
            end.seconds if end.code in CODES else float("inf"),
            LATEST_S,
        )
        yield at_most(f"{name}: MB of the process that decodes it", peak.mb, CHILD_MB)
    yield at_most("all bombs: MB that the server grows", to.rss_mb() - before_mb, SERVER_MB)
    unread = to.upload("predict", whole, DEADLINE_S).code != "ok"
    yield at_most("behind them: whole uploads that are not answered", int(unread), 0)


def fuzz_figures(to: Service, videos: int, sounds: int, seed: int, cache: Path) -> Iterator[Figure]:
    """Damaged recordings of all containers and codecs."""
    films = [
        hostile_files.video(cache / f"{codec}.{suffix}", codec) for codec, suffix in hostile_files.VIDEOS
    ]
    waves = [
        hostile_files.sound(cache / f"{codec}.{suffix}", codec, form)
        for codec, form, suffix in hostile_files.SOUNDS
    ]
    for what, verb, whole, count in (
        ("videos", "predict", films, videos),
        ("sounds", "analyze", waves, sounds),
    ):
        refused = [path.name for path in whole if to.upload(verb, path, DEADLINE_S).code != "ok"]
        descriptors, before_mb = to.descriptors(), to.rss_mb()
        ends = [
            (how, to.upload(verb, path, DEADLINE_S))
            for path, how in hostile_files.mutated(whole, count, seed, cache)
        ]
        yield at_most(f"{what}: of {len(whole)} whole ones those that are refused", len(refused), 0)
        yield from _fuzzed(what, ends)
        yield at_most(f"{what}: exits of the server", int(to.process.poll() is not None), 0)
        yield at_most(f"{what}: descriptors left", to.descriptors() - descriptors, 0)
        yield at_most(f"{what}: files left", to.files(), 0)
        yield at_most(f"{what}: MB that the server grows", to.rss_mb() - before_mb, SERVER_MB)


def _fuzzed(what: str, ends: list[tuple[str, End]]) -> Iterator[Figure]:
    codes = Counter(end.code for _, end in ends)
    told = ", ".join(f"{number} {code}" for code, number in sorted(codes.items()))
    wrong = [f"{how}: {end.status} {end.said}" for how, end in ends if not end.right]
    yield at_most(
        f"{what}: of {len(ends)} mutated ones ({told}) those without a code or a right answer", len(wrong), 0
    )
    if wrong:
        yield Figure(f"{what}: the first of them", wrong[0])
    slowest = max(end.seconds for _, end in ends)
    yield at_most(f"{what}: s of the slowest", slowest, DEADLINE_S)


def hostile_figures(quick: bool, folder: Path, seed: int = 1) -> Iterator[Figure]:
    """All of it; ``folder`` keeps the files that take long to make."""
    yield from overhead_figures(20 if quick else 100, folder)
    with tempfile.TemporaryDirectory() as uploads, service(Path(uploads)) as to:
        yield from bomb_figures(to, folder)
        yield from fuzz_figures(to, 100 if quick else 1000, 50 if quick else 500, seed, folder)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the damaged files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=1, help="of the damages (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="folder that keeps the files (default: a temporary one)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.cache or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        emit(list(hostile_figures(asked.quick, folder, asked.seed)), asked.json)


if __name__ == "__main__":
    main()
