import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from rushes.errors import TrainError
from rushes.train.events import read_events, without_times
from rushes.train.loop import LoopSettings, StepOutput, fit
from rushes.train.muon import Muon
from rushes.train.optimizer import Joined, make_optimizer, set_rate
from rushes.train.state import learnt_tensors, optimizer_tensors, restore_optimizer, restore_tensors

torch.set_num_threads(1)

MATRICES = {"first.weight", "second.weight"}
REST = {"words.weight", "filters.weight", "first.bias", "norm.weight", "norm.bias"}


class Reader(nn.Module):
    """An embedding with the head tied to it, filters of three dimensions, two hidden matrices, vectors."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.words = nn.Embedding(7, 6)
        self.filters = nn.Conv1d(6, 6, 3, padding=1, bias=False)
        self.first = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(8)
        self.second = nn.Linear(8, 6, bias=False)
        self.head = nn.Linear(6, 7, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens):
        hidden = self.filters(self.words(tokens).mT).mT
        return self.head(self.second(self.norm(self.first(hidden)).tanh()))


def made(model, rate=0.01, decay=0.1, muon=5.0):
    return make_optimizer(model, rate, decay, (0.9, 0.95), muon)


def loss_of(model, seed):
    tokens = torch.randint(7, (3, 5), generator=torch.Generator().manual_seed(seed))
    return functional.cross_entropy(model(tokens).flatten(0, 1), tokens.roll(-1, 1).flatten())


def updates(model, optimizer, seeds):
    for seed in seeds:
        loss_of(model, seed).backward()
        optimizer.step()
        optimizer.zero_grad()


def values(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def slots(model, optimizer):
    """Slots of each parameter's state."""
    found = {}
    for name in optimizer_tensors(optimizer, model):
        owner, slot = name.rsplit(".", 1)
        found.setdefault(owner, set()).add(slot)
    return found


# Who learns by what


def test_hidden_matrices_go_to_muon_and_all_else_to_adamw():
    model = Reader()
    optimizer = made(model)
    updates(model, optimizer, [0])
    muon, adamw = {"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"}
    assert slots(model, optimizer) == {name: muon if name in MATRICES else adamw for name in MATRICES | REST}


def test_without_muon_adamw_has_everything():
    model = Reader()
    optimizer = made(model, muon=0.0)
    assert isinstance(optimizer, torch.optim.AdamW)
    updates(model, optimizer, [0])
    assert slots(model, optimizer).keys() == MATRICES | REST


def test_each_parameter_is_in_one_group_and_vectors_do_not_decay():
    model = Reader()
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = made(model).param_groups
    held = [names[parameter] for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(MATRICES | REST)
    for group in groups:
        vectors = {parameter.ndim == 1 for parameter in group["params"]}
        assert vectors == {group["weight_decay"] == 0.0}


def test_frozen_parameters_stay_out():
    model = Reader()
    model.first.requires_grad_(False)
    before = values(model)
    optimizer = made(model)
    updates(model, optimizer, range(3))
    after = values(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == (MATRICES | REST) - {"first.weight", "first.bias"}


def test_nothing_but_matrices_needs_no_adamw():
    """As with an adapter: all that learns is two-dimensional."""
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 4, bias=False))
    optimizer = made(model)
    before = values(model)
    model(torch.ones(2, 4)).square().sum().backward()
    optimizer.step()
    assert not any(torch.equal(before[name], after) for name, after in values(model).items())
    assert slots(model, optimizer) == {"0.weight": {"momentum_buffer"}, "1.weight": {"momentum_buffer"}}


@pytest.mark.parametrize("muon", [0.0, 5.0])
def test_nothing_to_learn_is_refused(muon):
    with pytest.raises(TrainError, match="no parameter") as caught:
        made(Reader().requires_grad_(False), muon=muon)
    assert caught.value.cure


# What a step does


