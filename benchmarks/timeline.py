"""From window labels to a timeline: exactness of the decoder, what it gains over a majority vote, and shared pairs.

    python benchmarks/timeline.py [--quick] [--json] [--parts exact,votes,shared] [--openpack DIR]

`exact`: 2,000 random chains of up to 6 ticks and 5 labels with minimum durations, half of them full of ties, against
all sequences of labels. `votes`: the labels of real work (the sample of OpenPack: one half teaches the order, the
other is decoded, and the other way round) and of the twin's sessions (five teach, three are decoded), a tick a second,
disturbed at 0 % and 20 %; edit score of Viterbi under the learned order with learned minimum durations, and of the
earlier system's vote: the most frequent label of the windows whose middle lies within 1 s. How sure a window is to be
right is measured on disturbed training labels. Intervals are over seeds of the disturbance (and of the twin).
`shared`: windows with half of their frames in common, decoded from the file and encoded one by one, and in one read
with shared pairs (frozen: frames), in turns; and how many pairs each sampler finds again. --quick: fewer seeds and
windows.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from footage import DATA
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit, not_measured
from scipy.stats import t as student
from timeline_shared import shared_figures

from rushes.metrics.decode import smooth, viterbi
from rushes.metrics.durations import NoPathError
from rushes.metrics.grammar import fit_grammar, minimum_durations
from rushes.metrics.segments import edit_scores, runs
from rushes.metrics.timeline import labels_at
from rushes.tasks.operations.sources.openpack.rows import read_operations
from rushes.tasks.operations.twin.script import TwinSettings, plan_session, units

PARTS = ("exact", "votes", "shared")
OPENPACK = DATA.parent / "openpack-sample"
ANNOTATION = "U0209/annotation/openpack-operations/S0500.csv"
NOISE = 0.2
WIDER = (5, 7, 9)

Sequences = list[list[str]]
Draw = Callable[[int], tuple[Sequences, Sequences]]
"""Seed -> sequences that teach, and those that are decoded."""


# --- exactness ----------------------------------------------------------------------------------------------


def exact_figures(quick: bool) -> Iterator[Figure]:
    """The decoder against all sequences, and its time."""
    rng, wrong, changed, chains = np.random.default_rng(0), 0, 0, 2_000
    for number in range(chains):
        model, minimum = chain(rng, number)
        expected, free = (best_of_all(*model, least) for least in (minimum, np.ones_like(minimum)))
        try:
            path, score = viterbi(*model, minimum)
            wrong += expected is None or path.tolist() != expected[0] or abs(score - expected[1]) > 1e-9
        except NoPathError:
            wrong += expected is not None
        changed += free is not None and (expected is None or expected[0] != free[0])
    yield at_most(
        f"of {chains} chains with minimum durations, other than the best of all sequences", wrong, 0
    )
    yield Figure("of these, answers that minimum durations change", changed)
    labels, ticks, longest = 11, 14_400, 30
    model = tuple(np.log(rng.random(shape)) for shape in (labels, (labels, labels), (ticks, labels)))
    spent = []
    for _ in range(3):
        before = time.process_time()
        viterbi(*model, np.full(labels, longest))
        spent.append(time.process_time() - before)
    yield at_most(f"{ticks} ticks, {labels} labels, minima of {longest} ticks: CPU s", min(spent), 1.0)


def chain(rng: np.random.Generator, number: int) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.int64]]:
    """Initial, transitions and emissions in logs, and minima; whole numbers make ties, a third forbids something."""
    ticks, k = int(rng.integers(1, 7)), int(rng.integers(1, 6))
    shapes = (k, (k, k), (ticks, k))
    if number % 2:
        model = tuple(-rng.integers(0, 3, shape).astype(float) for shape in shapes)
    else:
        model = tuple(np.log(rng.random(shape)) for shape in shapes)
    if number % 3 == 0:
        model[1][rng.random((k, k)) < 0.3] = -np.inf
        model[2][rng.random((ticks, k)) < 0.2] = -np.inf
    return model, rng.integers(1, 9 if number % 5 == 0 else 5, k)


def best_of_all(
    initial: NDArray[np.float64],
    transition: NDArray[np.float64],
    emission: NDArray[np.float64],
    minimum: NDArray[np.int64],
) -> tuple[list[int], float] | None:
    """The best of all sequences; of equal ones the lowest, read from behind. None where none can happen."""
    length, k = emission.shape
    paths = np.array(
        [
            path
            for path in product(range(k), repeat=length)
            if all(run.end - run.start >= minimum[run.label] for run in runs(path)[1:-1])
        ]
    )
    score = initial[paths[:, 0]] + emission[np.arange(length), paths].sum(axis=1)
    score = score + transition[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    if score.max() == -np.inf:
        return None
    best = paths[score >= score.max() - 1e-12]
    return min(best.tolist(), key=lambda path: path[::-1]), float(score.max())


# --- against a majority vote --------------------------------------------------------------------------------


def vote_figures(quick: bool, openpack: Path) -> Iterator[Figure]:
    """Edit scores on sessions that did not teach."""
    seeds = range(3 if quick else 20)
    file = openpack / ANNOTATION
    draws: dict[str, Draw | None] = {"OpenPack": halves(file) if file.is_file() else None, "twin": sessions}
    for name, draw in draws.items():
        for noise, bar in ((NOISE, 10.0), (0.0, 0.0)):
            what = f"{name}, {noise:.0%} disturbed: edit, Viterbi - vote"
            if draw is None:
                yield not_measured(what, f">= {bar:g}", f"no sample of OpenPack at {openpack}")
                continue
            rows = [edits(*draw(seed), seed, noise) for seed in seeds]
            yield from compared(f"{name}, {noise:.0%} disturbed", rows, bar)


def compared(where: str, rows: Sequence[dict[str, float]], bar: float) -> Iterator[Figure]:
    """Low end of the 95 % interval of what Viterbi gains, over seeds, and the edit scores that it rests on."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    gains = np.array([row["Viterbi"] - row["vote"] for row in rows])
    half = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    told = f"{gains.mean():.1f} points of edit over a vote, {len(rows)} seeds; low end of 95 %"
    yield at_least(f"{where}: {told}", float(gains.mean() - half), bar)
    for name, mean in means.items():
        yield Figure(f"{where}: edit of {name}", mean)


