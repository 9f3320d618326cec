import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from rushes.errors import RecipeError, StageError, TrainError
from rushes.train.events import read_events, without_times
from rushes.train.loop import LoopSettings, StepOutput, fit
from rushes.train.optimizer import warmup_cosine
from rushes.train.state import copied

torch.set_num_threads(1)


class Points:
    """Rows of 4 numbers; the target is a fixed function of them. Each has a weight of 1 to 3."""

    def __init__(self, count=21, poison=None):
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(count, 4)).astype(np.float32)
        if poison is not None:
            self.x[poison] = np.inf

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return {"key": f"point_{index:02d}", "x": self.x[index], "weight": 1.0 + index % 3}


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def network(dropout=0.0):
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.LayerNorm(8), nn.Linear(8, 1))


def collate(samples, generators):
    noise = np.stack([generator.normal(size=4) for generator in generators])
    x = torch.from_numpy(np.stack([sample["x"] for sample in samples]))
    return {
        "keys": [sample["key"] for sample in samples],
        "x": x + 0.1 * torch.from_numpy(noise).float(),
        "y": x.sum(1),
        "weight": torch.tensor([sample["weight"] for sample in samples]),
    }


def step(model, batch):
    errors = functional.mse_loss(model(batch["x"])[:, 0], batch["y"], reduction="none")
    return StepOutput(
        (batch["weight"] * errors).sum(), weight=batch["weight"].sum(), tokens=batch["x"].numel()
    )


def settings(**changes):
    usual = {"steps": 12, "batch_size": 2, "accumulate": 2, "learning_rate": 0.01, "warmup": 3}
    usual |= {"checkpoint_every": 4, "log_every": 3, "device": "cpu", "threads": 0}
    return LoopSettings(**usual | changes)


def train(
    folder, model=None, samples=None, signature="abc", on_event=lambda event: None, validate=None, **changes
):
    model = network() if model is None else model
    samples = Points() if samples is None else samples
    asked = settings(**changes)
    return fit(model, step, samples, collate, asked, folder, signature, validate=validate, on_event=on_event)


def interrupt_at(step):
    def on_event(event):
        if event["kind"] == "train" and event["step"] == step:
            raise Interrupted

    return on_event


def final(folder):
    """All that must not depend on interruptions."""
    newest = max((folder / "checkpoints").iterdir())
    files = {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}
    return files, [without_times(event) for event in read_events(folder / "events.jsonl")]


def weights(result):
    return load_file(result.weights)


def test_it_learns(tmp_path):
    train(tmp_path, steps=150, learning_rate=0.03, log_every=50)
    losses = [event["loss"] for event in read_events(tmp_path / "events.jsonl")]
    assert losses[-1] < 0.2 * losses[0]


def test_result_and_model_agree(tmp_path):
    model = network()
    result = train(tmp_path, model)
    assert (result.steps, result.stopped_early, result.best) == (12, False, None)
    assert not model.training
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in weights(result).items())
    assert result.samples_per_s > 0
    assert 0 <= result.data_wait_share <= 1
    assert result.peak_memory_bytes > 1e7


@pytest.mark.parametrize(("batch_size", "accumulate", "threads"), [(1, 8, 0), (2, 4, 2), (4, 2, 1)])
def test_how_an_update_is_cut_makes_no_difference(tmp_path, batch_size, accumulate, threads):
    """1x8, 2x4 and 4x2 equal 8x1, with weights that differ from sample to sample."""
    one = train(tmp_path / "one", batch_size=8, accumulate=1)
    cut = train(tmp_path / "cut", batch_size=batch_size, accumulate=accumulate, threads=threads)
    expected, found = weights(one), weights(cut)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-6)
    _, events = final(tmp_path / "one")
    _, of_cut = final(tmp_path / "cut")
    assert [e["loss"] for e in of_cut] == pytest.approx([e["loss"] for e in events], rel=1e-6)


