"""`rushes campaign VERB` as whole processes, and what their campaigns leave on disk."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rushes.campaign.judging.standing import Board, Spread
from rushes.campaign.records import Result
from rushes.stages import read_json

RUSHES = Path(sys.executable).with_name("rushes")
RECIPES = Path(__file__).parents[1] / "recipes"
GATE_FAILED = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """How the benchmark was asked.

    Attributes:
        quick: for less of everything.
        folder: for what is thrown away.
        workspace: of a whole campaign, maybe finished; None takes one that is thrown away.
        corpus: folder of the real recordings, one folder a voice.
        kills: how many.
        seed: of moments and victims.
        workers: runs side by side.
    """

    quick: bool
    folder: Path
    workspace: Path | None = None
    corpus: Path | None = None
    kills: int | None = None
    seed: int = 0
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, how it ended, and the wall time from its start to its end."""

    told: Any
    code: int
    wall_s: float

    @property
    def verdicts(self) -> dict[str, str]:
        """What each gate decided, attempt by attempt, with every difference."""
        return {one["gate"]: "; ".join(one["attempts"]) for one in self.told["verdicts"]}

    def states(self) -> dict[str, int]:
        """How many runs ended in which way."""
        found = [one["state"] for one in self.told["results"]]
        return {state: found.count(state) for state in ("done", "collapsed", "invalid", "failed")}


def command(verb: str, manifest: Path, workspace: Path, *options: str) -> list[str]:
    """``rushes campaign VERB``."""
    return [str(RUSHES), "campaign", verb, str(manifest), "--workspace", str(workspace), *options]


def tell(verb: str, manifest: Path, workspace: Path, *options: str, codes: Sequence[int] = (0,)) -> Answer:
    """Run the command with ``--json``; its progress goes to standard error.

    Raises:
        SystemExit: it ended with another code than one of ``codes``.
    """
    began = time.monotonic()
    ended = subprocess.run(
        command(verb, manifest, workspace, "--json", *options), stdout=subprocess.PIPE, text=True
    )
    wall_s = time.monotonic() - began
    if ended.returncode not in codes:
        raise SystemExit(
            f"campaign {verb} of {manifest.name} ended with {ended.returncode}; its words are above"
        )
    return Answer(json.loads(ended.stdout), ended.returncode, wall_s)


def wall_s(repeats: int, do: Callable[[], Answer]) -> float:
    """Median wall time."""
    return statistics.median(do().wall_s for _ in range(repeats))


def write_manifest(folder: Path, recipe: str, manifest: str) -> Path:
    """A manifest with its recipe, in files named by the campaign."""
    path = folder / f"{yaml.safe_load(manifest)['campaign']}.yaml"
    path.write_text(manifest)
    (folder / yaml.safe_load(manifest)["recipe"]).write_text(recipe)
    return path


def results_of(folder: Path) -> list[Result]:
    """What came of each trial of a campaign, from the files of its folder."""
    return [Result.of(read_json(path)) for path in sorted((folder / "results").glob("*.json"))]


def board_of(manifest: Path, task: str = "sounds") -> Board:
    """What the runs of a manifest are measured by."""
    tree = yaml.safe_load(manifest.read_text())
    board = Board(tree["campaign"], task, tree["metric"])
    return replace(board, **{name: tree[name] for name in ("lower_is_better", "worth") if name in tree})


def shown(found: Spread, *, sign: bool = False) -> str:
    """Mean, deviation and 95 % interval over seeds: ``0.5134 (0.0210) [0.4873, 0.5395]``."""
    plus = "+" if sign else ""
    if found.sd is None:
        return f"{found.mean:{plus}.4f}"
    return f"{found.mean:{plus}.4f} ({found.sd:.4f}) [{found.low:{plus}.4f}, {found.high:{plus}.4f}]"
