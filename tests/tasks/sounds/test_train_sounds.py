import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes.errors import ShardError, StageError, TrainError
from rushes.metrics.confusion import confusion_matrix, confusion_scores
from rushes.models.nets import build, infer, load
from rushes.models.stored import WEIGHTS_FILE
from rushes.recipe.net import Net
from rushes.records import SoundRecording
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.tasks.sounds.prepare.sample import fields_of
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import Distil, TrainOnSounds
from rushes.tasks.sounds.train import FeatureSet, collate, hard_loss, train, weights_of_classes
from rushes.train.distil import soft_loss
from rushes.train.events import read_events, without_times

torch.set_num_threads(1)

WORKER = Path(__file__).with_name("sounds_worker.py")
CONTRACT = SoundPreprocessing(mels=16, clip_s=0.5)
LABELS = CONTRACT.labels
COUNTS = (20, 10, 6)


@dataclass(frozen=True)
class Tone:
    """A sound of one class: its band of the spectrogram is louder than the noise around."""

    key: str
    label: str
    features: np.ndarray


def tones(seed, counts=COUNTS):
    rng = np.random.default_rng(seed)
    made = []
    for label, count in zip(LABELS, counts, strict=True):
        for _ in range(count):
            noise = rng.normal(-60, 5, CONTRACT.shape)
            noise[5 * LABELS.index(label) :][:5] += 15
            made.append((label, np.clip(noise, -80, 0).astype(np.float32)))
    order = rng.permutation(len(made))
    return [Tone(f"s{seed}_{place:03d}", *made[number]) for place, number in enumerate(order)]


