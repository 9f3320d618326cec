"""Sides of finished datasets, to be held against each other: none may be measured that somebody learnt from."""

from __future__ import annotations

from rushes.prepare.stage import RECORDINGS
from rushes.shards.manifest import load_manifest
from rushes.shards.overlap import Side
from rushes.shards.read import ShardDataset
from rushes.stages import StageSpec, read_json
from rushes.storage import Workspace


def side_of(workspace: Workspace, dataset: StageSpec, name: str) -> Side | None:
    """A side of a finished dataset; None where it has nothing there.

    Raises:
        StageError, ShardError: the dataset is not finished or does not hold.
    """
    folder = workspace.bring(dataset)
    if not load_manifest(folder).splits.get(name):
        return None
    samples = ShardDataset.open(folder, name, opener=workspace.opener(dataset))
    split_of = {one["key"]: one["split"] for one in read_json(folder / RECORDINGS)}
    return Side.of(name, samples, split_of)
