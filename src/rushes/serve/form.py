"""A multipart form, read as it comes: files go to disk at once, and what is kept in memory is bounded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from rushes.serve.refusal import Refusal

MOST_FIELDS = 100
MOST_VALUE_BYTES = 64_000
"""Of the values of all fields that are no file, together."""
MOST_HEADERS, MOST_HEADER_BYTES = 8, 2048
"""Of a part, and of each header of it."""
logging.getLogger("python_multipart").setLevel(
    logging.ERROR
)  # of a broken form the client is told, not the log

LABEL = 100
"""Characters of a client's name of a file that are kept, to be shown."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came.

    Attributes:
        field: its name in the form.
        path: where it lies.
        label: what the client calls it, without folders and suffix, printable; nothing on disk is called so.
    """

    field: str
    path: Path
    label: str


class FormReader:
    """Takes the bytes of a form in any pieces; call `finish` after the last, and `close` whatever happens.

    Args:
        content_type: the header.
        takes: names of fields that hold a file -> whether it must be there.
        most: files of each name.

    Raises:
        Refusal: 415 ``not_multipart``.

    Attributes:
        folder: where files go.
        uploads: files that have begun to come.
    """

    def __init__(self, content_type: str, takes: Mapping[str, bool], most: int = 1) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 256:
            raise Refusal(
                415,
                "not_multipart",
                f"files come as multipart/form-data with a boundary, not as {content_type[:80]!r}",
                cure="curl -F file=@clip.mp4 sends it so",
            )
        self.folder = Path()
        self.uploads: list[Upload] = []
        self._takes, self._most = takes, most
        self._values: dict[str, bytearray] = {}
        self._held = 0
        self._ended = False
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._into: BinaryIO | bytearray | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._end_all,
            },
            max_header_count=MOST_HEADERS,
            max_header_size=MOST_HEADER_BYTES,
        )

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            Refusal: they are no form, or one that is not taken.
            OSError: the disk takes no more.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken(str(error)) from None

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            Refusal: 400 ``bad_multipart``, it stops in the middle; 422 ``missing_file``.
        """
        self.close()
        if not self._ended:
            raise _broken("it stops before its last boundary")
        missing = [name for name, must in self._takes.items() if must and name not in self._fields()]
        if missing:
            raise Refusal(
                422,
                "missing_file",
                f"no file came as {', '.join(missing)}",
                cure=f"curl -F {missing[0]}=@PATH sends one",
            )

    def close(self) -> None:
        """Close the file that is being written, if any.

        Raises:
            OSError: the disk did not take its last bytes.
        """
        into, self._into = self._into, None
        if into is not None and not isinstance(into, bytearray):
            into.close()

    def values(self) -> dict[str, str]:
        """Name -> value of the fields that are no files.

        Raises:
            Refusal: 400 ``bad_multipart``, one is no UTF-8.
        """
        return {name: _text(value) for name, value in self._values.items()}

    # --- what the parser calls ------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _broken("a part has no Content-Disposition: form-data with a name")
        name, filename = _text(options[b"name"]), options.get(b"filename")
        if filename is not None:
            self._into = self._new_file(name, filename)
        elif name in self._takes:
            raise Refusal(
                422,
                "not_a_file",
                f"{name} came as text",
                cure=f"curl -F {name}=@PATH sends a file",
            )
        elif len(self._values) >= MOST_FIELDS:
            raise Refusal(422, "too_many_fields", f"more than {MOST_FIELDS} fields came that are no files")
        elif name in self._values:
            raise Refusal(422, "twice", f"{name[:LABEL]!r} came more than once", cure="send it once")
        else:
            self._hold(len(name))
            self._into = self._values[name] = bytearray()

    def _new_file(self, name: str, filename: bytes) -> BinaryIO:
        if name not in self._takes:
            raise Refusal(
                422,
                "unknown_file",
                f"a file came as {name[:LABEL]!r}; files are taken as {', '.join(self._takes) or 'nothing'}",
                cure=f"send it as -F {next(iter(self._takes))}=@PATH" if self._takes else "send no file",
            )
        if self._fields().count(name) >= self._most:
            count = "one file" if self._most == 1 else f"{self._most:,} files"
            raise Refusal(
                422,
                "too_many_files",
                f"{count} can come as {name}, and at least {self._most + 1:,} came",
                cure="send the others in requests of their own",
            )
        path = self.folder / str(len(self.uploads))
        file = path.open("xb")
        self.uploads.append(Upload(name, path, _label(filename)))
        return file

    def _data(self, data: bytes, start: int, end: int) -> None:
        if isinstance(self._into, bytearray):
            self._hold(end - start)
            self._into += data[start:end]
        elif self._into is not None:
            self._into.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self.close()

    def _end_all(self) -> None:
        self._ended = True

    def _hold(self, nbytes: int) -> None:
        self._held += nbytes
        if self._held > MOST_VALUE_BYTES:
            raise Refusal(
                422, "too_many_fields", f"fields that are no files hold more than {MOST_VALUE_BYTES} bytes"
            )

    def _fields(self) -> list[str]:
        return [upload.field for upload in self.uploads]


def _broken(why: str) -> Refusal:
    return Refusal(400, "bad_multipart", f"the form cannot be read: {why[:200]}", cure="send it again, whole")


def _text(value: bytes | bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _broken("a name or a value is no UTF-8") from None


def _label(filename: bytes) -> str:
    stem = PurePosixPath(filename.decode("utf-8", "replace").replace("\\", "/")).stem
    return "".join(sign for sign in stem if sign.isprintable())[:LABEL]
