"""Which model a task that asks a vision language model should begin with on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rushes.models.machine import memory
from rushes.recipe.frozen import missing_packages
from rushes.recipe.sections import FROZEN, RELEASED, TINY, FamilyName
from rushes.runs.begin.proposal import Line


def first_model(families: Collection[FamilyName]) -> tuple[str, list[Line]]:
    """Name of a model, and lines of ``model`` with the reason.

    Args:
        families: of the models that the task has.
    """
    machine = memory()
    if machine.what != "RAM":
        why = f"this machine has a GPU, {machine.what} with {machine.gib:.0f} GiB; LoRA leaves the weights as they are"
        return RELEASED[0], [
            Line("model.name", RELEASED[0], why),
            Line("model.precision", "bfloat16"),
            Line("model.adapter", {"rank": 16, "alpha": 32, "dropout": 0.05}),
        ]
    if "frozen" in families and not missing_packages():
        why = "no GPU here: a small pretrained encoder that stays as it is, and a head that is trained on its features"
        return FROZEN, [Line("model.name", FROZEN, why)]
    more = "; with pip install 'rushes[frozen]' name: frozen learns more" * ("frozen" in families)
    why = f"no GPU here: a model from nothing, which shows that all runs and learns little from real recordings{more}"
    return TINY, [Line("model.name", TINY, why)]


def teaching(model: str, first: str, then: str) -> Iterator[Line]:
    """How a model that starts from nothing is taught, lines of ``train``; none for others, whose defaults fit.

    Args:
        model: its name.
        first, then: what its two phases ask.
    """
    if model == TINY:
        phases = [
            {"ask": first, "steps": 150, "batch_size": 16, "accumulate": 1, "learning_rate": 1e-3},
            {"ask": then, "steps": 250, "batch_size": 8, "accumulate": 1, "learning_rate": 1e-3},
        ]
        yield Line("train.muon", 5.0, "the model starts from nothing")
        yield Line("train.phases", phases, "minutes on two cores")
