"""The folder of a campaign: what it found, in files that are functions of the finished stages.

::

    <workspace>/campaign-<name>/
        manifest.yaml           as it was read
        results/<trial>.json    what came of each trial
        verdicts/<gate>.json    what each gate decided, with every number that it used
        openings.jsonl          every look at the test side
        leaderboard.csv, leaderboard.html, decisions.md, negative-results.md
        judged.json             when files that a result rests on were last changed: a result is not
                                judged again before one of them is

Of a workspace elsewhere this stands in its cache, and is sent there. Only the openings come back: all else is
written again from the finished stages.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.campaign.judging.seal import OPENINGS_FILE
from rushes.campaign.judging.standing import Board
from rushes.campaign.records import Result, Trial, Verdict
from rushes.errors import StageError
from rushes.runs.run import Run
from rushes.stages import canonical_json, read_json, write_atomic, write_json
from rushes.storage import RemoteWorkspace, Workspace

if TYPE_CHECKING:
    from rushes.storage.remote import Remote

VERSION = 2  # of admission and of results, raised when finished runs are to be judged again
JUDGED = "judged.json"
NOT_READ = frozenset({"twin"})
"""Stages whose files no result rests on directly."""


@dataclass(frozen=True, slots=True)
class CampaignFolder:
    """Results and verdicts on disk.

    Attributes:
        path: the folder.
        remote: where it is sent; None where the workspace is here.
    """

    path: Path
    remote: Remote | None = None

    @classmethod
    def of(cls, workspace: Workspace, name: str) -> CampaignFolder:
        """The folder of a campaign in a workspace."""
        path = workspace.root / f"campaign-{name}"
        if not isinstance(workspace, RemoteWorkspace):
            return cls(path)
        from rushes.storage.remote import Remote

        return cls(path, Remote(workspace.url).child(path.name))

    def begin(self, manifest: Path) -> None:
        """Make the folder, keep the manifest in it, and bring what was opened from another machine.

        Raises:
            StageError: openings stand here and elsewhere of which neither goes on with the other.
            StorageError: the remote cannot be read.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / "manifest.yaml", manifest.read_bytes())
        if self.remote is None or (there := self.remote.read_bytes(OPENINGS_FILE)) is None:
            return
        path = self.path / OPENINGS_FILE
        here = path.read_bytes() if path.exists() else b""
        if there.startswith(here):
            write_atomic(path, there)
        elif not here.startswith(there):
            raise StageError(
                f"the test side was opened from two machines at once: {path} is not what stands remote",
                where=self.remote.url,
                cure="write both files' lines into one, numbered in order of time, and put it in both places",
            )

    def sweep(self) -> None:
        """Remove what a killed campaign left half written; under its lock, nobody else writes here."""
        for stale in self.path.rglob(".*.tmp"):
            stale.unlink(missing_ok=True)

    def send(self) -> None:
        """Send what is not elsewhere yet, openings first.

        Raises:
            StorageError: the remote cannot be written.
        """
        if self.remote is None:
            return
        names = [path.relative_to(self.path).as_posix() for path in sorted(self.path.rglob("*.*"))]
        for name in sorted(names, key=lambda name: name != OPENINGS_FILE):
            path = self.path / name
            if path.is_file() and not path.name.startswith(".") and not name.startswith("trackers/"):
                self.remote.put(path, name)

    def write_result(self, result: Result, stamps: Sequence[str]) -> None:
        """Keep a result.

        Args:
            result: of a trial.
            stamps: of the files that it rests on: of the validation side, then of the test side where it is
                open. Without any it is judged again.
        """
        write_json(self._result_path(result.trial), result.to_json())
        write_json(self.path / JUDGED, self._stamps() | {result.trial.key: list(stamps)})

    def read_result(self, trial: Trial) -> Result | None:
        """The result of a trial; None where there is none of exactly this trial."""
        try:
            result = Result.of(read_json(self._result_path(trial)))
        except (StageError, TypeError, KeyError):
            return None
        return result if canonical_json(asdict(result.trial)) == canonical_json(asdict(trial)) else None

    def kept_result(self, trial: Trial, stamps: Sequence[str]) -> Result | None:
        """The result of a trial if no file was changed since that these sides of it rest on.

        What was found on a side that is not asked for is left out.
        """
        result, known = self.read_result(trial), self._stamps().get(trial.key, [])
        if result is None or known[: len(stamps)] != list(stamps):
            return None
        return replace(result, test=None, test_faults=()) if len(stamps) == 1 else result

    def write_verdict(self, verdict: Verdict) -> None:
        """Keep what a gate decided."""
        write_json(self.path / "verdicts" / f"{verdict.gate}.json", verdict.to_json())

    def winners(self) -> dict[str, str]:
        """The run that passed each gate, as far as verdicts stand."""
        found = {}
        for path in sorted((self.path / "verdicts").glob("*.json")):
            verdict = read_json(path)
            if verdict["passed"]:
                found[verdict["gate"]] = verdict["better"]
        return found

    def _result_path(self, trial: Trial) -> Path:
        return self.path / "results" / f"{trial.key}.json"

    def _stamps(self) -> dict[str, list[str]]:
        try:
            found = read_json(self.path / JUDGED)
        except StageError:
            return {}
        return found if isinstance(found, dict) else {}


def stamp_of(run: Run[Any], board: Board) -> str:
    """Hash of all that a result rests on: names, sizes and times of change of files, and how it is judged."""
    folders = [run.folder(name) for name in run.specs if name not in NOT_READ]
    judged_by = f"{VERSION} {board.metric} {board.lower_is_better} {board.worth}"
    return _hash([judged_by, *(line for folder in folders if folder.exists() for line in _lines_of(folder))])


def stamp_of_stage(folder: Path) -> str:
    """Hash of names, sizes and times of change of a stage's files."""
    return _hash(_lines_of(folder))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _lines_of(folder: Path) -> Iterator[str]:
    return _lines(os.fspath(folder), folder.name)


def _lines(folder: str, name: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _lines(entry.path, f"{name}/{entry.name}")
            elif entry.name != "lock":
                found = entry.stat()
                yield f"{name}/{entry.name} {found.st_size} {found.st_mtime_ns}"
