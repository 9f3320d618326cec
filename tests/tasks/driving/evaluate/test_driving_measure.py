from __future__ import annotations

import json
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from rushes.errors import MetricError
from rushes.evaluate.clusters import clusters
from rushes.evaluate.scorecard import Clusters, read_scorecard
from rushes.metrics.egomotion import SPEED_BANDS, TARGETS, TURNS, motion_errors
from rushes.tasks.driving.evaluate.answers import read_answers
from rushes.tasks.driving.evaluate.baselines import baselines, constants, target_arrays
from rushes.tasks.driving.evaluate.measure import ladder
from rushes.tasks.driving.evaluate.names import COMPARED, FIGURES, QUANTITIES, SYSTEMS
from rushes.tasks.driving.preprocessing import QUANTITIES as CONTRACT_QUANTITIES

SPEED = "speed_mae_mps"


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
def card(world, table):
    return world.evaluate(table)


def bands(card, condition):
    return {part.name: part for part in card.of_kind("band", condition)}


def test_all_floors_name_the_same_targets():
    assert TARGETS == CONTRACT_QUANTITIES
    assert tuple(quantity.column for quantity in QUANTITIES) == TARGETS


def test_every_figure_has_a_meaning_of_its_own_and_its_unit_apart():
    assert len({figure.meaning for figure in FIGURES.values()}) == len(FIGURES) == 13
    assert len({figure.title for figure in FIGURES.values()}) == 13
    for name, figure in FIGURES.items():
        error = name != "parse_rate"
        assert figure.unit == {"mps": "m/s", "m": "m", "deg": "°", "rate": ""}[name.split("_")[-1]]
        assert "(" not in figure.title
        assert (figure.better, figure.bounds) == (("lower", (0, None)) if error else ("higher", (0, 1)))


