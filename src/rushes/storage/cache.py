"""The bounded cache of shards: which local files are copies, and which of them go when room is short.

A copy of what stands remote is read-only, and only such files are ever evicted: a shard that was made here
and has not been sent yet is never touched. An evicted shard that is mapped stays readable until it is closed.
"""

from __future__ import annotations

import stat
from pathlib import Path


def mark_as_copy(path: Path) -> None:
    """Note that ``path`` also stands remote: make it read-only."""
    path.chmod(0o444)


def trim(cache: Path, limit_bytes: int | None, spare: Path | None = None) -> None:
    """Delete the copies of shards that were opened longest ago, until all of them fit.

    Indexes stay: they are small, and a reader holds shards by their descriptor but reads indexes by name.

    Args:
        cache: folder of all stages.
        limit_bytes: for all shards in the cache, sent or not; None is no limit.
        spare: never deleted; it alone may be larger than the limit.
    """
    if limit_bytes is None:
        return
    found = []
    for path in cache.glob("*/shards/*/*.tar"):
        try:
            found.append((path.stat(), path))
        except FileNotFoundError:  # evicted by another process
            continue
    surplus = sum(status.st_size for status, _ in found) - limit_bytes
    for status, path in sorted(found, key=lambda entry: entry[0].st_mtime_ns):
        if surplus <= 0:
            return
        if path != spare and not status.st_mode & stat.S_IWUSR:
            path.unlink(missing_ok=True)
            surplus -= status.st_size
