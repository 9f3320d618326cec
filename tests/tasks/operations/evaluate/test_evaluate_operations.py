from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from plain_metrics import allowed_share, distance_of_transitions, recall_of_moments

from rushes.errors import MetricError
from rushes.evaluate.scorecard import read_scorecard
from rushes.metrics.calibration import calibration
from rushes.metrics.confusion import confusion_matrix, confusion_scores
from rushes.metrics.estimate import wilson
from rushes.metrics.jackknife import Jackknife
from rushes.metrics.temporal import tiou
from rushes.tasks.operations.evaluate.answers import read_answers
from rushes.tasks.operations.evaluate.baselines import order_of_work
from rushes.tasks.operations.evaluate.figures import Scored, calibration_errors
from rushes.tasks.operations.evaluate.measure import operation_ids

LABELS = ("Pick", "Tape", "Press", "Label")


@pytest.fixture(scope="module")
def perfect(world, right):
    return world.evaluate(world.table(model=right))


def value(card, figure, system="model", part=None):
    return (part or card.all).estimates[system][figure].value


def scores(clips, answers):
    """Of all clips, the class of unreadable answers last."""
    return confusion_scores(
        confusion_matrix(clips.operation.tolist(), answers.operation, LABELS, missing="no answer")
    )


def boundary_rows(table):
    return table.filter(pc.not_equal(table["kind"], "window"))


def test_truth_as_answer_is_perfect_and_above_every_baseline(perfect):
    for figure in ("oca", "tiou_30", "tiou_50", "tiou_70", "tiou_mean", "aa_1", "macro_f1", "allowed"):
        assert value(perfect, figure) == pytest.approx(1.0, abs=1e-6)
    assert value(perfect, "boundary_error_s") == pytest.approx(0.0, abs=1e-6)
    assert value(perfect, "transition_distance") == value(perfect, "failure_rate") == 0.0
    assert perfect.figures["transition_distance"].bounds == (0.0, 8**0.5)  # four operations
    better = {figure for figure, one in perfect.all.standings.items() if one.verdict == "better"}
    assert {"oca", "tiou_50", "tiou_70", "tiou_mean", "aa_1", "macro_f1", "boundary_error_s"} <= better
    told = [remark for remark in perfect.remarks if "cannot be told from" in remark or "worse than" in remark]
    assert len(told) == len(perfect.all.standings) - len(better)
    assert perfect.details["confused_pairs"]["pairs"] == []


def test_the_scorecard_survives_its_file_with_its_order(perfect, tmp_path):
    perfect.write(tmp_path / "card.json")
    found = read_scorecard(tmp_path / "card.json")
    assert found == perfect
    assert list(found.systems) == list(perfect.systems)
    assert list(found.figures) == list(perfect.figures)


def test_every_figure_has_a_meaning_an_interval_and_clusters(perfect):
    assert all(figure.meaning and "(s)" not in figure.title for figure in perfect.figures.values())
    for part in perfect.parts:
        for name, figures in part.estimates.items():
            for figure, found in figures.items():
                bounded = None not in perfect.figures[figure].bounds
                assert found.low is not None or not bounded, (part.kind, name, figure)
                assert found.clusters <= found.n
    assert perfect.all.estimates["model"]["oca"].low < 1.0, "agreement is not certainty"


def test_each_baseline_answers_its_part_only(perfect):
    systems = perfect.all.estimates
    assert {"majority", "whole_clip", "constant_template", "constant_asked", "grammar_prior"} <= set(systems)
    assert "tiou_50" not in systems["majority"]
    assert "oca" not in systems["whole_clip"]
    assert set(systems["grammar_prior"]) == {"aa_1"}


def test_a_constant_that_knows_the_question_is_the_segment_to_beat(perfect):
    better = value(perfect, "tiou_50", "constant_asked")
    assert better > value(perfect, "tiou_50", "constant_template")
    assert better > value(perfect, "tiou_50", "whole_clip")
    assert perfect.all.standings["tiou_50"].rival == "constant_asked"


def test_the_grammar_prior_follows_the_models_own_operation(world, right):
    wrong = world.evaluate(world.table(model=lambda true, rng: true | {"operation": "Label"}))
    seen = world.evaluate(world.table(model=right))
    assert value(wrong, "aa_1", "grammar_prior") < value(seen, "aa_1", "grammar_prior")
    ceiling = value(wrong, "aa_1", "grammar_prior_true")
    assert ceiling == value(seen, "aa_1", "grammar_prior_true")


