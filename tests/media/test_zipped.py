from __future__ import annotations

import io
import os
import re
import shutil
import struct
import subprocess
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import MediaError
from rushes.media import zipped
from rushes.media.zipped import check_crc, mapped, members

CONTENT = {"a.mp4": bytes(range(256)) * 700, "b.parquet": b"PAR1", "empty": b""}


def write_zip(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of a name that stands twice
        for name, data in content.items():
            archive.writestr(name.removesuffix("#"), data)
    return path


class Pipe(io.BytesIO):
    def seek(self, *_: int) -> int:
        raise OSError("a pipe cannot seek")

    def tell(self) -> int:
        raise OSError("a pipe cannot tell")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "chunk.zip", CONTENT)


def read(path: Path) -> dict[str, bytes]:
    found = {}
    for member in members(path):
        with mapped(member) as view:
            check_crc(member, view)
            found[member.name] = bytes(view)
    return found


def patch(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def directory_entry(path: Path, name: str) -> int:
    """Where in the archive a member's entry in the directory begins."""
    return path.read_bytes().rindex(name.encode()) - 46


def test_members_are_found_in_place_and_read_as_they_were_written(archive: Path) -> None:
    assert read(archive) == CONTENT
    raw = archive.read_bytes()
    for member in members(archive):
        assert raw[member.offset : member.offset + member.size] == CONTENT[member.name]
        assert member.crc32 == zlib.crc32(CONTENT[member.name])
        assert str(member) == f"{archive}/{member.name}"


def test_the_view_is_read_only_and_ends_with_its_block(archive: Path) -> None:
    member = members(archive)[0]
    with mapped(member) as view:
        assert view.readonly
        assert view.nbytes == member.size
    with pytest.raises(ValueError, match="released"):
        view[0]


def test_a_slice_that_outlives_its_block_stays_readable(archive: Path) -> None:
    member = members(archive)[0]
    with mapped(member) as view:
        kept = view[5:8]
    assert bytes(kept) == b"\x05\x06\x07"


def test_an_error_of_the_block_is_not_lost_when_a_slice_is_held(archive: Path) -> None:
    held = []

    def fail() -> None:
        with mapped(members(archive)[0]) as view:
            held.append(view[:4])
            raise BufferError("mine")

    with pytest.raises(BufferError, match="mine"):
        fail()


@pytest.mark.skipif(shutil.which("unzip") is None or shutil.which("zip") is None, reason="no Info-ZIP")
def test_an_archive_by_info_zip_with_folders_and_extra_fields(tmp_path: Path) -> None:
    """Its local extra fields are longer than those of the directory, so no offset can be guessed."""
    for name, data in CONTENT.items():
        (tmp_path / "in/sub").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in/sub" / name).write_bytes(data)
    subprocess.run(["zip", "-q0r", "../a.zip", "."], cwd=tmp_path / "in", check=True)
    assert read(tmp_path / "a.zip") == {f"sub/{name}": data for name, data in CONTENT.items()}


def test_sizes_that_follow_the_data(tmp_path: Path) -> None:
    """A writer that cannot seek leaves checksum and sizes out of the header and appends them."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as opened:
        for name, data in CONTENT.items():
            opened.writestr(name, data)
    path = tmp_path / "a.zip"
    path.write_bytes(pipe.getvalue())
    assert struct.unpack_from("<H", path.read_bytes(), 6)[0] & 0x8
    assert read(path) == CONTENT


def test_an_archive_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A sparse file: a member of 4.5 GB of holes costs no disk, the one behind it needs zip64 offsets."""
    path, size = tmp_path / "large.zip", 4_500_000_000
    with zipfile.ZipFile(path, "w") as opened:
        with opened.open(zipfile.ZipInfo("head"), "w") as file:
            file.write(b"head")
        hole = zipfile.ZipInfo("hole")
        hole.header_offset, hole.CRC = opened.fp.tell(), 0
        hole.file_size = hole.compress_size = size
        opened.fp.write(hole.FileHeader())
        opened.fp.seek(size, os.SEEK_CUR)
        opened.filelist.append(hole)
        opened.NameToInfo["hole"] = hole
        opened.start_dir = opened.fp.tell()
        opened.writestr("tail", b"tail of it")
    if path.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("this file system writes holes out")
    head, hole_member, tail = members(path)
    assert (hole_member.size, tail.offset > size) == (size, True)
    for member, content in ((head, b"head"), (tail, b"tail of it")):
        with mapped(member) as view:
            check_crc(member, view)
            assert view == content
    with mapped(hole_member) as view:
        assert view[-1] == 0


def test_a_flipped_byte_is_found_by_its_checksum(archive: Path) -> None:
    member = members(archive)[0]
    patch(archive, member.offset + 1000, b"\xff")
    assert members(archive)[0] == member  # nothing but the checksum tells
    with mapped(member) as view, pytest.raises(MediaError) as caught:
        check_crc(member, view)
    assert f"{zlib.crc32(CONTENT['a.mp4']):08x}" in caught.value.message
    assert re.search(r"its bytes have [0-9a-f]{8}", caught.value.message)
    assert caught.value.where == f"{archive}/a.mp4"


@pytest.mark.parametrize("keep", [0, 10, 5000, -1, -30])
def test_a_cut_archive_is_refused(archive: Path, keep: int) -> None:
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(MediaError, match="cannot read it as a zip"):
        members(archive)


def test_an_archive_that_shrinks_after_it_was_read(archive: Path) -> None:
    member = members(archive)[0]
    os.truncate(archive, 5000)
    with pytest.raises(MediaError, match="it has changed"), mapped(member):
        pass
    archive.unlink()
    with pytest.raises(MediaError, match="cannot map"), mapped(member):
        pass


def test_no_archive(tmp_path: Path) -> None:
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(MediaError, match="no such archive"):
            members(path)


@pytest.mark.parametrize(
    "name", ["../a", "a/../b", "/etc/passwd", "a//b", "./a", "a\\b", "a\nb", "n" * 1025, "..", "a/./b"]
)
def test_names_that_are_no_plain_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="may not be called"):
        members(write_zip(tmp_path / "a.zip", {"fine": b"", name: b"x"}))


