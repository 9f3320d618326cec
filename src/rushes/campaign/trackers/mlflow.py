"""Runs as MLflow reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rushes.campaign.trackers.tracker import Step, flat, ordered


class MLflow:
    """Runs of an experiment in MLflow's file store; no server.

    Args:
        folder: of the store.
        campaign: name of the experiment.
    """

    TAG = "rushes.run"
    VALUES, PARAMS, LONGEST = 1000, 100, 6000  # what MLflow takes at once, and of a parameter's value

    def __init__(self, folder: Path, campaign: str) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=folder.absolute().as_uri())
        found = self._client.get_experiment_by_name(campaign)
        self._experiment = found.experiment_id if found else self._client.create_experiment(campaign)

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """See :class:`Tracker`; a run that was begun and not finished is put into MLflow's bin."""
        from mlflow.entities import Metric, Param

        for run in self._client.search_runs([self._experiment], f"tags.`{self.TAG}` = '{name}'"):
            if run.info.status == "FINISHED":
                return
            self._client.delete_run(run.info.run_id)
        run_id = self._client.create_run(self._experiment, run_name=name, tags={self.TAG: name}).info.run_id
        now = int(time.time() * 1000)
        params = iter([Param(key, str(value)[: self.LONGEST]) for key, value in flat(config).items()])
        values = iter(
            [
                *(Metric(k, v, now, step) for step, figures in ordered(steps) for k, v in figures.items()),
                *(Metric(f"summary/{figure}", value, now, 0) for figure, value in summary.items()),
            ]
        )
        while part := list(islice(params, self.PARAMS)):
            self._client.log_batch(run_id, params=part)
        while part := list(islice(values, self.VALUES)):
            self._client.log_batch(run_id, metrics=part)
        self._client.set_terminated(run_id)

    def close(self) -> None:
        """Nothing is left to write."""
