"""Cached gradients against one graph over the same chunks."""

from functools import partial

import pytest
import torch
from towers import SIZE, Towers

from rushes.train.cached import cached_loss
from rushes.train.contrastive_loss import LOSSES

torch.set_num_threads(1)

COUNT, CHUNK = 22, 4  # the last chunk is smaller than the others
BARS = {torch.float32: 1e-6, torch.float64: 1e-12}
SCENARIOS = [("pictures", "texts"), ("pictures",), ("texts",), ()]


def batch_of(towers, seed=3):
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (COUNT, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(0, 90, (COUNT, 5), generator=generator)
    same = torch.zeros(COUNT, COUNT, dtype=torch.bool)
    for one, other in ((0, 7), (3, 20), (3, 4)):
        same[one, other] = same[other, one] = True
    return pictures, tokens, same


def sides_of(towers, pictures, tokens):
    """Chunks as the step cuts them: of a tower that does not learn, its features are one."""

    def cut(side, inputs, embed, project):
        parts = inputs.split(CHUNK)
        if side in towers.learning:
            return [lambda part=part: project(embed(part)) for part in parts]
        with torch.no_grad():
            features = torch.cat([embed(part) for part in parts])
        return [partial(project, features)]

    return [
        cut("pictures", pictures, towers.picture_features, towers.project_pictures),
        cut("texts", tokens, lambda ids: towers.text_features({"input_ids": ids}), towers.project_texts),
    ]


def learnt(towers):
    return {name: weight for name, weight in towers.named_parameters() if weight.requires_grad}


def loss_of(towers, kind, same):
    return lambda pictures, texts: LOSSES[kind](pictures, texts, towers.log_scale, towers.bias, same)


def gradients(towers, kind, *, cached, seed=11):
    """Gradient of every tensor that learns, the loss, and what the generator draws next."""
    pictures, tokens, same = batch_of(towers)
    loss = loss_of(towers, kind, same)
    towers.zero_grad()
    torch.manual_seed(seed)
    sides = sides_of(towers, pictures, tokens)
    if cached:
        value = cached_loss(sides, loss, list(learnt(towers).values()))
    else:
        value = loss(*(torch.cat([chunk() for chunk in chunks]) for chunks in sides))
    after = torch.rand(3)
    value.backward()
    return {name: weight.grad for name, weight in learnt(towers).items()}, value.detach(), after


def worst(found, expected):
    """Greatest relative error of a tensor."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("learning", SCENARIOS, ids=lambda names: "+".join(names) or "maps")
@pytest.mark.parametrize("dtype", BARS, ids=str)
def test_it_is_the_gradient_of_one_graph(learning, kind, dtype):
    towers = Towers(learning, sigmoid=kind == "sigmoid").to(dtype)
    expected, value, after = gradients(towers, kind, cached=False)
    found, cached_value, cached_after = gradients(towers, kind, cached=True)
    assert "log_scale" in expected
    assert ("bias" in expected) == (kind == "sigmoid")
    assert worst(found, expected) <= BARS[dtype]
    assert cached_value == pytest.approx(value.item(), rel=1e-6)
    assert torch.equal(cached_after, after)


def test_dropout_counts():
    """The equality above is one of dropout, too: other draws give another gradient."""
    towers = Towers()
    expected, _, _ = gradients(towers, "softmax", cached=False)
    found, _, _ = gradients(towers, "softmax", cached=True, seed=12)
    assert worst(found, expected) > 0.05


@pytest.mark.parametrize(
    ("learning", "pictures", "texts"),
    [
        (("pictures", "texts"), 2 * COUNT - 2, 2 * COUNT - 2),
        (("pictures",), 2 * COUNT - 2, COUNT),
        ((), COUNT, COUNT),
    ],
)
def test_only_what_learns_is_replayed_and_never_the_last_chunk(learning, pictures, texts):
    towers = Towers(learning)
    gradients(towers, "softmax", cached=True)
    assert towers.passes == {"pictures": pictures, "texts": texts}


def test_the_gradient_of_the_scale_is_counted_once():
    towers = Towers(dropout=0.0).double()
    expected, _, _ = gradients(towers, "softmax", cached=False)
    found, _, _ = gradients(towers, "softmax", cached=True)
    assert (found["log_scale"] / expected["log_scale"]).item() == pytest.approx(1, abs=1e-12)


def test_backward_leaves_the_generators_where_they_were():
    towers = Towers()
    pictures, tokens, same = batch_of(towers)
    value = cached_loss(
        sides_of(towers, pictures, tokens), loss_of(towers, "softmax", same), list(learnt(towers).values())
    )
    before = torch.get_rng_state()
    value.backward()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_factor_on_the_loss_reaches_every_gradient():
    """So that float16 can be scaled, and the gradients of several losses added up."""
    towers = Towers(dropout=0.0).double()
    expected, _, _ = gradients(towers, "softmax", cached=True)
    towers.zero_grad()
    pictures, tokens, same = batch_of(towers)
    value = cached_loss(
        sides_of(towers, pictures, tokens), loss_of(towers, "softmax", same), list(learnt(towers).values())
    )
    (value * 1024).backward()
    found = {name: weight.grad / 1024 for name, weight in learnt(towers).items()}
    assert worst(found, expected) < 1e-12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_replays_compute_in_the_precision_of_the_step(dtype):
    towers = Towers()
    parameters = list(learnt(towers).values())
    pictures, tokens, same = batch_of(towers)

    def found(cached):
        towers.zero_grad()
        torch.manual_seed(4)
        with torch.autocast("cpu", dtype=dtype):
            sides = sides_of(towers, pictures, tokens)
            loss = loss_of(towers, "softmax", same)
            if cached:
                value = cached_loss(sides, loss, parameters)
            else:
                embeddings = [torch.cat([chunk() for chunk in chunks]) for chunks in sides]
                with torch.autocast("cpu", enabled=False):
                    value = loss(*embeddings)
        value.backward()
        return {name: weight.grad for name, weight in learnt(towers).items()}

    half, exact = found(cached=True), gradients(towers, "softmax", cached=True, seed=4)[0]
    assert worst(half, found(cached=False)) < 2e-2
    assert worst(half, exact) > 1e-5  # it was half precision indeed


def test_the_loss_itself_is_in_full_precision():
    pictures, texts = (torch.nn.functional.normalize(torch.randn(8, 6), dim=-1) for _ in range(2))
    towers = Towers()

    def value():
        same = torch.zeros(8, 8, dtype=torch.bool)
        sides = [[lambda: pictures], [lambda: texts]]
        return cached_loss(sides, loss_of(towers, "softmax", same), [towers.log_scale]).item()

    exact = value()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert value() == exact
