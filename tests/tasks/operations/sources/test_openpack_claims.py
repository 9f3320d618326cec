"""What becomes of every file of an OpenPack copy, and of whatever else lies among its files."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.runs.source import FileSource
from rushes.stages import Inventory, take_inventory
from rushes.tasks.operations.sources.openpack.layout import (
    frames_dir,
    operations_csv,
    video_file,
    video_sidecar,
)
from rushes.tasks.operations.sources.openpack.source import OpenPack
from rushes.tasks.operations.sources.openpack.tables import load_label_set

WriteSession = Callable[..., Path]
LABELS = load_label_set("openpack")


def inventory(root: Path, media: str) -> Inventory:
    source = OpenPack(LABELS, media)
    found = source.scan(root)
    return take_inventory(root, source.claims(found), found.root)


def told(found: Inventory) -> dict[tuple[str, str], int]:
    return {(line.fate, line.reason): line.files for line in found.lines}


def put(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_session_is_used_and_the_other_form_of_its_footage_is_skipped(write_session: WriteSession) -> None:
    root = write_session()
    assert told(inventory(root, "frames")) == {
        ("used", "frames"): 150,
        ("used", "annotation"): 1,
        ("skipped", "video; the recipe reads frames"): 2,
    }
    assert told(inventory(root, "video")) == {
        ("used", "annotation"): 1,
        ("used", "sidecars"): 1,
        ("used", "video"): 1,
        ("skipped", "frames; the recipe reads video"): 150,
    }


def test_files_of_a_session_at_fault_carry_its_reason(write_session: WriteSession) -> None:
    root = write_session()
    write_session(session="S0200", media=())
    assert told(inventory(root, "video"))[("faulty", "an annotation without its video")] == 1
    operations_csv(root, "U0101", "S0100").write_text("uuid\n")
    torn = [line for line in inventory(root, "frames").lines if line.fate == "faulty" and line.files == 151]
    assert [line.examples[0] for line in torn] == ["U0101/annotation/openpack-operations/S0100.csv"]


def test_what_lies_among_the_files_is_told_apart(write_session: WriteSession, tmp_path: Path) -> None:
    root = tmp_path / "given"
    shutil.copytree(write_session(media=("frames",)), root / "v1.0.0")
    frames = frames_dir(root / "v1.0.0", "U0101", "S0100")
    put(root / "README.md")
    put(root / "v1.0.0.zip")
    put(root / "v1.0.0/U0101/annotation/openpack-operations-1hz/S0100.csv")
    put(root / "v1.0.0/U0101/annotation/openpack-operations/notes.txt")
    put(root / "v1.0.0/U0101/e4/e401/acc/S0100.csv")
    put(root / "v1.0.0/U0101/notes/today.txt")
    put(root / "v1.0.0/U0999/readme.txt")
    put(frames / "Thumbs.db")
    put(frames / ".DS_Store")
    put(frames / "a\nb.txt")
    found = inventory(root, "frames")
    assert told(found) == {
        ("used", "frames"): 150,
        ("used", "annotation"): 1,
        ("skipped", "not used: annotation/openpack-operations-1hz"): 1,
        ("skipped", "not used: e4/e401"): 1,
        ("unread", ".txt"): 4,
        ("unread", ".db"): 1,
        ("unread", ".md"): 1,
        ("unread", ".zip"): 1,
        ("unread", "hidden"): 1,
    }
    assert all("\n" not in line for line in found.text())


def test_a_subject_that_is_a_link_to_another_disk_counts_with_its_files(
    write_session: WriteSession, tmp_path: Path
) -> None:
    away = write_session(media=("frames",))
    root = tmp_path / "links"
    root.mkdir()
    (root / "U0101").symlink_to(away / "U0101")
    assert told(inventory(root, "frames")) == {("used", "frames"): 150, ("used", "annotation"): 1}


def test_ends_of_a_session_are_noted_by_prepare_in_all_of_its_files(write_session: WriteSession) -> None:
    from rushes.stages import Claim

    closed = inventory(write_session(), "frames").settle({"U0101_S0100": Claim("empty", "too short")})
    assert told(closed) == {("empty", "too short"): 151, ("skipped", "video; the recipe reads frames"): 2}


STRANGE = (
    "notes.txt",
    ".DS_Store",
    "Thumbs.db",
    "a.m4a",
    "S0900.csv",
    "S0900.mp4",
    "S0100.json",
    "é ü#.jpg",
    "x.JPG",
)


def spoil(root: Path, draw: random.Random) -> None:
    """Take some files away, tear some, and put strange ones everywhere."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in draw.sample(files, draw.randrange(5)):
        draw.choice([path.unlink, lambda path=path: path.write_bytes(b"torn")])()
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    for _ in range(draw.randrange(30)):
        put(draw.choice(folders) / draw.choice(("", "deeper", ".hidden")) / draw.choice(STRANGE))


@pytest.mark.parametrize("seed", range(30))
def test_lines_add_up_in_folders_of_mixed_content(
    seed: int, write_session: WriteSession, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    for user in ("U0101", "U0102"):
        for session in ("S0100", "S0200")[: draw.randrange(1, 3)]:
            write_session(
                user, session, media=draw.choice((("frames",), ("video",), ("frames", "video"), ()))
            )
    root = tmp_path / "raw"
    spoil(root, draw)
    files = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    for source in (OpenPack(LABELS, "frames"), OpenPack(LABELS, "video"), FileSource("**/*.csv")):
        try:
            found = source.scan(root)
        except SourceError:
            continue
        taken = take_inventory(root, source.claims(found), found.root)
        assert sum(line.files for line in taken.lines) == len(files)
        assert sum(line.bytes for line in taken.lines) == sum(path.stat().st_size for path in files)
        used = {claim.recording for claim in taken.of if claim.fate == "used"}
        keys = {getattr(one, "key", None) or one.stem for one in found.recordings}
        assert used == keys


def test_every_file_that_is_read_of_a_recording_is_used(write_session: WriteSession) -> None:
    root = write_session()
    for media, files in {
        "video": [video_file(root, "U0101", "S0100"), video_sidecar(root, "U0101", "S0100")],
        "frames": sorted(frames_dir(root, "U0101", "S0100").rglob("*.jpg")),
    }.items():
        source = OpenPack(LABELS, media)
        claims = source.claims(source.scan(root))
        for path in [*files, operations_csv(root, "U0101", "S0100")]:
            claim = claims(path.relative_to(root).as_posix())
            assert claim is not None
            assert (claim.fate, claim.recording) == ("used", "U0101_S0100")
