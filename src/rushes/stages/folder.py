"""The folder of a stage: its state, its lock, and the way from recipe.json to DONE."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rushes.errors import StageError, StorageError
from rushes.stages.files import canonical_json, read_json, write_atomic, write_json
from rushes.stages.spec import (
    FOLDER_NAME,
    StageSpec,
    differences,
    named_signature,
    signature_of_folder,
    spec_of_folder,
)
from rushes.stages.units import read_quarantine

DIFFERENCES = 3
"""Differences to a stage nearby that are told."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a stage has come, and the reason to print."""

    state: Literal["done", "partial", "absent"]
    reason: str
    folder: Path


def status(spec: StageSpec, workspace: Path) -> Status:
    """Say whether the stage is done, begun or absent, and why; reads a few small files only."""
    folder = spec.folder(workspace)
    if folder.is_dir():
        done = read_done(folder)
        if done is not None:
            return status_of(done, folder)
        return begun_status(folder, lock_owner(folder), sum(1 for _ in folder.glob("units/*.json")))
    others = [(differences(spec, other), other) for other in _siblings(spec, workspace)]
    if not others:
        return Status("absent", "no such stage yet", folder)
    fields, nearest = min(others, key=lambda pair: (len(pair[0]), pair[1].name))
    more = [f"{len(fields) - DIFFERENCES} more"] if len(fields) > DIFFERENCES else []
    told = "; ".join([*fields[:DIFFERENCES], *more])
    return Status("absent", f"differs from {nearest.name} in {told}", folder)


def begun_status(folder: Path, owner: str | None, units: int) -> Status:
    """The status of a stage without ``DONE``: who works there, if anybody, or how many units have receipts."""
    if owner is not None:
        return Status("partial", f"{owner} works there now", folder)
    receipts = f"; {units} units have receipts" if units else ""
    return Status("partial", f"begun, not finished{receipts}: resumes there", folder)


def status_of(done: Mapping[str, Any], folder: Path) -> Status:
    """The status of a stage whose ``DONE`` holds."""
    return Status("done", f"finished {done['finished']} in {done['seconds']:.1f} s", folder)


def read_done(folder: Path) -> dict[str, Any] | None:
    """The content of DONE; None where it is missing, changed or of another signature: nothing is done.

    Raises:
        OSError: the machine refuses to read it; that says nothing about the stage.
    """
    try:
        return check_done((Path(folder) / "DONE").read_bytes(), folder)
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_done(content: bytes, folder: Path) -> dict[str, Any] | None:
    """What a DONE of these bytes says of the stage ``folder``; None where it does not hold."""
    try:
        done = json.loads(content)
        whole = isinstance(done, dict) and done.pop("checksum", None) == _checksum(done)
    except (ValueError, StageError):
        return None
    fits = whole and done.get("signature") == named_signature(folder)
    return done if fits and {"seconds", "finished", "summary", "counts"} <= done.keys() else None


def _checksum(done: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(done).encode()).hexdigest()


def _siblings(spec: StageSpec, workspace: Path) -> list[Path]:
    """Readable folders of the same stage and task, of whatever signature, made for a recipe of the same name."""
    found = []
    for path in sorted(Path(workspace).glob(f"{spec.name}-*/recipe.json")):
        match = FOLDER_NAME.fullmatch(path.parent.name)
        if match is None or match["stage"] != spec.name:
            continue
        try:
            other, owner = spec_of_folder(path.parent), read_json(path).get("name", spec.owner)
        except StageError:
            continue
        if other.recipe.get("task") == spec.recipe.get("task") and owner == spec.owner:
            found.append(path.parent)
    return found


