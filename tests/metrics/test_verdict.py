import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.estimate import ERROR, SHARE
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.verdict import difference_to_best, verdict


def rows(seed=0, clusters=20, each=15):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(clusters), each)
    return rng, Jackknife.of(group), rng.beta(6, 4, clusters)[group]


def hits(rng, level, shift=0.0):
    return rng.random(len(level)) < level + shift


def test_a_verdict_is_said_by_the_interval_alone():
    assert verdict(-0.1, 0.1) == "cannot be told"  # .700 against .701
    assert verdict(0.0, 0.1) == verdict(-0.1, 0.0) == "cannot be told"
    assert verdict(-0.2, -0.1) == verdict(0.1, 0.2, "lower") == "worse"
    assert verdict(0.1, 0.2) == verdict(-0.2, -0.1, "lower") == "better"


def test_against_one_baseline_it_is_the_interval_of_the_difference():
    rng, jackknife, level = rows()
    ours, theirs = jackknife.means(hits(rng, level, 0.3)), jackknife.means(hits(rng, level))
    found = difference_to_best(jackknife, ours, {"one": theirs}, SHARE)
    assert found.best == "one"
    assert found.difference == jackknife.estimate(ours - theirs, (-1, 1))
    assert found.verdict == "better"


def test_better_asks_for_every_baseline_and_worse_for_more_certainty():
    rng, jackknife, level = rows(1)
    model = jackknife.means(hits(rng, level))
    rivals = {name: jackknife.means(hits(rng, level)) for name in "abcdef"}
    found = difference_to_best(jackknife, model, rivals, SHARE)
    apart = [jackknife.estimate(model - rival, (-1, 1)) for rival in rivals.values()]
    sure = [jackknife.estimate(model - rival, (-1, 1), confidence=1 - 0.05 / 6) for rival in rivals.values()]
    assert found.best == max(rivals, key=lambda name: rivals[name][0])
    assert found.difference.value == min(each.value for each in apart)
    assert found.difference.low == min(each.low for each in apart)
    assert found.difference.high == min(each.high for each in sure)


def test_a_lucky_choice_among_baselines_is_not_taken_for_the_best():
    rng, jackknife, level = rows(2, clusters=8)
    answers = hits(rng, level)
    shade = answers & (rng.random(len(answers)) > 0.1)  # the model, but a little worse
    equal = hits(rng, level, -0.1)
    assert shade.mean() > equal.mean()
    model, rivals = jackknife.means(answers), {"shade": shade, "equal": equal}
    rivals = {name: jackknife.means(answers) for name, answers in rivals.items()}
    alone = difference_to_best(jackknife, model, {"shade": rivals["shade"]}, SHARE)
    assert alone.verdict == "better"
    found = difference_to_best(jackknife, model, rivals, SHARE)
    assert (found.best, found.verdict) == ("shade", "cannot be told")


def test_lower_is_better_mirrors_the_sides():
    rng, jackknife, level = rows(3)
    model = jackknife.means(hits(rng, level))
    rivals = {name: jackknife.means(hits(rng, level, shift)) for name, shift in (("a", -0.4), ("b", -0.1))}
    higher = difference_to_best(jackknife, model, rivals, SHARE)
    turned = {name: 1 - figures for name, figures in rivals.items()}
    lower = difference_to_best(jackknife, 1 - model, turned, SHARE, "lower")
    assert (lower.best, lower.verdict) == (higher.best, higher.verdict)
    assert lower.difference.value == pytest.approx(-higher.difference.value)
    assert (lower.difference.low, lower.difference.high) == pytest.approx(
        (-higher.difference.high, -higher.difference.low)
    )


def test_of_equally_good_baselines_the_first_is_named():
    jackknife = Jackknife.of(range(4))
    model, rival = jackknife.means([1, 1, 0, 1]), jackknife.means([0, 1, 0, 0])
    rivals = {"z": rival, "a": rival + 1e-15}
    assert difference_to_best(jackknife, model, rivals, SHARE).best == "z"
    assert difference_to_best(jackknife, model, rivals, SHARE, "lower").best == "z"


def test_a_baseline_that_gives_the_same_answers_cannot_be_told_from_the_model():
    jackknife = Jackknife.of(range(30))
    for bounds in (SHARE, ERROR):
        figures = jackknife.means(np.arange(30) % 2)
        found = difference_to_best(jackknife, figures, {"same": figures}, bounds)
        assert (found.difference.value, found.verdict) == (0.0, "cannot be told")
        assert (found.difference.low is None) == (bounds is ERROR)


def test_no_baselines_are_refused():
    jackknife = Jackknife.of(range(4))
    with pytest.raises(MetricError, match="no baseline"):
        difference_to_best(jackknife, jackknife.means([1, 1, 0, 1]), {}, SHARE)
