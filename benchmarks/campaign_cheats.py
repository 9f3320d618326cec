"""Cheats with what is compared: rows, results, predictions, folders, seeds, tries of a gate."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
from campaign_faults import seal
from campaign_study import PITCHES, Study
from cheat_table import (
    Outcome,
    better,
    cheat,
    counted,
    disguised,
    edit,
    groups_of,
    measured_again,
    phases,
    refused,
    unmoved,
    values,
    with_run,
)

from rushes.errors import RushesError
from rushes.runs.run import Run
from rushes.shards.index import encode_index
from rushes.shards.manifest import load_manifest, split_folder
from rushes.stages import read_done, sha256_file

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
    groups = {
        "val": groups_of(study, "test"),
        "train": groups_of(study, "train"),
        "test": groups_of(study, "val"),
    }
    return refused(with_run(study, "peeks", {"source.split": groups}).go, "would be measured on other rows")


@cheat("label set in another order for one run")
def reordered(study: Study) -> Outcome:
    settings = {"preprocessing.labels": list(reversed(PITCHES))}
    return refused(with_run(study, "turned", settings).go, "would be measured on other rows")


@cheat("test clips copied into the training side under other names")
def copies(study: Study) -> Outcome:
    for name in groups_of(study, "test"):
        source = study.folder / "sounds" / name
        for number in range(4):
            shutil.copy(source, source.with_name(f"more{number}-{source.name}"))
    return refused(study.go, "what is tested must not be learnt from")


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
