"""Results as the stages of finished trials give them, and the campaign that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from rushes.campaign.records import Result, Trial
from rushes.campaign.standing import Board

Make = Callable[..., Result]


def result(
    name: str,
    seed: int,
    value: float | None,
    *,
    group: str | None = None,
    phase: str = "base",
    control: str | None = None,
    state: str = "done",
    test: float | None = None,
    costs: Mapping[str, float] | None = None,
    **other,
) -> Result:
    """A trial whose macro-F1 is ``value`` with an interval of 0.04; its majority class has 0.2."""

    def figures(of: float) -> dict[str, dict[str, float]]:
        return {"f1_macro": {"value": of, "low": of - 0.02, "high": of + 0.02, "n": 320}}

    stages = {"train": f"{seed:012x}"}
    return Result(
        Trial(name, group or name, phase, seed, {"model.net": "tinycnn"}, control),
        state,
        signatures=stages,
        fingerprints={part: f"{part}-{name}-{seed}" for part in ("dataset", "weights", "predictions")},
        figures=None if value is None else figures(value),
        baselines={"majority": {"f1_macro": 0.2}, "prior": {"f1_macro": 0.3}},
        test=None if test is None else figures(test),
        costs={"parameters": 23491.0, "seconds": 10.0} if costs is None else costs,
        **other,
    )


@pytest.fixture
def make() -> Make:
    return result


@pytest.fixture
def board() -> Board:
    return Board("sleep", "sounds", "f1_macro")
