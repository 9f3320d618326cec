"""Which files of a workspace are torn: under their final names, and yet not whole."""

from __future__ import annotations

import csv
import gzip
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError
from safetensors import SafetensorError, safe_open

from rushes.errors import StageError
from rushes.stages import read_done, read_json


def _tar(path: Path) -> None:
    with tarfile.open(path, "r:") as tar:
        size = sum(512 + -(-member.size // 512) * 512 for member in tar.getmembers())
    if path.stat().st_size < size + 1024:
        raise ValueError("the end is cut off")


def _gzip(path: Path) -> None:
    if not path.stat().st_size:
        raise ValueError("nothing is left of it")
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def _onnx(path: Path) -> None:
    if not onnx.load(path).graph.node:
        raise ValueError("no net")


def _safetensors(path: Path) -> None:
    with safe_open(path, "numpy") as file:
        file.keys()


def _text(path: Path) -> None:
    if not path.read_bytes().endswith(b"\n"):
        raise ValueError("the last line is cut off")


def _page(path: Path) -> None:
    if not path.read_bytes().rstrip().endswith(b"</html>"):
        raise ValueError("the end is cut off")


def _leaderboard(path: Path) -> None:
    _text(path)
    with path.open(newline="") as file:
        if len({len(line) for line in csv.reader(file)}) > 1:
            raise ValueError("a row is cut off")


def _done(path: Path) -> None:
    if read_done(path.parent) is None:
        raise ValueError("DONE does not hold")


WHOLE: Mapping[str, Callable[[Path], Any]] = {
    ".json": read_json,
    ".csv": _leaderboard,
    ".html": _page,
    ".md": _text,
    ".onnx": _onnx,
    ".parquet": pq.read_table,
    ".safetensors": _safetensors,
    ".tar": _tar,
    ".gz": _gzip,
    "DONE": _done,
}
"""Suffix or name of a file -> reads it; an error says that it is torn."""
TORN = (StageError, SafetensorError, DecodeError, ValueError, OSError, EOFError, tarfile.TarError)


def torn_files(workspace: Path) -> Iterator[Path]:
    """Files under their final names that are not whole."""
    for path in sorted(workspace.rglob("*")):
        read = WHOLE.get(path.suffix or path.name)
        if read is None or path.name.startswith("."):
            continue
        try:
            read(path)
        except TORN:
            if path.exists():  # else a worker that is on its way out took it away
                print(f"torn: {path}", file=sys.stderr)
                yield path
