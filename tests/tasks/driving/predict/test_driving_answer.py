from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

from rushes.errors import ShardError
from rushes.models import vlm as family
from rushes.models.pair_features import PairFeatures
from rushes.models.pixels import Pictures
from rushes.predict.table import read_predictions, write_predictions
from rushes.predict.units import predict
from rushes.tasks.driving.predict import answer as answers
from rushes.tasks.driving.predict.answer import Answerer, Question, question, read_off
from rushes.tasks.driving.predict.table import QUESTIONS, SCHEMA, train_targets
from rushes.tasks.driving.prepare.sample import Sample
from rushes.tasks.driving.preprocessing import PACES, QUANTITIES, TRENDS, TURNS, RigPreprocessing, Scale

torch.set_num_threads(1)

SCALE = Scale(low=-2, high=6, step=0.5)
SHORT = {
    "mean_speed_mps": {"low": 0, "high": 20, "step": 1},
    "final_speed_mps": {"low": 0, "high": 20, "step": 1},
    "displacement_m": {"low": 0, "high": 15, "step": 0.5},
    "yaw_deg": {"low": -20, "high": 20, "step": 2},
}
FORMS = {"tiled": "none", "separate": "numbers"}


@pytest.fixture(scope="module")
def drives(make_drives, drives_contract, tmp_path_factory):
    made = {}
    for layout, reasoning in FORMS.items():
        changes = {"layout": layout, "reasoning": reasoning, **SHORT}
        preprocessing = RigPreprocessing(**{**drives_contract.model_dump(), **changes})
        shards = make_drives(tmp_path_factory.mktemp(layout), preprocessing)
        samples = [Sample.of(shards.key(number), shards.sample(number)) for number in range(len(shards))]
        made[layout] = (preprocessing, samples, shards)
    return made


@pytest.fixture(scope="module")
def vlms(drives):
    """With large random weights, so that answers are sure of something and differ."""
    made = {}
    for layout, (preprocessing, _, _) in drives.items():
        vlm = family.load("tiny", preprocessing, seed=4)
        vlm.model.eval()
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for weight in vlm.model.parameters():
                if weight.ndim > 1:
                    weight.mul_(1.0 + torch.rand((), generator=generator))
        made[layout] = vlm
    return made


# From a distribution to a number


def test_examples():
    assert doctest.testmod(answers).failed == 0


def test_a_certain_distribution_is_its_value_with_one_step_around_it():
    for number, value in enumerate(SCALE.values):
        quantity = read_off(np.eye(len(SCALE.values))[number], SCALE)
        assert quantity.value == pytest.approx(value)
        assert quantity.low == pytest.approx(max(value - 0.225, -2.0))
        assert quantity.high == pytest.approx(min(value + 0.225, 6.0))


def test_median_and_interval_are_those_of_many_draws():
    rng = np.random.default_rng(0)
    for _ in range(100):
        probabilities = rng.dirichlet(np.full(len(SCALE.values), rng.uniform(0.2, 3.0)))
        quantity = read_off(probabilities, SCALE)
        assert SCALE.low <= quantity.low <= quantity.value <= quantity.high <= SCALE.high
        drawn = rng.choice(SCALE.values, 20_000, p=probabilities) + rng.uniform(-0.25, 0.25, 20_000)
        for level, found in zip(
            (0.05, 0.5, 0.95), (quantity.low, quantity.value, quantity.high), strict=True
        ):
            below, near = np.mean(drawn < found - 1e-9), np.mean(drawn <= found + 1e-9)
            if SCALE.low < found < SCALE.high:
                assert below - 0.015 <= level <= near + 0.015


def test_mass_that_moves_up_moves_the_answer_up():
    rng = np.random.default_rng(1)
    for _ in range(100):
        lower = rng.dirichlet(np.full(len(SCALE.values), 0.7))
        share = rng.uniform(0, 1, len(lower) - 1) * lower[:-1]
        upper = lower + np.concatenate([[0.0], share]) - np.concatenate([share, [0.0]])
        before, after = read_off(lower, SCALE), read_off(upper, SCALE)
        for name in ("low", "value", "high"):
            assert getattr(after, name) >= getattr(before, name) - 1e-9


