"""Heads on frozen features through the one loop: lessons, loss, resume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rushes.errors import StageError
from rushes.models.head import Head, build, load
from rushes.recipe.frozen import ENCODING, FEATURES
from rushes.shards.member import array_member
from rushes.stages import weights_sha256
from rushes.tasks.operations.prepare.sample import FeatureSample
from rushes.tasks.operations.recipe import ClipPhase, TrainOnClips
from rushes.tasks.operations.train import Lessons
from rushes.train.batches import ShardSamples
from rushes.train.head import UNKNOWN, collate, step, train

torch.set_num_threads(1)

PHASE = ClipPhase(steps=6, batch_size=4, accumulate=2, learning_rate=1e-3)
SETTINGS = TrainOnClips(phases=(PHASE,), augment=False, checkpoint_every=2, log_every=1, seed=5)


class Encoded:
    """Clips of a shard with random features in place of their pictures, which say the label at each frame."""

    def __init__(self, clips, labels):
        self.clips, self.infos, self.tars = clips, clips.infos, clips.tars
        self._labels = list(labels)

    def __len__(self):
        return len(self.clips)

    def key(self, number):
        return self.clips.key(number)

    def sample(self, number):
        rng = np.random.default_rng(number)
        fields = dict(self.clips.sample(number))
        frames = sum(name.startswith("frame_") for name in fields)
        features = rng.normal(0, 0.1, (frames, ENCODING.width))
        kept = {name: content for name, content in fields.items() if name.endswith(".json")}
        sample = FeatureSample.of(
            self.key(number), {**kept, FEATURES: array_member(features.astype(np.float16))}
        )
        for segment in sample.segments:
            for frame, time_s in enumerate(sample.times_s):
                if segment.contains(time_s):
                    features[frame, self._labels.index(segment.label)] += 3
        return {**kept, FEATURES: array_member(features.astype(np.float16))}


@pytest.fixture(scope="module")
def source(make_clips, clips_contract, tmp_path_factory):
    clips = make_clips(tmp_path_factory.mktemp("shards"), count=20, timeline=True)
    return ShardSamples(Encoded(clips, clips_contract.labels), FeatureSample.of)


@pytest.fixture(scope="module")
def samples(source):
    return [source[number] for number in range(len(source))]


def truth_of(samples, preprocessing):
    return Lessons(preprocessing)(samples, [None] * len(samples))["truth"]


# Lessons


def test_every_frame_teaches_what_is_known_of_it(samples, clips_contract):
    labels, unknown, unfollowed = clips_contract.labels, 0, 0
    truth = truth_of(samples, clips_contract)
    for sample, rows in zip(samples, truth.tolist(), strict=True):
        nexts = [*(segment.label for segment in sample.segments[1:]), sample.after]
        for time_s, (operation, follower) in zip(sample.times_s, rows, strict=True):
            at = next((n for n, segment in enumerate(sample.segments) if segment.contains(time_s)), None)
            if at is None:
                assert (operation, follower) == (UNKNOWN, UNKNOWN)
                unknown += 1
                continue
            assert labels[operation] == sample.segments[at].label
            assert (None if follower == UNKNOWN else labels[follower]) == nexts[at]
            unfollowed += follower == UNKNOWN
    assert unknown > 5
    assert unfollowed > 0


def test_clips_of_several_lengths_are_filled_up(samples, clips_contract):
    short = replace(samples[0], times_s=samples[0].times_s[:2], features=samples[0].features[:2])
    batch = Lessons(clips_contract)([short, samples[1]], [None, None])
    assert batch["keys"] == [samples[0].key, samples[1].key]
    assert batch["features"].shape == (2, 4, ENCODING.width)
    assert batch["valid"].tolist() == [[True, True, False, False], [True] * 4]
    assert (batch["truth"][0, 2:] == UNKNOWN).all()


# The loss


def test_the_loss_adds_up_over_micro_batches(samples, clips_contract):
    head = build(clips_contract, seed=1)
    whole, *parts = (
        step(head, Lessons(clips_contract)(chosen, [None] * len(chosen)))
        for chosen in (samples[:6], samples[:2], samples[2:6])
    )
    assert whole.weight == sum(part.weight for part in parts)
    assert whole.loss_sum.item() == pytest.approx(sum(part.loss_sum.item() for part in parts), rel=1e-5)


def test_what_is_unknown_teaches_nothing(clips_contract):
    head = build(clips_contract, seed=1)
    features = [np.random.default_rng(0).random((1, ENCODING.width)).astype(np.float32)]
    nothing = step(head, collate(["a"], features, [np.full((1, 2), UNKNOWN)]))
    assert (nothing.loss_sum.item(), nothing.weight) == (0.0, 0.0)
    known = step(head, collate(["a"], features, [np.array([[1, UNKNOWN]])]))
    assert known.weight == 1
    assert known.loss_sum.item() == pytest.approx(np.log(4), abs=0.7)


# Training


def trained(source, preprocessing, folder, on_event=lambda event: None, settings=SETTINGS) -> Head:
    head = build(preprocessing, seed=settings.seed)
    train(head, source, Lessons(preprocessing), settings, folder, "of features", on_event=on_event)
    return head


@pytest.fixture(scope="module")
def whole(source, clips_contract, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    trained(source, clips_contract, folder)
    return folder


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3, 6])
def test_an_interrupted_training_ends_with_the_same_bytes(source, clips_contract, whole, tmp_path, at):
    def stop(event):
        if (event["kind"], event.get("step")) == ("train", at):
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(source, clips_contract, tmp_path, stop)
    trained(source, clips_contract, tmp_path)
    assert weights_sha256(tmp_path / "model") == weights_sha256(whole / "model")


def test_another_seed_is_another_training(source, clips_contract, whole, tmp_path):
    with pytest.raises(StageError):
        trained(source, clips_contract, whole, settings=SETTINGS.model_copy(update={"seed": 6}))
    trained(source, clips_contract, tmp_path, settings=SETTINGS.model_copy(update={"seed": 6}))
    assert weights_sha256(tmp_path / "model") != weights_sha256(whole / "model")


def test_it_learns_what_features_say(source, samples, clips_contract, tmp_path):
    longer = PHASE.model_copy(update={"steps": 60})
    head = trained(
        source, clips_contract, tmp_path, settings=SETTINGS.model_copy(update={"phases": (longer,)})
    )
    batch = Lessons(clips_contract)(samples, [None] * len(samples))
    with torch.no_grad():
        said = head(batch["features"], batch["valid"])[0].argmax(-1)
    known = batch["truth"][..., 0] != UNKNOWN
    assert (said == batch["truth"][..., 0])[known].float().mean() > 0.95
    stored = load(tmp_path / "model", type(clips_contract))
    assert all(torch.equal(weight, stored.state_dict()[name]) for name, weight in head.state_dict().items())
