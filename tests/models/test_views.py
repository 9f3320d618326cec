"""Several pictures of each moment: their order in patches, tokens, positions and attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rushes.errors import ModelError
from rushes.models import vision
from rushes.models import vlm as family
from rushes.models.chat import USER, VIDEO_PAD, VISION_END, VISION_START
from rushes.models.pixels import Pictures, patchify
from rushes.models.vlm import Vlm
from rushes.tasks.driving.preprocessing import RigPreprocessing

SETUP = {
    "name": "three",
    "reference": "camera_front_wide_120fov",
    "rows": [["camera_rear_tele_30fov", "camera_front_wide_120fov", "camera_front_tele_30fov"]],
}
TIMES = [0.0, 0.1, 0.2, 0.3]
TARGET = {
    "mean_speed_mps": 8.0,
    "final_speed_mps": 9.0,
    "displacement_m": 2.0,
    "yaw_deg": 3.0,
    "start_speed_mps": 7.0,
}


@pytest.fixture(scope="module")
def rig() -> Vlm:
    """A tiny model of four moments seen by three cameras."""
    preprocessing = RigPreprocessing(setup=SETUP, layout="separate", frames=4, tile_size=(84, 56))
    vlm = family.load("tiny", preprocessing, seed=3)
    vlm.model.eval()
    return vlm


@pytest.fixture
def views(noise) -> list[np.ndarray]:
    return [noise(4, 56, 84, seed) for seed in range(3)]


@pytest.fixture
def asked(rig):
    """A question behind each of the two pairs."""
    turn = rig.preprocessing.turn(*rig.preprocessing.values(TARGET))
    return [(0, turn), (1, turn)]


def batch_of(vlm, shown, turns):
    encoded = [vlm.chat().encode(one.view, TIMES[: 2 * one.view[0]], turns) for one in shown]
    return family.collate(encoded, shown, vlm.tokenizer.pad_token_id), encoded


def logits_of(vlm, batch):
    with torch.inference_mode():
        return family.forward(vlm, batch)[0]


def test_patches_stand_pair_by_pair_and_view_by_view(views):
    shown = Pictures.of(views)
    assert shown.grids == ((1, 4, 6),) * 6
    assert shown.view == (2, 4, 6)
    parts = np.split(shown.patches, 6)
    for number, part in enumerate(parts):
        pair, view = divmod(number, 3)
        np.testing.assert_array_equal(part, patchify(views[view][2 * pair : 2 * pair + 2])[0])


def test_one_view_is_one_video(views):
    shown = Pictures.of(views[:1])
    patches, grid = patchify(views[0])
    assert (shown.grids, shown.view) == ((grid,), grid)
    np.testing.assert_array_equal(shown.patches, patches)


def test_an_odd_last_frame_of_each_view_is_repeated(views):
    odd, even = Pictures.of([view[:3] for view in views]), Pictures.of([view[[0, 1, 2, 2]] for view in views])
    assert odd.grids == even.grids
    np.testing.assert_array_equal(odd.patches, even.patches)


def test_views_of_several_sizes_are_refused(noise):
    with pytest.raises(ModelError, match="of one size"):
        Pictures.of([noise(4, 56, 84), noise(4, 84, 56)])
    with pytest.raises(ModelError, match="of one size"):
        Pictures.of([noise(4, 56, 84), noise(2, 56, 84)])


def test_each_picture_pair_is_seen_as_if_it_were_alone(rig, views):
    """Features of all pictures together, against the tower on each pair and view by itself."""
    tower, shown = rig.base.model.visual, Pictures.of(views)
    with torch.inference_mode():
        together = vision.encode(tower, torch.from_numpy(shown.patches), torch.tensor(shown.grids))
        for number, part in enumerate(together.split(6)):
            pair, view = divmod(number, 3)
            patches, grid = patchify(views[view][2 * pair : 2 * pair + 2])
            alone = vision.encode(tower, torch.from_numpy(patches), torch.tensor([grid]))
            torch.testing.assert_close(part, alone, atol=1e-5, rtol=0)


def test_views_as_one_are_the_videos_of_each(rig, views):
    """The whole video of each camera through the tower, interleaved by hand: the same features."""
    tower, shown = rig.base.model.visual, Pictures.of(views)
    with torch.inference_mode():
        together = vision.encode(tower, torch.from_numpy(shown.patches), torch.tensor(shown.grids))
        videos = [patchify(view) for view in views]
        each = [
            vision.encode(tower, torch.from_numpy(patches), torch.tensor([grid])).reshape(2, 6, -1)
            for patches, grid in videos
        ]
    torch.testing.assert_close(together, torch.stack(each, dim=1).flatten(0, 2), atol=1e-5, rtol=0)


def test_every_picture_stands_behind_its_name_and_every_pair_behind_its_times(rig):
    chat, names = rig.chat(), rig.preprocessing.setup.cameras
    prompt = chat.prompt((2, 4, 6), TIMES)
    start, pad, end = (chat.tokens(text)[0] for text in (VISION_START, VIDEO_PAD, VISION_END))
    expected, ends = chat.tokens(USER), []
    for pair in (("0.0", "0.1"), ("0.2", "0.3")):
        expected += [chat.tokens(time)[0] for time in pair]
        for name in names:
            expected += [chat.tokens(name)[0], start, *[pad] * 6, end]
        ends.append(len(expected))
    assert prompt.ids == expected
    assert prompt.ends == tuple(ends)
    assert prompt.ids.count(pad) == sum(np.prod(grid) // 4 for grid in ((1, 4, 6),) * 6)


def test_positions_rise_and_the_second_pair_is_the_first_later(rig):
    chat = rig.chat()
    prompt, head = chat.prompt((2, 4, 6), TIMES), len(chat.tokens(USER))
    first, second = np.split(prompt.positions[:, head:], 2, axis=1)
    np.testing.assert_allclose(second - first, 0.2 * chat.tokens_per_second)
    text = np.array(prompt.ids[head : prompt.ends[0]]) != chat.tokens(VIDEO_PAD)[0]
    assert (np.diff(first[0, text]) > 0).all()
    assert (first[:, text] == first[0, text]).all()
    # A picture's tokens lie behind the text before them and in front of the text behind them.
    for begin in np.flatnonzero(np.diff(text.astype(int)) == -1):
        picture = first[:, begin + 1 : begin + 7]
        assert picture.min() == first[0, begin] + 1
        assert picture.max() == first[0, begin + 7] - 1
    assert prompt.after(0) == first.max() + 1


def test_a_question_knows_nothing_of_later_pictures_of_any_camera(rig, views, asked, noise):
    reference, (encoded,) = batch_of(rig, [Pictures.of(views)], asked)
    logits = logits_of(rig, reference)[0]
    for view in range(3):
        for pair in range(2):
            changed = [frames.copy() for frames in views]
            changed[view][2 * pair : 2 * pair + 2] = noise(2, 56, 84, 99)
            other = logits_of(rig, batch_of(rig, [Pictures.of(changed)], asked)[0])[0]
            differ = (logits - other).abs().amax(dim=1).numpy() > 1e-6
            assert differ[encoded.block == 1].all() == (pair == 0)
            assert differ[encoded.block == 1].any() == (pair == 0)
            assert differ[encoded.block == 2].all()


def test_sizes_and_lengths_mix_in_one_batch(rig, views, asked, noise):
    """Other pictures beside it and padding behind it change nothing of a window."""
    small = Pictures.of([noise(2, 28, 56, seed) for seed in range(3)])
    large = Pictures.of([noise(4, 84, 112, seed) for seed in range(3)])
    shown = Pictures.of(views)
    together, encoded = batch_of(rig, [small, shown, large], asked[:1])
    assert len({len(one.ids) for one in encoded}) == 3
    logits = logits_of(rig, together)
    for row, one in enumerate((small, shown, large)):
        alone, (single,) = batch_of(rig, [one], asked[:1])
        expected = logits_of(rig, alone)[0]
        torch.testing.assert_close(logits[row, : len(single.ids)], expected, atol=1e-5, rtol=0)


def test_which_camera_saw_what_matters(rig, views, asked):
    """Two cameras exchange their pictures: the model can tell."""
    logits = [
        logits_of(rig, batch_of(rig, [Pictures.of(shown)], asked)[0])
        for shown in (views, [views[1], views[0], views[2]])
    ]
    assert (logits[0] - logits[1]).abs().max() > 1e-3
