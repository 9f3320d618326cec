"""A trained model leaves as one checkpoint, which is the same model or is not left."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch
from engine_server import EngineServer, serving
from jobs import Finished, Job
from safetensors.torch import load_file
from transformers import AutoTokenizer, GenerationConfig, Qwen2_5_VLForConditionalGeneration

from rushes.errors import ModelError, RecipeError, StageError
from rushes.media.limits import Limits
from rushes.models import merged, trained
from rushes.models import vlm as family
from rushes.predict.remote import Engine
from rushes.runs.apply.contract import RECORDING
from rushes.runs.do import do
from rushes.runs.exported import EXPORT_FILE, export_run
from rushes.runs.run import Run
from rushes.stages import sha256_file

torch.set_num_threads(1)

ADAPTER = "model.adapter={rank: 4, alpha: 64}"
PHASES = "train.phases=[{ask: clips, steps: 4, batch_size: 2, accumulate: 1, learning_rate: 0.01}]"


def silent(*told: object) -> None:
    """Nobody listens."""


def trained_run(job: Job, *overrides: str) -> Run:
    base = job.recipe.parent / "base"
    run = job.run(f"model.name={base}", ADAPTER, PHASES, "evaluate.compare=[]", *overrides)
    do(run, "train", silent)
    return run


@pytest.fixture(scope="module")
def job(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A prepared dataset, and a base beside its workspace."""
    folder = tmp_path_factory.mktemp("exported")
    job = Job(Path(shutil.copy(finished.job.recipe, folder)), folder / "workspace")
    for name in ("twin", "prepare"):
        stage = finished.job.run().folder(name)
        shutil.copytree(stage, job.workspace / stage.name)
    trained.save(family.load("tiny", job.run().recipe.preprocessing, seed=4), folder / "base")
    return job


@pytest.fixture(scope="module")
def run(job: Job) -> Run:
    """With an adapter that was trained hard enough to be seen."""
    return trained_run(job)


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory):
    return export_run(run, tmp_path_factory.mktemp("out") / "model")


def test_an_adapter_in_float32_is_the_same_model(exported):
    (proof,) = exported.told["proof"]
    assert proof["logits"] <= 1e-5
    assert proof["answers"] == proof["argmax"] == 1.0
    assert proof["beside"] == "the adapter on the base in float32"
    assert exported.told["merged"] == {"matrices": 28, "unchanged": 0, "lost": 0.0}
    assert exported.told["remarks"] == []


def test_every_matrix_is_base_plus_update(run, exported, job):
    base = load_file(job.recipe.parent / "base" / "model.safetensors")
    adapter = load_file(run.folder("train") / "model" / "adapter_model.safetensors")
    now = load_file(exported.folder / "model.safetensors")
    assert now.keys() == base.keys()
    changed = {name for name in base if not torch.equal(base[name], now[name])}
    assert len(changed) == 28
    for name in changed:
        (down,) = (value for key, value in adapter.items() if _short(name) in key and "lora_A" in key)
        (up,) = (value for key, value in adapter.items() if _short(name) in key and "lora_B" in key)
        torch.testing.assert_close(now[name], base[name] + 16.0 * up @ down, rtol=0, atol=1e-6)


def _short(name: str) -> str:
    """Layer and projection, as an adapter names them too."""
    return ".".join(name.split(".")[-5:-1]) + "."


def test_the_folder_holds_all_that_an_engine_reads(exported, run):
    folder = exported.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {*exported.told["files"], EXPORT_FILE}
    assert {"config.json", "generation_config.json", "tokenizer.json", "processor_config.json"} <= names
    assert {"chat_template.jinja", "preprocessing.json", "model.safetensors"} <= names
    assert not any("adapter" in name for name in names)
    assert all(sha256_file(folder / name) == sha for name, sha in exported.told["files"].items())
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)
    settings = GenerationConfig.from_pretrained(folder)
    assert (settings.do_sample, settings.repetition_penalty) in ((False, None), (False, 1.0))
    assert settings.eos_token_id == words.eos_token_id
    assert model.dtype == torch.float32
    assert all(str(run.workspace.root.parent) not in path.read_text("latin-1") for path in folder.iterdir())


def test_what_was_merged_is_written_down(exported, run):
    told = json.loads((exported.folder / EXPORT_FILE).read_text())
    assert told == {**exported.told}
    assert told["base"]["identity"] == run.base_identity
    assert (told["precision"], told["task"], told["run"]) == ("float32", run.task.name, run.recipe.name)
    assert "rotary positions follow the clock" in told["positions"]
    assert 0.0 <= told["library_positions"]["same"] <= 1.0
    assert told["library_positions"]["probability"] > 0.0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_16_bits_say_what_they_cost(run, tmp_path, precision):
    found = export_run(run, tmp_path / "model", precision)
    merge, own = found.told["proof"]
    assert merge["beside"] == f"the adapter on the base in {precision}"
    assert own["beside"] == "the run's own model in float32"
    assert merge["answers"] >= 0.95
    assert 0.0 < own["logits"] < 0.1
    assert 0.0 < own["mean_ulps"] < own["ulps"] < 20.0
    assert 0.0 < found.told["merged"]["lost"] < 0.1
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {f"torch.{precision}"}
    assert json.loads((tmp_path / "model" / "config.json").read_text())["dtype"] == precision


