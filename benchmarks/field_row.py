"""A row of the field's list: the smallest case that got past us once, and what is right."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from rushes.cli import app


class Skipped(Exception):
    """A row that cannot be tried on this machine, with the reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case.

    Attributes:
        id: of the row: ``P1``.
        says: what is right, in a sentence.
        check: given an empty folder, returns None where it is right, else what was found instead; raises
            `Skipped` where a program or a package is missing.
    """

    id: str
    says: str
    check: Callable[[Path], str | None]


@dataclass(frozen=True, slots=True)
class Told:
    """What a command answered.

    Attributes:
        code: its exit code.
        text: everything that it said.
        out: of that, what it printed on standard output.
    """

    code: int
    text: str
    out: str = ""


def tell(*arguments: str) -> Told:
    """What ``rushes`` answers in this process; a traceback is part of what it says."""
    told = CliRunner().invoke(app, arguments, catch_exceptions=True)
    text = told.stdout + told.stderr
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        text += f"\nTraceback: {type(told.exception).__name__}: {told.exception}"
    return Told(told.exit_code, text, told.stdout)


def lacks(text: str, *wanted: str) -> str | None:
    """Which of the wanted words, in any case, are not in a text; None where all are."""
    missing = [word for word in wanted if word.lower() not in text.lower()]
    return f"nothing of {', '.join(missing)} in: {' '.join(text.split())[:300]}" if missing else None


def ffmpeg(*arguments: object) -> bytes:
    """Run FFmpeg's program, from the path or from ``imageio-ffmpeg``; what it writes to standard output.

    Raises:
        Skipped: there is none, or it lacks what is asked.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        try:
            from imageio_ffmpeg import get_ffmpeg_exe
        except ImportError:
            raise Skipped("no program ffmpeg; pip install imageio-ffmpeg") from None
        program = get_ffmpeg_exe()
    command = [program, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise Skipped(f"ffmpeg: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return done.stdout


def png_of(data: bytes):
    """The grey picture of a PNG, uint8 (height, width)."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))
