"""Write the twin of sounds in DreamCatcher's layout: six archives, wearer after wearer.

`write_unit` draws one wearer into a part, `assemble` joins the parts. A part is a piece of a tar, gzipped: as
both tars and gzips may be joined end to end, an archive is its parts and an end. Nothing in them depends on
the time, the order of work or the number of workers.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import wave
from pathlib import Path
from typing import get_args

import numpy as np

from rushes.runs.drawing import Written, seeded
from rushes.stages import atomic_file, write_atomic
from rushes.tasks.sounds.recipe import SleepTwin
from rushes.tasks.sounds.twin.body import RATE, Body, render
from rushes.tasks.sounds.twin.room import Place
from rushes.tasks.sounds.twin.script import SleepUnit, Split, script, units

PARTS = "parts"
KINDS = {"data": "wav", "imu": "csv"}
"""Folder of the archives -> suffix of their members."""

_COMPRESSION = 1
"""Noise hardly shrinks, so the fastest."""


def write_unit(root: Path, unit: SleepUnit, settings: SleepTwin) -> Written:
    """Draw all clips of a wearer into ``parts/`` below ``root``."""
    seed = settings.seed
    body, place = Body.draw(seeded(seed, "body", unit.wearer)), Place.draw(seeded(seed, "room", unit.wearer))
    partner = Body.draw(seeded(seed, "partner", unit.wearer))
    sounds, motions = io.BytesIO(), io.BytesIO()
    for number, label in enumerate(unit.labels):
        rng = seeded(seed, "clip", unit.wearer, str(number))
        heard = _clip(label, rng, (body, partner), place, settings.difficulty)
        name = f"{unit.split}/{label}/{unit.wearer}_{number:04d}"
        sounds.write(_member(f"{name}.wav", _wav(heard)))
        motions.write(_member(f"{name}.csv", _motion(rng)))
    names = [_part(unit, kind) for kind in KINDS]
    for name, pieces in zip(names, (sounds, motions), strict=True):
        write_atomic(root / name, _pack(pieces.getvalue()))
    return Written(tuple(names))


def assemble(root: Path, settings: SleepTwin) -> Written:
    """Join the parts of all wearers to archives; the parts stay until `remove_parts`."""
    files = []
    found = units(settings)
    for kind in KINDS:
        for split in get_args(Split):
            name = f"{kind}/{split}.tar.gz"
            with atomic_file(root / name) as archive:
                for unit in (one for one in found if one.split == split):
                    with (root / _part(unit, kind)).open("rb") as part:
                        shutil.copyfileobj(part, archive)
                archive.write(_pack(bytes(tarfile.RECORDSIZE)))
            files.append(name)
    return Written(tuple(files))


def remove_parts(root: Path) -> None:
    """Remove what `write_unit` left, once the archives stand."""
    shutil.rmtree(root / PARTS, ignore_errors=True)


def _clip(
    label: str, rng: np.random.Generator, bodies: tuple[Body, Body], place: Place, difficulty: float
) -> np.ndarray:
    """What the earbud records of a clip, (2, samples) int16."""
    body, partner = bodies
    sleeper = partner if label == "non_wearer" else body
    strokes = script(label, rng, rate_per_min=sleeper.rate_per_min, difficulty=difficulty)
    near = render([stroke for stroke in strokes if not stroke.far], body, rng)
    far = render([stroke for stroke in strokes if stroke.far], partner, rng)
    snr_db = sleeper.level_db + 30.0 - 26.0 * difficulty + rng.uniform(-4.0, 4.0)
    return place.hear(near, far, rng, snr_db=snr_db, air_db=14.0 * difficulty)


def _part(unit: SleepUnit, kind: str) -> str:
    return f"{PARTS}/{unit.wearer}.{kind}"


def _pack(data: bytes) -> bytes:
    return gzip.compress(data, _COMPRESSION, mtime=0)


def _member(name: str, data: bytes) -> bytes:
    """A file as it stands in a tar: header, bytes, padding; owned by nobody, from 1970."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def _wav(heard: np.ndarray) -> bytes:
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(len(heard))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(heard.T.tobytes())
    return sink.getvalue()


def _motion(rng: np.random.Generator) -> bytes:
    """A few rows of a sensor that lies still: there because the dataset has it, and read by nothing."""
    rows = rng.normal((0.0, 0.0, 1.0), 0.01, (5, 3))
    lines = [
        "time_s,ax,ay,az",
        *(f"{second},{x:.3f},{y:.3f},{z:.3f}" for second, (x, y, z) in enumerate(rows)),
    ]
    return ("\n".join(lines) + "\n").encode()
