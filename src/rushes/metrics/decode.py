"""From noisy window labels to a plausible sequence: Viterbi under a grammar, a running median, or one stretch.

Report raw and smoothed figures side by side, never only the better one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

from rushes.errors import MetricError
from rushes.metrics.checks import Label, MetricTypeError, finite
from rushes.metrics.durations import NoPathError, lasting_path
from rushes.metrics.grammar import Grammar


def viterbi(
    log_initial: ArrayLike,
    log_transition: ArrayLike,
    log_emission: ArrayLike,
    minimum: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], float]:
    """The most probable path of states, in log space.

    Maximises ``log pi[s_0] + sum_t log A[s_{t-1}, s_t] + sum_t log B_t[s_t]`` (Viterbi 1967). Minus infinity
    stands for what cannot happen. Equal paths: the lowest last state, then the lowest state before it, and
    so on backwards.

    Args:
        log_initial: (K,) log probabilities of the first state.
        log_transition: (K, K) log A[from, to].
        log_emission: (T, K) log probability (or density) of each observation in each state.
        minimum: (K,) least ticks of a run of each state; the first and the last run may be shorter, since the
            edges of a recording may have cut them. None for 1 each.

    Returns:
        The states (T,) and the log probability of the path with its observations.

    Raises:
        MetricError: empty, shapes that do not fit, nan or plus infinity, minima that are no whole numbers of 1
            or more; `NoPathError` where no path can happen.

    >>> with np.errstate(divide="ignore"):
    ...     initial, transition = np.log([0.6, 0.4]), np.log([[0.7, 0.3], [0.4, 0.6]])
    ...     emission = np.log([[0.5, 0.1], [0.4, 0.3], [0.1, 0.6]])
    >>> path, log_probability = viterbi(initial, transition, emission)
    >>> path.tolist(), round(log_probability, 6)
    ([0, 0, 1], -4.191737)
    """
    initial = _logs(log_initial, "log_initial", axes=1)
    transition = _logs(log_transition, "log_transition", axes=2)
    emission = _logs(log_emission, "log_emission", axes=2)
    length, k = emission.shape
    if initial.shape != (k,) or transition.shape != (k, k):
        raise MetricError(
            f"{k} states need ({k},) initial and ({k}, {k}) transition values, "
            f"found {initial.shape} and {transition.shape}"
        )
    if minimum is not None:
        return lasting_path(initial, transition, emission, _durations(minimum, k))
    came_from = np.zeros((length, k), dtype=np.int64)
    score = initial + emission[0]
    for t in range(1, length):
        through = score[:, None] + transition  # (from, to)
        came_from[t] = through.argmax(axis=0)
        score = through[came_from[t], np.arange(k)] + emission[t]
    path = np.empty(length, dtype=np.int64)
    path[-1] = score.argmax()
    best = float(score[path[-1]])
    if best == -np.inf:
        raise NoPathError
    for t in range(length - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path, best


def smooth(
    grammar: Grammar,
    probabilities: ArrayLike,
    prior: ArrayLike | None = None,
    minimum: ArrayLike | None = None,
) -> list[Label]:
    """The most probable label sequence of windows under a grammar fitted on windows of the same step.

    Args:
        grammar: of K labels, fitted on window sequences (see `rushes.metrics.grammar`).
        probabilities: (T, K) a model's probability of each label in each window.
        prior: (K,) shares of the labels in the model's training data. With it the probabilities are divided
            by it, which turns posteriors into scaled likelihoods (Bourlard and Morgan 1994); without it the
            grammar counts frequent labels twice.
        minimum: (K,) least windows of a run, see `viterbi` and `rushes.metrics.grammar.minimum_durations`.

    Raises:
        MetricError: empty, not finite, negative, a window without any probability, a prior not above 0, or a
            number of labels other than the grammar's; `NoPathError` where noughts among the probabilities
            leave no sequence.

    >>> from rushes.metrics.grammar import fit_grammar
    >>> grammar = fit_grammar([["pick", "pick", "pick", "pack", "pack", "pack"]], ["pick", "pack"])
    >>> noisy = [[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]]
    >>> smooth(grammar, noisy)
    ['pick', 'pick', 'pick', 'pick', 'pack', 'pack']
    """
    rows = finite(probabilities, "probabilities")
    k = len(grammar.labels)
    if rows.ndim != 2 or rows.shape[1] != k:
        raise MetricError(f"probabilities must be (T, {k}) for this grammar, found {rows.shape}")
    if rows.min() < 0 or not rows.any(axis=1).all():
        raise MetricError(
            "probabilities must not be negative, and some label must be possible in each window"
        )
    if prior is not None:
        shares = finite(prior, "the prior")
        if shares.shape != (k,) or shares.min() <= 0:
            raise MetricError(f"the prior must be ({k},) shares above 0, found {shares.tolist()}")
        rows = rows / shares
    with np.errstate(divide="ignore"):
        path, _ = viterbi(np.log(grammar.initial), np.log(grammar.transition), np.log(rows), minimum)
    return [grammar.labels[state] for state in path]


class Decoded(NamedTuple):
    """Labels of windows, and what was given up to find them; empty where nothing was."""

    labels: list[Label]
    remark: str


def smooth_or_say(
    grammar: Grammar,
    probabilities: ArrayLike,
    prior: ArrayLike | None = None,
    minimum: ArrayLike | None = None,
) -> Decoded:
    """As `smooth`; where no sequence is possible with the minima, without them, and says so.

    Without minima some sequence always is, since no grammar has a nought.

    Raises:
        MetricError: as `smooth`, but for `NoPathError`.

    >>> from rushes.metrics.grammar import fit_grammar
    >>> grammar = fit_grammar([["pick", "pick", "pack", "pack"]], ["pick", "pack"])
    >>> smooth_or_say(grammar, [[1, 0], [0, 1], [1, 0]], minimum=[2, 2])
    Decoded(labels=['pick', 'pack', 'pick'], remark='without minimum durations: with them no sequence is possible')
    """
    try:
        return Decoded(smooth(grammar, probabilities, prior, minimum), "")
    except NoPathError:
        said = "without minimum durations: with them no sequence is possible"
        return Decoded(smooth(grammar, probabilities, prior), said)


def running_median(probabilities: ArrayLike, width: int) -> NDArray[np.float64]:
    """The median of each label's probability over the ticks around each, (T, K); the ends are repeated outwards.

    A run of fewer than half of ``width`` ticks is gone, and borders of longer ones stay. Rows no longer add up
    to 1.

    Args:
        probabilities: (T, K) of each label in each tick.
        width: odd number of ticks.

    Raises:
        MetricError: empty, not finite, or an even width.

    >>> running_median([[0.1], [0.9], [0.1], [0.8], [0.9], [0.7]], 3)[:, 0].tolist()
    [0.1, 0.1, 0.8, 0.8, 0.8, 0.7]
    """
    rows = finite(probabilities, "probabilities")
    if rows.ndim != 2 or width < 1 or width % 2 == 0:
        raise MetricError(f"needed (T, K) and an odd width, found {rows.shape} and {width}")
    smoothed: NDArray[np.float64] = median_filter(rows, size=(width, 1), mode="nearest")
    return smoothed


def stretch(log_odds: NDArray[np.float64], asked: int) -> tuple[int, int]:
    """The stretch around ``asked`` that is most likely to carry one label throughout.

    With independent evidence at each moment, the likelihood that exactly ``[first, last]`` carries the label
    differs from stretch to stretch by the sum of its log-odds.

    Args:
        log_odds: ``(M,)`` of the label against all others, in order of time.
        asked: a moment inside of the stretch.

    Returns:
        ``first <= asked <= last``; of equally likely ones the shortest.

    >>> stretch(np.array([-2.0, 1.0, 3.0, -1.0, 2.0, -3.0]), asked=2)
    (1, 4)
    """
    before, behind = log_odds[: asked + 1][::-1].cumsum(), log_odds[asked:].cumsum()
    return asked - int(before.argmax()), asked + int(behind.argmax())


def _durations(minimum: ArrayLike, k: int) -> NDArray[np.int64]:
    ticks = finite(minimum, "minimum durations")
    if ticks.shape != (k,) or (ticks < 1).any() or (ticks % 1).any():
        raise MetricError(
            f"minimum durations must be {k} whole numbers of ticks, 1 or more, found {ticks.tolist()}"
        )
    return ticks.astype(np.int64)


def _logs(values: ArrayLike, what: str, axes: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != axes or array.size == 0:
        raise MetricTypeError(f"{what} must have {axes} non-empty axes, found shape {array.shape}")
    if np.isnan(array).any() or (array == np.inf).any():
        raise MetricError(
            f"{what} must be below infinity and not nan", cure="take logs of probabilities above 0"
        )
    return array
