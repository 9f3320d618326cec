"""Footage that is broken in every way we could think of, through a whole prepare unit in a worker process.

    python benchmarks/bad_input.py [--quick] [--json] [--mutations N] [--seed S]

Each file must end as a quarantine entry with its place, leaving no file of the unit behind, or as a right
result: every shard verified, every picture decoded, clips that are left out counted. Right results are told
apart: `same` has the pictures of the sound file; `other pictures` was turned, or hit where neither codec nor
container has a checksum. A worker that dies or hangs is a failure, whatever the engine makes of it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
from report import Figure, at_least, at_most, emit

from rushes.engine import Unit, UnitResult, map_units
from rushes.media.image import decode_jpeg
from rushes.shards.index import ShardInfo
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_shards
from rushes.tasks.operations.prepare.unit import Job, prepare_unit
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import PrepareClips

SECONDS, RATE = 8, 25
CONTAINERS = {"mp4": "libx264", "mkv": "libx264", "avi": "mpeg4", "webm": "libvpx"}
TIMEOUT_S = 60.0
SOURCE = {"wrong suffix": ".mp4", "starts at 3 s, mkv": ".mp4", "zero declared frames": ".mp4"}
"""Of which sound file a case has the pictures, where its own suffix does not say."""
EITHER, RIGHT, REFUSED = "either", "right", "refused"
SAME, OTHER = "same", "other pictures"


@dataclass(frozen=True, slots=True)
class Case:
    """A file, and what must come of it: a right result, a refusal, or either."""

    name: str
    path: Path
    expected: str


# --- ways to break a file --------------------------------------------------------------------------------


def flip_bytes(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 4, 16, 64, 256))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def spoil_head(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 2, 4, 8))):
        data[rng.randrange(min(400, len(data)))] = rng.randrange(256)
    return data


def spoil_tail(data: bytearray, rng: random.Random) -> bytearray:
    """The index of an mp4 stands at its end."""
    for _ in range(rng.choice((1, 4, 16))):
        data[-1 - rng.randrange(min(4000, len(data)))] = rng.randrange(256)
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 5000) :]


def repeat(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + data[start : start + rng.randrange(1, 5000)] + data[start:]


def zero_block(data: bytearray, rng: random.Random) -> bytearray:
    start, length = rng.randrange(len(data)), rng.randrange(1, 5000)
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def great_numbers(data: bytearray, rng: random.Random) -> bytearray:
    """Sizes and counts of two thousand millions."""
    for _ in range(rng.choice((1, 2, 4))):
        start = rng.randrange(len(data) - 4)
        data[start : start + 4] = rng.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0"))
    return data


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    flip_bytes,
    spoil_head,
    spoil_tail,
    truncate,
    cut_out,
    repeat,
    zero_block,
    great_numbers,
)


def mutated(folder: Path, count: int, rng: random.Random) -> Iterator[Case]:
    """``count`` files that differ from a sound one in some bytes."""
    sound = {suffix: (folder / f"sound.{suffix}").read_bytes() for suffix in CONTAINERS}
    for number in range(count):
        suffix = list(CONTAINERS)[number % len(CONTAINERS)]
        mutation = MUTATIONS[number // len(CONTAINERS) % len(MUTATIONS)]
        path = folder / f"{number:04d}-{mutation.__name__}.{suffix}"
        path.write_bytes(mutation(bytearray(sound[suffix]), rng))
        yield Case(f"mutated, {mutation.__name__}", path, EITHER)


# --- files that are odd by intent ------------------------------------------------------------------------


def remux(
    source: Path, target: Path, start_s: float = 0.0, keep: float = 1.0, codec_tag: str | None = None
) -> Path:
    """Copy the packets into another container, later by ``start_s``, the first share ``keep`` of them."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        packets = [packet for packet in reading.demux(video=0) if packet.dts is not None]
        for packet in packets[: round(keep * len(packets))]:
            shift = round(start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = stream
            writing.mux(packet)
    return target


def rotated(source: Path, target: Path) -> Path:
    """Set the display matrix of an mp4 to a quarter turn."""
    data = bytearray(source.read_bytes())
    place = (
        data.index(b"tkhd") + 4 + 40
    )  # version 0: flags, times, id, reserved, layer, volume, then the matrix
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    data[place : place + 36] = quarter
    target.write_bytes(data)
    return target


def without_counts(source: Path, target: Path) -> Path:
    """Matroska as a live stream: neither duration nor number of frames is declared."""
    with av.open(str(source)) as reading, av.open(str(target), "w", options={"live": "1"}) as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                writing.mux(packet)
    return target


def standing_clock(target: Path) -> Path:
    """An mjpeg file of which a stretch was recorded again in another size."""
    with av.open(str(target), "w", format="matroska") as container:
        stream = container.add_stream("rawvideo", RATE)
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(192, 144, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
    return target


def odd(folder: Path) -> Iterator[Case]:
    """Files whose kind is known, and what must come of each."""
    sound = folder / "sound.mp4"
    for suffix in CONTAINERS:
        yield Case(f"sound {suffix}", folder / f"sound.{suffix}", RIGHT)
    yield Case("rotated by 90 degrees", rotated(sound, folder / "rotated.mp4"), RIGHT)
    for suffix in ("mp4", "mkv"):
        path = remux(sound, folder / f"late.{suffix}", start_s=3.0)
        yield Case(f"starts at 3 s, {suffix}", path, RIGHT)
    yield Case("zero declared frames", without_counts(sound, folder / "live.mkv"), RIGHT)
    yield Case("wrong suffix", Path(shutil.copy(sound, folder / "wrong.avi")), RIGHT)
    yield Case("shorter than its labels", remux(sound, folder / "short.mp4", keep=0.5), REFUSED)
    yield Case("wrong codec", standing_clock(folder / "raw.mkv"), REFUSED)
    for name, content in {
        "empty": b"",
        "one byte": b"\0",
        "text": b"not a video\n" * 400,
        "zeros": bytes(100_000),
        "half a header": sound.read_bytes()[:20],
        "noise": random.Random(1).randbytes(100_000),
    }.items():
        path = folder / f"{name.replace(' ', '-')}.mp4"
        path.write_bytes(content)
        yield Case(name, path, REFUSED)
    for name, keep in {"cut in the middle": 0.5, "last byte missing": 1.0}.items():
        data = (folder / "sound.mkv").read_bytes()
        path = folder / f"{name.replace(' ', '-')}.mkv"
        path.write_bytes(data[: min(round(keep * len(data)), len(data) - 1)])
        yield Case(name, path, REFUSED if keep < 1 else EITHER)
    yield Case("missing", folder / "missing.mp4", REFUSED)
    (folder / "folder.mp4").mkdir()
    yield Case("a folder", folder / "folder.mp4", REFUSED)


# --- what came of them -----------------------------------------------------------------------------------


def job_of(case: Case, number: int, folder: Path) -> Job:
    preprocessing = ClipPreprocessing(frame_size=(112, 112), signal_size=(48, 36), label_set="openpack")
    recording = footage.recording(case.path, SECONDS, f"U{number:04d}_S0100")
    return Job(
        recording, "test", folder / f"{number:04d}", preprocessing, PrepareClips(shard_bytes=50_000_000)
    )


Pictures = dict[str, tuple[bytes, ...]]
"""The JPEGs of each window by the tick in its key; windows are the same for recordings of any name."""


def pictures_of(job: Job, receipt: dict) -> Pictures:
    """All windows of a result, each member against its checksum."""
    home = job.folder / "shards" / job.split
    dataset = ShardDataset.of_shards([home / shard["name"] for shard in receipt["shards"]], check=True)
    return {
        dataset.key(number).partition("_t")[2]: tuple(
            bytes(content) for field, content in sorted(dataset.sample(number).items()) if "frame_" in field
        )
        for number in range(len(dataset))
        if dataset.key(number).endswith("window")
    }


def result_verdict(job: Job, receipt: dict, sound: Pictures) -> str:
    """``same``, ``other pictures``, or what is wrong with a result."""
    home = job.folder / "shards" / job.split
    infos = [ShardInfo.from_json(entry, "receipt") for entry in receipt["shards"]]
    if faults := verify_shards(home, infos):
        return f"WRONG: {faults[0].reason}"
    found = pictures_of(job, receipt)
    if any(decode_jpeg(jpeg).shape != (112, 112, 3) for jpegs in found.values() for jpeg in jpegs):
        return "WRONG: a picture of another size"
    if len(found) + receipt["thin"] < len(sound) - 1 or abs(receipt["duration_s"] - SECONDS) > 0.6:
        return f"WRONG: {len(found)} windows, {receipt['thin']} thin, {receipt['duration_s']} s"
    return SAME if all(found.get(tick) == jpegs for tick, jpegs in sound.items()) else OTHER


def verdict(case: Case, job: Job, result: UnitResult, sound: Pictures) -> str:
    """``refused``, ``same``, ``other pictures``, or what is wrong."""
    if result.error is None:
        return "WRONG: taken" if case.expected == REFUSED else result_verdict(job, result.value, sound)
    error = result.error
    if error.kind != "input" or error.type not in ("MediaError", "SourceError"):
        return f"WRONG: {error.kind}: {error.type}: {error.message}"
    if case.expected == RIGHT:
        return f"WRONG: refused: {error.message}"
    if not error.where:
        return f"WRONG: no place: {error.message}"
    left = [path.name for path in job.folder.rglob("*") if path.is_file()]
    return f"WRONG: left behind {left}" if left else REFUSED


def run(mutations: int, seed: int, folder: Path) -> list[tuple[Case, str]]:
    """Every case with its verdict."""
    for suffix, codec in CONTAINERS.items():
        footage.make_noise(folder / f"sound.{suffix}", SECONDS * RATE, seed, RATE, codec)
    cases = [*odd(folder), *mutated(folder, mutations, random.Random(seed))]
    jobs = {f"{number:04d}": job_of(case, number, folder / "out") for number, case in enumerate(cases)}
    units = (Unit(key, job) for key, job in jobs.items())
    results = {
        result.key: result
        for result in map_units(prepare_unit, units, workers=2, timeout_s=TIMEOUT_S, retries=0)
    }
    sound = {
        case.path.suffix: pictures_of(jobs[key], results[key].value)
        for case, key in zip(cases, jobs, strict=True)
        if case.name.startswith("sound ")
    }
    return [
        (case, verdict(case, job, results[key], sound[SOURCE.get(case.name, case.path.suffix)]))
        for case, (key, job) in zip(cases, jobs.items(), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 mutated files")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mutations", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    mutations = arguments.mutations or (64 if arguments.quick else 400)
    with tempfile.TemporaryDirectory() as temporary:
        verdicts = run(mutations, arguments.seed, Path(temporary))
    names = Counter(case.name for case, _ in verdicts)
    figures = []
    for name, count in names.items():
        found = Counter(what for case, what in verdicts if case.name == name)
        listing = ", ".join(f"{number} {what}" for what, number in sorted(found.items()))
        right = sum(number for what, number in found.items() if not what.startswith("WRONG"))
        figures.append(
            Figure(f"{name}: files refused or right", listing, f"{count} of {count}", right == count)
        )
    figures.append(at_least("mutated files", mutations, 64 if arguments.quick else 300))
    figures.append(at_most("wrong, crashed or hung", sum("WRONG" in what for _, what in verdicts), 0))
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
