"""A disk that fills up: what was needed, where, what is kept; no traceback, and the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from functools import partial
from operator import call
from pathlib import Path

import numpy as np
import pytest

from rushes.engine import Unit, map_units
from rushes.errors import ROOM, RushesError, UnitError
from rushes.stages import atomic_file, write_atomic

RECIPE = """\
task: sounds
name: tiny
source: {kind: folder, root: ROOT, split: index}
preprocessing: {clip_s: 2.0, sample_rate: 16000, labels: [hum, hiss]}
prepare: {workers: 1}
"""
SOUNDS = {"train": 16, "val": 8, "test": 8}  # units are sides here; the longest is the first


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many bytes; asked again, the same one of another size."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: int) -> Path:
        options = f"{'remount,' if os.path.ismount(place) else ''}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", place]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a small disk")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_file_says_what_it_needed_and_leaves_nothing(disk):
    place = disk(1 << 20)
    with pytest.raises(
        OSError, match=r"full\.json needs 3,000,000 bytes, 1,\d\d\d,\d\d\d are free"
    ) as caught:
        write_atomic(place / "sub" / "full.json", bytes(3_000_000))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(place / "sub"))
    with pytest.raises(OSError, match=r"full\.tar needs more than 1,0\d\d,\d\d\d bytes"):
        write_without_end(place / "sub" / "full.tar")
    assert list((place / "sub").iterdir()) == []


def write_without_end(path: Path) -> None:
    with atomic_file(path) as file:
        while True:
            file.write(bytes(65536))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_unit_brings_the_refusal_of_the_machine_without_a_traceback(disk, workers):
    full = disk(1 << 20)
    asked = [Unit("u", partial(write_atomic, full / "a", bytes(3_000_000)))]
    (result,) = map_units(call, asked, workers=workers)
    assert (result.error.kind, result.error.trace, result.attempts) == ("machine", None, 1)
    error = result.error.to_error("u")
    assert isinstance(error, UnitError)
    assert "the machine refuses: No space left on device: a needs 3,000,000 bytes" in error.message
    assert (error.where, error.cure) == (str(full), ROOM)


def test_rights_and_limits_are_told_like_it():
    for number in (errno.EACCES, errno.EMFILE, errno.EIO, errno.EFBIG):
        (result,) = map_units(call, [Unit("u", partial(_refuse, number))], workers=0)
        assert (result.error.kind, result.error.where) == ("machine", "/a")
        assert isinstance(result.error.to_error("u"), RushesError)
    (result,) = map_units(call, [Unit("u", partial(_refuse, errno.EPIPE))], workers=0)
    assert result.error.kind == "exception"


def _refuse(number: int) -> None:
    raise OSError(number, os.strerror(number), "/a")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Noise for two seconds each, in a folder for each side and class."""
    noise = np.random.default_rng(1)
    for side, number in SOUNDS.items():
        for index in range(number):
            path = tmp_path / "raw" / side / ("hum", "hiss")[index % 2] / f"{side}{index}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16000, 0, "NONE", ""))
                file.writeframes(noise.integers(-9000, 9000, 32000).astype("<i2").tobytes())
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.replace("ROOT", str(tmp_path / "raw")))
    return path


def features(recipe: Path, workspace: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rushes.cli", "features", str(recipe), "--workspace", str(workspace)]
    return subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=200)


def shards(told: subprocess.CompletedProcess) -> dict[str, bytes]:
    assert told.returncode == 0, told.stderr
    (stage,) = json.loads(told.stdout)["stages"]
    folder = Path(stage["folder"])
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("shards/*/*")}


@pytest.mark.slow
def test_a_dataset_on_a_full_disk_says_what_is_kept_and_resumes_to_the_same_bytes(disk, recipe, tmp_path):
    expected = shards(features(recipe, tmp_path / "near"))
    first = sum(len(content) for name, content in expected.items() if name.startswith("shards/train/"))
    place = disk(first + (200 << 10))
    told = features(recipe, place / "ws")
    assert (told.returncode, told.stdout) == (1, "")
    assert "Traceback" not in told.stderr
    assert "No space left on device" in told.stderr
    assert "1 of 3 units are done and kept (" in told.stderr
    assert f"the others need about {first / 1e6:.1f} MB" in told.stderr
    assert f"where: {place}" in told.stderr
    assert told.stderr.rstrip().endswith(f"cure:  {ROOM}")
    disk(first * 4)
    assert shards(features(recipe, place / "ws")) == expected
