import io
from functools import partial

import pytest
from rich.console import Console

from rushes.tasks.sounds.evaluate.measure import evaluate
from rushes.tasks.sounds.evaluate.tables import headline, print_metrics

measure = partial(
    evaluate,
    train_labels={"quiet": 54, "breathe": 36, "snore": 10},
    class_weights=None,
    split="val",
    resamples=100,
    provenance={},
)


def printed(metrics) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_metrics(metrics, console)
    return console.file.getvalue()


def test_the_headline_holds_plain_values_and_no_teacher(predictions, labels):
    metrics = measure(predictions(), labels=labels, teacher=predictions(seed=1))
    found = headline(metrics)
    assert set(found) == {"metrics", "baselines"}
    assert found["metrics"]["f1_macro"] == metrics["systems"]["model"]["f1_macro"]["value"]
    assert set(found["baselines"]) == {"majority", "prior"}
    assert all(isinstance(value, float) for part in found["baselines"].values() for value in part.values())


def test_the_console_shows_figures_intervals_baselines_and_groups(predictions, labels):
    metrics = measure(predictions(), labels=labels)
    text = printed(metrics)
    model = metrics["systems"]["model"]["f1_macro"]
    assert f"{model['value']:.3f} [{model['low']:.3f}, {model['high']:.3f}] ✓" in text
    assert f"{metrics['systems']['prior']['f1_macro']['value']:.3f}" in text
    assert "resampled by 8 × group" in text
    for group in sorted(metrics["by_group"], key=lambda g: metrics["by_group"][g]["f1_macro"]["value"])[:5]:
        assert f"│ {group} " in text
    for row in metrics["confusion"]:
        assert all(str(count) in text for count in row)


def test_a_collapse_is_said_aloud(predictions, labels):
    assert "! collapsed: every clip is answered with breathe" in printed(
        measure(predictions(always=1), labels=labels)
    )


@pytest.mark.parametrize("clips", [5, 12])
def test_groups_are_listed_where_they_have_figures(predictions, labels, clips):
    text = printed(measure(predictions(clips=clips), labels=labels))
    assert ("The worst" in text) == (clips >= 10)
