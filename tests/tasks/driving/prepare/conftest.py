"""Jobs on the drawn drives, and drives that are damaged."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.shards.read import ShardDataset
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.prepare.unit import Job
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip
from rushes.tasks.driving.sources.physical_ai_av.source import scan

Table = dict[str, np.ndarray]


@dataclass(frozen=True)
class Raw:
    """A copy of the twin that may be damaged."""

    root: Path

    def archive(self, feature: str, chunk: int) -> Path:
        folder = "labels" if feature == "egomotion" else "camera"
        return self.root / folder / feature / f"{feature}.chunk_{chunk:04d}.zip"

    def rewrite(self, feature: str, chunk: int, name: str, change: Callable[[bytes], bytes | None]) -> None:
        """Pack an archive again, with a member changed or, for None, left out."""
        path = self.archive(feature, chunk)
        with zipfile.ZipFile(path) as archive:
            content = {found: archive.read(found) for found in archive.namelist()}
        content[name] = change(content[name])
        with zipfile.ZipFile(path, "w") as archive:
            for found, data in content.items():
                if data is not None:
                    archive.writestr(found, data)

    def edit(self, recording: Clip, feature: str, change: Callable[[Table], Table]) -> None:
        """Change the table of a feature: a camera's timestamps, or the poses."""
        end = "parquet" if feature == "egomotion" else "timestamps.parquet"
        name = f"{recording.key}.{feature}.{end}"
        self.rewrite(feature, recording.chunk, name, partial(_edited, change=change))

    def recording(self, key: str, cameras: tuple[str, ...]) -> Clip:
        return next(found for found in scan(self.root, cameras).recordings if found.key == key)


def _edited(data: bytes, change: Callable[[Table], Table]) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    columns = {name: table[name].to_numpy().copy() for name in table.column_names}
    sink = io.BytesIO()
    pq.write_table(pa.table(change(columns)), sink)
    return sink.getvalue()


@pytest.fixture
def raw(road_twin: Any, tmp_path: Path) -> Raw:
    return Raw(Path(shutil.copytree(road_twin.root, tmp_path / "raw")))


@pytest.fixture(scope="session")
def drives(road_twin: Any, drives_contract: RigPreprocessing) -> tuple[Clip, ...]:
    """The recordings that lack nothing."""
    return scan(road_twin.root, drives_contract.setup.cameras).recordings


@pytest.fixture
def make_job(drives: tuple[Clip, ...], drives_contract: RigPreprocessing, tmp_path: Path) -> Callable:
    def make(
        recording: Clip = drives[0], preprocessing: RigPreprocessing = drives_contract, **changed: Any
    ) -> Job:
        asked = PrepareWindows(stride=4).model_copy(update={"shard_bytes": 50_000_000, **changed})
        return Job(recording, "test", tmp_path / "dataset", preprocessing, asked)

    return make


@dataclass(frozen=True)
class Stored:
    """A sample as it lies in its shard."""

    key: str
    fields: Mapping[str, bytes]

    @property
    def meta(self) -> dict[str, Any]:
        return json.loads(self.fields["meta.json"])

    @property
    def target(self) -> dict[str, list[float]]:
        return json.loads(self.fields["target.json"])

    @property
    def signals(self) -> np.ndarray:
        return np.load(io.BytesIO(self.fields["signals.npy"]), allow_pickle=False)

    @property
    def sample(self) -> Sample:
        return Sample.of(self.key, self.fields)


@pytest.fixture(scope="session")
def read_samples() -> Callable[[Job, Mapping], list[Stored]]:
    def read(job: Job, receipt: Mapping) -> list[Stored]:
        home = job.folder / "shards" / job.split
        dataset = ShardDataset.of_shards([home / shard["name"] for shard in receipt["shards"]], check=True)
        return [
            Stored(dataset.key(n), {name: bytes(data) for name, data in dataset.sample(n).items()})
            for n in range(len(dataset))
        ]

    return read
