"""The front end: the numbers of a slow direct computation, and the same bits in any company."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from rushes.engine import Unit, map_units
from rushes.errors import MediaError, RecipeError
from rushes.media.logmel import BLOCK, hz_to_mel, log_mel, mel_bank, mel_to_hz
from rushes.recipe.spectrogram import SpectrogramPreprocessing
from rushes.tasks.sounds.preprocessing import SoundPreprocessing

USUAL = SpectrogramPreprocessing()
FULL = SpectrogramPreprocessing(reference="full")
FRONTS = (
    USUAL,
    SpectrogramPreprocessing(reference="full", top_db=60.0),
    SpectrogramPreprocessing(fft=400, window=400, hop=100, mels=40),
    SpectrogramPreprocessing(fft=1024, window=640, hop=333, mels=80, low_hz=0.0, high_hz=7600.0),
    SpectrogramPreprocessing(sample_rate=8000, fft=255, window=101, hop=64, mels=20, high_hz=4000.0),
    SpectrogramPreprocessing(
        fft=64, window=48, hop=5, mels=8
    ),  # of the longest sound more moments than BLOCK
    SpectrogramPreprocessing(sample_rate=44_100, fft=1024, window=7, hop=1000, mels=32, high_hz=22_050.0),
)


def sounds(count: int, samples: int, seed: int = 0) -> np.ndarray:
    """Noise under a tone of another pitch each, float32 (count, samples)."""
    rng = np.random.default_rng(seed)
    tones = np.sin(np.arange(samples) * rng.uniform(0.01, 1.5, (count, 1)))
    return (0.3 * tones + rng.normal(0, 0.02, (count, samples))).astype(np.float32)


def direct(wave: np.ndarray, front: SpectrogramPreprocessing) -> np.ndarray:
    """A frame at a time in float64, by the sum that defines a Fourier transform; triangles bin by bin."""
    half, inner = front.fft // 2, (front.fft - front.window) // 2
    silent = np.zeros(front.fft + front.hop)
    padded = np.concatenate([silent[:half], wave.astype(np.float64), silent])
    window = np.zeros(front.fft)
    angle = 2 * np.pi * np.arange(front.window) / front.window
    window[inner : inner + front.window] = 0.5 - 0.5 * np.cos(angle)
    turns = np.outer(np.arange(1 + half), np.arange(front.fft)) / front.fft
    waves = np.exp(-2j * np.pi * turns)
    power = np.stack(
        [
            np.abs(waves @ (window * padded[start : start + front.fft])) ** 2
            for start in range(0, len(wave) + 1, front.hop)
        ]
    )
    edges = mel_to_hz(np.linspace(hz_to_mel(front.low_hz), hz_to_mel(front.high_hz), front.mels + 2))
    bands = np.zeros((front.mels, len(power)))
    for band in range(front.mels):
        low, centre, high = edges[band : band + 3]
        for number in range(1 + half):
            hz = number * front.sample_rate / front.fft
            if low < hz < high:
                height = (hz - low) / (centre - low) if hz <= centre else (high - hz) / (high - centre)
                bands[band] += height * 2 / (high - low) * power[:, number]
    decibels = 10 * np.log10(np.maximum(bands, 1e-10))
    decibels -= decibels.max() if front.reference == "peak" else 0.0
    return np.maximum(decibels, decibels.max() - front.top_db)


@pytest.mark.parametrize("front", FRONTS, ids=str)
@pytest.mark.parametrize("samples", [1, 159, 160, 161, 4001])
def test_the_numbers_are_those_of_the_definition(front, samples):
    wave = sounds(1, samples)[0]
    found, expected = log_mel(wave, front), direct(wave, front)
    assert found.shape == expected.shape == (front.mels, 1 + samples // front.hop)
    assert np.abs(found - expected).max() < 0.005


def test_the_contract_says_the_shape():
    preprocessing = SoundPreprocessing()
    features = log_mel(sounds(1, preprocessing.samples)[0], preprocessing)
    assert (features.shape, features.dtype) == ((64, 501), np.float32)
    assert features.shape == preprocessing.shape
    assert features.max() == 0.0


def test_half_precision_is_told_and_keeps_what_it_promises():
    wave = sounds(4, 80_000)
    whole = log_mel(wave, SoundPreprocessing())
    half = log_mel(wave, SoundPreprocessing(dtype="float16"))
    assert half.dtype == np.float16
    wrong = np.abs(half.astype(np.float32) - whole)
    assert 0 < wrong.max() <= 0.03125
    assert wrong[whole > -32].max() <= 0.03125 / 4


@pytest.mark.parametrize("hop", [160, 20])
def test_a_clip_has_the_same_bits_in_any_company(hop):
    waves = sounds(7, 12_345)
    front = partial(log_mel, preprocessing=SpectrogramPreprocessing(hop=hop))
    assert (1 + 12_345 // hop > BLOCK) == (hop == 20)
    alone = np.stack([front(wave) for wave in waves])
    assert front(waves).tobytes() == alone.tobytes()
    assert front(waves[::-1])[::-1].tobytes() == alone.tobytes()
    assert front(waves.reshape(7, 1, -1)[2:5]).tobytes() == alone[2:5].tobytes()
    strided = np.zeros((12_345, 7), np.float32)
    strided[:] = waves.T
    assert front(strided.T).tobytes() == alone.tobytes()


def test_a_clip_has_the_same_bits_in_any_worker():
    waves = sounds(4, 8000)
    units = [Unit(str(number), wave) for number, wave in enumerate(waves)]
    by_key = {result.key: result.value for result in map_units(_bits, units, workers=2)}
    assert by_key == {unit.key: log_mel(unit.payload, USUAL).tobytes() for unit in units}


def _bits(wave: np.ndarray) -> bytes:
    return log_mel(wave, USUAL).tobytes()


def test_a_clip_has_the_same_bits_in_any_thread():
    waves, front = sounds(8, 80_000), partial(log_mel, preprocessing=USUAL)
    alone = [front(wave).tobytes() for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        assert [cells.tobytes() for cells in pool.map(front, [*waves] * 8)] == alone * 8


@pytest.mark.parametrize("gain", [0.1, 0.5, 10.0, 777.0])
def test_gain_is_forgotten_by_peak_and_told_by_full_scale(gain):
    wave = sounds(1, 16_000)[0]
    louder = (wave * np.float32(gain)).astype(np.float32)
    assert np.abs(log_mel(louder, USUAL) - log_mel(wave, USUAL)).max() < 1e-3
    assert np.abs(log_mel(louder, FULL) - log_mel(wave, FULL) - 20 * np.log10(gain)).max() < 1e-3


def test_silence_is_defined():
    silent = np.zeros((2, 1600), np.float32)
    assert (log_mel(silent, USUAL) == 0.0).all()
    assert np.abs(log_mel(silent, FULL) + 100.0).max() < 1e-4
    one = silent[0].copy()
    one[800] = 1.0  # a click: silent moments, and none of them without a number
    assert (log_mel(one, USUAL).min(), log_mel(one, USUAL).max()) == (-80.0, 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e25])
def test_a_sound_that_is_not_finite_is_refused(bad):
    wave = np.zeros((2, 1600), np.float32)
    wave[1, 700] = bad
    with pytest.raises(MediaError, match="not finite"):
        log_mel(wave, USUAL)


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros(9), np.float32(1.0)], ids=repr)
def test_what_is_no_sound_is_refused(wave):
    with pytest.raises(MediaError, match="float32"):
        log_mel(np.asarray(wave), USUAL)


def test_bands_have_equal_area_and_their_bins():
    bank = mel_bank(16_000, 4096, 64, 20.0, 8000.0)
    assert bank.shape == (64, 2049)
    assert np.abs(bank.sum(axis=1) * 16_000 / 4096 - 1).max() < 0.02
    assert (np.diff(bank.argmax(axis=1)) > 0).all()
    with pytest.raises(RecipeError, match="between two bins"):
        mel_bank(16_000, 512, 256, 20.0, 8000.0)


def test_pitch_there_and_back():
    hz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 8000.0])
    assert np.abs(mel_to_hz(hz_to_mel(hz)) - hz).max() < 1e-9
