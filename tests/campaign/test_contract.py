"""Nothing that is broken has a row: files first, then values whose hashes are right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rushes.campaign.judging.admission import check_run, state_of
from rushes.models.nets import build, load, save
from rushes.runs.admission.values import Fault, asked_of, check_losses, figures_of_confusion
from rushes.runs.do import perform
from rushes.runs.proof import proof
from rushes.runs.run import Run
from rushes.stages import read_done, weights_sha256, write_json
from rushes.tasks.sounds.admission import check_reload
from rushes.tasks.sounds.predict.table import logits_array
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

WITHOUT = ("export", "report")
AFTER = {"train": ("predict", "evaluate"), "predict": ("evaluate",), "evaluate": ()}


def faults(run: Run, board) -> list[Fault]:
    return check_run(run, board, without=WITHOUT)


def sealed(run: Run, *names: str, **summary: Any) -> None:
    """Write DONE of stages again as if what stands there now were what they made."""
    for name in names:
        done = read_done(run.folder(name))
        with run.workspace.working(run.specs[name], reopen=True) as stage:
            stage.finish({**done["summary"], **summary, **proof(run, name)}, done["counts"])
        summary = {}


def redone(run: Run, *names: str) -> None:
    """Do stages again, from what now stands before them."""
    for name in names:
        with run.workspace.working(run.specs[name], reopen=True) as stage:
            perform(run, name, stage, lambda *told: None)


def test_a_whole_run_breaks_nothing(trained, board):
    assert faults(trained.run(), board) == []


def test_a_stage_that_is_not_done_is_a_fault(trained, board):
    found = check_run(trained.run(), board)
    assert [fault.message for fault in found] == ["stage export is not done", "stage report is not done"]


# --- files ------------------------------------------------------------------------------------------------


def files_of(run: Run) -> list[Path]:
    return sorted(
        path
        for name in run.specs
        if name not in WITHOUT
        for path in run.folder(name).rglob("*")
        if path.is_file() and path.name != "lock"
    )


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: None, lambda data: data[: len(data) // 2], lambda data: b"", flipped],
    ids=["deleted", "cut", "emptied", "flipped"],
)
def test_every_file_is_missed_or_found_changed(finished, board, damage):
    run, passed = finished.run(), []
    files = files_of(run)
    for path in files:
        whole = path.read_bytes()
        harmed = damage(whole)
        if harmed is None:
            path.unlink()
        else:
            path.write_bytes(harmed)
        if state_of(faults(run, board)) != "invalid":
            passed.append(path.name)
        path.write_bytes(whole)
    assert passed == []
    assert len(files) > 20
    assert faults(run, board) == []


def test_a_stage_made_again_to_other_content_is_found(finished, board):
    run = finished.run()
    model = run.folder("train") / "model"
    save(build(run.recipe.model, run.recipe.preprocessing, seed=99), model)
    sealed(run, "train", weights=weights_sha256(model))
    assert "made from other content" in faults(run, board)[0].message


# --- a machine that refuses --------------------------------------------------------------------------------

JUDGE = """
import errno, os, resource, sys
from rushes.campaign.judging.admission import check_run
from rushes.campaign.judging.standing import Board
from rushes.tasks import load_recipe
from rushes.tasks import open_run
from rushes.storage import open_workspace

recipe, workspace, refused = sys.argv[1:]
run = open_run(load_recipe(recipe), open_workspace(workspace))
asked = (run, Board("c", "sounds", "f1_macro"))
assert check_run(*asked, without=("export", "report")) == []
limit, most = {
    "room": (resource.RLIMIT_FSIZE, 1000),  # the figures measured again do not fit
    "files": (resource.RLIMIT_NOFILE, os.open(os.devnull, os.O_RDONLY) + 1),
}[refused]
_, hard = resource.getrlimit(limit)
resource.setrlimit(limit, (most, hard))
try:
    print(*check_run(*asked, without=("export", "report")))
except OSError as error:
    resource.setrlimit(limit, (hard, hard))
    print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize(("refused", "said"), [("room", "EFBIG"), ("files", "EMFILE")])
def test_what_the_machine_refuses_says_nothing_of_the_run(trained, refused, said):
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(trained.recipe), str(trained.workspace), refused],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [said]


# --- values whose hashes are right ------------------------------------------------------------------------