# Answers


def forced(vlm, sample, values):
    """Logits of one whole pass over pictures, question and an answer that is given."""
    shown = Pictures.of(sample.pixels())
    encoded = vlm.chat().encode(shown.view, sample.times_s, [(3, vlm.preprocessing.turn(*values))])
    batch = family.collate([encoded], [shown], vlm.tokenizer.pad_token_id)
    with torch.inference_mode():
        logits = family.forward(vlm, batch)[0][0]
    return logits[np.flatnonzero(encoded.taught) - 1]


@pytest.mark.parametrize("layout", list(FORMS))
def test_answers_are_what_the_model_says_of_a_whole_sequence(drives, vlms, layout):
    """Each value scored behind a cache, against one pass that holds what was answered before it."""
    preprocessing, samples, _ = drives[layout]
    vlm, slots = vlms[layout], preprocessing.slots()
    said = Answerer(vlm, batch_size=2).answer([question(sample, "model", 0) for sample in samples[:3]])
    for sample, answer in zip(samples, said, strict=False):
        words = [] if answer.reasoning is None else answer.reasoning.split(", ")
        assert len(words) == len(slots) - 4
        values = [
            *words,
            *(preprocessing.scale(name).text(answer.quantities[name].value) for name in QUANTITIES),
        ]
        logits = forced(vlm, sample, values)
        assert len(logits) == len(slots)
        for slot, row, value in zip(slots, logits, values, strict=True):
            ids = [vlm.chat().tokens(choice)[0] for choice in slot.choices]
            probabilities = row[ids].double().softmax(dim=0).numpy()
            if slot.name in QUANTITIES:
                expected, found = (
                    read_off(probabilities, preprocessing.scale(slot.name)),
                    answer.quantities[slot.name],
                )
                for part in ("value", "low", "high"):
                    assert getattr(found, part) == pytest.approx(getattr(expected, part), abs=1e-3)
            else:
                assert value == slot.choices[int(probabilities.argmax())]


def test_reasoning_is_legal_words(drives, vlms):
    _, samples, _ = drives["separate"]
    for answer in Answerer(vlms["separate"]).answer([question(sample, "model", 0) for sample in samples]):
        pace, trend, turn, about = answer.reasoning.split(", ")
        assert (pace in PACES, trend in TRENDS, turn in TURNS) == (True, True, True)
        assert float(about) in drives["separate"][0].mean_speed_mps.values
    tiled = Answerer(vlms["tiled"]).answer([question(drives["tiled"][1][0], "model", 0)])
    assert tiled[0].reasoning is None


@pytest.mark.parametrize("layout", list(FORMS))
@pytest.mark.parametrize("batch_size", [1, 100])
def test_the_batch_size_changes_nothing(drives, vlms, layout, batch_size):
    _, samples, _ = drives[layout]
    questions = [question(sample, "model", 0) for sample in samples[:4]]
    short = Question([view[:4] for view in questions[1].views], questions[1].times_s[:4])
    questions[1:2] = [short]
    expected = Answerer(vlms[layout], batch_size=2).answer(questions)
    for ours, theirs in zip(Answerer(vlms[layout], batch_size).answer(questions), expected, strict=True):
        assert ours.reasoning == theirs.reasoning
        for name in QUANTITIES:
            for part in ("value", "low", "high"):
                found, wanted = (getattr(one.quantities[name], part) for one in (ours, theirs))
                assert found == pytest.approx(wanted, abs=1e-3)
    assert Answerer(vlms[layout]).answer([]) == []


@pytest.mark.parametrize("layout", list(FORMS))
def test_shared_pairs_of_frames_change_nothing(drives, vlms, layout):
    """Several views of a pair are several pictures; the same questions again encode nothing."""
    _, samples, _ = drives[layout]
    questions = [question(sample, "model", 0) for sample in samples[:2]]
    answerer = Answerer(vlms[layout])
    answerer.pairs = PairFeatures(answerer.vlm)
    expected = Answerer(vlms[layout]).answer(questions)
    for ours, theirs in zip(
        2 * expected, answerer.answer(questions) + answerer.answer(questions), strict=True
    ):
        assert ours.reasoning == theirs.reasoning
        for name in QUANTITIES:
            found, wanted = (one.quantities[name].value for one in (ours, theirs))
            assert found == pytest.approx(wanted, abs=1e-3)
    assert 0 < 2 * answerer.pairs.encoded <= answerer.pairs.asked