def test_a_role_says_what_a_system_saw(world, right, noisy):
    card = world.evaluate(world.table(model=right, untrained=noisy(0.3), no_vision=noisy(0.3)))
    trivial = ("majority", "whole_clip", "constant_template", "constant_asked")
    assert card.with_role("baseline") == trivial
    assert card.with_role("ablation") == ("smoothed", "untrained", "no_vision", "grammar_prior")
    assert card.with_role("ceiling") == ("grammar_prior_true",)
    assert {one.rival for part in card.parts for one in part.standings.values()} <= {*trivial}


def test_a_model_below_a_baseline_is_said_to_be_so(world):
    whole = world.evaluate(
        world.table(model=lambda true, rng: true | {"operation": None, "start_s": 0.0, "end_s": 5.0})
    )
    assert whole.all.standings["tiou_50"].verdict == "worse"
    said = "\n".join(whole.remarks)
    assert re.search(r"tIoU@0\.5 0\.\d{3}: worse than constant_asked", said)
    assert "OCA 0.000: worse than majority" in said


def test_the_model_is_held_against_every_other_system_by_the_headline(world, noisy):
    card = world.evaluate(world.table(model=noisy(0.9), shuffled=noisy(0.9)))
    found = card.all.against["oca"]["shuffled"]
    assert (found.difference.value, found.verdict) == (0.0, "cannot be told")
    assert set(card.all.against) == set(card.headline)
    assert "grammar_prior_true" in card.all.against["aa_1"]


def test_differences_are_paired(world, noisy, right):
    card = world.evaluate(world.table(model=right, untrained=noisy(0.3)))
    found = card.all.against["oca"]["untrained"]
    assert found.difference.value == pytest.approx(1.0 - value(card, "oca", "untrained"))
    assert found.difference.low < found.difference.value < found.difference.high
    assert found.verdict == "better"


def test_unreadable_answers_stay_in_every_denominator(world):
    def every_third(true, rng):
        return true | ({"failure": "no JSON", "operation": "Pick"} if rng.random() < 1 / 3 else {})

    table = world.table(model=every_third)
    rows = boundary_rows(table)
    share = pc.count(rows["failure"]).as_py() / len(rows)
    card = world.evaluate(table)
    assert 0.2 < share < 0.5
    assert value(card, "failure_rate") == pytest.approx(share)
    for figure in ("oca", "tiou_50", "aa_1", "allowed"):
        assert value(card, figure) == pytest.approx(1 - share)
        assert card.all.estimates["model"][figure].n == len(rows)
    readable = len(rows) - pc.count(rows["failure"]).as_py()
    assert card.details["calibration"]["n"] == card.all.estimates["model"]["ece"].n == readable
    column = [row[-1] for row in card.details["confusion"]["counts"]]
    assert sum(column) == pc.count(rows["failure"]).as_py()


def test_the_first_clips_by_key_are_a_part(world, right):
    expected = sorted(boundary_rows(world.table(model=right))["key"].to_pylist())[:7]
    table = world.table(
        model=lambda true, rng: true if true["key"] in expected else true | {"operation": None}
    )
    card = world.evaluate(table, first_clips=7)
    [first] = card.of_kind("subset")
    assert card.details["first_clips"] == expected
    assert (first.name, first.n) == ("first 7", 7)
    assert value(card, "oca", part=first) == 1.0
    assert value(card, "oca") == pytest.approx(7 / card.all.n)


def test_the_order_of_rows_changes_nothing(world, noisy):
    table = world.table(model=noisy(0.7), untrained=noisy(0.2))
    order = np.random.default_rng(0).permutation(len(table))
    assert world.evaluate(table) == world.evaluate(table.take(order))


def test_an_edge_of_the_clip_is_no_boundary_for_want_of_a_digit(world, right):
    table = world.table(model=right)
    ends = [5.0 - 1e-12 if end == 5.0 else end for end in table["truth_end_s"].to_pylist()]
    place = table.column_names.index("truth_end_s")
    torn = table.set_column(place, "truth_end_s", pa.array(ends, pa.float64()))
    exact, close = world.evaluate(table), world.evaluate(torn)
    for system in ("whole_clip", "constant_asked"):
        edges = "boundary_error_s"
        assert value(close, edges, system) == pytest.approx(value(exact, edges, system))
    assert any(end != 5.0 and end > 4.99 for end in ends)


