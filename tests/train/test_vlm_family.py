from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from rushes.errors import StageError
from rushes.models import vlm as family
from rushes.models.trained import restore
from rushes.recipe.turns import Turn, Value
from rushes.stages import weights_sha256
from rushes.tasks.operations.prepare.sample import Sample
from rushes.tasks.operations.preprocessing import ClipPreprocessing
from rushes.tasks.operations.recipe import ClipPhase, TrainOnClips
from rushes.tasks.operations.train import Collator, clip_turns, frame_turn, random_frame
from rushes.train.augment import augment
from rushes.train.batches import ShardSamples
from rushes.train.phases import Answering, step, train

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips(make_clips, tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("shards"), count=40, timeline=True)


@pytest.fixture(scope="module")
def samples(clips):
    source = ShardSamples(clips, Sample.of)
    return [source[number] for number in range(len(source))]


def generator(*seed):
    return np.random.default_rng([*seed])


def values_of(turn: Turn) -> list[str]:
    return [part.text for part in turn.answer if isinstance(part, Value)]


def truth(sample, time_s):
    """Label at a moment and the one that follows, each None where nobody knows."""
    number = next((n for n, segment in enumerate(sample.segments) if segment.contains(time_s)), None)
    if number is None:
        return None, None
    later = [segment.label for segment in sample.segments[number + 1 :]]
    return sample.segments[number].label, later[0] if later else sample.after


# Questions


