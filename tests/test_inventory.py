"""What became of every file below a root: the lines add up to the files that there are."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from rushes.prepare.outcomes import Outcomes
from rushes.stages import Claim, Inventory, take_inventory
from rushes.stages.inventory import EXAMPLES, LINES, walk

NAMES = ("a.wav", "b.WAV", "c.m4a", ".DS_Store", "Thumbs.db", "README", "notes.txt", "labels.csv", "é ü#.wav")


def claims(name: str) -> Claim | None:
    if name.endswith(".csv"):
        return Claim("read", "labels")
    if name.lower().endswith(".wav") and "/." not in f"/{name}":
        return Claim("used", "sounds", name)
    return None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("x/a.wav", "x/b.wav", "x/c.m4a", "x/d.m4a", "labels.csv", ".git/config", "LICENSE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def test_every_file_has_a_line(root: Path) -> None:
    found = take_inventory(root, claims)
    assert [(line.fate, line.reason, line.files, line.examples) for line in found.lines] == [
        ("used", "sounds", 2, ("x/a.wav", "x/b.wav")),
        ("read", "labels", 1, ("labels.csv",)),
        ("unread", ".m4a", 2, ("x/c.m4a", "x/d.m4a")),
        ("unread", "hidden", 1, (".git/config",)),
        ("unread", "no suffix", 1, ("LICENSE",)),
    ]
    assert (found.files, found.bytes) == (7, 35)
    assert found.summary() == "7 files: 2 used, 1 read (labels), 4 unread (.m4a; hidden; no suffix)"
    assert "        2 unread   .m4a  such as x/c.m4a, x/d.m4a" in found.text()


def test_what_prepare_found_moves_lines_and_keeps_the_sum(root: Path) -> None:
    closed = take_inventory(root, claims).settle(
        {"x/b.wav": Claim("faulty", "cut short"), "nobody": Claim("empty", "")}
    )
    assert closed.files == 7
    assert [(line.fate, line.reason, line.files) for line in closed.lines[:3]] == [
        ("used", "sounds", 1),
        ("read", "labels", 1),
        ("faulty", "cut short", 1),
    ]


def test_a_link_is_the_one_file_that_it_is(root: Path) -> None:
    (root / "away").symlink_to(root / "x")
    (root / "nowhere.wav").symlink_to(root / "gone")
    (root / "loop").symlink_to(root / "loop")
    assert take_inventory(root, claims).files == 10


def test_a_link_to_a_folder_is_entered_once_and_only_where_no_walk_comes_by(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away")
    for name in ("a/b/c.txt", "a/d.txt"):
        (away / name).parent.mkdir(parents=True, exist_ok=True)
        (away / name).touch()
    for number, target in enumerate(("a/b", "a/b", "a", "", "e")):
        (root / f"link{number}").symlink_to(away / target)
    (root / "up").symlink_to(root.parent)
    (root / "self").symlink_to(root)
    found = [name for name, _ in walk(root) if name.startswith(("link", "up", "self"))]
    assert found == ["link0/c.txt", "link1", "link2", "link3", "link4", "self", "up"]


@pytest.mark.parametrize("seed", range(20))
def test_lines_add_up_in_any_folder(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(draw.randrange(60)):
        depth = "/".join(draw.choices(("a", "b", ".c", "d e"), k=draw.randrange(3)))
        path = tmp_path / depth / f"{number}{draw.choice(NAMES)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(draw.randrange(9)))
    files = [Path(folder, name) for folder, _, names in os.walk(tmp_path) for name in names]
    found = take_inventory(tmp_path, claims)
    told = found.to_json()
    assert found.files == told["files"] == sum(line["files"] for line in told["lines"]) == len(files)
    assert found.bytes == sum(line["bytes"] for line in told["lines"]) == sum(p.stat().st_size for p in files)
    assert all(len(line.examples) == min(line.files, EXAMPLES) for line in found.lines)


def test_reasons_that_differ_from_file_to_file_are_a_few_lines_that_add_up() -> None:
    faulty = {f"{number:03}": Claim("faulty", f"cut short at {number} s") for number in range(100)}
    files = Inventory.of_files(((name, 2) for name in faulty), faulty.get)
    recordings = Outcomes(101, faulty)
    assert len(files.lines) == LINES + 1
    assert (files.files, files.bytes) == (100, 200)
    last = files.lines[-1]
    assert (last.fate, last.reason, last.files, last.bytes) == ("faulty", "50 other reasons", 50, 100)
    assert recordings.summary().endswith("; others)")
    assert files.summary().endswith("; others)")
    assert [line.recordings for line in recordings.lines] == [1, *[1] * LINES, 50]
