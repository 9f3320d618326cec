"""What audio libraries make of the same clips, run by their own interpreter, with `rushes` on PYTHONPATH.

    python sounds_peer.py spectrograms CLIPS ROUNDS     ours, librosa, torchaudio in turns, in one thread
    python sounds_peer.py reads FEATURES READS          random reads of HDF5, by layout

CLIPS is a .npy file, float32 (n, samples) at 16 kHz; FEATURES one of (n, mels, frames). Prints JSON: clips a
second of each round by way and the greatest difference in dB from librosa; or reads a second by layout.
A library that is not there is left out. Of a library with a way for one clip and one for a batch, both run.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FFT, WINDOW, HOP, MELS, LOW, HIGH, RATE, TOP_DB = 512, 400, 160, 64, 20.0, 8000.0, 16_000, 80.0


def ours():
    from rushes.media.logmel import log_mel
    from rushes.recipe.spectrogram import SpectrogramPreprocessing

    preprocessing = SpectrogramPreprocessing(
        sample_rate=RATE, fft=FFT, window=WINDOW, hop=HOP, mels=MELS, low_hz=LOW, high_hz=HIGH, top_db=TOP_DB
    )
    return {"ours": lambda waves: log_mel(waves, preprocessing)}


def librosa():
    import librosa

    settings = {"sr": RATE, "n_fft": FFT, "win_length": WINDOW, "hop_length": HOP, "n_mels": MELS}
    settings |= {"fmin": LOW, "fmax": HIGH, "power": 2.0}

    def decibels(power):
        return librosa.power_to_db(power, ref=np.max, top_db=TOP_DB)

    def one_by_one(waves):
        return np.stack([decibels(librosa.feature.melspectrogram(y=wave, **settings)) for wave in waves])

    def batch(waves):
        return np.stack(list(map(decibels, librosa.feature.melspectrogram(y=waves, **settings))))

    return {"librosa": one_by_one, "librosa, batch": batch}


def torchaudio():
    import torch
    import torchaudio

    torch.set_num_threads(1)
    front = torchaudio.transforms.MelSpectrogram(
        sample_rate=RATE,
        n_fft=FFT,
        win_length=WINDOW,
        hop_length=HOP,
        f_min=LOW,
        f_max=HIGH,
        n_mels=MELS,
        power=2.0,
        pad_mode="constant",
        norm="slaney",
        mel_scale="slaney",
    )

    def batch(waves):
        with torch.inference_mode():
            cells = front(torch.from_numpy(waves)).clamp_(min=1e-10).log10_().mul_(10.0)
            cells -= cells.amax((1, 2), keepdim=True)
            return cells.clamp_(min=-TOP_DB).numpy()

    def one_by_one(waves):
        return np.concatenate([batch(wave[None]) for wave in waves])

    return {"torchaudio": one_by_one, "torchaudio, batch": batch}


def spectrograms(path: str, rounds: int) -> dict:
    waves = np.load(path)
    ways = {}
    for library in (ours, librosa, torchaudio):
        try:
            ways |= library()
        except ImportError as error:
            print(error, file=sys.stderr)
    found = {way: make(waves) for way, make in ways.items()}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, make in ways.items():
            started_s = time.perf_counter()
            make(waves)
            rates[way].append(len(waves) / (time.perf_counter() - started_s))
    apart = {}
    if "librosa" in found:
        apart = {way: float(np.abs(cells - found["librosa"]).max()) for way, cells in found.items()}
    return {"rates": rates, "apart": apart}


def reads(path: str, count: int) -> dict:
    import h5py

    features = np.load(path)
    numbers = np.random.default_rng(0).integers(0, len(features), count).tolist()
    batch = np.empty((64, *features.shape[1:]), features.dtype)
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for compression in (None, "lzf"):
            for chunk in (1, 128):
                file = Path(folder) / "features.h5"
                with h5py.File(file, "w") as written:
                    written.create_dataset(
                        "x", data=features, chunks=(chunk, *features.shape[1:]), compression=compression
                    )
                few = numbers if compression is None else numbers[: count // 20]
                with h5py.File(file) as opened:
                    cells = opened["x"]
                    cells.read_direct(batch, np.s_[0], np.s_[0])
                    started_s = time.perf_counter()
                    for place, number in enumerate(few):
                        cells.read_direct(batch, np.s_[number], np.s_[place % 64])
                    rates[f"{compression or 'none'}, chunk {chunk}"] = len(few) / (
                        time.perf_counter() - started_s
                    )
    return rates


if __name__ == "__main__":
    task = {"spectrograms": spectrograms, "reads": reads}[sys.argv[1]]
    print(json.dumps(task(sys.argv[2], int(sys.argv[3]))))