def test_a_question_behind_every_labelled_pair(samples, clips_contract):
    """It is about the last frame of its pair; where the successor is unknown, the answer ends before it."""
    asked = cut_short = 0
    for sample in samples:
        turns = dict(clip_turns(sample, clips_contract))
        for pair, time_s in enumerate(sample.times_s[1::2]):
            label, follower = truth(sample, time_s)
            assert (pair in turns) is (label is not None)
            if label is not None:
                assert turns[pair].question == clips_contract.question
                assert values_of(turns[pair]) == [label, *([follower] if follower else [])]
                asked, cut_short = asked + 1, cut_short + (follower is None)
        assert set(turns) <= set(range(len(sample.times_s) // 2))
    assert asked > 150
    assert cut_short > 0


def test_an_odd_last_frame_is_a_pair_of_its_own(samples, clips_contract):
    sample = replace(samples[0], times_s=samples[0].times_s[:3])
    assert [pair for pair, _ in clip_turns(sample, clips_contract)] == [0, 1]
    assert values_of(clip_turns(sample, clips_contract)[1][1])[0] == truth(sample, sample.times_s[2])[0]


def test_questions_about_single_moments(samples, clips_contract):
    for sample in samples:
        for time_s in np.linspace(0.0, 4.99, 40):
            label, follower = truth(sample, time_s)
            turn = frame_turn(sample, clips_contract, float(time_s))
            assert (turn is None) is (label is None)
            if turn is not None:
                assert values_of(turn) == [label, *([follower] if follower else [])]


def test_a_random_frame_is_a_labelled_one(samples):
    chosen = set()
    for number, sample in enumerate(samples):
        frame = random_frame(sample, generator(number))
        labelled = [n for n, time_s in enumerate(sample.times_s) if truth(sample, time_s)[0] is not None]
        assert (frame in labelled) if labelled else frame is None
        assert random_frame(sample, generator(number)) == frame
        chosen.add(frame)
    assert chosen == {None, 0, 1, 2, 3}


# Pictures


def test_augmented_frames_change_together(samples):
    frames = np.repeat(samples[0].pixels(0), 4, axis=0)
    before = frames.copy()
    changed = augment(frames, generator(0))
    np.testing.assert_array_equal(frames, before)
    assert changed.shape == frames.shape
    assert changed.dtype == np.uint8
    assert all(np.array_equal(changed[0], frame) for frame in changed)
    assert not np.array_equal(changed, frames)
    np.testing.assert_array_equal(augment(frames, generator(0)), changed)
    assert not np.array_equal(augment(frames, generator(1)), changed)


def test_augmentation_keeps_sight_of_the_picture():
    """A bright square in the middle stays a bright square near the middle."""
    frames = np.full((2, 112, 168, 3), 60, np.uint8)
    frames[:, 46:66, 74:94] = 200
    for seed in range(50):
        bright = augment(frames, generator(seed))[0].astype(int).sum(axis=-1)
        rows, columns = np.nonzero(bright > (bright.min() + bright.max()) / 2)
        assert abs(rows.mean() - 55.5) < 16
        assert abs(columns.mean() - 83.5) < 24
        assert 250 < len(rows) < 600


# Batches


def made(vlm, samples, ask, seed=0, augmented=False):
    collator = Collator(vlm, ask, augmented=augmented)
    return collator(samples, [generator(seed, number) for number in range(len(samples))])


@pytest.fixture(scope="module")
def vlm(clips_contract):
    return family.load("tiny", clips_contract, seed=1)


@pytest.mark.parametrize("ask", ["captions", "clips"])
def test_a_sample_is_the_same_in_any_batch(vlm, samples, ask):
    together, alone = made(vlm, samples[:4], ask), made(vlm, samples[:1], ask)
    length = alone["ids"].shape[1]
    assert torch.equal(together["ids"][0, :length], alone["ids"][0])
    assert torch.equal(together["patches"][: len(alone["patches"])], alone["patches"])
    assert together["keys"] == [sample.key for sample in samples[:4]]


def test_unlabelled_clips_teach_nothing_and_break_nothing(vlm, samples):
    nothing = [sample for sample in samples if not sample.segments]
    assert nothing
    for ask in ("captions", "clips"):
        batch = made(vlm, [nothing[0], nothing[0], samples[0]], ask)
        assert batch["taught"].any(dim=1).tolist() == [False, False, True]
        loss_sum, weight = Answering(vlm)({name: batch[name] for name in batch if name != "keys"})
        assert torch.isfinite(loss_sum)
        assert weight > 0


def test_a_step_is_the_mean_over_taught_tokens(vlm, samples):
    batch = made(vlm, samples[:3], "clips")
    output = step(Answering(vlm), batch)
    assert output.weight == batch["taught"].sum()
    assert output.tokens == batch["ids"].numel()
    assert 2.0 < (output.loss_sum / output.weight).item() < 12.0


# Training


def settings(**changes):
    phases = (
        ClipPhase(ask="captions", steps=4, batch_size=4, accumulate=1, learning_rate=1e-3),
        ClipPhase(ask="clips", steps=6, batch_size=2, accumulate=2, learning_rate=1e-3),
    )
    return TrainOnClips(phases=phases, checkpoint_every=2, log_every=1, **changes)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def stop_at(phase, step):
    def on_event(event):
        if event["kind"] == "train" and (event["phase"], event["step"]) == (phase, step):
            raise Interrupted

    return on_event


def fit(vlm, clips, asked, folder, signature, **options):
    collator_of = partial(Collator, vlm, augmented=asked.augment)
    return train(vlm, ShardSamples(clips, Sample.of), collator_of, asked, folder, signature, **options)


def trained(clips, preprocessing, folder, asked=None, on_event=lambda event: None):
    vlm = family.load("tiny", preprocessing, seed=1)
    results = fit(vlm, clips, asked or settings(), folder, "abc", on_event=on_event)
    return vlm.model.state_dict(), results


@pytest.fixture(scope="module")
def whole(clips, clips_contract, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    events = []
    weights, results = trained(clips, clips_contract, folder, on_event=events.append)
    return folder, weights, results, events


@pytest.mark.parametrize("stop", [("phase-1-captions", 3), ("phase-2-clips", 1), ("phase-2-clips", 5)])
def test_an_interrupted_training_ends_with_the_same_weights(clips, clips_contract, whole, tmp_path, stop):
    with pytest.raises(Interrupted):
        trained(clips, clips_contract, tmp_path, on_event=stop_at(*stop))
    weights, _ = trained(clips, clips_contract, tmp_path)
    assert weights.keys() == whole[1].keys()
    assert all(torch.equal(weights[name], whole[1][name]) for name in weights)
    saved = weights_sha256(tmp_path / "model")
    assert saved == weights_sha256(whole[0] / "model")


def test_a_finished_training_is_not_done_again(clips, clips_contract, whole, tmp_path):
    events = []
    weights, _ = trained(clips, clips_contract, whole[0], on_event=events.append)
    assert not [event for event in events if event["kind"] == "train"]
    assert all(torch.equal(weights[name], whole[1][name]) for name in weights)


def test_phases_follow_one_another(whole):
    steps = [
        (event["phase"], event["before"], event["step"]) for event in whole[3] if event["kind"] == "train"
    ]
    first = [("phase-1-captions", 0, step) for step in range(1, 5)]
    assert steps == first + [("phase-2-clips", 4, step) for step in range(1, 7)]
    assert len(whole[2]) == 2


def test_every_weight_learns(whole, clips_contract):
    before = family.load("tiny", clips_contract, seed=1).model.state_dict()
    still = {name for name in before if torch.equal(before[name], whole[1][name])}
    assert not {name for name in still if name.endswith("weight")}


def test_what_was_trained_is_restored(whole, clips_contract):
    restored = restore(whole[0] / "model", ClipPreprocessing)
    assert restored.preprocessing == clips_contract
    weights = restored.model.state_dict()
    assert all(torch.equal(weights[name], whole[1][name]) for name in weights)


@pytest.mark.parametrize("change", ["augment", "ask", "signature"])
def test_what_was_trained_otherwise_is_not_resumed(clips, clips_contract, whole, tmp_path, change):
    """Neither of these is a setting of the loop."""
    asked, signature = settings(), "abc"
    if change == "augment":
        asked = asked.model_copy(update={"augment": False})
    elif change == "signature":
        signature = "abd"
    else:
        first = asked.phases[0].model_copy(update={"ask": "clips"})
        asked = asked.model_copy(update={"phases": (first, asked.phases[1])})
        (tmp_path / "phase-1-clips").symlink_to(whole[0] / "phase-1-captions")
    folder = tmp_path if change == "ask" else whole[0]
    with pytest.raises(StageError):
        fit(family.load("tiny", clips_contract, seed=1), clips, asked, folder, signature)


def test_samples_can_be_read_by_their_number(clips):
    source = ShardSamples(clips, Sample.of)
    assert len(source) == len(clips)
    assert isinstance(source[3], Sample)
    assert source[3].key == clips.key(3)
