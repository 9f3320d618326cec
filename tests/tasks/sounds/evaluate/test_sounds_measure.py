from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from rushes.errors import MetricError, ShardError
from rushes.metrics.calibration import calibration
from rushes.metrics.estimate import SHARE
from rushes.metrics.jackknife import Jackknife
from rushes.tasks.sounds.evaluate.figures import BINS
from rushes.tasks.sounds.evaluate.measure import compare_macro_f1
from rushes.tasks.sounds.evaluate.measure import evaluate as measure
from rushes.tasks.sounds.evaluate.names import COMPARED
from rushes.tasks.sounds.predict.table import log_probabilities, logits_array, predictions_table

LABELS = ("quiet", "breathe", "snore")
TRAIN = {"quiet": 54, "breathe": 36, "snore": 10}
WEIGHTS = (0.6, 0.9, 3.0)

evaluate = partial(
    measure,
    train_labels=TRAIN,
    labels=LABELS,
    class_weights=WEIGHTS,
    split="test",
    provenance={"weights": "w"},
)


def values(card, system="model"):
    return {name: found.value for name, found in card.all.estimates[system].items()}


def answered(logits):
    return [LABELS[place] for place in logits.argmax(axis=1)]


def parts(card, kind):
    return {part.name: part for part in card.of_kind(kind)}


