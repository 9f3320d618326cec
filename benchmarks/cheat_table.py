"""Ways to cheat in a campaign, each tried against the real thing, and what came of it.

A cheat is caught where it is refused, where figures and verdicts follow from the predictions all the same, where
the look or the try that it hides is on record, or where the page says what it glosses over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from campaign_study import Study

from rushes.campaign.runner import Runner
from rushes.errors import RushesError
from rushes.runs.do import perform
from rushes.runs.run import Run
from rushes.stages import StageSpec, canonical_json, read_done, read_json, sha256_file, write_json
from rushes.stages.folder import OpenStage

Kind = Literal["refused", "followed", "recorded", "said", "NOT CAUGHT"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cheat.

    Attributes:
        kind: how it was caught.
        by: what said so.
    """

    kind: Kind
    by: str

    @property
    def caught(self) -> bool:
        """Whether anything did."""
        return self.kind != "NOT CAUGHT"


CHEATS: dict[str, Callable[[Study], Outcome]] = {}
"""What is tried, in a few words -> does it to a copy of an honest study, and tells what came of it."""


def cheat(words: str) -> Callable[[Callable[[Study], Outcome]], Callable[[Study], Outcome]]:
    """Enter a function in the table."""

    def enter(function: Callable[[Study], Outcome]) -> Callable[[Study], Outcome]:
        CHEATS[words] = function
        return function

    return enter


# --- how it is told whether a cheat was caught ------------------------------------------------------------


def refused(call: Callable[[], object], words: str) -> Outcome:
    """Whether a call is refused with these words in the message."""
    try:
        call()
    except RushesError as error:
        line = " ".join(error.message.split())
        return Outcome("refused" if words in line else "NOT CAUGHT", line[:160])
    return Outcome("NOT CAUGHT", "nothing was said")


def values(study: Study) -> dict[str, Any]:
    """The figures of all runs as the campaign's own files have them."""
    found = (read_json(path) for path in sorted((study.place / "results").glob("*.json")))
    return {f"{one['trial']['name']}-s{one['trial']['seed']}": one["figures"] for one in found}


def unmoved(study: Study, before: Mapping[str, Any]) -> Outcome:
    """Whether the study, run again, shows what it showed, or throws out whatever was touched."""
    runner = study.go()
    thrown = [one for one in runner.results.values() if one.state in ("invalid", "failed")]
    shown = {key: one.figures for key, one in runner.results.items() if one not in thrown}
    if canonical_json(shown) != canonical_json({key: before[key] for key in shown}):
        return Outcome("NOT CAUGHT", "other figures are shown")
    if "gate" in runner.verdicts and runner.verdicts["gate"].passed:
        return Outcome("NOT CAUGHT", "the gate passes")
    if thrown:
        lost = thrown[0]
        why = lost.error or lost.faults[0]
        return Outcome("refused", f"{lost.trial.key} {lost.state}: {why}"[:160])
    return Outcome("followed", "figures follow from the predictions")


def on_record(study: Study, count: int, more: int) -> Outcome:
    """Whether so many more looks are on record than ``count``, and the page lists all of them."""
    looks = study.looks
    page = (study.place / "leaderboard.html").read_text()
    listed = all(look["hash"][:12] in page for look in looks)
    if len(looks) != count + more or not listed:
        return Outcome(
            "NOT CAUGHT", f"{len(looks)} looks on record, {'all' if listed else 'not all'} on the page"
        )
    return Outcome("recorded", f"look {len(looks)} on record, listed on the page")


def counted(runner: Runner, asked: int, gate: str = "gate") -> Outcome:
    """Whether the gate knows how often it was asked."""
    found = runner.verdicts[gate].asked
    return Outcome(
        "recorded" if found == asked else "NOT CAUGHT", f"the gate was asked {found} times, {asked} are true"
    )


# --- means ------------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file."""
    tree = read_json(path)
    change(tree)
    write_json(path, tree)


def disguised(run: Run[Any], stage: str, other: Run[Any], inputs: Mapping[str, str]) -> None:
    """Put another run's folder in the place of this one's, with recipe.json and DONE of this one's signature."""
    there, here = other.folder(stage), run.folder(stage)
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(there, here)
    spec = run.specs[stage]
    edit(here / "recipe.json", lambda told: told.update(spec.parts() | {"signature": spec.signature}))
    told = read_done(there)
    (here / "DONE").unlink()
    summary = {**told["summary"], "inputs": {**told["summary"]["inputs"], **inputs}}
    OpenStage(StageSpec(**{name: getattr(spec, name) for name in spec.__slots__}), here, 0.0).finish(
        {**summary, "files": {**summary["files"], "recipe.json": sha256_file(here / "recipe.json")}},
        told["counts"],
    )


def measured_again(run: Run[Any]) -> None:
    """Figures that follow from the predictions that now stand there."""
    with run.workspace.working(run.specs["evaluate"], reopen=True) as stage:
        perform(run, "evaluate", stage, lambda *told: None)


def better(path: Path) -> None:
    """Answer every clip of a file of predictions rightly."""
    table = pq.read_table(path, memory_map=False)
    places = {label: number for number, label in enumerate(("quiet", "breathe", "snore"))}
    sure = [[6.0 * (k == places[label]) for k in range(len(places))] for label in table["label"].to_pylist()]
    column = pa.array(sure, table.schema.field("logits").type)
    pq.write_table(table.set_column(table.schema.get_field_index("logits"), "logits", column), path)


def phases(study: Study, **gate: Any) -> list[dict[str, Any]]:
    """The study's phases with another gate."""
    base, asked = json.loads(json.dumps(study.tree["phases"]))
    return [base, {**asked, "gate": {**asked["gate"], **gate}}]


def with_run(study: Study, name: str, settings: Mapping[str, Any], **more: Any) -> Study:
    """The study with a run more, which the gate takes for the better one."""
    base, asked = json.loads(json.dumps(study.tree["phases"]))
    base["runs"][name] = {"set": dict(settings), **more}
    asked["gate"]["better"] = [name]
    return study.saying(phases=[base, asked])


def groups_of(study: Study, side: str) -> list[str]:
    return sorted(set(study.run().samples(side).groups()))


def tried(
    study: Study, folder: Path, names: Mapping[str, Callable[[Study], Outcome]]
) -> Iterator[tuple[str, Outcome]]:
    """Each cheat on a copy of its own; one that ends in an error nobody foresaw was not caught."""
    for number, (words, function) in enumerate(names.items()):
        place = folder / f"{number:02d}"
        try:
            yield words, function(study.copied(place))
        except Exception as error:  # whatever it is, nobody caught the cheat
            yield words, Outcome("NOT CAUGHT", f"{type(error).__name__}: {error}"[:300])
        shutil.rmtree(place, ignore_errors=True)
