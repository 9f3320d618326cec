from dataclasses import replace

import numpy as np
import pytest
import torch

from rushes.models import vlm as family
from rushes.models.chat import USER, VIDEO_PAD, VISION_END, VISION_START, attention_mask, visual_positions
from rushes.models.pixels import Pictures
from rushes.models.vlm import Vlm

BIG = (2, 8, 8)  # 4x4 tokens a picture


@pytest.fixture(scope="module")
def plain(shared_vlm) -> Vlm:
    """The same model without time marks."""
    return replace(
        shared_vlm, preprocessing=shared_vlm.preprocessing.model_copy(update={"time_marks": False})
    )


def library_positions(vlm, ids, grid, seconds):
    ids = torch.from_numpy(ids)[None]
    config = vlm.base.config
    kinds = 2 * (ids == config.video_token_id).int()
    return vlm.base.model.get_rope_index(
        ids, kinds, video_grid_thw=torch.tensor([grid]), second_per_grid_ts=torch.tensor([seconds])
    )[0][:, 0].numpy()


def pads(vlm, encoded):
    return encoded.ids == vlm.base.config.video_token_id


def test_even_frames_stand_where_the_library_puts_them(plain, turns):
    """Two positions apart: the time fits into the side of a picture, so the text behind agrees too."""
    step_s = 2 / plain.chat().tokens_per_second
    encoded = plain.chat().encode(BIG, [0.0, 0.0, step_s, step_s], turns[2:])
    np.testing.assert_array_equal(encoded.positions, library_positions(plain, encoded.ids, BIG, step_s))


@pytest.mark.parametrize("step_s", [0.25, 1.0, 1.5])
def test_even_frames_on_the_clips_clock(plain, turns, step_s):
    """A pair stands at its middle on the clip's clock, where the library starts at zero."""
    times = step_s * np.arange(8) / 2
    grid = (4, 8, 8)
    encoded = plain.chat().encode(grid, times.tolist(), turns[2:])
    theirs = library_positions(plain, encoded.ids, grid, step_s)
    picture = pads(plain, encoded)
    np.testing.assert_array_equal(encoded.positions[1:, picture], theirs[1:, picture])
    offset = plain.chat().tokens_per_second * step_s / 4
    np.testing.assert_allclose(encoded.positions[0, picture], theirs[0, picture] + offset)
    before = slice(int(picture.argmax()))
    np.testing.assert_array_equal(encoded.positions[:, before], theirs[:, before])


@pytest.mark.parametrize("marked", [True, False])
def test_uneven_frames_stand_at_their_true_times(shared_vlm, plain, turns, marked):
    vlm = shared_vlm if marked else plain
    times = [0.0, 0.3, 0.45, 3.05, 3.1, 4.9]
    encoded = vlm.chat().encode((3, 4, 6), times, [(2, turns[0][1])])
    time, row, column = encoded.positions[:, pads(vlm, encoded)].reshape(3, 3, 2, 3)
    zero = len(vlm.chat().tokens(USER)) + (3 if marked else 1)  # behind two times and the opening
    middles = vlm.chat().tokens_per_second * np.array([0.15, 1.75, 4.0])[:, None, None]
    start = zero + (middles if marked else 0.0)
    np.testing.assert_allclose(time, np.broadcast_to(zero + middles, (3, 2, 3)))
    np.testing.assert_allclose(row, np.broadcast_to(start + np.arange(2)[:, None], (3, 2, 3)))
    np.testing.assert_allclose(column, np.broadcast_to(start + np.arange(3), (3, 2, 3)))


@pytest.mark.parametrize("marked", [True, False])
def test_a_question_stands_behind_all_that_it_sees(shared_vlm, plain, turns, marked):
    vlm = shared_vlm if marked else plain
    times = [0.0, 0.3, 0.45, 3.05, 3.1, 4.9]
    prompt = vlm.chat().prompt((3, 4, 6), times)
    assert prompt.times_s == (0.3, 3.05, 4.9)
    encoded = vlm.chat().encode((3, 4, 6), times, [(pair, turns[0][1]) for pair in range(3)])
    for pair in range(3):
        own = encoded.block == pair + 1
        seen = encoded.positions[:, : prompt.ends[pair]]
        assert (encoded.sees[own] == prompt.ends[pair]).all()
        assert (encoded.positions[:, own] == encoded.positions[0, own]).all()
        assert encoded.positions[0, own].min() == seen.max() + 1
        assert (np.diff(encoded.positions[0, own]) == 1).all()
        pictures = (encoded.ids[: prompt.ends[pair]] == vlm.base.config.video_token_id).sum()
        assert pictures == 6 * (pair + 1)


def test_pictures_never_collide_in_time(plain):
    """Sixteen frames in a second: the library truncates pairs to whole steps, here they stay apart."""
    times = np.arange(16) / 16
    positions = visual_positions((8, 2, 2), (times[::2] + times[1::2]) / 2, 2.0, 0.0)
    assert len(np.unique(positions[0])) == 8


