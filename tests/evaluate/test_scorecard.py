"""The scorecard: roles decide who is trivial, names must be known, a file that does not hold is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rushes.errors import StageError
from rushes.evaluate.clusters import Clusters
from rushes.evaluate.figures import Figure
from rushes.evaluate.parts import Measured, part_of, scorecard_of
from rushes.evaluate.scorecard import SCHEMA_FILE, Scorecard, System, read_scorecard
from rushes.metrics.jackknife import Jackknife

ROLES = {
    "model": "model",
    "untrained": "ablation",
    "majority": "baseline",
    "prior": "baseline",
    "told": "ceiling",
}
SHARES = {"model": 0.8, "untrained": 0.95, "majority": 0.3, "prior": 0.2, "told": 1.0}
FIGURES = {"hit": Figure(title="hits", meaning="share of clips that are right", headline=True, compared=True)}


@pytest.fixture
def card() -> Scorecard:
    person = np.repeat(np.arange(10), 20)
    place = np.tile(np.arange(20) / 20, 10)
    jackknife = Jackknife.of(person)
    measures = {name: {"hit": Measured.mean(jackknife, place < share)} for name, share in SHARES.items()}
    systems = {name: System(role=role, what=name) for name, role in ROLES.items()}
    part = part_of(measures, FIGURES, systems, Clusters("person", person), against=["hit"])
    return scorecard_of("mine", "test", FIGURES, systems, [part])


def test_only_baselines_are_trivial(card):
    assert set(card.summary()["baselines"]) == {"majority", "prior"}
    assert card.all.standings["hit"].rival == "majority"
    assert card.all.standings["hit"].verdict == "better"
    assert set(card.all.against["hit"]) == {"untrained", "majority", "prior", "told"}


def test_a_model_above_its_baselines_has_no_remark(card):
    assert card.remarks == ()


def test_it_comes_back_from_its_file_in_the_order_of_tables(card, tmp_path):
    card.write(tmp_path / "metrics.json")
    found = read_scorecard(tmp_path / "metrics.json")
    assert found == card
    assert list(found.systems) == list(ROLES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no whole JSON file"),
        ("{}", "no scorecard of version 2"),
        ('{"metric_version": 1}', "no scorecard of version 2"),
    ],
)
def test_what_is_no_scorecard_is_refused_with_a_cure(text, says, tmp_path):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(StageError, match=says) as caught:
        read_scorecard(tmp_path / "metrics.json")
    assert caught.value.cure


def test_names_that_nobody_declared_are_refused(card):
    strange = card.model_dump()
    strange["parts"][0]["estimates"]["stranger"] = strange["parts"][0]["estimates"]["model"]
    with pytest.raises(ValueError, match="unknown here: stranger"):
        Scorecard.model_validate(strange)


def test_the_schema_beside_the_code_is_the_one_of_the_code():
    assert json.loads(SCHEMA_FILE.read_text()) == Scorecard.model_json_schema()
