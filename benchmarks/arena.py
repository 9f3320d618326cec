"""Whether equal systems are told apart, whether votes are lost, and whether anything tells which list is whose.

    python benchmarks/arena.py [--quick] [--json] [--parts sizes,strengths,page,blind]

`sizes`: 10,000 simulated studies of two equal systems with ties, skips, query effects (sd 0 to 1.5) and 1 to 5
raters, through the functions that the result page uses; 2,000 more where one is better. `strengths`: Bradley-Terry
against its closed form for two, and against evalica for many. `page`: the page in Chromium: time from a key to the
next pair, then reloads, second pages and kill -9 of the server at random moments. `blind`: an adversary that keeps
everything the browser receives (addresses, headers, bytes, order, times) over a study of two systems that answer
at random, and learns from nine tenths of it, with the key, to tell them in the rest. --quick: a tenth of the
studies and fewer pairs. Takes about ten minutes on a busy core, with --quick three.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
from arena_page import blind_figures, page_figures
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit, not_measured

from rushes.metrics.preference import LEVEL, Preference, bradley_terry, preference, sign_test

PARTS = ("sizes", "strengths", "page", "blind")
RATERS, EFFECTS, QUERIES = (1, 2, 3, 4, 5), (0.0, 0.5, 1.0, 1.5), (30, 100, 200)
TIES, SKIPS = 0.25, 0.05
BETTER = 0.8  # log odds of the better system where one is


# --- sizes and coverage -------------------------------------------------------------------------------------


def votes_of(
    rng: np.random.Generator, queries: int, raters: int, effect: float, better: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Query and vote (1, 0, -1) of each answer of a study."""
    odds = better + rng.normal(0.0, effect, (queries, 1))
    votes = np.where(rng.random((queries, raters)) < 1 / (1 + np.exp(-odds)), 1, -1)
    votes[rng.random(votes.shape) < TIES] = 0
    given = rng.random(votes.shape) >= SKIPS
    return np.nonzero(given)[0], votes[given]


