"""Every file of a copy has one fate, whatever else lies there; every clip too."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from rushes.errors import SourceError
from rushes.stages import Inventory, take_inventory
from rushes.tasks.driving.sources.physical_ai_av.claims import fates
from rushes.tasks.driving.sources.physical_ai_av.source import PhysicalAiAv, Scan

FRONT, LEFT, TELE = "camera_front_wide_120fov", "camera_rear_left_70fov", "camera_front_tele_30fov"


@pytest.fixture
def root(road_twin: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(road_twin.root, tmp_path / "raw"))


def source(cameras: tuple[str, ...] = (FRONT, LEFT), **asked: Any) -> PhysicalAiAv:
    return PhysicalAiAv(**{"cameras": cameras, "chunks": None, "offline": False} | asked)


def taken(root: Path, of: PhysicalAiAv) -> tuple[Scan, Inventory]:
    found = of.scan(root)
    return found, take_inventory(root, of.claims(found))


def files_of(root: Path) -> list[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(root) for name in names]


def told(inventory: Inventory) -> dict[tuple[str, str], int]:
    return {(line.fate, line.reason): line.files for line in inventory.lines}


def archive(root: Path, feature: str, chunk: int = 0) -> Path:
    folder = "camera" if feature.startswith("camera") else "labels"
    return root / folder / feature / f"{feature}.chunk_{chunk:04d}.zip"


def write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_every_file_of_the_twin_has_its_fate(root: Path) -> None:
    _, inventory = taken(root, source())
    assert told(inventory) == {
        ("used", "archives"): 6,  # two cameras and the poses, of two chunks
        ("read", "tables"): 4,
        ("skipped", "not used: calibration"): 6,
        ("skipped", f"not in the setup: {TELE}"): 2,
        ("skipped", "not in the setup: camera_rear_right_70fov"): 2,
    }
    assert inventory.files == len(files_of(root))


def test_what_else_lies_there_is_told(root: Path) -> None:
    write(archive(root, FRONT, 77))
    write(root / "notes.TXT")
    write(root / ".cache/huggingface/lock")
    write(root / "splits/old/default.parquet")
    shutil.copy(root / "metadata/feature_presence.parquet", root / "metadata/sensor_presence.parquet")
    index = pq.read_table(root / "clip_index.parquet", columns=["clip_id", "split"])
    for name in ("default", "small"):
        (root / "splits").mkdir(exist_ok=True)
        pq.write_table(index, root / f"splits/{name}.parquet")
    _, inventory = taken(root, source())
    lines = told(inventory)
    assert lines["read", "tables"] == 5
    assert lines["skipped", "a split that is not asked for"] == 1
    assert lines["skipped", "an older table of what is present"] == 1
    unread = {reason: files for (fate, reason), files in lines.items() if fate == "unread"}
    assert unread == {".zip": 1, ".txt": 1, "hidden": 1, ".parquet": 1}


def test_an_archive_is_used_if_one_of_its_clips_is(root: Path) -> None:
    of = source()
    found, _ = taken(root, of)
    first = [one for one in found.recordings if one.chunk == 0]
    only = {"train": (first[0].key,), "test": ("nobody",)}
    _, inventory = taken(root, source(split={"train": (first[0].key,)}))
    assert told(inventory)["used", "archives"] == 3
    assert told(inventory)["skipped", "archives that no clip is taken from"] == 3
    with pytest.raises(SourceError, match="knows no clip 'nobody'"):
        source(split=only).scan(root)
    _, inventory = taken(root, source(chunks=(1,)))
    assert told(inventory)["skipped", "of chunks that are not asked for"] == 3


def test_a_damaged_archive_is_at_fault_and_with_it_what_else_its_clips_need(root: Path) -> None:
    path = archive(root, LEFT)
    path.write_bytes(path.read_bytes()[:1000])
    found, inventory = taken(root, source())
    lines = told(inventory)
    [damage] = {fault.message for fault in found.faults}
    assert lines["faulty", damage] == 1
    assert lines["faulty", "archives of clips that do not hold"] == 2
    assert lines["used", "archives"] == 3


def test_the_only_clip_of_an_archive_is_known_by_its_key(root: Path) -> None:
    path = root / "clip_index.parquet"
    index = pq.read_table(path)
    lone = next(one.key for one in source().scan(root).recordings if one.chunk == 1)
    keep = [
        row
        for row, clip in enumerate(index["clip_id"].to_pylist())
        if clip == lone or index["chunk"][row].as_py() == 0
    ]
    pq.write_table(index.take(keep), path)
    of = source()
    claims = of.claims(of.scan(root))
    assert claims(archive(root, FRONT, 1).relative_to(root).as_posix()).recording == lone
    assert claims(archive(root, FRONT, 0).relative_to(root).as_posix()).recording == ""


DISTURBANCES: tuple[Callable[[Path, random.Random], object], ...] = (
    lambda root, rng: write(root / rng.choice(["README", "a b.mp4", "x.parquet", "ä.ZIP"])),
    lambda root, rng: write(root / rng.choice(["lidar", "radar", "camera"]) / f"{rng.random()}.zip"),
    lambda root, rng: write(root / rng.choice([".git", "camera/.tmp", "splits"]) / f"part{rng.randrange(9)}"),
    lambda root, rng: write(archive(root, rng.choice([FRONT, "egomotion"]), rng.choice([2, 99, 12345]))),
    lambda root, rng: write(root / "labels/obstacle.offline/obstacle.offline.chunk_0000.zip"),
    lambda root, rng: archive(root, rng.choice([LEFT, TELE, "egomotion"]), 1).unlink(missing_ok=True),
    lambda root, rng: os.truncate(archive(root, rng.choice([FRONT, LEFT])), rng.randrange(3000)),
    lambda root, rng: shutil.copytree(root / "metadata", root / f"copy {rng.random()}"),
    lambda root, rng: (root / f"link{rng.random()}").symlink_to(archive(root, FRONT)),
    lambda root, rng: shutil.rmtree(root / "calibration", ignore_errors=True),
)


def test_the_fates_add_up_in_random_folders(root: Path, tmp_path: Path) -> None:
    reasons: Counter[str] = Counter()
    for seed in range(30):
        rng, place = random.Random(seed), tmp_path / f"copy{seed}"
        shutil.copytree(root, place)
        for disturb in rng.choices(DISTURBANCES, k=rng.randrange(8)):
            disturb(place, rng)
        clips = pq.read_table(place / "clip_index.parquet")["clip_id"].to_pylist()
        lists = {"train": tuple(clips[:2]), "test": tuple(clips[3:4])}
        of = source(
            rng.choice([(FRONT,), (FRONT, LEFT), (FRONT, TELE)]),
            chunks=rng.choice([None, None, (0,), (0, 1)]),
            split=rng.choice(["default", "index", lists]),
        )
        found, inventory = taken(place, of)
        assert inventory.files == sum(line.files for line in inventory.lines) == len(files_of(place))
        assert inventory.bytes == sum(path.lstat().st_size for path in files_of(place))
        asked = [clip for clip, chunk in _chunks(place) if of.chunks is None or chunk in of.chunks]
        clips_told = fates(found.recordings, found.faults, found.skipped, of.split)
        assert set(clips_told) <= set(asked)
        assert len(clips_told) == len(found.recordings) + len(found.faults) + len(found.skipped)
        reasons.update(line.fate for line in inventory.lines)
    assert set(reasons) == {"used", "read", "faulty", "skipped", "unread"}


def _chunks(root: Path) -> list[tuple[str, int]]:
    index = pq.read_table(root / "clip_index.parquet")
    return list(zip(index["clip_id"].to_pylist(), index["chunk"].to_pylist(), strict=True))


def test_tables_of_splits_are_brought_with_the_others(root: Path) -> None:
    """What is asked of a remote copy: its tables first, then the archives in use."""
    write(root / "splits/default.parquet")
    names = {path.relative_to(root).as_posix() for path in files_of(root)}
    brought: list[set[str]] = []

    def bring(fits: Callable[[str], bool]) -> Path:
        brought.append({name for name in names if fits(name)})
        (root / "splits/default.parquet").unlink(missing_ok=True)  # it is no table
        return root

    source().fetch(bring)
    tables, archives = brought
    assert tables == {name for name in names if "/" not in name or name.startswith(("metadata/", "splits/"))}
    assert archives == {name for name in names if FRONT in name or LEFT in name or "egomotion" in name}