def test_files_of_one_label_are_measured_but_for_what_comes_next(one_label_a_file, right, noisy):
    card = one_label_a_file.evaluate(one_label_a_file.table(model=right, untrained=noisy(0.3)))
    model = card.all.estimates["model"]
    assert (card.all.n, model["oca"].value, model["tiou_50"].value) == (20, 1.0, 1.0)
    assert card.all.estimates["whole_clip"]["tiou_mean"].value < 1.0
    assert not {"aa_1", "transition_distance"} & model.keys()


def test_what_comes_next_is_measured_where_somebody_knows_it(world, one_label_a_file, right):
    mixed = replace(
        world,
        recordings=world.recordings + one_label_a_file.recordings,
        clips=world.clips + one_label_a_file.clips,
    )
    alone, both = (one.evaluate(one.table(model=right)).all for one in (world, mixed))
    assert both.n == alone.n + 20
    assert both.estimates["model"]["aa_1"].n == alone.estimates["model"]["aa_1"].n == alone.n
    assert both.estimates["model"]["aa_1"].value == 1.0
    distances = [part.estimates["model"]["transition_distance"].value for part in (alone, both)]
    assert distances[0] == distances[1]


def test_classes_and_subjects_split_the_clips(world, noisy):
    table = world.table(model=noisy(0.6))
    card = world.evaluate(table)
    classes = card.of_kind("class")
    assert sum(part.n for part in classes) == card.all.n
    weighted = sum(part.n * value(card, "oca", part=part) for part in classes)
    assert weighted / card.all.n == pytest.approx(value(card, "oca"))
    assert [part.name for part in card.of_kind("group")] == ["U0108"]
    assert sorted(value(card, "oca", "majority", part) for part in classes) == [0.0, 0.0, 0.0, 1.0]


def test_precision_and_f1_of_a_class_are_those_of_all_clips(world, noisy):
    table = world.table(model=noisy(0.6))
    clips, answers = read_answers(table)
    rated = scores(clips, answers["model"])
    for part in world.evaluate(table).of_kind("class"):
        place, found = LABELS.index(part.name), part.estimates["model"]
        assert found["precision"].value == rated.precision[place]
        assert found["f1"].value == rated.f1[place]
        named = sum(name == part.name for name in answers["model"].operation)
        assert found["f1"].n == part.n + named - round(part.n * rated.recall[place])


def test_what_is_not_known_is_said(world, six_people, right):
    assert any("only 1 person" in remark for remark in world.evaluate(world.table(model=right)).remarks)
    table = six_people.table(model=right)
    assert not any("person" in remark for remark in six_people.evaluate(table).remarks)
    place = table.column_names.index("group")
    card = six_people.evaluate(table.set_column(place, "group", table["recording"]))
    assert any("persons are not known" in remark for remark in card.remarks)
    assert card.all.clusters.by == "session"


def test_operations_that_no_clip_asks_about_are_named(world, right):
    clips = boundary_rows(world.table(model=right))
    card = world.evaluate(clips, labels=(*LABELS, "Fold", "Seal"))
    assert any("asks about Fold, Seal" in remark for remark in card.remarks)
    assert {part.name for part in card.of_kind("class")} == set(LABELS)


def test_confused_pairs_are_ordered_and_resample_operations(world):
    def tape_for_press(true, rng):
        return true | ({"operation": "Press"} if true["operation"] == "Tape" else {})

    table = world.table(model=tape_for_press, untrained=tape_for_press)
    card = world.evaluate(table)
    [pair] = card.details["confused_pairs"]["pairs"]
    assert (pair["truth"], pair["predicted"], pair["rate"]["value"]) == ("Tape", "Press", 1.0)
    taped = [segment for segment in world.recordings[-1]["segments"] if segment[2] == "Tape"]
    assert pair["operations"] <= len(taped)
    assert pair["count"] > pair["operations"], "several clips ask about one operation"
    assert pair["less_untrained"]["value"] == 0.0
    assert 0.0 < pair["rate"]["low"] < wilson(pair["count"], pair["count"]).low, "operations count, not clips"