def change(path: tuple, to: Callable[[Any], Any]) -> Callable[[dict], None]:
    def edit(metrics: dict) -> None:
        inner = metrics
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = to(inner[path[-1]])

    return edit


SYSTEMS = ("parts", 0, "estimates")
MODEL = (*SYSTEMS, "model", "f1_macro")
CONFUSION = ("details", "confusion")
EDITS = {
    "figure raised": change((*MODEL, "value"), lambda value: value - 0.01),
    "eighth digit": change((*MODEL, "value"), lambda value: value * (1 - 1e-8)),
    "interval": change((*MODEL, "low"), lambda value: value + 0.001),
    "interval turned": change(MODEL, lambda one: one | {"low": one["high"], "high": one["low"] - 0.1}),
    "figure blank": change((*MODEL, "value"), lambda value: None),
    "figure a word": change((*MODEL, "value"), str),
    "figure gone": change(SYSTEMS, lambda of: of | {"model": {"accuracy": of["model"]["accuracy"]}}),
    "system gone": change(SYSTEMS, lambda of: {"model": of["model"]}),
    "rows swapped": change(CONFUSION, lambda rows: [rows[1], rows[0], rows[2]]),
    "columns swapped": change(CONFUSION, lambda rows: [[b, a, c] for a, b, c in rows]),
    "row gone": change(CONFUSION, lambda rows: rows[:2]),
    "support": change(("parts", 3, "n"), lambda count: count + 1),
    "labels in another order": change(("details", "labels"), lambda labels: [*labels[1:], labels[0]]),
    "weaker baseline": change((*SYSTEMS, "majority", "f1_macro", "value"), lambda value: value / 2),
    "baseline called a ceiling": change(("systems", "prior", "role"), lambda role: "ceiling"),
    "another verdict": change(
        ("parts", 0, "standings", "f1_macro", "verdict"),
        lambda verdict: "cannot be told" if verdict == "better" else "better",
    ),
    "another split": change(("split",), lambda split: "test"),
    "fewer clips": change(("parts", 0, "n"), lambda n: n - 1),
    "no dataset": change(("provenance", "dataset"), lambda sha: ""),
    "another dataset": change(("provenance", "dataset"), lambda sha: "0" * 64),
    "no weights": change(("provenance", "weights"), lambda sha: None),
    "no signatures": change(("provenance", "signatures"), lambda of: {}),
    "another training": change(("provenance", "signatures", "train"), lambda of: "0" * 12),
    "no provenance": lambda metrics: metrics.pop("provenance"),
    "a field more": lambda metrics: metrics.update(verdict="good"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_figures_changed_with_their_hash_are_found(finished, board, edit):
    run = finished.run()
    path = run.folder("evaluate") / "metrics.json"
    metrics = json.loads(path.read_bytes())
    edit(metrics)
    write_json(path, metrics)
    sealed(run, "evaluate")
    assert state_of(faults(run, board)) == "invalid"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_figure_that_is_not_finite_is_found(finished, board, text):
    run = finished.run()
    path = run.folder("evaluate") / "metrics.json"
    metrics = json.loads(path.read_bytes())
    change((*SYSTEMS, "model", "loss", "value"), lambda _: float(text.replace("Infinity", "inf")))(metrics)
    path.write_text(json.dumps(metrics))
    sealed(run, "evaluate")
    said = [fault.message for fault in faults(run, board)]
    assert "parts.0.estimates.model.loss.value is not finite" in said


def answered(edit: Callable[[pa.Table], pa.Table], run: Run) -> None:
    path = run.folder("predict") / "predictions.parquet"
    table = edit(pq.read_table(path, memory_map=False))
    pq.write_table(table, path)
    sealed(run, "predict")


def column(name: str, of: Callable[[list], list]) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        values = pa.array(of(table[name].to_pylist()), table.schema.field(name).type)
        return table.set_column(place, table.schema.field(name), values)

    return edit


def as_told(table: pa.Table) -> pa.Table:
    """Every clip answered rightly and surely, by whoever wrote the file."""
    places = {"quiet": 0, "breathe": 1, "snore": 2}
    sure = [[6.0 * (place == places[label]) for place in range(3)] for label in table["label"].to_pylist()]
    return column("logits", lambda _: sure)(table)


TAMPERED = {
    "a row less": lambda table: table.slice(1),
    "a row twice": lambda table: pa.concat_tables([table, table.slice(0, 1)]),
    "a row in place of another": lambda table: pa.concat_tables([table.slice(1), table.slice(1, 1)]),
    "another key": column("key", lambda keys: ["strange", *keys[1:]]),
    "another truth": column("label", lambda labels: [labels[-1], *labels[1:]]),
    "another group": column("group", lambda groups: ["strange", *groups[1:]]),
    "logits of two classes swapped": column("logits", lambda rows: [[b, a, c] for a, b, c in rows]),
    "a logit more": column("logits", lambda rows: [[*rows[0], 0.0], *rows[1:]]),
    "a logit that is not finite": column("logits", lambda rows: [[float("nan"), 0.0, 0.0], *rows[1:]]),
    "a blank row": column("logits", lambda rows: [None, *rows[1:]]),
    "rows in another order": lambda table: table.take(pc.sort_indices(table["label"])),
    "one logit moved": column("logits", lambda rows: [[rows[0][0] + 1e-3, *rows[0][1:]], *rows[1:]]),
    "as told": as_told,
    "columns renamed": lambda table: table.rename_columns(["group", "key", "label", "logits"]),
}


@pytest.mark.parametrize("edit", TAMPERED.values(), ids=TAMPERED)
@pytest.mark.parametrize("evaluated", [False, True], ids=["old figures", "new figures"])
def test_predictions_changed_with_their_hash_are_found(finished, board, edit, evaluated):
    """Also where the evaluation is done again, so that all figures follow from what was changed."""
    run = finished.run()
    answered(edit, run)
    if evaluated:
        with suppress(
            Exception
        ):  # an evaluation that refuses them leaves no figures, which is a fault as well
            redone(run, "evaluate")
    else:
        sealed(run, "evaluate")
    found = faults(run, board)
    if edit is TAMPERED["rows in another order"]:
        assert found == []  # a table has no order; keys have
    else:
        assert state_of(found) == "invalid"


def test_no_answer_of_a_large_side_is_passed_over(finished):
    """One changed with its figures, the second of many: the net is asked about all."""
    sides = "source.shares={train: 0.2, val: 0.75, test: 0.05}"
    run = finished.do(sides, "train.epochs=1", "train.patience=1")

    def edit(rows: list) -> list:
        assert len(rows) > 64
        return [rows[0], [rows[1][0] + 1e-3, *rows[1][1:]], *rows[2:]]

    answered(column("logits", edit), run)
    redone(run, "evaluate")
    assert [fault.check for fault in check_reload_of(run)] == ["reload"]


def check_reload_of(run: Run) -> list[Fault]:
    table = pq.read_table(run.folder("predict") / "predictions.parquet", memory_map=False)
    return list(check_reload(run, table, logits_array(table, len(run.recipe.preprocessing.labels))))


def test_of_a_very_large_side_the_keys_with_the_lowest_hashes_are_asked():
    keys = [f"clip{number}" for number in range(1000)]
    asked = asked_of(keys, 100)
    assert len(asked) == 100
    assert {keys[number] for number in asked} == {keys[::-1][number] for number in asked_of(keys[::-1], 100)}
    assert min(asked) < 50
    assert max(asked) > 950
    assert list(asked_of(keys, 1000)) == list(range(1000))


def test_weights_changed_with_all_hashes_are_found(finished, board):
    run = finished.run()
    model = run.folder("train") / "model"
    net = load(model, SoundPreprocessing)
    net.head.bias.data += 0.001
    save(net, model)
    sealed(run, "train", weights=weights_sha256(model))
    sealed(run, "predict", "evaluate")
    (blank,) = {fault.check for fault in faults(run, board)} - {"reload"}
    assert blank == "fingerprints"  # the figures still name the old weights
    path = run.folder("evaluate") / "metrics.json"
    metrics = json.loads(path.read_bytes())
    metrics["provenance"]["weights"] = weights_sha256(model)
    write_json(path, metrics)
    sealed(run, "evaluate")
    (found,) = faults(run, board)
    assert (found.check, state_of([found])) == ("reload", "invalid")


LOGS = {
    "a loss that is not finite": lambda lines: [
        lines[0].replace('"loss": ', '"loss": NaN, "was": '),
        *lines[1:],
    ],
    "a torn line": lambda lines: [*lines[:-1], lines[-1][:10]],
    "a line twice": lambda lines: [lines[0], *lines],
    "lines in another order": lambda lines: [lines[1], lines[0], *lines[2:]],
    "no line": lambda lines: [],
    "validations alone": lambda lines: [line for line in lines if '"validation"' in line],
    "a strange line": lambda lines: [*lines, '{"kind": "joke", "step": 10000}'],
    "no step": lambda lines: [*lines, '{"kind": "train", "loss": 1.0}'],
}


@pytest.mark.parametrize("edit", LOGS.values(), ids=LOGS)
def test_a_log_changed_with_its_hash_is_found(finished, board, edit):
    run = finished.run()
    (path,) = run.folder("train").rglob("events.jsonl")
    path.write_text("".join(f"{line}\n" for line in edit(path.read_text().splitlines())))
    sealed(run, "train", *AFTER["train"])
    assert {fault.check for fault in faults(run, board)} == {"losses"}


def test_a_training_without_a_log_is_found(finished, board):
    run = finished.run()
    (path,) = run.folder("train").rglob("events.jsonl")
    path.unlink()
    sealed(run, "train", *AFTER["train"])
    assert faults(run, board)[0].message == "training left no log"


# --- worth ------------------------------------------------------------------------------------------------


def biased(run: Run, biases: list[float]) -> None:
    """A net that hears nothing and says the same of every clip, with all stages after it done."""
    model = run.folder("train") / "model"
    net = load(model, SoundPreprocessing)
    net.head.weight.data.zero_()
    net.head.bias.data[:] = net.head.bias.data.new_tensor(biases)
    save(net, model)
    sealed(run, "train", weights=weights_sha256(model))
    redone(run, "predict", "evaluate")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_net_that_says_one_class_has_collapsed(finished, board, place):
    run = finished.run()
    biased(run, [5.0 * (number == place) for number in range(3)])
    found = faults(run, board)
    assert state_of(found) == "collapsed"
    assert run.recipe.preprocessing.labels[place] in found[0].message


def test_what_is_no_better_than_a_trivial_system_has_collapsed(trained, board):
    """By a margin that nothing can reach, since nothing is better than right."""
    found = check_run(trained.run(), replace(board, worth=5.0), without=WITHOUT)
    assert {fault.check for fault in found} == {"worth"}
    assert state_of(found) == "collapsed"
    assert "prior" in " ".join(map(str, found))
    assert "better than every trivial system by 500 % of its figure" in found[0].message


def test_a_metric_that_there_is_not_is_named(trained):
    from rushes.campaign.judging.standing import Board

    (found,) = check_run(trained.run(), Board("c", "sounds", "oca"), without=WITHOUT)
    assert "no figure oca" in found.message
    assert "f1_macro" in found.message


def test_a_contradiction_outweighs_a_collapse():
    both = [Fault("worth", "", kind="collapsed"), Fault("files", "")]
    assert state_of(both) == "invalid"


def test_a_fault_says_the_same_in_any_folder():
    assert str(Fault("files", "is missing", "/a/b/train-1/DONE")) == "files: is missing (train-1/DONE)"


def test_figures_of_a_confusion_matrix_are_those_of_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

    counts = np.array([[5, 2, 0], [1, 7, 0], [3, 1, 0]])
    truth = np.repeat(np.arange(3), counts.sum(axis=1))
    said = np.concatenate([np.repeat(np.arange(3), row) for row in counts])
    found = figures_of_confusion(counts)
    options = {"average": "macro", "zero_division": 0}
    assert found["f1_macro"] == pytest.approx(f1_score(truth, said, **options))
    assert found["precision_macro"] == pytest.approx(precision_score(truth, said, **options))
    assert found["recall_macro"] == pytest.approx(recall_score(truth, said, **options))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))


def test_a_log_that_was_resumed_is_whole(tmp_path):
    lines = [
        {"kind": "train", "step": 1, "loss": 1.0, "grad_norm": None},
        {"kind": "validation", "step": 1, "f1_macro": 0.5},
        {"kind": "train", "step": 2, "loss": 0.5, "grad_norm": 1.0},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(check_losses(path)) == []
