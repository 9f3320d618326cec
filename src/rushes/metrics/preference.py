"""What votes between two systems show: tests and intervals by query, Bradley-Terry, agreement, power.

A vote is 1 for A, -1 for B and 0 for a tie. Votes of several raters on one query move together, so single votes
prove nothing: a sign test over votes of five raters calls two equal systems different in a sixth of all studies.
What is *shown* is therefore an exact sign test over queries, each with one majority; every interval leaves out
queries, not votes. Sizes and coverage by simulation: ``benchmarks/arena.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import bdtr, bdtrik, betaincinv, expit, log_expit, logit

from rushes.errors import MetricError
from rushes.metrics.checks import MISSING, finite, same_length, vector
from rushes.metrics.estimate import CONFIDENCE, SHARE, Estimate, level
from rushes.metrics.jackknife import Jackknife

Verdict = Literal["A is preferred", "B is preferred", "not shown"]

LEVEL = 0.05
"""Of the shown test, two-sided."""

POWER = 0.8

_TOLERANCE, _STEPS = 1e-12, 200


@dataclass(frozen=True, slots=True)
class Strength:
    """Bradley-Terry's difference of two systems: log odds that A is preferred, a tie being half a win each.

    Attributes:
        value: the difference; None where one system won every vote, which no finite number fits.
        low, high: its interval, by query; None is without end.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Preference:
    """What votes on two systems say.

    Attributes:
        queries: with at least one vote.
        wins, losses, ties: queries by their majority: for A, for B, for neither.
        p: of the shown test, `sign_test` of wins and losses.
        p_flip: of `sign_flip_test`, which also weighs how clear majorities are.
        share: of A among decisive queries, with an exact interval; None without any.
        votes: of A among decisive votes, its interval by query; None without any.
        strength: by Bradley and Terry, over votes.
    """

    queries: int
    wins: int
    losses: int
    ties: int
    p: float
    p_flip: float
    share: Estimate | None
    votes: Estimate | None
    strength: Strength

    @property
    def verdict(self) -> Verdict:
        """By the shown test alone."""
        if self.p > LEVEL:
            return "not shown"
        return "A is preferred" if self.wins > self.losses else "B is preferred"


def preference(queries: ArrayLike, votes: ArrayLike) -> Preference:
    """Everything that votes on two systems say.

    Args:
        queries: (n,) id of the query of each vote, str or int.
        votes: (n,) 1 for A, -1 for B, 0 for a tie.

    Raises:
        MetricError: no votes, lengths differ, or another number among them.

    >>> found = preference(list("aabbccddee"), [1, 1, 1, 0, 1, 1, 1, -1, 1, 1])
    >>> found.wins, found.losses, found.ties, found.p, found.verdict
    (4, 0, 1, 0.125, 'not shown')
    """
    ids, cast = np.asarray(queries), _votes(votes)
    same_length(queries=ids, votes=cast)
    balance = balances(ids, cast)
    wins, losses = int((balance > 0).sum()), int((balance < 0).sum())
    decisive = cast != 0
    votes_share = None
    if decisive.any():
        jackknife = Jackknife.of(ids[decisive])
        votes_share = jackknife.estimate(jackknife.means(cast[decisive] > 0), SHARE)
    return Preference(
        queries=len(balance),
        wins=wins,
        losses=losses,
        ties=len(balance) - wins - losses,
        p=sign_test(wins, losses),
        p_flip=sign_flip_test(balance),
        share=exact_share(wins, wins + losses) if wins + losses else None,
        votes=votes_share,
        strength=_strength(Jackknife.of(ids), (cast + 1) / 2),
    )


def _votes(votes: ArrayLike) -> NDArray[np.float64]:
    cast = vector(votes, "votes")
    if strange := set(cast.tolist()) - {-1.0, 0.0, 1.0}:
        raise MetricError(f"a vote is 1, 0 or -1, found {min(strange):g}")
    return cast


def _strength(jackknife: Jackknife, scores: NDArray[np.float64]) -> Strength:
    """``ln((w + t / 2) / (l + t / 2))``, the closed form of Bradley-Terry for two, with the ends of its share."""
    found = jackknife.estimate(jackknife.means(scores), SHARE)
    value, low, high = (
        float(logit(end)) if end is not None and 0 < end < 1 else None
        for end in (found.value, found.low, found.high)
    )
    return Strength(value, low, high)


