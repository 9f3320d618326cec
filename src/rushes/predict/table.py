"""``predictions.parquet``: answers beside the truth, written once for all who read them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rushes.errors import ShardError
from rushes.stages import atomic_file

FILE = "predictions.parquet"


def write_predictions(table: pa.Table, folder: Path) -> None:
    """Write ``predictions.parquet`` whole or not at all."""
    with atomic_file(folder / FILE) as file:
        pq.write_table(table, file)


def read_predictions(folder: Path, schema: pa.Schema) -> pa.Table:
    """Read what :func:`write_predictions` wrote.

    Raises:
        ShardError: the file is missing, torn or of another form.
    """
    path = folder / FILE
    try:
        table = pq.read_table(path, memory_map=True)
        return table.select(schema.names).cast(schema)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ShardError(
            f"no predictions: {error}", where=path, cure="run `rushes predict RECIPE`"
        ) from error
