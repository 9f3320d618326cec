"""Recordings elsewhere become a folder here: brought once, again where they changed, never half."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import fsspec
import pytest

from rushes.errors import StorageError
from rushes.storage.client import PATIENCE
from rushes.storage.recordings import ALLOW, bring_recordings
from rushes.storage.remote import Mark, Remote
from rushes.storage.s3 import S3Files

FILES = {"U0101/operations.csv": b"a,b\n1,2\n", "U0101/video.mp4": bytes(range(256)) * 300, "empty": b""}


@pytest.fixture(autouse=True)
def _all_places_of_these_tests_are_allowed(monkeypatch):
    monkeypatch.setenv(ALLOW, "file,memory")


@pytest.fixture
def there(remote: Remote) -> Remote:
    for name, content in FILES.items():
        remote.put_bytes(content, name)
    return remote


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def inodes(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in root.rglob("*") if path.is_file()}


def test_all_files_come_once(there, tmp_path):
    root = bring_recordings(there.url, tmp_path)
    assert content(root) == FILES
    first = inodes(root)
    assert bring_recordings(there.url + "/", tmp_path) == root
    assert inodes(root) == first
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in root.rglob("*") if path.is_file())


def test_each_place_has_its_own_folder(there, tmp_path):
    there.put_bytes(b"1", "part/a")
    whole, part = (bring_recordings(each.url, tmp_path) for each in (there, there.child("part")))
    assert content(part) == {"a": b"1"}
    assert content(whole) == FILES | {"part/a": b"1"}


def test_what_changed_is_brought_again_and_what_is_gone_goes(there, tmp_path):
    root = bring_recordings(there.url, tmp_path)
    first = inodes(root)
    time.sleep(0.01)  # file systems without an ETag tell versions by their time
    there.put_bytes(b"A,b\n1,2\n", "U0101/operations.csv")  # of the same size
    there.remove("empty")
    there.put_bytes(b"new", "U0102/new")
    bring_recordings(there.url, tmp_path)
    expected = FILES | {"U0101/operations.csv": b"A,b\n1,2\n", "U0102/new": b"new"}
    del expected["empty"]
    assert content(root) == expected
    assert inodes(root)["video.mp4"] == first["video.mp4"]


def test_what_is_damaged_or_deleted_here_is_brought_again(there, tmp_path):
    root = bring_recordings(there.url, tmp_path)
    (root / "U0101/operations.csv").unlink()
    os.truncate(root / "U0101/video.mp4", 100)
    (root / "stranger").write_bytes(b"1")
    bring_recordings(there.url, tmp_path)
    assert content(root) == FILES


def test_copies_of_unknown_version_are_not_trusted(there, tmp_path):
    root = bring_recordings(there.url, tmp_path)
    (root / "U0101/operations.csv").unlink()
    (root / "U0101/operations.csv").write_bytes(b"of one size"[:8])
    (root.parent / "remote.json").write_text("{]")
    bring_recordings(there.url, tmp_path)
    assert content(root) == FILES


def test_only_what_is_wanted_comes_and_stays_when_others_want_less(there, tmp_path):
    root = bring_recordings(there.url, tmp_path, lambda name: name.endswith(".csv"))
    assert list(content(root)) == ["U0101/operations.csv"]
    first = inodes(root)
    assert content(bring_recordings(there.url, tmp_path)) == FILES
    assert content(bring_recordings(there.url, tmp_path, lambda name: False)) == FILES
    assert inodes(root)["operations.csv"] == first["operations.csv"]


def test_several_processes_share_one_transfer(there, tmp_path):
    roots: list[Path] = []
    threads = [
        threading.Thread(target=lambda: roots.append(bring_recordings(there.url, tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 4
    assert content(roots[0]) == FILES
    assert [path for path in roots[0].rglob(".*")] == []


def test_nothing_there_is_an_error(remote, tmp_path):
    with pytest.raises(StorageError, match="no recordings") as caught:
        bring_recordings(remote.url, tmp_path)
    assert caught.value.where == remote.url


def test_files_that_change_on_the_way_are_refused_and_not_kept(there, tmp_path):
    """A writer replaces a file after the list was made and before it is brought."""

    def replace(name: str) -> bool:
        time.sleep(0.01)
        if name == "U0101/video.mp4":
            there.put_bytes(b"written now", name)
        return True

    with pytest.raises(StorageError, match="1 of 3 files did not arrive as they were listed") as caught:
        bring_recordings(there.url, tmp_path, replace)
    assert caught.value.where == f"{there.url}/U0101/video.mp4"
    assert content(bring_recordings(there.url, tmp_path)) == FILES | {"U0101/video.mp4": b"written now"}


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/raw", "s3://key:secret@bucket/raw/../x"])
def test_no_error_shows_credentials(url, tmp_path):
    with pytest.raises(StorageError) as caught:
        bring_recordings(url, tmp_path)
    assert "secret" not in str(caught.value)
    assert "key" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_credentials_are_said_so_and_not_shown(s3, monkeypatch, tmp_path):
    s3.put_bytes(b"1", "a")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
        patch.setenv(PATIENCE, "0")
        S3Files.clear_instance_cache()
        with pytest.raises(StorageError, match="cannot list") as caught:
            bring_recordings(s3.url, tmp_path)
    S3Files.clear_instance_cache()
    assert "very-secret" not in str(caught.value)


def test_a_mark_takes_what_the_file_system_has():
    assert Mark.of({"size": 3, "ETag": '"x"', "LastModified": 5}) == Mark(3, '"x"')
    assert Mark.of({"size": 3, "mtime": 5.5}) == Mark(3, "5.5")
    assert Mark.of({"size": 3}) == Mark(3, "")


@pytest.mark.parametrize("name", ["a/snore [1].wav", "what?.wav", "**.wav", "100%25 #2.wav", "Ünï çödé.wav"])
def test_names_are_taken_as_they_are(there, tmp_path, name):
    files = fsspec.core.url_to_fs(there.url)[0]
    path = f"{fsspec.core.strip_protocol(there.url)}/{name}"
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    files.pipe_file(path, b"ours")
    root = bring_recordings(there.url, tmp_path)
    assert content(root) == FILES | {name: b"ours"}
