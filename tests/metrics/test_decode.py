from collections import Counter
from itertools import product

import numpy as np
import pytest
from plain_metrics import edit_score

from rushes.errors import MetricError
from rushes.metrics.decode import running_median, smooth, stretch, viterbi
from rushes.metrics.grammar import fit_grammar

HMM = ([0.6, 0.4], [[0.7, 0.3], [0.4, 0.6]])


@pytest.mark.parametrize(
    ("initial", "transition", "emission", "path", "probability"),
    [
        (*HMM, np.array([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]])[:, [0, 1, 2]].T, [0, 0, 1], 0.01512),
        (
            [0.4, 0.35, 0.25],
            [[0.5, 0.25, 0.25], [0.33, 0.34, 0.33], [0.25, 0.25, 0.5]],
            [[0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.33, 0.33, 0.33]],
            [1, 2, 2],
            0.004764375,
        ),
        (*HMM, np.array([[0.1, 0.4, 0.5], [0.7, 0.2, 0.1]])[:, [0, 1, 0, 2]].T, [1, 1, 1, 0], 0.0028224),
    ],
    ids=["librosa", "torbi", "stamp"],
)
def test_r7_viterbi(initial, transition, emission, path, probability):
    found, log_probability = viterbi(np.log(initial), np.log(transition), np.log(emission))
    assert found.tolist() == path
    assert np.exp(log_probability) == pytest.approx(probability, abs=1e-9)
    expected = {0.01512: -4.1917369, 0.0028224: -5.8701677}.get(probability, np.log(probability))
    assert log_probability == pytest.approx(expected, abs=1e-7)


def log(values):
    with np.errstate(divide="ignore"):
        return np.log(values)


def test_viterbi_equals_brute_force_on_two_thousand_random_models():
    rng = np.random.default_rng(0)
    for trial in range(2_000):
        length, k = int(rng.integers(1, 7)), int(rng.integers(1, 6))
        initial, transition, emission = (rng.random(shape) for shape in (k, (k, k), (length, k)))
        if trial % 2:  # half of the models forbid something
            transition[rng.random((k, k)) < 0.3] = 0
            emission[rng.random((length, k)) < 0.2] = 0
        paths = np.array(list(product(range(k), repeat=length)))
        chances = initial[paths[:, 0]] * emission[np.arange(length), paths].prod(axis=1)
        chances = chances * transition[paths[:, :-1], paths[:, 1:]].prod(axis=1)
        if chances.max() == 0:
            with pytest.raises(MetricError, match="no path"):
                viterbi(log(initial), log(transition), log(emission))
            continue
        path, log_probability = viterbi(log(initial), log(transition), log(emission))
        assert path.tolist() == paths[chances.argmax()].tolist()
        assert log_probability == pytest.approx(np.log(chances.max()), abs=1e-9)


def test_equal_paths_end_in_the_lowest_state():
    flat = np.zeros((3, 3))
    assert viterbi(flat[0], flat, np.zeros((4, 3)))[0].tolist() == [0, 0, 0, 0]


def test_long_sequences_do_not_underflow():
    rng = np.random.default_rng(1)
    path, log_probability = viterbi(
        np.log([0.5, 0.5]), np.log(HMM[1]), np.log(rng.random((20_000, 2)) * 1e-6)
    )
    assert len(path) == 20_000
    assert np.isfinite(log_probability)


# -- the bar: noisy window labels -------------------------------------------------------------------

# OpenPack's operations (ids / 100): median seconds, and the usual order with its rework
MEDIAN_S = {1: 7.0, 2: 5.6, 3: 11.8, 4: 5.2, 5: 8.7, 6: 3.1, 7: 9.4, 8: 6.1, 9: 3.2, 10: 4.8}
LABELS = list(MEDIAN_S)
NEXT = {
    1: {2: 1.0},
    2: {3: 0.9, 1: 0.1},
    3: {4: 1.0},
    4: {5: 0.95, 3: 0.05},
    5: {6: 0.95, 4: 0.05},
    6: {7: 1.0},
    7: {10: 1.0},
    10: {8: 1.0},
    8: {1: 0.75, 9: 0.25},
    9: {1: 1.0},
}


def session(rng, step_s, operations=150):
    """Window labels of one session of packing."""
    windows, current = [], 1
    for _ in range(operations):
        seconds = MEDIAN_S[current] * np.exp(0.4 * rng.normal())
        windows += [current] * max(1, round(seconds / step_s))
        current = int(rng.choice(list(NEXT[current]), p=list(NEXT[current].values())))
    return windows


def corrupted(rng, windows, noise):
    others = [int(rng.choice([label for label in LABELS if label != window])) for window in windows]
    wrong = rng.random(len(windows)) < noise
    return [other if flip else window for other, flip, window in zip(others, wrong, windows, strict=True)]


