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

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

from rushes.errors import RushesError
from rushes.stages import canonical_json, write_json

TrackerName = Literal["tensorboard", "mlflow", "wandb"]
Step = Mapping[str, Any]
"""``step``, a whole number, perhaps ``kind``, and figures by name; what is not a number is passed over."""

LONGEST_NAME = 100
RUN_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{LONGEST_NAME - 1}}}")
TIMEOUT_S = 300.0

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "DO_NOT_TRACK": "true",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
"""Environment of the process that logs: it neither counts its users nor asks a server."""


class Tracker(Protocol):
    """Where a run is logged."""

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """Log one run that has ended.

        Args:
            name: unique in the campaign.
            config: what was asked, nested; plain data.
            steps: what was measured on the way.
            summary: what came of it.
        """
        ...

    def close(self) -> None:
        """Write what is not yet written."""
        ...


class TensorBoard:
    """One folder of events for each run, with its config and summary for the tab HPARAMS.

    Args:
        folder: of all runs.
        campaign: its name.
    """

    def __init__(self, folder: Path, campaign: str) -> None:
        self._folder = folder

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """See :class:`Tracker`; the folder appears whole or not at all."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if (self._folder / name).exists():
            return
        partial = self._folder / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with closing(EventFileWriter(str(partial))) as writer:

            def write(content: Summary, step: int) -> None:
                writer.add_event(Event(wall_time=time.time(), step=step, summary=content))

            def scalars(figures: Mapping[str, float]) -> Summary:
                return Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in figures.items()])

            write(hparams_pb(flat(config), trial_id=name), 0)
            last = 0
            for step, figures in ordered(steps):
                write(scalars(figures), last := step)
            write(scalars({f"summary/{figure}": value for figure, value in summary.items()}), last)
        partial.rename(self._folder / name)

    def close(self) -> None:
        """Nothing is left to write."""


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


TRACKERS: Mapping[TrackerName, Callable[[Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
}


class Trackers:
    """The trackers of a campaign, each run logged once in each; itself a :class:`Tracker`.

    Args:
        names: which.
        folder: of the campaign.
        campaign: its name.
        report: is told, once, that a tracker failed and why.
        timeout_s: for one run in one tracker.

    Raises:
        RushesError: a tracker is unknown or not installed.
    """

    def __init__(
        self,
        names: Sequence[TrackerName],
        folder: Path,
        campaign: str,
        *,
        report: Callable[[str], None],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        for name in names:
            if name not in TRACKERS:
                raise RushesError(
                    f"no tracker is called {name}", cure=f"one of {', '.join(TRACKERS)}", where="trackers"
                )
            if importlib.util.find_spec(name) is None:
                raise RushesError(
                    f"the tracker {name} is not installed", cure="pip install 'rushes[trackers]'"
                )
        self._working = list(dict.fromkeys(names))
        self._folder, self._campaign = Path(folder) / "trackers", campaign
        self._report, self._timeout_s = report, timeout_s

    def log_run(
        self, name: str, config: Mapping[str, Any], steps: Iterable[Step], summary: Mapping[str, float]
    ) -> None:
        """Log a run in every tracker that does not have it and has not failed before.

        A run is known by its name and its config: with another config it is logged again, under its name and
        six digits of the config's hash. A name that cannot be a file's is changed, see :func:`file_name`.

        Nothing that goes wrong is raised: it is reported, and the tracker gets no more runs.
        """
        known_as, events = file_name(name), list(steps)
        for tracker in tuple(self._working):
            try:
                self._log_once(tracker, known_as, config, events, summary)
            except Exception as error:  # of a mirror; the campaign is not to end for it
                self._working.remove(tracker)
                self._report(f"{error}\n  {tracker} gets no more runs of this campaign; all else goes on")

    def close(self) -> None:
        """Nothing is left to write: every run was written by a process that has ended."""

    def _log_once(
        self,
        tracker: TrackerName,
        name: str,
        config: Mapping[str, Any],
        steps: Sequence[Step],
        summary: Mapping[str, float],
    ) -> None:
        identity = sha256(canonical_json(config).encode()).hexdigest()
        as_ = self._free(tracker, name, identity)
        if as_ is None:
            return
        run = {"config": config, "steps": [dict(step) for step in steps], "summary": dict(summary)}
        self._log(tracker, {**run, "campaign": self._campaign, "name": as_})
        write_json(self._marker(tracker, as_), {"config_sha256": identity})

    def _free(self, tracker: TrackerName, name: str, identity: str) -> str | None:
        """The name under which a run is to be logged; None where it was."""
        for as_ in (name, f"{name}-{identity[:6]}"):
            try:
                known = json.loads(self._marker(tracker, as_).read_bytes())["config_sha256"]
            except (OSError, ValueError, LookupError, TypeError):
                return as_
            if known == identity:
                return None
        return None

    def _marker(self, tracker: TrackerName, name: str) -> Path:
        return self._folder / "logged" / tracker / f"{name}.json"

    def _log(self, tracker: TrackerName, run: Mapping[str, Any]) -> None:
        folder = self._folder / tracker
        with tempfile.TemporaryDirectory(prefix="rushes-tracker-") as home:
            asked, said = Path(home) / "run.json", Path(home) / "said.txt"
            asked.write_text(json.dumps(run))
            homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), home)
            with asked.open() as stdin, said.open("w") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", __name__, tracker, str(folder.absolute())],
                    stdin=stdin,
                    stdout=stderr,
                    stderr=stderr,
                    env={**os.environ, **homes, **QUIET},
                    cwd=home,
                    start_new_session=True,  # with its helpers it is one group, which can be ended
                )
            try:
                code = process.wait(self._timeout_s)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    message = f"the tracker {tracker} took more than {self._timeout_s:g} s for a run"
                    raise RushesError(message, where=folder) from None
                raise
            if code:
                lines = said.read_text(errors="replace").split("\n")
                last = next((line for line in reversed(lines) if line.strip()), f"it ended with {code}")
                raise RushesError(f"the tracker {tracker} failed: {last}", where=folder)


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, str | float | bool]:
    """Nested data by dotted key; what is no plain value as JSON.

    >>> flat({"train": {"epochs": 3, "class_weights": [1.0, 5.5]}, "distil": None})
    {'train.epochs': 3, 'train.class_weights': '[1.0,5.5]', 'distil': 'null'}
    """
    found: dict[str, str | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value if isinstance(value, str | int | float) else canonical_json(value)
    return found


def file_name(name: str) -> str:
    """A run's name as a file's: letters, digits, _, - and ., up to 100; another name by its hash as well.

    >>> file_name("cbam-r4-k3-s42"), file_name("lr1e+20-s0"), file_name("../a")
    ('cbam-r4-k3-s42', 'lr1e_20-s0-df9dd398', '_._a-61b4c98b')
    """
    if RUN_NAME.fullmatch(name):
        return name
    clean = re.sub(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.-]", "_", name)
    digits = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{clean[: LONGEST_NAME - 9] or '_'}-{digits}"


def ordered(steps: Iterable[Step]) -> list[tuple[int, dict[str, float]]]:
    """Figures by step, in order, each under its event's kind; an event without a step is passed over.

    Of a log steps never fall, and those of one kind rise. Where they do not another phase of the training
    begins, and where there are several each has its number before its figures. What a step says twice
    counts as it was said last.

    >>> ordered([{"kind": "train", "step": 5, "loss": 1}, {"kind": "validation", "step": 5, "loss": 2.5}])
    [(5, {'train/loss': 1.0, 'validation/loss': 2.5})]
    >>> ordered([{"kind": "train", "step": 9, "loss": 1}, {"kind": "train", "step": 5, "loss": 2}])
    [(5, {'phase2/train/loss': 2.0}), (9, {'phase1/train/loss': 1.0})]
    """
    told: list[tuple[int, int, str, float]] = []
    phase, last = 1, {"": 0}
    for event in steps:
        step, kind = event.get("step"), event.get("kind")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if step < last[""] or (isinstance(kind, str) and step <= last.get(kind, step - 1)):
            phase, last = phase + 1, {"": 0}
        last[""] = step
        if isinstance(kind, str):
            last[kind] = step
        above = f"{kind}/" if isinstance(kind, str) else ""
        told += [
            (step, phase, f"{above}{name}", float(value))
            for name, value in event.items()
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool)
        ]
    found: dict[int, dict[str, float]] = {}
    for step, number, name, value in told:
        found.setdefault(step, {})[name if phase == 1 else f"phase{number}/{name}"] = value
    return sorted(found.items())


def main(tracker: TrackerName, folder: str) -> None:
    """Log the run that stands on the standard input; what a process of its own does."""
    run = json.load(sys.stdin)
    with closing(TRACKERS[tracker](Path(folder), run["campaign"])) as opened:
        opened.log_run(run["name"], run["config"], run["steps"], run["summary"])


if __name__ == "__main__":
    main(*sys.argv[1:])
