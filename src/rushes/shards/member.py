"""JSON members of samples, in a form whose type any single sample tells.

HF ``datasets`` and Ray Data make a typed column of a member and take its type from the first few samples. A
list of mixed types has none, and a null or an empty list in the first samples has the wrong one for all that
follow. So there are none of these: what is absent is written as an empty text or as zeros, and said so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from rushes.errors import ShardError

_CURE = (
    "write an empty text or zeros for what is absent, objects for rows, and a text for what has no fixed form"
)


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


def _untyped(kind: pa.DataType, name: str) -> Iterator[str]:
    """Dotted names of what has no type in ``kind``."""
    if pa.types.is_struct(kind) and kind.num_fields:
        for field in kind:
            yield from _untyped(field.type, f"{name}.{field.name}".lstrip("."))
    elif pa.types.is_list(kind):
        yield from _untyped(kind.value_type, name)
    elif pa.types.is_null(kind) or pa.types.is_struct(kind):
        yield name or "the whole member"
