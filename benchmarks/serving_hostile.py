"""What strangers upload: bombs, headers that lie, damaged recordings; and what a process of its own for each costs.

    python benchmarks/serving_hostile.py [--quick] [--json] [--seed S] [--cache DIR]

Bombs and 1,500 damaged files (150 with --quick) go through the processes that a service decodes in, with the limits
that a service has by default. Each must end as a refusal with a code, or as parts of which every picture opens; the
next upload must be decoded as ever. Memory of a process is its peak, read every two milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import hostile_files
from hostile_decode import SIDE, Listen, Look
from report import Figure, at_most, emit

from rushes.media.image import jpeg_size
from rushes.media.limits import Limits
from rushes.recipe.sections import Serve
from rushes.runs.door.contract import Decode, Part
from rushes.serve.children import Children
from rushes.serve.refusal import Refusal

PRELOAD = ("av", "numpy", "hostile_decode")
LATEST_S, CHILD_MB, SERVER_MB = 2.0, 512.0, 32.0
DEADLINE_S, GRACE_S = 30.0, 2.0
CODES = {
    *("too_large_pixels", "too_many_frames", "too_long", "decoded_bytes_exceeded"),
    *("kind_not_allowed", "undecodable", "unanswerable"),
}
CHILD_MS = 250.0
STEP = 8
"""Of the frames of a bomb each so many is wanted, as by a task that looks several times a second."""


def limits_of(settings: Serve) -> Limits:
    """As a service takes them."""
    return Limits(
        max_pixels=settings.max_pixels,
        max_frames=settings.max_frames,
        max_duration_s=settings.max_s,
        max_decoded_bytes=round(settings.max_decoded_gb * 1e9),
    )


def pool(warm: int) -> Children:
    """Decoding processes with the limits of a service by default."""
    settings = Serve()
    return Children(PRELOAD, limits_of(settings), settings.memory_mb, warm)


@dataclass
class Peak:
    """Most memory of any process that was started by one that this process started, while it is looked at.

    Attributes:
        mb: of one of them.
    """

    mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            for process in (one for child in _started_by(os.getpid()) for one in _started_by(child)):
                self.mb = max(self.mb, _peak_mb(process))


def _started_by(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(one) for one in text.split()]


def _peak_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return max((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), default=0.0)


def _own_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@dataclass(frozen=True, slots=True)
class End:
    """What came of an upload.

    Attributes:
        code: of the refusal, or ``ok``.
        parts: how many there were.
        good: whether each of them is a picture of the right size, or whole samples.
        seconds: it took.
    """

    code: str
    parts: int
    good: bool
    seconds: float

    @property
    def right(self) -> bool:
        """A refusal with a code, or parts, all of them good."""
        return self.code in CODES or (self.code == "ok" and self.parts > 0 and self.good)


async def ended(children: Children, decode: Decode, path: Path) -> End:
    """Decode an upload, and see what comes of it."""
    began, parts, good = time.perf_counter(), 0, True
    code = "ok"
    try:
        async with children.decode(decode, {"file": path}, DEADLINE_S) as stream:
            async for part in stream:
                parts += 1
                good = good and _is_good(part)
    except Refusal as refusal:
        code = refusal.error
    return End(code, parts, good, time.perf_counter() - began)


def _is_good(part: Part) -> bool:
    picture, wave = part.members.get("frame.jpg"), part.members.get("wave.f32")
    if picture is not None:
        return jpeg_size(bytes(picture)) == (SIDE, SIDE)
    return wave is not None and len(wave) > 0 and len(wave) % 4 == 0


def bomb_figures(cache: Path) -> Iterator[Figure]:
    """Each bomb once; the first upload is not one, so that nothing is measured that a server does at its start."""

    async def run() -> Iterator[Figure]:
        figures = []
        async with pool(1) as children:
            sound = hostile_files.video(cache / "sound.mp4", "libx264")
            await ended(children, Look(), sound)
            before_mb = _own_mb()
            for name in hostile_files.BOMBS:
                path = hostile_files.bomb(name, cache)
                with Peak() as peak:
                    end = await ended(children, Look(STEP), path)
                what = f"{name}, {path.stat().st_size:,} bytes ({end.code})"
                figures.append(
                    at_most(
                        f"{what}: s until refused",
                        end.seconds if end.code in CODES else float("inf"),
                        LATEST_S,
                    )
                )
                figures.append(at_most(f"{name}: MB of the process that decodes it", peak.mb, CHILD_MB))
            figures.append(at_most("all bombs: MB that the server grows", _own_mb() - before_mb, SERVER_MB))
            whole = await ended(children, Look(), sound)
            figures.append(
                at_most("behind them: uploads of one that are not decoded", int(whole.code != "ok"), 0)
            )
        return iter(figures)

    for name in hostile_files.BOMBS:  # made first: it takes the memory of an encoder
        hostile_files.bomb(name, cache)
    yield from asyncio.run(run())


def fuzz_figures(videos: int, sounds: int, seed: int, cache: Path) -> Iterator[Figure]:
    """Damaged recordings of all containers and codecs."""
    films = [
        hostile_files.video(cache / f"{codec}.{suffix}", codec) for codec, suffix in hostile_files.VIDEOS
    ]
    waves = [
        hostile_files.sound(cache / f"{codec}.{suffix}", codec, form)
        for codec, form, suffix in hostile_files.SOUNDS
    ]
    for what, whole, count, decode in (
        ("videos", films, videos, Look()),
        ("sounds", waves, sounds, Listen()),
    ):
        yield from asyncio.run(_fuzzed(what, whole, count, decode, seed, cache))


async def _fuzzed(
    what: str, whole: list[Path], count: int, decode: Decode, seed: int, cache: Path
) -> list[Figure]:
    ends: list[tuple[str, End]] = []
    descriptors = 0
    async with pool(2) as children:
        unread = [path.name for path in whole if (await ended(children, decode, path)).code != "ok"]
        descriptors = len(os.listdir("/proc/self/fd"))
        for path, how in hostile_files.mutated(whole, count, seed, cache):
            ends.append((how, await ended(children, decode, path)))
        left = len(os.listdir("/proc/self/fd")) - descriptors
    wrong = [f"{how}: {end.code}" for how, end in ends if not end.right and end.code != "deadline"]
    codes: Mapping[str, int] = Counter(end.code for _, end in ends)
    told = ", ".join(f"{number} {code}" for code, number in sorted(codes.items()))
    for line in wrong:
        print(f"not right: {what} {line}", flush=True)
    return [
        at_most(f"{what}: of {len(whole)} whole ones those that are refused {unread or ''}", len(unread), 0),
        at_most(
            f"{what}: of {count} mutated ones those without a code or a right answer ({told})", len(wrong), 0
        ),
        at_most(f"{what}: s of the slowest", max(end.seconds for _, end in ends), DEADLINE_S + GRACE_S),
        at_most(f"{what}: hangs", codes.get("deadline", 0), 0),
        at_most(f"{what}: descriptors left", left, 0),
    ]


def overhead_figures(uploads: int, cache: Path) -> Iterator[Figure]:
    """A short recording in a process of its own, against the same in this one."""
    path = hostile_files.video(cache / "short.mp4", "libx264")
    look = Look()

    def here() -> float:
        began = time.perf_counter()
        assert sum(1 for _ in look({"file": path}, Limits()).parts) > 0
        return time.perf_counter() - began

    async def there(warm: int) -> list[float]:
        async with pool(warm) as children:
            return [(await ended(children, look, path)).seconds for _ in range(uploads)]

    bare_s = statistics.median(here() for _ in range(uploads))
    for warm, name in ((0, "started when it comes"), (2, "of two that wait")):
        found_s = statistics.median(asyncio.run(there(warm)))
        yield at_most(f"a process {name}: ms more than none, median", 1000 * (found_s - bare_s), CHILD_MS)


def hostile_figures(quick: bool, folder: Path, seed: int = 1) -> Iterator[Figure]:
    """All of it; ``folder`` keeps the files that take long to make."""
    yield from overhead_figures(20 if quick else 100, folder)
    yield from bomb_figures(folder)
    yield from fuzz_figures(100 if quick else 1000, 50 if quick else 500, seed, folder)


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