def test_marks_stand_before_their_pictures_at_their_time(shared_vlm):
    chat = shared_vlm.chat()
    prompt = chat.prompt((2, 4, 6), [0.0, 0.7, 2.9, 4.8])
    start, pad, end = (chat.tokens(text)[0] for text in (VISION_START, VIDEO_PAD, VISION_END))
    first = [chat.tokens(text)[0] for text in ("0.0", "0.7")]
    second = [chat.tokens(text)[0] for text in ("2.9", "4.8")]
    head = chat.tokens(USER)
    assert prompt.ids == [*head, *first, start, *[pad] * 6, end, *second, start, *[pad] * 6, end]
    assert prompt.ends == (len(head) + 10, len(head) + 20)
    assert prompt.positions.shape == (3, len(prompt.ids))
    pairs = prompt.positions[:, len(head) :].reshape(3, 2, 10)
    np.testing.assert_allclose(
        pairs[:, 0, :3] - len(head) - chat.tokens_per_second * 0.35, [[0.0, 1.0, 2.0]] * 3, atol=1e-9
    )
    # All positions of a pair move with its time: what is learnt of one picture holds for every other.
    np.testing.assert_allclose(pairs[:, 1] - pairs[:, 0], chat.tokens_per_second * (3.85 - 0.35))


def test_a_pair_and_its_question_look_the_same_wherever_they_stand(shared_vlm, turns):
    """What is learnt of one picture alone holds in a clip: only the times in text differ."""
    chat, turn = shared_vlm.chat(), turns[0][1]
    alone = chat.encode((1, 4, 6), [0.0, 0.0], [(0, turn)])
    times = [0.0, 0.05, 0.1, 0.15, 1.7, 2.9, 4.8]
    head, per_pair = len(chat.tokens(USER)), 10
    for pair in range(4):
        clip = chat.encode((4, 4, 6), times, [(pair, turn)])
        marks = len(times[2 * pair : 2 * pair + 2])
        start = head + pair * per_pair
        its = [*range(start, start + per_pair - 2 + marks), *np.flatnonzero(clip.block == 1)]
        same = [place for place in range(head, len(alone.ids)) if place != head or marks == 2]
        shift = clip.positions[:, its] - alone.positions[:, same]
        np.testing.assert_allclose(shift, shift[0, 0])


def test_only_values_are_taught(shared_vlm, turns):
    encoded = shared_vlm.chat().encode((2, 4, 6), [0.0, 0.7, 2.9, 4.8], turns)
    taught = shared_vlm.tokenizer.convert_ids_to_tokens(encoded.ids[encoded.taught].tolist())
    assert taught == ["Pick", "Tape", "Tape", "Press", "Pick"]


def test_nobody_looks_at_padding_or_at_another_question_or_ahead():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = rng.integers(1, 5, 4)
        row = np.repeat([0, 1, 2, -1], sizes)
        sees = np.repeat([sizes[0], *rng.integers(1, sizes[0] + 1, 2), 0], sizes)
        mask = attention_mask(row[None], sees[None])[0, 0]
        assert mask.any(axis=1).all()
        for query, key in np.ndindex(mask.shape):
            seen = row[key] == row[query] or (row[key] == 0 and key < sees[query])
            assert mask[query, key] == (key <= query and seen)


@pytest.mark.parametrize("marked", [True, False])
def test_a_question_knows_nothing_of_later_frames(shared_vlm, plain, turns, noise, marked):
    vlm = shared_vlm if marked else plain
    frames, logits = noise(4, 56, 84), []
    for seed in (0, 1):
        changed = np.concatenate([frames[:2], noise(2, 56, 84, seed)])
        shown = Pictures.of([changed])
        encoded = vlm.chat().encode(shown.view, [0.0, 0.7, 2.9, 4.8], turns)
        batch = family.collate([encoded], [shown], vlm.tokenizer.pad_token_id)
        logits.append(logits_of(vlm, batch)[0])
    differ = (logits[0] - logits[1]).abs().amax(dim=1).numpy() > 1e-6
    assert not differ[encoded.block == 1].any()
    assert differ[encoded.block == 2].all()


def logits_of(vlm, batch):
    with torch.inference_mode():
        return family.forward(vlm, batch)[0]


@pytest.mark.parametrize("marked", [True, False])
def test_questions_in_one_sequence_are_as_if_asked_alone(shared_vlm, plain, turns, make_batch, marked):
    vlm = shared_vlm if marked else plain
    together, (packed,) = make_batch(vlm, [turns])
    of_all = logits_of(vlm, together)[0]
    loss_sum, weight = family.loss(vlm, together)
    alone_sum = alone_weight = 0.0
    for number, turn in enumerate(turns, start=1):
        batch, (single,) = make_batch(vlm, [[turn]])
        own = packed.block == number
        torch.testing.assert_close(
            of_all[own], logits_of(vlm, batch)[0][single.block == 1], atol=1e-5, rtol=0
        )
        part, count = family.loss(vlm, batch)
        alone_sum, alone_weight = alone_sum + part.item(), alone_weight + count.item()
    assert weight.item() == alone_weight
    assert loss_sum.item() == pytest.approx(alone_sum, abs=1e-5 * alone_weight)


def test_padding_changes_nothing(shared_vlm, turns, make_batch):
    sizes = [(56, 84), (84, 56), (28, 28)]
    together, clips = make_batch(shared_vlm, [turns, turns[:1], turns[1:2]], sizes)
    logits = logits_of(shared_vlm, together)
    assert torch.isfinite(logits).all()
    lengths = [len(clip.ids) for clip in clips]
    assert len(set(lengths)) == 3
    single, _ = make_batch(shared_vlm, [turns], sizes[:1])
    torch.testing.assert_close(logits[0, : lengths[0]], logits_of(shared_vlm, single)[0], atol=1e-5, rtol=0)
