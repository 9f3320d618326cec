"""What is damaged: small whole recordings, datasets, recipes, campaigns and finished runs, each in a folder."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import field_readings as readings
import footage
import numpy as np
from field_readings import MANIFEST, RECIPE, ROOT, WORKSPACE, Reading
from field_recordings import (
    DRIVING,
    NIGHT,
    OPERATIONS,
    TONES,
    Make,
    of_root,
    of_twin,
    write_sessions,
    write_sound,
    write_tones,
)
from PIL import Image

from rushes.runs.do import do
from rushes.tasks.operations.sources.openpack import layout
from rushes.testing.subject import silent

Read = Callable[[Path], Reading]


@dataclass(frozen=True, slots=True)
class Subject:
    """Something whole, and what is read of it.

    Attributes:
        kind: what it is: ``videos``, ``sounds``, ``tables`` ...
        name: unique, e.g. ``mp4 h264``.
        read: gives what comes out of a folder like this one; raises a RushesError where it is refused.
        make: fills an empty folder with the whole thing.
        files: patterns of the files that are damaged.
        share: of all mutations.
    """

    kind: str
    name: str
    read: Read
    make: Make
    files: tuple[str, ...] = ("**/*",)
    share: float = 1.0


# --- videos and sounds ------------------------------------------------------------------------------------

SECONDS, RATE = 3, 10
VIDEOS: Mapping[str, tuple[str, str]] = {
    "mp4 h264": ("a.mp4", "libx264"),
    "mp4 hevc": ("a.mp4", "libx265"),
    "mp4 mpeg4": ("a.mp4", "mpeg4"),
    "mov mjpeg": ("a.mov", "mjpeg"),
    "mkv h264": ("a.mkv", "libx264"),
    "mkv av1": ("a.mkv", "libsvtav1"),
    "avi mpeg4": ("a.avi", "mpeg4"),
    "avi mjpeg": ("a.avi", "mjpeg"),
    "webm vp8": ("a.webm", "libvpx"),
    "webm vp9": ("a.webm", "libvpx-vp9"),
    "ts h264": ("a.ts", "libx264"),
}


def _video(name: str, codec: str) -> Make:
    def make(folder: Path) -> None:
        footage.make_noise(folder / name, SECONDS * RATE, 1, RATE, codec)

    return make


def _frames(folder: Path) -> None:
    for number in range(12):
        path = folder / layout.frame_name(1_648_531_511_030 + 66 * number)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.kron(np.random.default_rng(number).integers(0, 255, (9, 12, 3)), np.ones((8, 8, 1)))
        Image.fromarray(picture.astype(np.uint8)).save(path, "JPEG", quality=88)


SOUNDS: Mapping[str, tuple[str, str, str]] = {
    "wav 16 bit": ("a.wav", "pcm_s16le", "s16"),
    "wav float": ("a.wav", "pcm_f32le", "flt"),
    "wav adpcm": ("a.wav", "adpcm_ima_wav", "s16p"),
    "flac": ("a.flac", "flac", "s16"),
    "ogg vorbis": ("a.ogg", "vorbis", "fltp"),
    "ogg opus": ("a.opus", "libopus", "s16"),
    "mp3": ("a.mp3", "libmp3lame", "s16p"),
    "m4a aac": ("a.m4a", "aac", "fltp"),
    "aac adts": ("a.aac", "aac", "fltp"),
    "aiff": ("a.aiff", "pcm_s16be", "s16"),
    "caf": ("a.caf", "pcm_s16le", "s16"),
    "w64": ("a.w64", "pcm_s16le", "s16"),
}


def _sound(name: str, codec: str, form: str) -> Make:
    return lambda folder: write_sound(folder / name, codec, form)


# --- recipes, campaigns and finished runs -----------------------------------------------------------------

RECIPES = Path(__file__).parents[1] / "recipes"
LEARNS = {
    "operations": """\
task: operations
name: tiny
source: {split: {train: [U0101, U0103], test: [U0102, U0104]}}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 3.0}
prepare: {window_stride_s: 4.0, workers: 0}
train: {phases: [{ask: clips, steps: 2, batch_size: 2, accumulate: 1}], checkpoint_every: 1, log_every: 1}
evaluate: {compare: [untrained]}
""",
    "sounds": """\
task: sounds
name: tiny-night
twin: {train: 2, val: 2, test: 2, clips: 12, difficulty: 0.0}
preprocessing: {clip_s: 1.0, sample_rate: 8000, fft: 256, window: 200, hop: 100, mels: 16, high_hz: 4000}
prepare: {workers: 0}
model: {net: tinycnn, attention: cbam}
train: {epochs: 2, batch_size: 8, learning_rate: 0.005, log_every: 1}
deploy: {runs: 10, calibration: 8}
""",
}
CAMPAIGN = """\
campaign: field
recipe: recipe.yaml
seeds: [0, 1]
metric: f1_macro
phases:
  - name: nets
    runs:
      few: {set: {train.epochs: 1}}
      more: {grid: {train.epochs: [2, 3]}, control: few}
  - name: gate
    gate: {better: [more-epochs3], than: [few]}
