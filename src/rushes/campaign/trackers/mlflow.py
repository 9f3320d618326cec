"""Runs as MLflow reads them."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

from rushes.campaign.trackers.tracker import Ended, flat, ordered

TAG = "rushes.run"
VALUES, PARAMS, LONGEST = 1000, 100, 6000  # what MLflow takes at once, and of a parameter's value


def log(folder: Path, ended: Ended) -> None:
    """Log a run of the campaign's experiment in MLflow's file store in ``folder``; no server.

    One that was begun and not finished is put into MLflow's bin.
    """
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.absolute().as_uri())
    found = client.get_experiment_by_name(ended.campaign)
    experiment = found.experiment_id if found else client.create_experiment(ended.campaign)
    for run in client.search_runs([experiment], f"tags.`{TAG}` = '{ended.name}'"):
        if run.info.status == "FINISHED":
            return
        client.delete_run(run.info.run_id)
    run_id = client.create_run(experiment, run_name=ended.name, tags={TAG: ended.name}).info.run_id
    now = int(time.time() * 1000)
    params = iter([Param(key, str(value)[:LONGEST]) for key, value in flat(ended.config).items()])
    values = iter(
        [
            *(Metric(k, v, now, step) for step, figures in ordered(ended.steps) for k, v in figures.items()),
            *(Metric(f"summary/{figure}", value, now, 0) for figure, value in ended.summary.items()),
        ]
    )
    while part := list(islice(params, PARAMS)):
        client.log_batch(run_id, params=part)
    while part := list(islice(values, VALUES)):
        client.log_batch(run_id, metrics=part)
    client.set_terminated(run_id)
