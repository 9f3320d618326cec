from __future__ import annotations

import json
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from rushes.errors import MetricError
from rushes.evaluate.clusters import clusters
from rushes.metrics.egomotion import TARGETS, motion_errors
from rushes.tasks.driving.evaluate.answers import read_answers
from rushes.tasks.driving.evaluate.baselines import baselines, constants, target_arrays
from rushes.tasks.driving.evaluate.clusters import ladder
from rushes.tasks.driving.evaluate.names import COMPARED, QUANTITIES
from rushes.tasks.driving.preprocessing import QUANTITIES as CONTRACT_QUANTITIES

BANDS = ("still", "slow", "fast")


def truthful(row, rng):
    """The truth itself."""
    nothing = {f"{name}_{end}": None for name in TARGETS for end in ("low", "high")}
    return nothing | {name: row[f"truth_{name}"] for name in TARGETS} | {"reasoning": None, "failure": None}


def silent(row, rng):
    """No answer, ever."""
    nothing = {f"{name}{end}": None for name in TARGETS for end in ("", "_low", "_high")}
    return nothing | {"reasoning": None, "failure": "the text ends early"}


def column(table, name, variant="model"):
    return [row[name] for row in table.to_pylist() if row["variant"] == variant]


@pytest.fixture(scope="module")
def table(world, noisy):
    return world.table(model=noisy(0.8, 0.1), untrained=noisy(9.0, 0.4), no_vision=noisy(6.0))


@pytest.fixture(scope="module")
def metrics(world, table):
    return world.evaluate(table)


def test_all_floors_name_the_same_targets():
    assert TARGETS == CONTRACT_QUANTITIES
    assert tuple(quantity.column for quantity in QUANTITIES) == TARGETS


def test_figures_are_those_of_the_metric_with_failures_charged_the_train_median(world, table, metrics):
    figures = metrics["all"]["systems"]["model"]
    alone = metrics["failures"]["systems"]["model"]["answered"]
    for quantity in QUANTITIES:
        name = quantity.column
        expected = motion_errors(
            column(table, f"truth_{name}"),
            column(table, name),
            float(np.median([row[name] for row in world.train]))
            if name != "yaw_deg"
            else metrics["constants"]["train_median"][name],
            circular=name == "yaw_deg",
        )
        for statistic in ("mae", "rmse", "median"):
            figure = quantity.figure(statistic)
            assert figures[figure]["value"] == pytest.approx(getattr(expected.all, statistic))
            assert alone[figure]["value"] == pytest.approx(getattr(expected.answered, statistic))
            assert figures[figure]["n"] == len(world.rows)
            assert alone[figure]["n"] == expected.answered.n < len(world.rows)
            assert figures[figure]["low"] <= figures[figure]["value"] <= figures[figure]["high"]
        assert figures["parse_rate"]["value"] == pytest.approx(expected.parse_rate)


def test_failures_are_counted_with_their_reasons(table, metrics):
    failed = sum(value is not None for value in column(table, "failure"))
    found = metrics["failures"]["systems"]["model"]
    assert found["failed"] == failed > 0
    assert found["reasons"] == {"no number in mean_speed_mps": failed}
    assert metrics["failures"]["systems"]["no_vision"]["reasons"] == {}
    assert metrics["failures"]["charged"] == "train_median"


def test_the_result_is_plain_json(metrics):
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_a_perfect_model_is_better_than_all_and_no_remark_is_made(world):
    found = world.evaluate(world.table(model=truthful))
    for figure in COMPARED:
        assert found["all"]["systems"]["model"][figure]["value"] == 0
        assert found["all"]["best"][figure]["above"]
        assert all(standing["difference"] < 0 for standing in found["paired"][figure].values())
    assert found["all"]["remarks"] == []
    assert found["calibration"] is None


def test_a_silent_model_is_its_constant_and_said_to_be_no_better(world):
    found = world.evaluate(world.table(model=silent))
    systems = found["all"]["systems"]
    for figure in COMPARED:
        assert systems["model"][figure]["value"] == systems["train_median"][figure]["value"]
        assert found["paired"][figure]["train_median"]["difference"] == 0
        assert not found["all"]["best"][figure]["above"]
    assert systems["model"]["parse_rate"]["value"] == 0
    assert found["failures"]["systems"]["model"]["answered"] == {}
    assert len(found["all"]["remarks"]) == len(COMPARED)


def test_a_model_below_a_baseline_is_told_so(world, noisy):
    found = world.evaluate(world.table(model=noisy(9.0), no_vision=truthful))
    assert all(found["all"]["best"][figure]["best"] == "no_vision" for figure in COMPARED)
    assert all("is worse than the baseline no_vision" in said for said in found["all"]["remarks"])
    assert len(found["all"]["remarks"]) == len(COMPARED)


