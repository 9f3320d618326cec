"""Which recordings lie in a folder: regular files below it, whatever they are called, and nothing outside of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from rushes.errors import RecipeError, SourceError
from rushes.records import hashed_key
from rushes.stages import Claim, Inventory, sha256_of_ends, sha256_of_sizes, take_inventory
from rushes.stages.inventory import walk


@dataclass(frozen=True, slots=True)
class Found:
    """The recordings of a folder.

    Attributes:
        root: the folder.
        names: key of the unit -> name of the recording below ``root``, in order of names.
        inventory: what is to become of every file.
    """

    root: Path
    names: Mapping[str, str]
    inventory: Inventory


def find(folder: Path, out: Path, recording_of: Callable[[str], str | None]) -> Found:
    """Look through a folder; nothing is opened.

    Links are passed over with a count, whether they lead out of the folder or to what is read anyway, and so
    is whatever stands below ``out``.

    Args:
        folder: of the recordings.
        out: where answers go.
        recording_of: name of a file below ``folder`` -> name of the recording that it belongs to, or None.

    Raises:
        RecipeError: there is no such folder, or ``out`` is the same.
        SourceError: no recording lies in it.
    """
    if not folder.is_dir():
        raise RecipeError(
            "no such folder of recordings",
            where=folder.absolute(),
            cure="give its folder, not the recording itself" if folder.exists() else "check the path",
        )
    root, own = folder.resolve(), out.resolve()
    if root == own:
        raise RecipeError(
            "answers would lie among the recordings", where=root, cure="give --out another folder"
        )
    written = f"{own.relative_to(root).as_posix()}/" if own.is_relative_to(root) else None
    names: dict[str, str] = {}

    def claim(name: str) -> Claim | None:
        if written is not None and name.startswith(written):
            return Claim("skipped", "answers of this command")
        if (recording := recording_of(name)) is None:
            return None
        if (reason := _not_plain(root / name, root)) is not None:
            return Claim("skipped", reason)
        names[key := key_of(recording)] = recording
        return Claim("used", "recordings", key)

    inventory = take_inventory(root, claim, files=walk(root, leave=False))
    if not names:
        raise SourceError(
            f"no recording in this folder; {inventory.summary()}",
            where=root,
            cure="give the folder that holds them; convert those of a kind that is not read: ffmpeg -i IN OUT.mp4",
        )
    return Found(root, dict(sorted(names.items(), key=itemgetter(1))), inventory)


def _not_plain(path: Path, root: Path) -> str | None:
    """Why a file is not read; None for a plain one."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        inside = Path(os.path.realpath(path)).is_relative_to(root)
        return "a link to what lies in the folder" if inside else "a link that leads out of the folder"
    return None if stat.S_ISREG(mode) else "no regular file"


def key_of(name: str) -> str:
    """The key of a recording's unit: legible, and no two names have the same.

    >>> key_of("Anna Müller/take 2.mov"), key_of("take 2.mov")
    ('take-2-mov-d7700e512b', 'take-2-mov-a589c6ae44')
    """
    return hashed_key(name.rsplit("/", 1)[-1], name)


def content_of(recording: Path) -> str:
    """Hash that tells a recording from another of the same name.

    Of a file its size, its first and its last 64 kB; of a folder the names and sizes of the files in it.
    """
    if recording.is_dir():
        return sha256_of_sizes(walk(recording, leave=False))
    return sha256_of_ends(recording)
