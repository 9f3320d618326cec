"""Ways in which a file of a folder gets damaged: bits, blocks, lengths, names."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

Edit = Callable[[bytearray, random.Random], bytearray]
"""The bytes of a file, never empty -> other bytes."""


def _block(data: bytearray, rng: random.Random) -> slice:
    start = rng.randrange(len(data))
    return slice(start, start + min(rng.choice((1, 16, 512, 4096)), max(1, len(data) // 4)))


def flip_a_bit(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((4, 16, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_in_head(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(min(400, len(data)))] ^= 1 << rng.randrange(8)
    return data


def flip_in_tail(data: bytearray, rng: random.Random) -> bytearray:
    """Indexes of mp4, avi, zip and Parquet stand at the end."""
    data[-1 - rng.randrange(min(2000, len(data)))] ^= 1 << rng.randrange(8)
    return data


def zero_a_block(data: bytearray, rng: random.Random) -> bytearray:
    block = _block(data, rng)
    data[block] = bytes(len(data[block]))
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def truncate_a_little(data: bytearray, rng: random.Random) -> bytearray:
    return data[: max(0, len(data) - rng.choice((1, 2, 8, 64, 512)))]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    block = _block(data, rng)
    return data[: block.start] + data[block.stop :]


def duplicate(data: bytearray, rng: random.Random) -> bytearray:
    block = _block(data, rng)
    return data[: block.stop] + data[block] + data[block.stop :]


def swap_blocks(data: bytearray, rng: random.Random) -> bytearray:
    size = min(rng.choice((1, 16, 512, 4096)), len(data) // 2)
    one, other = sorted(rng.randrange(len(data) - size + 1) for _ in range(2))
    if size and one + size <= other:
        data[one : one + size], data[other : other + size] = (
            data[other : other + size],
            data[one : one + size],
        )
    return data


def insert(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(rng.choice((1, 4, 64, 1000))) + data[start:]


def append(data: bytearray, rng: random.Random) -> bytearray:
    return data + rng.randbytes(rng.choice((1, 4, 64, 1000)))


def append_itself(data: bytearray, rng: random.Random) -> bytearray:
    return data + data


def other_size(data: bytearray, rng: random.Random) -> bytearray:
    """A length or count that a header declares is another."""
    start = rng.randrange(max(1, min(len(data), 4096) - 4))
    data[start : start + 4] = rng.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", bytes(4)))
    return data


def other_digit(data: bytearray, rng: random.Random) -> bytearray:
    """Of a text; of other files a byte."""
    digits = [found.start() for found in re.finditer(rb"[0-9]", data[:65536])]
    place = rng.choice(digits or range(len(data)))
    data[place] = rng.choice([digit for digit in b"0123456789" if digit != data[place]])
    return data


def drop_a_line(data: bytearray, rng: random.Random) -> bytearray:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return bytearray().join(lines)


def swap_lines(data: bytearray, rng: random.Random) -> bytearray:
    lines = data.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return bytearray().join(lines)


def repeat_a_line(data: bytearray, rng: random.Random) -> bytearray:
    lines = data.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    return bytearray().join([*lines[:place], lines[place], *lines[place:]])


def empty(data: bytearray, rng: random.Random) -> bytearray:
    return bytearray()


EDITS: tuple[Edit, ...] = (
    *(flip_a_bit, flip_bits, flip_in_head, flip_in_tail, zero_a_block, truncate, truncate_a_little, cut_out),
    *(duplicate, swap_blocks, insert, append, append_itself, other_size, empty),
)
TEXT_EDITS: tuple[Edit, ...] = (*EDITS, other_digit, drop_a_line, swap_lines, repeat_a_line)

TEXTS = frozenset((".csv", ".json", ".jsonl", ".yaml", ".yml", ".xml", ".txt", ".eaf", ".srt", ".vtt", ""))


def _remove(path: Path, others: list[Path], rng: random.Random) -> None:
    path.unlink()


def _swap(path: Path, others: list[Path], rng: random.Random) -> None:
    """With another file of its kind, whichever there is."""
    alike = [other for other in others if other.suffix == path.suffix and other != path]
    if alike:
        other = rng.choice(alike)
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)


def _copy_over(path: Path, others: list[Path], rng: random.Random) -> None:
    """It becomes another file of its kind."""
    alike = [other for other in others if other.suffix == path.suffix and other != path]
    if alike:
        shutil.copy(rng.choice(alike), path)


def _folder(path: Path, others: list[Path], rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link_to_nothing(path: Path, others: list[Path], rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


FILE_EDITS: Mapping[str, Callable[[Path, list[Path], random.Random], None]] = {
    "remove": _remove,
    "swap_files": _swap,
    "copy_another_over": _copy_over,
    "folder_in_its_place": _folder,
    "link_to_nothing": _link_to_nothing,
}


def damage(path: Path, others: list[Path], rng: random.Random) -> str:
    """Damage a file in a way that ``rng`` chooses; returns the name of what was done."""
    if rng.random() < 0.12:
        name = rng.choice(list(FILE_EDITS))
        FILE_EDITS[name](path, others, rng)
        return name
    data = bytearray(path.read_bytes())
    edits = TEXT_EDITS if path.suffix in TEXTS else EDITS
    if not data:
        edits = (append,)
    edit = rng.choice(edits)
    path.write_bytes(edit(data, rng) if data else rng.randbytes(4))
    return edit.__name__
