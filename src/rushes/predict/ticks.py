"""What a model says of a whole recording: a label and its probability tick after tick, and merged into stretches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rushes.errors import ShardError
from rushes.metrics.segments import runs
from rushes.stages import atomic_file

SCHEMA = pa.schema(
    [("start_s", pa.float64()), ("label", pa.string()), ("probabilities", pa.list_(pa.float64()))]
)
STRIDE, OFFSET = b"stride_s", b"offset_s"
"""What the metadata of a table says of all its ticks."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """A recording tick after tick.

    Attributes:
        stride_s: length of a tick: tick *i* stands for ``offset_s + [i, i + 1) * stride_s``, the first for
            what lies before it as well, the last for what lies behind it.
        names: the K labels.
        probabilities: (T, K) in [0, 1]; a row of nan where nothing could be asked.
        said: T labels, those that a reader is shown; None where nothing could be asked, and there alone.
    """

    stride_s: float
    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    said: tuple[str | None, ...]
    offset_s: float = 0.0

    @classmethod
    def of(
        cls,
        stride_s: float,
        names: Sequence[str],
        probabilities: NDArray[np.float64],
        offset_s: float = 0.0,
    ) -> Ticks:
        """Of the label that is the most probable at each tick."""
        said = (None if np.isnan(row).any() else names[int(row.argmax())] for row in probabilities)
        return cls(stride_s, tuple(names), probabilities, tuple(said), offset_s)

    def start_s(self, tick: int) -> float:
        """Where a tick starts on the recording's clock."""
        return self.offset_s + tick * self.stride_s if tick else 0.0

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(T,) where the model was asked."""
        return np.array([label is not None for label in self.said], dtype=np.bool_)

    def saying(self, said: Sequence[str | None]) -> Ticks:
        """The same with other labels; where nothing was asked there is none."""
        kept = (label if known else None for label, known in zip(said, self.asked, strict=True))
        return replace(self, said=tuple(kept))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ticks of one label in a row.

    Attributes:
        start_s, end_s: on the recording's clock.
        label: of all its ticks.
        confidence: mean probability of the label over its ticks.
        rival: the label that is the most probable beside it, on average; empty where there is no other.
        rival_confidence: likewise.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float
    rival: str
    rival_confidence: float


def stretches(ticks: Ticks, end_s: float, without: Collection[str] = ()) -> Iterator[Stretch]:
    """Runs of equal labels, in order.

    Args:
        ticks: of a recording.
        end_s: of the recording.
        without: labels that mean that nothing happens; they give no stretch.

    >>> ticks = Ticks.of(2.0, ("Tape", "Pack"), np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]))
    >>> [(one.start_s, one.end_s, one.label, round(one.confidence, 3)) for one in stretches(ticks, 7.5)]
    [(0.0, 4.0, 'Tape', 0.8), (4.0, 7.5, 'Pack', 0.8)]
    """
    for run in runs(ticks.said) if ticks.said else ():
        if run.label is None or run.label in without:
            continue
        means = ticks.probabilities[run.start : run.end].mean(axis=0)
        own = ticks.names.index(str(run.label))
        others = np.where(np.arange(len(means)) == own, -1.0, means)
        rival = int(others.argmax())
        yield Stretch(
            ticks.start_s(run.start),
            ticks.start_s(run.end) if run.end < len(ticks.said) else end_s,
            str(run.label),
            float(means[own]),
            ticks.names[rival] if rival != own else "",
            max(float(others[rival]), 0.0),
        )


def write_ticks(ticks: Ticks, path: Path) -> None:
    """Write a table of ``SCHEMA``, whole or not at all."""
    rows = [
        {
            "start_s": ticks.start_s(tick),
            "label": label,
            "probabilities": None if label is None else row,
        }
        for tick, (label, row) in enumerate(zip(ticks.said, ticks.probabilities.tolist(), strict=True))
    ]
    told = {STRIDE: repr(ticks.stride_s).encode(), OFFSET: repr(ticks.offset_s).encode()}
    with atomic_file(path) as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA.with_metadata(told)), file)


def read_ticks(path: Path, names: Sequence[str]) -> Ticks:
    """Read what `write_ticks` wrote.

    Args:
        path: of the table.
        names: the K labels, in the order of the probabilities.

    Raises:
        ShardError: the table is missing, torn or of another form.
    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        stride_s, offset_s = (float(table.schema.metadata[name]) for name in (STRIDE, OFFSET))
        table = table.select(SCHEMA.names).cast(SCHEMA)
        rows = table["probabilities"].to_pylist()
        filled = [[np.nan] * len(names) if row is None else row for row in rows]
        probabilities = np.array(filled, dtype=np.float64).reshape(len(rows), len(names))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ShardError(
            f"no table of ticks: {error}", where=path, cure="delete it, and type the same command again"
        ) from error
    return Ticks(stride_s, tuple(names), probabilities, tuple(table["label"].to_pylist()), offset_s)
