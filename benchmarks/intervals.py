"""Whether intervals hold what they promise, and how often two equal systems are told apart; by simulation.

    python benchmarks/intervals.py [--quick] [--json]

Simulates sets of rows in clusters that each have a level of their own, takes figures and verdicts with the
functions that the reports use, and counts. *Coverage* is the share of sets whose 95 % interval holds the true
figure. Rows are drawn with an intra-cluster correlation of 0.1 unless said otherwise, at which the percentile
bootstrap over clusters shows the coverage for which it was given up (told beside it). Cluster sizes are 20
each or uneven, 2 to 60. Takes about eleven minutes of one core, with --quick a minute and a half.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit
from scipy.sparse import csr_array

from rushes.metrics.confusion import confusion_scores
from rushes.metrics.detection import AP_THRESHOLDS, Detection, TrueSegment, average_precision
from rushes.metrics.estimate import ERROR, SHARE, UNBOUNDED, Bounds
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.paired import paired_t
from rushes.metrics.temporal import THRESHOLDS, reaches, tiou
from rushes.metrics.verdict import difference_to_best

Random = np.random.Generator
Sizes = Callable[[Random, int], NDArray[np.int64]]
CLUSTERS = (5, 8, 12, 20)
COVERAGE, ERRONEOUS = 0.93, 0.025
CORRELATION = 0.1
SHARES = (0.6, 0.3, 0.1)  # of the three classes


# --- what is simulated -----------------------------------------------------------------------------------


def equal(random: Random, clusters: int) -> NDArray[np.int64]:
    return np.full(clusters, 20)


def uneven(random: Random, clusters: int) -> NDArray[np.int64]:
    return random.integers(2, 61, clusters)


def levels(random: Random, mean: float, correlation: float, clusters: int) -> NDArray[np.float64]:
    """Share of hits of each cluster, beta distributed; rows of one are correlated by ``correlation``."""
    if correlation == 0:
        return np.full(clusters, mean)
    total = 1 / correlation - 1
    return random.beta(mean * total, (1 - mean) * total, clusters)


@dataclass(frozen=True)
class World:
    """A figure whose true value is known.

    Attributes:
        name: of it.
        truth: value that its intervals should hold.
        bounds: its range.
        draw: generator and sizes of clusters -> the rows' leave-outs and the figure of each.
    """

    name: str
    truth: float
    bounds: Bounds
    draw: Callable[[Random, NDArray[np.int64]], tuple[Jackknife, NDArray[np.float64]]]

    def coverage(self, sizes: Sizes, clusters: int, sets: int) -> float:
        """Share of ``sets`` whose interval holds the truth."""
        random, inside = np.random.default_rng(0), 0
        for _ in range(sets):
            jackknife, figures = self.draw(random, sizes(random, clusters))
            found = jackknife.estimate(figures, self.bounds)
            inside += found.low <= self.truth <= found.high
        return inside / sets


def rows_of(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], Jackknife]:
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return cluster, Jackknife.of(cluster)


def hits(random: Random, sizes: NDArray[np.int64], share: float, correlation: float):
    cluster, jackknife = rows_of(sizes)
    level = levels(random, share, correlation, len(sizes))[cluster]
    return jackknife, jackknife.means(random.random(len(cluster)) < level)


def effects(random: Random, sizes: NDArray[np.int64], deviation: float):
    """One plus a normal effect of each row's cluster, and normal noise."""
    cluster, jackknife = rows_of(sizes)
    effect = random.normal(0, deviation, len(sizes))[cluster]
    return jackknife, 1 + effect + random.normal(0, 1, len(cluster))


def normal(random: Random, sizes: NDArray[np.int64]):
    jackknife, values = effects(random, sizes, 0.5)
    return jackknife, jackknife.means(values)


