"""Shards and their index as strangers read them; needs the reader's package and nothing of ours. Started by formats.py.

    python formats_peer.py {webdataset,datasets,ray,duckdb} DATASET

Prints JSON: of duckdb the rows [split, label, samples]; of the others {"samples", "members", "json"}: how many
samples, how many of their members that are no JSON were decoded, and a hash over all JSON members by sample.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Sample = Mapping[str, Any]


def digest(samples: Iterator[Sample]) -> dict[str, Any]:
    """Fields of every sample -> what is compared; ``__key__`` is its key."""
    lines, members = [], 0
    for sample in samples:
        texts = {name: value for name, value in sample.items() if name.endswith(".json")}
        others = [value for name, value in sample.items() if "." in name and name not in texts]
        members += sum(value is not None for value in others)
        lines.append(json.dumps([sample["__key__"], texts], sort_keys=True))
    text = "\n".join(sorted(lines))
    return {"samples": len(lines), "members": members, "json": hashlib.sha256(text.encode()).hexdigest()}


def of_webdataset(folder: Path) -> Iterator[Sample]:
    import webdataset

    tars = sorted(map(str, folder.glob("shards/*/*.tar")))
    yield from webdataset.WebDataset(tars, shardshuffle=False).decode()


def of_datasets(folder: Path) -> Iterator[Sample]:
    import datasets

    datasets.disable_progress_bars()
    files = {place.name: str(place / "*.tar") for place in sorted(folder.glob("shards/*"))}
    with tempfile.TemporaryDirectory() as cache:
        for rows in datasets.load_dataset("webdataset", data_files=files, cache_dir=cache).values():
            yield from rows


def of_ray(folder: Path) -> Iterator[Sample]:
    import ray

    # A cluster of its own, whatever else runs on this machine.
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    tars = sorted(map(str, folder.glob("shards/*/*.tar")))
    yield from ray.data.read_webdataset(tars).iter_rows()
    ray.shutdown()


def of_duckdb(folder: Path) -> list[list[Any]]:
    import duckdb

    asked = f"""
        SELECT split, label, count(DISTINCT key) FROM '{folder}/shards/*/*.parquet'
        GROUP BY split, label ORDER BY split, label
    """
    return [list(row) for row in duckdb.sql(asked).fetchall()]


READERS = {"webdataset": of_webdataset, "datasets": of_datasets, "ray": of_ray}


if __name__ == "__main__":
    reader, dataset = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(of_duckdb(dataset) if reader == "duckdb" else digest(READERS[reader](dataset))))
