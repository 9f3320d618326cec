"""Checks that every task must pass, see `rushes.runs.task.Task`."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rushes.errors import StageError
from rushes.evaluate.scorecard import read_scorecard
from rushes.recipe.signing import Signs
from rushes.runs.admission.admit import admit
from rushes.runs.do import do
from rushes.runs.proof import content, proof
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, Makes
from rushes.runs.task import Task
from rushes.runs.verify import verify_run
from rushes.stages import canonical_json, read_done, signature_of_folder, write_json
from rushes.testing.door import (
    doors_open_when_it_is_trained,
    doors_say_what_they_are,
    nobody_answers_before_it_is_trained,
)
from rushes.testing.files import (
    a_finished_run_is_whole,
    every_damage_is_seen,
    files_are_as_open_as_their_folders,
    repair_makes_the_same_again,
    samples_are_of_one_form,
    what_is_damaged_is_not_learnt,
    what_is_damaged_is_not_read,
)
from rushes.testing.subject import Finished, finish, silent

Check = Callable[[Finished, Path], None]

KILLED_IN: tuple[Makes, ...] = ("dataset", "features", "weights", "answers")
"""What is being made when a run is killed, see `Stage.makes`."""
REPEATED = ("recordings", "dataset", "features", "weights", "answers", "figures")
"""What two runs of one recipe have the same bytes of; an export holds times, a page a date."""

WAIT_S = 300.0


def task_checks() -> Sequence[Check]:
    """All checks, for ``pytest.mark.parametrize``."""
    return (
        stages_are_a_chain,
        signatures_are_those_of_the_folders,
        keys_that_sign_nothing_change_nothing,
        keys_that_sign_change_their_stages,
        a_second_run_skips_every_stage,
        stages_apart_are_done_by_themselves,
        a_finished_run_is_whole,
        the_account_adds_up,
        samples_are_of_one_form,
        files_are_as_open_as_their_folders,
        every_damage_is_seen,
        what_is_damaged_is_not_read,
        what_is_damaged_is_not_learnt,
        repair_makes_the_same_again,
        killed_and_resumed_gives_the_same_bytes,
        the_scorecard_holds,
        the_run_is_admitted,
        changed_values_are_not_admitted,
        doors_say_what_they_are,
        nobody_answers_before_it_is_trained,
        doors_open_when_it_is_trained,
    )


def check_task(task: Task[Any], recipe: Path, folder: Path, overrides: Sequence[str] = ()) -> None:
    """Do every stage of a recipe, then every check.

    Args:
        task: the task; registered by the entry point ``rushes.tasks``.
        recipe: of the smallest twin that shows anything.
        folder: an empty one.
        overrides: ``section.key=value`` texts.

    Raises:
        AssertionError: the task breaks its contract.
        RushesError: a stage cannot be done, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise StageError(
            "the checks want an empty folder", where=folder, cure="take it away, or name another"
        )
    finished = finish(task, recipe, folder / "finished", overrides)
    for check in task_checks():
        check(finished, folder / check.__name__)


# --- stages and signatures --------------------------------------------------------------------------------


def stages_are_a_chain(finished: Finished, folder: Path) -> None:
    """Every stage has its work, reads stages before it only, and leaves what it says others read."""
    task, run = finished.task, finished.run()
    names = [stage.name for stage in task.stages]
    assert len(set(names)) == len(names), f"two stages of one name: {names}"
    assert task.work.keys() == set(names), f"stages {names}, work for {list(task.work)}"
    for place, stage in enumerate(task.stages):
        strange = set(stage.inputs) - set(names[:place])
        assert not strange, f"{stage.name} reads {', '.join(sorted(strange))}, which is no stage before it"
        assert stage.purpose.endswith("."), f"{stage.name}: its purpose is the help of a verb: a sentence"
    for name in run.stages:
        assert content(run, name) is not None, f"{name} left nothing that its `read` names"
    for makes in ("dataset", "weights", "answers", "figures", "page"):
        assert any(stage.makes == makes for stage in task.stages), f"no stage makes {makes}"


