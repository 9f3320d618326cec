"""Two towers taught through the one loop: lessons, masks, what is computed once, resume, bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from towers import SIZE, Towers, pairs

from rushes.errors import StageError, TrainError
from rushes.recipe.contrastive import ContrastiveTrain
from rushes.train.augment import AUGMENTS
from rushes.train.contrastive import FEATURES, Contrasting, train
from rushes.train.contrastive_loss import LOSSES, alike, sigmoid_loss, softmax_loss
from rushes.train.events import read_events, without_times
from rushes.train.pairs import Lessons, Validation, equals, number_of, picture_of

torch.set_num_threads(1)

SETTINGS = ContrastiveTrain(
    epochs=3, patience=None, batch_size=20, micro_batch=8, learning_rate=1e-2, log_every=1, seed=5
)
SIGMOID = {"loss": "sigmoid"}


def unit(count, seed):
    vectors = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(vectors, dim=-1)


# Losses


def masked(count, *couples):
    mask = torch.zeros(count, count, dtype=torch.bool)
    for one, other in couples:
        mask[one, other] = mask[other, one] = True
    return mask


def test_softmax_is_the_mean_of_both_cross_entropies():
    pictures, texts, scale = unit(5, 0), unit(5, 1), torch.tensor(1.5, dtype=torch.float64)
    logits = math.exp(1.5) * pictures @ texts.T
    expected = -(logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()).sum() / 2
    assert softmax_loss(pictures, texts, scale, None, masked(5)).item() == pytest.approx(expected.item())


def test_sigmoid_is_the_sum_over_all_couples():
    pictures, texts = unit(4, 0), unit(4, 1)
    scale, bias = (torch.tensor(value, dtype=torch.float64) for value in (2.0, -3.0))
    expected = 0.0
    for row in range(4):
        for column in range(4):
            logit = math.exp(2.0) * float(pictures[row] @ texts[column]) - 3.0
            expected += math.log1p(math.exp(-logit if row == column else logit))
    assert sigmoid_loss(pictures, texts, scale, bias, masked(4)).item() == pytest.approx(expected)
    left_out = sum(
        math.log1p(math.exp(math.exp(2.0) * float(pictures[row] @ texts[column]) - 3.0))
        for row, column in ((0, 2), (2, 0))
    )
    found = sigmoid_loss(pictures, texts, scale, bias, masked(4, (0, 2))).item()
    assert found == pytest.approx(expected - left_out)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_masked_is_no_negative_and_its_gradient_is_a_number(name):
    pictures, texts = (unit(4, seed).requires_grad_() for seed in (0, 1))
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (1.0, -1.0))
    bias = bias if name == "sigmoid" else None
    mask = masked(4, (0, 1))

    def gradients(pictures, texts):
        loss = LOSSES[name](pictures, texts, scale, bias, mask)
        return torch.autograd.grad(loss, (pictures, texts, scale))

    found = gradients(pictures, texts)
    assert all(gradient.isfinite().all() for gradient in found)
    # Text 1 may lie anywhere: picture 0 does not notice.
    moved = torch.cat([texts[:1], unit(1, 9), texts[2:]]).detach().requires_grad_()
    torch.testing.assert_close(gradients(pictures, moved)[0][0], found[0][0])
    mask = masked(4)
    assert not torch.allclose(gradients(pictures, moved)[0][0], gradients(pictures, texts)[0][0])


def test_a_row_with_everything_masked_keeps_its_own_pair():
    pictures, texts = unit(3, 0), unit(3, 1)
    loss = softmax_loss(pictures, texts, torch.tensor(1.0), None, ~torch.eye(3, dtype=torch.bool))
    assert loss.item() == pytest.approx(0, abs=1e-12)


def test_equal_captions_and_groups_are_alike():
    captions, groups = torch.tensor([1, 1, 2, 3]), torch.tensor([7, 8, 9, 8])
    expected = masked(4, (0, 1), (1, 3))
    assert torch.equal(alike(captions, groups), expected)


# Lessons


def lessons(pairs, seed=0, augment="none", known=None):
    rngs = [np.random.default_rng([seed, place]) for place in range(len(pairs))]
    return Lessons(Towers(), augment, known or {})(pairs, rngs)


def test_a_caption_is_drawn_each_time_by_the_pairs_generator():
    (pair,) = pairs(1)
    drawn = [lessons([pair], seed)["captions"].item() for seed in range(20)]
    assert set(drawn) == {number_of(caption) for caption in pair.words.captions}
    assert drawn == [lessons([pair], seed)["captions"].item() for seed in range(20)]


def test_a_pair_without_a_group_has_one_of_its_own():
    batch = lessons([*pairs(3), *pairs(4, grouped=True)])
    groups = batch["groups"].tolist()
    assert len({*groups[:3]}) == 3
    assert groups[3:] == [number_of(f"group {number}") for number in (0, 0, 1, 1)]
    # The same item twice, as where an epoch ends within a batch, is not its own negative.
    twice = lessons(pairs(1) * 2)["groups"]
    assert alike(torch.tensor([1, 2]), twice)[0, 1]


@pytest.mark.parametrize("augment", AUGMENTS)
def test_pictures_are_changed_by_the_same_generator(augment):
    chosen = pairs(6)
    found, again, other = (lessons(chosen, seed, augment)["pictures"] for seed in (1, 1, 2))
    assert found.dtype == torch.uint8
    assert found.shape == (6, SIZE, SIZE, 3)
    assert torch.equal(found, again)
    plain = torch.from_numpy(np.stack([picture_of(pair) for pair in chosen]))
    assert torch.equal(found, plain) == torch.equal(found, other) == (augment == "none")


def test_the_simple_change_mirrors_and_moves_and_leaves_colours():
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    for seed in range(8):
        changed = AUGMENTS["simple"](picture, np.random.default_rng(seed))
        inner = slice(8, -8)
        shifts = [
            (flip, rows, columns)
            for flip in (1, -1)
            for rows in range(-4, 5)
            for columns in range(-4, 5)
            if np.array_equal(
                np.roll(picture[:, ::flip], (rows, columns), (0, 1))[inner, inner], changed[inner, inner]
            )
        ]
        assert len(shifts) == 1


# Validation


def test_equal_words_and_groups_are_hits():
    relevant = equals(("a", "b", "a", "c"), ("1", "2", "3", "2"))
    couples = set(zip(relevant.query.tolist(), relevant.item.tolist(), strict=True))
    assert couples == {(0, 0), (0, 2), (1, 1), (1, 3), (2, 2), (2, 0), (3, 3), (3, 1)}


class Fixed(nn.Module):
    """Vectors by the pixels of a picture and by the first token of a text."""

    learning = frozenset()

    def __init__(self, constant=False):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.constant = constant

    def tokenize(self, texts):
        return {"input_ids": torch.tensor([[int(text.split()[-1])] for text in texts])}

    def picture_features(self, pictures):
        return functional.one_hot(torch.arange(len(pictures)), 24).float()

    def text_features(self, tokens):
        return functional.one_hot(tokens["input_ids"][:, 0], 24).float()

    def project_pictures(self, features):
        return torch.ones_like(features) / 24**0.5 if self.constant else features

    project_texts = project_pictures


@pytest.mark.parametrize(("constant", "first", "tenth"), [(False, 1.0, 1.0), (True, 1 / 24, 10 / 24)])
def test_recall_of_the_validation_side(constant, first, tenth):
    """Who gives every item the same vector has what chance has."""
    encoder = Fixed(constant)
    figures = Validation(pairs(24), encoder, 32)(Contrasting(encoder, "softmax", True, 32))
    assert figures == pytest.approx({"recall_1": first, "recall_10": tenth})


# Training


def taught(folder, towers, settings=SETTINGS, on_event=lambda event: None, precision="float32", samples=None):
    samples = pairs(40, grouped=True) if samples is None else samples
    return train(
        towers, samples, samples[:12], settings, folder, "abc", precision=precision, on_event=on_event
    )


def changed(**settings):
    return SETTINGS.model_copy(update=settings)


def values(module):
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("loss", LOSSES)
def test_it_learns(tmp_path, loss):
    settings = changed(epochs=60, loss=loss, patience=60)
    taught(tmp_path, Towers(sigmoid=loss == "sigmoid", dropout=0.0), settings)
    events = read_events(tmp_path / "events.jsonl")
    losses = [event["loss"] for event in events if event["kind"] == "train"]
    recalls = [event["recall_1"] for event in events if event["kind"] == "validation"]
    assert losses[-1] < 0.6 * losses[0]
    assert np.mean(recalls[-5:]) > 1.4 * np.mean(recalls[:5])


@pytest.mark.parametrize("learning", [(), ("pictures",), ("texts",)], ids=str)
def test_a_tower_that_does_not_learn_stays_and_is_asked_once(tmp_path, learning):
    towers = Towers(learning)
    before = values(towers)
    taught(tmp_path, towers)
    frozen = {"pictures", "texts"} - {*learning}
    for name, tensor in values(towers).items():
        still = name.split(".")[0].replace("words", "texts") in frozen
        assert torch.equal(tensor, before[name]) == still, name
    # Each picture once, each of its two captions once, and the validation side's once.
    once = {"pictures": 40 + 12, "texts": 80 + 12}
    for side in frozen:
        assert towers.passes[side] == once[side]
    for side in learning:
        assert towers.passes[side] > 2 * once[side]
    assert not (tmp_path / FEATURES).exists()


def test_changed_pictures_are_computed_each_time(tmp_path):
    towers = Towers(())
    taught(tmp_path, towers, changed(augment="simple"))
    assert towers.passes == {"pictures": 6 * 20 + 12, "texts": 80 + 12}


def test_known_features_teach_the_same_as_computed_ones():
    """Up to the last bits, which the size of a chunk decides."""
    encoder = Towers(())
    model = Contrasting(encoder, "softmax", True, 8).train()
    computed = lessons(pairs(40, grouped=True)[:20])
    with torch.no_grad():
        known = {
            **{name: computed[name] for name in ("captions", "groups")},
            "pictures_features": encoder.picture_features(computed["pictures"]),
            "texts_features": encoder.text_features(computed["texts"]),
        }
    found = []
    for batch in (computed, known):
        model.zero_grad()
        model(batch).backward()
        found.append(encoder.picture_map.weight.grad)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


class Interrupted(Exception):
    pass


def final(folder):
    newest = max((folder / "checkpoints").iterdir())
    files = {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}
    return files, [without_times(event) for event in read_events(folder / "events.jsonl")]


WAYS = {
    "dual": (Towers, changed(augment="strong")),
    "probe": (lambda: Towers(()), SETTINGS),
    "sigmoid, one cycle, 8 bits": (
        lambda: Towers(sigmoid=True),
        changed(loss="sigmoid", optimizer="adamw8bit", schedule="onecycle", warmup=0.3),
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", [1, 3, 4])
def test_an_interrupted_training_ends_with_the_same_bytes(tmp_path, way, at):
    towers, settings = WAYS[way]

    def stop(event):
        if (event["kind"], event.get("step")) == ("train", at):
            raise Interrupted

    taught(tmp_path / "whole", towers(), settings)
    with pytest.raises(Interrupted):
        taught(tmp_path / "cut", towers(), settings, stop)
    taught(tmp_path / "cut", towers(), settings)
    assert final(tmp_path / "cut") == final(tmp_path / "whole")


def test_moments_of_large_tensors_have_8_bits(tmp_path):
    taught(tmp_path, Towers(), changed(optimizer="adamw8bit"))
    saved = load_file(max((tmp_path / "checkpoints").iterdir()) / "optimizer.safetensors")
    assert saved["encoder.pictures.0.weight.state1"].dtype == torch.uint8
    assert saved["encoder.picture_map.weight.state1"].dtype == torch.float32
    assert saved["encoder.pictures.0.weight.step"].item() == 6


def logged(folder, kind, name):
    return [event[name] for event in read_events(folder / "events.jsonl") if event["kind"] == kind]


def test_bf16_learns_about_the_same(tmp_path):
    taught(tmp_path / "half", Towers(dropout=0.0), precision="bfloat16")
    taught(tmp_path / "exact", Towers(dropout=0.0))
    half, exact = (logged(tmp_path / name, "train", "loss") for name in ("half", "exact"))
    assert half == pytest.approx(exact, rel=0.03)
    assert half != pytest.approx(exact, rel=1e-6)


def test_fp16_scales_the_loss_and_leaves_overflows_out(tmp_path):
    taught(tmp_path, Towers(dropout=0.0), changed(epochs=30), precision="float16")
    losses, overflows = (logged(tmp_path, "train", name) for name in ("loss", "overflows"))
    assert losses[-1] < 0.8 * losses[0]
    assert 0 < overflows[-1] < 12
    assert overflows[-1] == overflows[-10]
    weights = load_file(max((tmp_path / "checkpoints").iterdir()) / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_projections_have_a_rate_of_their_own(tmp_path):
    whole, slow = Towers(dropout=0.0), Towers(dropout=0.0)
    start = values(whole)
    one_step = {"epochs": 1, "batch_size": 40, "warmup": 0.0, "weight_decay": 0.0}
    taught(tmp_path / "whole", whole, changed(**one_step))
    taught(tmp_path / "slow", slow, changed(**one_step, projection_rate=1e-4))
    for name in start:
        far, near = (
            (values(towers)[name] - start[name]).norm() / (values(whole)[name] - start[name]).norm()
            for towers in (whole, slow)
        )
        assert far == 1
        is_projection = name in ("picture_map.weight", "text_map.weight", "log_scale")
        assert near == pytest.approx(1e-2 if is_projection else 1.0, rel=0.05), name


def test_the_scale_is_held_at_a_hundred_after_each_update(tmp_path):
    towers = Towers()
    with torch.no_grad():
        towers.log_scale.fill_(math.log(200))
    taught(tmp_path, towers, changed(projection_rate=1e-4, epochs=2))
    for checkpoint in (tmp_path / "checkpoints").iterdir():
        scale = load_file(checkpoint / "weights.safetensors")["encoder.log_scale"]
        assert scale.item() == pytest.approx(math.log(100), abs=1e-2)
        assert scale <= math.log(100) + 1e-6


def test_the_best_epoch_is_the_result_and_a_plateau_uses_patience_up(tmp_path):
    """With every pair of one group the first validation is perfect already."""
    samples = [replace(pair, group="one") for pair in pairs(40)]
    result = taught(tmp_path, Towers(), changed(epochs=9, patience=2), samples=samples)
    assert (result.stopped_early, result.steps, result.best_step, result.best) == (True, 6, 2, 1.0)


@pytest.mark.parametrize(
    ("pairs_there", "validated", "settings", "what", "cure"),
    [
        (1, 12, {}, "told from others", "prepare more, or give train a larger share of source.shares"),
        (40, 0, {}, "validation side", None),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, pairs_there, validated, settings, what, cure):
    with pytest.raises(TrainError, match=what) as caught:
        train(Towers(), pairs(pairs_there), pairs(validated), changed(**settings), tmp_path, "abc")
    assert caught.value.cure == cure


def test_a_training_side_smaller_than_a_batch_is_one_batch(tmp_path):
    """As a recipe that asks for just that, also after a kill; and it is told."""
    exact, large = Towers(), Towers()
    taught(tmp_path / "exact", exact, changed(batch_size=40, micro_batch=8))
    events = []
    asked = changed(batch_size=1024, micro_batch=8)
    result = taught(tmp_path / "large", large, asked, events.append)
    assert result.steps == 3
    assert [event["note"] for event in events if event["kind"] == "note"] == [
        "train.batch_size is 1,024: the training side, 40 pairs, is one batch"
    ]
    assert all(torch.equal(values(exact)[name], value) for name, value in values(large).items())
    again = Towers()
    taught(tmp_path / "large", again, changed(batch_size=4096, micro_batch=8))
    assert all(torch.equal(values(again)[name], value) for name, value in values(large).items())


def test_a_micro_batch_is_at_most_a_batch(tmp_path):
    whole, more = Towers(), Towers()
    taught(tmp_path / "whole", whole, changed(micro_batch=20))
    taught(tmp_path / "more", more, changed(micro_batch=64))
    assert all(torch.equal(values(whole)[name], value) for name, value in values(more).items())


def test_another_way_of_chunking_is_another_training(tmp_path):
    taught(tmp_path, Towers())
    with pytest.raises(StageError, match="another run"):
        taught(tmp_path, Towers(), changed(micro_batch=4))


def test_without_patience_the_best_epoch_is_the_result_too(tmp_path):
    samples = [replace(pair, group="one") for pair in pairs(40)]
    towers = Towers()
    result = taught(tmp_path, towers, samples=samples)
    assert (result.stopped_early, result.steps, result.best_step) == (False, 6, 2)
    best = load_file(tmp_path / "checkpoints" / "step-00000002" / "weights.safetensors")
    assert torch.equal(towers.picture_map.weight, best["encoder.picture_map.weight"])