def test_update_is_that_of_the_weighted_mean(tmp_path):
    """One update, cut in two, against AdamW on the mean of all six samples, written out by hand."""
    seen = []

    def recording(samples, generators):
        seen.append(collate(samples, generators))
        return seen[-1]

    model, asked = network(), settings(batch_size=3, accumulate=2, steps=1, warmup=0, clip_norm=None)
    fit(model, step, Points(), recording, asked, tmp_path, "abc", on_event=lambda event: None)

    by_hand = network()
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, weight_decay=0.0)
    x, y, weight = (torch.cat([batch[name] for batch in seen]) for name in ("x", "y", "weight"))
    ((by_hand(x)[:, 0] - y).square() * weight).sum().div(weight.sum()).backward()
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in by_hand.parameters()])
    with torch.no_grad():  # decoupled decay, of the matrices alone
        for parameter in by_hand.parameters():
            parameter.mul_(1 - 0.01 * 0.01 if parameter.ndim == 2 else 1)
    optimizer.step()
    for found, expected in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    # Adam does not see the scale of a gradient; its norm does.
    assert read_events(tmp_path / "events.jsonl")[0]["grad_norm"] == pytest.approx(float(norm), rel=1e-5)


def test_learning_rate_follows_the_schedule(tmp_path):
    train(tmp_path, log_every=1, floor=0.001)
    rates = [event["lr"] for event in read_events(tmp_path / "events.jsonl")]
    assert rates == [warmup_cosine(update, 12, 0.01, warmup=3, floor=0.001) for update in range(12)]


def test_log_counts_and_means(tmp_path):
    train(tmp_path / "each", log_every=1)
    train(tmp_path / "few", log_every=5)
    each, few = (read_events(tmp_path / name / "events.jsonl") for name in ("each", "few"))
    assert [event["step"] for event in few] == [5, 10, 12]
    assert [event["samples"] for event in few] == [20, 40, 48]
    assert [event["tokens"] for event in few] == [80, 160, 192]
    assert few[2]["grad_norm"] == each[11]["grad_norm"]
    assert min(e["loss"] for e in each[:5]) < few[0]["loss"] < max(e["loss"] for e in each[:5])


def test_clipping_bounds_the_step_not_the_logged_norm(tmp_path):
    train(tmp_path / "free", clip_norm=None, steps=1, warmup=0)
    train(tmp_path / "clipped", clip_norm=1e-9, steps=1, warmup=0)
    norms = [read_events(tmp_path / name / "events.jsonl")[0]["grad_norm"] for name in ("free", "clipped")]
    assert norms[0] == norms[1] > 1e-3
    moved = load_file(tmp_path / "clipped/checkpoints/step-00000001/optimizer.safetensors")
    squares = sum(float(m.double().square().sum()) for name, m in moved.items() if name.endswith(".exp_avg"))
    assert squares**0.5 == pytest.approx(0.1 * 1e-9, rel=1e-3)  # 1 - beta_1 times the clipped gradient


@pytest.mark.parametrize("at", [3, 6, 9])
def test_interrupted_and_resumed_is_bit_identical(tmp_path, at):
    changes = {"eval_every": 6, "validate": lambda model: {"score": float(torch.rand(1))}}
    train(tmp_path / "whole", network(0.3), **changes)
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", network(0.3), on_event=interrupt_at(at), **changes)
    kinds = []
    train(tmp_path / "cut", network(0.3), on_event=lambda event: kinds.append(event["kind"]), **changes)
    assert ("resume" in kinds) == (at > 4)
    assert final(tmp_path / "cut") == final(tmp_path / "whole")


def test_torn_checkpoint_is_ignored_and_done_again(tmp_path):
    train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", on_event=interrupt_at(9))
    torn = tmp_path / "cut/checkpoints/step-00000008/optimizer.safetensors"
    torn.write_bytes(torn.read_bytes()[:100])
    told = []
    train(tmp_path / "cut", on_event=told.append)
    assert told[0]["kind"] == "note"
    assert "optimizer.safetensors has 100 of" in told[0]["note"]
    assert (told[1]["kind"], told[1]["step"]) == ("resume", 4)
    assert final(tmp_path / "cut") == final(tmp_path / "whole")


