"""What was read of files is asked for again only once they have changed."""

from __future__ import annotations

import os
from pathlib import Path

from rushes.stages import RememberedFiles, RememberedHashes, sha256_file


class Reader:
    """Counts what it reads."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Path) -> list[str]:
        self.read.append(path.name)
        return [path.read_text()]


def test_a_file_is_read_again_once_it_has_changed(tmp_path):
    memory, reader = tmp_path / "memory.json", Reader()
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    for _ in range(2):
        files = RememberedFiles(memory)
        assert [files.of(tmp_path / name, reader) for name in ("a", "b")] == [["a"], ["b"]]
        files.keep()
    assert reader.read == ["a", "b"]
    (tmp_path / "a").write_text("A")
    os.utime(tmp_path / "a", ns=(1, 1))
    files = RememberedFiles(memory)
    assert [files.of(tmp_path / name, reader) for name in ("a", "b")] == [["A"], ["b"]]
    assert reader.read == ["a", "b", "a"]


def test_nothing_is_kept_without_a_folder_or_of_a_torn_memory(tmp_path):
    (tmp_path / "a").write_text("a")
    absent, reader = RememberedFiles(tmp_path / "none" / "memory.json"), Reader()
    absent.of(tmp_path / "a", reader)
    absent.keep()
    assert not (tmp_path / "none").exists()
    for torn in ("{", "[]", '{"%s": 3}' % (tmp_path / "a"), '{"%s": {"stamp": []}}' % (tmp_path / "a")):
        (tmp_path / "memory.json").write_text(torn)
        assert RememberedFiles(tmp_path / "memory.json").of(tmp_path / "a", reader) == ["a"]
    assert len(reader.read) == 5


def test_a_memory_is_written_only_when_something_is_new(tmp_path):
    (tmp_path / "a").write_text("a")
    memory = tmp_path / "memory.json"
    files = RememberedFiles(memory)
    files.of(tmp_path / "a", Reader())
    files.keep()
    before = memory.stat().st_ino
    again = RememberedFiles(memory)
    again.of(tmp_path / "a", Reader())
    again.keep()
    assert memory.stat().st_ino == before


def test_hashes_are_those_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    for _ in range(2):
        assert RememberedHashes(tmp_path / "hashes.json")(tmp_path / "a") == sha256_file(tmp_path / "a")