def halves(file: Path) -> Draw:
    """The sample's session, a tick a second; even seeds learn on its first half, odd ones on its second."""
    rows = read_operations(file)
    first_us = rows[0].start_us
    spans = [((row.start_us - first_us) / 1e6, (row.end_us - first_us) / 1e6, row.operation) for row in rows]
    sequence = ticks_of(spans)
    parts = sequence[: len(sequence) // 2], sequence[len(sequence) // 2 :]
    return lambda seed: ([parts[seed % 2]], [parts[1 - seed % 2]])


def sessions(seed: int) -> tuple[Sequences, Sequences]:
    """Scripts of a twin of eight sessions: five and three."""
    settings = TwinSettings(seed=seed)
    scripts = [
        ticks_of(
            [
                (step.start_s, step.end_s, step.operation)
                for step in plan_session(unit, settings)
                if step.operation
            ]
        )
        for unit in units(settings)
    ]
    return scripts[:5], scripts[5:]


def ticks_of(spans: Sequence[tuple[float, float, str]]) -> list[str]:
    """The label of each second that has one."""
    moments = np.arange(int(spans[-1][1])) + 0.5
    return [str(label) for label in labels_at(spans, moments) if label is not None]


def edits(train: Sequences, test: Sequences, seed: int, noise: float) -> dict[str, float]:
    """Mean edit score of every way to read disturbed labels."""
    rng = np.random.default_rng(seed)
    labels = sorted({label for sequence in train + test for label in sequence})
    read = [disturbed(rng, sequence, labels, noise) for sequence in train]
    right = sum(
        a == b for ours, truth in zip(read, train, strict=True) for a, b in zip(ours, truth, strict=True)
    )
    sure = (right + 1) / (sum(map(len, train)) + 2)
    noisy = [disturbed(rng, sequence, labels, noise) for sequence in test]
    grammar, minimum = fit_grammar(train, labels), minimum_durations(train, labels)
    rows = [probabilities(sequence, labels, sure) for sequence in noisy]
    answers = {
        "the labels as they come": noisy,
        "vote": [majority_vote(sequence) for sequence in noisy],
        "Viterbi": [smooth(grammar, one, minimum=minimum) for one in rows],
        "Viterbi without minima": [smooth(grammar, one) for one in rows],
    }
    answers |= {f"vote of {wide}": [majority_vote(one, wide / 2) for one in noisy] for wide in WIDER}
    return {name: float(edit_scores(test, said, labels).mean()) for name, said in answers.items()}


def disturbed(
    rng: np.random.Generator, sequence: Sequence[str], labels: Sequence[str], noise: float
) -> list[str]:
    """Each label by itself exchanged for another with probability ``noise``."""
    moved = [labels.index(label) + int(rng.integers(1, len(labels))) for label in sequence]
    wrong = rng.random(len(sequence)) < noise
    return [
        labels[other % len(labels)] if flip else own
        for own, other, flip in zip(sequence, moved, wrong, strict=True)
    ]


def probabilities(sequence: Sequence[str], labels: Sequence[str], sure: float) -> NDArray[np.float64]:
    """(T, K): a label is right with probability ``sure``, the others share the rest."""
    said = np.array([[own == label for label in labels] for own in sequence])
    return np.where(said, sure, (1 - sure) / (len(labels) - 1))


def majority_vote(sequence: Sequence[str], within_s: float = 1.0) -> list[str]:
    """The earlier system's timeline: the most frequent label of windows whose middle lies within 1 s of a second's.

    Windows start a second apart. At a tie the label of the earliest window.
    """
    reach = int(within_s)
    return [
        Counter(sequence[max(0, second - reach) : second + reach + 1]).most_common(1)[0][0]
        for second in range(len(sequence))
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer seeds and windows")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--openpack", type=Path, default=OPENPACK, help="the sample of OpenPack")
    asked = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "exact": lambda: exact_figures(asked.quick),
        "votes": lambda: vote_figures(asked.quick, asked.openpack),
        "shared": lambda: shared_figures(asked.quick),
    }
    emit((figure for name in asked.parts.split(",") for figure in parts[name]()), asked.json)


if __name__ == "__main__":
    main()
