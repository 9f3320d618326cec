"""How fast sounds become features, and how fast features are read.

    python benchmarks/sounds.py [--quick] [--json] [--parts PART,...]

Parts: `spectrograms`, clips of 5 s a second in one thread beside librosa and torchaudio, in one process and
in turns, and how far apart the numbers are; `reads`, random samples a second from shards that the stage
wrote, each copied into a batch, beside layouts of HDF5; `features`, clips for each second of CPU from files
to a finished dataset, and whether one worker and two write the same bytes. Librosa, torchaudio
and h5py are those of the peer `audio`, see peers.py.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: every figure is of one thread

import argparse
import hashlib
import resource
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import peers
from report import Figure, at_least, at_most, emit, not_measured

from rushes.prepare.stage import Planned, prepare
from rushes.recipe.sections import Prepare
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.stages import StageSpec, working
from rushes.storage import Home
from rushes.tasks.sounds.prepare.sample import Sample
from rushes.tasks.sounds.prepare.unit import Job, members_of, prepare_unit
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.sources.blocks import SoundScan, blocks_of

PARTS = ("spectrograms", "reads", "features")
SECONDS = 5.0
FORMATS = (("wav", 16_000, 1), ("wav", 16_000, 2), ("wav", 44_100, 2), ("flac", 44_100, 2))


def sound(number: int, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    """Breath-like bursts of noise under a tone, between faint and loud; int16 (samples, channels)."""
    rng = np.random.default_rng(number)
    moments = np.arange(round(SECONDS * rate)) / rate
    bursts = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 2.0) * moments)
    tone = np.sin(2 * np.pi * rng.uniform(50, 5000) * moments)
    mixed = (0.2 * tone + bursts * rng.normal(0, 0.1, len(moments))) * 10 ** rng.uniform(-3, 0)
    values = mixed[:, None] + rng.normal(0, 1e-3, (len(moments), channels))
    return (np.clip(values, -1, 1) * 32767).astype("<i2")


def write_sound(path: Path, values: np.ndarray, rate: int) -> None:
    channels = values.shape[1]
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(values.tobytes())
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=rate, layout="stereo" if channels == 2 else "mono")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values.reshape(1, -1)), "s16", stream.layout.name
        )
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def scan_of(folder: Path, count: int, kind: str, rate: int, channels: int) -> SoundScan:
    """Files of one kind; of many, every sixteenth sound is another one."""
    folder.mkdir(parents=True)
    recordings = []
    for number in range(count):
        path = folder / f"{number:05d}.{kind}"
        if number < 16:
            write_sound(path, sound(number, rate, channels), rate)
        else:
            path.write_bytes((folder / f"{number % 16:05d}.{kind}").read_bytes())
        side, label = ("val", "train")[number % 8 > 0], ("quiet", "breathe", "snore")[number % 3]
        recording = SoundRecording(f"s{number:05d}", f"g{number % 8}", side, label, path)
        recordings.append((recording, path.stat().st_size))
    return SoundScan(folder, blocks_of(recordings), {}, ())


def take_features(scan: SoundScan, workspace: Path, preprocessing: SoundPreprocessing, workers: int) -> Path:
    """The stage as a run has it; gives its folder."""
    with working(StageSpec("features", 1, preprocessing.model_dump(mode="json")), workspace) as stage:
        prepared = prepare(
            Planned(
                jobs={
                    one.key: Job(one, preprocessing, 30.0, stage.folder, 200_000_000) for one in scan.blocks
                },
                splits=("train", "val"),
                members=members_of(scan),
            ),
            prepare_unit,
            Home(stage.folder),
            preprocessing,
            Prepare(max_quarantine=0.0, memory_gb=None, workers=workers),
        )
        stage.finish(prepared.summary(), prepared.account.counts)
    return stage.folder


def cpu_s() -> float:
    """User and system time of this process and of all children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def spectrograms(folder: Path, quick: bool) -> list[Figure]:
    """Ours over each library's ways, round by round."""
    clips, rounds = (64, 5) if quick else (128, 15)
    waves = np.stack([sound(number)[:, 0] for number in range(clips)]).astype(np.float32) / 32768
    waves[-1] = 0.0
    np.save(folder / "clips.npy", waves)
    bars = {"librosa": 2.5, "librosa, batch": 2.5, "torchaudio": 1.2, "torchaudio, batch": 1.2}
    figure = "log-mel, clips/s, ours / {}"
    try:
        answer = peers.ask("audio", "sounds_peer.py", "spectrograms", folder / "clips.npy", rounds)
    except peers.Unavailable as why:
        return [not_measured(figure.format(way), f">= {bar:g}", why) for way, bar in bars.items()]
    rates, apart = answer["rates"], answer["apart"]
    figures = [
        Figure(f"log-mel, clips of {SECONDS:g} s a second: {way}", round(statistics.median(found)))
        for way, found in rates.items()
    ]
    for way, bar in bars.items():
        if way not in rates:
            figures.append(not_measured(figure.format(way), f">= {bar:g}", "not there"))
            continue
        ratios = [mine / other for mine, other in zip(rates["ours"], rates[way], strict=True)]
        told = f"{figure.format(way)} ({min(ratios):.2f}-{max(ratios):.2f} in {rounds})"
        figures.append(at_least(told, round(statistics.median(ratios), 2), bar))
    for way, decibels in apart.items():
        told = f"log-mel, greatest difference from librosa, dB: {way}"
        figures.append(at_most(told, round(decibels, 5), 0.01) if way == "ours" else Figure(told, decibels))
    return figures


