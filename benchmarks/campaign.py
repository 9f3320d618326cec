"""Campaigns: what the contract catches, how long they take, how they end, and what kills do to them.

    python benchmarks/campaign.py [--quick] [--json] [--parts PART ...] [--kills N] [--seed S]
    python benchmarks/campaign.py --parts full [--workspace DIR]
    python benchmarks/campaign.py --parts voices --corpus DIR [--workspace DIR]

Parts: `faults`, damages to a finished run and the rows that come of them; `earlier`, an earlier leaderboard
through the contract; `plan`, the time of a plan; `endings`, three small campaigns, each of another ending;
`kills`, kill -9 at random moments of a small campaign. Two more are done only if asked for: `full`, the
earlier manifest to its end and then once more, and `voices`, the table on a real corpus, whose folder has one
folder a voice. Their `--workspace` may hold the campaign already, whole or begun, and is best its own: its
minutes then count from the first stage in it to the last.
"""

from __future__ import annotations

import argparse
import random
import runpy
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from campaign_command import Asked
from campaign_endings import endings
from campaign_faults import damaged, of_figures, of_logs, of_predictions, plain
from campaign_kills import kills
from campaign_whole import full, plan, voices
from report import Figure, at_least, at_most, emit

from rushes.campaign.judging.admission import check_run, state_of
from rushes.campaign.judging.judge import Case, judge
from rushes.campaign.judging.standing import Board
from rushes.campaign.pages.leaderboard import rows
from rushes.campaign.records import Result, Trial
from rushes.runs.do import do
from rushes.runs.run import RunJob
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.tasks.sounds.earlier_leaderboard import replay

SEED = 0
WITHOUT = frozenset({"report"})
RECIPE = """\
task: sounds
name: faults
twin: {train: 5, val: 3, test: 2, clips: 24, difficulty: 0.0}
prepare: {workers: 0}
train: {epochs: 12, patience: 12, learning_rate: 0.005, batch_size: 16, log_every: 1}
evaluate: {split: val}
distil:
  soft_weight: 0.5
  teacher: {train: {epochs: 2, learning_rate: 0.003, batch_size: 16, log_every: 1}}
"""
EARLIER = Path(__file__).parents[1] / "tests" / "tasks" / "sounds" / "test_earlier_leaderboard.py"


def faults(asked: Asked) -> Iterator[Figure]:
    """Damage a finished run in every way, judge it, and count the rows that come of it."""
    quick, folder = asked.quick, asked.folder
    path = folder / "faults.yaml"
    path.write_text(RECIPE)
    run = open_run(load_recipe(path), open_workspace(folder / "runs"))
    for name in run.specs:
        if name not in WITHOUT:
            do(run, name, lambda *told: None)
    board = Board("faults", "sounds", "f1_macro")
    case = Case(Trial("run", "run", "base", 0, {}), RunJob.of(run), None, board, WITHOUT)

    def row() -> int:
        # As it stands: a campaign does a stage whose DONE is torn again, and its row is then a whole run's.
        if state_of(check_run(case.seen.run(), board, without=WITHOUT)) == "invalid":
            return 0
        (outcome,) = judge([case])
        return len(rows(board, [Result.of(outcome["result"])]))

    yield at_least("rows of the whole run", row(), 1)
    rng, few = random.Random(SEED), 2 if quick else 20
    ways = chain(
        plain(run, WITHOUT, rng, flips=1 if quick else 8),
        of_figures(run, rng, 10 * few),
        of_predictions(run, rng, few),
        of_logs(run, rng, few),
    )
    tried, passed, refused = Counter(), Counter(), 0
    for damage in ways:
        sealed = " under right hashes" if damage.sealed else ""
        kind = f"{damage.kind}{sealed}"
        try:
            with damaged(run, damage):
                found = row()
        except Exception as error:
            if not damage.redone:
                raise
            print(f"{kind}: the evaluation refuses it: {error}", file=sys.stderr)
            refused, found = refused + 1, 0
        tried[kind] += 1
        passed[kind] += found
        if found:
            print(f"{kind}: {damage.path} passed", file=sys.stderr)
    for kind, count in tried.items():
        yield at_least(f"{kind}: caught of {count}, %", 100.0 * (count - passed[kind]) / count, 100.0)
    yield at_most("rows of damaged runs", sum(passed.values()), 0)
    yield Figure("damages in all", sum(tried.values()))
    yield Figure("of these refused by the evaluation already", refused)
    yield at_least("rows of the run made whole again", row(), 1)


def earlier(asked: Asked) -> Iterator[Figure]:
    """The earlier leaderboard through the contract; its figures are those of the tests."""
    table = runpy.run_path(str(EARLIER))
    found = replay(table["earlier"](), table["PICKED"])
    named = {kind: [one for one in found if one.kind == kind] for kind in ("collapsed", "fingerprint")}
    collapsed = {run for one in named["collapsed"] for run in one.runs}
    right = {f"p1_{name}_seed42" for name in table["COLLAPSED"]}
    yield at_least("earlier leaderboard: collapsed runs found of 4", len(collapsed & right), 4)
    yield at_most("earlier leaderboard: false alarms on the other 25", len(collapsed - right), 0)
    blank = sum(len(one.runs) for one in named["fingerprint"])
    yield at_least("earlier leaderboard: rows with blank fingerprints found of 29", blank, 29)
    picked = [one.runs for one in found if one.kind == "picked on test"]
    yield at_least("earlier leaderboard: row picked on test found", picked == [(table["PICKED"],)], 1)
    yield at_most("earlier leaderboard: findings beside these", len(found) - 6, 0)


PARTS: dict[str, Callable[[Asked], Iterator[Figure]]] = {
    "faults": faults,
    "earlier": earlier,
    "plan": plan,
    "endings": endings,
    "kills": kills,
    "full": full,
    "voices": voices,
}
LONG = ("full", "voices")
"""Parts that are done only if asked for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--quick", action="store_true", help="fewer damages, seeds and kills")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=[one for one in PARTS if one not in LONG]
    )
    parser.add_argument("--workspace", type=Path, help="of full or of voices; it is kept")
    parser.add_argument("--corpus", type=Path, help="of voices")
    parser.add_argument("--kills", type=int, help="how many; by default 20")
    parser.add_argument("--seed", type=int, default=SEED, help="of moments and victims")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side")
    given = parser.parse_args()
    if given.workspace is not None and {*LONG} <= {*given.parts}:
        parser.error("a --workspace is of full or of voices: ask for one of them")
    figures: list[Figure] = []
    for name in given.parts:
        with tempfile.TemporaryDirectory() as folder:
            paths = (Path(folder), given.workspace, given.corpus)
            asked = Asked(given.quick, *paths, given.kills, given.seed, given.workers)
            figures += PARTS[name](asked)
    emit(figures, given.json)


if __name__ == "__main__":
    main()
