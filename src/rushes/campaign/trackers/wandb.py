"""Runs as Weights & Biases reads them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rushes.campaign.trackers.tracker import Ended, ordered


def log(folder: Path, ended: Ended) -> None:
    """Write a run into an offline folder, which ``wandb sync`` sends if and when a person says so.

    It appears whole or not at all, and names no machine and no code.
    """
    import wandb

    if any(folder.glob(f"offline-run-*-{ended.name}/run-{ended.name}.wandb")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".run-", dir=folder) as scratch:
        run = wandb.init(
            mode="offline",
            project=ended.campaign,
            name=ended.name,
            id=ended.name,
            dir=scratch,
            config=dict(ended.config),
            settings=wandb.Settings(
                silent=True,
                host="unknown",
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        for step, figures in ordered(ended.steps):
            run.log(figures, step=step)
        run.summary.update(dict(ended.summary))
        run.finish()
        wandb.teardown()
        (made,) = Path(scratch).glob("wandb/offline-run-*")
        for logs in ("logs", "tmp"):  # of the library itself, with links to where it worked
            shutil.rmtree(made / logs, ignore_errors=True)
        made.rename(folder / made.name)
