"""A disk that fills up: what was needed, where, what is kept; no traceback, and the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from operator import call
from pathlib import Path

import pytest

from rushes.engine import Unit, map_units
from rushes.errors import ROOM, RushesError, UnitError
from rushes.stages import atomic_file, write_atomic

RECIPE = """\
name: tiny
source: {split: {train: [U0101, U0102], test: [U0103]}}
twin: {subjects: 3, boxes: 2, difficulty: 0.0}
preprocessing: {frames: 8, frame_size: [224, 224], signal_size: [40, 30], clip_s: 4.0}
prepare: {window_stride_s: 2.0, workers: 1}
"""


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
    with (
        pytest.raises(OSError, match=r"full\.tar needs more than 1,0\d\d,\d\d\d bytes"),
        atomic_file(place / "sub" / "full.tar") as file,
    ):
        while True:
            file.write(bytes(65536))
    assert list((place / "sub").iterdir()) == []


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


def rushes(verb: str, recipe: Path, workspace: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rushes.cli", verb, str(recipe), "--workspace", str(workspace), "--json"]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_prepare_on_a_full_disk_says_what_is_kept_and_resumes_to_the_same_bytes(disk, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE)
    drawn = rushes("twin", recipe, tmp_path / "near")
    assert drawn.returncode == 0, drawn.stderr
    raw = Path(json.loads(drawn.stdout)["stages"][0]["folder"]) / "raw"
    root = ("--set", f"source.root={raw}")
    whole = rushes("prepare", recipe, tmp_path / "near", *root)
    assert whole.returncode == 0, whole.stderr
    (done,) = json.loads(whole.stdout)["stages"]
    size = sum(path.stat().st_size for path in Path(done["folder"]).rglob("*") if path.is_file())

    place = disk(size // 2)
    told = rushes("prepare", recipe, place / "ws", *root)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "No space left on device" in told.stderr
    assert "units are done and kept" in told.stderr
    assert "the others need about" in told.stderr
    assert f"where: {place}" in told.stderr
    assert ROOM in told.stderr
    disk(size * 4)
    again = rushes("prepare", recipe, place / "ws", *root)
    assert again.returncode == 0, again.stderr
    (resumed,) = json.loads(again.stdout)["stages"]
    assert resumed["signature"] == done["signature"]
    shards = {
        folder: {path.relative_to(folder): path.read_bytes() for path in Path(folder).glob("shards/*/*")}
        for folder in (done["folder"], resumed["folder"])
    }
    assert list(shards[done["folder"]].values()) == list(shards[resumed["folder"]].values())
