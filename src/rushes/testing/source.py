"""Checks that every source must pass, see `rushes.runs.source.Source`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rushes.errors import SourceError
from rushes.runs.source import Source
from rushes.stages import take_inventory

STRANGE = 20
"""Folders at most into which files that nobody expects are put."""

Check = Callable[[Source[Any], Path, Path], None]


def source_checks() -> Sequence[Check]:
    """All checks, for ``pytest.mark.parametrize``; each takes source, root of a copy of the layout, a folder."""
    return (
        a_scan_is_the_same_each_time,
        every_file_is_accounted_for,
        files_of_recordings_are_used,
        a_copy_elsewhere_has_the_same_fingerprint,
        a_lost_file_is_another_dataset,
        a_file_cut_short_is_another_dataset,
        what_is_no_copy_is_refused_with_a_cure,
    )


def check_source(source: Source[Any], root: Path, folder: Path) -> None:
    """Do every check.

    Args:
        source: the source.
        root: of recordings in its layout that hold.
        folder: an empty one.

    Raises:
        AssertionError: the source breaks its contract.
    """
    for check in source_checks():
        check(source, root, folder / check.__name__)


def a_scan_is_the_same_each_time(source: Source[Any], root: Path, folder: Path) -> None:
    """The same recordings in the same order, none at fault in a copy that holds."""
    first, second = source.scan(root), source.scan(root)
    assert first == second, "two scans of one copy differ"
    assert not first.faults, f"faults in a copy that holds: {first.faults[:3]}"


def every_file_is_accounted_for(source: Source[Any], root: Path, folder: Path) -> None:
    """The lines of the inventory add up to the files of the copy, also beside files that nobody expects."""
    copy = shutil.copytree(root, folder / "copy")
    _require_sum(source, copy)
    within = sorted({path.parent for path in copy.rglob("*") if path.is_file()})
    for number, place in enumerate([copy, *within[:: max(1, len(within) // STRANGE)]]):
        for name in (f"strange{number}.xyz", f".hidden{number}", f"no suffix {number}"):
            (place / name).write_bytes(b"nobody expects this")
    _require_sum(source, copy)


def _require_sum(source: Source[Any], root: Path) -> None:
    found = source.scan(root)
    told = take_inventory(root, source.claims(found), found.root).to_json()
    files = [Path(place, name) for place, _, names in os.walk(root) for name in names]
    counted = sum(line["files"] for line in told["lines"])
    assert counted == told["files"] == len(files), f"{len(files)} files, {counted} of them in a line"
    size = sum(path.lstat().st_size for path in files)
    assert sum(line["bytes"] for line in told["lines"]) == size, "the bytes of the lines do not add up"


def files_of_recordings_are_used(source: Source[Any], root: Path, folder: Path) -> None:
    """A copy that holds has files that are used, and none that is at fault."""
    found = source.scan(root)
    lines = take_inventory(root, source.claims(found), found.root).lines
    used = [line.reason for line in lines if line.fate == "used"]
    assert used, f"no file is claimed as used: {[(line.fate, line.reason) for line in lines]}"
    faulty = [line.reason for line in lines if line.fate == "faulty"]
    assert not faulty, f"files at fault in a copy that holds: {faulty}"


def a_copy_elsewhere_has_the_same_fingerprint(source: Source[Any], root: Path, folder: Path) -> None:
    """Where a copy lies is no part of what it is."""
    shutil.copytree(root, folder / "copy")
    here, there = (source.fingerprint(source.scan(place)) for place in (root, folder / "copy"))
    assert here == there, "the fingerprint depends on the place of the copy"


def a_lost_file_is_another_dataset(source: Source[Any], root: Path, folder: Path) -> None:
    """Without the largest file of the recordings the copy is refused, or has another fingerprint."""
    _without(source, root, folder, Path.unlink)


def a_file_cut_short_is_another_dataset(source: Source[Any], root: Path, folder: Path) -> None:
    """The same where the largest file lacks its last byte, as after a copy that was interrupted."""
    _without(source, root, folder, lambda path: os.truncate(path, path.stat().st_size - 1))


def _without(source: Source[Any], root: Path, folder: Path, damage: Callable[[Path], None]) -> None:
    copy = shutil.copytree(root, folder / "copy")
    before = source.fingerprint(source.scan(copy))
    largest = max((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    damage(largest)
    try:
        after = source.fingerprint(source.scan(copy))
    except SourceError:
        return  # refused at once, which is better still
    assert after != before, f"{largest.name} is damaged, and the fingerprint is the same"


def what_is_no_copy_is_refused_with_a_cure(source: Source[Any], root: Path, folder: Path) -> None:
    """An empty folder, a file and nothing at all are refused with a SourceError that says what to do."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty").mkdir()
    (folder / "file").write_bytes(b"no folder")
    for place in ("empty", "file", "nothing"):
        refused = _refusal(source, folder / place)
        assert refused is not None, f"{place} was taken for a copy"
        assert refused.cure, f"{place}: refused without a cure: {refused.message}"


def _refusal(source: Source[Any], root: Path) -> SourceError | None:
    try:
        source.scan(root)
    except SourceError as error:
        return error
    return None
