"""Folders of recordings among everything that lies about on disks: the account adds up to the files that there are."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from field_readings import ROOT, open_in
from field_recordings import (
    CLASSES,
    DRIVING,
    NIGHT,
    OPERATIONS,
    TONES,
    Make,
    of_root,
    of_twin,
    write_sessions,
    write_tones,
)
from report import Figure, at_least

from rushes.engine import Unit, map_units

SOURCES: Mapping[str, Make] = {
    "sessions": of_root(OPERATIONS, write_sessions),
    "sessions below v1.0.0": of_root(OPERATIONS, lambda root: write_sessions(root / "v1.0.0")),
    "drives": of_twin(DRIVING),
    "nights in archives": of_twin(NIGHT),
    "sounds with a table": of_root(TONES, write_tones),
    "sounds in folders of their classes": of_root(CLASSES, write_tones),
}
"""Name of a layout -> writes a whole one, with its recipe."""

_SUFFIXES = ".wav .WAV .m4a .opus .mp4 .MOV .mkv .csv .json .parquet .zip .tar.gz .jpg .docx .xyz .part ~ ."
SUFFIXES = ("", *_SUFFIXES.split())
STEMS = (
    "take",
    "S0100",
    "tone_99",
    "clip_index",
    "labels",
    "20220329_142511_030",
    "Zoë",
    "Zoe\u0308",
    "片",
    "🎬",
)
ODD = ("two words", "a#b", "50%", "new\nline", "-rf", "x" * 200, "\udcff\udcfe", "quote\"'", "back\\slash")

Junk = Callable[[Path, random.Random], None]
"""Puts something at a path where nothing stands."""


def _bytes(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.choice((0, 1, 1000))))


def _hidden(path: Path, rng: random.Random) -> None:
    _bytes(path.with_name(rng.choice((".", "._", ".~")) + path.name), rng)


def _in_a_hidden_folder(path: Path, rng: random.Random) -> None:
    folder = path.with_name(".cache")
    folder.mkdir(exist_ok=True)
    _bytes(folder / path.name, rng)


def _folder_named_like_a_file(path: Path, rng: random.Random) -> None:
    path.mkdir()
    if rng.random() < 0.5:
        _bytes(path / path.name, rng)


def _empty_folder(path: Path, rng: random.Random) -> None:
    path.mkdir()


def _deep(path: Path, rng: random.Random) -> None:
    folder = path / "/".join("d" * rng.randrange(1, 40))
    folder.mkdir(parents=True)
    _bytes(folder / "deep.wav", rng)


def _link_to(target: str) -> Junk:
    return lambda path, rng: path.symlink_to(target)


def _pipe(path: Path, rng: random.Random) -> None:
    """Whoever opens it waits for ever."""
    os.mkfifo(path)


def _cut_copy(path: Path, rng: random.Random) -> None:
    """The first half of a file that lies beside it, under a name of its own."""
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_file() and not one.is_symlink()]
    source = rng.choice(beside) if beside else None
    data = b"" if source is None else source.read_bytes()
    path.with_suffix(path.suffix if source is None else source.suffix).write_bytes(data[: len(data) // 2])


def _hard_link(path: Path, rng: random.Random) -> None:
    beside = [one for one in sorted(path.parent.iterdir()) if one.is_file() and not one.is_symlink()]
    os.link(rng.choice(beside), path) if beside else _bytes(path, rng)


JUNK: tuple[Junk, ...] = (
    *(_bytes, _bytes, _bytes, _hidden, _in_a_hidden_folder, _folder_named_like_a_file, _empty_folder, _deep),
    *(
        _link_to("nowhere"),
        _link_to("."),
        _link_to("/etc/hostname"),
        _link_to(".."),
        _pipe,
        _cut_copy,
        _hard_link,
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A folder to fill: a whole layout, and the seed of what else lies in it."""

    layout: str
    whole: Path
    seed: str


def account(asked: Asked) -> str:
    """Empty where the account holds; else what differs."""
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "copy"
        shutil.copytree(asked.whole, folder)
        root = folder / ROOT
        litter(root, rng)
        found, size = files_below(root)
        inventory = open_in(folder).inventory
        lines = sum(line.files for line in inventory.lines)
        if not found == inventory.files == lines:
            return f"{found} files, accounted for are {inventory.files}, on lines {lines}"
        return "" if size == inventory.bytes else f"{size} bytes, accounted for are {inventory.bytes}"


def litter(root: Path, rng: random.Random) -> None:
    """Put 1 to 30 things of any kind into any folders below ``root``; nothing that stands there is changed."""
    for _ in range(rng.randrange(1, 31)):
        folders = [
            root,
            *(path for path in sorted(root.rglob("*")) if path.is_dir() and not path.is_symlink()),
        ]
        stem = rng.choice(ODD if rng.random() < 0.2 else STEMS)
        path = rng.choice(folders) / f"{stem}{rng.randrange(100)}{rng.choice(SUFFIXES)}"
        if not path.exists() and not path.is_symlink():
            rng.choice(JUNK)(path, rng)


def files_below(root: Path) -> tuple[int, int]:
    """How many there are, counted by ``os.walk``, and their bytes; a link is one file, wherever it leads."""
    count = size = 0
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            count += 1
            size += os.lstat(os.path.join(folder, name)).st_size
    return count, size


def account_figures(folders: int, seed: int, place: Path) -> Iterator[Figure]:
    """One row for each layout, then all of them."""
    whole = {}
    for layout, make in SOURCES.items():
        whole[layout] = place / layout
        whole[layout].mkdir(parents=True)
        make(whole[layout])
    units = []
    for number in range(folders):
        layout = list(SOURCES)[number % len(SOURCES)]
        units.append(Unit(f"{number:04d}", Asked(layout, whole[layout], f"{seed}-{number}")))
    of = {unit.key: unit.payload for unit in units}
    held: dict[str, list[str]] = {layout: [] for layout in SOURCES}
    for result in map_units(account, units, workers=2, timeout_s=30.0, retries=0):
        asked = of[result.key]
        error = result.error
        told = result.value if error is None else f"{error.type}: {error.message} {error.where or ''}"
        held[asked.layout].append(f"{told} (seed {asked.seed})" if told else "")
    for layout, told in held.items():
        wrong = sorted(one for one in told if one)
        first = f"; first: {wrong[0][:200]}" if wrong else ""
        value = f"{len(told) - len(wrong)} of {len(told)}{first}"
        yield Figure(f"account, {layout}", value, f"{len(told)} of {len(told)}", not wrong)
    right = sum(not one for told in held.values() for one in told)
    yield at_least(f"account adds up, of {folders} folders", right, folders)
