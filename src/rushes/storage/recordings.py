"""Recordings that lie elsewhere, brought here once: a folder of copies that sources read like any other.

Beside the copies stands what the remote said of each file: its size and, where the file system has one, the
mark that changes with its content (the ETag of S3). It is written before anything is brought, when all copies
that it does not fit are gone: so a copy that stands is what it says, whenever a process was killed. What the
recordings hold is then hashed by their source like those of a local folder, with the same signatures.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rushes.errors import StageError, StorageError
from rushes.stages import read_json, write_json
from rushes.storage.cache import mark_as_copy
from rushes.storage.remote import Mark, Remote

FILES, LEDGER, LOCK = "files", "remote.json", ".lock"
ALLOW = "RUSHES_ALLOW"
"""Environment variable: further protocols that recipes may read from, with commas between them."""

ALLOWED = ("s3", "s3a")
"""Protocols whose address is this user's own, not the recipe's: see docs/design/storage.md."""


def bring_recordings(url: str, cache: Path, is_read: Callable[[str], bool] = lambda name: True) -> Path:
    """Make a folder here hold the files of a remote one, as they are there now.

    Copies that are still right are not brought again; those of files that have changed or gone are deleted.

    Args:
        url: of the remote folder, as ``s3://bucket/prefix``.
        cache: folder of copies, one in it for each URL.
        is_read: whether a file, named by its path below the URL, is wanted here.

    Returns:
        The local folder; its files are read-only.

    Raises:
        StorageError: recipes may not read from there; the remote cannot be read or holds nothing; a file did
            not arrive in full, or the files change while they are brought.
    """
    remote = Remote(url)
    _require_allowed(remote.url)
    place = cache / hashlib.sha256(remote.url.encode()).hexdigest()[:12]
    files = place / FILES
    files.mkdir(parents=True, exist_ok=True)
    with (place / LOCK).open("ab") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        there = remote.marks()
        if not there:
            raise StorageError(
                "no recordings: there is nothing below this URL",
                where=remote.url,
                cure="see that the bucket and the folder are right",
            )
        _drop(files, _noted(place / LEDGER), there)
        write_json(place / LEDGER, there)
        missing = [name for name in there if is_read(name) and not (files / name).is_file()]
        if missing:
            remote.get_many(missing, files)
            _check(remote, files, missing, there)
    return files


def listing_of(files: Path) -> list[tuple[str, int]]:
    """Names and bytes of all files of the remote folder that ``files`` has copies of, also of those not brought.

    Args:
        files: what `bring_recordings` returned.
    """
    return sorted((name, mark.size) for name, mark in _noted(files.parent / LEDGER).items())


def allowed_by_owner() -> frozenset[str]:
    """Further protocols that the owner of this machine allows, see `ALLOW`."""
    return frozenset(name.strip() for name in os.environ.get(ALLOW, "").split(","))


def _require_allowed(url: str) -> None:
    """Raise a StorageError where a recipe, perhaps a stranger's, would connect to an address of its own."""
    protocol = url.partition("://")[0]
    if protocol not in (*ALLOWED, *allowed_by_owner()):
        raise StorageError(
            f"recordings by {protocol}:// are not read unless the owner of this machine allows it: such a URL "
            "connects to any address that the recipe names",
            where=url,
            cure="name the folder itself"
            if protocol in ("file", "local")
            else f"if you trust this recipe, type {ALLOW}={protocol} before the same command",
        )


def _noted(ledger: Path) -> dict[str, Mark]:
    """What was known of each file; nothing where that cannot be read."""
    try:
        return {name: Mark(*mark) for name, mark in read_json(ledger).items()}
    except (StageError, TypeError, AttributeError):
        return {}


def _drop(files: Path, noted: Mapping[str, Mark], there: Mapping[str, Mark]) -> None:
    """Delete what is no copy of what is there now."""
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        name = path.relative_to(files).as_posix()
        mark = there.get(name)
        if mark is None or noted.get(name) != mark or path.stat().st_size != mark.size:
            path.unlink()


def _check(remote: Remote, files: Path, brought: list[str], expected: Mapping[str, Mark]) -> None:
    """Keep what arrived as it was listed, and delete the rest."""
    now = remote.marks()
    wrong = [
        name
        for name in brought
        if now.get(name) != expected[name] or (files / name).stat().st_size != expected[name].size
    ]
    for name in brought:
        if name in wrong:
            (files / name).unlink()
        else:
            mark_as_copy(files / name)
    if wrong:
        raise StorageError(
            f"{len(wrong)} of {len(brought)} files did not arrive as they were listed: they are being "
            "written, or did not arrive in full",
            where=f"{remote.url}/{wrong[0]}",
            cure="run again when nobody writes there",
        )
