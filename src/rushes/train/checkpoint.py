"""Checkpoints on disk: whole or absent, newest valid first, the last few kept.

::

    checkpoints/step-00000050/
        weights.safetensors, optimizer.safetensors, random.safetensors
        state.json      written last: identity, progress, and size and SHA-256 of each file above

A checkpoint is written as a hidden ``.step-00000050.partial`` folder, fsynced and renamed. One that does not
hold what its state.json says is reported and ignored. Tensors are safetensors, all else is JSON.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rushes.errors import StageError, TrainError
from rushes.stages import read_json, sha256_file, write_json
from rushes.stages.files import fsync, share_files

Identity = Mapping[str, Any]
"""Everything that must be equal for a run to be taken up again: flat, JSON values."""

_NAME = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose files were found whole.

    Attributes:
        folder: where it lies.
        step: updates that it has behind it.
        state: what state.json holds beside identity and files.
    """

    folder: Path
    step: int
    state: Mapping[str, Any]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one of its files, on the CPU."""
        tensors: dict[str, Tensor] = load_file(self.folder / f"{name}.safetensors")
        return tensors


def write_checkpoint(
    root: Path,
    step: int,
    identity: Identity,
    tensors: Mapping[str, dict[str, Tensor]],
    state: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of ``step`` below ``root`` and return its folder; whole, or not at all.

    Args:
        root: folder of all checkpoints of a run.
        step: updates done so far.
        identity: what a run must be equal in to take this checkpoint up.
        tensors: file name without ending -> tensors by name, contiguous, on the CPU.
        state: anything that JSON can hold.

    Raises:
        TrainError: the disk is full or fails; earlier checkpoints are untouched.
    """
    final = root / f"step-{step:08d}"
    partial = root / f".{final.name}.partial"
    try:
        for leftover in root.glob(".step-*"):  # of a writer that was killed
            shutil.rmtree(leftover)
        partial.mkdir(parents=True)
        files = {}
        for name, content in tensors.items():
            path = partial / f"{name}.safetensors"
            save_file(content, path)
            share_files(partial)
            fsync(path)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        write_json(partial / "state.json", {"identity": identity, "step": step, "files": files, **state})
        _remove(final)  # only ever a torn one: a valid one would have been resumed from
        os.rename(partial, final)
        fsync(root)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        size = sum(tensor.nbytes for content in tensors.values() for tensor in content.values())
        free = shutil.disk_usage(root.parent).free
        raise TrainError(
            f"the checkpoint of step {step} could not be written: {error}; it needs {size:,} bytes, "
            f"{free:,} are free",
            where=root,
            cure="make room or repair the disk, then run again: it resumes from the checkpoint before",
        ) from error
    return final


def newest_checkpoint(root: Path, identity: Identity, report: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint below ``root`` that is whole, or None.

    Args:
        root: folder of all checkpoints of a run; may be missing.
        identity: of the run that wants to resume.
        report: is told why a newer checkpoint was passed over, one sentence each.

    Raises:
        StageError: a checkpoint belongs to another run; the message names the fields that differ.
    """
    for step in reversed(checkpoint_steps(root)):
        try:
            return open_checkpoint(root / f"step-{step:08d}", identity)
        except TrainError as error:
            report(f"{error.message}: {error.where} is ignored")
    return None


def open_checkpoint(folder: Path, identity: Identity) -> Checkpoint:
    """Check a checkpoint through and open it.

    Raises:
        StageError: it belongs to another run; the message names the fields that differ.
        TrainError: it is torn.
    """
    try:
        state = read_json(folder / "state.json")
        step, files, found = state["step"], state["files"], state["identity"]
    except (StageError, KeyError, TypeError) as error:
        raise TrainError("the checkpoint has no whole state.json", where=folder) from error
    refuse_another(found, identity, folder)
    for name, expected in files.items():
        path = folder / name
        size = path.stat().st_size if path.exists() else 0
        if size != expected["bytes"]:
            raise TrainError(f"{name} has {size} of {expected['bytes']} bytes", where=folder)
        if sha256_file(path) != expected["sha256"]:
            raise TrainError(f"{name} does not have the SHA-256 that it was written with", where=folder)
    return Checkpoint(folder, step, state)


def refuse_another(found: Identity, asked: Identity, where: Path) -> None:
    """Raise a StageError that names every difference if what was found on disk is of another run."""
    if found == asked:
        return
    lines = [
        f"  {name}: found {found.get(name)!r}, asked for {asked.get(name)!r}"
        for name in sorted({*found, *asked})
        if found.get(name) != asked.get(name)
    ]
    raise StageError(
        "the folder holds the training of another run:\n" + "\n".join(lines),
        where=where,
        cure="give this run a folder of its own, or ask for what the folder was begun with",
    )


def keep_newest(root: Path, newest: int, keep: int, spare: int | None = None) -> None:
    """Delete old checkpoints: of those up to step ``newest``, the last ``keep`` and that of ``spare`` stay.

    What lies beyond ``newest``, the step just written, is torn; it must not count among those that stay.
    """
    for step in [step for step in checkpoint_steps(root) if step <= newest][:-keep]:
        if step != spare:
            _remove(root / f"step-{step:08d}")


def checkpoint_steps(root: Path) -> list[int]:
    """Steps of the checkpoints below ``root``, whole or torn, in numeric order."""
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def _remove(folder: Path) -> None:
    """Delete a checkpoint so that a kill half-way leaves no folder of its name that lacks files."""
    if folder.exists():
        doomed = folder.with_name(f".{folder.name}.deleted")
        os.rename(folder, doomed)
        shutil.rmtree(doomed)