def skewed(random: Random, sizes: NDArray[np.int64], figure: str):
    """Errors whose logarithm is normal."""
    jackknife, values = effects(random, sizes, 0.5)
    errors = np.exp(0.8 * (values - 1))
    if figure == "median":
        return jackknife, jackknife.medians(errors)
    return jackknife, jackknife.means(errors) if figure == "mean" else jackknife.means(errors**2) ** 0.5


def classified(random: Random, sizes: NDArray[np.int64], accuracy: float, figure: str):
    """A figure of three classes whose shares, and whose accuracy, differ between clusters."""
    cluster, jackknife = rows_of(sizes)
    mix = random.dirichlet(20 * np.array(SHARES), len(sizes))[cluster]
    truth = (random.random((len(cluster), 1)) > mix.cumsum(axis=1)[:, :2]).sum(axis=1)
    right = random.random(len(cluster)) < levels(random, accuracy, CORRELATION, len(sizes))[cluster]
    said = np.where(right, truth, (truth + random.integers(1, 3, len(cluster))) % 3)
    cells = csr_array((np.ones(len(cluster)), (np.arange(len(cluster)), 3 * truth + said)), (len(cluster), 9))
    return jackknife, getattr(confusion_scores(jackknife.sums(cells).reshape(-1, 3, 3)), figure)


def expected(accuracy: float, figure: str) -> float:
    shares = np.array(SHARES)[:, None]
    matrix = shares * np.where(np.eye(3, dtype=bool), accuracy, (1 - accuracy) / 2)
    return float(getattr(confusion_scores(matrix), figure))


WORLDS = (
    *(World(f"share {p}", p, SHARE, partial(hits, share=p, correlation=CORRELATION)) for p in (0.7, 0.9)),
    World("normal figure", 1.0, UNBOUNDED, normal),
)
SPREAD = 0.8 * np.array([0.5, 1.0])  # of the logarithm of errors: between clusters, within them
OTHERS = (
    World("share 0.7, no cluster effect", 0.7, SHARE, partial(hits, share=0.7, correlation=0)),
    World("share 0.9, no cluster effect", 0.9, SHARE, partial(hits, share=0.9, correlation=0)),
    World("share 0.7, correlation 0.3", 0.7, SHARE, partial(hits, share=0.7, correlation=0.3)),
    World("share 0.9, correlation 0.3", 0.9, SHARE, partial(hits, share=0.9, correlation=0.3)),
    World("share 0.97", 0.97, SHARE, partial(hits, share=0.97, correlation=CORRELATION)),
    *(
        World(f"{figure} of 3 classes, accuracy {p}", expected(p, figure), SHARE, draw)
        for figure in ("f1_macro", "balanced_accuracy")
        for p in (0.7, 0.9)
        for draw in [partial(classified, accuracy=p, figure=figure)]
    ),
    World("mean of skewed errors", np.exp((SPREAD**2).sum() / 2), ERROR, partial(skewed, figure="mean")),
    World("RMSE of skewed errors", np.exp((SPREAD**2).sum()), ERROR, partial(skewed, figure="rmse")),
    World("median of skewed errors", 1.0, ERROR, partial(skewed, figure="median")),
)


# --- coverage --------------------------------------------------------------------------------------------


