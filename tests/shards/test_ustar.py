from __future__ import annotations

import tarfile

import pytest

from rushes.errors import ShardError
from rushes.shards import ustar


def of_tarfile(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 123_456_789, ustar.MAX_SIZE])
@pytest.mark.parametrize("name", ["a.b", "U0108_S0100_t0012345_before.frame_00.jpg", "k" * 96 + ".jpg"])
def test_header_is_the_one_of_tarfile(name: str, size: int) -> None:
    block = ustar.header(name.encode(), size)
    assert block == of_tarfile(name, size)
    assert ustar.read_header(block) == (name.encode(), size)


@pytest.mark.parametrize(("name", "size"), [("k" * 97 + ".jpg", 1), ("", 1), ("a.b", ustar.MAX_SIZE + 1)])
def test_what_does_not_fit_is_refused(name: str, size: int) -> None:
    with pytest.raises(ShardError):
        ustar.header(name.encode(), size)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, b"L", b"x"]
)
def test_only_plain_files_are_read(kind: bytes) -> None:
    with pytest.raises(ShardError, match="plain file"):
        ustar.read_header(of_tarfile("a.jpg", 10, kind))


def test_no_flipped_byte_of_a_header_is_read() -> None:
    block = ustar.header(b"a.jpg", 1234)
    for place in range(ustar.BLOCK):
        flipped = bytearray(block)
        flipped[place] ^= 0x41
        with pytest.raises(ShardError):
            ustar.read_header(bytes(flipped))


@pytest.mark.parametrize("block", [b"", bytes(ustar.BLOCK), b"a" * 100])
def test_no_header_is_no_header(block: bytes) -> None:
    with pytest.raises(ShardError, match="not the header"):
        ustar.read_header(block)
