"""A workspace, wherever it is: ``open_workspace("runs")`` or ``open_workspace("s3://bucket/prefix")``.

A local one is a folder, and its methods are those of ``rushes.stages``. A remote one is a folder as well, the
cache, and its methods bring and send what has to be: code that works on ``workspace.root`` between two of
these calls need not know which it is. fsspec is imported for a remote one only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rushes.errors import StageError
from rushes.stages import (
    OpenStage,
    StageSpec,
    Status,
    check_done,
    status,
    status_of,
    working,
    write_atomic,
    write_new,
)
from rushes.stages.folder import begun_status
from rushes.stages.spec import FOLDER_NAME
from rushes.storage.home import Home

if TYPE_CHECKING:
    from rushes.storage.mirror import Mirror


Opener = Callable[[Path, str], IO[bytes]]
"""Path and SHA-256 of a finished file -> the file, opened."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of all stages of all runs, on a disk of this machine, or on one that all machines share.

    Attributes:
        root: the local folder: the workspace itself, or its cache.
        cache_bytes: bound for the shards in the cache; None is none, or no cache.
    """

    root: Path
    cache_bytes: int | None = None

    @property
    def place(self) -> str:
        """Where its truth stands, for people."""
        return str(self.root)

    def home(self, spec: StageSpec) -> Home:
        """Where the files of a stage stand."""
        return Home(spec.folder(self.root))

    def status(self, spec: StageSpec) -> Status:
        """How far a stage has come, see ``stages.status``."""
        return status(spec, self.root)

    def bring(self, spec: StageSpec, *, everything: bool = False) -> Path:
        """The local folder of a finished stage, with all in it that later stages read but shards.

        Args:
            spec: the stage.
            everything: shards, receipts and checkpoints as well, to verify the stage.
        """
        return spec.folder(self.root)

    def opener(self, spec: StageSpec) -> Opener | None:
        """What opens shards of a stage that need not be here yet; None where all of them are."""
        return None

    def working(self, spec: StageSpec, *, reopen: bool = False) -> AbstractContextManager[OpenStage]:
        """Open a stage to work on it, see ``stages.working``."""
        return working(spec, self.root, reopen=reopen)

    def add(self, name: str, data: bytes) -> bool:
        """Write a small file of the workspace unless there is one; False if there is, see ``stages.write_new``."""
        return write_new(self.root / name, data)

    def small_files(self, pattern: str) -> dict[str, bytes]:
        """Content of all files whose names fit ``<folder>/<file>``, as ``looks/*.json`` or ``*/DONE``, sorted."""
        found: dict[str, bytes] = {}
        for path in sorted(self.root.glob(pattern)):
            if not path.name.startswith("."):
                with suppress(FileNotFoundError):  # of a stage that is made again at this moment
                    found[path.relative_to(self.root).as_posix()] = path.read_bytes()
        return found


@dataclass(frozen=True, slots=True)
class RemoteWorkspace(Workspace):
    """A workspace whose truth is remote; its root is the cache, of this workspace alone.

    Attributes:
        url: of it.
    """

    url: str = field(kw_only=True)

    @property
    def place(self) -> str:
        """Its URL."""
        return self.url

    def home(self, spec: StageSpec) -> Mirror:
        """The stage's folder, here and there."""
        from rushes.storage.mirror import Mirror
        from rushes.storage.remote import Remote

        folder = spec.folder(self.root)
        return Mirror(folder, Remote(self.url).child(folder.name), self.cache_bytes)

    def status(self, spec: StageSpec) -> Status:
        """How far a stage has come there; brings ``recipe.json`` and ``DONE`` of it and of its siblings.

        Raises:
            StorageError: the remote cannot be read.
        """
        from rushes.storage.lock import owner
        from rushes.storage.remote import Remote

        remote, folder = Remote(self.url), spec.folder(self.root)
        names = remote.folders()
        for name in (name for name in names if FOLDER_NAME.fullmatch(name)):
            recipe = f"{name}/recipe.json"
            wanted = name.startswith(f"{spec.name}-") and not (self.root / recipe).exists()
            if wanted and (content := remote.read_bytes(recipe)) is not None:
                write_atomic(self.root / recipe, content)
        if folder.name not in names:
            found = status(spec, self.root)
            reason = found.reason if found.state == "absent" else "no such stage there yet"
            return Status("absent", reason, folder)
        stage = remote.child(folder.name)
        if (done := check_done(stage.read_bytes("DONE") or b"", folder)) is not None:
            return status_of(done, folder)
        return begun_status(folder, owner(stage), sum(name.startswith("units/") for name in stage.list()))

    def bring(self, spec: StageSpec, *, everything: bool = False) -> Path:
        """The cache's folder of a finished stage, see `Workspace.bring`.

        Raises:
            StageError: the stage is not done.
            StorageError: the remote cannot be read, or a file is not what was written.
        """
        mirror = self.home(spec)
        if not mirror.remote.exists("DONE"):  # pulled, it would lose what is being made in it
            raise StageError("the stage is not done", where=mirror.remote.url, cure="run it first")
        mirror.pull(everything=everything)
        return mirror.folder

    def opener(self, spec: StageSpec) -> Opener:
        """Brings a shard when it is first touched."""
        return self.home(spec).open

    @contextmanager
    def working(self, spec: StageSpec, *, reopen: bool = False) -> Iterator[OpenStage]:
        """Open a stage: take its lock, bring what resuming wants; at the end send what was made, DONE last.

        Raises:
            StageError: somebody else works there; the lock was lost meanwhile; else as ``stages.working``.
            StorageError: the remote cannot be read or written; what stands there stays.
        """
        from rushes.storage.lock import held

        mirror = self.home(spec)
        with held(mirror.remote) as lease:
            mirror.remote.sweep()
            mirror.pull(everything=reopen)
            with working(spec, self.root, reopen=reopen) as stage:
                mirror.remote.remove("DONE")
                mirror.publish([stage.folder / "recipe.json"])
                yield stage
                if (stage.folder / "DONE").exists():
                    lease.require()
                    mirror.finish()

    def add(self, name: str, data: bytes) -> bool:
        """As of a local workspace, but there: exclusive where `storage.remote.Remote.create` is."""
        from rushes.storage.remote import Remote

        return Remote(self.url).create(data, name)

    def small_files(self, pattern: str) -> dict[str, bytes]:
        """As of a local workspace, but there.

        Raises:
            StorageError: the remote cannot be read.
        """
        from rushes.storage.remote import Remote

        return Remote(self.url).small_files(pattern)


def open_workspace(text: str | Path, cache: Path | None = None, cache_bytes: int | None = None) -> Workspace:
    """The workspace that ``text`` names.

    Args:
        text: a folder, or a URL that fsspec knows, as ``s3://bucket/prefix``.
        cache: folder of caches of remote workspaces, one in it for each URL; without it
            ``~/.cache/rushes``. Not looked at for a folder.
        cache_bytes: bound for the shards in the cache; None is none.

    Raises:
        StorageError: a URL that is none, or holds a password.
    """
    if "://" not in str(text):
        return Workspace(Path(text))
    from rushes.storage.remote import Remote

    url = Remote(str(text)).url
    caches = Path.home() / ".cache" / "rushes" if cache is None else Path(cache)
    name = hashlib.sha256(url.encode()).hexdigest()[:12]
    return RemoteWorkspace((caches / name).absolute(), cache_bytes, url=url)
