"""Runs of a campaign in trackers that people look at: TensorBoard, MLflow, Weights & Biases.

A tracker is a mirror: what is true stands in the stages and in the campaign's own files. A run is logged when
it has ended, once, and a tracker that fails is left out for the rest of the campaign. Everything stays below
the campaign's folder; no server is asked and nothing is sent anywhere::

    <campaign>/trackers/tensorboard/<run>/       tensorboard --logdir trackers/tensorboard
    <campaign>/trackers/mlflow/                  mlflow ui --backend-store-uri trackers/mlflow
    <campaign>/trackers/wandb/offline-run-*/     wandb sync trackers/wandb/offline-run-*
    <campaign>/trackers/logged/<tracker>/        one file for each run that was logged

The libraries are an extra (``pip install 'rushes[trackers]'``). They start threads, set handlers, read the
environment when they are imported and write to the home folder. So each run is logged by a process of its own
(``python -m rushes.campaign.trackers``), which may crash or hang as it likes.
"""
