"""What a campaign does of its own for each task; what a task merely is, its `Run` says.

A new task needs an entry here, and nothing else in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rushes.campaign.contract_pictures import check_driving, check_operations
from rushes.campaign.contract_sounds import check_sounds
from rushes.campaign.contract_values import Fault
from rushes.campaign.of_sounds import ASSUMED, compare_macro_f1, deployed, drawn
from rushes.recipe import TaskName
from rushes.runs.run import Run

if TYPE_CHECKING:  # scipy stands behind it, which no plan waits for
    from rushes.metrics.intervals import Estimate

Compare = Callable[[Run, Run, float], "Estimate"]
"""Two runs, confidence -> difference of a figure over the clips that both answered, with its interval."""


@dataclass(frozen=True, slots=True)
class OfTask:
    """What a campaign does for one task.

    Attributes:
        check: what only this task has in the contract; the checks that all tasks share are done before.
        compare: figure -> test over clips, by which a gate may tell two runs of a single seed apart.
        costs: what the model of a finished run takes, under the names of the leaderboard's columns.
        assumed: stage -> seconds for a unit of its work, of which none is finished yet.
        drawn: clips on each side of a twin that is to be drawn, as far as that can be told.
    """

    check: Callable[[Run], Iterable[Fault]]
    compare: Mapping[str, Compare] = field(default_factory=dict)
    costs: Callable[[Run], Mapping[str, float]] = lambda run: {}
    assumed: Mapping[str, float] = field(default_factory=dict)
    drawn: Callable[[Run], Mapping[str, int] | None] = lambda run: None


TASKS: Mapping[TaskName, OfTask] = {
    "operations": OfTask(check_operations),
    "driving": OfTask(check_driving),
    "sounds": OfTask(check_sounds, {"f1_macro": compare_macro_f1}, deployed, ASSUMED, drawn),
}
