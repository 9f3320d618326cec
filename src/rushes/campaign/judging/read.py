"""What a campaign reads of a finished run: figures, trivial baselines, costs, fingerprints, signatures."""

from __future__ import annotations

from typing import Any

from rushes.campaign.records import Figure
from rushes.errors import StageError
from rushes.predict.table import FILE as PREDICTIONS_FILE
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE
from rushes.shards.manifest import load_manifest
from rushes.stages import read_done, read_json, sha256_file


def figures_of(run: Run[Any]) -> dict[str, Figure]:
    """The model's figures with their intervals."""
    card = run.scorecard()
    return {name: value.model_dump() for name, value in card.all.estimates[card.model].items()}


def baselines_of(run: Run[Any]) -> dict[str, dict[str, float]]:
    """Values of the systems that the model must beat."""
    baselines: dict[str, dict[str, float]] = run.scorecard().summary()["baselines"]
    return baselines


def signatures_of(run: Run[Any]) -> dict[str, str]:
    """Of all stages, by name."""
    return {name: spec.signature for name, spec in run.specs.items()}


def fingerprints_of(run: Run[Any]) -> dict[str, str]:
    """Hashes of the content that the figures rest on."""
    return {
        "dataset": load_manifest(run.folder(run.dataset)).checksum,
        "weights": _training(run)["summary"]["weights"],
        "predictions": sha256_file(run.folder("predict") / PREDICTIONS_FILE),
        "metrics": sha256_file(run.folder("evaluate") / METRICS_FILE),
    }


def collapsed_of(run: Run[Any]) -> str | None:
    """The one class with which a net answers everything; None where it has more, or tells of none."""
    return run.scorecard().details.get("collapsed")


def epochs_of(run: Run[Any]) -> tuple[int | None, int | None]:
    """The epoch whose weights were kept, and how many there were; None where a task counts steps."""
    summary = _training(run)["summary"]
    return summary.get("best_epoch"), summary.get("epochs")


def costs_of(run: Run[Any]) -> dict[str, Any]:
    """What the run took and what its model takes, under the names of the leaderboard's columns."""
    trained = _training(run)
    begun = read_json(run.folder("train") / "recipe.json")["created"]
    return {
        "seconds": seconds_of(run),
        "started": begun,
        "ended": trained["finished"],
        **run.task.costs(run),
    }


def seconds_of(run: Run[Any]) -> float:
    """Of training: updates, validations and checkpoints of all phases, before and after every kill."""
    return float(
        sum(read_json(path)["result"]["seconds"] for path in run.folder("train").rglob("result.json"))
    )


def _training(run: Run[Any]) -> dict[str, Any]:
    """What the finished training says of itself.

    Raises:
        StageError: it is not finished.
    """
    done = read_done(run.folder("train"))
    if done is None:
        raise StageError("the training is not done", where=run.folder("train"), cure="run the campaign again")
    return done
