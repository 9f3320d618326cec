"""Ways to cheat in a campaign, each tried against the real thing, and what came of it.

A cheat is caught where it is refused, where figures and verdicts follow from the predictions all the same, where
the look or the try that it hides is on record, or where the page says what it glosses over.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from campaign_faults import seal
from campaign_study import PITCHES, Study

from rushes.campaign.runner import Runner
from rushes.errors import RushesError
from rushes.runs.do import perform
from rushes.runs.run import Run
from rushes.shards.index import encode_index
from rushes.shards.manifest import load_manifest, split_folder
from rushes.stages import StageSpec, canonical_json, read_done, read_json, sha256_file, write_json
from rushes.stages.folder import OpenStage
from rushes.storage import open_workspace
from rushes.storage.record import Entry, Record

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


# --- other rows -------------------------------------------------------------------------------------------


@cheat("C1 fewer classes and other shares for one run")
def easier(study: Study) -> Outcome:
    settings = {
        "preprocessing.labels": ["quiet", "snore"],
        "source.shares": {"train": 0.6, "val": 0.2, "test": 0.2},
    }
    return refused(with_run(study, "easier", settings, control="hard").go, "would be measured on other rows")


@cheat("C1 one run is chosen on the test groups")
def peeks(study: Study) -> Outcome:
    groups = {"val": _groups(study, "test"), "train": _groups(study, "train"), "test": _groups(study, "val")}
    return refused(with_run(study, "peeks", {"source.split": groups}).go, "would be measured on other rows")


@cheat("label set in another order for one run")
def reordered(study: Study) -> Outcome:
    settings = {"preprocessing.labels": list(reversed(PITCHES))}
    return refused(with_run(study, "turned", settings).go, "would be measured on other rows")


@cheat("test clips copied into the training side under other names")
def copies(study: Study) -> Outcome:
    for name in _groups(study, "test"):
        source = study.folder / "sounds" / name
        for number in range(4):
            shutil.copy(source, source.with_name(f"more{number}-{source.name}"))
    return refused(study.go, "what is tested must not be learnt from")


def _groups(study: Study, side: str) -> list[str]:
    return sorted(set(study.run().samples(side).groups()))


# --- results ----------------------------------------------------------------------------------------------


@cheat("C2 a figure raised in results/*.json")
def raised(study: Study) -> Outcome:
    before = values(study)
    for path in (study.place / "results").glob("soft-*.json"):
        edit(path, lambda told: told["figures"]["f1_macro"].update(value=2.0, high=2.0))
    return unmoved(study, before)


@cheat("C2 the same, with stamps and marks of another result")
def marked(study: Study) -> Outcome:
    before = values(study)
    for path in (study.place / "results").glob("soft-*.json"):
        edit(path, lambda told: told["figures"]["f1_macro"].update(value=2.0, high=2.0))
    edit(
        study.place / "judged.json",
        lambda told: told.update({"soft-s0": told["hard-s0"], "soft-s1": told["hard-s1"]}),
    )
    return unmoved(study, before)


@cheat("C2 a figure raised in metrics.json, under right hashes")
def remeasured(study: Study) -> Outcome:
    before, run = values(study), study.run("soft")
    path = run.folder("evaluate") / "metrics.json"
    edit(path, lambda told: told["parts"][0]["estimates"]["model"]["f1_macro"].update(value=0.99, high=1.0))
    seal(run, ("evaluate",))
    return unmoved(study, before)


@cheat("C2 predictions answered rightly and measured again, under right hashes and the old times")
def answered(study: Study) -> Outcome:
    before, run = values(study), study.run("hard")
    paths = [path for path in study.workspace.rglob("*") if path.is_file()]
    times = {path: path.stat() for path in paths}
    better(run.folder("predict") / "predictions.parquet")
    seal(run, ("predict",))
    measured_again(run)
    for path in paths:
        os.utime(path, ns=(times[path].st_atime_ns, times[path].st_mtime_ns))
    return unmoved(study, before)


@cheat("a verdict's attempts and its answer edited")
def verdict(study: Study) -> Outcome:
    before = values(study)
    edit(study.place / "verdicts" / "gate.json", lambda told: told.update(passed=True, attempts=[], asked=1))
    return unmoved(study, before)


@cheat("another run's predictions copied under the expected name")
def copied(study: Study) -> Outcome:
    before, soft, hard = values(study), study.run("soft"), study.run("hard")
    shutil.rmtree(soft.folder("predict"))
    shutil.copytree(hard.folder("predict"), soft.folder("predict"))
    return unmoved(study, before)


@cheat("the same, with recipe.json and DONE of the expected signature, and measured again")
def forged(study: Study) -> Outcome:
    before, soft, hard = values(study), study.run("soft"), study.run("hard")
    disguised(soft, "predict", hard, read_done(soft.folder("predict"))["summary"]["inputs"])
    measured_again(soft)
    return unmoved(study, before)


@cheat("another run's folder linked under the expected name")
def linked(study: Study) -> Outcome:
    before, soft, hard = values(study), study.run("soft"), study.run("hard")
    shutil.rmtree(soft.folder("predict"))
    soft.folder("predict").symlink_to(hard.folder("predict").absolute())
    return unmoved(study, before)


@cheat("recipe.json of a stage edited")
def rewritten(study: Study) -> Outcome:
    before, run = values(study), study.run("soft")
    edit(run.folder("train") / "recipe.json", lambda told: told["recipe"]["train"].update(epochs=7))
    return unmoved(study, before)


@cheat("keys renamed in a shard's index, under right hashes")
def renamed(study: Study) -> Outcome:
    before, run = values(study), study.run("hard")
    folder = run.folder("features")
    manifest = load_manifest(folder)
    shards = []
    for shard in manifest.splits["val"]:
        path = split_folder(folder, "val") / shard.index_name
        columns = pq.read_table(path, memory_map=False).to_pydict()
        columns["key"] = [f"x{key}" for key in columns["key"]]
        path.write_bytes(encode_index(columns, shard.bytes, shard.sha256, shard.samples))
        shards.append(replace(shard, index_sha256=sha256_file(path)))
    replace(manifest, splits={**manifest.splits, "val": tuple(shards)}).save(folder)
    seal(run, ("features",))
    return unmoved(study, before)


# --- seeds ------------------------------------------------------------------------------------------------


@cheat("one seed's weights and predictions copied as another seed")
def twins(study: Study) -> Outcome:
    first, second = study.run("soft", 0), study.run("soft", 1)
    disguised(second, "train", first, {})
    for stage in ("predict", "evaluate", "export"):
        disguised(second, stage, first, {})
    edit_provenance(second)
    try:
        runner = study.go()
    except RushesError as error:
        return Outcome("refused", error.message[:160])
    lost = runner.results["soft-s1"]
    return Outcome(
        "refused" if lost.state == "invalid" else "NOT CAUGHT", f"soft-s1 {lost.state}: {lost.faults[:1]}"
    )


def edit_provenance(run: Run[Any]) -> None:
    """Figures of a run that name its own stages."""
    path = run.folder("evaluate") / "metrics.json"
    evaluate = run.specs["evaluate"]
    signatures = {name: run.specs[name].signature for name in (*evaluate.inputs, "evaluate")}
    edit(path, lambda told: told["provenance"].update(signatures=signatures, seed=run.recipe.train.seed))
    seal(run, ("train", "predict", "evaluate", "export"))


@cheat("seeds that differ in the name of a run only")
def named(study: Study) -> Outcome:
    run = with_run(study, "again", {}, cells=[{"train.seed": 0, "train.epochs": 6}])
    return refused(run.go, "every run is done with each of the campaign's seeds")


# --- gates ------------------------------------------------------------------------------------------------


@cheat("margin lowered once the gate has failed")
def lowered(study: Study) -> Outcome:
    return counted(study.saying(phases=phases(study, margin=0.4)).go(), 2)


@cheat("a try that did badly is taken out of the manifest, another put in")
def forgotten(study: Study) -> Outcome:
    for epochs in (1, 2):
        runs = {"tuned": {"set": {"train.epochs": epochs}}}
        study = study.saying(phases=phases(study, confidence=0.95, otherwise={"budget": 1, "runs": runs}))
        runner = study.go()
    return counted(runner, 4)  # without a confidence, with one, the first try, the second


@cheat("the record of gates deleted")
def unasked(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "gates")
    return refused(study.go, "is not on record")


@cheat("the gate renamed, and asked for less")
def fresh(study: Study) -> Outcome:
    base, asked = phases(study, margin=0.4)
    return counted(study.saying(phases=[base, {**asked, "name": "fresh"}]).go(), 2, "fresh")


@cheat("the campaign renamed, and its gate asked for less")
def reborn(study: Study) -> Outcome:
    return counted(study.saying(campaign="other", phases=phases(study, margin=0.4)).go(), 2)


@cheat("C4 two seeds and a wide interval, by the margin alone")
def unsure(study: Study) -> Outcome:
    runner = study.saying(phases=phases(study, better=["hard"], than=["soft"], margin=0.0)).go()
    verdict = runner.verdicts["gate"]
    said = all(
        "no confidence was asked for, and the interval" in text and "holds zero" in text
        for text in ((study.place / name).read_text() for name in ("leaderboard.html", "decisions.md"))
    )
    found = "passed" if verdict.passed else "not passed"
    return Outcome("said" if said else "NOT CAUGHT", f"{found} by {verdict.difference}: the page says it")


# --- looks ------------------------------------------------------------------------------------------------


@cheat("C3 the record of looks deleted")
def deleted(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    return refused(study.go, "is not on record")


@cheat("C3 the record of looks cut short")
def shortened(study: Study) -> Outcome:
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    (study.workspace / "looks" / "000002.json").unlink()
    return refused(study.go, "is not on record")


@cheat("C3 an entry of the record changed, with its own hash")
def changed(study: Study) -> Outcome:
    path = study.workspace / "looks" / "000001.json"
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    told = read_json(path)
    told["content"]["run"] = "nobody"
    entry = Entry.after((), told["content"])
    path.write_text(canonical_json(entry.to_json()))
    return refused(study.go, "the record of looks was changed")


@cheat("C3 a second campaign of another name")
def second(study: Study) -> Outcome:
    count = len(study.looks)
    again = study.saying(campaign="other", select=["soft"])
    again.go()
    return on_record(again, count, 1)


@cheat("C3 `rushes run` on the test side, by hand")
def by_hand(study: Study) -> Outcome:
    count = len(study.looks)
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    study.go()
    return on_record(study, count, 1)


@cheat("by hand with val and test swapped, so that the test rows are called val")
def swapped(study: Study) -> Outcome:
    count = len(study.looks)
    groups = {"train": _groups(study, "train"), "val": _groups(study, "test"), "test": _groups(study, "val")}
    split = f"source.split={json.dumps(groups)}"
    study.by_hand("run", "--set", split, "--set", "evaluate.split=val", "--set", "train.epochs=1")
    study.go()
    return on_record(study, count, 1)


@cheat("by hand with the test rows called val, before there is a dataset that tests them")
def early(study: Study) -> Outcome:
    learnt = _groups(study, "train")
    groups = {"train": learnt[1:], "val": _groups(study, "test"), "test": learnt[:1]}
    empty = replace(study, workspace=study.folder / "empty")
    split = f"source.split={json.dumps(groups)}"
    empty.by_hand("run", "--set", split, "--set", "evaluate.split=val", "--set", "train.epochs=1")
    empty.go()
    return on_record(empty, 0, 2)


@cheat("a sound added, so that the data are others, under another name")
def added(study: Study) -> Outcome:
    source = study.folder / "sounds" / _groups(study, "test")[0]
    samples = bytearray(source.read_bytes())
    samples[-1] ^= 1
    source.with_name(f"new-{source.name}").write_bytes(samples)
    runner = study.saying(campaign="other").go()
    listed = [look.by for look in runner.looks if look.entry.number == 1]
    return Outcome("recorded" if listed else "NOT CAUGHT", f"the first look is listed: {listed}")


@cheat("workspace copied, looked at there, what was measured copied back")
def abroad(study: Study) -> Outcome:
    other = study.copied(study.folder / "abroad")
    shutil.rmtree(other.folder / "sounds")
    (other.folder / "tiny.yaml").write_text((study.folder / "tiny.yaml").read_text())
    other.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    for path in other.workspace.glob("*-*/DONE"):
        if not (study.workspace / path.parent.name).exists():
            shutil.copytree(path.parent, study.workspace / path.parent.name)
    return refused(study.go, "is not on record")


@cheat("record and test stages deleted, the campaign's list left")
def both(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    for path in study.workspace.glob("*-*/DONE"):
        if "look" in json.loads(path.read_bytes())["summary"]:
            shutil.rmtree(path.parent)
    return refused(study.go, "is not on record")


@cheat("record deleted, and the look taken out of what was measured")
def stripped(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    (study.place / "openings.jsonl").unlink()
    for path in list(study.workspace.glob("*-*/DONE")):
        _without_look(path.parent)
    study.go()
    found = [look["content"]["stages"] for look in study.looks if look["content"]["found"]]
    told = Outcome("recorded", f"{sum(map(len, found))} stages found and put on record")
    return told if found else Outcome("NOT CAUGHT", "nothing was found")


def _without_look(folder: Path) -> None:
    told = read_done(folder)
    if "look" in told["summary"]:
        del told["summary"]["look"]
        spec = read_json(folder / "recipe.json")
        parts = {name: spec[name] for name in ("version", "recipe", "inputs", "fingerprint")}
        OpenStage(StageSpec(spec["stage"], **parts), folder, 0.0).finish(told["summary"], told["counts"])


@cheat("the folder of the record linked to an empty one elsewhere")
def elsewhere(study: Study) -> Outcome:
    shutil.rmtree(study.workspace / "looks")
    (study.folder / "empty").mkdir()
    (study.workspace / "looks").symlink_to((study.folder / "empty").absolute())
    return refused(study.go, "is not on record")


@cheat("a look under a clock that was set back")
def back(study: Study) -> Outcome:
    record = Record(open_workspace(study.workspace), "looks")
    ahead = replace(Entry.after(record.read(), record.read()[0].content), when="2099-01-01T00:00:00+00:00")
    ahead = replace(ahead, hash=ahead.true_hash)  # by a clock that was right, as seen from one set back
    (study.workspace / "looks" / "000002.json").write_text(canonical_json(ahead.to_json()))
    study.by_hand("run", "--set", "train.epochs=1", "--set", "evaluate.split=test")
    study.go()
    return on_record(study, 2, 1)


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
