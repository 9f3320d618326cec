import io
import json

import pytest
from rich.console import Console

from rushes.tasks.driving.evaluate.tables import headline, print_metrics


@pytest.fixture(scope="module")
def metrics(world, noisy):
    table = world.table(model=noisy(0.8, 0.1), no_vision=noisy(0.7))
    return json.loads(json.dumps(world.evaluate(table), sort_keys=True))


@pytest.fixture(scope="module")
def text(metrics):
    console = Console(file=io.StringIO(), width=180)
    print_metrics(metrics, console)
    return console.file.getvalue()


def test_headline_is_plain_and_leaves_the_privileged_out(metrics):
    found = headline(metrics)
    systems = metrics["all"]["systems"]
    assert found["metrics"]["speed_mae_mps"] == systems["model"]["speed_mae_mps"]["value"]
    assert {"displacement_mae_m", "yaw_mae_deg", "parse_rate"} <= set(found["metrics"])
    assert set(found["baselines"]) == set(systems) - {"model", "previous_truth", "constant_velocity"}
    assert found["baselines"]["zero"]["yaw_rmse_deg"] == systems["zero"]["yaw_rmse_deg"]["value"]


def test_every_system_stands_in_the_table_the_privileged_marked(metrics, text):
    lines = text.splitlines()
    for name, system in metrics["baselines"].items():
        rows = [line for line in lines if line.startswith(f"│ {name} ")]
        assert len(rows) == 1
        assert (f"{name} *" in rows[0]) == system["privileged"]


def test_parts_stand_in_their_own_order_with_a_rival_each(text):
    places = [text.index(f"│ {part} ") for part in ("still", "slow", "fast", "left", "straight", "right")]
    assert places == sorted(places)
    assert "no_vision" in text[places[0] :]


def test_remarks_and_failures_are_said_plainly(metrics, text):
    assert "model: " in text
    assert "answers could not be read" in text
    for remark in metrics["all"]["remarks"]:
        assert remark in text.replace("\n", "")
    assert any("no_vision" in remark for remark in metrics["all"]["remarks"])
    assert "90%" in text
