"""Sounds that somebody sends: the answers are those of predict, and what cannot be answered is refused."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from jobs import SOUNDS, TONES
from PIL import Image
from sound_files import sine, wav

from rushes.errors import MediaError, RecipeError, StageError
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.predict.table import read_predictions
from rushes.tasks.sounds.predict.table import SCHEMA, log_probabilities, logits_array
from rushes.tasks.sounds.report.overview import WIDTH, Overview
from rushes.testing import Request, door_checks

RATE, CLIP_S = 4000, 0.25
HERTZ = {"high": 1600.0, "low": 300.0}


def tone(label: str, seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = sine(RATE, seconds, HERTZ[label] * rng.uniform(0.9, 1.1), 0.4)
    return wave + rng.normal(0.0, 0.02, len(wave))


def sound(label: str, seconds: float, seed: int) -> bytes:
    return wav(tone(label, seconds, seed), RATE)


@pytest.fixture(scope="module")
def job(open_job, tmp_path_factory):
    """A net that was taught to tell high tones from low ones; some last longer than a clip."""
    folder = tmp_path_factory.mktemp("tones")
    for label in HERTZ:
        for number in range(40):
            path = folder / "sounds" / label / f"{number}" / "a.wav"
            path.parent.mkdir(parents=True)
            path.write_bytes(sound(label, CLIP_S * (1 + number % 3 / 2), number))
    labels = f"{{labels: [{', '.join(HERTZ)}], clip_s"
    job = open_job(TONES.replace("ROOT", str(folder / "sounds")).replace("{clip_s", labels), folder)
    for stage in ("features", "train", "predict"):
        told = job.tell(stage)
        assert told.code == 0, told.err
    return job


@pytest.fixture(scope="module")
def doors(job):
    run = job.run()
    return run.task.doors(run)


@pytest.fixture(scope="module")
def door(doors):
    return doors["predict"]


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """Low, high, low, a little over a second each."""
    path = tmp_path_factory.mktemp("night") / "night.wav"
    waves = [tone(label, 1.1, number) for number, label in enumerate(("low", "high", "low"))]
    path.write_bytes(wav(np.concatenate(waves), RATE))
    return path


def answered(door, path: Path, limits: Limits = DEFAULT_LIMITS, **asked) -> dict:
    question = door.asked(**asked)
    decoded = door.decode(question)({"file": path}, limits)
    reply = door.reply(question, decoded.about)
    for part in decoded.parts:
        [said] = door.answer([part])
        reply.add(part, said)
    return json.loads(reply.finish().model_dump_json())


def test_answers_are_those_of_predict_bit_by_bit(job, door):
    run = job.run()
    table = read_predictions(run.folder("predict"), SCHEMA)
    expected = np.exp(log_probabilities(logits_array(table, len(HERTZ)))).tolist()
    path_of = {one.key: one.path for block in run.scan.blocks for one in block.recordings}
    assert len(table) > 10
    lengths = set()
    for key, row in zip(table["key"].to_pylist(), expected, strict=True):
        told = answered(door, path_of[key], clip_id=key)
        assert told["scores"] == dict(zip(HERTZ, row, strict=True))
        assert told["confidence"] == max(row) == told["scores"][told["label"]]
        assert (told["clip_id"], told["spectrogram"]) == (key, None)
        lengths.add(told["duration_s"])
    assert max(lengths) > CLIP_S


def test_sounds_of_several_requests_are_answered_as_each_alone(door, tmp_path):
    (tmp_path / "a.wav").write_bytes(sound("low", 0.2, 1))
    (tmp_path / "b.wav").write_bytes(sound("high", 0.3, 2))
    parts = []
    for name in ("a", "b"):
        parts += door.decode(door.asked())({"file": tmp_path / f"{name}.wav"}, DEFAULT_LIMITS).parts
    together = [row.tolist() for row in door.answer(parts)]
    assert together == [row.tolist() for part in parts for row in door.answer([part])]


def test_what_the_net_heard_is_drawn_where_it_is_asked_for(door, tmp_path):
    (tmp_path / "low.wav").write_bytes(sound("low", 0.25, 3))
    told = answered(door, tmp_path / "low.wav", spectrogram=True)
    drawn = Image.open(io.BytesIO(base64.b64decode(told["spectrogram"]))).convert("L")
    rows = np.asarray(drawn, float).mean(axis=1)
    assert drawn.width < WIDTH
    assert rows.argmax() > len(rows) / 2  # low bands lie at the bottom


def test_a_picture_of_a_night_is_as_small_as_that_of_a_minute():
    rng, overview = np.random.default_rng(0), Overview()
    heard = rng.normal(size=(4, 70_001)).astype(np.float32)
    heard[:, 35_000:] += 50.0
    first = 0
    while first < heard.shape[1]:
        count = int(rng.integers(1, 900))
        overview.add(heard[:, first : first + count])
        first += count
    whole = heard[:, : 70_001 // 128 * 128].reshape(4, -1, 128).mean(axis=2)
    assert overview.columns()[:, : whole.shape[1]] == pytest.approx(whole, abs=1e-4)
    drawn = np.asarray(Image.open(io.BytesIO(overview.png())).convert("L"), float)
    assert WIDTH / 2 <= drawn.shape[1] <= WIDTH
    assert overview.each == 128
    assert drawn.shape[1] == -(-70_001 // 128)
    columns = drawn.mean(axis=0)
    louder = np.flatnonzero(columns > columns.mean())
    assert louder[0] == pytest.approx(35_000 / 128, abs=1)
    assert np.diff(louder).max() == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"this is a text, and no sound\n" * 50, "are read, found a file that begins"),
        (sound("low", 0.2, 4)[:-100], "cut|declares"),
        (b"\x1a\x45\xdf\xa3" + bytes(4000), ""),
    ],
)
def test_what_is_no_sound_is_refused(door, tmp_path, data, words):
    (tmp_path / "sent").write_bytes(data)
    with pytest.raises(MediaError, match=words or "."):
        answered(door, tmp_path / "sent")


def test_a_long_sound_is_told_of_the_other_door(job, door, tmp_path):
    (tmp_path / "long.wav").write_bytes(sound("low", 31.0, 5))
    assert job.run().recipe.prepare.longest_s == 30.0
    with pytest.raises(MediaError, match="longer than 30 s") as refused:
        answered(door, tmp_path / "long.wav")
    assert "/analyze" in refused.value.cure
    (tmp_path / "short.wav").write_bytes(sound("low", 2.0, 5))
    with pytest.raises(MediaError, match="longer than 1 s"):
        answered(door, tmp_path / "short.wav", Limits(max_duration_s=1.0))


def test_a_night_is_answered_as_the_verb_apply_labels_it(job, doors, night):
    run = job.run()
    apply = run.task.apply(run)
    ticks, _ = apply.ticks(night)
    told = answered(doors["analyze"], night, scores=True, name="night")
    assert told["scores"] == ticks.probabilities.tolist()
    assert [one["label"] for one in told["ticks"]] == list(apply.shown(ticks).said)
    assert [one["label"] for one in told["segments"]] == ["low", "high", "low"]
    assert told["boundaries"] == pytest.approx([1.1, 2.2], abs=CLIP_S / 2)
    assert (told["duration_s"], told["spectrogram"]) == (pytest.approx(3.3), None)


def test_a_night_is_drawn_from_its_first_moment_to_its_last(doors, night):
    told = answered(doors["analyze"], night, spectrogram=True)
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["spectrogram"]))).convert("L"), float)
    moments = 3.3 * RATE / 80  # of a hop of 80 samples
    assert drawn.shape[1] == pytest.approx(moments, abs=7)  # behind the last window nothing is heard
    upper, lower = np.array_split(drawn, 2)
    high = upper.mean(axis=0) > lower.mean(axis=0)
    edges = np.flatnonzero(np.diff(np.convolve(high, np.ones(9) / 9, "same") > 0.5)) / (RATE / 80)
    assert edges.tolist() == pytest.approx([1.1, 2.2], abs=0.06)


def test_a_sound_shorter_than_a_window_is_drawn_without_the_silence_behind_it(doors, tmp_path):
    (tmp_path / "short.wav").write_bytes(sound("low", 0.1, 3))
    told = answered(doors["analyze"], tmp_path / "short.wav", spectrogram=True)
    assert Image.open(io.BytesIO(base64.b64decode(told["spectrogram"]))).width == 1 + 0.1 * RATE / 80


@pytest.mark.parametrize("verb", ["predict", "analyze"])
@pytest.mark.parametrize("check", door_checks(), ids=lambda check: check.__name__)
def test_the_doors_keep_their_contract(check, doors, verb, tmp_path):
    (tmp_path / "low.wav").write_bytes(sound("low", 1.0, 3))
    asked = {"spectrogram": True, **({"clip_id": "mine"} if verb == "predict" else {})}
    check(Request(doors[verb], asked, {"file": tmp_path / "low.wav"}), tmp_path / "room")


def test_an_untrained_run_answers_nobody_and_no_other_server_is_asked(open_job, tmp_path):
    run = open_job(SOUNDS, tmp_path).run()
    with pytest.raises(StageError, match="not done"):
        run.task.doors(run)["predict"].load()
    with pytest.raises(RecipeError, match="in this process only"):
        run.task.doors(run, engine=object())