def truths(raters: int, effect: float, better: float) -> tuple[float, float]:
    """Share of A among decisive queries and among decisive votes, of a million queries."""
    rng = np.random.default_rng(99)
    queries, votes = votes_of(rng, 1_000_000 // raters, raters, effect, better)
    balance = np.sign(np.bincount(queries, weights=votes))
    return float((balance > 0).sum() / (balance != 0).sum()), float((votes > 0).sum() / (votes != 0).sum())


def size_figures(quick: bool) -> Iterator[Figure]:
    """Type-I error and coverage."""
    cells = list(product(RATERS, EFFECTS))
    each = (1_000 if quick else 10_000) // len(cells)
    shown, flips, naive = (
        Counter[tuple[int, float]](),
        Counter[tuple[int, float]](),
        Counter[tuple[int, float]](),
    )
    covered, intervals = Counter[str](), Counter[str]()
    rng = np.random.default_rng(0)
    for cell in cells:
        for number in range(each):
            queries, votes = votes_of(rng, QUERIES[number % len(QUERIES)], *cell, 0.0)
            found = preference(queries, votes)
            shown[cell] += found.verdict != "not shown"
            flips[cell] += found.p_flip <= LEVEL
            naive[cell] += sign_test(int((votes > 0).sum()), int((votes < 0).sum())) <= LEVEL
            for name, truth, low, high in ends(found, 0.5, 0.5):
                intervals[name] += 1
                covered[name] += low <= truth <= high
    total = each * len(cells)
    worst = max(shown.values()) / each
    yield at_most(
        f"type-I error of the shown test, {total:,} studies of equals", shown.total() / total, LEVEL
    )
    yield Figure(f"the same, worst of {len(cells)} cells of {each} studies", worst)
    yield at_most("type-I error of the sign-flip test", flips.total() / total, LEVEL)
    yield Figure("type-I error of a sign test over votes, which is not shown", naive.total() / total)
    most = max(product(RATERS, EFFECTS))
    yield Figure(f"the same, {most[0]} raters and an effect of sd {most[1]}", naive[most] / each)
    for name, count in intervals.items():
        yield at_least(f"coverage of the 95 % interval, equals: {name}", covered[name] / count, 0.94)
    yield from better_figures(20 if quick else 100)


def better_figures(each: int) -> Iterator[Figure]:
    """Coverage where one system is better."""
    covered, intervals = Counter[str](), Counter[str]()
    rng = np.random.default_rng(1)
    for raters, effect in product(RATERS, EFFECTS):
        by_query, by_vote = truths(raters, effect, BETTER)
        for number in range(each):
            queries, votes = votes_of(rng, QUERIES[number % len(QUERIES)], raters, effect, BETTER)
            for name, truth, low, high in ends(preference(queries, votes), by_query, by_vote):
                if name != "Bradley-Terry":  # which weighs ties, so its truth is another
                    intervals[name] += 1
                    covered[name] += low <= truth <= high
    for name, count in intervals.items():
        yield at_least(f"coverage of the 95 % interval, one better: {name}", covered[name] / count, 0.94)


def ends(found: Preference, by_query: float, by_vote: float) -> Iterator[tuple[str, float, float, float]]:
    """Name, truth and ends of each interval."""
    if found.share is not None and found.share.low is not None and found.share.high is not None:
        yield "share of decisive queries, exact", by_query, found.share.low, found.share.high
    if found.votes is not None and found.votes.low is not None and found.votes.high is not None:
        yield "share of decisive votes, by query", by_vote, found.votes.low, found.votes.high
    low, high = found.strength.low, found.strength.high
    yield (
        "Bradley-Terry",
        0.0,
        -np.inf if low is None else low,
        np.inf if high is None else high,
    )


# --- strengths ----------------------------------------------------------------------------------------------


def strength_figures(quick: bool) -> Iterator[Figure]:
    """Bradley-Terry against what others compute."""
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(1_000):
        wins, losses, ties = rng.integers(1, 200, 3)
        found = bradley_terry([[0, wins + ties / 2], [losses + ties / 2, 0]])
        worst = max(worst, float(abs(found[0] - found[1] - np.log((wins + ties / 2) / (losses + ties / 2)))))
    yield at_most("Bradley-Terry of two against the closed form, greatest difference", worst, 1e-9)
    name = "Bradley-Terry of 2 to 12 systems against evalica, greatest difference"
    try:
        import evalica
    except ImportError as error:
        yield not_measured(name, "<= 1e-06", error)
        return
    worst = 0.0
    for _ in range(5 if quick else 40):
        k = int(rng.integers(2, 13))
        first, second = rng.integers(0, k, (2, 200 * k))
        first, second = first[first != second], second[first != second]
        truth = rng.normal(0.0, 1.0, k)
        chance = 1 / (1 + np.exp(truth[second] - truth[first]))
        votes = np.where(rng.random(len(first)) < TIES, 0, np.where(rng.random(len(first)) < chance, 1, -1))
        wins = np.zeros((k, k))
        np.add.at(wins, (first, second), (1 + votes) / 2)
        np.add.at(wins, (second, first), (1 - votes) / 2)
        words = {1: evalica.Winner.X, 0: evalica.Winner.Draw, -1: evalica.Winner.Y}
        theirs = evalica.bradley_terry(
            first.tolist(), second.tolist(), [words[vote] for vote in votes], tolerance=1e-14, limit=100_000
        )
        logs = np.log(theirs.scores.sort_index().to_numpy())
        worst = max(worst, float(np.abs(bradley_terry(wins) - (logs - logs.mean())).max()))
    yield at_most(name, worst, 1e-6)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the studies, fewer pairs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    asked = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        parts: Mapping[str, Callable[[], Iterator[Figure]]] = {
            "sizes": lambda: size_figures(asked.quick),
            "strengths": lambda: strength_figures(asked.quick),
            "page": lambda: page_figures(asked.quick, Path(name)),
            "blind": lambda: blind_figures(asked.quick, Path(name)),
        }
        for part in asked.parts.split(","):
            try:
                figures += parts[part]()
            except (ImportError, FileNotFoundError) as error:
                figures.append(not_measured(part, None, error))
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
