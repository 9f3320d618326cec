"""Whole campaigns: the plan and the time of the earlier manifest, and the table on real recordings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import yaml
from campaign_command import GATE_FAILED, RECIPES, Answer, Asked, board_of, results_of, shown, tell, wall_s
from report import Figure, at_least, at_most, not_measured

from rushes.campaign.judging.standing import Board, aggregate, baseline_of, control_of, spread
from rushes.campaign.records import Result
from rushes.stages import read_done, read_json

EARLIER, VOICES = RECIPES / "campaigns" / "sleep-earlier.yaml", RECIPES / "campaigns" / "voices.yaml"
RUNS, PLAN_S, FULL_MIN, AGAIN_S, SEEDS = 47, 1.0, 40.0, 2.0, 5
ENDS = (0, 1, GATE_FAILED)


def plan(asked: Asked) -> Iterator[Figure]:
    """How long a plan of the earlier manifest takes, start of Python included."""
    empty = asked.folder / "empty"
    planned = tell("plan", EARLIER, empty)
    yield Figure("plan of the earlier manifest: runs with all tries", planned.told["runs_with_tuning"])
    seconds = wall_s(5, lambda: tell("plan", EARLIER, empty))
    yield at_most(f"plan of {planned.told['runs_with_tuning']} runs, whole process, s", seconds, PLAN_S)


def full(asked: Asked) -> Iterator[Figure]:
    """The earlier manifest to its end, then once more."""
    workspace = asked.workspace or asked.folder / "full"
    answer, minutes, since = _to_its_end(EARLIER, workspace, asked.workers)
    yield at_most(f"full campaign, {asked.workers} workers, minutes{since}", minutes, FULL_MIN)
    yield Figure("full campaign: minutes of all stages added up", _stage_s(workspace) / 60)
    yield Figure("full campaign: exit code", answer.code)
    yield from _outcome("full campaign", answer)
    metric = board_of(EARLIER).metric
    by_key = {(one["name"], one["seed"]): one for one in answer.told["results"]}
    for (name, seed), one in by_key.items():
        if name in answer.told["selected"]:
            values = f"{one['metrics'][metric]:.4f}, {one['test'][metric]:.4f}"
            yield Figure(f"best of {one['group']}, {name}-s{seed}: {metric}, validation, test", values)
    again = wall_s(3, lambda: tell("run", EARLIER, workspace, codes=(answer.code,)))
    yield at_most("finished campaign run again, whole process, s", again, AGAIN_S)
    planned = wall_s(3, lambda: tell("plan", EARLIER, workspace))
    yield at_most(f"plan of the finished campaign ({RUNS} runs), whole process, s", planned, PLAN_S)


def voices(asked: Asked) -> Iterator[Figure]:
    """Teacher, student and pupils on real recordings, whatever they say."""
    if asked.corpus is None:
        yield not_measured("voices: seeds of each run", f">= {SEEDS}", "no --corpus")
        return
    manifest = _over(asked.corpus, asked.folder)
    workspace = asked.workspace or asked.folder / "voices"
    answer, minutes, since = _to_its_end(manifest, workspace, asked.workers)
    yield Figure(f"voices, {asked.workers} workers, minutes{since}", minutes)
    yield from _outcome("voices", answer)
    board = board_of(manifest)
    order = [(one["name"], one["seed"]) for one in answer.told["results"]]
    found = {
        (one.trial.name, one.trial.seed): one for one in results_of(workspace / f"campaign-{board.campaign}")
    }
    yield from table(board, [found[key] for key in order])


def table(board: Board, results: Sequence[Result]) -> Iterator[Figure]:
    """Every run over its seeds on both sides, and its paired gain over its control."""
    standings = aggregate(board, results)
    tried = [sum(one.states.values()) for one in standings]
    yield at_least("voices: seeds of each run, least", min(tried), SEEDS)
    yield Figure("voices: seeds of each run that count, least", min(len(one.seeds) for one in standings))
    trivial = [baseline_of(board, one) for one in results]
    best = max((one for one in trivial if one[1] is not None), key=lambda one: one[1], default=None)
    if best is not None:
        yield Figure(f"voices: best trivial system ({best[0]}), validation {board.metric}", best[1])
    form = "mean (sd) [95 %]"
    for one in standings:
        for side, figures in (("validation", one.validation), ("test", one.test)):
            value = shown(figures[board.metric]) if board.metric in figures else "sealed"
            yield Figure(f"voices: {one.name}, {side} {board.metric}, {form}", value)
        if one.difference is not None and one.against_run:
            yield Figure(
                f"voices: {one.name} - {one.control}, paired, validation, {form}",
                shown(one.difference, sign=True),
            )
            if gains := _test_gains(board, one.name, results):
                told = f"voices: {one.name} - {one.control}, paired, test, {form}"
                yield Figure(told, shown(spread(gains), sign=True))


def _test_gains(board: Board, name: str, results: Sequence[Result]) -> list[float]:
    """Gain of a run over its control on the test side, for each seed of which both were opened."""
    values = {
        (one.trial.name, one.trial.seed): one.test[board.metric]["value"] for one in results if one.test
    }
    own = [one.trial for one in results if one.trial.name == name]
    control = control_of(board, own[0], results)
    pairs = [((name, trial.seed), (control, trial.seed)) for trial in own]
    return [
        board.gain(values[ours], values[theirs]) for ours, theirs in pairs if {ours, theirs} <= values.keys()
    ]


def _over(corpus: Path, folder: Path) -> Path:
    """The manifest with a recipe that finds the corpus; what its runs change stays as it is."""
    tree = yaml.safe_load((RECIPES / "voices.yaml").read_text())
    tree["source"]["root"] = str(corpus.resolve())
    (folder / VOICES.parent.name).mkdir()
    (folder / "voices.yaml").write_text(yaml.safe_dump(tree))
    return Path(shutil.copy(VOICES, folder / VOICES.parent.name))


def _outcome(what: str, answer: Answer) -> Iterator[Figure]:
    """How many runs there were, how they ended, and what the gates said."""
    yield Figure(f"{what}: runs", len(answer.told["results"]))
    for state, count in answer.states().items():
        yield Figure(f"{what}: runs {state}", count)
    for gate, said in answer.verdicts.items():
        yield Figure(f"{what}: {gate}", said)
    for phase, why in answer.told["not_done"].items():
        yield Figure(f"{what}: not done: {phase}", why)


# --- how long a campaign took ------------------------------------------------------------------------------


def _to_its_end(manifest: Path, workspace: Path, workers: int) -> tuple[Answer, float, str]:
    """Do what is left of a campaign; its answer, its minutes, and how these were taken.

    Of a workspace where stages were done before, the minutes are those from the first stage's beginning to
    the last one's end, pauses and whatever else was done in that workspace included.
    """
    before = _finished(workspace)
    answer = tell("run", manifest, workspace, "--workers", str(workers), codes=ENDS)
    if not before:
        return answer, answer.wall_s / 60, ", from an empty workspace"
    ends = _finished(workspace)
    begun = [datetime.fromisoformat(read_json(path)["created"]) for path in workspace.glob("*/recipe.json")]
    minutes = (max(ends) - min(begun)).total_seconds() / 60
    return answer, minutes, ", from the beginning of the first stage to the end of the last"


def _finished(workspace: Path) -> list[datetime]:
    """When each finished stage ended."""
    found = (read_done(path.parent) for path in workspace.glob("*/DONE"))
    return [datetime.fromisoformat(done["finished"]) for done in found if done is not None]


def _stage_s(workspace: Path) -> float:
    """Seconds of all finished stages, each of its last opening."""
    found = (read_done(path.parent) for path in workspace.glob("*/DONE"))
    return sum(done["seconds"] for done in found if done is not None)
