"""The trackers of a campaign: each run logged once in each, by a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from rushes.campaign.trackers.tracker import Ended, Step, TrackerName
from rushes.errors import RushesError
from rushes.stages import canonical_json, write_json

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


class Trackers:
    """The trackers of a campaign, each run logged once in each.

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
        known = get_args(TrackerName)
        for name in names:
            if name not in known:
                raise RushesError(
                    f"no tracker is called {name}", cure=f"one of {', '.join(known)}", where="trackers"
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
        ended = Ended(self._campaign, file_name(name), config, list(steps), summary)
        for tracker in tuple(self._working):
            try:
                self._log_once(tracker, ended)
            except Exception as error:  # of a mirror; the campaign is not to end for it
                self._working.remove(tracker)
                self._report(f"{error}\n  {tracker} gets no more runs of this campaign; all else goes on")

    def _log_once(self, tracker: TrackerName, ended: Ended) -> None:
        identity = sha256(canonical_json(ended.config).encode()).hexdigest()
        name = self._free(tracker, ended.name, identity)
        if name is not None:
            self._log(tracker, replace(ended, name=name))
            write_json(self._marker(tracker, name), {"config_sha256": identity})

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

    def _log(self, tracker: TrackerName, ended: Ended) -> None:
        folder = self._folder / tracker
        with tempfile.TemporaryDirectory(prefix="rushes-tracker-") as home:
            asked, said = Path(home) / "run.json", Path(home) / "said.txt"
            asked.write_text(json.dumps(asdict(ended)))
            homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), home)
            with asked.open() as stdin, said.open("w") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", __package__, tracker, str(folder.absolute())],
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
