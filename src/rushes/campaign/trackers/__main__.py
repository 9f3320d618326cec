"""Log the run that stands on the standard input; what a process of its own does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rushes.campaign.trackers import mlflow, tensorboard, wandb
from rushes.campaign.trackers.tracker import Ended

LOG: Mapping[str, Callable[[Path, Ended], None]] = {
    "tensorboard": tensorboard.log,
    "mlflow": mlflow.log,
    "wandb": wandb.log,
}

if __name__ == "__main__":
    tracker, folder = sys.argv[1:]
    LOG[tracker](Path(folder), Ended(**json.load(sys.stdin)))
