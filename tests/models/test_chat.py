from dataclasses import replace

import numpy as np
import pytest
import torch

from rushes.contract import Moment
from rushes.models import vlm as family
from rushes.models.chat import USER, VIDEO_PAD, VISION_END, VISION_START, attention_mask, visual_positions
from rushes.models.pixels import patchify
from rushes.models.scoring import Continuation
from rushes.models.vlm import Vlm

BIG = (2, 8, 8)  # 4x4 tokens a picture


@pytest.fixture(scope="module")
def plain(shared_vlm) -> Vlm:
    """The same model without time marks."""
    return replace(shared_vlm, contract=shared_vlm.contract.model_copy(update={"time_marks": False}))


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
    """Pairs at 0, 0.5 s: the time fits into the side of a picture, so the text behind agrees too."""
    encoded = plain.chat().encode(BIG, [0.0, 0.0, 0.5, 0.5], turns[:1])
    np.testing.assert_array_equal(encoded.positions, library_positions(plain, encoded.ids, BIG, 0.5))


@pytest.mark.parametrize("step_s", [0.25, 1.0, 1.5])
def test_even_frames_on_the_clips_clock(plain, turns, step_s):
    """A pair stands at its middle on the clip's clock, where the library starts at zero."""
    times = step_s * np.arange(8) / 2
    grid = (4, 8, 8)
    encoded = plain.chat().encode(grid, times.tolist(), turns[:1])
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
    encoded = vlm.chat().encode((3, 4, 6), times, turns[:1])
    time = encoded.positions[0, pads(vlm, encoded)].reshape(3, 6)
    zero = len(vlm.chat().tokens(USER)) + 1
    middles = np.array([0.15, 1.75, 4.0])
    np.testing.assert_allclose(time, np.repeat(zero + 4.0 * middles[:, None], 6, axis=1))
    text = ~pads(vlm, encoded) & (encoded.block > 0)
    question = encoded.positions[0, text]
    assert np.sort(question)[-5:].min() > time.max()


def test_pictures_never_collide_in_time(plain):
    """Sixteen frames in a second: the library truncates pairs to whole steps, here they stay apart."""
    times = np.arange(16) / 16
    positions = visual_positions((8, 2, 2), (times[::2] + times[1::2]) / 2, 2.0, 0.0)
    assert len(np.unique(positions[0])) == 8


def test_marks_stand_before_their_pictures_at_their_time(shared_vlm):
    chat = shared_vlm.chat()
    ids, places = chat.prompt((2, 4, 6), [0.0, 0.7, 2.9, 4.8])
    start, pad, end = (chat.tokens(text)[0] for text in (VISION_START, VIDEO_PAD, VISION_END))
    first = [chat.tokens(text)[0] for text in ("0.0", "0.7")]
    second = [chat.tokens(text)[0] for text in ("2.9", "4.8")]
    want = [*chat.tokens(USER), *first, start, *[pad] * 6, end, *second, start, *[pad] * 6, end]
    assert ids == want
    assert places.shape == (3, len(ids))
    head = len(chat.tokens(USER))
    near = head + 1 + 4.0 * 0.35
    np.testing.assert_allclose(places[:, head : head + 3], near)
    np.testing.assert_allclose(places[:, head + 9], near)


def test_a_moment_stands_among_the_frames(shared_vlm, plain, turns, contract):
    for vlm, anchored in ((shared_vlm, True), (plain, False)):
        chat = vlm.chat()
        encoded = chat.encode((2, 4, 6), [0.0, 0.7, 2.9, 4.8], [turns[1]])
        moment = next(part for part in turns[1].question if isinstance(part, Moment))
        own = encoded.block == 1
        place = int(np.flatnonzero(own & (encoded.ids == chat.tokens(moment.text)[0]))[0])
        steps = np.diff(encoded.positions[0, own])
        if anchored:
            at = len(chat.tokens(USER)) + 1 + 4.0 * moment.time_s
            np.testing.assert_allclose(encoded.positions[:, place], at)
            others = np.delete(encoded.positions[0, own], place - int(own.argmax()))
            assert (np.diff(others) > 0).all()
            assert others.max() - others.min() == own.sum() - 1
        else:
            assert (steps == 1).all()


def test_only_values_are_taught(shared_vlm, turns):
    encoded = shared_vlm.chat().encode((2, 4, 6), [0.0, 0.7, 2.9, 4.8], turns)
    words = shared_vlm.tokenizer
    taught = words.convert_ids_to_tokens(encoded.ids[encoded.taught].tolist())
    assert " ".join(taught) == "Pick 0.0 2.1 Tape Tape 2.1 4.0 Press Press 4.0 5.0 Pick"


def test_short_turns_teach_the_operation_alone(shared_vlm, contract):
    turns = [contract.moment_turn(1.0, "Tape"), contract.caption_turn("Press")]
    encoded = shared_vlm.chat().encode((2, 4, 6), [0.0, 0.7, 2.9, 4.8], turns)
    taught = shared_vlm.tokenizer.convert_ids_to_tokens(encoded.ids[encoded.taught].tolist())
    assert taught == ["Tape", "Press"]


def test_nobody_looks_at_padding_or_at_another_question():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = rng.integers(1, 5, 4)
        row = np.repeat([0, 1, 2, -1], sizes)
        mask = attention_mask(row[None])[0, 0]
        for query, key in np.ndindex(mask.shape):
            seen = key <= query and (row[key] == row[query] or (row[key] == 0 and row[query] > 0))
            assert mask[query, key] == seen


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


def test_chats_end_where_a_continuation_begins(shared_vlm, turns, noise):
    patches, grid = patchify(noise(4, 56, 84))
    encoded = shared_vlm.chat().encode(grid, [0.0, 0.7, 2.9, 4.8], turns[:1])
    batch = family.collate([encoded], [patches], [grid], shared_vlm.tokenizer.pad_token_id)
    with torch.inference_mode():
        state = Continuation.of(shared_vlm, batch, [len(encoded.ids)])
    np.testing.assert_allclose(state.last[:, 0], encoded.positions[:, -1])
