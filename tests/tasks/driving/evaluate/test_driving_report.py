from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from html_tree import Tree

from rushes.errors import MetricError
from rushes.evaluate.pages import Head
from rushes.evaluate.scorecard import Scorecard
from rushes.metrics.egomotion import TARGETS
from rushes.tasks.driving.evaluate.answers import Answers, read_answers
from rushes.tasks.driving.evaluate.measure import answered, errors_of
from rushes.tasks.driving.evaluate.names import DISPLACEMENT
from rushes.tasks.driving.report.cards import alignment, best_and_worst, scores
from rushes.tasks.driving.report.page import CARDS, write_report
from rushes.tasks.driving.report.plots import scatter

EVIL = '<script>alert("$x$")</script>'
LOSSES = {"driving": [(10, 2.1), (20, 1.4)]}


def head(title="driving-twin"):
    return Head(
        title=title,
        what="report of a run of driving",
        date=datetime(2026, 3, 1, 12, tzinfo=UTC),
        command="rushes run driving-twin.yaml",
        model="tiny",
        sizes={"clips": 8},
    )


def write(path, world, card, table, *, layout="tiled", losses=LOSSES, title="driving-twin"):
    write_report(
        path,
        head(title),
        card,
        table,
        losses=losses,
        preprocessing={"setup": {"name": "cruciform"}, "tile_size": [252, 140]},
        sample_of=lambda key: world.sample(key, layout=layout),
    )


def written(path, world, table, **changes):
    card = Scorecard.model_validate_json(world.evaluate(table).model_dump_json())
    write(path, world, card, table, **changes)
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def table(world, noisy):
    return world.table(model=noisy(0.8, 0.1), untrained=noisy(9.0, 0.4), no_vision=noisy(0.7))


@pytest.fixture(scope="module")
def text(world, table, tmp_path_factory):
    return written(tmp_path_factory.mktemp("report") / "report.html", world, table)


def test_the_page_is_whole_and_needs_nothing_else(text):
    tree = Tree(text)
    assert text.startswith("<!doctype html>")
    assert tree.tags.count("script") == 1
    assert not {"link", "iframe"} & set(tree.tags)
    for name, value in tree.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r'href="data:[^"]*"', "", text))


def test_every_part_stands_in_it(text, world):
    said = set(Tree(text).texts)
    headings = {
        *("Result", "All systems", "Speed and turn", "Conditions", "Truth and answer", "Clips over time"),
        *("Intervals", "Failures", "Training", "Windows", "Camera alignment", "Preprocessing"),
        *("Provenance", "Worst answers", "Best answers", "No readable answer"),
        *("Root mean square and median errors", "The model beside each other system"),
    }
    assert headings <= said
    for name in ("constant_velocity", "previous_truth", "previous_prediction", "zero", "untrained", "DE"):
        assert name in said
    assert {"still", "slow", "fast", "left", "straight", "right"} <= said
    assert all(any(row["recording"] in word for word in said) for row in world.rows)


def test_the_head_and_the_meaning_of_every_figure_are_in_sight(text, card):
    said = " ".join(Tree(text).texts)
    for fact in ("2026-03-01 12:00 UTC", "rushes run driving-twin.yaml", "tiny"):
        assert fact in said
    assert all(figure.meaning in said for figure in card.figures.values())


@pytest.fixture(scope="module")
def card(world, table):
    return world.evaluate(table)


def test_what_the_remarks_say_stands_in_it(text, card):
    said = Tree(text).texts
    assert card.remarks
    assert all(line in said for line in card.remarks)
    assert any("answers could not be read" in line for line in said)


def test_a_model_that_wins_is_said_to_win_and_one_that_loses_to_lose(world, noisy, tmp_path):
    text = written(tmp_path / "r.html", world, world.table(model=noisy(0.2)))
    assert "Better than the best of its baselines on every compared figure" in text
    assert "No readable answer" not in text
    text = written(tmp_path / "r.html", world, world.table(model=noisy(90.0)))
    assert "worse than zero" in text
    assert "Better than the best" not in text


