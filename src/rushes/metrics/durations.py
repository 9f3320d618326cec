"""The most probable path of labels that last: Viterbi with a minimum duration for each label.

A run that is shorter than its label's minimum is excluded, not merely unlikely. The first and the last run of a
recording may be shorter: its edges may have cut them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rushes.errors import MetricError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class NoPathError(MetricError):
    """No sequence of states has a probability above 0."""

    def __init__(self) -> None:
        super().__init__("no path of states can give these observations", cure="smooth the probabilities")


class _Table(NamedTuple):
    """Best scores of the beginnings of a recording, each (T, K), and what they are made of.

    Attributes:
        whole: of those that end with the label, after a run that another may follow.
        begun: of those whose last tick is the first of a run of the label.
        came_from: the label before that run; the lowest of equal ones.
        stay: what one more tick of the label adds.
        rest: what all ticks but the first add of a run of minimum duration that ends there.
    """

    whole: Floats
    begun: Floats
    came_from: Counts
    stay: Floats
    rest: Floats


def lasting_path(
    initial: Floats, transition: Floats, emission: Floats, minimum: Counts
) -> tuple[Counts, float]:
    """The best path whose inner runs of label *k* last ``minimum[k]`` ticks or more.

    Equal paths: the lowest last state, then the lowest state before it, and so on backwards. Takes
    O(T K (K + D)) for D the greatest minimum.

    Args:
        initial: (K,) log probabilities of the first state.
        transition: (K, K) log A[from, to]; the diagonal is added for each further tick of a run.
        emission: (T, K) log probability of each observation in each state.
        minimum: (K,) ticks, 1 or more.

    Returns:
        The states (T,) and the score of the path.

    Raises:
        NoPathError: no path can happen.

    >>> flat, seen = np.log(np.full((2, 2), 0.5)), np.log([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    >>> [lasting_path(flat[0], flat, seen, np.array([1, ticks]))[0].tolist() for ticks in (1, 2)]
    [[0, 1, 0], [0, 0, 0]]
    """
    minimum = np.minimum(minimum, len(emission))
    table = _filled(initial, transition, emission, minimum)
    ends = _ends(table, minimum)
    best = ends.max()
    if best == -np.inf:
        raise NoPathError
    state = int((ends == best).any(axis=0).argmax())
    path = np.full(len(emission), state)
    tick = len(path) - 1
    if ticks := _last_run(table, ends[:, state] == best, state):
        tick, state = tick - ticks, int(table.came_from[-ticks, state])
    while tick >= 0:
        first = tick - int(minimum[state]) + 1
        if first >= 1 and _is_begun(table, tick, first, state):
            path[first : tick + 1] = state
            tick, state = first - 1, int(table.came_from[first, state])
        else:
            path[tick] = state
            tick -= 1
    return path, float(best)


def _filled(initial: Floats, transition: Floats, emission: Floats, minimum: Counts) -> _Table:
    length, k = emission.shape
    stay = transition.diagonal() + emission
    rest = np.zeros((length, k))
    for ago in range(int(minimum.max()) - 1):
        rest[ago:] += np.where(minimum - 1 > ago, stay[: length - ago], 0.0)
    others = np.where(np.eye(k, dtype=bool), -np.inf, transition)
    begun, whole = np.full((length, k), -np.inf), np.empty((length, k))
    came_from = np.zeros((length, k), dtype=np.int64)
    # A run begun at t may be followed from t + minimum - 1 on: its score waits there, beyond the end as well.
    waiting = np.full((length + int(minimum.max()), k), -np.inf)
    flat, due = waiting.reshape(-1), (minimum - 1) * k + np.arange(k)
    whole[0] = initial + emission[0]
    for t in range(1, length):
        through = whole[t - 1][:, None] + others  # (from, to)
        through.argmax(axis=0, out=came_from[t])
        np.add(through.max(axis=0), emission[t], out=begun[t])
        flat[due + t * k] = begun[t]
        np.maximum(whole[t - 1] + stay[t], waiting[t] + rest[t], out=whole[t])
    return _Table(whole, begun, came_from, stay, rest)


def _ends(table: _Table, minimum: Counts) -> Floats:
    """(D, K) best scores of all by the last label, in row 0 after a whole run, in row d after d ticks of one."""
    length, k = table.whole.shape
    ends = np.full((int(minimum.max()), k), -np.inf)
    ends[0] = table.whole[-1]
    tail = np.zeros(k)
    for ticks in range(1, len(ends)):
        ends[ticks] = np.where(minimum > ticks, table.begun[length - ticks] + tail, -np.inf)
        tail = tail + table.stay[length - ticks]
    return ends


def _last_run(table: _Table, tied: NDArray[np.bool_], state: int) -> int:
    """Ticks of the last run where it is cut, 0 where it is whole, by the rule for equal paths.

    Where a run ends earlier, the label before it stands against ``state``: the lower one wins.
    """
    cut = [int(ticks) for ticks in np.flatnonzero(tied) if ticks]
    for ticks in cut:
        if table.came_from[-ticks, state] < state:
            return ticks
    return 0 if tied[0] else cut[-1]


def _is_begun(table: _Table, tick: int, first: int, state: int) -> bool:
    """Whether the run that ends at ``tick`` begins at ``first``, and not before, by the rule for equal paths."""
    begun = table.begun[first, state] + table.rest[tick, state]
    longer = table.whole[tick - 1, state] + table.stay[tick, state]
    return bool(begun > longer or (begun == longer and table.came_from[first, state] < state))
