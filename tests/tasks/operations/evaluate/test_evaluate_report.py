from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from html_tree import Tree

from rushes.errors import MetricError
from rushes.evaluate.pages import Head
from rushes.evaluate.scorecard import Scorecard
from rushes.media.image import encode_jpeg
from rushes.tasks.operations.evaluate.answers import Answers, Clips, read_answers
from rushes.tasks.operations.report.cards import Card, best_and_worst, draw, thumbnail
from rushes.tasks.operations.report.page import CARDS, write_report

EVIL = '<script>alert("$x$")</script>'
LOSSES = {"captions": [(10, 2.1), (20, 1.4)], "clips": [(10, 1.5), (20, 0.7)]}


def written(path, world, table, *, title="operations-twin", **changes):
    samples = {clip.key: clip for _, clip in world.clips}
    [example, *_] = world.train
    signals = np.stack([np.linspace(0, 5, 25), np.linspace(4, 6, 25), np.zeros(25)], axis=1).astype(
        np.float32
    )

    def sample_of(key):
        clip = samples[key]
        return replace(example, key=key, asked_s=clip.asked_s, target=clip.target, segments=clip.segments)

    card = changes.pop("card", None) or world.evaluate(table)
    write_report(
        path,
        Head(
            title=title,
            what="report of a run of operations",
            date=datetime(2026, 3, 1, 12, tzinfo=UTC),
            command="rushes run operations-twin.yaml",
            model="tiny",
            sizes={"sessions": 1},
        ),
        Scorecard.model_validate_json(card.model_dump_json()),
        table,
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
    tree = Tree(text)
    assert text.startswith("<!doctype html>")
    assert tree.tags.count("script") == 1
    assert not {"link", "iframe"} & set(tree.tags)
    for name, value in tree.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")


def test_every_part_stands_in_it(text):
    tree = Tree(text)
    said = " ".join(tree.texts)
    headings = {
        *("Result", "All clips", "First 30 clips", "Operations", "Subjects", "Confusion", "Confused pairs"),
        *("Confidence and loss", "Whole sessions", "Clips", "Preprocessing", "Provenance"),
        *("Worst answers", "Best answers", "Reliability", "Loss"),
    }
    assert headings <= set(tree.texts)
    for name in (
        *("constant_asked", "whole_clip", "majority", "grammar_prior", "untrained", "smoothed", "U0108"),
        *("OCA", "MoF", "mAP", "precision", "less untrained", "transition distance", "U0108_S0100"),
        *("0123456789ab", "At {moment} s?", "2026-03-01", "rushes run operations-twin.yaml"),
    ):
        assert name in said, name
    assert tree.tags.count("image") == 2 * CARDS * 4
    assert not re.search(r"\b(nan|None)\b", said)


def test_every_figure_is_explained(text, world, noisy):
    card = world.evaluate(world.table(model=noisy(0.8), untrained=noisy(0.2)))
    said = " ".join(Tree(text).texts)
    assert all(figure.meaning in said for figure in card.figures.values())
    assert all(system.what in said for system in card.systems.values())


def test_the_same_figures_give_the_same_bytes(world, noisy, tmp_path):
    table = world.table(model=noisy(0.8))
    assert written(tmp_path / "one.html", world, table) == written(tmp_path / "two.html", world, table)


def test_figures_are_those_of_the_scorecard(world, noisy, tmp_path):
    table = world.table(model=noisy(0.8))
    card = world.evaluate(table)
    texts = Tree(written(tmp_path / "report.html", world, table, card=card)).texts
    for figure in ("oca", "tiou_50", "aa_1"):
        found = card.all.estimates["model"][figure]
        assert f"{found.value:.3f}" in texts
        assert f"[{found.low:.3f}, {found.high:.3f}]" in texts


def test_a_model_below_its_baseline_is_flagged(world, tmp_path, text):
    table = world.table(model=lambda true, rng: true | {"start_s": 0.0, "end_s": 5.0})
    losing = written(tmp_path / "report.html", world, table)
    assert "worse than constant_asked" in Tree(losing).texts
    assert 'class="pill bad"' in losing
    assert 'class="pill bad"' not in text
    assert 'class="pill good"' in text


def test_clips_can_be_told_by_right_and_wrong(text):
    tree = Tree(text)
    verdicts = [value for name, value in tree.attributes if name == "data-verdict"]
    assert len(verdicts) == 2 * CARDS
    assert verdicts.count("right") >= CARDS
    assert "wrong" in verdicts


def test_labels_that_fell_into_one_class_are_flagged(world, tmp_path, text):
    def stuck(true, rng):
        rows = [0.97 if name == "Pick" else 0.01 for name in ("Pick", "Tape", "Press", "Label")]
        return true | ({"operation": "Pick", "probabilities": rows} if true["kind"] == "window" else {})

    texts = Tree(written(tmp_path / "report.html", world, world.table(model=stuck))).texts
    assert any(said.startswith("smoothed fell into one class: Pick") for said in texts)
    assert not any("fell into one class" in said for said in Tree(text).texts)


def test_without_windows_the_page_says_so(world, right, tmp_path):
    table = world.table(model=right)
    clips = table.filter(pc.not_equal(table["kind"], "window"))
    said = Tree(written(tmp_path / "report.html", world, clips)).texts
    assert "No session was cut into windows." in said


def test_of_files_of_one_label_and_of_nobody_known_the_page_shows_what_there_is(
    one_label_a_file, right, tmp_path
):
    table = one_label_a_file.table(model=right, untrained=right)
    nobody = table.set_column(table.column_names.index("subject"), "subject", pa.array([""] * len(table)))
    text = written(tmp_path / "r.html", one_label_a_file, nobody)
    assert "nobody says what comes next in any clip: the next operation is not measured" in text
    assert "Subjects" not in text


def test_an_answer_that_cannot_be_read_is_said_to_be_so(world, tmp_path):
    table = world.table(model=lambda true, rng: true | {"failure": "no JSON", "confidence": None})
    said = Tree(written(tmp_path / "report.html", world, table)).texts
    assert "no readable answer" in said
    assert "Reliability" not in said


@pytest.mark.parametrize("frames", [2, 8, 16, 32])
def test_frames_are_large_and_none_lies_on_another(world, frames):
    [example, *_] = world.train
    times = tuple(np.linspace(0.1, 4.9, frames).tolist())
    sample = replace(example, frames=example.frames[:1] * frames, times_s=times)
    signals = np.stack([np.linspace(0, 5, 25)] * 3, axis=1).astype(np.float32)
    drawn = draw(Card(sample, signals, 5.0, None, None), {})
    boxes = [
        tuple(float(value) for value in found)
        for found in re.findall(
            r'<image [^>]*?x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawn
        )
    ]
    assert len(boxes) == frames
    for x, y, width, _ in boxes:
        assert width >= 110
        assert x >= 0
        assert x + width <= 1080.01
        beside = [other for other in boxes if other[1] == y and other[0] > x]
        assert all(other[0] >= x + width for other in beside)
    assert len({y for _, y, _, _ in boxes}) == -(-frames // 8)
    assert drawn.count("<path") == frames


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
    card = world.evaluate(table, recordings=recordings, train=train, labels=labels)
    found = written(tmp_path / "report.html", world, table, title=EVIL, card=card)
    tree = Tree(found)
    assert tree.tags.count("script") == 1
    assert EVIL in tree.texts
    assert EVIL not in found


def test_without_clips_nothing_is_written(world, right, tmp_path):
    table = world.table(model=right)
    card = world.evaluate(table)
    with pytest.raises(MetricError, match="nothing to evaluate"):
        written(tmp_path / "report.html", world, table.slice(0, 0), card=card)
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
    clips = Clips(
        names,
        names,
        names,
        names,
        np.arange(4),
        np.zeros(4),
        np.full(4, 5.0),
        np.zeros(4),
        labels,
        labels,
        segment,
    )
    model = Answers(
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