def majority_vote(sequence, width):
    """The most frequent label around each one; at a tie its own, or else the lowest."""
    voted = []
    for i, own in enumerate(sequence):
        votes = Counter(sequence[max(0, i - width // 2) : i + width // 2 + 1])
        voted.append(min(votes, key=lambda label: (-votes[label], label != own, label)))
    return voted


def label_probabilities(sequence, labels, accuracy):
    """Hard labels as probabilities, (T, K): the rest shared by the others; None says nothing."""
    rest = (1 - accuracy) / (len(labels) - 1)
    rows = [[accuracy if own == label else rest for label in labels] for own in sequence]
    return [[1.0] * len(labels) if own is None else row for own, row in zip(sequence, rows, strict=True)]


def edits(noise, step_s, seed):
    """Edit of raw labels, of each majority vote, and of Viterbi, on unseen sessions."""
    rng = np.random.default_rng(seed)
    train, validation, test = ([session(rng, step_s) for _ in range(n)] for n in (6, 1, 3))
    grammar = fit_grammar(train, LABELS)
    read = corrupted(rng, validation[0], noise)
    right = sum(a == b for a, b in zip(read, validation[0], strict=True))
    accuracy = (right + 1) / (len(read) + 2)  # as measured, kept off 0 and 1
    noisy = [corrupted(rng, windows, noise) for windows in test]
    voted = {
        width: edit_score(test, [majority_vote(row, width) for row in noisy], LABELS)
        for width in (3, 5, 7, 9)
    }
    decoded = [smooth(grammar, label_probabilities(row, LABELS, accuracy)) for row in noisy]
    return edit_score(test, noisy, LABELS), voted, edit_score(test, decoded, LABELS)


@pytest.mark.parametrize("seed", range(3))
def test_decoding_beats_majority_votes_by_ten_points_of_edit_at_twenty_percent_noise(seed):
    _, voted, decoded = edits(0.2, step_s=2.0, seed=seed)
    assert decoded >= max(voted.values()) + 10, (voted, decoded)
    # At 1 s the longest votes come within ten points of 100, where no decoder could be ten points better;
    # they pay for it without noise, where they swallow short operations.
    _, voted, decoded = edits(0.2, step_s=1.0, seed=seed)
    assert decoded >= max(voted[3], voted[5]) + 10, (voted, decoded)
    assert 100 - decoded <= 0.25 * (100 - max(voted.values())), (voted, decoded)


@pytest.mark.parametrize("step_s", [1.0, 2.0])
def test_decoding_loses_nothing_without_noise(step_s):
    raw, voted, decoded = edits(0.0, step_s, seed=0)
    assert raw == decoded == 100.0, voted
    assert voted[7] < 99


# -- smoothing helpers ------------------------------------------------------------------------------


def test_smoothing_bridges_missing_windows():
    grammar = fit_grammar([["a"] * 5 + ["b"] * 5], ["a", "b"])
    evidence = label_probabilities(["a", "a", None, "a", None, "b", "b"], ["a", "b"], accuracy=0.9)
    assert smooth(grammar, evidence)[:4] == ["a"] * 4
    assert smooth(grammar, evidence)[5:] == ["b"] * 2


def test_a_prior_takes_back_what_frequent_labels_gained():
    grammar = fit_grammar([["a", "b"] * 4 + ["b", "a"] * 4], ["a", "b"], smoothing=100)
    posteriors = [[0.6, 0.4]] * 3
    assert smooth(grammar, posteriors) == ["a"] * 3
    assert smooth(grammar, posteriors, prior=[0.8, 0.2]) == ["b"] * 3


def test_a_running_median_drops_short_runs_and_keeps_borders():
    steps = np.array([0, 0, 1, 0, 0, 1, 1, 1, 0, 0], dtype=float)
    smoothed = running_median(np.stack([steps, 1 - steps], axis=1), 5)
    assert smoothed[:, 0].tolist() == [
        float(np.median(np.pad(steps, 2, mode="edge")[tick : tick + 5])) for tick in range(10)
    ]
    assert np.array_equal(running_median(smoothed, 1), smoothed)


@pytest.mark.parametrize(("rows", "width"), [(np.zeros((3, 2)), 2), (np.zeros((3, 2)), 0), (np.zeros(3), 3)])
def test_a_running_median_is_of_rows_and_an_odd_width(rows, width):
    with pytest.raises(MetricError, match="odd width"):
        running_median(rows, width)


def test_stretch_is_the_likeliest_around_the_asked_moment():
    rng = np.random.default_rng(0)
    for _ in range(500):
        log_odds = rng.normal(size=int(rng.integers(1, 12)))
        asked = int(rng.integers(len(log_odds)))
        first, last = stretch(log_odds, asked)
        assert 0 <= first <= asked <= last < len(log_odds)
        best = max(
            log_odds[low : high + 1].sum() for low in range(asked + 1) for high in range(asked, len(log_odds))
        )
        assert log_odds[first : last + 1].sum() == pytest.approx(best)


def test_stretch_of_nothing_is_the_asked_moment():
    assert stretch(np.full(7, -1.0), 3) == (3, 3)
    assert stretch(np.zeros(7), 3) == (3, 3)
    assert stretch(np.ones(7), 3) == (0, 6)
