"""The twin of operations, on disk: OpenPack's own layout, so that real data needs a new path, no more.

A unit is one session of one subject. Its annotation is written last, when its pictures are complete; each
file appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from rushes.stages import atomic_file
from rushes.tasks.operations.sources.openpack import layout as layout
from rushes.tasks.operations.sources.openpack.layout import OperationRow
from rushes.tasks.operations.sources.openpack.seconds import seconds_of
from rushes.tasks.operations.sources.openpack.tables import load_persons, person_of
from rushes.tasks.operations.twin.look import Look, look_of
from rushes.tasks.operations.twin.motion import moment_of
from rushes.tasks.operations.twin.scene import BenchScene
from rushes.tasks.operations.twin.script import IDS, Step, TwinSettings, TwinUnit, plan_session, seeded

FRAME_HZ = 15
GOP_FRAMES = 50
JPEG_QUALITY = 88
MORNING_US = 1_648_515_600_000_000
"""2022-03-29 10:00:00 Japanese time; the first session of the first subject starts about then."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a unit came to: for its receipt.

    Attributes:
        files: paths below the root, as text with ``/``; for frames, their folder.
        frames: pictures drawn, video and JPEG together.
        operations: labelled operations.
        duration_s: length of the footage.
    """

    files: tuple[str, ...]
    frames: int
    operations: int
    duration_s: float


def write_unit(root: Path, unit: TwinUnit, settings: TwinSettings) -> Written:
    """Draw and write one session: footage, then labels.

    The same arguments give the same files, byte for byte. Files that stand there already are replaced.

    Args:
        root: the twin's folder; users' folders are made in it.
        unit: one of `operations.units`.
        settings: of the whole twin.
    """
    steps = plan_session(unit, settings)
    look = look_of_unit(unit, settings)
    start_us = start_of(unit, settings)
    user, session = unit.subject, unit.session
    paths, frames = [], 0
    if "video" in settings.media:
        path = layout.video_file(root, user, session)
        frames += _write_video(path, unit.key, steps, look, settings)
        layout.write_video_sidecar(layout.video_sidecar(root, user, session), start_us)
        paths += [path, layout.video_sidecar(root, user, session)]
    if "frames" in settings.media:
        folder = layout.frames_dir(root, user, session)
        frames += _write_frames(folder, unit.key, start_us, steps, look, settings)
        paths.append(folder)
    rows = operation_rows(unit, steps, start_us)
    layout.write_operations_1hz(layout.operations_1hz_csv(root, user, session), seconds_of(rows))
    layout.write_operations(layout.operations_csv(root, user, session), rows)
    paths += [layout.operations_1hz_csv(root, user, session), layout.operations_csv(root, user, session)]
    files = tuple(path.relative_to(root).as_posix() for path in paths)
    return Written(files, frames, len(rows), steps[-1].end_s)


def start_of(unit: TwinUnit, settings: TwinSettings) -> int:
    """Wall-clock of the first frame, microseconds since 1970 (UTC), a whole millisecond."""
    day, hour = settings.subject_ids.index(unit.subject), int(unit.session[1:]) // 100 - 1
    jitter_ms = int(seeded(settings.seed, "clock", unit.key).integers(600_000))
    return MORNING_US + (day * 86_400 + hour * 3_600) * 1_000_000 + jitter_ms * 1_000


def operation_rows(unit: TwinUnit, steps: list[Step], start_us: int) -> list[OperationRow]:
    """The annotation of a session; idle moments have no row."""
    return [
        OperationRow(
            uuid=f"op:{uuid.uuid5(uuid.NAMESPACE_OID, f'{unit.key}/{number}')}",
            user=unit.subject,
            session=unit.session,
            box=step.box,
            id=IDS[step.operation],
            operation=step.operation,
            start_us=start_us + round(step.start_s * 1e6),
            end_us=start_us + round(step.end_s * 1e6),
        )
        for number, step in enumerate(steps)
        if step.operation is not None
    ]


def look_of_unit(unit: TwinUnit, settings: TwinSettings) -> Look:
    """The look of a session; sessions of a person look alike under either of its ids."""
    person = person_of(unit.subject)
    number = list(dict.fromkeys(load_persons().values())).index(person)
    return look_of(person, number, unit.session, settings)


def draw_frames(
    steps: list[Step], look: Look, size: tuple[int, int], times_s: np.ndarray, alike: float
) -> Iterator[Image.Image]:
    """The pictures of a session at ``times_s`` (rising, seconds), RGB, without the sensor's noise."""
    scene = BenchScene(look, size)
    place = 0
    for time_s in times_s.tolist():
        while place + 1 < len(steps) and time_s >= steps[place].end_s:
            place += 1
        before = steps[place - 1] if place else None
        yield scene.draw(moment_of(steps[place], before, time_s, alike))