# --- tests --------------------------------------------------------------------------------------------------


def balances(queries: ArrayLike, votes: ArrayLike) -> NDArray[np.int64]:
    """Votes for A less votes for B of each query, (q,), queries sorted; the sign is the majority.

    >>> balances(["b", "a", "a"], [-1, 1, 0]).tolist()
    [1, -1]
    """
    number = np.unique(np.asarray(queries), return_inverse=True)[1]
    return np.bincount(number, weights=np.asarray(votes, np.float64)).round().astype(np.int64)


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p that as many decisive queries, or more, fall to one side of two equal systems.

    >>> round(sign_test(60, 40), 3), round(sign_test(61, 39), 3), sign_test(0, 0)
    (0.057, 0.035, 1.0)
    """
    return float(min(1.0, 2 * bdtr(min(wins, losses), wins + losses, 0.5)))


def sign_flip_test(balance: ArrayLike) -> float:
    """Exact two-sided p of the sum of what queries add, each of which could as well have had the other sign.

    A clear majority weighs more than a narrow one. Nothing is drawn: queries of equal weight make a binomial
    distribution, and the distribution of the sum is their convolution.

    Args:
        balance: (q,) whole numbers, see `balances`.

    >>> sign_flip_test([1] * 6), sign_flip_test([3, 3, -1, 0])
    (0.03125, 0.5)
    """
    sizes, counts = np.unique(np.abs(np.asarray(balance, np.int64)), return_counts=True)
    chances = np.ones(1)  # of sums -reach, -reach + 1, ..., reach
    for size, count in zip(sizes[sizes > 0], counts[sizes > 0], strict=True):
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = np.diff(bdtr(np.arange(count + 1), count, 0.5), prepend=0.0)
        chances = np.convolve(chances, spread)
    reach = len(chances) // 2
    sums = np.arange(-reach, reach + 1)
    return float(min(1.0, chances[np.abs(sums) >= abs(int(np.sum(balance)))].sum()))


def exact_share(hits: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share ``hits / n`` of independent rows with its exact interval (Clopper and Pearson 1934).

    >>> print(exact_share(20, 20))
    1.000 [0.832, 1.000] n=20
    """
    if n < 1 or not 0 <= hits <= n:
        raise MetricError(f"a share needs 0 <= hits <= n and n >= 1, found {hits} of {n}")
    return Estimate(hits / n, *_exact_ends(hits, n, confidence), n)


def _exact_ends(hits: float, n: float, confidence: float) -> tuple[float, float]:
    tail = (1 - level(confidence)) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


# --- how many -----------------------------------------------------------------------------------------------


def power(decisive: ArrayLike, share: float) -> NDArray[np.float64]:
    """Chance that `sign_test` shows a difference at `LEVEL`.

    Args:
        decisive: numbers of decisive queries, any shape.
        share: of them that truly fall to A, 0 to 1.

    >>> power([5, 35, 97], 0.65).round(2).tolist()
    [0.0, 0.4, 0.83]
    """
    n = np.asarray(decisive, np.int64)
    most = np.nan_to_num(np.floor(bdtrik(LEVEL / 2, n, 0.5)))  # losses that still show a win
    found: NDArray[np.float64] = bdtr(most, n, 1 - share) + bdtr(most, n, share)
    return np.where(2 * bdtr(most, n, 0.5) <= LEVEL, found, 0.0)


def needed(share: float, chance: float = POWER) -> int:
    """Decisive queries from which on a true ``share`` is shown with at least this ``chance``.

    Power saws up and down with n; this is the n from which it stays above.

    >>> [needed(share) for share in (0.55, 0.6, 0.65, 0.7, 0.75)]
    [820, 210, 97, 54, 35]
    """
    if share == 0.5 or not 0 <= share <= 1:
        raise MetricError(f"a share other than .5 is needed to be shown, found {share}")
    most = ceil(4 / (share - 0.5) ** 2) + 50  # twice what the normal distribution asks for
    short = np.flatnonzero(power(np.arange(1, most + 1), share) < chance)
    return int(short[-1]) + 2 if len(short) else 1


