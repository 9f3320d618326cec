from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from rushes.errors import MetricError
from rushes.evaluate.markup import VOID, tag
from rushes.evaluate.plots import loss_curve, palette, strips, ticks
from rushes.media.image import encode_jpeg
from rushes.tasks.operations.evaluate.answers import Clips, System, read_answers
from rushes.tasks.operations.report.contact import best_and_worst, thumbnail
from rushes.tasks.operations.report.page import write_report

EVIL = '<script>alert("$x$")</script>'
LOSSES = {"captions": [(10, 2.1), (20, 1.4)], "clips": [(10, 1.5), (20, 0.7)]}


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


def written(path, world, table, *, title="operations-twin", **changes):
    samples = {clip.key: clip for _, clip in world.clips}
    [example, *_] = world.train
    signals = np.stack([np.linspace(0, 5, 25), np.linspace(4, 6, 25), np.zeros(25)], axis=1).astype(
        np.float32
    )

    def sample_of(key):
        clip = samples[key]
        return replace(example, key=key, asked_s=clip.asked_s, target=clip.target, segments=clip.segments)

    metrics = changes.pop("metrics", None) or world.evaluate(table)
    write_report(
        path,
        json.loads(json.dumps(metrics, sort_keys=True)),
        table,
        title=title,
        losses=LOSSES,
        preprocessing={"sampler": "motion", "frame_size": [336, 336], "question": "At {moment} s?"},
        sample_of=sample_of,
        signals_of=lambda key: signals,
        **changes,
    )
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def text(world, noisy, tmp_path_factory):
    table = world.table(model=noisy(0.8), untrained=noisy(0.2))
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
    assert "@import" not in text


def test_every_part_stands_in_it(text, world):
    tree = parsed(text)
    said = " ".join(tree.texts)
    for heading in (
        "Result",
        "All clips",
        "Preprocessing subset",
        "Classes",
        "Subjects",
        "Confusion",
        "Timelines",
    ):
        assert heading in tree.texts
    for name in (
        "constant_asked",
        "whole_clip",
        "majority",
        "grammar_prior",
        "untrained",
        "smoothed",
        "U0108",
    ):
        assert name in said
    assert "Worst answers" in said
    assert "Best answers" in said
    assert "0123456789ab" in said, "provenance"
    assert "At {moment} s?" in said, "preprocessing"
    assert tree.tags.count("image") == 8 * 4
    assert not re.search(r"\b(nan|None)\b", said)


def test_figures_are_those_of_the_metrics(world, noisy, tmp_path):
    table = world.table(model=noisy(0.8))
    metrics = world.evaluate(table)
    texts = parsed(written(tmp_path / "report.html", world, table, metrics=metrics)).texts
    model = metrics["all"]["systems"]["model"]
    for figure in ("oca", "tiou_50", "aa_1"):
        assert f"{model[figure]['value']:.3f}" in texts
        assert f"[{model[figure]['low']:.3f}, {model[figure]['high']:.3f}]" in texts


def test_a_model_below_its_baseline_is_flagged(world, tmp_path, text):
    table = world.table(model=lambda true, rng: true | {"start_s": 0.0, "end_s": 5.0})
    losing = written(tmp_path / "report.html", world, table)
    assert "below constant_asked" in parsed(losing).texts
    assert "pill bad" in losing
    assert "pill bad" not in text
    assert "pill good" in text


def test_labels_and_titles_cannot_become_markup(world, right, tmp_path):
    def evil(name):
        return EVIL if name == "Tape" else name

    table = world.table(model=right)
    for column in ("operation", "next", "truth_operation", "truth_next"):
        names = pa.array([evil(name) for name in table[column].to_pylist()], pa.string())
        table = table.set_column(table.column_names.index(column), column, names)
    recordings = [
        {**row, "segments": [[start, end, evil(label)] for start, end, label in row["segments"]]}
        for row in world.recordings
    ]
    train = [
        replace(
            sample,
            target=replace(
                sample.target, operation=evil(sample.target.operation), next=evil(sample.target.next)
            ),
        )
        for sample in world.train
    ]
    labels = ("Pick", EVIL, "Press", "Label")
    metrics = world.evaluate(table, recordings=recordings, train=train, labels=labels)
    found = written(tmp_path / "report.html", world, table, title=EVIL, metrics=metrics)
    tree = parsed(found)
    assert "script" not in tree.tags
    assert EVIL in tree.texts
    assert "<script" not in found


