"""Sounds on the page of ``rushes look``: as they were made into spectrograms, read again within bounds."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from jobs import SOUNDS, TONES
from night_files import write_nights
from sound_files import sine
from sound_files import wav as wav_of

from rushes.evaluate.contents import Contents, Place
from rushes.evaluate.viewer import Picked
from rushes.media.audio import decode
from rushes.runs.do import do
from rushes.stages import read_json
from rushes.tasks.sounds.report import samples as page
from rushes.tasks.sounds.report.samples import wav
from rushes.testing.subject import silent

NIGHTS = """\
task: sounds
name: nights
source:
  kind: recordings
  root: ROOT
  annotation: {files: "**/*.txt", format: audacity}
  background: quiet
  groups: {pattern: "(?P<group>[^/]+)/.*"}
  split: {train: [ann], val: [cem], test: [dan]}
  hop_s: 0.25
preprocessing:
  {labels: [quiet, snore, cough], clip_s: 0.5, sample_rate: 8000, fft: 256, window: 200, hop: 100, mels: 16,
   high_hz: 4000, reference: full}
prepare: {workers: 0}
"""


def prepared(open_job, text: str, folder: Path):
    run = open_job(text, folder).run()
    for name in ("twin", "features"):
        if name in run.stages:
            do(run, name, silent)
    return run


@pytest.fixture(scope="module")
def night(open_job, tmp_path_factory):
    """Sounds in archives."""
    return prepared(open_job, SOUNDS, tmp_path_factory.mktemp("night"))


def picked_of(run, side: str = "train") -> list[Picked]:
    samples = run.samples(side)
    return [
        Picked(key, Place(side, group or "", label or ""), samples.sample(number))
        for number, (key, group, label) in enumerate(
            zip(samples.keys(), samples.groups(), samples.labels(), strict=True)
        )
    ]


def test_what_plays_is_what_the_spectrogram_was_made_of(night):
    picked = picked_of(night)
    shown = list(night.task.viewer(night).show(picked))
    preprocessing = night.recipe.preprocessing
    raw = {
        recording.key: data
        for block in night.scan.blocks
        for recording, data in block
        if hasattr(recording, "key")
    }
    assert len(shown) == len(picked) > 0
    for one, card in zip(picked, shown, strict=True):
        with wave.open(io.BytesIO(card.files["sound.wav"])) as sound:
            played = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
            assert (sound.getnchannels(), sound.getframerate()) == (1, preprocessing.sample_rate)
        expected = decode(raw[one.key], sample_rate=preprocessing.sample_rate, longest_s=15.0)
        np.testing.assert_allclose(played, expected.head(preprocessing.samples), atol=1e-4)
        assert 'src="data:audio/wav;base64,' in card.caption
        assert set(card.files) == {"spectrogram.jpg", "sound.wav", "sample.json"}


def test_archives_beyond_the_bound_are_not_read_and_the_page_says_so(night, monkeypatch):
    monkeypatch.setattr(page, "READ_BYTES", 1.0)
    for card in night.task.viewer(night).show(picked_of(night)[:3]):
        assert "sound.wav" not in card.files
        assert "not read again" in card.caption
        assert "spectrogram.jpg" in card.files


def test_seconds_are_those_of_the_sounds_and_not_of_the_silence_behind(night):
    sides = {side: night.samples(side) for side in ("train", "test")}
    found = list(night.task.viewer(night).seconds([], sides))
    assert len(found) == sum(map(len, sides.values()))
    assert all(0.0 < length_s <= night.recipe.preprocessing.clip_s for _, length_s in found)


def test_loud_and_broken_samples_stay_in_16_bits():
    with wave.open(io.BytesIO(wav(np.array([-9.0, -1.0, 0.0, 0.5, 1.0, 9.0], np.float32), 8000))) as sound:
        found = np.frombuffer(sound.readframes(6), "<i2")
    assert found.tolist() == [-32767, -32767, 0, 16384, 32767, 32767]


def test_a_recording_that_is_gone_leaves_the_others_playing(open_job, tmp_path):
    root = tmp_path / "sounds"
    for label, hertz in (("low", 200.0), ("high", 900.0)):
        for take in range(4):
            path = root / label / f"take{take}" / "tone.wav"
            path.parent.mkdir(parents=True)
            path.write_bytes(wav_of(sine(4000, 0.25, hertz + take), 4000))
    labels = "preprocessing: {labels: [low, high], "
    text = TONES.replace("ROOT", str(root)).replace("preprocessing: {", labels)
    run = prepared(open_job, text, tmp_path)
    picked = [one for side in ("train", "val", "test") for one in picked_of(run, side)]
    lost = picked[0]
    [path] = [one.path for block in run.scan.blocks for one in block.recordings if one.key == lost.key]
    path.unlink()
    shown = dict(zip([one.key for one in picked], run.task.viewer(run).show(picked), strict=True))
    assert [key for key, card in shown.items() if "sound.wav" not in card.files] == [lost.key]
    assert "not read again" in shown[lost.key].caption


@pytest.fixture(scope="module")
def nights(open_job, tmp_path_factory):
    """Windows of long recordings."""
    root = tmp_path_factory.mktemp("nights")
    write_nights(root, {"ann": 1, "cem": 1, "dan": 1}, 30.0)
    return prepared(open_job, NIGHTS.replace("ROOT", str(root)), tmp_path_factory.mktemp("windows"))


def test_windows_of_a_night_play_from_where_they_start(nights):
    picked = picked_of(nights)[::7]
    rate, length = nights.recipe.preprocessing.sample_rate, nights.recipe.preprocessing.samples
    whole = {
        one.key: decode(one.path.read_bytes(), sample_rate=rate, longest_s=3600.0).wave
        for one in nights.scan.recordings
    }
    for one, card in zip(picked, nights.task.viewer(nights).show(picked), strict=True):
        meta = json.loads(bytes(one.fields["meta.json"]))
        start = round(meta["start_s"] * rate)
        with wave.open(io.BytesIO(card.files["sound.wav"])) as sound:
            played = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
        np.testing.assert_allclose(played, whole[meta["recording"]][start : start + length], atol=1e-4)


def test_seconds_of_a_night_are_its_labels(nights):
    recordings = read_json(nights.folder("features") / "recordings.json")
    found = Contents.of([], nights.task.viewer(nights).seconds(recordings, {}))
    total = sum(amount.seconds for amount in found.amounts.values())
    assert total == pytest.approx(sum(one["duration_s"] for one in recordings))
    snored = sum(
        end - start for one in recordings for start, end, label in one["segments"] if label == "snore"
    )
    assert found.along("label")["snore",].seconds == pytest.approx(snored)
