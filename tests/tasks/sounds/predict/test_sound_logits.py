import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from rushes.errors import ShardError
from rushes.models.nets import build
from rushes.recipe.net import Net
from rushes.tasks.sounds.predict.logits import FILE, logits_of, read_logits, write_logits
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

torch.set_num_threads(1)

LABELS = ("quiet", "breathe", "snore")
KEYS = tuple(f"clip_{number}" for number in range(5))


def logits(rows=5, columns=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def test_a_teacher_answers_in_order_and_the_same_at_any_batch_size():
    preprocessing = SoundPreprocessing(mels=16, clip_s=0.5)
    net = build(Net(net="crnn"), preprocessing, seed=0)
    features = np.random.default_rng(1).uniform(-80, 0, (19, *preprocessing.shape)).astype(np.float32)
    cpu = torch.device("cpu")
    whole = logits_of(net, features, 32, device=cpu)
    assert whole.shape == (19, 3)
    assert np.array_equal(logits_of(net, features, 3, device=cpu), whole)
    assert np.array_equal(logits_of(net, features[::-1], 32, device=cpu)[::-1].argmax(1), whole.argmax(1))
    assert np.allclose(logits_of(net, features, 32), whole, atol=1e-3)  # wherever it likes to run best


def test_logits_come_back_bit_for_bit_and_are_one_file(tmp_path):
    write_logits(tmp_path, KEYS, LABELS, logits())
    assert np.array_equal(read_logits(tmp_path, list(KEYS), LABELS), logits())
    first = (tmp_path / FILE).read_bytes()
    write_logits(tmp_path, KEYS, LABELS, logits())
    assert (tmp_path / FILE).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("keys", "labels", "message"),
    [
        (KEYS[::-1], LABELS, "of 5 sounds; the file is about other ones"),
        (KEYS[:4], LABELS, "of 4 sounds; the file"),
        (("clip_0clip_1", *KEYS[2:], "x"), LABELS, "of 5 sounds; the file"),
        (KEYS, LABELS[::-1], "of the classes snore, breathe, quiet; the file"),
    ],
)
def test_logits_about_others_are_refused(tmp_path, keys, labels, message):
    write_logits(tmp_path, KEYS, LABELS, logits())
    with pytest.raises(ShardError, match=message) as caught:
        read_logits(tmp_path, keys, labels)
    assert caught.value.where == str(tmp_path / FILE)


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{}", b"torn" * 9])
def test_no_logits_or_torn_ones_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ShardError, match="no logits of a teacher"):
        read_logits(tmp_path, KEYS, LABELS)


def test_a_file_without_hashes_is_refused(tmp_path):
    save_file({"logits": logits()}, tmp_path / FILE)
    with pytest.raises(ShardError, match="no logits of a teacher"):
        read_logits(tmp_path, KEYS, LABELS)


def test_logits_that_the_machine_refuses_to_open_are_not_missing(tmp_path, no_file_opens):
    write_logits(tmp_path, KEYS, LABELS, logits())
    with no_file_opens(), pytest.raises(OSError, match="Too many open files"):
        read_logits(tmp_path, KEYS, LABELS)


@pytest.mark.parametrize("shape", [(4, 3), (5, 2)])
def test_logits_of_another_shape_are_not_written(tmp_path, shape):
    with pytest.raises(ShardError, match=r"are float32 \(5, 3\), found"):
        write_logits(tmp_path, KEYS, LABELS, logits(*shape))
    assert not list(tmp_path.iterdir())


def test_logits_that_are_no_numbers_are_not_written(tmp_path):
    spoilt = logits()
    spoilt[2, 1] = np.inf
    with pytest.raises(ShardError, match=r"not finite.*row 2"):
        write_logits(tmp_path, KEYS, LABELS, spoilt)
