from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from rushes.errors import MetricError
from rushes.metrics.calibration import calibration
from rushes.metrics.grammar import grammar_score
from rushes.metrics.intervals import wilson
from rushes.tasks.operations.evaluate.answers import read_answers
from rushes.tasks.operations.evaluate.baselines import order_of_work
from rushes.tasks.operations.evaluate.figures import clip_scores, expected_error
from rushes.tasks.operations.evaluate.measure import operation_ids


@pytest.fixture(scope="module")
def perfect(world, right):
    return world.evaluate(world.table(model=right))


def value(metrics, figure, system="model", part="all"):
    return metrics[part]["systems"][system][figure]["value"]


def boundary_rows(table):
    return table.filter(pc.not_equal(table["kind"], "window"))


def test_truth_as_answer_is_perfect_and_above_every_baseline(perfect):
    for figure in ("oca", "tiou_30", "tiou_50", "tiou_70", "tiou_mean", "aa_1", "macro_f1", "allowed"):
        assert value(perfect, figure) == pytest.approx(1.0, abs=1e-6)
    assert value(perfect, "boundary_error_s") == pytest.approx(0.0, abs=1e-6)
    assert value(perfect, "transition_distance") == value(perfect, "failure_rate") == 0.0
    above = {figure for figure, best in perfect["all"]["best"].items() if best["above"]}
    assert {"oca", "tiou_50", "tiou_70", "tiou_mean", "aa_1", "boundary_error_s"} <= above
    assert len(perfect["all"]["remarks"]) == len(perfect["all"]["best"]) - len(above)
    assert perfect["confused_pairs"]["pairs"] == []


def test_the_result_is_json_without_nan(perfect):
    assert json.loads(json.dumps(perfect, allow_nan=False)) == perfect


def test_every_figure_carries_interval_and_n(perfect):
    for name, figures in perfect["all"]["systems"].items():
        for figure, entry in figures.items():
            assert set(entry) == {"value", "low", "high", "n"}, (name, figure)
            if figure != "transition_distance":
                assert entry["low"] <= entry["high"]
    assert perfect["all"]["systems"]["model"]["oca"]["low"] < 1.0, "agreement is not certainty"


def test_each_baseline_answers_its_part_only(perfect):
    systems = perfect["all"]["systems"]
    assert {"majority", "whole_clip", "constant_template", "constant_asked", "grammar_prior"} <= set(systems)
    assert "tiou_50" not in systems["majority"]
    assert "oca" not in systems["whole_clip"]
    assert set(systems["grammar_prior"]) == {"aa_1"}


def test_a_constant_that_knows_the_question_is_the_segment_to_beat(perfect):
    better = value(perfect, "tiou_50", "constant_asked")
    assert better > value(perfect, "tiou_50", "constant_template")
    assert better > value(perfect, "tiou_50", "whole_clip")
    assert perfect["all"]["best"]["tiou_50"]["best"] == "constant_asked"


def test_the_grammar_prior_follows_the_models_own_operation(world, right):
    wrong = world.evaluate(world.table(model=lambda true, rng: true | {"operation": "Label"}))
    seen = world.evaluate(world.table(model=right))
    assert value(wrong, "aa_1", "grammar_prior") < value(seen, "aa_1", "grammar_prior")
    ceiling = value(wrong, "aa_1", "grammar_prior_true")
    assert ceiling == value(seen, "aa_1", "grammar_prior_true")
    assert wrong["systems"]["grammar_prior_true"]["role"] == "ceiling"
    assert wrong["all"]["best"]["aa_1"]["best"] != "grammar_prior_true"


def test_a_model_below_a_baseline_is_said_to_be_so(world):
    whole = world.evaluate(
        world.table(model=lambda true, rng: true | {"operation": None, "start_s": 0.0, "end_s": 5.0})
    )
    assert not whole["all"]["best"]["tiou_50"]["above"]
    said = "\n".join(whole["all"]["remarks"])
    assert "tIoU@0.5: the model" in said
    assert "is worse than the baseline constant_asked" in said
    assert "OCA: the model (0.000) is worse than the baseline majority" in said


def test_a_variant_that_is_no_worse_is_a_rival(world, noisy):
    metrics = world.evaluate(world.table(model=noisy(0.9), shuffled=noisy(0.9)))
    best = metrics["all"]["best"]["oca"]
    assert (best["best"], best["difference"], best["above"]) == ("shuffled", 0.0, False)
    assert any("equals the baseline shuffled" in remark for remark in metrics["all"]["remarks"])


