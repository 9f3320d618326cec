"""kill -9 at random moments of a campaign, until it is done all the same; then compare what it found.

A campaign is started; at random moments its process, one of its workers (which train, measure and export) or
its resource tracker is killed; a killed campaign is looked at and started again in the same folder. One that
comes to its end is compared with one that nobody disturbed, and the next begins in an empty folder, until
enough kills have hit. The engine gives a unit that kills its worker twice up, so a campaign loses one worker
between two starts at most.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign_command import Asked, command, results_of, write_manifest
from campaign_torn import torn_files
from report import Figure, at_least, at_most

from rushes.campaign.folder import OPENINGS_FILE
from rushes.campaign.pages.leaderboard import FILE as LEADERBOARD
from rushes.campaign.pages.leaderboard import TIME
from rushes.campaign.pages.logs import DECISIONS, NEGATIVES
from rushes.stages import read_json, sha256_file

RECIPE = """\
task: sounds
name: small
twin: {train: 4, val: 3, test: 3, clips: 32, difficulty: 0.0}
preprocessing: {clip_s: 2.0}
train: {epochs: 2, patience: 12, batch_size: 8, learning_rate: 0.001, checkpoint_every: 5, log_every: 1}
deploy: {calibration: 16, runs: 10}
"""
MANIFEST = """\
campaign: kills
recipe: small.yaml
seeds: [0]
metric: f1_macro
phases:
  - name: base
    runs:
      teacher: {set: {model: {net: crnn}, train.epochs: 1, train.learning_rate: 0.0003}}
      student: {}
      cbam: {set: {model: {net: tinycnn, attention: cbam}}, control: student}
  - name: gate
    gate:
      better: [teacher]
      than: [student, cbam]
      otherwise:
        budget: 2
        runs:
          teacher-tuned:
            set: {model: {net: crnn}}
            cells:
              - {train.epochs: 1, train.learning_rate: 0.0005}
              - {train.epochs: 8, train.learning_rate: 0.005}
            control: teacher
  - name: kd
    after: gate
    runs:
      pupil:
        take: {distil.teacher.model: gate.model, distil.teacher.train: gate.train}
        grid: {distil.soft_weight: [0.3, 0.9]}
        control: student
select: [gate, student, cbam, pupil]
"""
KILLS, QUICK_KILLS = 20, 4
LEAST_S, LONGEST = 0.3, 0.5  # between two kills, the latter in lengths of an undisturbed campaign
WEIGHTS = {"campaign": 10, "worker": 8, "resource tracker": 2}
MOST_HANDS = 3
TEXTS = (DECISIONS, NEGATIVES)


@dataclass(slots=True)
class Tally:
    """What happened in all rounds together."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    hands: int = 0
    torn: int = 0
    left_over: int = 0
    twice: int = 0
    other: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Found:
    """All that a campaign found, less what is time.

    Attributes:
        parts: name of a part -> its content.
        keys: name and seed of each row of the leaderboard.
    """

    parts: Mapping[str, Any]
    keys: tuple[tuple[str, str], ...]


def found_in(workspace: Path) -> Found:
    """Read what a finished campaign left."""
    (folder,) = workspace.glob("campaign-*")
    with (folder / LEADERBOARD).open(newline="") as file:
        rows = [
            {name: cell for name, cell in row.items() if name not in TIME} for row in csv.DictReader(file)
        ]
    results = {one.trial.key: one.to_json() for one in results_of(folder)}
    for one in results.values():
        one["costs"] = {name: value for name, value in (one["costs"] or {}).items() if name not in TIME}
    openings = [json.loads(line)["content"] for line in (folder / OPENINGS_FILE).read_text().splitlines()]
    parts = {
        "rows": rows,
        "results": results,
        "verdicts": {path.name: read_json(path) | {"entry": ""} for path in folder.glob("verdicts/*.json")},
        "openings": openings,
        "logs": {name: (folder / name).read_text() for name in TEXTS},
        "stages": sorted(path.parent.name for path in workspace.glob("*/DONE")),
        "weights": _hashes(workspace, "train-*/model/*.safetensors"),
        "other files": _hashes(workspace, "predict-*/*.parquet", "evaluate-*/*.json", "export-*/*.onnx"),
    }
    return Found(parts, tuple((row["name"], row["seed"]) for row in rows))


def _hashes(workspace: Path, *patterns: str) -> dict[str, str]:
    paths = [path for pattern in patterns for path in workspace.glob(pattern) if path.name != "recipe.json"]
    return {str(path.relative_to(workspace)): sha256_file(path) for path in sorted(paths)}


# --- kills -------------------------------------------------------------------------------------------------


def victims(pid: int) -> dict[str, list[int]]:
    """Whom one can kill, by kind."""
    found: dict[str, list[int]] = {"campaign": [pid], "worker": [], "resource tracker": []}
    try:
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            line = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in line:
                found["worker"].append(child)
            elif b"resource_tracker" in line:
                found["resource tracker"].append(child)
    except OSError:  # it has just ended
        pass
    return found


