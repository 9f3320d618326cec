from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from rushes.errors import MetricError
from rushes.tasks.operations.evaluate.tables import compare, comparison_table, headline, print_metrics


@pytest.fixture(scope="module")
def metrics(world, noisy):
    table = world.table(model=noisy(0.9), no_vision=noisy(0.2))
    return json.loads(json.dumps(world.evaluate(table), sort_keys=True))


def printed(something, metrics=None):
    console = Console(file=io.StringIO(), width=180)
    print_metrics(metrics, console) if metrics else console.print(something)
    return console.file.getvalue()


def test_the_headline_is_plain_numbers_and_holds_no_ceiling(metrics):
    found = headline(metrics)
    assert found["metrics"]["oca"] == metrics["all"]["systems"]["model"]["oca"]["value"]
    assert found["metrics"]["timeline_mof"] == metrics["timeline"]["systems"]["smoothed"]["mof"]["value"]
    assert found["baselines"]["no_vision"].keys() >= {"oca", "tiou_50", "aa_1"}
    assert "grammar_prior_true" not in found["baselines"]
    assert "model" not in found["baselines"]


def test_the_table_names_every_baseline_and_says_where_the_model_loses(metrics, world):
    text = printed(None, metrics)
    for name in (
        "model",
        "no_vision",
        "majority",
        "whole_clip",
        "constant_asked",
        "grammar_prior",
        "smoothed",
    ):
        assert name in text
    assert text.index("model") < text.index("no_vision") < text.index("majority")
    assert f"{metrics['all']['systems']['model']['oca']['value']:.3f}" in text
    worse = world.evaluate(world.table(model=lambda true, rng: true | {"start_s": 0.0, "end_s": 5.0}))
    assert "is worse than the baseline constant_asked" in printed(None, worse)


def test_text_of_labels_is_no_markup(metrics):
    said = {**metrics, "all": {**metrics["all"], "remarks": ["[bold]not bold[/bold]"]}}
    assert "[bold]not bold[/bold]" in printed(None, said)


def test_runs_stand_side_by_side(metrics, world, noisy):
    other = world.evaluate(world.table(model=noisy(0.4)))
    compared = compare({"motion": metrics, "uniform": other})
    assert compared["motion"]["oca"]["value"] > compared["uniform"]["oca"]["value"]
    assert "timeline_edit" in compared["uniform"]
    text = printed(comparison_table({"motion": metrics, "uniform": other}, "Samplers"))
    assert "motion" in text
    assert "uniform" in text


def test_runs_on_other_clips_are_not_compared(metrics, world, six_people, noisy):
    with pytest.raises(MetricError, match="different clips"):
        compare({"one": metrics, "other": six_people.evaluate(six_people.table(model=noisy(0.4)))})
    with pytest.raises(MetricError, match="no run"):
        compare({})
