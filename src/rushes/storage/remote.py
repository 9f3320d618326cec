"""One folder of any file system that fsspec knows, written so that nothing torn ever stands under a name.

A file goes up under a hidden temporary name, is compared in size, and is then moved to its own name by the
server. A file comes down under a hidden temporary name, is compared in SHA-256, flushed, and renamed. What a
killed process leaves behind is a hidden ``.*.tmp`` object, which the next opening of the stage sweeps away.

What stands behind ``://`` is taken as it is: a key of S3 may hold blanks, ``#``, ``?``, ``%20`` and any other
character that can be printed. Credentials and endpoint are what the file system's own client reads from its
surroundings (for ``s3://``: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_PROFILE``,
``AWS_ENDPOINT_URL``, or a role); they are never part of a URL, a message or a file that rushes writes.
"""

from __future__ import annotations

import fcntl
import fnmatch
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractFileSystem

from rushes.errors import StorageError
from rushes.stages import sha256_file
from rushes.storage.client import attempt, without_credentials

T = TypeVar("T")

MAX_BYTES_READ = 64 << 20
"""Of one small file that is read into memory: receipts, DONE."""

_AT_ONCE = 16  # transfers of many small files
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(/?[^/\x00-\x1f\x7f]+)+")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
_SEGMENT = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_VERSIONS = ("ETag", "etag", "md5", "LastModified", "last_modified", "updated", "mtime", "created")


class Mark(NamedTuple):
    """By what a file is known to be the same, without reading it.

    Attributes:
        size: in bytes.
        version: changes with the content (an ETag) or with every writing (a time); empty where the file
            system tells neither.
    """

    size: int
    version: str

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Mark:
        """Of what fsspec tells of a file, whatever the file system calls it."""
        return cls(info["size"], next((str(info[name]) for name in _VERSIONS if info.get(name)), ""))