@dataclass(slots=True)
class Life:
    """One start of the campaign, to its end or to its death.

    Args:
        process: the campaign's.
        rng: of moments and victims.
        longest_s: between two kills.
    """

    process: subprocess.Popen
    rng: random.Random
    longest_s: float
    kills: Counter[str] = field(default_factory=Counter)

    def disturb(self, most: int) -> bool:
        """Kill at most so often; whether the campaign came to its end."""
        while self.kills.total() < most:
            try:
                self.process.wait(self.rng.uniform(LEAST_S, self.longest_s))
                return True
            except subprocess.TimeoutExpired:
                if self._kill() == "campaign":
                    self.process.wait()
                    return False
        self.process.wait()
        return True

    def _kill(self) -> str | None:
        found = {kind: pids for kind, pids in victims(self.process.pid).items() if pids}
        if self.kills["worker"]:
            found.pop("worker", None)
        kind = self.rng.choices(list(found), [WEIGHTS[name] for name in found])[0]
        try:
            os.kill(self.rng.choice(found[kind]), signal.SIGKILL)
        except ProcessLookupError:
            return None
        self.kills[kind] += 1
        return kind


def begin(manifest: Path, workspace: Path, workers: int, log: Path) -> subprocess.Popen:
    """Start a campaign, or go on with it; its words go to the end of ``log``."""
    words = command("run", manifest, workspace, "--workers", str(workers))
    with log.open("ab") as file:
        return subprocess.Popen(words, stdout=file, stderr=file, start_new_session=True)


def tally(asked: Asked, most: int) -> tuple[Tally, float]:
    """Kill campaigns until ``most`` kills have hit; also the seconds of an undisturbed one."""
    manifest, log = write_manifest(asked.folder, RECIPE, MANIFEST), asked.folder / "log"
    reference, workspace = asked.folder / "reference", asked.folder / "ws"
    began = time.monotonic()
    right = begin(manifest, reference, asked.workers, log).wait()
    whole_s = time.monotonic() - began
    if right:
        raise SystemExit(f"the campaign ended with {right} though nobody disturbed it:\n{log.read_text()}")
    expected = found_in(reference)
    rng, all_rounds = random.Random(asked.seed), Tally()
    while True:
        life = Life(begin(manifest, workspace, asked.workers, log), rng, LONGEST * whole_s)
        left = most - all_rounds.kills.total()
        ended = life.disturb(left)
        all_rounds.kills += life.kills
        all_rounds.torn += sum(1 for _ in torn_files(workspace))
        print(f"{all_rounds.kills.total()} kills, {all_rounds.finished} campaigns", file=sys.stderr)
        if not ended:
            continue
        if life.process.returncode != right or _lost(workspace):
            all_rounds.hands += 1
            if all_rounds.hands > MOST_HANDS:
                raise SystemExit(f"the campaign does not come to its end:\n{log.read_text()[-4000:]}")
            continue
        _compare(workspace, expected, all_rounds)
        shutil.rmtree(workspace)
        if all_rounds.kills.total() >= most:
            return all_rounds, whole_s


def _lost(workspace: Path) -> bool:
    """Whether a run ended with an error, so that somebody would have to start the campaign again."""
    (folder,) = workspace.glob("campaign-*")
    return any(one.state in ("failed", "invalid") for one in results_of(folder))


def _compare(workspace: Path, expected: Found, all_rounds: Tally) -> None:
    found = found_in(workspace)
    all_rounds.finished += 1
    all_rounds.left_over += sum(1 for _ in workspace.rglob(".*.tmp"))
    all_rounds.twice += len(found.keys) - len(set(found.keys)) + (set(found.keys) != set(expected.keys))
    for part, content in expected.parts.items():
        if found.parts[part] != content:
            print(f"other {part}: {workspace}", file=sys.stderr)
            all_rounds.other[part] += 1


def kills(asked: Asked) -> Iterator[Figure]:
    """The figures of a tally."""
    most = asked.kills or (QUICK_KILLS if asked.quick else KILLS)
    found, whole_s = tally(asked, most)
    whom = ", ".join(f"{count} {name}" for name, count in sorted(found.kills.items()))
    yield at_least(f"kill -9 ({whom}; {found.finished} campaigns)", found.kills.total(), most)
    yield at_most("kills: campaigns that ended by themselves and were not whole", found.hands, 0)
    yield at_most("kills: torn files under final names", found.torn, 0)
    yield at_most("kills: runs without a row or with two", found.twice, 0)
    titles = {
        "rows": "leaderboards, less columns of time",
        "results": "results/*.json, less costs of time",
        "weights": "SHA-256 of any net's weights",
        "verdicts": "verdicts of gates",
        "openings": "openings of the test side, less their moments",
        "logs": f"{' or '.join(TEXTS)}",
        "stages": "sets of finished stages",
        "other files": "bytes of predictions, metrics or exported nets",
    }
    for part, title in titles.items():
        yield at_most(f"kills: campaigns with other {title}", found.other[part], 0)
    yield at_most("kills: temporary files left over", found.left_over, 0)
    yield Figure("kills: seconds of the undisturbed campaign", whole_s)