def test_the_privileged_stand_in_every_table_and_are_never_the_best(world):
    found = world.evaluate(world.table(model=silent))
    privileged = {name for name, one in found["baselines"].items() if one["privileged"]}
    assert privileged == {"previous_truth", "constant_velocity"}
    for figure in COMPARED[:3]:
        values = {name: found["all"]["systems"][name][figure]["value"] for name in found["baselines"]}
        assert min(values, key=values.get) in privileged
        assert found["all"]["best"][figure]["best"] not in privileged
        assert privileged <= set(found["paired"][figure])


def test_what_the_baselines_answer(world, table):
    windows, systems = read_answers(table)
    train = target_arrays(world.train)
    found = baselines(train, windows, systems["model"], 1.5)
    _, median = constants(train)
    assert set(found["zero"].answers["yaw_deg"]) == {0.0}
    assert found["train_mean"].answers["displacement_m"][0] == pytest.approx(train["displacement_m"].mean())
    held = np.array(found["constant_velocity"].answers["displacement_m"])
    assert held == pytest.approx(1.5 * windows.first_speed_mps)
    answers = systems["model"].answers["mean_speed_mps"]
    fallbacks = 0
    for row in range(len(windows)):
        first = row == 0 or windows.recording[row] != windows.recording[row - 1]
        unknown = first or answers[row - 1] is None
        fallbacks += unknown
        speed = median["mean_speed_mps"] if unknown else answers[row - 1]
        distance = median["displacement_m"] if unknown else 1.5 * answers[row - 1]
        assert found["previous_prediction"].answers["final_speed_mps"][row] == (
            median["final_speed_mps"] if unknown else speed
        )
        assert found["previous_prediction"].answers["displacement_m"][row] == distance
        assert found["previous_truth"].answers["mean_speed_mps"][row] == (
            median["mean_speed_mps"] if first else windows.truth["mean_speed_mps"][row - 1]
        )
    assert fallbacks > len(np.unique(windows.recording))


def test_the_parts_hold_every_window_once(world, metrics):
    n = len(world.rows)
    assert list(metrics["by_speed"]) == list(BANDS)
    for parts in (metrics["by_speed"], metrics["by_turn"], *metrics["by_tag"].values()):
        assert sum(part["n"] for part in parts.values()) == n
        weighted = sum(part["n"] * part["systems"]["model"][COMPARED[0]]["value"] for part in parts.values())
        assert weighted / n == pytest.approx(metrics["all"]["systems"]["model"][COMPARED[0]]["value"])
    assert set(metrics["by_tag"]) == {"country", "hour"}
    hours = list(metrics["by_tag"]["hour"])
    assert hours == sorted(hours, key=int)


def test_thresholds_move_windows_between_the_parts(world, table, metrics):
    other = world.evaluate(table, still_mps=5.0, fast_mps=6.0, turn_deg=60.0)
    assert other["by_speed"]["still"]["n"] > metrics["by_speed"]["still"]["n"]
    assert set(other["by_turn"]) == {"straight"}
    assert other["thresholds"]["still_mps"] == 5.0


def test_a_tag_of_one_value_or_of_too_many_is_no_condition(world, noisy):
    rows = [row | {"tags": json.dumps({"platform": "hyperion_8", "id": row["key"]})} for row in world.rows]
    other = type(world)(tuple(rows), world.train)
    assert other.evaluate(other.table(model=noisy(1.0)))["by_tag"] == {}


def test_coverage_of_honest_and_of_boastful_intervals(world, noisy):
    honest = world.evaluate(world.table(model=noisy(0.8)))["calibration"]
    for found in honest["quantities"].values():
        assert found["coverage"]["value"] == pytest.approx(0.9, abs=0.06)
        assert found["coverage"]["value"] + found["below"] + found["above"] == pytest.approx(1.0)
        assert found["width"] == pytest.approx(2 * 1.645 * 0.8)

    def boastful(row, rng):
        answer = noisy(2.0)(row, rng)
        for name in TARGETS:
            answer |= {f"{name}_low": answer[name] - 0.1, f"{name}_high": answer[name] + 0.1}
        return answer

    sure = world.evaluate(world.table(model=boastful))["calibration"]
    assert all(found["coverage"]["value"] < 0.2 for found in sure["quantities"].values())


def test_bias_shows_on_its_side_of_the_intervals(world):
    def high(row, rng):
        answer = {"reasoning": None, "failure": None}
        for name in TARGETS:
            value = row[f"truth_{name}"] + 3.0
            answer |= {name: value, f"{name}_low": value - 1.0, f"{name}_high": value + 1.0}
        return answer

    found = world.evaluate(world.table(model=high))["calibration"]["quantities"]
    assert all((one["below"], one["above"]) == (1.0, 0.0) for one in found.values())


