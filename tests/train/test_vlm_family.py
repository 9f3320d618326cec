import itertools

import numpy as np
import pytest
import torch

from rushes import recipe
from rushes.contract import Moment, Turn, Value
from rushes.models import vlm as family
from rushes.prepare.sample import Sample
from rushes.train.augment import augment
from rushes.train.questions import caption_frame, clip_turns, moment_turns
from rushes.train.vlm import Answering, Clips, Collator, step, train

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips(make_clips, tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("shards"), count=40, timeline=True)


@pytest.fixture(scope="module")
def samples(clips):
    source = Clips(clips)
    return [source[number] for number in range(len(source))]


def generator(*seed):
    return np.random.default_rng([*seed])


def asked_of(turn: Turn) -> float:
    return next(float(part.text) for part in turn.question if isinstance(part, Moment))


def values_of(turn: Turn) -> list[str]:
    return [part.text for part in turn.answer if isinstance(part, Value)]


# Questions


def test_whole_questions_are_legal_and_true(samples, clips_contract):
    moments, labels = set(clips_contract.moments()), set(clips_contract.labels)
    grid_s = clips_contract.time_step_s
    count = 0
    for number, sample in enumerate(samples):
        truth = [(segment.label, follower) for segment, follower in sample.answerable()]
        for turn in clip_turns(sample, clips_contract, 6, generator(number)):
            operation, start, end, follower = values_of(turn)
            assert {start, end} <= moments
            assert {operation, follower} <= labels
            assert float(start) <= asked_of(turn) < float(end)
            assert (operation, follower) in truth
            near = [
                segment
                for segment in sample.segments
                if segment.label == operation
                and abs(segment.start_s - float(start)) <= grid_s / 2 + 1e-6
                and abs(segment.end_s - float(end)) <= grid_s / 2 + 1e-6
            ]
            assert near
            count += 1
    assert count > 300


def test_a_segment_shorter_than_the_grid_is_not_asked_about(clips_contract, samples):
    """Written on the grid it would begin where it ends."""
    from dataclasses import replace

    from rushes.records import Segment

    segments = (Segment(0.0, 2.01, "Pick"), Segment(2.01, 2.04, "Tape"), Segment(2.04, 5.0, "Press"))
    sample = replace(samples[0], segments=segments, after="Label", target=None)
    turns = [turn for seed in range(50) for turn in clip_turns(sample, clips_contract, 4, generator(seed))]
    assert {values_of(turn)[0] for turn in turns} == {"Pick", "Press"}
    assert all(float(values_of(turn)[1]) <= asked_of(turn) < float(values_of(turn)[2]) for turn in turns)


def test_the_clips_own_question_comes_first(samples, clips_contract):
    with_answer = [sample for sample in samples if sample.target is not None]
    assert len(with_answer) > 30
    for sample in with_answer:
        first = clip_turns(sample, clips_contract, 3, generator(1))[0]
        assert asked_of(first) == float(clips_contract.moment(sample.asked_s))
        assert values_of(first)[0] == sample.target.operation
        assert values_of(first)[3] == sample.target.next


def test_as_many_questions_as_asked_for_wherever_there_is_an_answer(samples, clips_contract):
    for sample, count in itertools.product(samples, (1, 5)):
        turns = clip_turns(sample, clips_contract, count, generator(2))
        assert len(turns) in ({count} if sample.answerable() else {0})


def test_short_questions_are_true_at_the_moment_as_written(samples, clips_contract):
    near = total = 0
    for number, sample in enumerate(samples):
        for turn in moment_turns(sample, clips_contract, 8, generator(number)):
            moment_s = asked_of(turn)
            (label,) = values_of(turn)
            assert [segment.label for segment in sample.segments if segment.contains(moment_s)] == [label]
            near += any(abs(segment.start_s - moment_s) < 0.5 for segment in sample.segments[1:])
            total += 1
    assert 0.35 < near / total < 0.7


def test_captions_are_true(samples):
    for number, sample in enumerate(samples):
        caption = caption_frame(sample, generator(number))
        labels = [
            [segment.label for segment in sample.segments if segment.contains(time_s)]
            for time_s in sample.times_s
        ]
        if caption is None:
            assert not any(labels)
        else:
            assert labels[caption[0]] == [caption[1]]
    assert any(caption_frame(sample, generator(0)) is None for sample in samples)


def test_the_generator_alone_decides(samples, clips_contract):
    for sample in samples[:20]:
        for ask in (clip_turns, moment_turns):
            first, again = (ask(sample, clips_contract, 4, generator(5)) for _ in range(2))
            assert first == again


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


def made(vlm, samples, ask, seed=0, **changes):
    usual = {"questions": 2, "moments": 3, "augmented": False} | changes
    collator = Collator(vlm, ask, usual["questions"], usual["moments"], usual["augmented"])
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
        recipe.Phase(ask="captions", steps=4, batch_size=4, accumulate=1, learning_rate=1e-3),
        recipe.Phase(
            ask="clips", steps=6, questions=2, moments=2, batch_size=2, accumulate=2, learning_rate=1e-3
        ),
    )
    return recipe.Train(phases=phases, checkpoint_every=2, log_every=1, **changes)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def stop_at(phase, step):
    def on_event(event):
        if event["kind"] == "train" and (event["phase"], event["step"]) == (phase, step):
            raise Interrupted

    return on_event


def trained(clips, contract, folder, asked=None, on_event=lambda event: None):
    vlm = family.load("tiny", contract, seed=1)
    results = train(vlm, clips, asked or settings(), folder, "abc", on_event=on_event)
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
    saved = family.weights_sha256(tmp_path / "model")
    assert saved == family.weights_sha256(whole[0] / "model")


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
    restored = family.restore(whole[0] / "model")
    assert restored.contract == clips_contract
    weights = restored.model.state_dict()
    assert all(torch.equal(weights[name], whole[1][name]) for name in weights)


def test_other_settings_of_an_earlier_phase_do_not_resume(clips, clips_contract, tmp_path):
    trained(clips, clips_contract, tmp_path)
    events = []
    changed = settings(seed=0).model_copy(update={"augment": False})
    with pytest.raises(Exception, match=r"signature|other|differ"):
        trained(clips, clips_contract, tmp_path, changed, events.append)


def test_samples_can_be_read_by_their_number(clips):
    source = Clips(clips)
    assert len(source) == len(clips)
    assert isinstance(source[3], Sample)
    assert source[3].key == clips.key(3)
