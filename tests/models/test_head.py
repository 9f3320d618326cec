"""The head on frozen features: what it sees, and that it comes back as it was stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from rushes.errors import ModelError
from rushes.models.head import ENCODING_FILE, build, infer, load, padded, save
from rushes.models.stored import CONFIG_FILE, PREPROCESSING_FILE, WEIGHTS_FILE
from rushes.recipe.frozen import ENCODING, HEAD
from rushes.tasks.operations.preprocessing import ClipPreprocessing

torch.set_num_threads(1)

PREPROCESSING = ClipPreprocessing(labels=("Pick", "Tape", "Press"))


@pytest.fixture(scope="module")
def head():
    return build(PREPROCESSING, seed=3)


def clips_of(*lengths):
    rng = np.random.default_rng([*lengths])
    return [rng.random((length, ENCODING.width)).astype(np.float16) for length in lengths]


def test_weights_depend_on_the_seed_alone(head):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    same, other = build(PREPROCESSING, seed=3), build(PREPROCESSING, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in head.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name])
    assert not torch.equal(head.enter.weight, other.enter.weight)


def test_every_value_of_an_answer_has_its_choices(head):
    for clip, (operations, nexts) in zip(clips_of(5, 9), infer(head, clips_of(5, 9), 2), strict=True):
        assert operations.shape == nexts.shape == (len(clip), 3)
        assert operations.dtype == np.float64
        np.testing.assert_allclose(operations.sum(axis=1), 1.0)
        assert not np.allclose(operations, nexts)


def test_filling_up_changes_nothing(head):
    clips = clips_of(16, 3, 7)
    alone = [next(infer(head, [clip], 1)) for clip in clips]
    for one, together in zip(alone, infer(head, clips, 3), strict=True):
        for value, same in zip(one, together, strict=True):
            np.testing.assert_allclose(value, same, atol=1e-6)


def test_the_last_layer_sees_as_far_as_it_says(head):
    reach = 2**HEAD.layers - 1
    (clip,) = clips_of(2 * reach + 3)
    changed = clip.copy()
    changed[0] += 5
    (before, _), (after, _) = infer(head, [clip, changed], 2)
    differs = np.abs(after - before).max(axis=1) > 0
    assert differs[: reach + 1].all()
    assert not differs[reach + 1 :].any()


def test_padding():
    features, valid = padded(clips_of(2, 4))
    assert features.dtype == torch.float32
    assert valid.tolist() == [[True, True, False, False], [True] * 4]
    assert not features[0, 2:].any()


def test_features_of_another_encoder_are_refused(head):
    with pytest.raises(ModelError, match="frames of 1280 features, found 4 x 7"):
        list(infer(head, [np.zeros((4, 7))], 1))
    with pytest.raises(ModelError, match="found 0 x 1280"):
        list(infer(head, [np.zeros((0, 1280))], 1))


def test_a_stored_head_answers_the_same_bits(head, tmp_path):
    save(head, tmp_path / "model")
    found = load(tmp_path / "model", ClipPreprocessing)
    assert (found.config, found.encoding, found.preprocessing) == (HEAD, ENCODING, PREPROCESSING)
    assert not found.training
    for (ours, _), (theirs, _) in zip(infer(head, clips_of(6), 1), infer(found, clips_of(6), 1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (WEIGHTS_FILE, lambda data: data[:-4]),
        (CONFIG_FILE, lambda data: data.replace(b"64", b"32")),
        (PREPROCESSING_FILE, lambda data: data.replace(b'"Tape",', b"")),
        (ENCODING_FILE, lambda data: json.dumps(json.loads(data) | {"width": 8}).encode()),
        (ENCODING_FILE, lambda data: data[:10]),
        (ENCODING_FILE, None),
    ],
)
def test_a_damaged_folder_is_refused(head, tmp_path, file, change):
    save(head, tmp_path / "model")
    path = tmp_path / "model" / file
    path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ModelError, match="no trained net"):
        load(tmp_path / "model", ClipPreprocessing)
