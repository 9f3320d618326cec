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
from pathlib import Path

import numpy as np
from PIL import Image

from rushes.media.encode import Sensor, write_video
from rushes.runs.drawing import Written, seeded
from rushes.tasks.operations.sources.openpack import layout
from rushes.tasks.operations.sources.openpack.layout import OperationRow, seconds_of
from rushes.tasks.operations.sources.openpack.tables import load_persons, person_of
from rushes.tasks.operations.twin.look import Look, look_of
from rushes.tasks.operations.twin.motion import moment_of
from rushes.tasks.operations.twin.scene import BenchScene
from rushes.tasks.operations.twin.script import IDS, Step, TwinSettings, TwinUnit, plan_session

FRAME_HZ = 15
GOP_FRAMES = 50
JPEG_QUALITY = 88
MORNING_US = 1_648_515_600_000_000
"""2022-03-29 10:00:00 Japanese time; the first session of the first subject starts about then."""


def write_unit(root: Path, unit: TwinUnit, settings: TwinSettings) -> Written:
    """Draw and write one session: footage, then labels.

    The same arguments give the same files, byte for byte. Files that stand there already are replaced.

    Args:
        root: the twin's folder; users' folders are made in it.
        unit: one of `units`.
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
    return Written(files, frames)


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


def _write_video(path: Path, key: str, steps: list[Step], look: Look, settings: TwinSettings) -> int:
    """Encode H.264; the number of frames."""
    size, fps = settings.video_size, settings.video_fps
    times_s = np.arange(int(steps[-1].end_s * fps)) / fps
    sensor = _sensor(look, size, key, settings)

    def add_noise(_: int, luma: np.ndarray) -> None:
        luma += sensor.offsets()

    images = draw_frames(steps, look, size, times_s, settings.difficulty)
    options = {"crf": "27", "g": str(GOP_FRAMES)}
    write_video(path, map(np.asarray, images), size, fps, options, add_noise)
    return len(times_s)


def _sensor(look: Look, size: tuple[int, int], key: str, settings: TwinSettings) -> Sensor:
    return Sensor(seeded(settings.seed, "noise", key), size, look.noise, 15)


def _write_frames(
    folder: Path, key: str, start_us: int, steps: list[Step], look: Look, settings: TwinSettings
) -> int:
    """Write JPEG frames at 15 Hz, named by their millisecond, so 66 or 67 ms apart; the number of frames."""
    times_ms = np.arange(int(steps[-1].end_s * FRAME_HZ)) * 1000 // FRAME_HZ
    sensor = _sensor(look, settings.frame_size, key, settings)
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
