"""The pictures of a recording as files: which there are, and what they are known by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from rushes.records import Media
from rushes.stages import sha256_of_ends, sha256_of_sizes


def footage_digest(media: Media) -> str:
    """SHA-256 of what the pictures of a recording are, without reading all of them.

    A video counts with its size, first and last 64 kB, a folder of frames with the names and sizes of its frames:
    seconds for a million frames, not the hours of reading.

    Returns:
        64 hex digits.
    """
    if media.kind == "video":
        return sha256_of_ends(media.path)
    return sha256_of_sizes(sorted((name, entry.stat().st_size) for name, entry in frames_of(media.path)))


def digest(data: bytes) -> str:
    """SHA-256, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def is_frame(name: str) -> bool:
    """Whether a file of this name, without its folder, is one of a session's frames."""
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def frames_of(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """JPEGs below ``folder`` that are not hidden, in no order, with their names relative to it."""
    waiting = [("", str(folder))]
    while waiting:
        prefix, place = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{entry.name}/", entry.path))
                elif is_frame(entry.name):
                    yield prefix + entry.name, entry
