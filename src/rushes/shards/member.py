"""Members of samples: JSON in a form whose type any single sample tells, and arrays that are read in place.

HF ``datasets`` and Ray Data make a typed column of a member and take its type from the first few samples. A
list of mixed types has none, and a null or an empty list in the first samples has the wrong one for all that
follow. So there are none of these: what is absent is written as an empty text or as zeros, and said so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from rushes.errors import ShardError

_CURE = (
    "write an empty text or zeros for what is absent, objects for rows, and a text for what has no fixed form"
)

_FLOATS = (np.dtype(np.float32), np.dtype(np.float16))
_HEADER_BYTES = 128  # of a .npy of two dimensions, whatever their sizes: numpy fills up to this


def json_member(record: Mapping[str, Any]) -> bytes:
    """The content of a JSON member, keys sorted.

    >>> json_member({"label": "Tape", "frame_times_s": [0.0, 0.4]})
    b'{"frame_times_s": [0.0, 0.4], "label": "Tape"}'

    Raises:
        ShardError: a value is null, empty, not finite or of mixed types, so that its type cannot be told.
    """
    try:
        content = json.dumps(record, sort_keys=True, allow_nan=False)
        kind = pa.array([record]).type  # infer_type lets mixed lists pass
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise ShardError(f"a JSON member has a value without a type: {error}", cure=_CURE) from error
    if untyped := sorted(_untyped(kind, "")):
        raise ShardError(f"a JSON member has null or nothing in {', '.join(untyped)}", cure=_CURE)
    return content.encode()


def array_member(array: NDArray[np.floating]) -> bytes:
    """The content of a ``.npy`` member: an array (n, m), float32 or float16."""
    file = BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def read_array(data: bytes | memoryview) -> NDArray[np.floating]:
    """The array (n, m) of a ``.npy`` member, in the member's own memory, read-only.

    Raises:
        ValueError: it is something else.
    """
    shape, dtype = _header(bytes(data[:_HEADER_BYTES]))
    return np.frombuffer(data, dtype, offset=_HEADER_BYTES).reshape(shape)


@lru_cache(maxsize=64)
def _header(head: bytes) -> tuple[tuple[int, int], np.dtype]:
    """Shape and dtype that a .npy header tells: one for all samples of a dataset, so it is parsed once."""
    file = BytesIO(head)
    if npy.read_magic(file) != (1, 0):
        raise ValueError("not a .npy file of version 1.0")
    shape, fortran_order, dtype = npy.read_array_header_1_0(file)
    if dtype not in _FLOATS or fortran_order or len(shape) != 2 or file.tell() != _HEADER_BYTES:
        raise ValueError(f"expected float32 or float16 of two dimensions, found {dtype} {shape}")
    return shape, dtype


def _untyped(kind: pa.DataType, name: str) -> Iterator[str]:
    """Dotted names of what has no type in ``kind``."""
    if pa.types.is_struct(kind) and kind.num_fields:
        for field in kind:
            yield from _untyped(field.type, f"{name}.{field.name}".lstrip("."))
    elif pa.types.is_list(kind):
        yield from _untyped(kind.value_type, name)
    elif pa.types.is_null(kind) or pa.types.is_struct(kind):
        yield name or "the whole member"
