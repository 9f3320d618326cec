"""Runs that stand beside each other: the same rows, seeds of their own, nothing learnt that is tested."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.campaign.judging.comparable import (
    answers_again,
    require_apart,
    require_own_seeds,
    require_same_rows,
    rows_sha256,
)
from rushes.campaign.manifest.trials import open_campaign
from rushes.campaign.records import Result
from rushes.errors import RecipeError, StageError
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.stages import sha256_file

# --- seen in the manifest ---------------------------------------------------------------------------------

BASES = {
    "sounds": "task: sounds\nsource: {kind: folder, root: /nowhere}\npreprocessing: {labels: [a, b, c]}\n",
    "operations": "task: operations\ntrain: {phases: [{steps: 3}]}\n",
    "driving": "task: driving\ntrain: {phases: [{steps: 3}]}\n",
}
METRICS = {"sounds": "f1_macro", "operations": "oca", "driving": "ade_m"}


def opened(folder: Path, task: str, runs: str) -> None:
    (folder / "base.yaml").write_text(BASES[task])
    from rushes.tasks import TASKS

    metric = next(name for name, figure in TASKS[task].figures.items() if figure.on == "all")
    lower = str(TASKS[task].figures[metric].better == "lower").lower()
    (folder / "c.yaml").write_text(
        f"campaign: c\nrecipe: base.yaml\nmetric: {metric}\nlower_is_better: {lower}\n"
        f"phases: [{{name: p, runs: {{plain: {{}}, {runs}}}}}]\n"
    )
    open_campaign(folder / "c.yaml")


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        (
            "sounds",
            "preprocessing.labels: [a, b]",
            'preprocessing.labels ["a","b"] in place of ["a","b","c"]',
        ),
        ("sounds", "preprocessing.labels: [c, b, a]", 'preprocessing.labels ["c","b","a"] in place of'),
        ("sounds", "source.shares: {train: 0.6, val: 0.2, test: 0.2}", "source.shares"),
        ("sounds", "source.split: {val: [x], train: [y], test: [z]}", "source.split"),
        ("sounds", "source.root: /elsewhere", 'source.root "/elsewhere" in place of "/nowhere"'),
        ("sounds", "twin.seed: 1", "twin.seed 1 in place of 0"),
        ("operations", "source.split: {train: [U0101], val: [U0102], test: [U0103]}", "source.split"),
        ("operations", "twin.difficulty: 0.25", "twin.difficulty 0.25 in place of"),
        ("driving", "twin.train: 7", "twin.train 7 in place of"),
    ],
)
def test_what_decides_the_rows_is_the_same_for_all_runs(tmp_path: Path, task: str, settings: str, said: str):
    with pytest.raises(RecipeError) as caught:
        opened(tmp_path, task, f"odd: {{set: {{{settings}}}}}")
    assert said in caught.value.message
    assert "c.yaml:5: odd would be measured on other rows than plain" in caught.value.message
    assert "make a campaign of its own" in caught.value.message


def test_what_decides_nothing_of_the_rows_may_differ(tmp_path: Path):
    opened(tmp_path, "sounds", "small: {set: {preprocessing.mels: 20, train.epochs: 3, model.kernel: 3}}")


def test_a_grid_of_rows_is_one_fault(tmp_path: Path):
    with pytest.raises(RecipeError) as caught:
        opened(tmp_path, "sounds", "odd: {grid: {twin.seed: [1, 2, 3]}}")
    assert caught.value.message.count("would be measured on other rows") == 1


# --- seen when it was measured ----------------------------------------------------------------------------


def answering(run: Run, change) -> Run:
    path = run.folder("predict") / "predictions.parquet"
    table = pa.table(change(pq.read_table(path, memory_map=False).to_pydict()), pq.read_schema(path))
    pq.write_table(table, path)
    return run


def cut(columns: dict) -> dict:
    return {name: values[2:] for name, values in columns.items()}


def relabelled(columns: dict) -> dict:
    return columns | {"label": ["snore", *columns["label"][1:]]}


def rekeyed(columns: dict) -> dict:
    return columns | {"key": ["strange", *columns["key"][1:]]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, "2 rows less ("),
        (relabelled, "1 rows of another truth ("),
        (rekeyed, "1 rows more (strange); 1 rows less ("),
    ],
)
def test_rows_that_were_measured_are_compared_by_key_and_truth(trained, finished, make, change, said):
    runs = {"ours": trained.run(), "theirs": answering(finished.run(), change)}
    results = [make(name, 0, 0.5) for name in runs]
    for result in results:
        result.fingerprints["rows"] = rows_sha256(runs[result.trial.name])
    with pytest.raises(StageError) as caught:
        require_same_rows(results, lambda trial: runs[trial.name])
    assert caught.value.message.startswith("theirs-s0 and ours-s0 were not measured on the same rows: ")
    assert said in caught.value.message


def test_the_order_of_rows_is_none_of_their_own(trained, finished):
    turned = answering(
        finished.run(), lambda columns: {name: values[::-1] for name, values in columns.items()}
    )
    assert rows_sha256(turned) == rows_sha256(trained.run())


def nobody(result: Result) -> bool:
    raise AssertionError(f"{result.trial.key} is not to be asked")


def test_seeds_of_the_same_weights_are_one_run(make):
    first, second = (make("a", seed, 0.5) for seed in (0, 1))
    require_own_seeds([first, second], nobody, nobody)
    second.fingerprints["weights"] = first.fingerprints["weights"]
    with pytest.raises(StageError, match="a-s0 and a-s1 have the same weights"):
        require_own_seeds([first, second], lambda result: True, nobody)
    require_own_seeds([first, second], lambda result: False, nobody)  # measured as it came
    other = make("b", 1, 0.5)
    other.fingerprints.update(first.fingerprints)  # the same run under two names is no seed
    require_own_seeds([first, other], nobody, nobody)


def test_answers_of_another_seed_are_found_by_asking_again(finished, make):
    """Two seeds may say the same; then their own weights do, and nobody minds."""
    runs = {seed: finished.do(f"train.seed={seed}") for seed in (0, 1)}
    files = {seed: run.folder("predict") / "predictions.parquet" for seed, run in runs.items()}
    assert {seed: answers_again(run) for seed, run in runs.items()} == {
        seed: sha256_file(path) for seed, path in files.items()
    }
    results = [make("a", seed, 0.5) for seed in runs]
    for result in results:
        result.fingerprints["predictions"] = sha256_file(files[0])

    def gives(run: Run) -> bool:
        return answers_again(run) == sha256_file(files[0])

    require_own_seeds(results, nobody, lambda result: gives(runs[0]))
    with pytest.raises(StageError, match="have the same answers, which the weights of a-s1 do not give"):
        require_own_seeds(results, nobody, lambda result: gives(runs[result.trial.seed]))


# --- sides ------------------------------------------------------------------------------------------------


def prepared(finished, *overrides: str) -> Run:
    run = finished.run(*overrides)
    do(run, "features", lambda *told: None)
    return run


def test_nothing_that_is_tested_stands_where_somebody_learns(finished):
    ours = finished.run()
    sides = {side: sorted(set(ours.samples(side).groups())) for side in ("train", "val", "test")}
    require_apart({"ours": ours})
    cut_otherwise = prepared(finished, "preprocessing.mels=9")
    require_apart({"ours": ours, "otherwise": cut_otherwise})
    moved = {**sides, "train": [*sides["train"], sides["test"][0]], "test": sides["test"][1:]}
    theirs = prepared(finished, f"source.split={json.dumps(moved)}")
    with pytest.raises(StageError) as caught:
        require_apart({"ours": ours, "theirs": theirs})
    assert "of the test side of ours stand 1 sample (" in caught.value.message
    assert f"1 group ({sides['test'][0]}) on the side train of theirs" in caught.value.message
