"""What a campaign knows of sounds beside the preprocessing: a test over clips, costs, guesses for a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.runs.run import Run
from rushes.stages import read_json
from rushes.tasks.sounds.recipe import SoundsRecipe

if TYPE_CHECKING:  # scipy stands behind it, which no plan waits for
    from rushes.metrics.estimate import Estimate


def compare_macro_f1(ours: Run[SoundsRecipe], theirs: Run[SoundsRecipe], confidence: float) -> Estimate:
    """Difference of macro-F1 over the clips that both runs answered."""
    from rushes.predict.table import read_predictions
    from rushes.tasks.sounds.evaluate.compare import compare_macro_f1
    from rushes.tasks.sounds.predict.table import SCHEMA

    first, second = (read_predictions(run.bring("predict"), SCHEMA) for run in (ours, theirs))
    return compare_macro_f1(first, second, ours.recipe.preprocessing.labels, confidence=confidence)


def deployed(run: Run[SoundsRecipe]) -> dict[str, float]:
    """What the net takes on its device, of the finished export."""
    from rushes.tasks.sounds.export import DEPLOY_FILE  # torch stands behind it

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
