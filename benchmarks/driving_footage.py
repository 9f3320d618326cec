"""Recordings of a rig in the layout of the real dataset: large ones of a moving pattern, or a drawn twin.

Both have clocks, poses and truth of `rushes.tasks.driving.twin.script`; only the pictures differ.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from rushes.engine import Unit, map_units
from rushes.tasks.driving.twin.script import (
    DrivingSettings,
    DrivingUnit,
    egomotion_timestamps,
    frame_timestamps,
    truth,
    units,
)
from rushes.tasks.driving.twin.writer import (
    PARTS,
    assemble,
    egomotion_rows,
    remove_parts,
    write_table,
    write_unit,
)

WIDE, HIGH = 2880, 1620  # of the pattern that moves behind a 1080p window
GRAINS = ((180, 60.0), (60, 40.0), (20, 28.0), (6, 16.0), (2, 8.0))
"""Pixels of a grain, and its contrast: detail of all sizes, as a street has it."""
BITS_PER_SECOND = 6_000_000


def large_settings(clips: int, clip_s: float) -> DrivingSettings:
    """Clips of seven cameras at 1920x1080; nothing is missing."""
    return DrivingSettings(
        train=0,
        val=0,
        test=clips,
        clip_s=clip_s,
        size=(1920, 1080),
        missing_share=0.0,
        without_egomotion=0,
        invalid=0,
    )


def make_large(root: Path, settings: DrivingSettings) -> None:
    """Write the dataset, unless it stands: H.264 High, 2 B-frames, a key frame a second, about 6 Mb/s.

    The first clip's videos serve the others again, each for another camera where lengths allow it.
    """
    if (root / "clip_index.parquet").exists():
        return
    made: defaultdict[int, list[Path]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        pattern = Path(folder) / "pattern.yuv"
        pattern.write_bytes(_pattern())
        for turn, unit in enumerate(units(settings)):
            for number, camera in enumerate(unit.cameras):
                clock = frame_timestamps(settings, unit.key, camera)
                masters = made[len(clock)]
                if turn == 0 or not masters:
                    masters.append(
                        _encode(pattern, Path(folder) / f"{turn}-{number}.mp4", len(clock), number)
                    )
                part = _part(root, unit, f"{camera}.mp4")
                part.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(masters[-1 if turn == 0 else (number + turn) % len(masters)].read_bytes())
                write_table(_part(root, unit, f"{camera}.timestamps.parquet"), {"timestamp": clock})
                boxes = {"frame_index": np.zeros(0, np.int64)}
                write_table(_part(root, unit, f"{camera}.blurred_boxes.parquet"), boxes)
            rows = egomotion_rows(truth(settings, unit.key), egomotion_timestamps(settings, unit.key))
            write_table(_part(root, unit, "egomotion.parquet"), rows)
    assemble(root, settings)
    remove_parts(root)


def make_twin(root: Path, settings: DrivingSettings) -> None:
    """Draw a twin, unless it stands."""
    if (root / "clip_index.parquet").exists():
        return
    for unit in map_units(_Drawn(root, settings), [Unit(u.key, u) for u in units(settings)], workers=2):
        if unit.error is not None:
            raise RuntimeError(unit.error.message)
    assemble(root, settings)
    remove_parts(root)


class _Drawn:
    """Draws one clip; a value that can be sent to a worker."""

    def __init__(self, root: Path, settings: DrivingSettings) -> None:
        self.root, self.settings = root, settings

    def __call__(self, unit: DrivingUnit) -> dict[str, int]:
        return {"frames": write_unit(self.root, unit, self.settings).frames}


def _part(root: Path, unit: DrivingUnit, name: str) -> Path:
    return root / PARTS / unit.clip_id / f"{unit.clip_id}.{name}"


def _pattern() -> bytes:
    """One wide picture of grains of all sizes, planes of yuv420p."""
    rng = np.random.default_rng(0)

    def plane(width: int, height: int, strength: float, bias: float) -> bytes:
        whole = np.full((height, width), bias, np.float32)
        for size, contrast in GRAINS:
            coarse = rng.normal(size=(-(-height // size) + 1, -(-width // size) + 1)).astype(np.float32)
            smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
            whole += strength * contrast * np.asarray(smooth)
        return np.clip(whole, 16, 235).astype(np.uint8).tobytes()

    chroma = (WIDE // 2, HIGH // 2, 0.15, 128.0)
    return plane(WIDE, HIGH, 0.6, 120.0) + plane(*chroma) + plane(*chroma)


def _encode(pattern: Path, target: Path, frames: int, camera: int) -> Path:
    """Move over the pattern, nearer and farther, each camera on its own way; noise of a sensor on top."""
    near, across, down = 70 + 9 * camera, 31 + 4 * camera, 47 + 5 * camera
    view = (
        f"loop=-1:1,zoompan=d=1:s=1920x1080:fps=30:z='1.05+0.35*abs(sin(on/{near}))'"
        f":x='(iw-iw/zoom)*(0.5+0.45*sin({camera}+on/{across}))'"
        f":y='(ih-ih/zoom)*(0.5+0.4*sin({camera}+on/{down}))',noise=alls=6:allf=t:all_seed={camera + 1}"
    )
    size = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDE}x{HIGH}", "-framerate", "30")
    rate = ("-b:v", str(BITS_PER_SECOND), "-maxrate", "8M", "-bufsize", "12M")
    command = [
        *("ffmpeg", "-v", "error", "-nostdin", "-y", *size, "-i", str(pattern), "-vf", view),
        *("-frames:v", str(frames), "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high"),
        *("-bf", "2", "-g", "30", *rate, str(target)),
    ]
    subprocess.run(command, check=True)
    return target
