"""Files as the dataset that the twin of driving copies has them: parquet with an index, stored archives.

Nothing in them depends on the time or the machine, so the same content is the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rushes.stages import atomic_file, write_atomic

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of every member of an archive: the earliest that a zip can hold."""


def write_table(path: Path, columns: Mapping[str, Any], index: Sequence[str] = ()) -> None:
    """Write a parquet file whose first columns ``index`` are the index of the frame that pandas reads."""
    table = pa.table(dict(columns))
    if index:
        table = table.replace_schema_metadata({"pandas": _pandas_note(table.schema, index)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    write_atomic(path, sink.getvalue())


def pack(path: Path, members: Sequence[Path]) -> Path | None:
    """Write a flat archive of the files ``members``, stored and not compressed; None where there are none."""
    if not members:
        return None
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name, LONG_AGO)
            info.external_attr, info.create_system = 0o644 << 16, 3
            archive.writestr(info, member.read_bytes())
    return path


def _pandas_note(schema: pa.Schema, index: Sequence[str]) -> str:
    """The note by which pandas knows a file's index columns, in its own format."""
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": "unicode" if pa.types.is_string(field.type) else str(field.type),
            "numpy_type": str(np.dtype(field.type.to_pandas_dtype())),
            "metadata": None,
        }
        for field in schema
    ]
    note = {"index_columns": list(index), "column_indexes": [], "columns": columns, "pandas_version": "2.0"}
    return json.dumps(note)
