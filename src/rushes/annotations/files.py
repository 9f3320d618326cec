"""Label files as text, JSON and XML: untrusted, so bounded in size, and nothing in them is expanded."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from rushes.errors import SourceError, unreadable_as

MAX_BYTES = 256_000_000
HEAD_BYTES = 1 << 16

_WHOLE = "restore the file, or export it again"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path) -> bytes:
    """All of a label file.

    Raises:
        SourceError: it cannot be read, or is larger than 256 MB.
    """
    with unreadable_as(SourceError, "the labels cannot be read", where=path), Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SourceError(
            f"a label file of more than {MAX_BYTES:,} bytes", where=path, cure="split it by recordings"
        )
    return data


def encoding_of(data: bytes) -> str:
    r"""By the byte order mark, and by the zeros of UTF-16 without one; else UTF-8.

    >>> encoding_of("a\tb".encode("utf-16-le")), encoding_of(b"a;b")
    ('utf-16-le', 'utf-8')
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    if data[1:2] == b"\0" and data[:1] != b"\0":
        return "utf-16-le"
    return "utf-16-be" if data[:1] == b"\0" and data[1:2] != b"\0" else "utf-8"


def decode(data: bytes, where: object) -> str:
    r"""Text of a label file, with every end of a line as ``\\n``.

    Raises:
        SourceError: neither UTF-8 nor UTF-16.
    """
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(
            f"the labels are neither UTF-8 nor UTF-16: {error.reason} at byte {error.start:,}",
            where=f"{where}:{line}",
            cure="save the file as UTF-8",
        ) from None
    if "\0" in text:
        raise SourceError("the labels are no text: a zero byte", where=where, cure=_WHOLE)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """Text of the label file at ``path``; see `read_bytes` and `decode`."""
    return decode(read_bytes(path), path)


def read_head(path: Path) -> str:
    """The beginning of a file as text, ``PAR1`` of Parquet; empty where it is no text.

    Raises:
        SourceError: it cannot be read.
    """
    with unreadable_as(SourceError, "the labels cannot be read", where=path), Path(path).open("rb") as file:
        data = file.read(HEAD_BYTES)
    if data.startswith(b"PAR1"):
        return "PAR1"
    text = data.decode(encoding_of(data), errors="ignore")
    return "" if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        SourceError: it is not JSON, or nests too deep to be labels.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise SourceError(f"not JSON: {str(error)[:200]}", where=f"{path}:{line}", cure=_WHOLE) from None


def listed(value: Any, where: str) -> list[Any]:
    """A list that stands in JSON; an empty one for null.

    Raises:
        SourceError: it is something else.
    """
    return _of_kind(value, list, "list", where) or []


def mapped(value: Any, where: str) -> dict[str, Any]:
    """An object that stands in JSON; an empty one for null.

    Raises:
        SourceError: it is something else.
    """
    return _of_kind(value, dict, "object", where) or {}


def number_in(value: Any, where: str) -> float | None:
    """A number that stands in JSON, such as a score; None for null.

    Raises:
        SourceError: it is something else, or beyond what computers count with.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise SourceError(f"no number: {str(value)[:40]}", where=where, cure=_WHOLE)
    return float(value)


def _of_kind(value: Any, kind: type, noun: str, where: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise SourceError(f"no JSON {noun}: {str(value)[:40]!r}", where=where, cure=_WHOLE)
    return value


_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Element(ElementTree.Element):
    """An element that knows its line."""

    line: int = 0


def read_xml(path: Path) -> Element:
    """The root of an XML file; each element has its line.

    Raises:
        SourceError: it is not XML, or declares a document type: entities can grow beyond any memory.
    """
    parser = expat.ParserCreate()
    builder = ElementTree.TreeBuilder(element_factory=Element)

    def begin(name: str, attributes: dict[str, str]) -> None:
        element = builder.start(name, attributes)
        assert isinstance(element, Element)
        element.line = parser.CurrentLineNumber

    def refuse(*_: object) -> None:
        raise SourceError(
            "an XML file of labels with a DOCTYPE is not read: what it declares can fill any memory",
            where=f"{path}:{parser.CurrentLineNumber}",
            cure="take the line <!DOCTYPE ...> out, or export the file again",
        )

    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
        root = builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two of a declared encoding
        line = getattr(error, "lineno", 1)
        raise SourceError(f"not XML: {error}", where=f"{path}:{line}", cure=_WHOLE) from None
    assert isinstance(root, Element)
    return root


def xml_bytes(root: ElementTree.Element) -> bytes:
    """An XML file, indented, UTF-8.

    Raises:
        SourceError: a character that XML 1.0 has no form for.
    """
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    if found := _NO_XML.search(text):
        raise SourceError(
            f"a character that XML cannot hold: {found[0]!r}",
            where=text[max(0, found.start() - 40) : found.start()],
            cure="take it out of the label, or write another format",
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def json_bytes(value: Any) -> bytes:
    """A JSON file, indented, UTF-8."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
