"""What a run must show before it has a row in a leaderboard: admission, and more than trivial systems show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from rushes.campaign.judging.hashing import Hashed, known_faults
from rushes.campaign.judging.standing import Board
from rushes.campaign.records import State
from rushes.runs.admission.admit import admit, caught
from rushes.runs.admission.values import Fault
from rushes.runs.run import Run
from rushes.runs.stage import StageName


def check_run(
    run: Run[Any],
    board: Board,
    *,
    without: Collection[StageName] = (),
    hashed: Mapping[str, Hashed] | None = None,
) -> list[Fault]:
    """Everything that keeps a finished run from a row, see `rushes.runs.admission.admit.admit`.

    Args:
        run: whose stages are to be done.
        board: the metric in which trivial systems must be beaten, and by how much.
        without: stages that the run may lack.
        hashed: stages that were hashed a moment ago for several runs, by the name of their folder; whichever
            is not among them, or was changed since, is hashed here.

    Raises:
        OSError, MemoryError, RuntimeError, RushesError: there is no room, memory, device or storage to
            judge the run with.
    """
    faults = admit(run, without=without, known=known_faults(run, hashed or {}))
    return faults or caught(partial(_worth, board=board), run)


def state_of(faults: Collection[Fault]) -> State:
    """The state of a run in which admission found ``faults``.

    >>> state_of([]), state_of([Fault("worth", "no better than majority", kind="collapsed")])
    ('done', 'collapsed')
    """
    if not faults:
        return "done"
    return "collapsed" if all(fault.kind == "collapsed" for fault in faults) else "invalid"


def _worth(run: Run[Any], board: Board) -> Iterable[Fault]:
    """Every trivial system is beaten by what the board asks for."""
    head = run.scorecard().summary()
    value = head["metrics"].get(board.metric)
    if value is None:
        known = ", ".join(head["metrics"])
        yield Fault("worth", f"there is no figure {board.metric}; there are {known}")
        return
    rivals = {
        name: found[board.metric]
        for name, found in head["baselines"].items()
        if found.get(board.metric) is not None
    }
    for name, rival in rivals.items():
        if board.gain(value, rival) < board.worth * abs(rival) or board.gain(value, rival) <= 0:
            message = f"{board.metric} {value:.4f}, `{name}` has {rival:.4f}; asked for {board.asked}"
            yield Fault("worth", message, kind="collapsed")
