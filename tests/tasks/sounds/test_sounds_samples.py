"""Sounds on the page of ``rushes look``: as they were made into spectrograms, read again within bounds."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from jobs import SOUNDS, TONES
from sound_files import sine
from sound_files import wav as wav_of

from rushes.evaluate.contents import Place
from rushes.evaluate.viewer import Picked
from rushes.media.audio import decode
from rushes.runs.do import do
from rushes.tasks.sounds.report import samples as page
from rushes.tasks.sounds.report.samples import wav
from rushes.testing.subject import silent


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
