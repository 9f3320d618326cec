from __future__ import annotations

import io

import pytest
from rich.console import Console

from rushes.evaluate.scorecard import Clusters, FigureRow, Part, Scorecard, Standing, System, Value
from rushes.evaluate.tables import print_scorecard

OTHERS = ("majority", "constant", "mean", "median", "untrained", "shuffled")


def figure(title, **changes):
    look = {"unit": "", "better": "higher", "bounds": (0, 1), "headline": True, "compared": True}
    return FigureRow(title=title, meaning="of a test", **(look | changes))


def value(at):
    return Value(value=at, low=at - 0.1, high=at + 0.1, n=40, clusters=8)


@pytest.fixture(scope="module")
def card():
    off = Standing(rival="majority", value=0.5, difference=value(0.2), verdict="better")
    rest = {"n": 40, "clusters": Clusters(by="person", count=8), "standings": {"accuracy": off}}
    whole = {"model": {"accuracy": value(0.7), "delay": value(0.25)}} | {
        name: {"accuracy": value(0.5)} for name in OTHERS
    }
    of_timeline = {"model": {"edit": value(0.6)}, "untrained": {"edit": value(0.3)}}
    roles = {name: "baseline" for name in OTHERS[:4]} | {"untrained": "ablation", "shuffled": "ablation"}
    return Scorecard(
        task="lamps",
        split="test",
        systems={"model": System(role="model", what="the model")}
        | {name: System(role=role, what=name) for name, role in roles.items()},
        figures={
            "accuracy": figure("accuracy"),
            "delay": figure("delay", unit="s", headline=False),
            "edit": figure("edit", headline=False),
        },
        parts=(
            Part(kind="all", estimates=whole, **rest),
            Part(kind="timeline", estimates=of_timeline, **(rest | {"standings": {}})),
            Part(kind="class", name="Lamp", estimates={"model": {"accuracy": value(0.7)}}, **rest),
        ),
        intervals="by hand",
        remarks=("[bold]not bold[/bold]",),
    )


@pytest.fixture(scope="module")
def text(card):
    console = Console(file=io.StringIO(), width=110)
    print_scorecard(card, console)
    return console.file.getvalue()


def test_every_system_and_figure_is_printed_whole_on_a_narrow_console(text):
    for said in (*OTHERS, "accuracy", "delay (s)", "0.700 [0.600, 0.800] ✓", "8 × person"):
        assert said in text
    assert "…" not in text
    heads = [line for line in text.splitlines() if "majority" in line or "shuffled" in line]
    assert len(heads) == 2, "seven systems take two tables"


def test_a_figure_that_nobody_of_a_table_has_takes_no_row(text):
    assert text.count("delay (s)") == 1


def test_whole_recordings_stand_beside_each_other(text):
    after = text.split("Whole recordings: 40 answers")[1]
    assert "untrained" in after
    assert "0.600 [0.500, 0.700]" in after
    assert after.index("edit") < after.index("Lamp")


def test_remarks_are_no_markup(text):
    assert "! [bold]not bold[/bold]" in text