@dataclass(frozen=True, slots=True)
class OpenStage:
    """A stage on which this process works; made by :func:`working`."""

    spec: StageSpec
    folder: Path
    started_s: float

    def finish(self, summary: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Write the merged quarantine list, then DONE; its seconds are those since this opening.

        Args:
            summary: what a reader wants to know of the result without opening it.
            counts: of whatever the stage counts, e.g. :attr:`Account.counts`.
        """
        _sweep(self.folder)
        entries = read_quarantine(self.folder)
        if entries or (self.folder / "quarantine.jsonl").exists():
            lines = "".join(canonical_json(entry) + "\n" for entry in entries)
            write_atomic(self.folder / "quarantine.jsonl", lines)
        done = {
            "stage": self.spec.name,
            "signature": self.spec.signature,
            "seconds": round(time.monotonic() - self.started_s, 3),
            "finished": _now(),
            "summary": summary,
            "counts": counts,
            "provenance": provenance(),
        }
        write_json(self.folder / "DONE", done | {"checksum": _checksum(done)})


@contextmanager
def working(spec: StageSpec, workspace: Path, *, reopen: bool = False) -> Iterator[OpenStage]:
    """Open a stage to work on it, begun or new, and hold its lock to the end of the block.

    DONE is written by :meth:`OpenStage.finish` only: leaving the block without it, by an error or not, leaves
    the stage partial, and the next opening resumes. The lock dies with its process, also by ``kill -9``.

    Args:
        spec: the stage.
        workspace: folder of all stages.
        reopen: take DONE away from a finished stage first, to repair it.

    Raises:
        StageError: somebody else works there; the stage is done and ``reopen`` was not asked; or recipe.json
            in the folder is not the spec's.
        StorageError: no folder can be made in the workspace.
    """
    folder = spec.folder(workspace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # /proc, say
        raise StorageError(
            "no folder can be made there", where=folder, cure="name another place by --workspace"
        ) from None
    with locked(folder):
        if (folder / "recipe.json").exists():
            signature_of_folder(folder)
        else:
            recorded = {
                "signature": spec.signature,
                "name": spec.owner,
                "created": _now(),
                "command": _command(),
                "provenance": provenance(),
            }
            write_json(folder / "recipe.json", spec.parts() | recorded)
        if read_done(folder) is not None and not reopen:
            raise StageError("the stage is done", where=folder, cure="use it as it is")
        (folder / "DONE").unlink(missing_ok=True)
        _sweep(folder)
        yield OpenStage(spec, folder, time.monotonic())


def _sweep(folder: Path) -> None:
    """Remove what killed writers left half written; under the lock, while no worker runs, nobody owns it."""
    for stale in folder.rglob(".*.tmp"):
        stale.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder to the end of the block; it dies with its process.

    Raises:
        StageError: somebody else holds it; says who.
    """
    with (folder / "lock").open("ab") as file:
        if not _flock(file.fileno()):
            raise StageError(
                f"{_owner(folder)} works on this stage",
                where=folder,
                cure="wait for it or stop it; the lock goes with its process",
            )
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        try:
            file.truncate(0)
            file.write(canonical_json(owner).encode())
            file.flush()
            yield
        finally:
            file.truncate(0)
            # Said aloud, not left to close(): a forked child may still hold a copy of the descriptor.
            fcntl.flock(file, fcntl.LOCK_UN)


def _flock(descriptor: int, tries: int = 10) -> bool:
    """Try for 0.2 s in all, since :func:`lock_owner` of another process takes the lock for an instant."""
    for _ in range(tries):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def lock_owner(folder: Path) -> str | None:
    """Who works in ``folder``, e.g. ``process 4711 on host-a since ...``; None where nobody does."""
    try:
        descriptor = os.open(Path(folder) / "lock", os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(folder)
    else:
        return None
    finally:
        os.close(descriptor)


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / "lock").read_bytes())
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):  # caught between taking the lock and signing it
        return "another process"


def provenance() -> dict[str, str | None]:
    """What is recorded but not hashed: versions of rushes and Python, platform, and the commit if any."""
    from importlib import metadata  # here, since it takes as long to import as all the rest

    return {
        "rushes": metadata.version("rushes"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _commit(Path(__file__).parents[3]),
    }


def _command() -> str:
    """What was typed to get here."""
    program = Path(sys.argv[0])
    name = "rushes" if program.name == "__main__.py" and program.parent.name == "cli" else program.name
    return shlex.join([name, *sys.argv[1:]])


def _commit(checkout: Path) -> str | None:
    """Commit of a source checkout; None for an installed package, whatever repository it may lie in."""
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
