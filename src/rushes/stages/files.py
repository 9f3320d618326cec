"""Files that reach their final name whole or not at all.

Written under a temporary name in the same folder, flushed, fsynced, renamed, and the folder fsynced. A
power cut or
``kill -9`` leaves at worst a hidden ``.*.tmp`` file, which the next opening of the stage sweeps away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from rushes.errors import REFUSALS, StageError

_END_BYTES = 1 << 16


@contextmanager
def atomic_file(path: Path, size: int | None = None) -> Iterator[IO[bytes]]:
    """Open a new binary file that appears as ``path`` when the block ends well, and never otherwise.

    For what is too large to hold in memory, such as a shard; :func:`write_atomic` is the short form. The
    folder is made if it is missing; a file that stands at ``path`` already is replaced in one step.

    Args:
        path: of the file.
        size: in bytes that it will have, where that is known.

    Raises:
        OSError: the machine refuses; of a full disk it says what was needed, and the folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        written = temporary.stat().st_size if temporary.exists() else 0
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = f"more than {written:,}" if size is None else f"{size:,}"
            free = shutil.disk_usage(path.parent).free
            told = f"{error.strerror}: {path.name} needs {needed} bytes, {free:,} are free"
            raise OSError(error.errno, told, str(path.parent)) from error
        raise
    fsync(path.parent)  # a rename is durable with its folder only


def fsync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) so that ``path`` is the old file or the whole new one at any moment."""
    content = data.encode() if isinstance(data, str) else data
    with atomic_file(path, len(content)) as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder that a user named, and those above it, unless it is there.

    Raises:
        StageError: a file stands there, or nothing can be made there.
        OSError: the machine refuses, and `REFUSALS` knows what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in REFUSALS:
            raise
        raise StageError(
            f"no folder can be made there: {error.strerror}", where=folder, cure="name another folder"
        ) from None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``folder`` when the block ends well: whole or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    share_files(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def share_files(folder: Path) -> None:
    """Give all files of a folder that was just made its own mode, the right to search it apart.

    That is what the umask says; libraries that write through temporary files leave them to their owner alone.
    """
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def write_new(path: Path, data: bytes, mode: int = 0o666) -> bool:
    """Write ``data`` whole and only where nothing stands yet; False if ``path`` is taken.

    Of several processes that write the same name at once exactly one is told True. Who may read it follows from
    ``mode`` and the umask, from the first byte on.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _link(temporary, path)  # which fails where the name is taken, as a rename does not
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    fsync(path.parent)
    return True


def _link(source: Path, path: Path) -> None:
    """Give a file a further name; where there are no hard links (exFAT, some shares), this name in turn."""
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        with path.with_name(".new").open("ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(path) from None
            source.rename(path)


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` as indented JSON with sorted keys, atomically.

    Raises:
        StageError: ``obj`` holds NaN, an infinity, or something that JSON has no form for.
    """
    text = _json(obj, where=path, indent=2, ensure_ascii=False)
    write_atomic(path, text.encode(errors="backslashreplace") + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StageError: the file is missing, torn or not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise StageError(
            "a JSON file is missing",
            where=path,
            cure="run the stage that writes it; `rushes verify RECIPE --repair` where it is finished",
        ) from None
    except ValueError as error:
        raise StageError(
            f"not a whole JSON file: {error}",
            where=path,
            cure="move it away and run its stage again; `rushes verify RECIPE --repair` where it is finished",
        ) from None


def canonical_json(obj: Any) -> str:
    """The one JSON text of ``obj``: sorted keys, no spaces, no NaN; equal before and after a round trip.

    >>> canonical_json({"b": (1, 2.5), "a": None})
    '{"a":null,"b":[1,2.5]}'

    Raises:
        StageError: ``obj`` holds NaN, an infinity, or something that JSON has no form for.
    """
    return _json(obj, where=None, separators=(",", ":"))


def _json(obj: Any, *, where: Path | None, **form: Any) -> str:
    """Dump with keys sorted as the text they become, so that ``{9: a, 10: b}`` is stable as well."""
    try:
        plain = json.loads(json.dumps(obj, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StageError(f"a value cannot be written as JSON: {error}", where=where) from error
    return json.dumps(plain, sort_keys=True, allow_nan=False, **form)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the bytes of the file at ``path``."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_ends(path: Path) -> str:
    """Hex SHA-256 of the size of a file, its first and last 64 kB: a terabyte of footage is not read to be known."""
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(f"{size}\n".encode() + file.read(_END_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def sha256_of_sizes(files: Iterable[tuple[str, int]]) -> str:
    """Hex SHA-256 of names and sizes of files, as of the pictures of a recording, in their order."""
    digest = hashlib.sha256()
    for name, size in files:
        digest.update(os.fsencode(f"{name} {size}\n"))
    return digest.hexdigest()


def weights_sha256(folder: Path) -> str:
    """SHA-256 over the names and contents of the safetensors files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*.safetensors")):
        digest.update(path.name.encode() + b"\0" + bytes.fromhex(sha256_file(path)))
    return digest.hexdigest()