def test_intervals_resample_whole_clips(world, noisy, table, metrics):
    assert metrics["all"]["clusters"] == {"by": "group", "count": 8}

    def off_by_clip(row, rng):
        answer = truthful(row, rng)
        return answer | {name: answer[name] + int(row["recording"][-1]) for name in TARGETS}

    found = world.evaluate(world.table(model=off_by_clip))["all"]["systems"]["model"]["speed_mae_mps"]
    assert found["value"] == pytest.approx(3.5)
    # Clips are off by 0 to 7 m/s: over eight of them the mean is uncertain by 0.8, over rows by 0.17.
    assert found["high"] - found["low"] > 2.0


def test_few_clips_are_cut_into_blocks_and_those_into_windows(world, table):
    windows, _ = read_answers(table)
    levels = ladder(windows)
    one = np.flatnonzero(windows.recording == windows.recording[0])
    assert clusters(levels, np.arange(len(windows))).by == "group"
    blocks = clusters(levels, one)
    assert blocks.by == "block of windows"
    assert np.bincount(blocks.ids - blocks.ids[0])[:-1].tolist() == [4] * (
        len(one) // 4 - (len(one) % 4 == 0)
    )
    assert clusters(levels, one[:3]).by == "window"
    for ids in levels.values():
        assert len(ids) == len(windows)
    for block in np.unique(levels["block of windows"]):
        assert len(np.unique(windows.recording[levels["block of windows"] == block])) == 1


def test_numbers_beside_a_failure_count_for_nothing(world):
    def unsure(row, rng):
        spans = {f"{name}_{end}": row[f"truth_{name}"] for name in TARGETS for end in ("low", "high")}
        return truthful(row, rng) | spans | {"failure": "two answers"}

    found = world.evaluate(world.table(model=unsure))
    assert found["all"]["systems"]["model"]["parse_rate"]["value"] == 0
    assert found["failures"]["systems"]["model"]["answered"] == {}
    assert found["calibration"] is None


def test_one_single_window_has_figures_without_intervals(world, noisy):
    alone = type(world)(world.rows[:1], world.train)
    found = alone.evaluate(alone.table(model=noisy(1.0)))
    figure = found["all"]["systems"]["model"]["speed_mae_mps"]
    assert (figure["low"], figure["high"], figure["n"]) == (None, None, 1)
    assert not found["all"]["best"]["speed_mae_mps"]["above"]
    json.dumps(found, allow_nan=False)


def test_the_order_of_rows_changes_nothing(world, table, metrics):
    order = np.random.default_rng(0).permutation(len(table))
    assert world.evaluate(table.take(pa.array(order))) == metrics


def test_a_turn_through_the_seam_is_a_small_error(world):
    def other_way(row, rng):
        return truthful(row, rng) | {"yaw_deg": -179.0}

    rows = tuple(row | {"truth_yaw_deg": 179.0} for row in world.rows)
    turned = type(world)(rows, world.train)
    found = turned.evaluate(turned.table(model=other_way))
    assert found["all"]["systems"]["model"]["yaw_mae_deg"]["value"] == pytest.approx(2.0)


def without(table, row):
    return pa.concat_tables([table.slice(0, row), table.slice(row + 1)])


def changed(table, name, value):
    numbers = table[name].to_pylist()
    numbers[3] = value
    return table.set_column(
        table.schema.get_field_index(name), name, pa.array(numbers, table.schema.field(name).type)
    )


REFUSED = {
    "no model": (lambda table: table.slice(200, 20), "none is of the model"),
    "a window missing": (lambda table: without(table, 0), "answers"),
    "a window twice": (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "twice"),
    "nan truth": (partial(changed, name="truth_yaw_deg", value=float("nan")), "truth_yaw_deg"),
    "no truth": (partial(changed, name="truth_yaw_deg", value=None), "truth_yaw_deg"),
    "infinite answer": (partial(changed, name="yaw_deg", value=float("inf")), "finite"),
    "interval reversed": (partial(changed, name="yaw_deg_low", value=500.0), "before it begins"),
    "tags that are no object": (partial(changed, name="tags", value="[1]"), "JSON object"),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_measured_is_refused(world, noisy, spoil, said):
    table = world.table(model=noisy(1.0), untrained=noisy(1.0))
    with pytest.raises(MetricError, match=said):
        world.evaluate(spoil(table))


def test_a_training_split_without_windows_or_targets_is_refused(world, table):
    with pytest.raises(MetricError, match="no window"):
        target_arrays([])
    with pytest.raises(MetricError, match="yaw_deg"):
        target_arrays([{name: 1.0 for name in TARGETS if name != "yaw_deg"}])