def test_without_clips_nothing_is_written(world, right, tmp_path):
    table = world.table(model=right)
    metrics = world.evaluate(table)
    with pytest.raises(MetricError, match="nothing to evaluate"):
        written(tmp_path / "report.html", world, table.slice(0, 0), metrics=metrics)
    assert list(tmp_path.iterdir()) == []


def test_worst_clips_are_sure_mistakes_and_best_are_right(world):
    def sometimes(true, rng):
        wrong = rng.random() < 0.3
        sure = (int(true["key"].split("_t")[1][:7]) // 100 % 89) / 100 + 0.1  # the same around a boundary
        return (
            true
            | {"confidence": sure}
            | ({"operation": "Label", "next": "Tape", "end_s": 0.05, "start_s": 0.0} if wrong else {})
        )

    clips, systems = read_answers(world.table(model=sometimes))
    model = systems["model"]
    best, worst = best_and_worst(clips, model, 4)
    row = {key: number for number, key in enumerate(clips.key)}
    assert len(set(best) | set(worst)) == 8
    assert all(model.operation[row[key]] == clips.operation[row[key]] for key in best)
    assert all(model.operation[row[key]] != clips.operation[row[key]] for key in worst)
    confidences = [model.confidence[row[key]] for key in best]
    assert confidences == sorted(confidences, reverse=True)
    for keys in (best, worst):
        assert len({key.rsplit("_", 1)[0] for key in keys}) == 4, "one clip for each boundary"


def test_a_wrong_operation_or_successor_is_worse_than_a_segment_that_is_off():
    names = np.array(["a", "b", "c", "d"])
    labels, segment = np.array(["Tape"] * 4), np.array([[0.0, 2.0]] * 4)
    clips = Clips(names, names, names, names, np.arange(4), np.zeros(4), np.zeros(4), labels, labels, segment)
    model = System(
        "model",
        operation=["Tape", "Pack", "Tape", "Pack"],
        segment=[(0.0, 1.0), (0.0, 2.0), (0.0, 2.0), (0.0, 2.0)],
        next=["Tape", "Tape", "Tape", "Pack"],
        confidence=[0.9] * 4,
    )
    assert best_and_worst(clips, model, 1) == (["c"], ["d"])
    assert best_and_worst(clips, model, 4)[0] == ["c", "a", "b", "d"]


def test_a_thumbnail_has_no_letterbox_bars():
    picture = np.zeros((336, 336, 3), np.uint8)
    picture[42:294] = 200
    shown = thumbnail(encode_jpeg(picture), (640, 480))
    assert shown.shape[1] / shown.shape[0] == pytest.approx(4 / 3, rel=0.03)
    assert shown.mean() > 190
    assert thumbnail(encode_jpeg(picture), None).mean() < 170


def test_markup_escapes_what_it_did_not_build():
    inner = tag("b", "x < y")
    assert tag("p", inner, " & ", EVIL, title='"') == (
        '<p title="&#34;"><b>x &lt; y</b> &amp; &lt;script&gt;alert(&#34;$x$&#34;)&lt;/script&gt;</p>'
    )
    assert tag("rect", x=1.23456, fill=None) == '<rect x="1.23"/>'
    assert "rect" in VOID


def test_every_label_has_a_colour_of_its_own():
    labels = [f"label {number}" for number in range(40)]
    colours = palette(labels)
    assert list(colours) == labels
    assert len(set(colours.values())) == 40
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_ticks_lie_inside_and_are_round():
    for low, high in [(0, 1), (0, 0.013), (-3, 250), (17.2, 17.9), (0, 1e6)]:
        found = ticks(low, high)
        assert 3 <= len(found) <= 12
        assert low - 1e-9 <= min(found) <= max(found) <= high + 1e-9
    assert ticks(2.0, 2.0) == [2.0]


def test_a_long_session_is_broken_into_lines():
    spans = [(10.0 * i, 10.0 * i + 10, "Tape") for i in range(60)]
    session = {"key": "U0108_S0100", "truth": spans, "raw": spans, "smoothed": [(0.0, 600.0, None)]}
    drawn = strips(session, {"Tape": "#59a14f"})
    assert drawn.count(">truth<") == 3
    assert drawn.count("truth: Tape") == 60
    assert "smoothed: None" not in drawn


def test_loss_curves_of_one_point_and_of_none():
    assert "polyline" in loss_curve({"clips": [(10, 0.0)]})
    assert "polyline" not in loss_curve({"clips": []})
