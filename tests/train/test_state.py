import random

import numpy as np
import pytest
import torch
from torch import nn

from rushes.errors import ModelError
from rushes.train.state import (
    copied,
    learnt_tensors,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    restore_tensors,
)


class Tied(nn.Module):
    """An adapter on a frozen base, with a batch norm, an unsaved buffer and a head tied to the embedding."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.base = nn.Linear(4, 4).requires_grad_(False)
        self.adapter = nn.Linear(4, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("angles", torch.ones(3), persistent=False)

    def forward(self, tokens):
        hidden = self.embed(tokens)
        return self.head(self.norm(self.base(hidden) + self.adapter(hidden)))


def draw_everything():
    return [
        random.random(),
        random.gauss(),
        float(np.random.rand()),
        float(np.random.randn()),
        torch.rand(2).tolist(),
    ]


def trained(seed, updates):
    torch.manual_seed(seed)
    model = Tied()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(updates):
        model(torch.arange(5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def test_only_what_training_changes_is_saved():
    names = set(learnt_tensors(Tied()))
    norm = {
        f"norm.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    assert names == {"embed.weight", "adapter.weight", *norm}  # not the frozen base, not the tied head twice


def test_copies_do_not_follow_the_model():
    model, _ = trained(0, updates=0)
    copies = copied(learnt_tensors(model))
    with torch.no_grad():
        model.adapter.weight.zero_()
    assert copies["adapter.weight"].abs().sum() > 0


def test_restored_model_and_optimizer_go_on_alike():
    model, optimizer = trained(0, updates=3)
    weights, moments = copied(learnt_tensors(model)), optimizer_tensors(optimizer, model)
    other, fresh = trained(0, updates=0)
    restore_tensors(learnt_tensors(other), weights)
    restore_optimizer(fresh, other, moments)
    for m, o in ((model, optimizer), (other, fresh)):
        m(torch.arange(5)).square().sum().backward()
        o.step()
    expected, found = copied(learnt_tensors(model)), copied(learnt_tensors(other))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not torch.equal(expected["adapter.weight"], weights["adapter.weight"])


def test_weights_that_do_not_fit():
    saved = copied(learnt_tensors(Tied()))
    saved["adapter.weight"] = torch.zeros(4, 3)
    del saved["norm.bias"]
    with pytest.raises(
        ModelError, match=r"in 2 tensors; 'adapter.weight': the model has \(4, 4\), the file \(4, 3\)"
    ):
        restore_tensors(learnt_tensors(Tied()), saved)


def test_random_state_comes_back():
    random.gauss()  # both keep a second Gaussian number in hand
    np.random.randn()
    state = random_state()
    assert all(tensor.ndim == 1 for tensor in state.values())
    expected = draw_everything()
    assert draw_everything() != expected
    restore_random_state(state)
    assert draw_everything() == expected


def test_optimizer_state_comes_back_in_the_order_in_memory_of_its_parameter():
    def made():
        model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return model, torch.optim.AdamW(model.parameters())

    model, optimizer = made()
    model(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    saved = optimizer_tensors(optimizer, model)
    assert saved["weight.exp_avg"].is_contiguous()
    fresh, other = made()
    restore_optimizer(other, fresh, saved)
    found = other.state[fresh.weight]["exp_avg"]
    assert (
        found.stride()
        == optimizer.state[model.weight]["exp_avg"].stride()
        != saved["weight.exp_avg"].stride()
    )
    assert torch.equal(found, saved["weight.exp_avg"])