def test_the_same_figures_give_the_same_bytes(world, table, text, tmp_path):
    assert written(tmp_path / "again.html", world, table) == text


def test_windows_are_found_by_right_and_wrong_and_by_how_they_were_driven(text, table):
    clips = re.findall(r'<figure class="clip (\w*)" data-verdict="(\w*)" data-label="([^"]*)">', text)
    cards = [clip for clip in clips if clip[2]]
    assert len(cards) == 2 * CARDS + (CARDS + 1) // 2
    assert {verdict for _, verdict, _ in cards} == {"right", "wrong"}
    assert all(re.fullmatch(r"(still|slow|fast), (left|straight|right)", label) for *_, label in cards)


def test_pictures_are_inlined_as_they_were_shown_one_for_each_view(world, table, tmp_path):
    for layout, views in (("tiled", 1), ("separate", 4)):
        text = written(tmp_path / f"{layout}.html", world, table, layout=layout)
        pictures = re.findall(r'href="data:image/jpeg;base64,', text)
        cards = 2 * CARDS + (CARDS + 1) // 2
        assert len(pictures) == cards * 3 * views


def test_words_of_the_model_never_become_markup(world, noisy, tmp_path):
    def evil(row, rng):
        answer = noisy(1.0, 0.2)(row, rng)
        return answer | {"reasoning": EVIL, "failure": answer["failure"] and EVIL}

    text = written(tmp_path / "r.html", world, world.table(model=evil), title=EVIL)
    assert text.count("<script") == 1
    assert "&lt;script&gt;" in text
    Tree(text)


def test_nothing_to_draw_leaves_no_gap(world, tmp_path):
    def silent(row, rng):
        nothing = {f"{name}{end}": None for name in TARGETS for end in ("", "_low", "_high")}
        return nothing | {"reasoning": None, "failure": "no answer"}

    text = written(tmp_path / "r.html", world, world.table(model=silent), losses={})
    Tree(text)
    assert "The model gave no intervals." in text
    assert "No readable answer" in text
    for gone in ("Training", "Best answers", "Worst answers"):
        assert f">{gone}</h" not in text


def test_a_clip_of_one_window_is_no_line(world, noisy, tmp_path):
    alone = type(world)(world.rows[:1], world.train)
    text = written(tmp_path / "r.html", alone, alone.table(model=noisy(1.0)))
    Tree(text)
    assert "Clips over time" not in text
    assert text.count('class="clip ') == 1


def test_predictions_without_the_model_write_nothing(world, noisy, card, tmp_path):
    with pytest.raises(MetricError):
        write(tmp_path / "r.html", world, card, world.table(untrained=noisy(1.0)))
    assert not list(tmp_path.iterdir())


def test_best_and_worst_come_from_different_clips_and_failures_apart(table, constant):
    windows, systems = read_answers(table)
    errors = errors_of(windows, systems["model"], constant)
    score = scores(windows, errors, constant)
    best, worst, unread = best_and_worst(windows, errors, score, 4)
    place = {key: row for row, key in enumerate(windows.key.tolist())}
    assert score[place[best[0]]] == score[answered(errors)].min()
    assert score[place[worst[0]]] == score[answered(errors)].max()
    assert not any(answered(errors)[place[key]] for key in unread)
    for keys, count in ((best, 4), (worst, 4), (unread, 2)):
        assert len({windows.recording[place[key]] for key in keys}) == len(keys) == count


@pytest.fixture(scope="module")
def constant(card):
    return card.details["constants"]["train_median"]


def test_the_constant_itself_scores_one(world, table, constant):
    windows, _ = read_answers(table)
    same = Answers({name: [constant[name]] * len(windows) for name in TARGETS})
    score = scores(windows, errors_of(windows, same, constant), constant)
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


def test_a_scatter_of_many_windows_stays_small_and_shows_failures():
    truth = np.linspace(0.0, 30.0, 20_000)
    answers = [None if row % 10 == 0 else float(value) for row, value in enumerate(truth)]
    drawn = scatter(truth, answers, DISPLACEMENT)
    assert 1000 < drawn.count("<circle") < 1500
    assert 50 < drawn.count('y1="316"') < 500
