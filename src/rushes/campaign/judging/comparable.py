"""Whether runs may stand beside each other: measured on the same rows, of which nobody has learnt any.

Rows are compared as they were measured, key and truth, not as recipes ask for them. What does not agree ends
the campaign with what differs; nothing is left out for it.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.campaign.records import Result, Trial
from rushes.errors import StageError
from rushes.runs.looks import TEST
from rushes.runs.run import Run
from rushes.stages import OpenStage, canonical_json, sha256_file

if TYPE_CHECKING:
    from rushes.shards.overlap import Side

NAMED = 5
"""Rows that are named where some differ."""

SIDES = ("train", "val", TEST)


def labels_of(run: Run[Any]) -> tuple[str, ...]:
    """The classes of a run's dataset, in order."""
    from rushes.shards.manifest import load_manifest

    return load_manifest(run.bring(run.dataset)).labels


def rows_sha256(run: Run[Any]) -> str:
    """SHA-256 of the classes, and of key and truth of every row on which a finished run was measured."""
    told = [list(labels_of(run)), sorted(run.task.measured(run))]
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def require_same_rows(results: Iterable[Result], run_of: Callable[[Trial], Run[Any]]) -> None:
    """See that all results were measured on the same rows.

    Args:
        results: those without figures are passed over.
        run_of: opens the run of a trial.

    Raises:
        StageError: two were not; says in what they differ.
    """
    first: Result | None = None
    for result in results:
        if result.fingerprints is None:
            continue
        first = first or result
        if result.fingerprints.get("rows") != (first.fingerprints or {}).get("rows"):
            pair = (first.trial, result.trial)
            raise StageError(
                f"{pair[1].key} and {pair[0].key} were not measured on the same rows: "
                f"{'; '.join(_differences(*map(run_of, pair)))}",
                where=f"validation side of {pair[1].key}",
                cure="runs of a campaign are compared: let all be measured on the same rows, or make two campaigns",
            )


def _differences(ours: Run[Any], theirs: Run[Any]) -> Iterator[str]:
    """In what the rows of two runs differ; theirs is the one at fault."""
    classes = labels_of(ours), labels_of(theirs)
    if classes[0] != classes[1]:
        yield f"classes {', '.join(classes[1])} in place of {', '.join(classes[0])}"
    one, other = (dict(run.task.measured(run)) for run in (ours, theirs))
    yield from _some("rows more", other.keys() - one.keys())
    yield from _some("rows less", one.keys() - other.keys())
    yield from _some("rows of another truth", {key for key in one.keys() & other if one[key] != other[key]})


def _some(what: str, keys: Iterable[str]) -> Iterator[str]:
    listed = sorted(keys)
    if listed:
        yield f"{len(listed):,} {what} ({_named(listed)})"


def _named(listed: Sequence[str]) -> str:
    return ", ".join(listed[:NAMED]) + (", ..." if len(listed) > NAMED else "")


def require_own_seeds(
    results: Iterable[Result], learns: Callable[[Result], bool], gives_its_answers: Callable[[Result], bool]
) -> None:
    """See that seeds of a run are runs of their own: no two have the same weights, or one the other's answers.

    Where two give the same answers to the byte, as may happen where answers are few words, both are asked again. A
    model that is measured as it came has one set of weights, whatever the seed.

    Args:
        results: those that are not done are passed over.
        learns: whether training changed anything; asked where two have the same weights.
        gives_its_answers: asks the weights of a result again; whether they say what is on file.

    Raises:
        StageError: two seeds are one run.
    """
    by_name: dict[str, list[Result]] = {}
    for result in results:
        if result.state == "done":
            by_name.setdefault(result.trial.name, []).append(result)
    for one, other in (pair for own in by_name.values() for pair in combinations(own, 2)):
        ours, theirs = one.fingerprints or {}, other.fingerprints or {}
        if ours.get("weights") == theirs.get("weights"):
            if not (learns(one) or learns(other)):
                continue
            raise _one_run(one.trial, other.trial, "have the same weights")
        if ours.get("predictions") == theirs.get("predictions"):
            for asked in (one, other):
                if not gives_its_answers(asked):
                    said = f"have the same answers, which the weights of {asked.trial.key} do not give"
                    raise _one_run(one.trial, other.trial, said)


def _one_run(one: Trial, other: Trial, said: str) -> StageError:
    return StageError(
        f"{one.key} and {other.key} {said}: seeds that are one run tell no spread",
        where=other.key,
        cure="move the stages of whichever was copied away, and run again",
    )


def answers_sha256(run: Run[Any], folder: Path | None = None) -> str:
    """SHA-256 of the answers of a finished run, of the first file that others read of them.

    Args:
        run: finished.
        folder: where they stand, if not in the run itself.
    """
    name = run.maker("answers")
    return sha256_file((folder or run.folder(name)) / run.stages[name].read[0])


def answers_again(run: Run[Any]) -> str:
    """SHA-256 of the answers that the weights of a finished run give now."""
    name = run.maker("answers")
    for needed in run.specs[name].inputs:
        run.bring(needed)
    with tempfile.TemporaryDirectory(prefix="rushes-answers-") as folder:
        stage = OpenStage(run.specs[name], Path(folder), time.monotonic())
        run.task.work[name](run, stage, lambda name, done, total, note: None)
        return answers_sha256(run, Path(folder))


def require_apart(runs: Mapping[str, Run[Any]]) -> None:
    """See that no row of anybody's test side stands in what anybody in the campaign learns from or is chosen by.

    Held against each other are keys, recordings, groups, and the content of samples, of every dataset of the
    campaign.

    Args:
        runs: one of each dataset, by the name of the dataset's folder.

    Raises:
        StageError: something stands on both sides; says what.
    """
    from rushes.runs.sides import side_of

    sides: dict[str, list[tuple[str, Side]]] = {}
    for folder, run in runs.items():
        for name in SIDES:
            side = side_of(run.workspace, run.specs[run.dataset], name)
            sides.setdefault(name, []).extend([] if side is None else [(folder, side)])
    for tested, ours in sides.get(TEST, []):
        for name in SIDES[:-1]:
            for folder, theirs in sides.get(name, []):
                if found := list(_shared(ours, theirs)):
                    raise StageError(
                        f"what is tested must not be learnt from: of the test side of {tested} stand "
                        f"{'; '.join(found)} on the side {name} of {folder}",
                        where=f"{runs[folder].workspace.place}/{folder}",
                        cure="put it on one side for all runs of the campaign, or take the copies out",
                    )


def _shared(ours: Side, theirs: Side) -> Iterator[str]:
    """What two sides share, in words."""
    from rushes.shards.overlap import copies_in_both, named_in_both

    by_kind: dict[str, list[str]] = {}
    for kind, name in named_in_both(ours, theirs):
        by_kind.setdefault(kind, []).append(name)
    for kind, names in by_kind.items():
        yield f"{len(names):,} {kind}{'' if len(names) == 1 else 's'} ({_named(names)})"
    if not by_kind and (copies := [f"{one} = {other}" for one, other in copies_in_both(ours, theirs)]):
        yield f"copies of {len(copies):,} sample{'' if len(copies) == 1 else 's'} ({_named(copies)})"