def test_finished_training_is_only_read(tmp_path):
    first = train(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    told, model = [], network()
    with torch.no_grad():
        model[0].weight.zero_()
    assert train(tmp_path, model, on_event=told.append) == first
    assert [event["kind"] for event in told] == ["done"]
    assert torch.equal(model[0].weight, weights(first)["0.weight"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_training_is_refused_by_the_result_alone(tmp_path):
    train(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(StageError, match="signature"):
        train(tmp_path, signature="xyz")


def test_only_what_does_not_decide_may_change(tmp_path):
    train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", on_event=interrupt_at(6))
    train(tmp_path / "cut", threads=3, checkpoint_every=5, keep=9)
    assert final(tmp_path / "cut") == final(tmp_path / "whole")


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"signature": "xyz"}, "signature: found 'abc', asked for 'xyz'"),
        ({"learning_rate": 0.02}, "learning_rate: found 0.01, asked for 0.02"),
        ({"samples": Points(20)}, "samples: found 21, asked for 20"),
    ],
)
def test_another_training_is_refused(tmp_path, finished, changes, difference):
    if finished:
        train(tmp_path)
    else:
        with pytest.raises(Interrupted):
            train(tmp_path, on_event=interrupt_at(6))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StageError, match=difference):
        train(tmp_path, **changes)
    assert sorted(tmp_path.rglob("*")) == before


def test_curriculum_resumes_in_its_second_phase(tmp_path):
    def both(folder, on_event=lambda event: None):
        model = network()
        train(folder / "one", model, signature="one", on_event=on_event)
        return train(folder / "two", model, signature="two", on_event=on_event, learning_rate=0.02, steps=10)

    both(tmp_path / "whole")

    def in_second(event):
        if event["kind"] == "train" and event["lr"] > 0.015 and event["step"] == 6:
            raise Interrupted

    with pytest.raises(Interrupted):
        both(tmp_path / "cut", in_second)
    assert not (tmp_path / "cut/two/result.json").exists()
    told = []
    both(tmp_path / "cut", told.append)
    assert [event["kind"] for event in told][:2] == ["done", "resume"]
    assert final(tmp_path / "cut/two") == final(tmp_path / "whole/two")


@pytest.mark.parametrize("threads", [0, 2])
def test_loss_that_is_not_finite_names_step_and_samples(tmp_path, threads):
    with pytest.raises(TrainError, match=r"loss .* is not finite in update") as caught:
        train(tmp_path, samples=Points(poison=13), batch_size=1, accumulate=4, threads=threads)
    assert caught.value.where == "samples point_13"
    assert not (tmp_path / "result.json").exists()


def test_gradient_that_is_not_finite_names_step_and_samples(tmp_path):
    def bad(model, batch):
        output = step(model, batch)
        return StepOutput(output.loss_sum + 0 * model[0].weight.abs().mul(0).sqrt().sum(), output.weight)

    with pytest.raises(TrainError, match=r"norm of the gradient \(nan\) is not finite in update 1") as caught:
        fit(network(), bad, Points(), collate, settings(), tmp_path, "abc", on_event=lambda event: None)
    assert caught.value.where.count("point_") == 4


def test_samples_without_weight(tmp_path):
    nothing = lambda model, batch: StepOutput(0 * step(model, batch).loss_sum, 0)  # noqa: E731
    with pytest.raises(TrainError, match="nothing to learn from in update 1"):
        fit(network(), nothing, Points(), collate, settings(), tmp_path, "abc", on_event=lambda event: None)


class Judge:
    """Gives the scores it is told to, one a validation."""

    def __init__(self, *scores):
        self.scores, self.weights = list(scores), []

    def __call__(self, model):
        assert not model.training
        assert not torch.is_grad_enabled()
        self.weights.append(model[0].weight.detach().clone())
        return {"score": self.scores[len(self.weights) - 1], "other": 1.0}


def test_early_stop_gives_the_best_weights(tmp_path):
    model, judge = network(), Judge(0.5, 0.8, 0.7, 0.8, 0.9)
    result = train(tmp_path, model, validate=judge, eval_every=2, patience=2, keep=1, steps=20)
    assert (result.steps, result.stopped_early, result.best, result.best_step) == (8, True, 0.8, 4)
    assert torch.equal(model[0].weight, judge.weights[1])
    assert torch.equal(weights(result)["0.weight"], judge.weights[1])
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000004", "step-00000008"]  # the best one and the newest


def test_without_patience_the_last_weights_stay(tmp_path):
    result = train(tmp_path, model := network(), validate=(judge := Judge(0.9, 0.1)), eval_every=6)
    assert (result.steps, result.best, result.best_step) == (12, 0.9, 6)
    assert torch.equal(model[0].weight, judge.weights[1])