def random_reads(dataset: ShardDataset, count: int) -> float:
    """Samples a second, each copied into its place of a batch."""
    numbers = np.random.default_rng(0).integers(0, len(dataset), count).tolist()
    first = Sample.of("", dataset.sample(0)).features
    batch = np.empty((64, *first.shape), first.dtype)
    started_s = time.perf_counter()
    for place, number in enumerate(numbers):
        batch[place % 64] = Sample.of("", dataset.sample(number)).features
    return count / (time.perf_counter() - started_s)


def reads(folder: Path, quick: bool) -> list[Figure]:
    clips, count, rounds = (512, 10_000, 3) if quick else (1024, 40_000, 7)
    scan = scan_of(folder / "reads", clips, "wav", 16_000, 1)
    figures = []
    for dtype in ("float32", "float16"):
        preprocessing = SoundPreprocessing(dtype=dtype)
        place = take_features(scan, folder / f"reads-{dtype}", preprocessing, 0)
        dataset = ShardDataset.open(place, "train")
        random_reads(dataset, count // 10)
        rates = [random_reads(dataset, count) for _ in range(rounds)]
        size = "x".join(map(str, preprocessing.shape))
        told = f"random reads/s, {size} {dtype} ({min(rates):.0f}-{max(rates):.0f} in {rounds})"
        figures.append(at_least(told, round(statistics.median(rates)), 20_000))
        if dtype == "float32":
            started_s = time.perf_counter()
            list(dataset.labels())
            figures.append(
                Figure("labels/s of a split", round(len(dataset) / (time.perf_counter() - started_s)))
            )
            samples = (Sample.of("", dataset.sample(number)) for number in range(len(dataset)))
            np.save(folder / "features.npy", np.stack([sample.features for sample in samples]))
    try:
        answer = peers.ask("audio", "sounds_peer.py", "reads", folder / "features.npy", count // 4)
    except peers.Unavailable as why:
        return [*figures, not_measured("random reads/s, HDF5", None, why)]
    return figures + [
        Figure(f"random reads/s, HDF5, float32, {layout}", round(rate)) for layout, rate in answer.items()
    ]


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of what the stage made, by path."""
    paths = [path for part in ("shards", "units") for path in (folder / part).rglob("*") if path.is_file()]
    paths += [folder / "manifest.json", folder / "recordings.json"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def features(folder: Path, quick: bool) -> list[Figure]:
    clips, preprocessing, figures, differing = (512 if quick else 2048), SoundPreprocessing(), [], 0
    for kind, rate, channels in FORMATS:
        name = f"{kind}-{rate}-{channels}"
        scan = scan_of(folder / name, clips, kind, rate, channels)
        made, spent_s, taken_s = [], [], []
        for workers in (1, 2):
            begun_s, started_s = cpu_s(), time.perf_counter()
            made.append(contents(take_features(scan, folder / f"{name}-{workers}", preprocessing, workers)))
            taken_s.append(time.perf_counter() - started_s)
            spent_s.append(cpu_s() - begun_s)
        differing += len(made[0].items() ^ made[1].items())
        what = f"{kind.upper()} {rate / 1000:g} kHz {('mono', 'stereo')[channels - 1]}"
        figures.append(Figure(f"features, clips a second of CPU, {what}", round(clips / spent_s[0])))
        figures.append(Figure(f"features, clips a second, two workers, {what}", round(clips / taken_s[1])))
    return [*figures, at_most("features, files that differ between one worker and two", differing, 0)]


WORK: dict[str, Callable[[Path, bool], list[Figure]]] = {
    "spectrograms": spectrograms,
    "reads": reads,
    "features": features,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer clips and rounds")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if strangers := set(parts) - set(PARTS):
        sys.exit(f"no part {', '.join(sorted(strangers))}; there are {', '.join(PARTS)}")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            figures += WORK[part](Path(folder), arguments.quick)
    emit(figures, arguments.json)


if __name__ == "__main__":
    main()
