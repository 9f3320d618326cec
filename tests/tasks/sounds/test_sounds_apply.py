"""Long sounds without labels through a trained net: the answers are those that predict gives of the same windows."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from at_the_door import ask
from jobs import TONES
from sound_files import sine, wav

from rushes.annotations import How, read
from rushes.errors import MediaError
from rushes.media.limits import Limits
from rushes.predict.table import read_predictions
from rushes.predict.ticks import stretches
from rushes.runs.door.analyze import AnalyzeDoor
from rushes.tasks.sounds.predict.table import SCHEMA, log_probabilities, logits_array

RATE, CLIP_S = 4000, 0.25
HERTZ = {"high": 1600.0, "low": 300.0}


def sound(label: str, seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tone = sine(RATE, seconds, HERTZ[label] * rng.uniform(0.9, 1.1), 0.4)
    return tone + rng.normal(0.0, 0.02, len(tone))


@pytest.fixture(scope="module")
def job(open_job, tmp_path_factory):
    """A net that was taught to tell high tones from low ones, a quarter of a second each."""
    folder = tmp_path_factory.mktemp("tones")
    for label in HERTZ:
        for number in range(40):
            path = folder / "sounds" / label / f"{number}" / "a.wav"
            path.parent.mkdir(parents=True)
            path.write_bytes(wav(sound(label, CLIP_S, number), RATE))
    labels = f"{{labels: [{', '.join(HERTZ)}], clip_s"
    text = TONES.replace("ROOT", str(folder / "sounds")).replace("{clip_s", labels)
    job = open_job(text + "timelines: {smooth_s: 0.3}\n", folder)
    for stage in ("features", "train", "predict"):
        told = job.tell(stage)
        assert told.code == 0, told.err
    return job


@pytest.fixture(scope="module")
def applied(job):
    run = job.run()
    return run.task.apply(run)


def test_answers_are_those_of_predict_bit_by_bit(job, applied):
    run = job.run()
    table = read_predictions(run.folder("predict"), SCHEMA)
    expected = np.exp(log_probabilities(logits_array(table, len(HERTZ))))
    path_of = {one.key: one.path for block in run.scan.blocks for one in block.recordings}
    assert len(table) > 10
    for key, row in zip(table["key"].to_pylist(), expected.tolist(), strict=True):
        ticks, _ = applied.ticks(path_of[key])
        assert ticks.probabilities.tolist() == [row]


def test_what_is_heard_one_after_the_other_becomes_segments(applied, tmp_path):
    order = ("low", "high", "low")
    whole = np.concatenate([sound(label, 2.0, number) for number, label in enumerate(order)])
    (tmp_path / "night.wav").write_bytes(wav(whole, RATE))
    ticks, about = applied.ticks(tmp_path / "night.wav")
    assert about.duration_s == 6
    found = list(stretches(applied.shown(ticks), 6.0))
    assert [one.label for one in found] == list(order)
    assert (found[0].start_s, found[-1].end_s) == (0.0, 6.0)
    for one, start_s in zip(found, (0.0, 2.0, 4.0), strict=True):
        assert one.start_s == pytest.approx(start_s, abs=CLIP_S / 2)


def test_a_flicker_is_smoothed_away(applied, tmp_path):
    parts = [("low", 1.5), ("high", 0.2), ("low", 1.5)]
    whole = np.concatenate([sound(label, length, 7) for label, length in parts])
    (tmp_path / "night.wav").write_bytes(wav(whole, RATE))
    ticks, _ = applied.ticks(tmp_path / "night.wav")
    assert {"low", "high"} == set(ticks.said)
    assert {"low"} == set(applied.shown(ticks).said)
    assert applied.remark == "smoothed by a running median of 3 windows"


def test_a_sound_shorter_than_a_window_is_one_segment(applied, tmp_path):
    (tmp_path / "short.wav").write_bytes(wav(sound("low", 0.2, 3), RATE))
    ticks, about = applied.ticks(tmp_path / "short.wav")
    assert [(one.start_s, one.end_s) for one in stretches(ticks, float(about.duration_s))] == [(0.0, 0.2)]


def test_a_door_says_of_a_sound_what_apply_says(applied, tmp_path):
    whole = np.concatenate([sound("low", 2.0, 0), sound("high", 2.0, 1)])
    (tmp_path / "upload").write_bytes(wav(whole, RATE))  # a service has no name to go by
    found, told = ask(
        AnalyzeDoor(applied, "What is heard."), tmp_path / "upload", scores=True, write="audacity"
    )
    ticks, _ = applied.ticks(tmp_path / "upload")
    assert [(one.start_s, one.end_s, one.label) for one in found.segments] == [
        (one.start_s, one.end_s, one.label) for one in stretches(applied.shown(ticks), 4.0)
    ]
    assert np.array_equal(found.scores, ticks.probabilities)
    assert (found.windows, found.tick_s, found.fps) == (len(ticks.said), CLIP_S / 2, None)
    assert [tick["start_s"] for one in told for tick in one["ticks"]] == [one.start_s for one in found.ticks]
    assert len(found.file.text.splitlines()) == len(found.segments) == 2


def test_a_sound_longer_than_a_service_allows_is_refused(applied, tmp_path):
    (tmp_path / "upload").write_bytes(wav(sound("low", 3.0, 0), RATE))
    with pytest.raises(MediaError, match="duration s: at most 2"):
        ask(AnalyzeDoor(applied, "What is heard."), tmp_path / "upload", Limits(max_duration_s=2.0))


def test_a_folder_of_sounds_from_the_command_line(job, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    whole = np.concatenate([sound("low", 1.0, 1), sound("high", 1.0, 2)])
    (folder / "night.wav").write_bytes(wav(whole, RATE))
    (folder / "torn.wav").write_bytes((folder / "night.wav").read_bytes()[:4000])
    shutil.copy(folder / "night.wav", folder / ".hidden.wav")
    words = ("--out", str(out), "--workers", "0", "--as", "csv", "--as", "labelstudio", "--as", "audacity")
    told = job.tell("apply", str(folder), *words, "--json")
    assert told.code == 4
    assert [one["name"] for one in told.json["recordings"]] == ["night.wav"]
    assert [one["name"] for one in told.json["quarantine"]] == ["torn.wav"]
    for name in ("segments.csv", "label_studio.json", "audacity/night.wav.txt"):
        marks = read(out / name, How(unit="s")).marks
        assert [mark.label for mark in marks] == ["low", "high"], name
        assert float(marks[0].end_s) == pytest.approx(1.0, abs=CLIP_S / 2)
    assert '<audio id="player-0" src="../in/night.wav"' in (out / "index.html").read_text()
