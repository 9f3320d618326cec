"""The folder of a campaign: what it found, in files that are functions of the finished stages.

::

    <workspace>/campaign-<name>/
        manifest.yaml           as it was read
        results/<trial>.json    what came of each trial
        verdicts/<gate>.json    what each gate decided, with every number that it used
        openings.jsonl          every look at the test side, as the record of the workspace has it
        leaderboard.csv, leaderboard.html, decisions.md, negative-results.md
        judged.json             what each result rests on, and the mark of whoever judged it: a result is not
                                judged again before one of the two is another

Of a workspace elsewhere this stands in its cache, and is sent there. Nothing comes back: all of it is written
again from the finished stages and from the record of looks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.campaign.judging.own import is_own, mark_of
from rushes.campaign.judging.standing import Board
from rushes.campaign.records import Result, Trial, Verdict
from rushes.errors import StageError
from rushes.runs.looks import Look
from rushes.runs.run import Run
from rushes.stages import canonical_json, read_json, sha256_file, write_atomic, write_json
from rushes.storage import RemoteWorkspace, Workspace

if TYPE_CHECKING:
    from rushes.storage.remote import Remote

VERSION = 3  # of admission and of results, raised when finished runs are to be judged again
JUDGED = "judged.json"
OPENINGS_FILE = "openings.jsonl"
READ_BYTES = 64_000_000
"""Of a file that is read each time, to see whether a result still rests on it."""

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
        """Make the folder, and keep the manifest in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / "manifest.yaml", manifest.read_bytes())

    def sweep(self) -> None:
        """Remove what a killed campaign left half written; under its lock, nobody else writes here."""
        for stale in self.path.rglob(".*.tmp"):
            stale.unlink(missing_ok=True)

    def send(self) -> None:
        """Send what is not elsewhere yet.

        Raises:
            StorageError: the remote cannot be written.
        """
        if self.remote is None:
            return
        for path in sorted(self.path.rglob("*.*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and not path.name.startswith(".") and not name.startswith("trackers/"):
                self.remote.put(path, name)

    def write_result(self, result: Result, stamps: Sequence[str]) -> None:
        """Keep a result, with the mark of whoever judged it.

        Args:
            result: of a trial.
            stamps: of what it rests on: of the validation side, then of the test side where it is open.
                Without any it is judged again.
        """
        write_json(self._result_path(result.trial), result.to_json())
        self._judge(result, {"stamps": list(stamps), "mark": mark_of([result.to_json(), list(stamps)])})

    def read_result(self, trial: Trial) -> Result | None:
        """The result of a trial as it stands there, whoever wrote it; None where there is none of this trial."""
        try:
            result = Result.of(read_json(self._result_path(trial)))
        except (StageError, TypeError, KeyError):
            return None
        return result if canonical_json(asdict(result.trial)) == canonical_json(asdict(trial)) else None

    def is_own(self, result: Result) -> bool:
        """Whether a result that stands there was judged here, and is as it was then."""
        judged = self._judged().get(result.trial.key, {})
        if not judged.keys() >= {"stamps", "mark"}:
            return False
        return is_own([result.to_json(), judged["stamps"]], str(judged["mark"]))

    def kept_result(self, trial: Trial, stamps: Sequence[str]) -> Result | None:
        """The result of a trial if it is our own and nothing was changed since that these sides of it rest on.

        What was found on a side that is not asked for is left out.
        """
        result = self.read_result(trial)
        if result is None or not self.is_own(result):
            return None
        if self._judged()[trial.key]["stamps"][: len(stamps)] != list(stamps):
            return None
        return replace(result, test=None, test_faults=()) if len(stamps) == 1 else result

    def is_proven(self, result: Result) -> bool:
        """Whether its weights were asked again by this user, and gave its answers."""
        judged = self._judged().get(result.trial.key, {})
        return is_own(["answers", result.fingerprints], str(judged.get("answers", "")))

    def write_proven(self, result: Result) -> None:
        """Keep that the weights of a result give its answers."""
        self._judge(result, {"answers": mark_of(["answers", result.fingerprints])})

    def write_openings(self, looks: Iterable[Look]) -> None:
        """List looks at the test side, a line each."""
        lines = [canonical_json(look.entry.to_json()) + "\n" for look in looks]
        if lines or (self.path / OPENINGS_FILE).exists():
            write_atomic(self.path / OPENINGS_FILE, "".join(lines))

    def write_verdict(self, verdict: Verdict) -> None:
        """Keep what a gate decided."""
        write_json(self.path / "verdicts" / f"{verdict.gate}.json", verdict.to_json())

    def winners(self) -> dict[str, str]:
        """The run that passed each gate, as far as verdicts stand."""
        return {verdict["gate"]: verdict["better"] for verdict in self._verdicts() if verdict["passed"]}

    def askings(self) -> dict[str, str]:
        """Gate -> entry of the record on which its verdict rests; those of before there was a record have none."""
        return {verdict["gate"]: verdict["entry"] for verdict in self._verdicts() if verdict.get("entry")}

    def _verdicts(self) -> Iterator[dict[str, Any]]:
        for path in sorted((self.path / "verdicts").glob("*.json")):
            yield read_json(path)

    def _result_path(self, trial: Trial) -> Path:
        return self.path / "results" / f"{trial.key}.json"

    def _judge(self, result: Result, told: Mapping[str, Any]) -> None:
        judged, key = self._judged(), result.trial.key
        write_json(self.path / JUDGED, judged | {key: {**judged.get(key, {}), **told}})

    def _judged(self) -> dict[str, dict[str, Any]]:
        """What is kept of each result, by key; that of version 0.4 and older is left out."""
        try:
            found = read_json(self.path / JUDGED)
        except StageError:
            return {}
        return (
            {key: one for key, one in found.items() if isinstance(one, dict)}
            if isinstance(found, dict)
            else {}
        )


def stamp_of(run: Run[Any], board: Board) -> str:
    """Hash of all that a result rests on, and of how it is judged.

    Recordings, shards and what is too large to be read each time count by names, sizes and times of change;
    everything else by its content: a time can be set back.
    """
    judged_by = f"{VERSION} {board.metric} {board.lower_is_better} {board.worth}"
    folders = {
        run.folder(name): stage.of_recordings for name, stage in run.stages.items() if name not in NOT_READ
    }
    lines = (
        line
        for folder, by_time in folders.items()
        if folder.exists()
        for line in _lines(os.fspath(folder), folder.name, -1 if by_time else READ_BYTES)
    )
    return _hash([judged_by, *lines])


def stamp_of_stage(folder: Path) -> str:
    """Hash of names, sizes and times of change of a stage's files."""
    return _hash(_lines(os.fspath(folder), folder.name, -1))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _lines(folder: str, name: str, most: int) -> Iterator[str]:
    """A line for each file below a folder; those of at most ``most`` bytes by their content."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _lines(entry.path, f"{name}/{entry.name}", most)
            elif entry.name != "lock":
                found = entry.stat()
                mark = sha256_file(Path(entry.path)) if found.st_size <= most else found.st_mtime_ns
                yield f"{name}/{entry.name} {found.st_size} {mark}"