def bootstrap_coverage(share: float, clusters: int, sets: int) -> float:
    """Of the percentile bootstrap of 1,000 resamples, uneven clusters."""
    random, inside = np.random.default_rng(0), 0
    for _ in range(sets):
        sizes = uneven(random, clusters)
        found = random.binomial(sizes, levels(random, share, CORRELATION, clusters))
        drawn = random.integers(clusters, size=(1000, clusters))
        low, high = np.quantile(found[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
        inside += low <= share <= high
    return inside / sets


def coverages(sets: int) -> Iterator[Figure]:
    for world in WORLDS:
        for sizes in (equal, uneven):
            for clusters in CLUSTERS:
                name = f"coverage: {world.name}, {sizes.__name__} clusters, {clusters} of them"
                yield at_least(name, world.coverage(sizes, clusters, sets), COVERAGE)
    for world in OTHERS:
        found = [world.coverage(uneven, clusters, sets) for clusters in CLUSTERS]
        said = ", ".join(f"{each:.3f}" for each in found)
        yield Figure(f"coverage: {world.name}, uneven; 5, 8, 12, 20 clusters", said)
    for clusters in (2, 3, 4):
        found = [world.coverage(uneven, clusters, sets) for world in WORLDS]
        said = ", ".join(f"{each:.3f}" for each in found)
        yield Figure(f"coverage: share 0.7, share 0.9, normal; {clusters} uneven clusters", said)
    for share in (0.7, 0.9):
        found = [bootstrap_coverage(share, clusters, min(sets, 1000)) for clusters in CLUSTERS]
        said = ", ".join(f"{each:.3f}" for each in found)
        yield Figure(f"percentile bootstrap instead: share {share}, uneven; 5, 8, 12, 20", said)


# --- intervals of few rows -------------------------------------------------------------------------------


def few_rows(sets: int) -> Iterator[Figure]:
    """Figures of 1 to 20 rows, half of which agree in all, and means of 2 to 5 seeds."""
    random = np.random.default_rng(1)
    narrow = outside = 0
    for number in range(sets):
        n = int(random.integers(1, 21))
        jackknife = Jackknife.of(random.integers(0, random.integers(1, n + 1), n))
        truth = random.integers(0, 3, n)
        said = np.where(truth == 2, 0, truth) if number % 2 else random.integers(0, 3, n)
        cells = csr_array((np.ones(n), (np.arange(n), 3 * truth + said)), (n, 9))
        scores = confusion_scores(jackknife.sums(cells).reshape(-1, 3, 3))
        seeds = np.full(random.integers(2, 6), 0.778) if number % 2 else random.random(random.integers(2, 6))
        found = [
            jackknife.estimate(figures, SHARE)
            for figures in (scores.accuracy, scores.balanced_accuracy, scores.f1_macro)
        ]
        found.append(paired_t(seeds, bounds=SHARE))
        narrow += sum(each.high - each.low < 1e-3 for each in found)
        outside += sum(not 0 <= each.low <= each.value <= each.high <= 1 for each in found)
    yield at_most(f"intervals of up to 20 rows without width, of {4 * sets}", float(narrow), 0)
    yield at_most(f"intervals outside of the figure's bounds, of {4 * sets}", float(outside), 0)


# --- verdicts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A model among baselines, all of share 0.6 and less.

    Attributes:
        name: of it.
        gain: by how much the model is better than the best baseline.
        behind: by how much each baseline is worse than the best one; one of them is 0.
        own: deviation of each baseline's level in a cluster from that of all systems there.
    """

    name: str
    gain: float
    behind: tuple[float, ...]
    own: tuple[float, ...]

    def verdicts(self, sizes: Sizes, clusters: int, sets: int) -> list[str]:
        """What is said of the model in each of ``sets``."""
        random, found = np.random.default_rng(2), []
        for _ in range(sets):
            cluster, jackknife = rows_of(sizes(random, clusters))
            level = levels(random, 0.6, CORRELATION, clusters)
            luck = random.random(len(cluster))  # shared by systems that are nearly the model

            def figures(shift: float, own: float, level=level, cluster=cluster, luck=luck, of=jackknife):
                there = np.clip(level + shift + random.normal(0, own, clusters), 0, 1)[cluster]
                return of.means((random.random(len(cluster)) if own else luck) < there)

            baselines = {
                str(number): figures(-behind, own)
                for number, (behind, own) in enumerate(zip(self.behind, self.own, strict=True))
            }
            model = figures(self.gain, 0.0 if 0.0 in self.own else 0.1)
            found.append(difference_to_best(jackknife, model, baselines, SHARE).verdict)
        return found


EQUAL = (
    Field("1 baseline", 0.0, (0.0,), (0.1,)),
    Field("6 baselines as good", 0.0, (0.0,) * 6, (0.1,) * 6),
    Field("2 baselines, 1 as good, 1 far behind", 0.0, (0.0, 0.3), (0.1,) * 2),
    Field("2 baselines, 1 as good, 1 the model but a shade worse", 0.0, (0.0, 0.03), (0.1, 0.0)),
)
APART = (
    Field("1 baseline", 0.2, (0.0,), (0.1,)),
    Field("1 of 6 baselines 0.2 worse, 5 far behind", 0.2, (0.0, *[0.3] * 5), (0.1,) * 6),
    Field("6 baselines 0.2 worse", 0.2, (0.0,) * 6, (0.1,) * 6),
)


def verdicts(most: int) -> Iterator[Figure]:
    for field in EQUAL:
        sets = most // len(field.behind)
        for clusters in CLUSTERS:
            said = field.verdicts(uneven, clusters, sets)
            for word in ("better", "worse"):
                if word == "worse" and "shade" in field.name:
                    continue  # that one is as good as the best by luck only
                name = f"said {word} of an equal model: {field.name}, {clusters} clusters"
                yield at_most(name, said.count(word) / sets, ERRONEOUS)
    for field in APART:
        sets = most // 10
        found = [field.verdicts(uneven, clusters, sets).count("better") for clusters in CLUSTERS]
        said = ", ".join(f"{count / sets:.2f}" for count in found)
        yield Figure(f"said better of a model better by 0.2: {field.name}; 5, 8, 12, 20 clusters", said)


# --- overlaps on a threshold -----------------------------------------------------------------------------


def overlaps(longest: int) -> Iterator[Figure]:
    """Every overlap of two intervals of up to ``longest`` frames that lies on a threshold exactly."""
    for step in (Fraction(1, 10), Fraction(1, 25), Fraction(1, 30), Fraction(1001, 30000)):
        cases = on_threshold(longest)
        seconds = [[(float(start * step), float(end * step)) for start, end in pair] for pair, _ in cases]
        taus = np.array([float(tau) for _, tau in cases])
        found = tiou([pair[0] for pair in seconds], [pair[1] for pair in seconds])
        missed = int((~reaches(found, taus)).sum())
        bare = int((found < taus).sum())
        undetected = sum(
            average_precision(
                [TrueSegment("v", "a", *true)], [Detection("v", "a", *answer, 1.0)], ["a"], [tau]
            ).average
            == 0
            for (true, answer), tau in zip(seconds, taus.tolist(), strict=True)
        )
        name = f"of {len(cases)} overlaps on a threshold, frames of {step} s"
        yield at_most(f"misjudged {name}", float(missed), 0)
        yield at_most(f"misjudged as detections {name}", float(undetected), 0)
        yield Figure(f"misjudged by a bare >= {name}", float(bare))


def on_threshold(longest: int) -> list[tuple[tuple[tuple[int, int], tuple[int, int]], Fraction]]:
    taus = sorted({Fraction(str(tau)) for tau in (*THRESHOLDS, *AP_THRESHOLDS)})
    found = []
    for first in range(0, 40, 7):
        for length in range(1, longest + 1):
            for start in range(first, first + length):
                for end in range(start + 1, start + longest + 1):
                    overlap = min(end, first + length) - start
                    share = Fraction(overlap, max(end, first + length) - first)
                    if share in taus:
                        found.append((((first, first + length), (start, end)), share))
    return found


def measure(quick: bool) -> Iterator[Figure]:
    yield from coverages(500 if quick else 4000)
    yield from few_rows(500 if quick else 4000)
    yield from verdicts(6000 if quick else 40_000)
    yield from overlaps(12 if quick else 25)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer simulated sets")
    options = parser.parse_args()
    emit(measure(options.quick), options.json)


if __name__ == "__main__":
    main()
