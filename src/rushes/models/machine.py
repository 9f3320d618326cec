"""How much memory this machine has for a model: of its GPU, or where there is none its RAM."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup/memory.max")
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a model would be trained.

    Attributes:
        gib: all of it, GiB.
        what: of the GPU its name, or ``RAM``.
    """

    gib: float
    what: str

    def compared(self, needed_gib: float, cure: str) -> str:
        """In a line, whether something fits.

        >>> Memory(7.8, "RAM").compared(109.6, "take nf4")
        'does NOT fit into the 7.8 GiB of RAM of this machine: take nf4'
        >>> Memory(139.7, "NVIDIA H200").compared(109.6, "")
        'fits into the 139.7 GiB of NVIDIA H200 of this machine'
        """
        room = f"into the {self.gib:.1f} GiB of {self.what} of this machine"
        return f"fits {room}" if needed_gib <= self.gib else f"does NOT fit {room}: {cure}"


def memory() -> Memory:
    """Of the first GPU, as training takes it; RAM, or the part of it that this process may have, without one."""
    return _gpu() or Memory(_ram() / GIB, "RAM")


def _gpu() -> Memory | None:
    """Asked of the driver's own tool: a plan must not wait for torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or shutil.which(_QUERY[0]) is None:
        return None
    try:
        told = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
        name, _, mib = told.splitlines()[0].rpartition(", ")
        return Memory(float(mib) * 2**20 / GIB, name)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _ram() -> int:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        bound = CGROUP.read_text().strip()
    except OSError:
        return pages
    return min(pages, int(bound)) if bound.isdecimal() else pages