def test_members_step_as_if_alone():
    """The joined optimizer does what Muon and AdamW do, each on its own."""
    joined, apart = Reader(), Reader()
    optimizer = made(joined)
    named = dict(apart.named_parameters())
    muon = Muon([named[name] for name in sorted(MATRICES)], lr=0.05, weight_decay=0.1)
    wide = [parameter for name, parameter in named.items() if name in REST and parameter.ndim > 1]
    flat = [parameter for name, parameter in named.items() if name in REST and parameter.ndim == 1]
    adamw = torch.optim.AdamW(
        [{"params": wide, "weight_decay": 0.1}, {"params": flat, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.95),
    )
    for seed in range(4):
        set_rate(optimizer, 0.01)
        updates(joined, optimizer, [seed])
        loss_of(apart, seed).backward()
        for alone in (muon, adamw):
            alone.step()
            alone.zero_grad()
    assert equal(values(joined), values(apart))


def test_an_update_of_a_matrix_is_orthogonal():
    model = nn.Linear(6, 6, bias=False)
    optimizer = made(model, decay=0.0, muon=1.0)
    before = model.weight.detach().clone()
    target = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    (model.weight * target).sum().backward()
    optimizer.step()
    lengths = torch.linalg.svdvals(model.weight.detach() - before)
    # The gradient's own lengths are 4.2 to 0.3; Muon's few iterations leave 0.7 to 1.2 of what is asked for.
    assert lengths.max() < 2 * lengths.min()


def test_the_rate_is_set_in_each_groups_units():
    model = Reader()
    optimizer = made(model, muon=5.0)
    set_rate(optimizer, 0.02)
    matrices = {id(model.first.weight), id(model.second.weight)}
    for group in optimizer.param_groups:
        muon = {id(parameter) for parameter in group["params"]} <= matrices
        assert group["lr"] == pytest.approx(0.1 if muon else 0.02)
    before = values(model)
    set_rate(optimizer, 0.0)  # reaches the members: nothing moves
    updates(model, optimizer, [0])
    assert equal(values(model), before)
    set_rate(optimizer, 0.02)
    updates(model, optimizer, [0])
    after = values(model)
    assert not any(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("by", ["tensors", "state_dict"])
def test_restored_momentum_goes_on_alike(by):
    model = Reader()
    optimizer = made(model)
    updates(model, optimizer, range(3))
    other = Reader(seed=9)
    fresh = made(other)
    restore_tensors(learnt_tensors(other), values(model))
    if by == "tensors":
        restore_optimizer(fresh, other, optimizer_tensors(optimizer, model))
    else:
        fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch would share the tensors
    assert isinstance(fresh, Joined)
    forgetful = Reader()
    restore_tensors(learnt_tensors(forgetful), values(model))
    for each, its in ((model, optimizer), (other, fresh), (forgetful, made(forgetful))):
        set_rate(its, 0.01)
        updates(each, its, [3, 4])
    assert equal(values(model), values(other))
    for name, value in values(forgetful).items():
        assert not torch.equal(value, values(model)[name]), name  # the momentum does matter


# In the loop


class Sentences:
    def __len__(self):
        return 13

    def __getitem__(self, index):
        return {"key": f"sentence_{index:02d}", "tokens": np.random.default_rng(index).integers(0, 7, 5)}


def collate(samples, generators):
    return {
        "keys": [sample["key"] for sample in samples],
        "tokens": torch.from_numpy(np.stack([sample["tokens"] for sample in samples])),
    }


def step(model, batch):
    tokens = batch["tokens"]
    losses = functional.cross_entropy(
        model(tokens).flatten(0, 1), tokens.roll(-1, 1).flatten(), reduction="sum"
    )
    return StepOutput(losses, weight=tokens.numel(), tokens=tokens.numel())


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def train(folder, stop=None, **changes):
    def on_event(event):
        if event["kind"] == "train" and event["step"] == stop:
            raise Interrupted

    usual = {"steps": 6, "batch_size": 2, "learning_rate": 0.01, "warmup": 2, "muon": 5.0}
    usual |= {"checkpoint_every": 3, "log_every": 1, "device": "cpu", "threads": 0}
    model = Reader()
    settings = LoopSettings(**usual | changes)
    fit(model, step, Sentences(), collate, settings, folder, "abc", on_event=on_event)
    return values(model)


def test_three_updates_and_three_more_are_six(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop=4)
    assert equal(train(tmp_path / "cut"), whole)
    for name in ("weights", "optimizer"):
        expected, found = (
            load_file(tmp_path / way / "checkpoints" / "step-00000006" / f"{name}.safetensors")
            for way in ("whole", "cut")
        )
        assert equal(expected, found)
    assert {f"{name}.momentum_buffer" for name in MATRICES} <= set(expected)
    logs = [
        [without_times(event) for event in read_events(tmp_path / way / "events.jsonl")]
        for way in ("whole", "cut")
    ]
    assert logs[0] == logs[1]


def test_muon_is_part_of_what_a_training_is(tmp_path):
    """Rates reach Muon through the schedule, and another rate gives other weights."""
    two, five, none = (train(tmp_path / str(muon), muon=muon) for muon in (2.0, 5.0, 0.0))
    for name in MATRICES:
        assert not torch.equal(two[name], five[name])
        assert not torch.equal(none[name], five[name])


# Rates, and 8 bits


def test_the_first_part_that_a_name_has_decides_its_rate():
    model = Reader()
    rates = {"second": 0.5, "s": 0.1}
    optimizer = make_optimizer(model, 0.01, 0.1, (0.9, 0.95), 0.0, rates=rates)
    set_rate(optimizer, 0.02)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert found.keys() == names_of(model)
    assert found["second.weight"] == (0.01, 0.1)
    assert found["words.weight"] == found["filters.weight"] == (0.002, 0.1)
    assert found["norm.weight"] == (0.02, 0.0)
    assert found["norm.bias"] == found["first.bias"] == (0.002, 0.0)


def names_of(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_one_rate_groups_as_before():
    groups = make_optimizer(Reader(), 0.01, 0.1, (0.9, 0.95), 0.0).param_groups
    assert [(group["weight_decay"], "rate" in group) for group in groups] == [(0.1, False), (0.0, False)]


def test_8_bit_state_is_put_back_bit_by_bit():
    """State of 8 bits, its scales and code books, and a count that is no tensor."""

    def fresh():
        torch.manual_seed(0)
        model = nn.Linear(96, 64)
        return model, make_optimizer(model, 0.01, 0.1, (0.9, 0.95), 0.0, name="adamw8bit")

    def go_on(model, optimizer, seeds):
        for seed in seeds:
            x = torch.randn(8, 96, generator=torch.Generator().manual_seed(seed))
            model(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    model, optimizer = fresh()
    go_on(model, optimizer, [1, 2])
    saved = optimizer_tensors(optimizer, model)
    assert saved["weight.state1"].dtype == torch.uint8
    assert saved["weight.absmax1"].shape == (24,)
    other, again = fresh()
    restore_tensors(learnt_tensors(other), values(model))
    restore_optimizer(again, other, saved)
    for each, its in ((model, optimizer), (other, again)):
        go_on(each, its, [3, 4])
    assert equal(values(model), values(other))
    assert equal(optimizer_tensors(optimizer, model), optimizer_tensors(again, other))
