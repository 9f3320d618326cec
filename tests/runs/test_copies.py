"""Copies across sides: found by bytes, read only where sizes agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rushes.runs.copies import NAMED, Copies, Holding, copies_of, holdings


def put(folder: Path, **content: bytes) -> list[Path]:
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def names_of(recordings: Iterable[tuple[str, str, list[Path]]]) -> list[str]:
    return [name for _, name, _ in held(recordings)]


def held(recordings: Iterable[tuple[str, str, list[Path]]]) -> Iterator[Holding]:
    return holdings((side, name, lambda files=files: files) for side, name, files in recordings)


def test_recordings_of_several_files_are_copies_where_all_bytes_are_the_same(tmp_path):
    first = put(tmp_path / "first", a=b"one", b=b"four")
    renamed = put(tmp_path / "renamed", c=b"one", d=b"four")
    other = put(tmp_path / "other", a=b"one", b=b"five")
    turned = put(tmp_path / "turned", a=b"four", b=b"one")
    recordings = [("train", "first", first), ("test", "renamed", renamed)]
    recordings += [("test", "other", other), ("test", "turned", turned)]
    assert copies_of(held(recordings)) == Copies(1, (("renamed", "first"),))


def test_only_files_whose_sizes_another_side_has_are_read(tmp_path):
    alike, alone = put(tmp_path / "alike", a=b"1", b=b"2"), put(tmp_path / "alone", c=b"333")
    recordings = [("train", "a", alike[:1]), ("test", "b", alike[1:]), ("train", "c", alone)]
    alone[0].chmod(0)  # for whoever is not root; the names tell it to all
    assert names_of(recordings) == ["a", "b"]


def test_copies_within_a_side_are_none_and_not_all_are_named():
    assert copies_of(("train", str(number), 0) for number in range(9)) == Copies()
    many = copies_of([("train", "first", 0), *(("test", str(number), 0) for number in range(30))])
    assert (many.count, len(many.named)) == (30, NAMED)
    assert len(many.lines("video")) == NAMED + 1


def test_what_does_not_hold_is_nobodys_copy(tmp_path):
    good = put(tmp_path / "good", a=b"1234")
    gone, folder = tmp_path / "gone.mp4", tmp_path / "folder.mp4"
    gone.symlink_to(tmp_path / "nowhere")
    folder.mkdir()
    size = b"1" * folder.stat().st_size
    same = put(tmp_path / "same", a=size)
    recordings = [("train", "good", good), ("train", "same", same), ("test", "gone", [gone])]
    recordings += [("test", "folder", [folder])]
    assert names_of(recordings) == ["same"]