def written(folder, sounds):
    with ShardWriter(folder, "a") as writer:
        for sound in sounds:
            recording = SoundRecording(sound.key, "g", "train", sound.label, Path(f"{sound.key}.wav"))
            writer.write(sound.key, fields_of(recording, sound.features, 0.5), label=sound.label)
        infos = writer.close()
    return ShardDataset.of_shards([folder / info.name for info in infos])


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The two sides."""
    return {
        side: written(tmp_path_factory.mktemp(side), tones(seed))
        for seed, side in enumerate(("train", "val"))
    }


@pytest.fixture(scope="module")
def sides(shards):
    return {side: FeatureSet(dataset, LABELS) for side, dataset in shards.items()}


@pytest.fixture(scope="module")
def opinions():
    """Logits of a teacher, not always right."""
    rng = np.random.default_rng(9)
    right = np.array([[sound.label == label for label in LABELS] for sound in tones(0)], np.float32)
    return (3 * right + rng.normal(size=right.shape)).astype(np.float32)


def trained(folder, samples, validation, *, model=None, distil=None, **settings):
    settings = TrainOnSounds(**{"epochs": 3, "batch_size": 16, **settings})
    net = build(model or Net(), CONTRACT, seed=settings.seed)
    events = []
    result = train(net, samples, validation, settings, folder, "test", distil=distil, on_event=events.append)
    return result, events, net


def last_weights(folder):
    newest = max((folder / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}


# The set


def test_a_side_knows_its_classes_and_gives_lessons(shards, opinions):
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    expected = tones(0)
    assert taught.counts.tolist() == list(COUNTS)
    assert [LABELS[number] for number in taught.classes] == [sound.label for sound in expected]
    for index in (0, 17, len(taught) - 1):
        lesson = taught[index]
        assert lesson.sample.key == expected[index].key
        assert np.array_equal(lesson.sample.features, expected[index].features)
        assert lesson.label == LABELS.index(expected[index].label)
        assert np.array_equal(lesson.teacher, opinions[index])
    assert [f.tobytes() for f in taught.features()] == [sound.features.tobytes() for sound in expected]


def test_lessons_become_a_batch(shards, sides, opinions):
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    batch = collate([taught[3], taught[1]], [])
    assert batch["features"].shape == (2, 1, *CONTRACT.shape)
    assert batch["features"].dtype == torch.float32
    assert batch["labels"].tolist() == taught.classes[[3, 1]].tolist()
    assert np.array_equal(batch["teacher"].numpy(), opinions[[3, 1]])
    assert batch["keys"] == ["s0_003", "s0_001"]
    assert "teacher" not in collate([sides["train"][3]], [])


def test_sounds_of_other_classes_are_refused(shards):
    with pytest.raises(ShardError, match=r"6 sounds of other classes than quiet, breathe, .* 'snore'"):
        FeatureSet(shards["train"], LABELS[:2])


@pytest.mark.parametrize("shape", [(35, 3), (36, 2)])
def test_logits_of_another_dataset_are_refused(shards, shape):
    with pytest.raises(TrainError, match="36 sounds of 3 classes"):
        FeatureSet(shards["train"], LABELS, logits=np.zeros(shape, np.float32))


# Losses


def test_class_weights():
    counts = np.array([6, 2])
    assert weights_of_classes(None, counts, ("a", "b")) is None
    assert weights_of_classes((1.0, 5.5), counts, ("a", "b")) == (1.0, 5.5)
    assert weights_of_classes("balanced", counts, ("a", "b")) == (8 / 12, 8 / 4)
    with pytest.raises(TrainError, match="no training sound is of class b"):
        weights_of_classes("balanced", np.array([6, 0]), ("a", "b"))


PUPIL, TEACHER = [[2.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, 4.0]]


def test_the_hard_loss_by_hand():
    # -log softmax of the right class: log(1 + e^-2) = 0.126928, log(1 + e^1) = 1.313262
    expected = (1.0 * 0.126928 + 3.0 * 1.313262) / 4.0
    labels, weights = torch.tensor([0, 0]), (1.0, 9.0)
    assert hard_loss(torch.tensor(PUPIL), labels, weights).item() == pytest.approx(
        (0.126928 + 1.313262) / 2, abs=1e-6
    )
    labels, weights = torch.tensor([0, 1]), (1.0, 3.0)
    pupil = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    assert hard_loss(pupil, labels, weights).item() == pytest.approx(expected, abs=1e-6)


def test_the_soft_loss_by_hand():
    """At temperature 2; opinions are sigmoids of half the difference of two logits."""
    # row 1: teacher (0.268941, 0.731059), pupil (0.731059, 0.268941)
    # KL = 0.268941 log(0.268941 / 0.731059) + 0.731059 log(0.731059 / 0.268941) = 0.462117
    # row 2: teacher (0.119203, 0.880797), pupil (0.377541, 0.622459)
    # KL = 0.119203 log(0.119203 / 0.377541) + 0.880797 log(0.880797 / 0.622459) = 0.168345
    found = soft_loss(torch.tensor(PUPIL), torch.tensor(TEACHER), 2.0).item()
    assert found == pytest.approx(4 * (0.462117 + 0.168345) / 2, abs=1e-5)
    assert soft_loss(torch.tensor(PUPIL), torch.tensor(PUPIL) + 7, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_the_gradient_of_the_soft_loss_keeps_its_size():
    norms = []
    for temperature in (4.0, 40.0):
        pupil = torch.tensor(PUPIL, requires_grad=True)
        soft_loss(pupil, torch.tensor(TEACHER), temperature).backward()
        norms.append(pupil.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.2)


@pytest.mark.parametrize("soft_weight", [0.0, 0.3, 1.0])
def test_the_loss_of_a_step_joins_both(shards, sides, opinions, tmp_path, soft_weight):
    """One update on the whole set: the loss told is that of the net as it was built."""
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    distil = Distil(soft_weight=soft_weight, temperature=3.0)
    settings = {"epochs": 1, "batch_size": 36, "class_weights": (1.0, 1.5, 5.5)}
    result, _, _ = trained(tmp_path, taught, sides["val"], distil=distil, **settings)
    z = infer(build(Net(), CONTRACT, seed=0), taught.features(), 36).astype(np.float64)

    def log_softmax(x):
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    w = np.array([1.0, 1.5, 5.5])[taught.classes]
    hard = -(w * log_softmax(z)[np.arange(36), taught.classes]).sum() / w.sum()
    t, p = log_softmax(opinions / 3.0), log_softmax(z / 3.0)
    soft = 9.0 * (np.exp(t) * (t - p)).sum(axis=1).mean()
    assert result.last_loss == pytest.approx(soft_weight * soft + (1 - soft_weight) * hard, rel=1e-5)


# Training


@pytest.mark.parametrize("model", [Net(), Net(net="crnn"), Net(attention="cbam", kernel=11)], ids=str)
def test_nets_learn_to_tell_classes_apart(sides, tmp_path, model):
    result, events, net = trained(
        tmp_path, sides["train"], sides["val"], model=model, epochs=20, patience=20, learning_rate=3e-3
    )
    assert result.best > 0.95
    found = [event for event in events if event["kind"] == "validation"]
    assert [event["step"] for event in found] == [3 * epoch for epoch in range(1, 21)]
    assert max(event["f1_macro"] for event in found) == result.best
    assert found[-1]["loss"] < found[0]["loss"]
    assert found[-1]["classes"] == 3

    # What is saved, and what came back, is the best epoch.
    for best in (net, load(tmp_path / "model", SoundPreprocessing)):
        answers = infer(best, sides["val"].features(), 8).argmax(axis=1)
        counts = confusion_matrix(sides["val"].classes, answers, range(3))
        assert confusion_scores(counts).f1_macro == result.best


def test_the_validation_loss_is_weighted_and_of_labels_alone(shards, sides, opinions, tmp_path):
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    _, events, net = trained(tmp_path, taught, sides["val"], distil=Distil(), epochs=1)
    told = next(event for event in events if event["kind"] == "validation")
    weights = weights_of_classes("balanced", taught.counts, LABELS)
    logits = torch.from_numpy(infer(net, sides["val"].features(), 8))
    expected = hard_loss(logits, torch.from_numpy(sides["val"].classes), weights)
    assert told["loss"] == pytest.approx(expected.item(), rel=1e-6)


def test_patience_ends_a_training_that_gets_no_better(sides, tmp_path):
    result, _, _ = trained(tmp_path, sides["train"], sides["val"], epochs=9, patience=2, learning_rate=1e-9)
    assert (result.stopped_early, result.steps, result.best_step) == (True, 9, 3)


def test_without_the_teachers_share_a_pupil_is_a_plain_net_bit_for_bit(shards, sides, opinions, tmp_path):
    taught = FeatureSet(shards["train"], LABELS, logits=np.where(opinions > 0, np.inf, opinions))
    trained(tmp_path / "plain", sides["train"], sides["val"])
    trained(tmp_path / "pupil", taught, sides["val"], distil=Distil(soft_weight=0.0))
    trained(
        tmp_path / "half",
        FeatureSet(shards["train"], LABELS, logits=opinions),
        sides["val"],
        distil=Distil(soft_weight=0.5),
    )
    plain, pupil, half = (last_weights(tmp_path / name) for name in ("plain", "pupil", "half"))
    assert plain == pupil != half
    told = [
        [without_times(event) for event in read_events(tmp_path / name / "events.jsonl")]
        for name in ("plain", "pupil")
    ]
    assert told[0] == told[1]


def test_with_the_teacher_alone_labels_do_not_matter(sides, opinions, tmp_path):
    sounds = tones(0)
    others = [sound.label for sound in sounds[1:]] + [sounds[0].label]
    moved = [Tone(sound.key, label, sound.features) for sound, label in zip(sounds, others, strict=True)]
    assert others != [sound.label for sound in sounds]
    for name, chosen in (("right", sounds), ("wrong", moved)):
        taught = FeatureSet(written(tmp_path / f"shards-{name}", chosen), LABELS, logits=opinions)
        trained(tmp_path / name, taught, sides["val"], distil=Distil(soft_weight=1.0))
    assert last_weights(tmp_path / "right") == last_weights(tmp_path / "wrong")


def test_a_teacher_without_logits_is_refused(sides, tmp_path):
    with pytest.raises(TrainError, match="its logits are missing"):
        trained(tmp_path, sides["train"], sides["val"], distil=Distil())


def test_a_loss_that_is_not_finite_ends_the_training(shards, sides, opinions, tmp_path):
    opinions = opinions.copy()
    opinions[11, 2] = np.nan
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    with pytest.raises(TrainError, match="not finite") as caught:
        trained(tmp_path, taught, sides["val"], distil=Distil())
    assert "s0_011" in caught.value.where


def test_another_loss_is_another_training(shards, sides, opinions, tmp_path):
    taught = FeatureSet(shards["train"], LABELS, logits=opinions)
    trained(tmp_path, taught, sides["val"], distil=Distil(temperature=3.0), epochs=1)
    with pytest.raises(StageError):
        trained(tmp_path, taught, sides["val"], distil=Distil(temperature=4.0), epochs=1)
    again, events, _ = trained(tmp_path, taught, sides["val"], distil=Distil(temperature=3.0), epochs=1)
    assert [event["kind"] for event in events] == ["done"]
    assert again.steps == 3


# Kills


def worker(folder, shards, net):
    command = [sys.executable, "-W", "error", str(WORKER), str(folder), str(shards), net]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("net", ["crnn", "tinycnn"])
def test_killed_at_random_moments_is_bit_identical(shards, tmp_path, net):
    source = shards["train"].tars[0].parent
    rng = random.Random(net)
    resumed = []
    for _ in range(3):
        with worker(tmp_path / "cut", source, net) as process:
            heard = [process.stdout.readline() for _ in range(rng.randint(4, 16))]
            time.sleep(rng.uniform(0, 0.01))
            process.kill()
        resumed.append(heard[0].startswith("resume"))
    assert sum(resumed) == 2
    for name in ("cut", "whole"):
        with worker(tmp_path / name, source, net) as process:
            assert process.stdout.read()
        assert process.returncode == 0
    assert last_weights(tmp_path / "cut") == last_weights(tmp_path / "whole")
    cut, whole = (tmp_path / name for name in ("cut", "whole"))
    assert (cut / "model" / WEIGHTS_FILE).read_bytes() == (whole / "model" / WEIGHTS_FILE).read_bytes()
    told, expected = (
        [without_times(event) for event in read_events(folder / "events.jsonl")] for folder in (cut, whole)
    )
    assert told == expected
    assert sum(event["kind"] == "train" for event in told) == 32