def test_clips_of_one_operation_share_a_number(world, right):
    clips, _ = read_answers(world.table(model=right))
    found = operation_ids(clips, world.recordings)
    starts = np.round(clips.clip_start_s + clips.segment[:, 0], 3)
    inside = clips.segment[:, 0] > 0
    for number in np.unique(found):
        assert len(np.unique(starts[inside & (found == number)])) <= 1
    with pytest.raises(MetricError, match=r"recordings\.json does not hold"):
        operation_ids(clips, world.recordings[:1])


def test_figures_agree_with_the_metrics(world, noisy):
    def sometimes_mute(true, rng):
        return noisy(0.5)(true, rng) | ({"operation": None} if rng.random() < 0.3 else {})

    table = world.table(model=sometimes_mute)
    clips, answers = read_answers(table)
    model, card = answers["model"], world.evaluate(table)
    train = [row for row in world.recordings if row["split"] == "train"]
    grammar = order_of_work([[segment[2] for segment in row["segments"]] for row in train], LABELS)
    pairs = list(zip(model.operation, model.next, strict=True))
    true = list(zip(clips.operation.tolist(), clips.next.tolist(), strict=True))
    assert value(card, "allowed") == allowed_share(grammar, pairs)
    assert 0 < value(card, "allowed") < 1
    assert value(card, "transition_distance") == distance_of_transitions(LABELS, true, pairs)
    recall = recall_of_moments(clips.segment, model.segment)
    assert [value(card, f"tiou_{percent}") for percent in (30, 50, 70)] == list(recall.values())
    assert value(card, "tiou_mean") == tiou(clips.segment, model.segment).mean()
    rated = scores(clips, model)
    assert value(card, "macro_f1") == rated.f1[rated.support > 0].mean()


def test_half_an_overlap_is_a_hit_whatever_rounding_makes_of_it(world, right):
    clips, answers = read_answers(world.table(model=right))
    one = replace(clips, **{field: getattr(clips, field)[:1] for field in clips.__slots__})
    one = replace(one, segment=np.array([[0.0, 0.1]]))
    said = replace(answers["model"], operation=None, next=None, confidence=None, failed=None)
    scored = Scored.of(one, replace(said, segment=[(0.0, 0.2)]), order_of_work([LABELS], LABELS), 5.0)
    assert scored.scores["tiou_mean"][0] < 0.5
    assert scored.scores["tiou_50"].tolist() == [True]


def test_the_calibration_error_is_the_metric_with_and_without_each_cluster():
    rng = np.random.default_rng(3)
    for _ in range(20):
        confidence = np.round(rng.random(40), 1)
        correct, ids = rng.random(40) < confidence, rng.integers(0, 5, 40)
        whole, *left = calibration_errors(confidence, correct, Jackknife.of(ids))
        assert whole == pytest.approx(calibration(confidence, correct).ece)
        for number, found in zip(np.unique(ids), left, strict=True):
            kept = ids != number
            assert found == pytest.approx(calibration(confidence[kept], correct[kept]).ece)


def test_without_clips_there_is_an_error_and_no_figure(world, right):
    table = world.table(model=right)
    with pytest.raises(MetricError, match="nothing to evaluate"):
        world.evaluate(table.filter(pc.equal(table["kind"], "window")))
    with pytest.raises(MetricError, match="nothing to evaluate"):
        world.evaluate(world.table(untrained=right))
    with pytest.raises(MetricError, match="training split holds no clip"):
        world.evaluate(table, train=[])


def test_answers_that_do_not_pair_up_are_refused(world, right):
    table = boundary_rows(world.table(model=right, untrained=right))
    with pytest.raises(MetricError, match="variant 'untrained' answers"):
        world.evaluate(table.slice(0, len(table) - 1))
    with pytest.raises(MetricError, match="variant 'untrained' answers a clip twice"):
        world.evaluate(pa.concat_tables([table, table.slice(len(table) - 1)]))


def test_an_unknown_label_is_named(world):
    with pytest.raises(MetricError, match="unknown label 'Taping'"):
        world.evaluate(world.table(model=lambda true, rng: true | {"operation": "Taping"}))


def test_provenance_is_copied(perfect):
    assert perfect.provenance == {"weights": "0123456789ab"}
    assert (perfect.task, perfect.split) == ("operations", "test")