def signatures_are_those_of_the_folders(finished: Finished, folder: Path) -> None:
    """The signature that a plan computes is the one that the finished folder has."""
    run = finished.run()
    for name, spec in run.specs.items():
        found = signature_of_folder(run.folder(name))
        assert found == spec.signature, f"{name}: planned {spec.signature}, its folder says {found}"


def keys_that_sign_nothing_change_nothing(finished: Finished, folder: Path) -> None:
    """Workers, logging and paths are part of no signature."""
    run = finished.run()
    before = {name: spec.signature for name, spec in run.specs.items()}
    for key, value in _unsigned_integers(run.recipe):
        after = {name: spec.signature for name, spec in finished.run(f"{key}={value + 1}").specs.items()}
        assert after == before, f"{key} is marked as unsigned, and changes {_changed(before, after)}"


def keys_that_sign_change_their_stages(finished: Finished, folder: Path) -> None:
    """The seed changes the training and what rests on it, and nothing before."""
    run = finished.run()
    other = finished.run(f"train.seed={run.recipe.train.seed + 1}")
    before = {name: spec.signature for name, spec in run.specs.items()}
    after = {name: spec.signature for name, spec in other.specs.items()}
    assert before[run.dataset] == after[run.dataset], "train.seed changes the dataset"
    for makes in ("weights", "answers", "figures", "page"):
        name = run.maker(makes)
        assert before[name] != after[name], f"train.seed does not change {name}"


def _unsigned_integers(section: BaseModel, above: str = "") -> Iterator[tuple[str, int]]:
    """Whole numbers of a recipe that sign no stage: their dotted keys and values."""
    for name, field in type(section).model_fields.items():
        value, key = getattr(section, name), f"{above}{name}"
        marks = [mark for mark in field.metadata if isinstance(mark, Signs)]
        if isinstance(value, BaseModel) and not marks:
            yield from _unsigned_integers(value, f"{key}.")
        elif type(value) is int and any(not mark.stages for mark in marks):
            yield key, value


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    return ", ".join(name for name in before if before[name] != after[name])


# --- doing, again and after a kill ------------------------------------------------------------------------


def a_second_run_skips_every_stage(finished: Finished, folder: Path) -> None:
    """What is done is not done again."""
    run = finished.run()
    for name in run.stages:
        state = do(run, name, silent).state
        assert state == "done", f"{name} was done again"


def stages_apart_are_done_by_themselves(finished: Finished, folder: Path) -> None:
    """A stage that is apart is in no run; its verb does it after what it reads, once."""
    for stage in finished.task.stages:
        if not stage.apart:
            continue
        run = finished.copy(folder / stage.name).run()
        assert stage.name not in run.stages, f"{stage.name} is apart, and a run has it"
        own = run.towards(stage.name)
        shared = [name for name in own.specs if name != stage.name]
        assert all(own.specs[name] == run.specs[name] for name in shared), "it changes what it reads"
        for state in ("ran", "done"):
            states = [do(own, name, silent).state for name in own.stages]
            assert states == [*("done" for _ in shared), state], f"{list(own.stages)}: {states}"
        assert content(own, stage.name) is not None, f"{stage.name} left nothing that its `read` names"


def killed_and_resumed_gives_the_same_bytes(finished: Finished, folder: Path) -> None:
    """``kill -9`` in the middle of a stage, then the same command: no byte differs from an undisturbed run."""
    other = finished.elsewhere(folder / "killed")
    run = other.run()
    for name in run.makers(*KILLED_IN):
        _kill_in(other, run.folder(name))
    process = other.begin()
    _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, f"killed and resumed, it ends with {process.returncode}: {told[-2000:]}"
    whole = finished.run()
    for name, stage in whole.stages.items():
        if stage.makes in REPEATED:
            assert content(run, name) == content(whole, name), f"{name} differs after a kill"


def _kill_in(other: Finished, stage: Path) -> None:
    """Begin the run, and kill it as soon as it works in a stage; let it be where it was too fast."""
    process, until = other.begin(), time.monotonic() + WAIT_S
    while process.poll() is None and not (stage / "recipe.json").exists():
        assert time.monotonic() < until, f"{stage.name} did not begin"
        time.sleep(0.005)
    process.kill()
    process.communicate()