select: [few, more-epochs3]
reasons:
  more-epochs2: "two seeds cannot tell"
"""


def _recipe(name: str) -> Make:
    return lambda folder: shutil.copy(RECIPES / name, folder / RECIPE) and None


def _campaign(folder: Path) -> None:
    (folder / RECIPE).write_text(LEARNS["sounds"])
    (folder / MANIFEST).write_text(CAMPAIGN)


def _finished(task: str) -> Make:
    """A run of a tiny recipe, all of whose stages are done."""

    def make(folder: Path) -> None:
        if task == "operations":
            write_sessions(folder / ROOT)
        (folder / RECIPE).write_text(LEARNS[task])
        run = readings.open_in(folder)
        for name in run.stages:
            do(run, name, silent)

    return make


def subjects() -> Iterator[Subject]:
    """All of them."""
    for name, video in VIDEOS.items():
        yield Subject("videos", name, readings.read_video, _video(*video), share=3)
    yield Subject("videos", "jpeg frames", readings.read_frames, _frames, share=3)
    for name, sound in SOUNDS.items():
        yield Subject("sounds", name, readings.read_sound, _sound(*sound), share=3)
    sessions, tones, drive = (
        of_root(OPERATIONS, write_sessions),
        of_root(TONES, write_tones),
        of_twin(DRIVING),
    )
    yield Subject(
        "tables",
        "annotation CSV",
        readings.read_recordings,
        sessions,
        (f"{ROOT}/**/openpack-operations/*.csv",),
        2,
    )
    yield Subject("tables", "sidecar JSON", readings.read_recordings, sessions, (f"{ROOT}/**/*.json",), 2)
    yield Subject("tables", "class CSV", readings.read_recordings, tones, (f"{ROOT}/*.csv",), 3)
    yield Subject(
        "tables",
        "index Parquet",
        readings.read_recordings,
        drive,
        (f"{ROOT}/*.parquet", f"{ROOT}/*.csv", f"{ROOT}/metadata/*"),
        2,
    )
    yield Subject("archives", "zip", readings.read_recordings, drive, (f"{ROOT}/**/*.zip",), 2)
    yield Subject(
        "archives", "tar.gz", readings.read_recordings, of_twin(NIGHT), (f"{ROOT}/data/*.tar.gz",), 4
    )
    yield Subject("datasets", "sessions", readings.read_recordings, sessions, (f"{ROOT}/**/*",), 2)
    yield Subject("datasets", "sounds", readings.read_recordings, tones, (f"{ROOT}/**/*",), 2)
    for path in sorted(RECIPES.glob("*-twin.yaml")):
        yield Subject("recipes", path.stem, readings.read_recipe, _recipe(path.name), (RECIPE,), 3)
    yield Subject("manifests", "campaign", readings.read_manifest, _campaign, (MANIFEST,), 3)
    datasets = tuple(f"{WORKSPACE}/{name}-*/**/*" for name in ("prepare", "features"))
    shown = tuple(
        f"{WORKSPACE}/*/{name}" for name in ("DONE", "recipe.json", "scorecard.json", "metrics.json")
    )
    for task in LEARNS:
        finished = _finished(task)
        everything = (f"{WORKSPACE}/**/*",)
        yield Subject("workspaces", f"{task}, verified", readings.read_finished, finished, everything, 3)
        yield Subject("workspaces", f"{task}, run again", readings.read_figures, finished, shown)
        yield Subject(
            "workspaces", f"{task}, prepare resumed", readings.resume("prepare"), finished, datasets
        )
        yield Subject(
            "workspaces",
            f"{task}, trained again",
            readings.resume("train"),
            finished,
            (*datasets, f"{WORKSPACE}/train-*/**/*"),
        )
        yield Subject(
            "workspaces",
            f"{task}, predicted again",
            readings.resume("predict"),
            finished,
            (f"{WORKSPACE}/*/**/*",),
        )
        yield Subject(
            "workspaces",
            f"{task}, measured again",
            readings.resume("evaluate"),
            finished,
            (f"{WORKSPACE}/*/**/*",),
        )


def chosen(folder: Path, subject: Subject, rng: random.Random) -> tuple[Path, list[Path]]:
    """A file of a copy to be damaged, and all that could have been."""
    files = sorted(
        {
            path
            for pattern in subject.files
            for path in folder.glob(pattern)
            if path.is_file() and path.name != "lock"
        }
    )
    kinds = sorted({path.suffix for path in files})
    kind = rng.choice(kinds)  # each kind as often, or shards would be all that is hit
    return rng.choice([path for path in files if path.suffix == kind]), files
