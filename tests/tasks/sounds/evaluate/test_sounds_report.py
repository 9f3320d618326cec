import re
from base64 import b64decode
from datetime import UTC, datetime

import numpy as np
import pytest
from html_tree import Tree
from markupsafe import escape

from rushes.errors import ShardError
from rushes.evaluate.pages import Head
from rushes.evaluate.scorecard import Scorecard
from rushes.media.image import decode_jpeg
from rushes.tasks.sounds.evaluate.answers import read_answers
from rushes.tasks.sounds.evaluate.measure import evaluate
from rushes.tasks.sounds.predict.table import predictions_table
from rushes.tasks.sounds.prepare.sample import Sample
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.report.page import write_report
from rushes.tasks.sounds.report.spectrograms import colours, picture, surest

LABELS = ("quiet", "breathe", "snore")
EVENTS = [
    {"kind": "train", "step": 5, "loss": 1.1, "lr": 1e-3},
    {"kind": "train", "step": 10, "loss": 0.8, "lr": 1e-3},
    {"kind": "validation", "step": 10, "loss": 0.9, "f1_macro": 0.61},
    {"kind": "validation", "step": 20, "loss": 0.8, "f1_macro": 0.64},
    {"kind": "validation", "step": 30, "loss": 0.8, "f1_macro": 0.64},
]
DEPLOY = {
    "parameters": 23_943,
    "macs_per_clip": 78_500_000,
    "macs_per_s": 15_700_000,
    "clips": {"calibration": 128, "evaluation": 320},
    "bytes": {"fp32": 95_772, "int8": 24_700, "float_in_int8": 0, "onnx": 98_968, "onnx_int8": 33_278},
    "parity": 9e-8,
    "f1_macro": {"fp32": 0.7, "int8": 0.69, "drop": 0.01},
    "verdict": {"fits": False, "reasons": ["its weights take 24,700 where 9,000 are allowed"]},
    "time": {"p50_ms": 1.6, "p95_ms": 1.9, "int8_p50_ms": 1.25, "int8_p95_ms": 1.4, "pinned": True},
}


def sample_of(key: str) -> Sample:
    rng = np.random.default_rng([*key.encode()])
    return Sample(key, key.split("_")[0], "quiet", rng.uniform(-80, 0, (16, 51)).astype(np.float16))


def measure(table, labels=LABELS, **changes) -> Scorecard:
    asked = {
        "train_labels": dict.fromkeys(labels, 10),
        "class_weights": None,
        "split": "test",
        "provenance": {"weights": "abc"},
    }
    found = evaluate(table, labels=labels, **{**asked, **changes})
    return Scorecard.model_validate_json(found.model_dump_json())


def written(folder, card, table, title="night", **changes) -> str:
    head = Head(
        title=title,
        what="report of a run of sounds",
        date=datetime(2026, 3, 1, 12, tzinfo=UTC),
        command="rushes run night.yaml",
        model="tinycnn",
        sizes={},
    )
    asked = {
        "events": EVENTS,
        "preprocessing": SoundPreprocessing().model_dump(mode="json"),
        "sample_of": sample_of,
    }
    path = folder / "report.html"
    write_report(path, head, card, table, **{**asked, **changes})
    return path.read_text(encoding="utf-8")


def test_a_report_needs_no_other_file_and_is_whole(tmp_path, predictions):
    table = predictions()
    card = measure(table, teacher=predictions(seed=1, skill=3.0))
    html = written(tmp_path, card, table, deploy=DEPLOY)
    Tree(html)
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    model = card.all.estimates["model"]["f1_macro"]
    assert f"[{model.low:.3f}, {model.high:.3f}]" in html
    for section in ("Result", "Classes", "Groups", "Training", "Distillation", "Device", "Sounds"):
        assert f"<h2>{section}</h2>" in html
    assert "does not fit" in html
    assert "where 9,000 are allowed" in html
    assert "step 20 with 0.640" in html
    for figure in card.figures.values():
        assert str(escape(figure.meaning)) in html
    for part in card.of_kind("group"):
        assert f">{part.name}</text>" in html


def test_the_same_input_gives_the_same_bytes(tmp_path, predictions):
    table = predictions()
    card = measure(table)
    assert written(tmp_path, card, table) == written(tmp_path, card, table.take([*range(320)][::-1]))


