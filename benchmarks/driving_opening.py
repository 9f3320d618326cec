"""How long it takes to get at a stored member: mapped in place, read through `zipfile`, or extracted."""

from __future__ import annotations

import os
import statistics
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from report import Figure

from rushes.media.zipped import check_crc, mapped, members

MEMBER_BYTES, CLIPS, NAME = 16 << 20, 100, "clip.mp4"
REPEATS = 15


def opening_figures(folder: Path) -> list[Figure]:
    """Milliseconds until the bytes can be used, in an archive like a chunk's, which the system has cached."""
    archive = folder / "opening.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for number in range(2 * CLIPS):
            opened.writestr(f"clip-{number:03d}.timestamps.parquet", os.urandom(6000))
        opened.writestr(NAME, os.urandom(MEMBER_BYTES))
    known = members(archive)[-1]

    def map_it(check: bool) -> None:
        with mapped(known) as view:
            if check:
                check_crc(known, view)
            assert view[-1] >= 0  # the last page

    def read_it() -> None:
        with zipfile.ZipFile(archive) as opened:
            assert len(opened.read(NAME)) == MEMBER_BYTES

    def extract_it() -> None:
        with zipfile.ZipFile(archive) as opened:
            path = Path(opened.extract(NAME, folder))
        path.unlink()

    ways: dict[str, Callable[[], None]] = {
        "mapped": lambda: map_it(False),
        "mapped, checksum compared": lambda: map_it(True),
        "opened and read by zipfile, which compares it": read_it,
        "opened and extracted by zipfile": extract_it,
        f"directory of {2 * CLIPS + 1} members read, once for all of them": lambda: members(archive),
    }
    return [
        Figure(f"a stored member of 16 MB, ms: {name}", round(1e3 * _median_s(way), 3))
        for name, way in ways.items()
    ]


def _median_s(way: Callable[[], None]) -> float:
    spent = []
    for _ in range(REPEATS):
        began_s = time.perf_counter()
        way()
        spent.append(time.perf_counter() - began_s)
    return statistics.median(spent)