def test_differences_are_paired(world, noisy, right):
    metrics = world.evaluate(world.table(model=right, untrained=noisy(0.3)))
    best = metrics["all"]["versus"]["oca"]["untrained"]
    assert best["difference"] == pytest.approx(1.0 - value(metrics, "oca", "untrained"))
    assert best["low"] < best["difference"] < best["high"]


def test_unreadable_answers_stay_in_every_denominator(world):
    def every_third(true, rng):
        return true | ({"failure": "no JSON", "operation": "Pick"} if rng.random() < 1 / 3 else {})

    table = world.table(model=every_third)
    rows = boundary_rows(table)
    share = pc.count(rows["failure"]).as_py() / len(rows)
    metrics = world.evaluate(table)
    assert 0.2 < share < 0.5
    assert value(metrics, "failure_rate") == pytest.approx(share)
    for figure in ("oca", "tiou_50", "aa_1", "allowed"):
        assert value(metrics, figure) == pytest.approx(1 - share)
        assert metrics["all"]["systems"]["model"][figure]["n"] == len(rows)
    assert metrics["calibration"]["n"] == len(rows) - pc.count(rows["failure"]).as_py()
    column = [row[-1] for row in metrics["confusion"]["counts"]]
    assert sum(column) == pc.count(rows["failure"]).as_py()


def test_the_contract_subset_is_the_first_clips_by_key(world, right):
    expected = sorted(boundary_rows(world.table(model=right))["key"].to_pylist())[:7]
    table = world.table(
        model=lambda true, rng: true if true["key"] in expected else true | {"operation": None}
    )
    metrics = world.evaluate(table, contract_clips=7)
    assert metrics["contract"]["keys"] == expected
    assert metrics["contract"]["n"] == 7
    assert value(metrics, "oca", part="preprocessing") == 1.0
    assert value(metrics, "oca") == pytest.approx(7 / metrics["n"]["clips"])


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


def test_classes_and_subjects_split_the_clips(world, noisy):
    metrics = world.evaluate(world.table(model=noisy(0.6)))
    assert sum(part["n"] for part in metrics["per_class"].values()) == metrics["n"]["clips"]
    weighted = sum(
        part["n"] * part["systems"]["model"]["oca"]["value"] for part in metrics["per_class"].values()
    )
    assert weighted / metrics["n"]["clips"] == pytest.approx(value(metrics, "oca"))
    assert list(metrics["per_subject"]) == ["U0108"]
    [majority] = {label for label, part in metrics["per_class"].items() if _oca(part, "majority") == 1.0}
    assert all(
        _oca(part, "majority") == 0.0 for label, part in metrics["per_class"].items() if label != majority
    )


def _oca(part, system):
    return part["systems"][system]["oca"]["value"]


def test_confused_pairs_are_ordered_and_resample_operations(world):
    def tape_for_press(true, rng):
        return true | ({"operation": "Press"} if true["operation"] == "Tape" else {})

    table = world.table(model=tape_for_press, untrained=tape_for_press)
    metrics = world.evaluate(table)
    [pair] = metrics["confused_pairs"]["pairs"]
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


def test_scores_of_clips_agree_with_the_metrics(world, noisy):
    def sometimes_mute(true, rng):
        return noisy(0.5)(true, rng) | ({"operation": None} if rng.random() < 0.3 else {})

    clips, systems = read_answers(world.table(model=sometimes_mute))
    sequences = [[segment[2] for segment in row["segments"]] for row in world.recordings]
    grammar = order_of_work(sequences, ("Pick", "Tape", "Press", "Label"))
    scores = clip_scores(clips, systems["model"], grammar)
    pairs = list(zip(systems["model"].operation, systems["model"].next, strict=True))
    truth = list(zip(clips.operation.tolist(), clips.next.tolist(), strict=True))
    assert scores["allowed"].mean() == grammar_score(grammar, truth, pairs).allowed
    assert 0 < scores["allowed"].mean() < 1


def test_the_fast_calibration_error_is_the_metric():
    rng = np.random.default_rng(3)
    for _ in range(50):
        confidence = np.round(rng.random(40), 1)
        correct = rng.random(40) < confidence
        assert expected_error(confidence, correct) == pytest.approx(calibration(confidence, correct).ece)


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
    assert perfect["provenance"] == {"weights": "0123456789ab"}
    assert perfect["intervals"]["resamples"] == 100