def test_what_is_not_there_is_left_out(tmp_path, predictions):
    table = predictions(wearers=1, clips=60, always=0)
    html = written(tmp_path, measure(table), table, events=[])
    Tree(html)
    assert "collapsed: every clip is answered with quiet" in html
    for section in ("Training", "Distillation", "Device"):
        assert f"<h2>{section}</h2>" not in html
    assert "<h3>quiet, missed</h3>" not in html
    assert "<h3>snore, recognised</h3>" not in html


@pytest.mark.parametrize(("clips", "shown"), [(1, "by true class:"), (30, "the 8 classes of least F1:")])
def test_one_clip_and_many_classes_make_a_report(tmp_path, clips, shown):
    labels = tuple(f"class {place}" for place in range(30))
    keys = [f"w_k{number}" for number in range(clips)]
    table = predictions_table(keys, keys, labels[:clips], np.eye(30, dtype=np.float32)[:clips])
    html = written(tmp_path, measure(table, labels), table)
    Tree(html)
    assert "none has figures of its own" in html
    assert shown in html


def test_names_from_data_never_become_markup(tmp_path):
    odd = ("<script>alert(1)</script>", 'say "&"')
    keys, groups = ["<img src=x>" + str(n) for n in range(24)], ["<b>w</b>"] * 24
    logits = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)
    table = predictions_table(keys, groups, [odd[n % 2] for n in range(24)], logits)
    card = measure(table, odd, provenance={"<i>": "</dd><script>"})
    html = written(tmp_path, card, table, title="<u>night</u>")
    Tree(html)
    for text in ("<script>alert", "</dd><script", "<img src=x", "<b>w", "<i>", "<u>"):
        assert text not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_wall_shows_the_surest_of_many_wearers(predictions, labels):
    answers = read_answers(predictions(), labels)
    for wall in surest(answers, range(3), 3):
        for rows, right in ((wall.right, True), (wall.wrong, False)):
            assert all(labels[answers.truth[row]] == wall.label for row in rows)
            assert all(bool(answers.right[row]) is right for row in rows)
            sure = [answers.confidence[row] for row in rows]
            assert sure == sorted(sure, reverse=True)
        assert len({answers.group[row] for row in wall.right}) == 3
    quiet = answers.confidence[answers.right & (answers.truth == 0)].max()
    assert answers.confidence[surest(answers, [0], 1)[0].right[0]] == quiet


def test_one_wearer_fills_the_wall_alone(predictions, labels):
    answers = read_answers(predictions(wearers=1), labels)
    wall = surest(answers, [0], 3)[0]
    assert len(set(wall.right)) == 3


def test_shades_grow_evenly_brighter():
    rgb = colours(np.linspace(0, 1, 64)).astype(float)
    light = rgb @ (0.30, 0.59, 0.11)
    assert (np.diff(light) > 0).all()
    assert np.abs(light - np.linspace(0, 255, 64)).max() < 6


def test_low_bands_stand_at_the_bottom():
    features = np.full((16, 64), -80.0, np.float32)
    features[0] = 0.0
    drawn = decode_jpeg(picture(features, (-80.0, 0.0))).astype(int)
    assert drawn.shape == (128, 64, 3)
    assert drawn[-4:].mean() > 200
    assert drawn[:100].mean() < 30


def test_pictures_of_the_report_are_those_of_the_samples(tmp_path, predictions):
    table = predictions()
    html = written(tmp_path, measure(table), table)
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="log-mel spectrogram of (\w+)"', html)
    assert 9 <= len(found) <= 18
    assert len({key for _, key in found}) == len(found)
    data, key = found[0]
    seen = decode_jpeg(b64decode(data)).astype(float).mean(axis=2)[::8][::-1]
    heard = sample_of(key).features.astype(float)
    assert np.corrcoef(seen.ravel(), heard.ravel())[0, 1] > 0.8


def test_a_torn_spectrogram_is_an_error_and_leaves_no_file(tmp_path, predictions):
    table = predictions()

    def torn(key):
        return Sample(key, "w", "quiet", np.full((4, 4), np.nan, np.float32))

    with pytest.raises(ShardError, match="finite"):
        written(tmp_path, measure(table), table, sample_of=torn)
    assert list(tmp_path.iterdir()) == []


def test_the_epoch_that_was_kept_is_the_first_of_the_best(tmp_path, predictions):
    table = predictions(wearers=1, clips=60)
    assert "the kept one, step 20 with 0.640" in written(tmp_path, measure(table), table)