class _Sensor:
    """Noise of the camera: a tile of grey-level offsets, laid elsewhere on every frame."""

    def __init__(self, look: Look, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size
        tile = rng.normal(0.0, look.noise, (height + 64, width + 64))
        self._tile = np.clip(np.rint(tile), -15, 15).astype(np.int8).view(np.uint8)
        self._rng = rng
        self._size = size

    def offsets(self) -> np.ndarray:
        """Offsets modulo 256, ``uint8 (height, width)``; pictures leave room for them at both ends."""
        (width, height), (x, y) = self._size, self._rng.integers(0, 64, 2)
        return self._tile[y : y + height, x : x + width]


def _write_video(path: Path, key: str, steps: list[Step], look: Look, settings: TwinSettings) -> int:
    """Encode H.264; the number of frames."""
    (width, height), fps = settings.video_size, settings.video_fps
    times_s = np.arange(int(steps[-1].end_s * fps)) / fps
    sensor = _Sensor(look, settings.video_size, seeded(settings.seed, "noise", key))
    reformatter = VideoReformatter()  # one, with one thread: a frame's own would start a pool for each frame
    options = {"preset": "ultrafast", "crf": "27", "g": str(GOP_FRAMES), "threads": "1"}
    with atomic_file(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, image in enumerate(
            draw_frames(steps, look, settings.video_size, times_s, settings.difficulty)
        ):
            drawn = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame = reformatter.reformat(drawn, format="yuv420p", threads=1)
            luma = frame.planes[0]
            rows = np.asarray(memoryview(luma)).reshape(-1, luma.line_size)[:height, :width]
            rows += sensor.offsets()
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return len(times_s)


def _write_frames(
    folder: Path, key: str, start_us: int, steps: list[Step], look: Look, settings: TwinSettings
) -> int:
    """Write JPEG frames at 15 Hz, named by their millisecond, so 66 or 67 ms apart; the number of frames."""
    times_ms = np.arange(int(steps[-1].end_s * FRAME_HZ)) * 1000 // FRAME_HZ
    sensor = _Sensor(look, settings.frame_size, seeded(settings.seed, "noise", key))
    images = draw_frames(steps, look, settings.frame_size, times_ms / 1000.0, settings.difficulty)
    with _whole_folder(folder) as growing:
        for time_ms, image in zip(times_ms.tolist(), images, strict=True):
            path = growing / layout.frame_name(start_us // 1000 + time_ms)
            path.parent.mkdir(parents=True, exist_ok=True)
            noisy = np.asarray(image) + sensor.offsets()[:, :, np.newaxis]
            Image.fromarray(noisy).save(path, "JPEG", quality=JPEG_QUALITY)
    return len(times_ms)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder that appears as ``folder`` when the block ends well, with all of its files on the disk.

    Thousands of small files are synced together at the end: one by one would make the disk wait for each.
    """
    growing = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    yield growing
    for path in (*growing.rglob("*"), growing):
        _sync(path)
    if folder.exists():
        shutil.rmtree(folder)
    growing.rename(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