def detectable(decisive: int, chance: float = POWER) -> float | None:
    """The smallest true share above .5 that ``decisive`` queries show with this ``chance``; None where none.

    >>> round(detectable(97), 2), detectable(5)
    (0.64, None)
    """
    shares = np.linspace(0.501, 1.0, 500)
    enough = [share for share in shares if power(decisive, float(share)) >= chance]
    return float(enough[0]) if enough else None


def queries_for(share: float, reach: float = 0.05, confidence: float = CONFIDENCE) -> int:
    """Decisive queries for which the exact interval of a share reaches at most so far to either side.

    >>> queries_for(0.5), queries_for(0.7)
    (402, 364)
    """
    low, high = 1, ceil(2 / reach**2)
    while low < high:
        n = (low + high) // 2
        ends = _exact_ends(share * n, n, confidence)
        low, high = (low, n) if max(share - ends[0], ends[1] - share) <= reach else (n + 1, high)
    return low


# --- many systems, many raters ------------------------------------------------------------------------------


def bradley_terry(wins: ArrayLike) -> NDArray[np.float64]:
    """Strengths of K systems: i is preferred to j with log odds ``strength[i] - strength[j]``.

    Newton's method on the concave likelihood (Hunter 2004 for when it has a maximum), steps halved where they
    do not climb.

    Args:
        wins: (K, K) how often i was preferred to j, a tie half a win to each; the diagonal is not read.

    Returns:
        (K,), their mean 0.

    Raises:
        MetricError: not square, negative, or some systems only ever won against the others, or never met them.

    >>> strengths = bradley_terry([[0, 30], [10, 0]])
    >>> round(float(strengths[0] - strengths[1]), 6) == round(float(np.log(3)), 6)
    True
    """
    won = finite(wins, "wins").copy()
    if won.ndim != 2 or won.shape[0] != won.shape[1] or (won < 0).any():
        raise MetricError(f"wins must be a square of numbers from 0 on, found shape {won.shape}")
    np.fill_diagonal(won, 0.0)
    if connected_components(won > 0, connection="strong")[0] > 1:
        raise MetricError(
            "no finite strengths fit: some systems won every vote against others, or never met them",
            cure="compare them in more votes, or leave those systems out",
        )
    met, strengths = won + won.T, np.zeros(len(won))
    for _ in range(_STEPS):
        odds = strengths[:, np.newaxis] - strengths
        chances = expit(odds)
        weights = met * chances * (1 - chances)
        slope = (won - met * chances).sum(axis=1)
        curve = np.diag(weights.sum(axis=1)) - weights + 1 / len(won)
        step = np.linalg.solve(curve, slope)
        if np.abs(step).max() < _TOLERANCE:
            break
        now = (won * log_expit(odds)).sum()
        while (won * log_expit(odds + step[:, np.newaxis] - step)).sum() < now and np.abs(step).max() > 1e-9:
            step = step / 2
        strengths = strengths + step
    centred: NDArray[np.float64] = strengths - strengths.mean()
    return centred


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Agreement of raters beyond chance on nominal answers, some of which may be missing.

    ``1 - observed / expected`` disagreement (Krippendorff 2004, chapter 11): 1 is full agreement, 0 chance.

    Args:
        ratings: (raters, units) whole numbers from 0 on; -1 where a rater did not answer.

    Raises:
        MetricError: no unit has two answers, or all answers are alike.

    >>> krippendorff_alpha([[0, 1, 1, -1], [0, 1, 0, 1]])
    0.4444444444444444
    """
    given = np.asarray(ratings, np.int64)
    classes = np.unique(given[given != MISSING])
    counts = np.stack([(given == one).sum(axis=0) for one in classes], 1) if len(classes) else given[:0]
    counts = counts[counts.sum(axis=1) > 1].astype(np.float64)  # (units with two answers or more, classes)
    if not counts.size or len(np.flatnonzero(totals := counts.sum(axis=0))) < 2:
        raise MetricError("agreement needs queries with two answers, and answers that are not all alike")
    sizes, n = counts.sum(axis=1), totals.sum()
    observed = ((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)).sum() / n
    expected = (n**2 - (totals**2).sum()) / (n * (n - 1))
    return float(1 - observed / expected)
