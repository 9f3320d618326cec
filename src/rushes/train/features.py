"""Outputs of a tower that does not learn, computed once for all epochs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from rushes.stages.files import fsync


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of inputs by name, in a mapped file: memory holds what was read of it lately.

    Attributes:
        rows: name of an input -> its row.
        values: (n, F) float32.
    """

    rows: dict[str, int]
    values: NDArray[np.float32]

    def of(self, names: Sequence[str]) -> Tensor:
        """Those of some inputs, (len(names), F) float32."""
        return torch.from_numpy(np.array(self.values[[self.rows[name] for name in names]]))


def features(path: Path, names: Sequence[str], embed: Callable[[range], Tensor], batch_size: int) -> Features:
    """Compute the features of all inputs, or take those that an earlier call has left whole.

    Args:
        path: ``.npy`` file; its name must tell all that the features depend on.
        names: of n different inputs, at least one.
        embed: places in ``names`` -> features (len, F).
        batch_size: inputs that are computed together; it decides the last bits.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, values = path.with_suffix(".tmp"), None
        for start in range(0, len(names), batch_size):
            places = range(start, min(start + batch_size, len(names)))
            with torch.no_grad():
                found = embed(places).float().cpu().numpy()
            if values is None:
                values = open_memmap(unfinished, "w+", np.float32, (len(names), found.shape[1]))
            values[places.start : places.stop] = found
        del values
        fsync(unfinished)
        os.replace(unfinished, path)
    return Features({name: row for row, name in enumerate(names)}, np.load(path, mmap_mode="r"))
