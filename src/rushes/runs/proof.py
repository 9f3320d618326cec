"""What a finished stage holds, as hashes in its DONE: its own files, and what it was made from.

``files`` has every file that nothing else in the folder proves: shards have their receipts and manifest,
drawn recordings their receipts, checkpoints their state.json, and those are in ``files``. ``inputs`` has a
hash of what the stage read of each stage before it, so that one built again to other content is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.runs.stage import StageName
from rushes.stages import canonical_json, read_done, sha256_file

PROVEN = ("DONE", "lock", "quarantine.jsonl", "raw/*", "shards/*", "*checkpoints/*.safetensors", "*.tmp")


def proof(run: Run[Any], name: StageName) -> dict[str, Any]:
    """``files`` and ``inputs`` of a stage whose work is finished, for its DONE."""
    folder = run.folder(name)
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _matches(path.relative_to(folder).as_posix(), PROVEN)
    }
    return {"files": files, "inputs": {needed: content(run, needed) for needed in run.specs[name].inputs}}


def content(run: Run[Any], name: StageName) -> str | None:
    """Hash of what later stages read of a finished stage; None where its DONE does not hold."""
    done = read_done(run.folder(name))
    if done is None or "files" not in done["summary"]:
        return None
    read = {
        path: sha for path, sha in done["summary"]["files"].items() if _matches(path, run.stages[name].read)
    }
    return hashlib.sha256(canonical_json(read).encode()).hexdigest()


def damaged(run: Run[Any], name: StageName) -> Iterator[tuple[Path, str]]:
    """Files of a finished stage that later stages read and that are not as they were written, with the reason.

    Shards are left to whoever reads them, sample by sample (`Run.samples`), and to `rushes.shards.verify`:
    hashing all of them before each stage would take too long.
    """
    return _not_as_written(run, name, run.stages[name].read)


def require_whole(run: Run[Any], name: StageName, patterns: tuple[str, ...]) -> None:
    """Refuse files of a finished stage that are not as they were written.

    Raises:
        StageError: one is missing or was changed.
    """
    for path, reason in _not_as_written(run, name, patterns):
        raise StageError(
            f"what {name} left is not what it wrote: the file {reason}",
            where=path,
            cure="run `rushes verify RECIPE --repair`",
        )


def _not_as_written(run: Run[Any], name: StageName, patterns: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    folder = run.folder(name)
    files = (read_done(folder) or {}).get("summary", {}).get("files", {})
    return wrong_files(folder, {path: sha for path, sha in files.items() if _matches(path, patterns)})


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def files_of(path: Path) -> list[Path]:
    """All files of a folder, or the one file that it is."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def digest(path: Path) -> dict[str, Any]:
    """Bytes and SHA-256 of a file; of a folder, over the names and SHA-256 of all files in it."""
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    files = files_of(path)
    lines = (f"{file.relative_to(path).as_posix()} {sha256_file(file)}\n" for file in files)
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    return {"bytes": sum(file.stat().st_size for file in files), "sha256": whole}


def wrong_files(folder: Path, recorded: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Recorded files that are missing or changed, with the reason."""
    for name, sha256 in recorded.items():
        path = folder / name
        if not path.is_file():
            yield path, "is missing"
        elif (found := sha256_file(path)) != sha256:
            yield path, f"has sha256 {found[:12]}..., {sha256[:12]}... was written"


def wrong_digests(folder: Path, recorded: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Path, str]]:
    """Recorded files and folders (`digest`) that are missing or changed, with the reason."""
    for name, expected in recorded.items():
        path = folder / name
        if not path.exists():
            yield path, "is missing"
        elif (found := digest(path)) != expected:
            sizes = f"{found['bytes']} bytes, {expected['bytes']} were written"
            shas = f"sha256 {found['sha256'][:12]}..., {expected['sha256'][:12]}... was written"
            yield path, f"has {sizes if found['bytes'] != expected['bytes'] else shas}"
