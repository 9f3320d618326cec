"""Footage for benchmarks: real content through ffmpeg, small noise through PyAV, a plain truth for both."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rushes.records import Media, Recording, Segment
from rushes.tasks.operations.sources.openpack.tables import load_label_set

DATA = Path(__file__).parents[2] / "shared" / "data" / "videos"
RATE = 30
OPERATION_S = 7.3
"""Mean length of an operation in the published annotation: 193 in 1,404 seconds."""


def real_clips() -> list[Path]:
    """Public clips of hands and of a conveyor, where they lie beside the repository."""
    return sorted(DATA.glob("asl-*.mkv")) + sorted(DATA.glob("bottle-detection.mp4"))


def make_video(path: Path, size: tuple[int, int], seconds: float, gop: int = 250) -> Path:
    """H.264 High, B-frames, 30 frames per second: real clips end to end, or a test pattern."""
    if path.exists():
        return path
    width, height = size
    fit = (
        f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},"
        f"setsar=1,fps={RATE},format=yuv420p"
    )
    inputs, chains = [], []
    for number, clip in enumerate(real_clips()):
        inputs += ["-i", str(clip)]
        chains.append(f"[{number}:v]{fit},setpts=N/{RATE}/TB[v{number}]")
    if not chains:
        inputs = ["-f", "lavfi", "-i", f"testsrc2=s={width}x{height}:r={RATE}:d=60"]
        chains = [f"[0:v]{fit}[v0]"]
    joined = "".join(f"[v{number}]" for number in range(len(chains)))
    graph = ";".join(
        [*chains, f"{joined}concat=n={len(chains)}:v=1,loop=-1:32767,trim=duration={seconds}[out]"]
    )
    command = [
        *("ffmpeg", "-v", "error", "-nostdin", "-y", *inputs, "-filter_complex", graph, "-map", "[out]"),
        *("-c:v", "libx264", "-preset", "medium", "-crf", "21", "-bf", "2", "-g", str(gop)),
        *("-keyint_min", str(gop), "-sc_threshold", "0", "-t", str(seconds), "-an"),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{path.name}")
    subprocess.run([*command, str(part)], check=True)
    return part.rename(path)


def make_noise(path: Path, frames: int, seed: int, rate: int = 25, codec: str = "libx264") -> Path:
    """A small video of drifting noise, 192x144, by PyAV alone; the suffix says the container."""
    rng = np.random.default_rng(seed)
    wide = np.kron(rng.integers(16, 235, (18, 64)), np.ones((8, 8))).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate)
        stream.width, stream.height = 192, 144
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            left = 2 * number % 320
            grey = np.ascontiguousarray(wide[:, left : left + 192])
            frame = av.VideoFrame.from_ndarray(grey, "gray").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if codec == "libsvtav1":  # which puts the calling thread of root in the real-time class, for good
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def recording(path: Path, seconds: float, key: str = "U0101_S0100") -> Recording:
    """A recording whose truth is one operation after the other."""
    labels = load_label_set("openpack").labels
    subject, session = key.split("_")
    segments = tuple(
        Segment(number * OPERATION_S, (number + 1) * OPERATION_S, labels[number % len(labels)])
        for number in range(int(seconds / OPERATION_S))
    )
    return Recording(key, subject, subject, session, Media("video", path), segments, 0.0)
