"""SHA256SUMS beside the recordings: read as sha256sum reads it, and never beyond its folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.runs.checksums import SUMS, mismatches, read_sums
from rushes.runs.raw_files import RawFiles
from rushes.stages import Claim

NAMES = ("a.mp4", "day 1/b c.csv", "day 1/ü#.jpg", "line\nbreak.txt", "back\\slash.txt")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
@pytest.mark.parametrize("options", [(), ("--binary",)])
def test_what_sha256sum_writes_is_read(root: Path, options: tuple[str, ...]) -> None:
    names = [f"./{name}" for name in NAMES]
    written = subprocess.run(
        ["sha256sum", *options, *names], cwd=root, capture_output=True, check=True
    ).stdout
    (root / SUMS).write_bytes(written)
    assert read_sums(root) == {name: sha256(name.encode()) for name in NAMES}
    assert list(mismatches(root)) == []


def test_a_changed_and_a_missing_file_are_named(root: Path) -> None:
    lines = [f"{sha256(name.encode())}  {name}" for name in NAMES[:3]]
    (root / SUMS).write_text("\n".join(lines) + "\n")
    (root / NAMES[1]).write_bytes(b"other")
    (root / NAMES[2]).unlink()
    told = []
    found = dict(mismatches(root, tell=lambda done, total, name: told.append((done, total, name))))
    assert found[NAMES[1]].startswith(f"has sha256 {sha256(b'other')[:12]}..., SHA256SUMS says")
    assert found[NAMES[2]] == "is missing, SHA256SUMS names it"
    assert found.keys() == set(NAMES[1:3])
    assert told == [(0, 3, "a.mp4"), (1, 3, NAMES[1]), (2, 3, NAMES[2]), (3, 3, "")]
    assert dict(mismatches(root, elsewhere={NAMES[2]})).keys() == {NAMES[1]}


def test_what_is_read_and_not_named_is_told(root: Path) -> None:
    def claims(name: str) -> Claim | None:
        return None if name == NAMES[0] else Claim("used", "recordings")

    files = RawFiles.of(root, root, claims, None)
    assert files.unlisted() == []
    (root / SUMS).write_text(f"{sha256(NAMES[1].encode())}  {NAMES[1]}\n")
    assert files.unlisted() == sorted(NAMES[2:])
    away = RawFiles.of(root, root, claims, [("elsewhere", 1), (NAMES[1], 1), (SUMS, 1)])
    assert away.unlisted() == ["elsewhere"]


def test_without_the_file_nothing_is_said(root: Path) -> None:
    assert list(mismatches(root)) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x", "not a line of sha256sum"),
        ("0" * 63 + "  a.mp4", "not a line of sha256sum"),
        ("0" * 64 + " a.mp4", "not a line of sha256sum"),
        ("0" * 64 + "  /etc/passwd", "leaves the folder: /etc/passwd"),
        ("0" * 64 + "  day/../../x", "leaves the folder"),
        ("0" * 64 + "  a.mp4\n" + "1" * 64 + "  ./a.mp4", "a.mp4 stands here with two hashes"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_place(root: Path, line: str, says: str) -> None:
    (root / SUMS).write_text(f"\n{line}\n")
    with pytest.raises(SourceError, match=says) as caught:
        read_sums(root)
    assert caught.value.where in (f"{root / SUMS}:2", f"{root / SUMS}:3")


def test_a_link_out_of_the_folder_is_no_file_of_it(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away")
    (away / "x").write_bytes(b"x")
    (root / "link").symlink_to(away / "x")
    (root / "folder").symlink_to(away)
    (root / "loop").symlink_to(root / "loop")
    (root / SUMS).write_text(
        "".join(f"{sha256(b'x')}  {name}\n" for name in ("link", "folder/x", "loop", "day 1"))
    )
    assert {name: reason for name, reason in mismatches(root)} == dict.fromkeys(
        ("link", "folder/x", "loop", "day 1"), "is no plain file below this folder"
    )
