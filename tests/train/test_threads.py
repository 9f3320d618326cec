import pytest
import torch
from torch import nn
from torch.nn.utils import skip_init

from rushes.train.loop import LoopSettings, StepOutput, fit
from rushes.train.threads import SMALL, one_thread, threads_for


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


def threads_of(model):
    with threads_for(model):
        return torch.get_num_threads()


def test_one_thread_is_given_back():
    with one_thread():
        assert torch.get_num_threads() == 1
    with pytest.raises(ZeroDivisionError), one_thread():
        divmod(1, 0)


def test_a_small_model_on_a_cpu_has_one_thread():
    assert threads_of(nn.Linear(3, 2)) == 1
    assert threads_of(nn.Linear(3, 2, device="meta")) == 3
    assert threads_of(skip_init(nn.Linear, SMALL // 1000, 1000)) == 3


def test_training_and_validation_have_it_alone(tmp_path):
    """The fixture sees that the threads are back afterwards."""
    seen = []

    def step(model, batch):
        seen.append(torch.get_num_threads())
        return StepOutput(model(batch["x"]).sum(), weight=1)

    def validate(model):
        seen.append(torch.get_num_threads())
        return {"score": 0.0}

    settings = LoopSettings(steps=2, batch_size=1, learning_rate=0.1, eval_every=1, device="cpu", threads=0)
    samples, folder = [torch.ones(3)], tmp_path / "run"
    fit(
        nn.Linear(3, 2),
        step,
        samples,
        lambda taken, generators: {"x": torch.stack(taken)},
        settings,
        folder,
        "signature",
        validate=validate,
        on_event=lambda event: None,
    )
    assert seen == [1] * 4