@dataclass(frozen=True, slots=True)
class Remote:
    """A folder somewhere else; small, hashable, and fit to travel to another process or machine.

    Attributes:
        url: as ``s3://bucket/prefix``, without a slash at the end.

    Raises:
        StorageError: not a URL, a URL that holds a password, or of a file system that is not installed.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if _PASSWORD.search(self.url):
            raise StorageError(
                "a URL with a password in it, which would end up in logs",
                where=without_credentials(self.url),
                cure="take it out, and give credentials in the way of the file system's own client",
            )
        if _URL.fullmatch(self.url) is None or not {".", ".."}.isdisjoint(self.url.split("/")):
            raise StorageError(
                f"not the URL of a folder: {self.url!r}", cure="write <protocol>://<place>/<prefix>"
            )

    def child(self, name: str) -> Remote:
        """The folder ``name`` in this one."""
        return Remote(f"{self.url}/{checked(name)}")

    def put(self, local: Path, name: str) -> None:
        """Send the file ``local``; ``name`` is the old file or the whole new one at any moment.

        Raises:
            StorageError: it could not be sent, or did not arrive in full; ``name`` is as before.
        """
        with self._arriving(name, local.stat().st_size) as temporary:
            self._do("send", name, lambda files: files.put_file(str(local), temporary))

    def put_bytes(self, data: bytes, name: str) -> None:
        """As :meth:`put`, for what is small and in memory."""
        with self._arriving(name, len(data)) as temporary:
            self._do("send", name, lambda files: files.pipe_file(temporary, data))

    def create(self, data: bytes, name: str) -> bool:
        """Write a small file unless there is one; False if there is.

        Exclusive where the file system has a conditional create (S3, local disks, memory); elsewhere two
        callers at the same instant may both be told True.
        """
        self._make_folder(checked(name))
        try:
            self._do("create", name, lambda files: _create(files, self._path(name), data))
        except FileExistsError:
            return False
        return True

    def get(self, name: str, local: Path, sha256: str | None = None, *, unless_here: bool = False) -> None:
        """Bring the file to ``local``, whole or not at all; several processes that ask share one transfer.

        Args:
            name: of the file.
            local: where it is to stand; replaced if it stands there.
            sha256: hex digest that it must have.
            unless_here: what stands at ``local`` stays, also if another process just brought it.

        Raises:
            StorageError: there is no such file, it could not be brought, or it is not what was written.
        """
        local.parent.mkdir(parents=True, exist_ok=True)
        with _turn(local) as temporary:
            if unless_here and local.exists():
                return
            self._fetch(name, temporary, sha256)
            os.replace(temporary, local)

    def get_many(self, names: Iterable[str], folder: Path) -> None:
        """Bring many files into ``folder``, several at once."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda name: self.get(name, folder / checked(name)), names):
                pass

    def read_bytes(self, name: str) -> bytes | None:
        """Content of a small file; None if there is none.

        Raises:
            StorageError: it cannot be read, or is larger than 64 MiB.
        """

        def read(files: Any) -> bytes:
            if (size := files.info(self._path(name))["size"]) > MAX_BYTES_READ:
                raise StorageError(f"{size} bytes, too many for a small file", where=f"{self.url}/{name}")
            data: bytes = files.cat_file(self._path(name))
            return data

        return self._do("read", name, read, missing=None)

    def small_files(self, pattern: str) -> dict[str, bytes]:
        """Content of all files whose names fit ``<folder>/<file>``, each with its wildcards; several at once.

        Raises:
            StorageError: one cannot be read, or is larger than 64 MiB.
        """
        folder, _, file = pattern.partition("/")
        names: list[str] = []
        for found in fnmatch.filter(self.folders(), folder):
            own = self.child(found).list() if set(file) & set("*?[") else [file]
            names += [f"{found}/{name}" for name in own if "/" not in name and fnmatch.fnmatch(name, file)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = dict(zip(names, pool.map(self.read_bytes, names), strict=True))
        return {name: content for name, content in contents.items() if content is not None}

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._do("look for", name, lambda files: bool(files.info(self._path(name))), missing=False)

    def list(self, *, hidden: bool = False) -> dict[str, int]:
        """Names, relative to this folder, and sizes in bytes of all files below it.

        Args:
            hidden: the temporary files of writers instead.

        Raises:
            StorageError: it cannot be read, or holds a name that could lead out of a folder.
        """
        return {name: info["size"] for name, info in self._found(hidden=hidden).items()}

    def marks(self) -> dict[str, Mark]:
        """As :meth:`list`, with what else tells one content of a file from another."""
        return {name: Mark.of(info) for name, info in self._found().items()}

    def folders(self) -> tuple[str, ...]:
        """Names of the folders directly in this one, sorted."""
        found = self._do("list", "", lambda files: files.ls(self._path(), detail=True), missing=[])
        names = (info["name"].rstrip("/").rpartition("/")[2] for info in found if info["type"] == "directory")
        return tuple(sorted(names))

    def remove(self, *names: str) -> None:
        """Delete files, in this order; one that is not there is no error."""
        for name in names:
            self._do("delete", name, methodcaller("rm_file", self._path(name)), missing=None)

    def sweep(self) -> None:
        """Delete what killed writers left half sent; only while nobody writes here."""
        self.remove(*self.list(hidden=True))

    @contextmanager
    def _arriving(self, name: str, size: int) -> Iterator[str]:
        """Path of a temporary object, which becomes ``name`` if the block ends well and it has ``size``."""
        self._make_folder(checked(name))
        folder, slash, last = name.rpartition("/")
        hidden = f"{folder}{slash}.{last[:100]}.{secrets.token_hex(6)}.tmp"
        try:
            yield self._path(hidden)
            arrived = self._do("send", name, lambda files: files.info(self._path(hidden))["size"])
            if arrived != size:
                raise StorageError(
                    f"{arrived} of {size} bytes arrived", where=f"{self.url}/{name}", cure="run it again"
                )
            self._do("name", name, lambda files: _move(files, self._path(hidden), self._path(name)))
        except BaseException:
            with suppress(StorageError):  # one try: the place may be gone, and sweep() comes by later
                self._do(
                    "delete", hidden, lambda files: files.rm_file(self._path(hidden)), None, patience_s=0.0
                )
            raise

    def _found(self, *, hidden: bool = False) -> dict[str, Mapping[str, Any]]:
        """What the file system tells of each file below this folder, by name, sorted."""
        found = self._do("list", "", lambda files: _find(files, self._path()), missing={})
        start = len(self._path()) + 1
        named = {path[start:]: info for path, info in found.items() if not path.endswith("/")}
        wanted = {name: info for name, info in named.items() if name and _is_temporary(name) == hidden}
        return {checked(name): wanted[name] for name in sorted(wanted)}

    def _fetch(self, name: str, temporary: Path, sha256: str | None) -> None:
        self._do("bring", name, lambda files: files.get_file(self._path(name), str(temporary)))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if sha256 is not None and (found := sha256_file(temporary)) != sha256:
            raise StorageError(
                f"a file has sha256 {found[:12]}..., {sha256[:12]}... was written",
                where=f"{self.url}/{name}",
                cure="run `rushes verify --repair`, or make its stage again",
            )

    def _make_folder(self, name: str) -> None:
        """Object stores have no folders; asked for one, some would make a bucket."""

        def make(files: Any) -> None:
            if not isinstance(files, AsyncFileSystem):
                files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

        self._do("make the folder of", name, make)

    def _path(self, name: str = "") -> str:
        path = fsspec.core.strip_protocol(self.url)
        return f"{path}/{checked(name)}" if name else path

    def _do(
        self,
        verb: str,
        name: str,
        action: Callable[[Any], T],
        missing: Any = StorageError,
        patience_s: float | None = None,
    ) -> T | Any:
        """See `attempt`; ``missing`` is the answer where there is no file ``name``."""
        return attempt(verb, f"{self.url}/{name}".rstrip("/"), action, missing, patience_s)


def checked(name: str) -> str:
    """``name`` if it is a relative path that stays in its folder, on every file system alike.

    >>> checked("units/U0101_S0100.json")
    'units/U0101_S0100.json'

    Raises:
        StorageError: it is not.
    """
    segments = name.split("/")
    if any(_SEGMENT.fullmatch(part) is None or part in (".", "..") for part in segments):
        raise StorageError(
            f"not the name of a file that can stand in a folder: {name[:200]!r}",
            cure="see who else writes there; a workspace has its own prefix",
        )
    return name


def _is_temporary(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(".tmp")


def _create(files: Any, path: str, data: bytes) -> None:
    if isinstance(files, AsyncFileSystem):
        files.pipe_file(path, data, mode="create")
    else:
        with files.open(path, "xb") as file:
            file.write(data)


def _move(files: Any, source: str, target: str) -> None:
    """Rename on the server; where there is no such thing, as in object stores, a copy is atomic.

    fsspec's own ``mv`` is such a copy, but takes ``*`` and ``[`` in a name for a pattern.
    """
    if type(files).mv is AbstractFileSystem.mv:
        files.cp_file(source, target)
        with suppress(FileNotFoundError):
            files.rm_file(source)
    else:
        files.mv(source, target)


def _find(files: Any, path: str) -> Mapping[str, Mapping[str, Any]]:
    """What the file system tells of all files below ``path``; a folder that cannot be listed is an error.

    fsspec's own ``find`` passes over such a folder unless told otherwise, and HTTP's tells no sizes.
    """
    apart = isinstance(files, AsyncFileSystem)
    name, theirs = ("_find", AsyncFileSystem._find) if apart else ("find", AbstractFileSystem.find)
    walks = getattr(type(files), name) is theirs
    found = files.find(path, detail=True, **({"on_error": "raise"} if walks else {}))
    return {
        name: files.info(name) if info["type"] == "file" and info["size"] is None else info
        for name, info in found.items()
    }


@contextmanager
def _turn(local: Path) -> Iterator[Path]:
    """A temporary file beside ``local`` that one process at a time may fill; it is its own lock."""
    temporary = local.with_name(f".{local.name[:100]}.get.tmp")
    while True:
        with temporary.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held it before may have renamed or removed the file that we have waited for.
            if _stands(file, temporary):
                try:
                    yield temporary
                finally:
                    if _stands(file, temporary):
                        temporary.unlink()
                return


def _stands(file: IO[bytes], path: Path) -> bool:
    """Whether the open ``file`` is what ``path`` names."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