# --- the account ------------------------------------------------------------------------------------------


def the_account_adds_up(finished: Finished, folder: Path) -> None:
    """What became of recordings and files adds up to those that there are."""
    run = finished.run()
    told, done = run.account(), read_done(run.folder(run.dataset))
    assert told is not None, "the dataset does not say what became of its files"
    assert done is not None, "the dataset is not finished"
    recordings, files = told["recordings"], told["files"]
    counted = sum(line["recordings"] for line in recordings["lines"])
    assert counted == recordings["planned"] == done["counts"]["planned"], f"{counted} recordings in lines"
    there = sum(len(names) for _, _, names in os.walk(run.raw()))
    counted = sum(line["files"] for line in files["lines"])
    assert counted == files["files"] == there, f"{there} files, {counted} of them in a line"


# --- figures ----------------------------------------------------------------------------------------------


def the_scorecard_holds(finished: Finished, folder: Path) -> None:
    """It fits its schema; every figure has a meaning, an interval and baselines that it is held against."""
    run = finished.run()
    card = read_scorecard(run.folder(run.maker("figures")) / METRICS_FILE)
    task = finished.task
    assert card.task == task.name, f"the scorecard is of {card.task}"
    assert card.split == run.recipe.evaluate.split, f"measured on {card.split}"
    assert card.headline, "no figure is a headline"
    assert card.with_role("baseline"), "there is no trivial system to hold the model against"
    for name, figure in card.figures.items():
        assert figure.meaning, f"{name} has no meaning"
        low, high = figure.bounds
        for system, estimates in card.all.estimates.items():
            for end in (estimates[name].low, estimates[name].high) if name in estimates else ():
                outside = end is not None and (
                    (low is not None and end < low) or (high is not None and end > high)
                )
                assert not outside, f"{name} of {system} has an interval to {end}, outside of {low} to {high}"
    for name in card.headline:
        assert name in card.all.standings, f"{name} is held against no baseline"
        model = card.all.estimates[card.model][name]
        few = model.low is not None and model.low == model.high and model.n < 1000
        assert not few, f"{name}: an interval without width from {model.n} rows"
    for name in task.figures:
        assert name in card.figures, f"the task has a figure {name}, the scorecard has not"


def the_run_is_admitted(finished: Finished, folder: Path) -> None:
    """A run that nobody touched contradicts itself nowhere."""
    faults = [fault for fault in admit(finished.run()) if fault.kind != "collapsed"]
    assert not faults, "; ".join(map(str, faults))


def changed_values_are_not_admitted(finished: Finished, folder: Path) -> None:
    """A figure that was changed together with all hashes over it does not get past admission."""
    run = finished.copy(folder / "changed").run()
    name = run.maker("figures")
    path = run.folder(name) / METRICS_FILE
    card = json.loads(path.read_bytes())
    model = card["parts"][0]["estimates"][card["model"]]
    figure = next(iter(model))
    model[figure]["value"] = _nudged(model[figure])
    write_json(path, card)
    _seal_again(run, name)
    assert verify_run(run, repair=False).faults == (), "the damage was to be one that no hash tells"
    faults = admit(run)
    assert any(fault.kind == "invalid" for fault in faults), f"{figure} was changed, and the run is admitted"


def _nudged(value: dict[str, Any]) -> float:
    """Another value inside of the interval, so that only measuring again can tell."""
    low, high = value["low"], value["high"]
    if low is None or low == high:
        return float(value["value"]) + 0.125
    middle = (low + high) / 2
    return float((middle + high) / 2 if middle == value["value"] else middle)


def _seal_again(run: Run[Any], name: str) -> None:
    """Write the DONE of a stage for the files that stand there now, as somebody with intent would."""
    folder = run.folder(name)
    done = read_done(folder)
    assert done is not None
    done["summary"] |= proof(run, name)
    checksum = hashlib.sha256(canonical_json(done).encode()).hexdigest()
    write_json(folder / "DONE", done | {"checksum": checksum})
