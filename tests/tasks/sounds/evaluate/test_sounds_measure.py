import json
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from rushes.errors import MetricError, ShardError
from rushes.metrics.calibration import calibration
from rushes.metrics.intervals import wilson
from rushes.tasks.sounds.evaluate.compare import compare_macro_f1
from rushes.tasks.sounds.evaluate.figures import BINS
from rushes.tasks.sounds.evaluate.measure import evaluate as measure
from rushes.tasks.sounds.evaluate.names import FIGURES
from rushes.tasks.sounds.predict.table import logits_array, predicted, predictions_table, probabilities

LABELS = ("quiet", "breathe", "snore")
TRAIN = {"quiet": 54, "breathe": 36, "snore": 10}
WEIGHTS = (0.6, 0.9, 3.0)

evaluate = partial(
    measure,
    train_labels=TRAIN,
    labels=LABELS,
    class_weights=WEIGHTS,
    split="test",
    resamples=200,
    provenance={"weights": "w"},
)


def values(found):
    return {name: entry["value"] for name, entry in found.items()}


def test_every_figure_of_the_net_is_that_of_scikit_learn(predictions):
    table = predictions()
    found = values(evaluate(table)["systems"]["model"])
    truth, logits = table["label"].to_pylist(), logits_array(table, 3)
    said, sure = predicted(logits, LABELS), probabilities(logits)
    weights = [WEIGHTS[LABELS.index(label)] for label in truth]
    order = sorted(LABELS)  # as scikit-learn wants the columns
    columns = [LABELS.index(label) for label in order]
    assert tuple(found) == FIGURES
    assert found["f1_macro"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert found["loss"] == pytest.approx(
        log_loss(truth, sure[:, columns], sample_weight=weights, labels=order)
    )
    right = [one == other for one, other in zip(truth, said, strict=True)]
    assert found["ece"] == pytest.approx(calibration(sure.max(axis=1), right, BINS).ece)


def test_intervals_are_those_of_a_bootstrap_over_rows_of_wearers(predictions):
    table = predictions()
    found = evaluate(table)
    truth, groups = np.array(table["label"].to_pylist()), table["group"].to_pylist()
    said = np.array(predicted(logits_array(table, 3), LABELS))
    wearers = [np.flatnonzero(np.array(groups) == name) for name in np.unique(groups)]
    draws = np.random.default_rng(0).integers(8, size=(200, 8))
    drawn = [np.concatenate([wearers[number] for number in draw]) for draw in draws]
    macro = [
        f1_score(truth[rows], said[rows], labels=LABELS, average="macro", zero_division=0) for rows in drawn
    ]
    share = [(truth == said)[rows].mean() for rows in drawn]
    model = found["systems"]["model"]
    assert found["clusters"] == {"by": "group", "count": 8}
    for name, figures in (("f1_macro", macro), ("accuracy", share)):
        ends = np.quantile(figures, [0.025, 0.975])
        assert (model[name]["low"], model[name]["high"]) == pytest.approx(tuple(ends))


def test_majority_and_prior_are_what_guessing_gives(predictions):
    table = predictions()
    systems = evaluate(table)["systems"]
    truth = table["label"].to_pylist()
    support = np.array([truth.count(label) for label in LABELS])
    train = np.array([0.54, 0.36, 0.10])
    majority, prior = values(systems["majority"]), values(systems["prior"])
    assert majority["f1_macro"] == pytest.approx(f1_score(truth, ["quiet"] * len(truth), average="macro"))
    assert majority["accuracy"] == pytest.approx(support[0] / support.sum())
    assert "loss" not in majority
    assert prior["accuracy"] == pytest.approx(support @ train / support.sum())
    assert prior["balanced_accuracy"] == pytest.approx(1 / 3)
    weight = np.array(WEIGHTS) * support
    assert prior["loss"] == pytest.approx(weight @ -np.log(train) / weight.sum())
    assert prior["ece"] == pytest.approx(np.abs(train * (support / support.sum() - train)).sum())


def test_the_difference_to_the_best_baseline_is_paired(predictions):
    table = predictions()
    found = evaluate(table)
    best = found["best"]["f1_macro"]
    systems = found["systems"]
    assert best["best"] == "prior"
    assert best["difference"] == pytest.approx(
        systems["model"]["f1_macro"]["value"] - systems["prior"]["f1_macro"]["value"]
    )
    assert best["above"]
    assert found["best"]["loss"]["lower_is_better"]
    assert found["best"]["loss"]["high"] < 0
    assert found["best"]["loss"]["above"]
    assert found["remarks"] == []


def test_confusion_classes_and_groups_fit_together(predictions):
    found = evaluate(predictions())
    matrix = np.array(found["confusion"])
    assert matrix.sum() == found["n"] == 320
    for place, label in enumerate(LABELS):
        part = found["per_class"][label]
        assert part["support"] == matrix[place].sum()
        assert part["recall"]["value"] == pytest.approx(matrix[place, place] / matrix[place].sum())
        assert part["precision"]["value"] == pytest.approx(matrix[place, place] / matrix[:, place].sum())
        assert part["f1"]["low"] < part["f1"]["value"] < part["f1"]["high"]
    groups = found["by_group"]
    assert sum(group["n"] for group in groups.values()) == 320
    for label in LABELS:
        total = sum(group["support"][label] for group in groups.values())
        assert total == found["per_class"][label]["support"]
    worst = min(groups.values(), key=lambda group: group["f1_macro"]["value"])
    assert groups[found["worst_group"]] == worst


def test_a_wearer_who_never_snores_loses_nothing_by_it(labels):
    truth = ["quiet", "breathe"] * 10
    logits = np.float32([[5, 0, 0] if label == "quiet" else [0, 5, 0] for label in truth])
    table = predictions_table([f"k{n:02d}" for n in range(20)], ["w"] * 20, truth, logits)
    found = evaluate(table)
    assert found["by_group"]["w"]["f1_macro"]["value"] == 1.0
    assert found["by_group"]["w"]["f1_macro"]["low"] < 1.0
    assert found["systems"]["model"]["f1_macro"]["value"] == pytest.approx(2 / 3)
    assert found["systems"]["model"]["balanced_accuracy"]["value"] == 1.0
    assert "snore: no clip on this side; it counts as 0 in macro figures" in found["remarks"]
    assert any(remark.startswith("only 1 group") for remark in found["remarks"])


def test_a_collapsed_net_is_named_and_falls_below_the_prior(predictions):
    found = evaluate(predictions(always=0))
    assert found["collapsed"] == "quiet"
    assert found["remarks"][0] == "collapsed: every clip is answered with quiet"
    assert found["systems"]["model"]["f1_macro"] == found["systems"]["majority"]["f1_macro"]
    assert any("macro-F1: the net" in line and "is worse than" in line for line in found["remarks"])
    equal = [
        line.split(":")[0] for line in found["remarks"] if "equals the trivial baseline majority" in line
    ]
    assert equal == ["balanced accuracy", "accuracy"]
    assert "breathe: none of its" in " ".join(found["remarks"])


def test_a_net_without_skill_cannot_be_told_from_guessing(predictions):
    found = evaluate(predictions(skill=-0.7))
    remark = next(line for line in found["remarks"] if line.startswith("macro-F1"))
    assert "hardly" in remark or "is worse than" in remark
    assert not found["best"]["f1_macro"]["above"]


def test_few_wearers_are_resampled_by_clip_and_said_so(predictions):
    found = evaluate(predictions(wearers=3))
    assert found["clusters"] == {"by": "clip", "count": 120}
    assert any(line.startswith("only 3 groups: intervals resample clips") for line in found["remarks"])


def test_small_groups_have_no_figures_of_their_own(predictions):
    found = evaluate(predictions(clips=5))
    assert found["by_group"] == {}
    assert found["worst_group"] is None


def test_the_order_of_rows_and_the_form_of_the_training_labels_change_nothing(predictions):
    table = predictions()
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    listed = [label for label, count in TRAIN.items() for _ in range(count)]
    texts = [
        json.dumps(each, sort_keys=True, allow_nan=False)
        for each in (evaluate(table), evaluate(shuffled), evaluate(table, train_labels=listed))
    ]
    assert texts[0] == texts[1] == texts[2]


def test_a_class_without_training_clips_leaves_the_prior_without_loss(predictions):
    found = evaluate(predictions(), train_labels={"quiet": 5, "breathe": 5})
    assert "loss" not in found["systems"]["prior"]
    assert "loss" not in found["best"]
    assert any(line.startswith("snore: no clip on the training side") for line in found["remarks"])


def test_one_clip_has_figures_without_ends():
    table = predictions_table(["k"], ["w"], ["snore"], np.float32([[0, 0, 3]]))
    model = evaluate(table)["systems"]["model"]
    assert model["accuracy"] == {"value": 1.0, "low": None, "high": None, "n": 1}


def test_student_and_teacher_are_paired(predictions):
    student, teacher = predictions(skill=1.0), predictions(skill=3.0, seed=1)
    found = evaluate(student, teacher=teacher)
    off = found["distillation"]["differences"]["f1_macro"]
    alone = evaluate(teacher)["systems"]["model"]
    assert found["systems"]["teacher"] == alone
    assert off["high"] < 0
    compared, units = compare_macro_f1(student, teacher, LABELS, resamples=200)
    assert compared.value == off["value"]
    assert compared.low < off["value"] < compared.high < 0
    assert (units.by, units.count) == ("group", 8)
    same = [
        one == other
        for one, other in zip(
            *(predicted(logits_array(side, 3), LABELS) for side in (student, teacher)), strict=True
        )
    ]
    assert found["distillation"]["agreement"] == pytest.approx(np.mean(same))


def test_nets_asked_about_other_clips_are_not_compared(predictions):
    table = predictions()
    with pytest.raises(MetricError, match="cannot be paired: 1 differ"):
        evaluate(table, teacher=table.slice(1))
    other = table.set_column(2, "label", pa.array(["snore"] * len(table)))
    with pytest.raises(MetricError, match="cannot be paired"):
        compare_macro_f1(table, other, LABELS, resamples=100)


def test_what_cannot_be_measured_is_refused(predictions):
    table = predictions()
    with pytest.raises(MetricError, match="nothing to evaluate"):
        evaluate(table.slice(0, 0))
    with pytest.raises(MetricError, match="answered twice"):
        evaluate(pa.concat_tables([table, table.slice(3, 1)]))
    with pytest.raises(MetricError, match="unknown label"):
        evaluate(table, labels=("quiet", "breathe", "snort"))
    with pytest.raises(ShardError, match="3 logits for 4 classes"):
        evaluate(table, labels=(*LABELS, "talk"), class_weights=None)
    with pytest.raises(MetricError, match="as many weights"):
        evaluate(table, class_weights=(1.0, 2.0))
    with pytest.raises(MetricError, match="training side holds no clip"):
        evaluate(table, train_labels={})


def test_a_net_that_is_always_right_is_as_sure_as_its_wearers_are_many(predictions):
    model = evaluate(predictions(skill=60.0))["systems"]["model"]
    sure = wilson(8, 8)
    for name in ("accuracy", "f1_macro", "balanced_accuracy"):
        assert model[name] == {"value": 1.0, "low": sure.low, "high": sure.high, "n": 320}