def test_early_stop_survives_an_interruption(tmp_path):
    changes = {"eval_every": 2, "patience": 2, "steps": 20}
    with pytest.raises(Interrupted):
        train(tmp_path, validate=Judge(0.5, 0.8, 0.7), on_event=interrupt_at(6), log_every=6, **changes)
    result = train(tmp_path, validate=Judge(0.7, 0.6), log_every=6, **changes)  # steps 6 and 8
    assert (result.steps, result.best_step) == (8, 4)


def test_validation_does_not_touch_the_training(tmp_path):
    train(tmp_path / "without", network(0.3))
    train(
        tmp_path / "with", network(0.3), eval_every=1, validate=lambda model: {"score": float(torch.rand(1))}
    )
    files, _ = final(tmp_path / "with")
    assert files == final(tmp_path / "without")[0]


@pytest.mark.parametrize("figures", [{"accuracy": 0.5}, {"score": float("nan")}])
def test_validation_without_the_judged_figure(tmp_path, figures):
    with pytest.raises(TrainError, match="no finite figure 'score'"):
        train(tmp_path, validate=lambda model: figures, eval_every=2)


def test_lost_lines_are_said(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, on_event=interrupt_at(9))
    (tmp_path / "events.jsonl").write_text("")
    told = []
    train(tmp_path, on_event=told.append)
    assert {"kind": "note", "note": "events.jsonl has 0 of 2 lines up to step 8"} in told


def test_frozen_base_is_neither_trained_nor_saved(tmp_path):
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    result = train(tmp_path, model)
    assert torch.equal(model[0].weight, before)
    assert set(weights(result)) == {"3.weight", "3.bias", "4.weight", "4.bias"}


def test_nothing_to_train(tmp_path):
    with pytest.raises(TrainError, match="no parameter"):
        train(tmp_path, network().requires_grad_(False))
    with pytest.raises(TrainError, match="no samples"):
        train(tmp_path, samples=Points(0))
    with pytest.raises(TrainError, match="eval_every"):
        train(tmp_path, eval_every=2)


def test_in_fp16_an_overflow_leaves_the_update_out_and_is_counted(tmp_path):
    """The loss scale begins high: the first gradients overflow, it is halved, and training goes on."""
    model = network()
    before, counted = copied(model.state_dict()), 0
    left_out = []

    def watch(event):
        nonlocal before, counted
        if event["kind"] == "train":
            left_out.append(event["overflows"] > counted)
            same = all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
            assert same == left_out[-1] == (event["grad_norm"] is None)
            before, counted = copied(model.state_dict()), event["overflows"]

    train(tmp_path, model, precision="fp16", log_every=1, on_event=watch)
    assert left_out[0]
    assert not all(left_out)
    assert read_events(tmp_path / "events.jsonl")[-1]["overflows"] == sum(left_out)


def test_in_fp16_a_resumed_training_has_the_same_scale(tmp_path):
    train(tmp_path / "whole", precision="fp16")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", precision="fp16", on_event=interrupt_at(9))
    train(tmp_path / "cut", precision="fp16")
    assert final(tmp_path / "cut") == final(tmp_path / "whole")


def test_fp16_computes_in_halves(tmp_path):
    """A GPU is not what makes the difference."""
    kinds = set()

    def watched(model, batch):
        model[0].register_forward_hook(lambda module, given, made: kinds.add(made.dtype))
        return step(model, batch)

    fit(network(), watched, Points(), collate, settings(steps=1, warmup=0, precision="fp16"), tmp_path, "abc")
    assert kinds == {torch.float16}


def test_settings_list_all_their_faults():
    with pytest.raises(RecipeError) as caught:
        settings(steps=2, batch_size=0, seed=-1, clip_norm=0.0, patience=3, betas=(0.9, 1.0), floor=0.5)
    for name in ("batch_size", "seed", "warmup", "clip_norm", "patience", "betas", "learning_rate"):
        assert f"- {name}:" in str(caught.value)


def test_no_pickle_is_written(tmp_path):
    train(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".jsonl"}
    assert all(json.loads(Path(path).read_text()) for path in files if path.suffix == ".json")