# Variants


@pytest.mark.parametrize("layout", list(FORMS))
def test_what_each_variant_is_shown(drives, layout):
    _, samples, _ = drives[layout]
    orders = set()
    for sample in samples:
        views = sample.pixels()
        for variant in ("model", "untrained"):
            for view, seen in zip(views, question(sample, variant, 0).views, strict=True):
                np.testing.assert_array_equal(view, seen)
        blind = question(sample, "no_vision", 0)
        assert [view.shape for view in blind.views] == [view.shape for view in views]
        assert not any(view.any() for view in blind.views)
        assert blind.times_s == sample.times_s
        found = []
        for view, seen in zip(views, question(sample, "shuffled", 0).views, strict=True):
            found.append(
                tuple(next(n for n, one in enumerate(view) if np.array_equal(one, frame)) for frame in seen)
            )
        assert len(set(found)) == 1  # one order for all cameras: moments stay moments
        assert sorted(found[0]) == list(range(8))
        orders.add(found[0])
    assert len(orders) > 1


def test_a_shuffle_is_the_same_every_time_and_another_with_another_seed(drives):
    sample = drives["separate"][1][0]
    first, again, other = (question(sample, "shuffled", seed).views[2] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# The table


@pytest.fixture(scope="module")
def table(drives, vlms):
    told = []
    answerer = Answerer(vlms["separate"])
    windows = drives["separate"][2]
    made = predict(
        lambda chunk: QUESTIONS.rows_of(answerer, windows, chunk, "val", 0),
        {variant: QUESTIONS.asked_about(windows, variant) for variant in ("model", "no_vision", "shuffled")},
        SCHEMA,
        batch_size=16,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (len(made), len(made))
    assert told == sorted(told)
    return made


def test_the_table_has_its_schema_and_the_truth_beside_every_answer(drives, table):
    _, samples, _ = drives["separate"]
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    order = [(variant, sample.key) for variant in ("model", "no_vision", "shuffled") for sample in samples]
    assert [(row["variant"], row["key"]) for row in rows] == order
    of_key = {sample.key: sample for sample in samples}
    for row in rows:
        sample = of_key[row["key"]]
        target = sample.target()
        assert {name: row[f"truth_{name}"] for name in QUANTITIES} == {
            name: target[name] for name in QUANTITIES
        }
        assert row["speed_at_start_mps"] == sample.truth["final_speed_mps"][0]
        assert (row["split"], row["failure"]) == ("val", None)
        assert row["tags"] == sample.meta["tags"]
        for name in ("recording", "group", "window_start_s", "window_end_s"):
            assert row[name] == sample.meta[name]
        for name in QUANTITIES:
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        assert row["reasoning"]


def test_rows_are_the_answers_of_their_variant(drives, vlms, table):
    sample = drives["separate"][1][1]
    for variant in ("model", "no_vision", "shuffled"):
        [answer] = Answerer(vlms["separate"]).answer([question(sample, variant, 0)])
        row = next(r for r in table.to_pylist() if (r["key"], r["variant"]) == (sample.key, variant))
        for name in QUANTITIES:
            assert row[name] == pytest.approx(answer.quantities[name].value, abs=1e-3)
    rows = {
        variant: [row["mean_speed_mps"] for row in table.to_pylist() if row["variant"] == variant]
        for variant in ("model", "no_vision")
    }
    assert not np.allclose(rows["model"], rows["no_vision"], atol=1e-3)


def test_written_predictions_come_back(table, tmp_path):
    write_predictions(table, tmp_path)
    assert read_predictions(tmp_path, SCHEMA).equals(table)
    with pytest.raises(ShardError, match="no predictions"):
        read_predictions(tmp_path / "none", SCHEMA)


def test_what_baselines_are_fitted_on(drives):
    _, samples, shards = drives["tiled"]
    assert list(train_targets(shards)) == [sample.target() for sample in samples]
