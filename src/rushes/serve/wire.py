"""What a decoding process and its server tell each other: frames of a kind, a JSON head and raw bytes.

The server trusts nothing that comes: no pickle, no length without a bound, no name that it did not check.
"""

from __future__ import annotations

import json
import re
import socket
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from types import UnionType
from typing import Any, Final, Literal, cast, get_args

from rushes.runs.door.contract import Part

Kind = Literal["ready", "about", "part", "end", "error"]

MAX_HEAD: Final = 1 << 20
"""Bytes of JSON."""
MAX_BODY: Final = 256 << 20
"""Bytes of all members of a part."""
MAX_MEMBERS: Final = 1024
MAX_NAME: Final = 256
"""Characters of a key or of a member's name."""
MAX_PARTS: Final = 1_000_000

_RATE = re.compile(r"[1-9][0-9]{0,9}(/[1-9][0-9]{0,9})?")
_SIZES = Struct("!BIQ")  # number of the kind, bytes of the head, bytes of the body
_KINDS: tuple[Kind, ...] = get_args(Kind)


class Broken(Exception):
    """The other side broke off, or said what cannot be said."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing said.

    Attributes:
        kind: what it is about.
        head: JSON.
        body: raw bytes.
    """

    kind: Kind
    head: Mapping[str, Any]
    body: bytes


def send(
    to: socket.socket, kind: Kind, head: Mapping[str, Any], body: Sequence[bytes | memoryview] = ()
) -> None:
    """Say it, and wait until it is taken, so that nobody runs ahead of whoever reads.

    Raises:
        ValueError: it is more than the other side takes.
    """
    text = json.dumps(head, allow_nan=False).encode()
    size = sum(memoryview(one).nbytes for one in body)
    if len(text) > MAX_HEAD or size > MAX_BODY:
        raise ValueError(
            f"a {kind} of {len(text):,} + {size:,} bytes; at most {MAX_HEAD:,} + {MAX_BODY:,} are taken"
        )
    to.sendall(_SIZES.pack(_KINDS.index(kind), len(text), size) + text)
    for one in body:
        to.sendall(one)


def send_part(to: socket.socket, part: Part) -> None:
    """Say a part: names and lengths in the head, contents behind it."""
    sizes = [[name, memoryview(content).nbytes] for name, content in part.members.items()]
    send(to, "part", {"key": part.key, "members": sizes}, tuple(part.members.values()))


async def receive(source: StreamReader) -> Frame:
    """The next frame.

    Raises:
        Broken: there is none, or it is none of ours.
    """
    try:
        number, nhead, nbody = _SIZES.unpack(await source.readexactly(_SIZES.size))
        if number >= len(_KINDS) or nhead > MAX_HEAD or nbody > MAX_BODY:
            raise Broken(f"a frame of kind {number} with {nhead:,} + {nbody:,} bytes")
        head = json.loads(await source.readexactly(nhead), parse_constant=_refuse)
        body = await source.readexactly(nbody)
    except (IncompleteReadError, ConnectionError) as error:
        raise Broken("it broke off") from error
    except (ValueError, RecursionError) as error:
        raise Broken("a head that is no JSON") from error
    if not isinstance(head, dict):
        raise Broken("a head that is no object")
    return Frame(_KINDS[number], head, body)


def parts_of(frame: Frame) -> int:
    """How many parts will come at most, by what is said of a recording as a whole.

    Raises:
        Broken: what is said cannot be.
    """
    parts, duration_s, fps = (frame.head.get(name) for name in ("parts", "duration_s", "fps"))
    if not isinstance(parts, int) or isinstance(parts, bool) or not 0 <= parts <= MAX_PARTS:
        raise Broken("it does not say how many parts there are")
    if duration_s is not None and not (_is_number(duration_s, int | float) and duration_s >= 0):
        raise Broken("a length that is no number")
    if fps is not None and not (isinstance(fps, str) and _RATE.fullmatch(fps)):
        raise Broken("a rate that is none")
    return parts


def part_of(frame: Frame) -> Part:
    """What a frame says of a part.

    Raises:
        Broken: names, lengths and contents do not agree.
    """
    key, members = frame.head.get("key"), frame.head.get("members")
    if not _is_name(key) or not isinstance(members, list) or len(members) > MAX_MEMBERS:
        raise Broken("a part without a key, or of too many members")
    contents: dict[str, bytes | memoryview] = {}
    place, view = 0, memoryview(frame.body)
    for name, size in _pairs(members):
        if name in contents or size > len(view) - place:
            raise Broken("members of one name, or longer than they are")
        contents[name] = view[place : place + size]
        place += size
    if place != len(view):
        raise Broken("bytes that belong to no member")
    return Part(cast(str, key), contents)


def _pairs(members: Iterable[Any]) -> Iterable[tuple[str, int]]:
    for member in members:
        match member:
            case [name, size] if _is_name(name) and _is_number(size, int) and size >= 0:
                yield name, size
            case _:
                raise Broken("a member without name and length")


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def _refuse(constant: str) -> None:
    raise ValueError(constant)
