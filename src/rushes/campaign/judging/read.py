"""What a campaign reads of a finished run: figures, trivial baselines, costs, fingerprints, signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushes.campaign.judging.comparable import answers_sha256, rows_sha256
from rushes.campaign.records import Figure, Result, State, Trial
from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE
from rushes.shards.manifest import load_manifest
from rushes.stages import read_done, read_json, sha256_file


def result_of(trial: Trial, run: Run[Any], state: State, faults: Sequence[str]) -> Result:
    """The result of a trial whose run on the validation side is finished and holds.

    Raises:
        StageError: its training is not finished.
    """
    folder, card = run.folder("train"), run.scorecard()
    trained = read_done(folder)
    if trained is None:
        raise StageError("the training is not done", where=folder, cure="run the campaign again")
    summary = trained["summary"]
    return Result(
        trial,
        state,
        tuple(faults),
        signatures=signatures_of(run),
        fingerprints={
            "dataset": load_manifest(run.folder(run.dataset)).checksum,
            "weights": summary["weights"],
            "predictions": answers_sha256(run),
            "metrics": sha256_file(run.folder(run.maker("figures")) / METRICS_FILE),
            "rows": rows_sha256(run),
        },
        figures=figures_of(run),
        baselines=card.summary()["baselines"],
        costs={
            "seconds": seconds_of(run),
            "started": read_json(folder / "recipe.json")["created"],
            "ended": trained["finished"],
            **run.task.costs(run),
        },
        collapsed=card.details.get("collapsed"),
        best_epoch=summary.get("best_epoch"),
        epochs=summary.get("epochs"),
    )


def figures_of(run: Run[Any]) -> dict[str, Figure]:
    """The model's figures with their intervals."""
    card = run.scorecard()
    return {name: value.model_dump() for name, value in card.all.estimates[card.model].items()}


def signatures_of(run: Run[Any]) -> dict[str, str]:
    """Of all stages, by name."""
    return {name: spec.signature for name, spec in run.specs.items()}


def seconds_of(run: Run[Any]) -> float:
    """Of training: updates, validations and checkpoints of all phases, before and after every kill."""
    results = run.folder("train").rglob("result.json")
    return float(sum(read_json(path)["result"]["seconds"] for path in results))