def test_every_figure_of_the_net_is_that_of_scikit_learn(predictions):
    table = predictions()
    found = values(evaluate(table))
    truth, logits = table["label"].to_pylist(), logits_array(table, 3)
    said, sure = answered(logits), np.exp(log_probabilities(logits))
    weights = [WEIGHTS[LABELS.index(label)] for label in truth]
    order = sorted(LABELS)  # as scikit-learn wants the columns
    columns = [LABELS.index(label) for label in order]
    assert {*COMPARED, "precision_macro", "recall_macro", "ece"} == found.keys()
    assert found["f1_macro"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert found["loss"] == pytest.approx(
        log_loss(truth, sure[:, columns], sample_weight=weights, labels=order)
    )
    right = [one == other for one, other in zip(truth, said, strict=True)]
    assert found["ece"] == pytest.approx(calibration(sure.max(axis=1), right, BINS).ece)


def test_intervals_leave_out_wearers(predictions):
    table = predictions()
    card = evaluate(table)
    truth, jackknife = np.array(table["label"].to_pylist()), Jackknife.of(table["group"].to_pylist())
    said = np.array(answered(logits_array(table, 3)))
    macro = jackknife.statistic(
        lambda rows: f1_score(truth[rows], said[rows], labels=LABELS, average="macro", zero_division=0)
    )
    model, whole = card.all.estimates["model"], card.all
    assert (whole.clusters.by, whole.clusters.count) == ("group", 8)
    for figure, values in (("f1_macro", macro), ("accuracy", jackknife.means(truth == said))):
        found, expected = model[figure], jackknife.estimate(values, SHARE)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_majority_and_prior_are_what_guessing_gives(predictions):
    table = predictions()
    card = evaluate(table)
    truth = table["label"].to_pylist()
    support = np.array([truth.count(label) for label in LABELS])
    train = np.array([0.54, 0.36, 0.10])
    majority, prior = values(card, "majority"), values(card, "prior")
    assert majority["f1_macro"] == pytest.approx(f1_score(truth, ["quiet"] * len(truth), average="macro"))
    assert majority["accuracy"] == pytest.approx(support[0] / support.sum())
    assert "loss" not in majority
    assert prior["accuracy"] == pytest.approx(support @ train / support.sum())
    assert prior["balanced_accuracy"] == pytest.approx(1 / 3)
    weight = np.array(WEIGHTS) * support
    assert prior["loss"] == pytest.approx(weight @ -np.log(train) / weight.sum())
    assert prior["ece"] == pytest.approx(np.abs(train * (support / support.sum() - train)).sum())


def test_the_model_stands_to_the_best_baseline_on_the_same_clips(predictions):
    card = evaluate(predictions())
    found = card.all.standings
    assert tuple(found) == COMPARED
    macro = found["f1_macro"]
    assert macro.rival == "prior"
    assert macro.difference.value == pytest.approx(
        values(card)["f1_macro"] - values(card, "prior")["f1_macro"]
    )
    assert {standing.verdict for standing in found.values()} == {"better"}
    assert found["loss"].difference.high < 0
    assert found["loss"].rival == "prior"
    assert card.remarks == ()


def test_confusion_classes_and_groups_fit_together(predictions):
    card = evaluate(predictions())
    matrix = np.array(card.details["confusion"])
    assert matrix.sum() == card.all.n == 320
    classes, groups = parts(card, "class"), parts(card, "group")
    for place, label in enumerate(LABELS):
        model = classes[label].estimates["model"]
        assert classes[label].n == model["recall"].n == matrix[place].sum()
        assert model["precision"].n == matrix[:, place].sum()
        assert model["recall"].value == pytest.approx(matrix[place, place] / matrix[place].sum())
        assert model["precision"].value == pytest.approx(matrix[place, place] / matrix[:, place].sum())
        assert model["f1"].low < model["f1"].value < model["f1"].high
        support = card.details["support_by_group"].values()
        assert sum(of[label] for of in support) == classes[label].n
    assert classes["quiet"].estimates["majority"]["recall"].value == 1.0
    assert "precision" not in classes["snore"].estimates["majority"]
    assert sum(part.n for part in groups.values()) == 320
    macro = [part.estimates["model"]["f1_macro"].value for part in groups.values()]
    assert macro == sorted(macro)


def test_a_wearer_who_never_snores_loses_nothing_by_it():
    truth = ["quiet", "breathe"] * 10
    logits = np.float32([[5, 0, 0] if label == "quiet" else [0, 5, 0] for label in truth])
    table = predictions_table([f"k{n:02d}" for n in range(20)], ["w"] * 20, truth, logits)
    card = evaluate(table)
    wearer = parts(card, "group")["w"].estimates["model"]
    assert wearer["f1_macro"].value == 1.0
    assert wearer["f1_macro"].low < 1.0
    assert values(card)["f1_macro"] == pytest.approx(2 / 3)
    assert values(card)["balanced_accuracy"] == 1.0
    assert set(parts(card, "class")) == {"quiet", "breathe"}
    assert "no clip of snore on this side: a class without clips is 0 in macro figures" in card.remarks
    assert any(remark.startswith("only 1 group") for remark in card.remarks)


def test_a_collapsed_net_is_named_and_falls_below_the_prior(predictions):
    card = evaluate(predictions(always=0))
    assert card.details["collapsed"] == "quiet"
    assert "collapsed: every clip is answered with quiet" in card.remarks
    assert values(card)["f1_macro"] == values(card, "majority")["f1_macro"]
    verdicts = {name: (found.rival, found.verdict) for name, found in card.all.standings.items()}
    assert verdicts["f1_macro"] == ("prior", "worse")
    for figure in ("balanced_accuracy", "accuracy"):
        assert verdicts[figure] == ("majority", "cannot be told")
        assert card.all.standings[figure].difference.value == 0.0
    assert "not one clip was recognised of breathe (127), snore (28)" in card.remarks


def test_a_net_without_skill_cannot_be_told_from_guessing(predictions):
    card = evaluate(predictions(skill=-0.7))
    assert card.all.standings["f1_macro"].verdict != "better"
    assert next(line for line in card.remarks if line.startswith("macro-F1"))


def test_few_wearers_are_told_apart_by_clip_and_said_so(predictions):
    card = evaluate(predictions(wearers=3))
    assert (card.all.clusters.by, card.all.clusters.count) == ("clip", 120)
    assert any(line.startswith("only 3 groups: intervals rest on clips") for line in card.remarks)


def of_groups(table, name):
    return table.set_column(1, "group", pa.array([name(group) for group in table["group"].to_pylist()]))


def test_clips_of_which_nobody_said_whose_they_are_are_clusters_of_their_own(predictions):
    table = predictions()
    card = evaluate(of_groups(table, lambda group: ""))
    assert (card.all.clusters.by, card.all.clusters.count) == ("clip", 320)
    assert parts(card, "group") == {}
    assert card.remarks[0].startswith("nobody said who is in the 320 sounds: ")
    assert (card.details["groups"], card.details["of_no_group"]) == (0, 320)
    assert not any("nobody said" in line for line in evaluate(table).remarks)


def test_where_some_groups_are_known_the_others_are_clips(predictions):
    table = predictions()
    known = sorted(set(table["group"].to_pylist()))[:2]
    card = evaluate(of_groups(table, lambda group: group if group in known else ""))
    clips = sum(group in known for group in table["group"].to_pylist())
    assert (card.all.clusters.by, card.all.clusters.count) == ("group", 320 - clips + 2)
    assert set(parts(card, "group")) == set(known)
    assert card.remarks[0].startswith(f"nobody said who is in {320 - clips} of the 320 sounds: ")


def test_what_the_caller_knows_besides_is_remarked_too(predictions):
    said = "of 3 of 320 sounds only the first 5 s are heard"
    assert evaluate(predictions(), remarks=[said]).remarks[-1] == said


def test_small_groups_have_no_figures_of_their_own(predictions):
    assert parts(evaluate(predictions(clips=5)), "group") == {}


def test_the_order_of_rows_and_the_form_of_the_training_labels_change_nothing(predictions):
    table = predictions()
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    listed = [label for label, count in TRAIN.items() for _ in range(count)]
    texts = [
        each.model_dump_json()
        for each in (evaluate(table), evaluate(shuffled), evaluate(table, train_labels=listed))
    ]
    assert texts[0] == texts[1] == texts[2]


def test_a_class_without_training_clips_leaves_the_prior_without_loss(predictions):
    card = evaluate(predictions(), train_labels={"quiet": 5, "breathe": 5})
    assert "loss" not in values(card, "prior")
    assert "loss" not in card.all.standings
    assert any(line.startswith("no clip of snore on the training side") for line in card.remarks)


def test_one_clip_tells_nothing_of_spread():
    table = predictions_table(["k"], ["w"], ["snore"], np.float32([[0, 0, 3]]))
    model = evaluate(table).all.estimates["model"]
    assert model["accuracy"].model_dump() == {"value": 1.0, "low": 0.0, "high": 1.0, "n": 1, "clusters": 1}
    assert model["loss"].low is model["loss"].high is None


def test_student_and_teacher_are_paired(predictions):
    student, teacher = predictions(skill=1.0), predictions(skill=3.0, seed=1)
    card = evaluate(student, teacher=teacher)
    assert card.systems["teacher"].role == "reference"
    assert "teacher" not in {standing.rival for standing in card.all.standings.values()}
    assert tuple(card.all.against) == COMPARED
    assert card.all.estimates["teacher"] == evaluate(teacher).all.estimates["model"]
    beside = card.all.against["f1_macro"]["teacher"]
    assert beside.verdict == "worse"
    off = beside.difference
    compared = compare_macro_f1(student, teacher, LABELS)
    assert (compared.value, compared.low, compared.high) == (off.value, off.low, off.high)
    assert compared.clusters == 8
    ours, theirs = (logits_array(side, 3).argmax(axis=1) for side in (student, teacher))
    assert card.details["agreement"] == pytest.approx(np.mean(ours == theirs))


def test_nets_asked_about_other_clips_are_not_compared(predictions):
    table = predictions()
    with pytest.raises(MetricError, match="cannot be paired: 1 differ"):
        evaluate(table, teacher=table.slice(1))
    other = table.set_column(2, "label", pa.array(["snore"] * len(table)))
    with pytest.raises(MetricError, match="cannot be paired"):
        compare_macro_f1(table, other, LABELS)


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
    model = evaluate(predictions(skill=60.0)).all.estimates["model"]
    for name in ("accuracy", "f1_macro", "balanced_accuracy"):
        assert (model[name].value, model[name].high, model[name].n) == (1.0, 1.0, 320)
        assert model[name].low == pytest.approx(0.025 ** (1 / 8))
