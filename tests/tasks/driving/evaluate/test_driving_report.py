from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from rushes.errors import MetricError
from rushes.metrics.egomotion import TARGETS
from rushes.tasks.driving.evaluate.answers import read_answers
from rushes.tasks.driving.evaluate.figures import Errors
from rushes.tasks.driving.evaluate.names import DISPLACEMENT
from rushes.tasks.driving.report.cards import alignment, best_and_worst, scores
from rushes.tasks.driving.report.page import CARDS, write_report
from rushes.tasks.driving.report.panels import marks
from rushes.tasks.driving.report.plots import Mark, error_bar, scatter

EVIL = '<script>alert("$x$")</script>'
LOSSES = {"driving": [(10, 2.1), (20, 1.4)]}


class Tree(HTMLParser):
    """Checks that every element is closed in order; collects tags, texts and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes
        if name not in ("meta", "br", "img"):
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert not tree.open
    return tree


def written(path, world, table, *, layout="tiled", losses=LOSSES, title="driving-twin"):
    metrics = json.loads(json.dumps(world.evaluate(table), sort_keys=True))
    write_report(
        path,
        metrics,
        table,
        title=title,
        losses=losses,
        preprocessing={"setup": {"name": "cruciform"}, "tile_size": [252, 140]},
        sample_of=lambda key: world.sample(key, layout=layout),
    )
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def table(world, noisy):
    return world.table(model=noisy(0.8, 0.1), untrained=noisy(9.0, 0.4), no_vision=noisy(0.7))


@pytest.fixture(scope="module")
def text(world, table, tmp_path_factory):
    return written(tmp_path_factory.mktemp("report") / "report.html", world, table)


def test_the_page_is_whole_and_needs_nothing_else(text):
    tree = parsed(text)
    assert text.startswith("<!doctype html>")
    assert not {"script", "link", "iframe"} & set(tree.tags)
    for name, value in tree.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value
    assert "http" not in text
    assert "url(" not in text
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r'href="data:[^"]*"', "", text))


def test_every_part_stands_in_it(text, world):
    said = set(parsed(text).texts)
    headings = {
        *("Result", "All windows", "Speed and turn", "Conditions", "Truth and answer", "Clips over time"),
        *("Intervals and failures", "Loss", "Windows", "Camera alignment", "preprocessing"),
        *("Provenance", "Worst answers", "Best answers", "No readable answer"),
    }
    assert headings <= said
    for name in ("constant_velocity", "previous_truth", "previous_prediction", "zero", "untrained", "DE"):
        assert name in said
    assert all(any(row["recording"] in word for word in said) for row in world.rows)


def test_where_the_model_is_below_a_baseline_the_page_says_so(text):
    said = parsed(text).texts
    assert any("the baseline no_vision" in line for line in said)
    assert any(line.endswith("than no_vision") for line in said)
    assert any("answers could not be read" in line for line in said)


def test_a_model_that_wins_is_said_to_win(world, noisy, tmp_path):
    text = written(tmp_path / "r.html", world, world.table(model=noisy(0.2)))
    assert "All four mean errors are smaller" in text
    assert "No readable answer" not in text
    assert "remarks fine" in text


def test_pictures_are_inlined_as_they_were_shown_one_for_each_view(world, table, tmp_path):
    for layout, views in (("tiled", 1), ("separate", 4)):
        text = written(tmp_path / f"{layout}.html", world, table, layout=layout)
        pictures = re.findall(r'href="data:image/jpeg;base64,', text)
        cards = text.count("<figcaption>") - len({row["recording"] for row in world.rows})
        assert cards == 2 * CARDS + (CARDS + 1) // 2
        assert len(pictures) == cards * 3 * views


def test_words_of_the_model_never_become_markup(world, noisy, tmp_path):
    def evil(row, rng):
        answer = noisy(1.0, 0.2)(row, rng)
        return answer | {"reasoning": EVIL, "failure": answer["failure"] and EVIL}

    text = written(tmp_path / "r.html", world, world.table(model=evil), title=EVIL)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    parsed(text)


def test_nothing_to_draw_leaves_no_gap(world, tmp_path):
    def silent(row, rng):
        nothing = {f"{name}{end}": None for name in TARGETS for end in ("", "_low", "_high")}
        return nothing | {"reasoning": None, "failure": "no answer"}

    text = written(tmp_path / "r.html", world, world.table(model=silent), losses={})
    parsed(text)
    assert "The model gave no intervals." in text
    assert "No readable answer" in text
    for gone in ("Loss", "Best answers", "Worst answers"):
        assert f">{gone}</h" not in text


def test_a_clip_of_one_window_is_no_line(world, noisy, tmp_path):
    alone = type(world)(world.rows[:1], world.train)
    text = written(tmp_path / "r.html", alone, alone.table(model=noisy(1.0)))
    parsed(text)
    assert text.count("<figure") == 1


def test_predictions_without_the_model_write_nothing(world, noisy, table, tmp_path):
    metrics = world.evaluate(table)
    with pytest.raises(MetricError):
        write_report(
            tmp_path / "r.html",
            metrics,
            world.table(untrained=noisy(1.0)),
            title="t",
            losses={},
            preprocessing={},
            sample_of=world.sample,
        )
    assert not list(tmp_path.iterdir())


def test_best_and_worst_come_from_different_clips_and_failures_apart(table, metrics_constant):
    windows, systems = read_answers(table)
    errors = Errors.of(windows, systems["model"], metrics_constant)
    score = scores(windows, errors, metrics_constant)
    best, worst, unread = best_and_worst(windows, errors, score, 4)
    place = {key: row for row, key in enumerate(windows.key.tolist())}
    assert score[place[best[0]]] == score[errors.parsed].min()
    assert score[place[worst[0]]] == score[errors.parsed].max()
    assert not any(errors.parsed[place[key]] for key in unread)
    for keys, count in ((best, 4), (worst, 4), (unread, 2)):
        assert len({windows.recording[place[key]] for key in keys}) == len(keys) == count


@pytest.fixture(scope="module")
def metrics_constant(world, table):
    return world.evaluate(table)["constants"]["train_median"]


def test_the_constant_itself_scores_one(world, table, metrics_constant):
    windows, systems = read_answers(table)
    same = type(systems["model"])({name: [metrics_constant[name]] * len(windows) for name in TARGETS})
    score = scores(windows, Errors.of(windows, same, metrics_constant), metrics_constant)
    assert score.mean() == pytest.approx(1.0)


def test_alignment_reads_every_camera_of_a_bounded_number_of_windows(world):
    read = []

    def sample_of(key):
        read.append(key)
        return world.sample(key)

    offsets = alignment([row["key"] for row in world.rows] * 3, sample_of)
    assert len(read) == 200
    assert {len(seconds) for seconds in offsets.values()} == {200 * 16}
    assert not offsets["front_wide"].any()
    assert 0.01 < np.abs(offsets["rear_left"]).max() < 0.017


def test_marks_keep_their_order_of_value_along_the_line():
    model = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 9}
    drawn = error_bar(
        model, [Mark("zero", 4.0), Mark("mean", 2.0, best=True), Mark("told", 0.5, privileged=True)]
    )
    place = {
        name: float(x)
        for x, name in re.findall(r'<line x1="([\d.]+)"[^>]*><title>[^<]*?(\w+) [\d.]+</title>', drawn)
    }
    assert place["told"] < place["mean"] < place["zero"]
    assert "best baseline: mean 2.00" in drawn
    assert "privileged: told 0.500" in drawn


def test_the_best_mark_is_the_best_of_those_that_compete(world, table):
    metrics = world.evaluate(table)
    found = marks(metrics, metrics["all"]["systems"], "speed_mae_mps")
    assert [mark.name for mark in found if mark.best] == ["no_vision"]
    assert {mark.name for mark in found if mark.privileged} == {"previous_truth", "constant_velocity"}
    assert len(found) == len(metrics["baselines"])


def test_a_scatter_of_many_windows_stays_small_and_shows_failures():
    truth = np.linspace(0.0, 30.0, 20_000)
    answers = [None if row % 10 == 0 else float(value) for row, value in enumerate(truth)]
    drawn = scatter(truth, answers, DISPLACEMENT)
    assert 1000 < drawn.count("<circle") < 1500
    assert 50 < drawn.count('y1="316"') < 500
