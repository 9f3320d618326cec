from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.pixels import Pictures
from rushes.recipe.turns import Value
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import TrainOnWindows, WindowPhase
from rushes.tasks.driving.train import Collator
from rushes.train.augment import relight
from rushes.train.batches import ShardSamples
from rushes.train.phases import Answering, step, train

torch.set_num_threads(1)

LAYOUTS = ("tiled", "separate")


@pytest.fixture(scope="module")
def drives(make_drives, drives_contract, tmp_path_factory):
    """The same windows in both layouts: preprocessing, samples and shards."""
    made = {}
    for layout in LAYOUTS:
        changes = {"layout": layout, "reasoning": "words" if layout == "separate" else "none"}
        preprocessing = RigPreprocessing(**{**drives_contract.model_dump(), **changes})
        shards = make_drives(tmp_path_factory.mktemp(layout), preprocessing)
        samples = ShardSamples(shards, Sample.of)
        made[layout] = (preprocessing, [samples[number] for number in range(len(samples))], shards)
    return made


@pytest.fixture(scope="module")
def vlms(drives):
    return {layout: family.load("tiny", drives[layout][0], seed=1) for layout in LAYOUTS}


def generator(*seed):
    return np.random.default_rng([*seed])


def made(vlm, samples, ask, seed=0, augmented=False):
    collator = Collator(vlm, ask, augmented=augmented)
    return collator(samples, [generator(seed, number) for number in range(len(samples))])


def taught_texts(vlm, batch, row=0):
    """The values that one row of a batch is taught."""
    return [vlm.tokenizer.decode([token]) for token in batch["ids"][row][batch["taught"][row]].tolist()]


def values_of(preprocessing, target):
    return [
        part.text
        for part in preprocessing.turn(*preprocessing.values(target)).answer
        if isinstance(part, Value)
    ]


# What is asked


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_asked_behind_every_pair(drives, vlms, layout):
    preprocessing, samples, _ = drives[layout]
    for sample in samples:
        batch = made(vlms[layout], [sample], "windows")
        expected = [values_of(preprocessing, sample.target(range(end))) for end in (2, 4, 6, 8)]
        assert taught_texts(vlms[layout], batch) == [text for values in expected for text in values]
        question = vlms[layout].chat().tokens(preprocessing.question)[0]
        assert (batch["ids"][0] == question).sum() == 4
    assert len({tuple(values_of(preprocessing, sample.target())) for sample in samples}) > 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_are_two_neighbours_with_their_own_truth_and_clock(drives, vlms, layout):
    preprocessing, samples, _ = drives[layout]
    sample, vlm, starts = samples[1], vlms[layout], set()
    shown = [Pictures.of(sample.pixels(start, start + 1)).patches for start in range(7)]
    for seed in range(40):
        batch = made(vlm, [sample], "pairs", seed)
        first = next(start for start in range(7) if np.array_equal(shown[start], batch["patches"].numpy()))
        starts.add(first)
        target = sample.target((first, first + 1))
        assert taught_texts(vlm, batch) == values_of(preprocessing, target)
        assert target["start_speed_mps"] == sample.truth["final_speed_mps"][first]
        step_s = sample.times_s[first + 1] - sample.times_s[first]
        marks = [vlm.chat().tokens(preprocessing.moment(time))[0] for time in (0.0, step_s)]
        assert batch["ids"][0, 1:3].tolist() == marks
    assert starts == set(range(7))


def test_truth_of_a_pair_is_not_that_of_the_window(drives):
    sample = drives["tiled"][1][1]
    whole, pair = sample.target(range(6)), sample.target((4, 5))
    assert pair["displacement_m"] < 0.3 * whole["displacement_m"]


# Tempo


def test_a_faster_tempo_is_a_faster_vehicle_over_the_same_way(drives):
    sample = drives["tiled"][1][1]
    every, second = sample.target(range(7)), sample.target((0, 2, 4, 6), tempo=2)
    assert second["displacement_m"] == every["displacement_m"]
    assert second["yaw_deg"] == every["yaw_deg"]
    assert second["final_speed_mps"] == 2 * every["final_speed_mps"]
    assert second["mean_speed_mps"] == 2 * sample.truth["final_speed_mps"][[0, 2, 4, 6]].mean()
    still = sample.target((3, 3), tempo=0)
    assert set(still.values()) == {0.0}


@pytest.mark.parametrize("ask", ["pairs", "windows"])
def test_training_shows_every_tempo_with_its_own_truth(drives, vlms, ask):
    """Whatever is shown, the answers are those of a vehicle that moves as the pictures do at their times."""
    preprocessing, samples, _ = drives["tiled"]
    vlm, sample, tempos = vlms["tiled"], samples[1], set()
    collator = Collator(vlm, ask, augmented=True)
    for seed in range(60):
        moments, tempo = collator._played(sample, generator(seed))
        tempos.add(tempo)
        assert len(moments) % 2 == 0
        assert all(later - earlier == tempo for earlier, later in pairwise(moments))
        assert moments[-1] < len(sample.times_s)
        target = sample.target(moments, tempo)
        times_s = np.array(sample.times_s)[moments]
        span_s = (times_s[-1] - times_s[0]) / max(tempo, 1)
        assert target["displacement_m"] == pytest.approx(target["mean_speed_mps"] * span_s, rel=0.15, abs=0.1)
        assert target["final_speed_mps"] <= preprocessing.final_speed_mps.high
    assert tempos >= {0, 1, 2}


# Light


