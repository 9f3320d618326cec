"""Folders of this process for what is gone when a request is over.

    ROOT/<pid>-<start>/            of a process: its number, and when it started, so that no other is mistaken for it
    ROOT/<pid>-<start>/lock        held as long as the process lives
    ROOT/<pid>-<start>/<random>/   of a request

A process that is killed leaves its folder behind, and the next one that starts sweeps it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import shutil
import stat
import tempfile
from pathlib import Path

from rushes.errors import StorageError
from rushes.serve.refusal import Refusal

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_NAME = re.compile(r"(?P<pid>[0-9]{1,10})-(?P<start>[0-9]{1,20})", re.ASCII)
_LOCK = "lock"


def default_root() -> Path:
    """Where this user's uploads lie for a while."""
    return Path(tempfile.gettempdir()) / f"rushes-serve-{os.getuid()}"


class Scratch:
    """The folder of this process.

    Args:
        root: of all processes of this user; made where it is not there.

    Raises:
        StorageError: ``root`` cannot be made, or others can reach what lies there.

    Attributes:
        folder: of this process, which nobody else can read.
    """

    def __init__(self, root: Path) -> None:
        require_private(root)
        self.root, pid = root, os.getpid()
        self.folder = root / f"{pid}-{_start_of(pid)}"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.folder / _LOCK, flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def sweep(self) -> int:
        """Remove folders of processes that have died; nothing that is not such a folder, and this user's.

        Returns:
            How many were removed.
        """
        swept = 0
        with os.scandir(self.root) as entries:
            for entry in entries:
                if _is_left_behind(entry):
                    shutil.rmtree(entry.path, ignore_errors=True)  # follows no link
                    swept += not os.path.lexists(entry.path)
        return swept

    def new_folder(self, nbytes: int) -> Path:
        """An empty folder.

        Args:
            nbytes: that are to be written there, as far as is known.

        Raises:
            Refusal: 507 ``no_room``, the disk has less.
        """
        if nbytes > shutil.disk_usage(self.folder).free:
            raise no_room("the disk has no room for it")
        return Path(tempfile.mkdtemp(dir=self.folder))

    def close(self) -> None:
        """Remove the folder of this process."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def no_room(why: str) -> Refusal:
    """The refusal of an upload that cannot be kept, even for a while."""
    return Refusal(
        507, "no_room", f"this upload cannot be kept: {why}", cure="ask again later", retry_after_s=10
    )


def require_private(root: Path) -> None:
    """Make a folder for uploads that only this user can reach, or make sure that it is one.

    Raises:
        StorageError: it is not.
    """
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        about = os.lstat(root)
    except OSError as error:
        raise StorageError(
            f"uploads cannot be kept there: {error.strerror}", where=root, cure="name another folder"
        ) from None
    wrong, cure = None, "name another folder, or one that is not there yet"
    if not stat.S_ISDIR(about.st_mode):
        wrong = "is a link" if stat.S_ISLNK(about.st_mode) else "is no folder"
    elif about.st_uid != os.getuid():
        wrong = "belongs to another user"
    elif about.st_mode & 0o077:
        wrong = f"is open to others (mode {stat.S_IMODE(about.st_mode):o})"
        cure = f"type: chmod 700 {shlex.quote(str(root))}"
    elif not os.access(root, os.W_OK | os.X_OK):
        wrong = "cannot be written to"
    if wrong is not None:
        raise StorageError(
            f"uploads are kept where only this user can reach them, and this {wrong}", where=root, cure=cure
        )


def _is_left_behind(entry: os.DirEntry[str]) -> bool:
    """Whether a process of this user made it, and is dead.

    Two signs of life are looked for, as a process in another container has numbers of its own.
    """
    named = _NAME.fullmatch(entry.name)
    if named is None or not entry.is_dir(follow_symlinks=False):
        return False
    if entry.stat(follow_symlinks=False).st_uid != os.getuid():
        return False
    return _start_of(int(named["pid"])) != int(named["start"]) and not _is_locked(Path(entry) / _LOCK)


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # it died before it could lock anything
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks since boot; None where there is none."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(about.rpartition(")")[2].split()[19])  # the name before it may hold anything