def test_figures_are_those_of_the_metric_with_failures_charged_the_train_median(world, table, card):
    figures = card.all.estimates["model"]
    alone = card.details["failures"]["systems"]["model"]["answered"]
    for quantity in QUANTITIES:
        name = quantity.column
        found = motion_errors(
            column(table, f"truth_{name}"),
            column(table, name),
            float(np.median([row[name] for row in world.train]))
            if name != "yaw_deg"
            else card.details["constants"]["train_median"][name],
            circular=name == "yaw_deg",
        )
        for values, errors in (
            (
                {
                    statistic: figures[quantity.figure(statistic)].value
                    for statistic in ("mae", "rmse", "median")
                },
                found.signed,
            ),
            (
                {
                    statistic: alone[quantity.figure(statistic)]["value"]
                    for statistic in ("mae", "rmse", "median")
                },
                found.signed[found.answered],
            ),
        ):
            assert values["mae"] == pytest.approx(np.abs(errors).mean())
            assert values["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
            assert values["median"] == pytest.approx(np.median(np.abs(errors)))
        for statistic in ("mae", "rmse", "median"):
            figure = figures[quantity.figure(statistic)]
            assert figure.low < figure.value < figure.high
            assert figure.n == len(world.rows)
            assert alone[quantity.figure(statistic)]["n"] == found.answered.sum() < len(world.rows)
        assert figures["parse_rate"].value == pytest.approx(found.answered.mean())


def test_only_who_was_asked_has_a_parse_rate(card):
    parsed = {name for name, figures in card.all.estimates.items() if "parse_rate" in figures}
    assert parsed == {"model", "untrained", "no_vision"}


def test_failures_are_counted_with_their_reasons(table, card):
    failed = sum(value is not None for value in column(table, "failure"))
    found = card.details["failures"]["systems"]["model"]
    assert found["failed"] == failed > 0
    assert found["reasons"] == {"no number in mean_speed_mps": failed}
    assert card.details["failures"]["systems"]["no_vision"]["reasons"] == {}
    assert card.details["failures"]["charged"] == "train_median"
    assert any(f"model: {failed} of" in said for said in card.remarks)


def test_the_scorecard_survives_its_file_in_its_order(card, tmp_path):
    card.write(tmp_path / "metrics.json")
    found = read_scorecard(tmp_path / "metrics.json")
    assert found == card
    assert list(found.systems) == [name for name in SYSTEMS if name != "shuffled"]
    assert list(found.figures) == list(FIGURES)
    assert found.headline == ("speed_mae_mps", "displacement_mae_m", "yaw_mae_deg")


def test_a_perfect_model_is_better_than_all(world):
    found = world.evaluate(world.table(model=truthful))
    for figure in COMPARED:
        assert found.all.estimates["model"][figure].value == 0
        assert found.all.standings[figure].verdict == "better"
        assert all(standing.difference.value < 0 for standing in found.all.against[figure].values())
    assert not any("MAE" in said for said in found.remarks)
    assert found.details["calibration"] is None


def test_a_silent_model_is_its_constant_and_cannot_be_told_from_it(world):
    found = world.evaluate(world.table(model=silent))
    figures = found.all.estimates
    for figure in COMPARED:
        assert figures["model"][figure].value == figures["train_median"][figure].value
        assert found.all.against[figure]["train_median"].difference.value == 0
        assert found.all.standings[figure].verdict == "cannot be told"
    assert figures["model"]["parse_rate"].value == 0
    assert found.details["failures"]["systems"]["model"]["answered"] == {}
    assert sum("cannot be told from" in said for said in found.remarks) == len(COMPARED)


def test_a_model_below_a_baseline_is_told_so(world, noisy):
    found = world.evaluate(world.table(model=noisy(90.0)))
    assert {standing.verdict for standing in found.all.standings.values()} == {"worse"}
    assert sum("worse than" in said for said in found.remarks) == len(COMPARED)


def test_only_trivial_systems_are_the_best_baseline(world):
    found = world.evaluate(world.table(model=silent, no_vision=truthful))
    assert found.with_role("baseline") == ("train_mean", "train_median", "zero")
    assert found.with_role("ablation") == ("no_vision", "previous_prediction")
    assert found.with_role("ceiling") == ("previous_truth", "constant_velocity")
    for figure in COMPARED:
        values = {name: figures[figure].value for name, figures in found.all.estimates.items()}
        assert min(values, key=values.get) == "no_vision"
        assert found.all.standings[figure].rival in found.with_role("baseline")
        assert set(found.all.against[figure]) == set(found.systems) - {"model"}


def test_what_the_baselines_answer(world, table):
    windows, systems = read_answers(table)
    train = target_arrays(world.train)
    found = baselines(train, windows, systems["model"], 1.5)
    _, median = constants(train)
    assert set(found["zero"].values["yaw_deg"]) == {0.0}
    assert found["train_mean"].values["displacement_m"][0] == pytest.approx(train["displacement_m"].mean())
    held = np.array(found["constant_velocity"].values["displacement_m"])
    assert held == pytest.approx(1.5 * windows.first_speed_mps)
    answers = systems["model"].values["mean_speed_mps"]
    fallbacks = 0
    for row in range(len(windows)):
        first = row == 0 or windows.recording[row] != windows.recording[row - 1]
        unknown = first or answers[row - 1] is None
        fallbacks += unknown
        speed = median["mean_speed_mps"] if unknown else answers[row - 1]
        distance = median["displacement_m"] if unknown else 1.5 * answers[row - 1]
        assert found["previous_prediction"].values["final_speed_mps"][row] == (
            median["final_speed_mps"] if unknown else speed
        )
        assert found["previous_prediction"].values["displacement_m"][row] == distance
        assert found["previous_truth"].values["mean_speed_mps"][row] == (
            median["mean_speed_mps"] if first else windows.truth["mean_speed_mps"][row - 1]
        )
    assert fallbacks > len(np.unique(windows.recording))


def test_the_bands_hold_every_window_once(world, card):
    n = len(world.rows)
    assert {part.condition for part in card.parts[1:]} == {"speed", "turn", "country", "hour"}
    for condition in ("speed", "turn", "country", "hour"):
        parts = card.of_kind("band", condition)
        assert sum(part.n for part in parts) == n
        weighted = sum(part.n * part.estimates["model"][SPEED].value for part in parts)
        assert weighted / n == pytest.approx(card.all.estimates["model"][SPEED].value)
        assert all(set(part.standings) == set(COMPARED) for part in parts)
    assert tuple(bands(card, "speed")) == SPEED_BANDS
    assert tuple(bands(card, "turn")) == TURNS
    hours = list(bands(card, "hour"))
    assert hours == sorted(hours, key=int)


def test_thresholds_move_windows_between_the_bands(world, table, card):
    other = world.evaluate(table, still_mps=5.0, fast_mps=6.0, turn_deg=60.0)
    assert bands(other, "speed")["still"].n > bands(card, "speed")["still"].n
    assert set(bands(other, "turn")) == {"straight"}
    assert other.details["thresholds"]["still_mps"] == 5.0


def test_a_tag_of_one_value_or_of_too_many_is_no_condition(world, noisy):
    rows = [row | {"tags": json.dumps({"platform": "hyperion_8", "id": row["key"]})} for row in world.rows]
    other = type(world)(tuple(rows), world.train)
    found = other.evaluate(other.table(model=noisy(1.0)))
    assert {part.condition for part in found.parts} == {"", "speed", "turn"}


def test_coverage_of_honest_and_of_boastful_intervals(world, noisy):
    honest = world.evaluate(world.table(model=noisy(0.8))).details["calibration"]
    for found in honest["quantities"].values():
        assert found["coverage"]["value"] == pytest.approx(0.9, abs=0.06)
        assert found["coverage"]["value"] + found["below"] + found["above"] == pytest.approx(1.0)
        assert found["width"] == pytest.approx(2 * 1.645 * 0.8)

    def boastful(row, rng):
        answer = noisy(2.0)(row, rng)
        for name in TARGETS:
            answer |= {f"{name}_low": answer[name] - 0.1, f"{name}_high": answer[name] + 0.1}
        return answer

    sure = world.evaluate(world.table(model=boastful)).details["calibration"]
    assert all(found["coverage"]["value"] < 0.2 for found in sure["quantities"].values())


def test_bias_shows_on_its_side_of_the_intervals(world):
    def high(row, rng):
        answer = {"reasoning": None, "failure": None}
        for name in TARGETS:
            value = row[f"truth_{name}"] + 3.0
            answer |= {name: value, f"{name}_low": value - 1.0, f"{name}_high": value + 1.0}
        return answer

    found = world.evaluate(world.table(model=high)).details["calibration"]["quantities"]
    assert all((one["below"], one["above"]) == (1.0, 0.0) for one in found.values())


def test_intervals_leave_out_whole_clips(world, card):
    assert card.all.clusters == Clusters(by="clip", count=8)

    def off_by_clip(row, rng):
        answer = truthful(row, rng)
        return answer | {name: answer[name] + int(row["recording"][-1]) for name in TARGETS}

    found = world.evaluate(world.table(model=off_by_clip)).all.estimates["model"][SPEED]
    assert found.value == pytest.approx(3.5)
    # Clips are off by 0 to 7 m/s: over eight of them the mean is uncertain by 0.8, over rows by 0.17.
    assert found.high - found.low > 2.0


def test_drives_are_left_out_where_they_are_known_and_said_to_be_unknown_where_not(world, noisy, card):
    assert any("no group is known" in said for said in card.remarks)
    rows = [row | {"group": f"drive{int(row['recording'][-1]) % 6}"} for row in world.rows]
    known = type(world)(tuple(rows), world.train)
    found = known.evaluate(known.table(model=noisy(1.0)))
    assert found.all.clusters == Clusters(by="group", count=6)
    assert not any("no group is known" in said or "only" in said for said in found.remarks)
    alone = type(world)(tuple(row | {"group": "car"} for row in world.rows), world.train)
    found = alone.evaluate(alone.table(model=noisy(1.0)))
    said = "only 1 group: intervals rest on clips, as if those of one group were independent"
    assert said in found.remarks


def test_few_clips_are_cut_into_blocks_and_those_into_windows(world, table):
    windows, _ = read_answers(table)
    levels = ladder(windows)
    one = np.flatnonzero(windows.recording == windows.recording[0])
    assert clusters(levels, np.arange(len(windows))).by == "clip"
    blocks = clusters(levels, one)
    assert blocks.by == "window block"
    assert np.bincount(blocks.ids - blocks.ids[0])[:-1].tolist() == [4] * (
        len(one) // 4 - (len(one) % 4 == 0)
    )
    assert clusters(levels, one[:3]).by == "window"
    for ids in levels.values():
        assert len(ids) == len(windows)
    for block in np.unique(levels["window block"]):
        assert len(np.unique(windows.recording[levels["window block"] == block])) == 1


def test_numbers_beside_a_failure_count_for_nothing(world):
    def unsure(row, rng):
        spans = {f"{name}_{end}": row[f"truth_{name}"] for name in TARGETS for end in ("low", "high")}
        return truthful(row, rng) | spans | {"failure": "two answers"}

    found = world.evaluate(world.table(model=unsure))
    assert found.all.estimates["model"]["parse_rate"].value == 0
    assert found.details["failures"]["systems"]["model"]["answered"] == {}
    assert found.details["calibration"] is None


def test_one_single_window_has_figures_without_intervals(world, noisy):
    alone = type(world)(world.rows[:1], world.train)
    found = alone.evaluate(alone.table(model=noisy(1.0)))
    figure = found.all.estimates["model"][SPEED]
    assert (figure.low, figure.high, figure.n) == (None, None, 1)
    assert found.all.standings[SPEED].verdict == "cannot be told"


def test_the_order_of_rows_changes_nothing(world, table, card):
    order = np.random.default_rng(0).permutation(len(table))
    assert world.evaluate(table.take(pa.array(order))) == card


def test_a_turn_through_the_seam_is_a_small_error(world):
    def other_way(row, rng):
        return truthful(row, rng) | {"yaw_deg": -179.0}

    rows = tuple(row | {"truth_yaw_deg": 179.0} for row in world.rows)
    turned = type(world)(rows, world.train)
    found = turned.evaluate(turned.table(model=other_way))
    assert found.all.estimates["model"]["yaw_mae_deg"].value == pytest.approx(2.0)


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
