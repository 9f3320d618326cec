"""A run depends on what its base weights are, and not on where they lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hub import COMMIT, downloaded, empty_hub
from jobs import Finished, Job
from safetensors.torch import load_file, save_file

from rushes.errors import ModelError
from rushes.models import trained
from rushes.models import vlm as family
from rushes.runs.admission.admit import admit
from rushes.runs.do import do
from rushes.runs.plan import plan_run
from rushes.runs.run import Run
from rushes.runs.verify import verify_run

ADAPTER = "model.adapter={rank: 2, alpha: 4}"


def silent(*told: object) -> None:
    """Nobody listens."""


def change_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors[min(tensors)].view(-1)[0] += 1
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.fixture(scope="module")
def adapted(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A finished run of an adapter on the folder ``base`` beside its workspace."""
    folder = tmp_path_factory.mktemp("adapted")
    job = Job(Path(shutil.copy(finished.job.recipe, folder)), folder / "workspace")
    for name in ("twin", "prepare"):
        stage = finished.job.run().folder(name)
        shutil.copytree(stage, job.workspace / stage.name)
    trained.save(family.load("tiny", job.run().recipe.preprocessing), folder / "base")
    run = job.run(f"model.name={folder / 'base'}", ADAPTER)
    for name in run.stages:
        do(run, name, silent)
    return job


@pytest.fixture
def base(adapted: Job, tmp_path: Path) -> Path:
    """A copy of the base, to be changed."""
    return shutil.copytree(adapted.recipe.parent / "base", tmp_path / "another" / "place")


def run_on(job: Job, base: Path, *overrides: str) -> Run:
    return job.run(f"model.name={base}", ADAPTER, *overrides)


def remember(job: Job, run: Run, base: Path) -> None:
    """Let plans take a changed base for the one that ``run`` has, as after a change without a trace."""
    known = json.loads((job.workspace / "hashes.json").read_text())
    stat = (base / "model.safetensors").stat()
    original = known[str(job.recipe.parent / "base" / "model.safetensors")]
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    known[str(base / "model.safetensors")] = {"stamp": stamp, "told": original["told"]}
    (job.workspace / "hashes.json").write_text(json.dumps(known))


def test_a_copy_of_the_base_in_another_place_is_the_same_run(adapted, base):
    rows = plan_run(run_on(adapted, base)).rows
    assert {row.name: row.state for row in rows} == dict.fromkeys((row.name for row in rows), "done")
    checked = verify_run(run_on(adapted, base), repair=False)
    assert checked.whole, checked.text()


def test_another_base_is_another_run(adapted, base):
    before = {row.name: row.signature for row in plan_run(run_on(adapted, base)).rows}
    change_weights(base)
    rows = plan_run(run_on(adapted, base)).rows
    changed = [row.name for row in rows if row.signature != before[row.name]]
    assert changed == ["train", "predict", "evaluate", "report"]
    assert "the content of recordings or base" in next(row.reason for row in rows if row.name == "train")


def test_nothing_in_the_trained_folder_says_where_the_base_lies(adapted):
    for path in run_on(adapted, adapted.recipe.parent / "base").folder("train").rglob("*"):
        said = path.is_file() and path.name not in ("recipe.json", "lock") and path.read_bytes()
        assert not said or str(adapted.recipe.parent).encode() not in said, path


def test_a_changed_base_that_a_plan_takes_for_the_same_is_found_before_a_verdict(adapted, base):
    change_weights(base)
    run = run_on(adapted, base)
    remember(adapted, run, base)
    assert run.status("train").state == "done"  # a plan looks at sizes and times only
    checked = verify_run(run, repair=True)
    assert [(fault.stage, fault.path) for fault in checked.remaining] == [("train", base)]
    assert not checked.rebuilt
    assert any("the run started from sha256:" in fault.message for fault in admit(run))

    later = run_on(adapted, base, "evaluate.split=test", "evaluate.compare=[no_vision]")
    with pytest.raises(ModelError, match="the adapter was trained on the base"):
        do(later, "predict", silent)
    again = run_on(adapted, base, "train.seed=5")
    with pytest.raises(ModelError, match="the base is not what this run was planned with"):
        do(again, "train", silent)


def test_a_base_that_is_still_to_be_downloaded_gets_its_signature_then(adapted, base, tmp_path, monkeypatch):
    name = "Qwen/Qwen2.5-VL-3B-Instruct"
    cache = empty_hub(tmp_path / "hub", monkeypatch)
    run = adapted.run(f"model.name={name}", ADAPTER)
    planned = next(row for row in plan_run(run).rows if row.name == "train")
    assert "the content of recordings or base" in planned.reason
    assert any("is not on this machine" in note for note in planned.notes)
    assert any("model.revision pins one" in note for note in planned.notes)
    with pytest.raises(ModelError, match="was not downloaded"):
        do(run, "train", silent)

    pinned = adapted.run(f"model.name={name}", f"model.revision={COMMIT}", ADAPTER).specs["train"].signature
    downloaded(cache, name, base)
    assert do(run, "train", silent).signature == pinned != planned.signature
    said = json.loads((run.folder("train") / "model" / "base.json").read_text())
    assert said == {"name": name, "identity": f"{name}@{COMMIT}"}
    (cache / "models--Qwen--Qwen2.5-VL-3B-Instruct" / "refs" / "main").write_text("f" * 40)
    assert adapted.run(f"model.name={name}", ADAPTER).specs["train"].signature != pinned
