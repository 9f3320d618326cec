"""Log the run that stands on the standard input; what a process of its own does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from rushes.campaign.trackers.mlflow import MLflow
from rushes.campaign.trackers.tensorboard import TensorBoard
from rushes.campaign.trackers.tracker import Tracker
from rushes.campaign.trackers.wandb import WandB

TRACKERS: Mapping[str, Callable[[Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
}


def main(tracker: str, folder: str) -> None:
    """Log one run in one tracker, below ``folder``."""
    run = json.load(sys.stdin)
    with closing(TRACKERS[tracker](Path(folder), run["campaign"])) as opened:
        opened.log_run(run["name"], run["config"], run["steps"], run["summary"])


if __name__ == "__main__":
    main(*sys.argv[1:])
