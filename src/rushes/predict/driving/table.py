"""Every variant's answers about windows beside the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa

from rushes.contract.driving import QUANTITIES
from rushes.predict.driving.answer import Answer, Answerer, question
from rushes.predict.variants import Variant
from rushes.prepare.driving.sample import Sample
from rushes.shards.read import ShardDataset

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("key", "variant", "split", "recording", "group")),
        *((name, pa.float64()) for name in ("window_start_s", "window_end_s", "speed_at_start_mps")),
        ("tags", pa.string()),
        *((f"truth_{name}", pa.float64()) for name in QUANTITIES),
        *((f"{name}{end}", pa.float64()) for name in QUANTITIES for end in ("", "_low", "_high")),
        ("reasoning", pa.string()),
        ("failure", pa.string()),
    ]
)
"""Units as in the names; times on the clip's clock; ``tags`` is a JSON object."""


def predict(
    answerers: Mapping[Variant, Answerer],
    windows: ShardDataset,
    split: str,
    seed: int,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    chunk: int = 64,
) -> pa.Table:
    """Ask every variant about every window of a split.

    Args:
        answerers: who answers as which variant.
        windows: the split.
        split: its name.
        seed: of the shuffled variant.
        on_progress: told questions done and planned.
        chunk: windows in memory at a time.

    Returns:
        A table of ``SCHEMA``, in the order of the variants and then of the windows.
    """
    done, total, rows = 0, len(answerers) * len(windows), []
    for variant, answerer in answerers.items():
        for start in range(0, len(windows), chunk):
            read = [_read(windows, number) for number in range(start, min(start + chunk, len(windows)))]
            answers = answerer.answer([question(sample, variant, seed) for sample in read])
            rows += [
                _row(sample, variant, split, answer) for sample, answer in zip(read, answers, strict=True)
            ]
            done += len(read)
            on_progress(done, total)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _read(windows: ShardDataset, number: int) -> Sample:
    return Sample.of(windows.key(number), windows.sample(number))


def _row(sample: Sample, variant: Variant, split: str, answer: Answer) -> dict[str, object]:
    meta, target = sample.meta, sample.target()
    row: dict[str, object] = {
        "key": sample.key,
        "variant": variant,
        "split": split,
        **{name: meta[name] for name in ("recording", "group", "window_start_s", "window_end_s")},
        "speed_at_start_mps": target["start_speed_mps"],
        "tags": json.dumps(meta["tags"], sort_keys=True),
        "reasoning": answer.reasoning,
        "failure": None,
    }
    for name in QUANTITIES:
        said = answer.quantities[name]
        row |= {f"truth_{name}": target[name], name: said.value}
        row |= {f"{name}_low": said.low, f"{name}_high": said.high}
    return row


def train_targets(windows: ShardDataset) -> Iterator[dict[str, float]]:
    """The right answers of the training split, for baselines that are fitted on them."""
    for number in range(len(windows)):
        yield _read(windows, number).target()
