"""The folder of one stage whose truth is remote: the local folder is its cache.

What stands remote is what there is. Everything goes up in the order in which it becomes true, data first and
receipt last, so a kill at any moment leaves either no receipt or a whole unit, no ``state.json`` or a whole
checkpoint, no ``DONE`` or a whole stage. Coming back, on this machine or another, :meth:`Mirror.pull` makes
the local folder what the remote one is, but for shards, which come when they are first touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from rushes.errors import StorageError
from rushes.stages import quarantine, sha256_file, write_atomic, write_receipt
from rushes.storage.cache import mark_as_copy, trim
from rushes.storage.home import Home
from rushes.storage.remote import Remote, checked

SHARDS = "shards/*"
RAW = "raw/*"
UNITS = ("units/*", "quarantine/*")
CHECKPOINT = "*checkpoints/step-*/*"
SENT_ONCE = (SHARDS, *UNITS, CHECKPOINT, RAW)
NOT_OURS = ("lock", "*.tmp", "*.partial/*", "*.deleted/*")
_STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Mirror(Home):
    """A stage's folder here, ``<cache>/<stage>-<signature>``, and the remote one that it is the cache of.

    Attributes:
        remote: the stage's folder there.
        cache_bytes: bound for the shards of all stages in this cache; None is none.
    """

    remote: Remote
    cache_bytes: int | None = None

    # --- up ---------------------------------------------------------------------------------------------

    def publish(self, paths: Iterable[Path]) -> None:
        """Send finished files, in this order. Shards are from then on copies that may be evicted."""
        for path in paths:
            name = self._name(path)
            self.remote.put(path, name)
            if fnmatch(name, SHARDS):
                mark_as_copy(path)
        trim(self.folder.parent, self.cache_bytes)

    def discard(self, paths: Iterable[Path]) -> None:
        """Delete files, there first."""
        for path in paths:
            self.remote.remove(self._name(path))
            path.unlink(missing_ok=True)

    def write_receipt(self, unit: str, receipt: Mapping[str, Any]) -> None:
        """Prove that ``unit`` is finished; its files must be published."""
        write_receipt(self.folder, unit, receipt)
        self.remote.put(self.folder / "units" / f"{unit}.json", f"units/{unit}.json")
        self.remote.remove(f"quarantine/{unit}.json")

    def quarantine(self, unit: str, reason: Mapping[str, Any]) -> None:
        """Set ``unit`` aside as bad input."""
        quarantine(self.folder, unit, reason)
        self.remote.remove(f"units/{unit}.json")
        self.remote.put(self.folder / "quarantine" / f"{unit}.json", f"quarantine/{unit}.json")

    def checkpoint(self, folder: Path) -> None:
        """Send a checkpoint: logs and results beside it, its tensors, ``state.json`` last; prune there."""
        there = self.remote.list()
        self._send(there)
        prefix = self._name(folder)
        self.remote.remove(f"{prefix}/{_STATE}")  # one of this step, by another training: no mixture of both
        files = sorted(path for path in folder.iterdir() if path.name != _STATE)
        for path in (*files, folder / _STATE):
            self.remote.put(path, f"{prefix}/{path.name}")
        self._prune_checkpoints(there)

    def finish(self) -> None:
        """Send what is not there yet of a stage that is done here, then ``DONE``."""
        there = self.remote.list()
        self._send(there, closing=True)
        self._prune_checkpoints(there)
        self.remote.put(self.folder / "DONE", "DONE")

    def _send(self, there: Mapping[str, int], *, closing: bool = False) -> None:
        """Send the files that may still change, if their size did; closing, send those and whatever lacks."""
        for path in sorted(self.folder.rglob("*")):
            name = self._name(path)
            if not path.is_file() or name == "DONE" or _is_any(name, NOT_OURS):
                continue
            differs = there.get(name) != path.stat().st_size
            if (closing and differs) if _is_any(name, SENT_ONCE) else (closing or differs):
                self.remote.put(path, name)

    def _prune_checkpoints(self, there: Mapping[str, int]) -> None:
        """Delete those that are no longer here, ``state.json`` first: without it there is no checkpoint."""
        for folder in sorted({name.rpartition("/")[0] for name in there if fnmatch(name, CHECKPOINT)}):
            if not (self.folder / folder).is_dir():
                names = [name for name in there if name.rpartition("/")[0] == folder]
                self.remote.remove(*sorted(names, key=lambda name: not _is_state(name)))

    # --- down -------------------------------------------------------------------------------------------

    def pull(self, *, everything: bool = False) -> None:
        """Make the local folder what the remote one is.

        Of a stage that is done: all that its readers want, ``DONE`` last; not again if that ``DONE`` is here.
        Of one that was begun: all that resuming wants, receipts and whole checkpoints among it; what stands
        here and not there is taken away, for it was never committed.

        Args:
            everything: shards, receipts and checkpoints of a finished stage as well, to verify it.

        Raises:
            StorageError: the remote cannot be read, or a file is not what ``DONE`` says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f".{self.folder.name}.pull").open("ab") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)
            done, local = self.remote.read_bytes("DONE"), self.folder / "DONE"
            if done is None:
                self._pull_begun(self.remote.list())
            elif everything or not local.is_file() or local.read_bytes() != done:
                self._pull_finished(self.remote.list(), done, everything)

    def _pull_finished(self, there: Mapping[str, int], done: bytes, everything: bool) -> None:
        (self.folder / "DONE").unlink(missing_ok=True)
        proven = _proven(done)
        late = () if everything else (SHARDS, *UNITS, CHECKPOINT)
        names = [name for name in there if not _is_any(name, ("DONE", *NOT_OURS, *late))]
        self._drop_strangers(there)
        for name in names:
            sha256, local = proven.get(name), self.folder / name
            if sha256 is None:
                here = _is_any(name, SENT_ONCE) and _is_here(local, there[name])
            else:
                here = local.is_file() and sha256_file(local) == sha256
            if not here:
                self.remote.get(name, local, sha256)
        write_atomic(self.folder / "DONE", done)

    def _pull_begun(self, there: Mapping[str, int]) -> None:
        (self.folder / "DONE").unlink(missing_ok=True)
        self._drop_strangers(there)
        wanted = [
            name
            for name, size in there.items()
            if not _is_any(name, (SHARDS, CHECKPOINT, *NOT_OURS))
            and not (fnmatch(name, RAW) and _is_here(self.folder / name, size))
        ]
        self.remote.get_many(wanted, self.folder)
        for folder in sorted(name.rpartition("/")[0] for name in there if _is_state(name)):
            self._pull_checkpoint(folder, there)

    def _pull_checkpoint(self, folder: str, there: Mapping[str, int]) -> None:
        """Tensors first, ``state.json`` last; the training checks every hash when it opens it."""
        local, state = self.folder / folder, self.remote.read_bytes(f"{folder}/{_STATE}") or b""
        if not (local / _STATE).is_file() or (local / _STATE).read_bytes() != state:
            shutil.rmtree(local, ignore_errors=True)
        for name, size in there.items():
            if (
                name.rpartition("/")[0] == folder
                and not _is_state(name)
                and not _is_here(self.folder / name, size)
            ):
                self.remote.get(name, self.folder / name)
        write_atomic(local / _STATE, state)

    def _drop_strangers(self, there: Mapping[str, int]) -> None:
        """Take away what is here and not there; shards stay, their receipts say what they are worth."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not _is_any(name := self._name(path), (SHARDS, *NOT_OURS)):
                state = f"{name.rpartition('/')[0]}/{_STATE}"
                torn = fnmatch(name, CHECKPOINT) and state not in there
                if name not in there or torn:
                    path.unlink()
        for folder in self.folder.glob("**/checkpoints/step-*"):
            if not any(folder.iterdir()):
                folder.rmdir()

    # --- reading ----------------------------------------------------------------------------------------

    def standing(self) -> dict[str, int]:
        """Names and sizes of all files there."""
        return self.remote.list()

    def fits(self, path: Path, sha256: str) -> bool:
        """Whether the copy here, if there is one, has this SHA-256; what is there was compared on its way."""
        return not path.is_file() or sha256_file(path) == sha256

    def open(self, path: Path, sha256: str) -> IO[bytes]:
        """Open a finished file, brought and compared with ``sha256`` if it is not here.

        Raises:
            StorageError: it cannot be brought, or is not what was written.
        """
        for _ in range(10):
            try:
                file = path.open("rb")
            except FileNotFoundError:  # not here yet, or evicted by another process this instant
                self.remote.get(self._name(path), path, sha256, unless_here=True)
                if fnmatch(self._name(path), SHARDS):
                    with suppress(FileNotFoundError):
                        mark_as_copy(path)
                    trim(self.folder.parent, self.cache_bytes, spare=path)
            else:
                with suppress(OSError):
                    os.utime(file.fileno())  # used now: the one used longest ago is evicted first
                return file
        raise StorageError(
            "a shard is evicted faster than it is opened", where=path, cure="give the cache more room"
        )

    def _name(self, path: Path) -> str:
        return checked(path.relative_to(self.folder).as_posix())


def _proven(done: bytes) -> dict[str, str]:
    """SHA-256 of files by name, as far as ``DONE`` has them."""
    try:
        files = json.loads(done)["summary"]["files"]
        return {name: sha256 for name, sha256 in files.items() if isinstance(sha256, str)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_here(local: Path, size: int) -> bool:
    """Whether a file that is made once and never changed is here."""
    return local.is_file() and local.stat().st_size == size


def _is_state(name: str) -> bool:
    return fnmatch(name, CHECKPOINT) and name.endswith(f"/{_STATE}")


def _is_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