def test_relighting_keeps_geometry_and_time(drives):
    """One change for all frames and views, of levels alone: where a pixel was brighter it still is."""
    views = drives["separate"][1][0].pixels()
    frames = np.concatenate(views)
    before = frames.copy()
    for seed in range(5):
        changed = relight(frames, generator(seed))
        np.testing.assert_array_equal(frames, before)
        assert (changed.shape, changed.dtype) == (frames.shape, np.uint8)
        assert not np.array_equal(changed, frames)
        for channel in range(3):
            levels, place = np.unique(frames[..., channel], return_index=True)
            table = changed[..., channel].ravel()[place]
            assert (np.diff(table.astype(int)) >= 0).all()
            lookup = np.zeros(256, np.uint8)
            lookup[levels] = table
            np.testing.assert_array_equal(lookup[frames[..., channel]], changed[..., channel])
        np.testing.assert_array_equal(relight(frames, generator(seed)), changed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_cameras_of_a_window_stand_in_the_same_new_light(drives, vlms, layout):
    """Where the tempo stays, pixels keep their places, and each level becomes one other in every picture."""
    sample, vlm = drives[layout][1][1], vlms[layout]
    plain = Collator(vlm, "windows", augmented=False)([sample], [generator(0)])
    collator = Collator(vlm, "windows", augmented=True)
    batches = [collator([sample], [generator(seed)]) for seed in range(12)]
    lit = [batch for batch in batches if torch.equal(batch["ids"], plain["ids"])]
    assert len(lit) > 2
    for batch in lit:
        assert all(torch.equal(batch[name], plain[name]) for name in ("positions", "mask", "taught", "grids"))
        assert not torch.equal(batch["patches"], plain["patches"])
        before, after = (one["patches"].numpy().reshape(-1, 3, 2 * 14 * 14) for one in (plain, batch))
        for channel in range(3):
            levels, places = np.unique(before[:, channel], return_index=True)
            table = after[:, channel].ravel()[places]
            assert (np.diff(table) >= 0).all()
            expected = table[np.searchsorted(levels, before[:, channel])]
            np.testing.assert_array_equal(after[:, channel], expected)
    again = [collator([sample], [generator(seed)]) for seed in range(12)]
    assert all(torch.equal(one["patches"], two["patches"]) for one, two in zip(batches, again, strict=True))


# Batches


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ask", ["pairs", "windows"])
def test_a_sample_is_the_same_in_any_batch(drives, vlms, layout, ask):
    _, samples, _ = drives[layout]
    vlm = vlms[layout]
    together = made(vlm, samples[:3], ask, augmented=True)
    collator = Collator(vlm, ask, augmented=True)
    rest = together["patches"]
    for number, sample in enumerate(samples[:3]):
        alone = collator([sample], [generator(0, number)])
        length = alone["ids"].shape[1]
        for name in ("ids", "taught"):
            assert torch.equal(together[name][number, :length], alone[name][0])
        assert torch.equal(together["positions"][:, number, :length], alone["positions"][:, 0])
        own, rest = rest[: len(alone["patches"])], rest[len(alone["patches"]) :]
        assert torch.equal(own, alone["patches"])
    assert len(rest) == 0
    assert together["keys"] == [sample.key for sample in samples[:3]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_batch_of_four_is_four_batches_of_one(drives, layout):
    """Loss and gradients: the mean is over taught tokens, however the samples come."""
    preprocessing, samples, _ = drives[layout]
    gradients, losses = [], []
    for size in (4, 1):
        vlm = family.load("tiny", preprocessing, seed=1)
        total = weight = 0.0
        for start in range(0, 4, size):
            chosen = range(start, start + size)
            batch = Collator(vlm, "windows", augmented=True)(
                [samples[number] for number in chosen], [generator(5, number) for number in chosen]
            )
            output = step(Answering(vlm), batch)
            output.loss_sum.backward()
            total, weight = total + output.loss_sum.item(), weight + float(output.weight)
        losses.append((pytest.approx(total / weight, rel=1e-5), weight))
        gradients.append({name: p.grad / weight for name, p in vlm.model.named_parameters()})
    assert (losses[0][0].expected, losses[0][1]) == losses[1]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=1e-3, msg=name)


# Training


def fit(preprocessing, shards, folder, on_event=lambda event: None):
    phases = (
        WindowPhase(ask="pairs", steps=2, batch_size=4, accumulate=1, learning_rate=1e-3),
        WindowPhase(ask="windows", steps=3, batch_size=2, accumulate=1, learning_rate=1e-3),
    )
    asked = TrainOnWindows(phases=phases, checkpoint_every=1, log_every=1)
    vlm = family.load("tiny", preprocessing, seed=1)
    samples = ShardSamples(shards, Sample.of)
    train(vlm, samples, partial(Collator, vlm, augmented=True), asked, folder, "abc", on_event=on_event)
    return vlm.model.state_dict()


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def test_an_interrupted_training_ends_with_the_same_weights(drives, tmp_path):
    preprocessing, _, shards = drives["separate"]
    events = []
    whole = fit(preprocessing, shards, tmp_path / "whole", events.append)

    def stop(event):
        if event["kind"] == "train" and (event["phase"], event["step"]) == ("phase-2-windows", 2):
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(preprocessing, shards, tmp_path / "again", stop)
    again = fit(preprocessing, shards, tmp_path / "again")
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert [event["phase"] for event in events if event["kind"] == "train"] == [
        *["phase-1-pairs"] * 2,
        *["phase-2-windows"] * 3,
    ]
    assert trained.restore(tmp_path / "whole" / "model", type(preprocessing)).preprocessing == preprocessing
