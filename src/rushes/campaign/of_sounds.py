"""What a campaign knows of sounds beside the contract: a test over clips, costs, guesses for a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.runs.sounds.run import SoundsRun
from rushes.stages import read_json

if TYPE_CHECKING:  # scipy stands behind it, which no plan waits for
    from rushes.metrics.intervals import Estimate

MACS_PER_S = 1.5e10
"""Multiplications with an addition that one thread does in a second of training: 13 to 19 thousand million
were measured on one core of a busy server."""

ASSUMED = {
    "twin": 0.01,
    "features": 0.02,
    "teacher": 1 / MACS_PER_S,
    "train": 1 / MACS_PER_S,
    "logits": 0.005,
    "predict": 0.005,
    "evaluate": 2.0,
    "export": 10.0,
    "report": 2.0,
}
"""Seconds for a unit of work: a clip, a multiplication in training, or the whole stage."""


def drawn(run: SoundsRun) -> dict[str, int] | None:
    """Clips on each side of a twin that is not drawn yet; None of recordings of one's own."""
    twin = run.recipe.twin
    own = run.recipe.source.root is not None
    return None if own else {side: getattr(twin, side) * twin.clips for side in ("train", "val", "test")}


def compare_macro_f1(ours: SoundsRun, theirs: SoundsRun, confidence: float) -> Estimate:
    """Difference of macro-F1 over the clips that both runs answered."""
    from rushes.evaluate.sounds.compare import compare_macro_f1
    from rushes.predict.sounds.table import SCHEMA
    from rushes.predict.table import read_predictions

    tables = [read_predictions(run.bring("predict"), SCHEMA) for run in (ours, theirs)]
    resamples = ours.recipe.evaluate.resamples
    return compare_macro_f1(*tables, ours.contract.labels, resamples=resamples, confidence=confidence)[0]


def deployed(run: SoundsRun) -> dict[str, float]:
    """What the net takes on its device, of the finished export."""
    from rushes.export.sounds import DEPLOY_FILE  # torch stands behind it

    found = read_json(run.folder("export") / DEPLOY_FILE)
    return {
        "parameters": found["parameters"],
        "macs": found["macs_per_clip"],
        "macs_per_s": found["macs_per_s"],
        "bytes_fp32": found["bytes"]["fp32"],
        "bytes_int8": found["bytes"]["int8"],
        "parity": found["parity"],
        "int8_drop": found["f1_macro"]["drop"],
        "fits": float(found["verdict"]["fits"]),
        "latency_p50_ms": found["time"]["p50_ms"],
        "latency_p95_ms": found["time"]["p95_ms"],
    }
