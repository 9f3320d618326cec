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
        OSError: the machine refuses to read it.
    """
    path = folder / FILE
    cure = "run `rushes verify RECIPE --repair`"
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ShardError("no predictions: the file is missing", where=path, cure=cure) from None
    with file:
        try:
            return pq.read_table(file).select(schema.names).cast(schema)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:  # OSError: Arrow's for torn pages
            raise ShardError(f"no predictions: {error}", where=path, cure=cure) from error