def test_a_model_trained_as_a_whole_is_copied(finished, tmp_path):
    found = export_run(finished.job.run(), tmp_path / "model")
    (proof,) = found.told["proof"]
    assert (proof["logits"], proof["answers"]) == (0.0, 1.0)
    assert found.told["what"] == "a model trained as a whole"
    assert found.told["base"] is None
    theirs = load_file(finished.job.run().folder("train") / "model" / "model.safetensors")
    ours = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_4_bits_are_exported_from_the_whole_base(job, tmp_path):
    pytest.importorskip("bitsandbytes")
    run = trained_run(job, "model.nf4=true")
    found = export_run(run, tmp_path / "model")
    assert found.told["precision"] == "bfloat16"
    merge, own = found.told["proof"]
    assert own["beside"] == "the run's own model on 4-bit weights"
    assert own["logits"] > merge["logits"]
    vlm = trained.restore(
        run.folder("train") / "model", type(run.recipe.preprocessing), base=run.base, nf4=True
    )
    with pytest.raises(ModelError, match="Linear4bit, which cannot take an update"):
        merged.merge(vlm, "float32")


# --- what is refused ----------------------------------------------------------------------------------------------


def test_another_model_does_not_stay(run, tmp_path, monkeypatch):
    """As if an update were put in twice, or not at all."""
    merge = merged.merge

    def wrong(vlm, precision):
        found, update = merge(vlm, precision)
        with torch.no_grad():
            found.base.model.language_model.layers[0].mlp.down_proj.weight.mul_(1.001)
        return found, update

    monkeypatch.setattr(merged, "merge", wrong)
    with pytest.raises(ModelError, match="is not the model of the run"):
        export_run(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_adapter_without_effect_is_refused(job):
    """As engines load one whose names do not fit."""
    preprocessing = job.run().recipe.preprocessing
    vlm = family.adapt(family.load("tiny", preprocessing), 2, 4, 0.0)  # an update that is nought
    with pytest.raises(ModelError, match="changes none of its 28 matrices"):
        merged.merge(vlm, "float32")


def test_what_stands_there_is_not_overwritten(run, exported, tmp_path):
    (tmp_path / "thesis.txt").write_text("all I have")
    with pytest.raises(RecipeError, match="something else than an export"):
        export_run(run, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all I have"
    with pytest.raises(RecipeError, match="something else than an export"):
        export_run(run, tmp_path / "thesis.txt")
    again = export_run(run, exported.folder)
    assert again.told == exported.told


def test_a_model_must_be_trained(job, tmp_path):
    with pytest.raises(StageError, match="not trained yet"):
        export_run(job.run("train.seed=77"), tmp_path / "model")


def test_a_head_says_where_its_files_are(job, tmp_path):
    pytest.importorskip("onnxruntime")
    run = job.run("model={name: frozen}", "train={}")
    with pytest.raises(RecipeError, match="no checkpoint that other engines load") as caught:
        export_run(run, tmp_path / "model")
    assert str(run.folder("train")) in str(caught.value)


# --- the verb -----------------------------------------------------------------------------------------------------


def test_the_verb_writes_a_folder(finished, tmp_path):
    told = finished.job.tell("export", "--out", str(tmp_path / "model"), "--precision", "bfloat16", "--json")
    assert told.code == 0, told.err
    assert told.json["folder"] == str(tmp_path / "model")
    assert told.json["precision"] == "bfloat16"
    assert (tmp_path / "model" / EXPORT_FILE).is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "add --out FOLDER"),
        (("--out", "x", "--precision", "int8"), "one of float32"),
        (("--engine", "ray"), "local"),
    ],
)
def test_the_verb_says_what_is_missing(finished, options, said):
    told = finished.job.tell("export", *options)
    assert told.code == 2
    assert said in told.err or "leave it out" in told.err


# --- a door by way of an engine -----------------------------------------------------------------------------------


def test_a_door_answers_by_way_of_an_engine(finished, tmp_path):
    """As the model does in this process, without its weights, and without a confidence that nobody said."""
    run = finished.job.run()
    export_run(run, tmp_path / "model", samples=2)
    (video, *_) = sorted((run.folder("twin") / "raw").rglob("*.mp4"))
    with serving(EngineServer(tmp_path / "model")) as engine:
        here, there = (run.task.doors(run, one)["predict"] for one in (None, Engine(engine.url)))
        answered = [_answered(door, video, start_s=2.0, asked_s=1.0) for door in (here, there)]
        assert len(engine.asked) == 2 * run.recipe.preprocessing.frames // 2
        there.apply.asks._answerer.close()
        whole = run.task.doors(run, Engine(engine.url))["analyze"]
        timeline = _answered(whole, video, most=3, scores=True)
        whole.apply.asks._answerer.close()
    assert timeline.segments
    assert {one.confidence for one in (*timeline.segments, *timeline.ticks, *timeline.operations)} == {None}
    assert (timeline.scores, timeline.next_operation_prediction.confidence) == (None, None)
    own, theirs = answered
    assert (own.parse_stage, theirs.parse_stage) == ("scored", "choice")
    assert (theirs.confidence, theirs.scores, theirs.next_scores) == (None, None, None)
    assert own.confidence is not None
    assert theirs.dominant_operation == own.dominant_operation
    assert theirs.temporal_segment == own.temporal_segment


def _answered(door, video, most=None, **said):
    door.load()
    asked = door.asked(**said)
    decoded = door.decode(asked)({RECORDING: video}, Limits())
    reply = door.reply(asked, decoded.about)
    for part in islice(decoded.parts, most):
        (said,) = door.answer([part])
        reply.add(part, said)
    return reply.finish()
