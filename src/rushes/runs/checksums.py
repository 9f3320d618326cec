"""``SHA256SUMS`` beside the recordings, as ``sha256sum`` writes it: damage that decodes is found by its bytes.

    cd raw && find . -type f ! -name SHA256SUMS -print0 | xargs -0 sha256sum > SHA256SUMS

Optional. Of 25 bit flips or zeroed blocks in a video, up to 19 decode to other pictures without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from rushes.errors import SourceError
from rushes.stages import sha256_file

SUMS = "SHA256SUMS"
MAX_BYTES = 512 * 2**20
"""Larger files are refused unread; a million names take 150 MB."""

_LINE = re.compile(rb"(?P<escaped>\\?)(?P<sha256>[0-9a-fA-F]{64}) [ *](?P<name>.+)")
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


def read_sums(root: Path) -> Mapping[str, str]:
    """Name relative to ``root`` -> SHA-256; nothing where there is no such file.

    Raises:
        SourceError: a line that ``sha256sum`` would not write, a name that leaves ``root``, or one of two hashes.
    """
    path = root / SUMS
    if not path.is_file():
        return {}
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"larger than {MAX_BYTES} bytes", where=path, cure="write it again with sha256sum")
    sums: dict[str, str] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            name, sha256 = _read(line.rstrip(b"\r\n"), f"{path}:{number}")
            if sums.setdefault(name, sha256) != sha256:
                raise SourceError(
                    f"{name} stands here with two hashes",
                    where=f"{path}:{number}",
                    cure="remove the wrong one",
                )
    return sums


def _read(line: bytes, where: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise SourceError(
            "not a line of sha256sum", where=where, cure="write 64 hex digits, two spaces and a name"
        )
    name = found["name"]
    if found["escaped"]:
        name = re.sub(rb"\\[\\nr]", lambda one: _ESCAPES[one[0]], name)
    path = PurePosixPath(name.decode(errors="surrogateescape"))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise SourceError(
            f"a name that leaves the folder: {path}", where=where, cure="write names relative to this folder"
        )
    return path.as_posix(), found["sha256"].decode().lower()


def mismatches(
    root: Path,
    elsewhere: Collection[str] = (),
    tell: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Iterator[tuple[str, str]]:
    """Names of files that are not what `SUMS` says, each with the reason; every byte is read.

    Args:
        root: of the recordings.
        elsewhere: names of files that need not stand here.
        tell: told how many of how many files are hashed, and the next name.

    Raises:
        SourceError: as `read_sums`.
        OSError: the machine refuses to read a file.
    """
    sums = read_sums(root)
    for done, (name, sha256) in enumerate(sorted(sums.items())):
        tell(done, len(sums), name)
        path = root / name
        if not path.exists() and not path.is_symlink():
            if name not in elsewhere:
                yield name, f"is missing, {SUMS} names it"
        elif not _is_plain(root, path):
            yield name, "is no plain file below this folder"
        elif (found := sha256_file(path)) != sha256:
            yield name, f"has sha256 {found[:12]}..., {SUMS} says {sha256[:12]}..."
    tell(len(sums), len(sums), "")


def _is_plain(root: Path, path: Path) -> bool:
    """Whether a path is a file that lies below ``root`` itself, by no link."""
    return path.is_file() and path.resolve() == root.resolve() / path.relative_to(root)
