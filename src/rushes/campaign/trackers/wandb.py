"""Runs as Weights & Biases reads them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rushes.campaign.trackers.tracker import Step, ordered


class WandB:
    """One offline folder for each run, which ``wandb sync`` sends if and when a person says so.

    Args:
        folder: of all runs.
        campaign: name of the project.
    """

    def __init__(self, folder: Path, campaign: str) -> None:
        self._folder, self._campaign = folder, campaign

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """See :class:`Tracker`; the folder appears whole or not at all, and names no machine and no code."""
        import wandb

        if any(self._folder.glob(f"offline-run-*-{name}/run-{name}.wandb")):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".run-", dir=self._folder) as scratch:
            run = wandb.init(
                mode="offline",
                project=self._campaign,
                name=name,
                id=name,
                dir=scratch,
                config=dict(config),
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
            for step, figures in ordered(steps):
                run.log(figures, step=step)
            run.summary.update(dict(summary))
            run.finish()
            wandb.teardown()
            (made,) = Path(scratch).glob("wandb/offline-run-*")
            for logs in ("logs", "tmp"):  # of the library itself, with links to where it worked
                shutil.rmtree(made / logs, ignore_errors=True)
            made.rename(self._folder / made.name)

    def close(self) -> None:
        """Nothing is left to write."""
