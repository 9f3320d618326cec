"""Small whole recordings in the layouts of the tasks, and recipes for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
from field_readings import RECIPE, ROOT

from rushes.runs.do import do
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.tasks.operations.sources.openpack import layout
from rushes.tasks.operations.sources.openpack.layout import OperationRow, SecondRow
from rushes.testing.subject import silent

Make = Callable[[Path], None]
"""Fills an empty folder."""

OPERATIONS = """\
task: operations
name: field
source: {split: {train: [U0101, U0103], test: [U0102, U0104]}}
preprocessing: {frames: 2, frame_size: [56, 56], signal_size: [40, 30], clip_s: 3.0}
prepare: {window_stride_s: 4.0, workers: 0, max_quarantine: 1.0}
"""
FRONT, LEFT = "camera_front_wide_120fov", "camera_rear_left_70fov"
DRIVING = f"""\
task: driving
name: field
twin: {{train: 4, val: 1, test: 1, clip_s: 2.0, picture: [64, 36], difficulty: 0.2, missing: 0.0}}
preprocessing:
  setup: {{name: pair, reference: {FRONT}, rows: [[{FRONT}, {LEFT}]]}}
  layout: separate
  frames: 8
  tile_size: [56, 28]
  signal_size: [32, 18]
prepare: {{stride: 4, workers: 0, max_quarantine: 1.0}}
"""
NIGHT = """\
task: sounds
name: field
twin: {train: 2, val: 2, test: 2, clips: 12, difficulty: 0.0}
preprocessing: {clip_s: 1.0, sample_rate: 8000, fft: 256, window: 200, hop: 100, mels: 16, high_hz: 4000}
prepare: {workers: 0, max_quarantine: 1.0}
"""
TONES = """\
task: sounds
name: field
source: {kind: folder, table: labels.csv, split: index}
preprocessing:
  {clip_s: 1.0, sample_rate: 8000, fft: 256, window: 200, hop: 80, mels: 8, high_hz: 4000, labels: [low, high]}
prepare: {workers: 0, max_quarantine: 1.0}
"""
CLASSES = TONES.replace(
    "table: labels.csv, split: index", "split: shares, shares: {train: 0.5, val: 0.25, test: 0.25}"
)
"""The same without a table: a sound's class is its folder."""


SOUND_RATE, SOUND_S = 16_000, 1.5


def write_sound(
    path: Path, codec: str, form: str, seed: int = 0, seconds: float = SOUND_S, rate: int = SOUND_RATE
) -> None:
    """A falling chirp over noise, by PyAV."""
    channels = 2 if codec == "vorbis" else 1  # FFmpeg's own encoder knows no other
    if codec == "libopus":
        rate = 48_000
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (500 + 40 * seed) * time * (1.2 - 0.2 * time))
    wave += np.random.default_rng(seed).normal(0, 0.05, len(time))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"strict": "experimental"})
        stream.layout = "mono" if channels == 1 else "stereo"
        stream.format = form
        resampler = av.AudioResampler(form, stream.layout, rate, stream.codec_context.frame_size or 1024)
        values = np.repeat((wave * 32767).astype(np.int16)[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values.T.reshape(1, -1)), "s16", stream.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


SUBJECTS = ("U0101", "U0102", "U0103", "U0104")


def write_sessions(root: Path) -> None:
    """OpenPack's layout: a session of 8 s for each of `SUBJECTS`, with three operations."""
    names = ((100, "Picking"), (200, "Relocate Item Label"), (300, "Assemble Box"))
    for number, subject in enumerate(SUBJECTS):
        start = 1_648_531_511_000_000 + number * 86_400_000_000
        video = layout.video_file(root, subject, "S0100")
        footage.make_noise(video, 80, number, 10)
        layout.write_video_sidecar(layout.video_sidecar(root, subject, "S0100"), start)
        rows = [
            OperationRow(
                f"op:{number}{place}",
                subject,
                "S0100",
                1,
                *name,
                start + place * 2_500_000,
                start + (place + 1) * 2_500_000,
            )
            for place, name in enumerate(names)
        ]
        layout.write_operations(layout.operations_csv(root, subject, "S0100"), rows)
        seconds = [
            SecondRow((start // 1_000_000 + second) * 1000, subject, "S0100", 1, 100) for second in range(7)
        ]
        layout.write_operations_1hz(layout.operations_1hz_csv(root, subject, "S0100"), seconds)


def write_tones(root: Path) -> None:
    """Sounds of two classes and three persons, with a table."""
    lines = ["file,label,group,split"]
    for number in range(12):
        label, side = ("low", "high")[number % 2], ("train", "val", "test")[number // 4]
        suffix, codec, form = (("wav", "pcm_s16le", "s16"), ("flac", "flac", "s16"))[number // 2 % 2]
        path = root / label / f"tone_{number:02d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(path, codec, form, seed=number, seconds=1.0, rate=8000)
        lines.append(f"{label}/{path.name},{label},p{number // 4},{side}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def of_root(recipe: str, write: Make) -> Make:
    def make(folder: Path) -> None:
        (folder / RECIPE).write_text(recipe)
        write(folder / ROOT)

    return make


def of_twin(recipe: str) -> Make:
    """The drawn recordings of a recipe, as recordings that lie somewhere."""

    def make(folder: Path) -> None:
        (folder / RECIPE).write_text(recipe)
        run = open_run(load_recipe(folder / RECIPE), open_workspace(str(folder / "drawn")))
        do(run, "twin", silent)
        run.raw().rename(folder / ROOT)
        shutil.rmtree(folder / "drawn")

    return make