def test_a_name_with_a_hidden_end(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.mp4_b": b"x"})
    path.write_bytes(path.read_bytes().replace(b"a.mp4_b", b"a.mp4\0b"))
    with pytest.raises(MediaError, match="may not be called"):
        members(path)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="two members are called 'a'"):
        members(write_zip(tmp_path / "a.zip", {"a": b"x", "a#": b"y"}))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_compressed_member_is_refused_with_its_cure(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "a.zip", CONTENT, compression)
    with pytest.raises(MediaError, match=r"compressed \((deflate|lzma)\); only stored") as caught:
        members(path)
    assert caught.value.where == f"{path}/a.mp4"
    assert "zip -0" in caught.value.cure


def test_an_encrypted_member_is_refused(archive: Path) -> None:
    patch(archive, directory_entry(archive, "a.mp4") + 8, b"\x01\x00")
    with pytest.raises(MediaError, match="encrypted"):
        members(archive)


@pytest.mark.parametrize(
    ("at", "data"), [(0, b"PK\x05\x06"), (8, b"\x08\x00"), (14, b"\0\0\0\0"), (26, b"\x09"), (30, b"x")]
)
def test_a_header_that_contradicts_the_directory(archive: Path, at: int, data: bytes) -> None:
    patch(archive, at, data)
    with pytest.raises(MediaError, match="at byte 0 stands no header that agrees"):
        members(archive)


def test_offsets_outside_of_the_file(archive: Path) -> None:
    for offset in (1 << 31, 0xFFFFFFFE):
        patch(archive, directory_entry(archive, "b.parquet") + 42, struct.pack("<I", offset))
        with pytest.raises(MediaError, match="stands no header that agrees"):
            members(archive)


def test_a_directory_that_puts_members_before_the_file(archive: Path) -> None:
    """The end record's claim where the directory starts moves all offsets, here below zero."""
    raw = archive.read_bytes()
    patch(archive, raw.rindex(b"PK\5\6") + 16, struct.pack("<I", raw.index(b"PK\1\2") + 60))
    with pytest.raises(MediaError, match="at byte -60 stands no header"):
        members(archive)


def test_members_that_overlap(archive: Path) -> None:
    """The first member's declared size reaches into the second: the trick of small bombs."""
    size = struct.pack("<2I", len(CONTENT["a.mp4"]) + 20, len(CONTENT["a.mp4"]) + 20)
    patch(archive, directory_entry(archive, "a.mp4") + 20, size)
    with pytest.raises(MediaError, match=r"'a\.mp4' should end at byte \d+, 'b\.parquet' starts at byte"):
        members(archive)


def test_a_member_that_reaches_into_the_directory(archive: Path) -> None:
    patch(archive, directory_entry(archive, "empty") + 20, struct.pack("<2I", 10, 10))
    with pytest.raises(MediaError, match=r"'empty' should end at byte \d+, the zip directory starts"):
        members(archive)


def test_a_directory_of_an_absurd_size(archive: Path) -> None:
    """The end record declares a directory of 3 GB; it must not be allocated to find out."""
    os.truncate(archive, 3 << 30)
    end = archive.stat().st_size
    with archive.open("ab") as file:
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, end - 10, 10, 0))
    with pytest.raises(MediaError, match="33,554,432 bytes accepted, found 3,2"):
        members(archive)


def test_an_absurd_count_of_members(tmp_path: Path) -> None:
    names = {f"{index}": b"" for index in range(zipped.MAX_MEMBERS + 1)}
    with pytest.raises(MediaError, match="at most 100,000 members accepted, found 100,001"):
        members(write_zip(tmp_path / "a.zip", names))


def test_a_directory_that_hides_members(archive: Path) -> None:
    """A comment said to be long enough to swallow the next entry."""
    at = directory_entry(archive, "a.mp4")
    patch(archive, at + 32, struct.pack("<H", directory_entry(archive, "empty") - at - 46 - len("a.mp4")))
    with pytest.raises(MediaError, match="lies a member that the zip directory does not list"):
        members(archive)


def test_damage_anywhere_is_an_error_or_does_no_harm(archive: Path) -> None:
    """Each byte of headers and directory, flipped: a MediaError, or the very same files."""
    raw = archive.read_bytes()
    start, length = members(archive)[0].offset, len(CONTENT["a.mp4"])
    for at in [*range(start), *range(start + length, len(raw))]:
        patch(archive, at, bytes([raw[at] ^ 0xFF]))
        try:
            found = read(archive)
        except MediaError:
            found = CONTENT
        assert list(found.values()) == list(CONTENT.values())
        patch(archive, at, raw[at : at + 1])


def test_what_the_machine_refuses_is_no_damage(archive: Path, no_file_opens: Callable) -> None:
    member = members(archive)[0]
    for refused in (lambda: members(archive), lambda: mapped(member).__enter__()):
        with pytest.raises(OSError, match="Too many open files"), no_file_opens():
            refused()
