"""Rows S1 to S9: every sound is read as its decoder reads it, or told; nothing of a class vanishes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
from field_readings import RECIPE, ROOT, WORKSPACE, hear, open_in
from field_recordings import CLASSES, write_sound
from field_row import Row, lacks, tell

from rushes.errors import RushesError
from rushes.shards.read import ShardDataset

RATE = 16_000


def filled(folder: Path, each: int = 4, recipe: str = CLASSES) -> Path:
    """Two classes of WAV files in their folders, and a recipe for them; the root."""
    (folder / RECIPE).write_text(recipe)
    for number in range(2 * each):
        path = folder / ROOT / ("low", "high")[number % 2] / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(path, "pcm_s16le", "s16", seed=number, seconds=1.0)
    return folder / ROOT


def _said(folder: Path) -> str:
    """Everything that audit and prepare say."""
    asked = (
        str(folder / RECIPE),
        "--set",
        f"source.root={folder / ROOT}",
        "--workspace",
        str(folder / WORKSPACE),
    )
    said = [tell(verb, *asked).text for verb in ("audit", "features")]
    quarantined = sorted((folder / WORKSPACE).glob("*/quarantine.jsonl"))
    return "\n".join([*said, *(path.read_text() for path in quarantined)])


def s1(folder: Path) -> str | None:
    root = filled(folder)
    for suffix in ("opus", "m4a", "aac", "aif", "aiff", "au", "caf", "w64", "wma", "WAVE"):
        (root / "low" / f"other.{suffix}").write_bytes(b"\0" * 100)
    write_sound(root / "low" / "read.opus", "libopus", "s16")
    if missing := lacks(_said(folder), ".m4a", ".aac", ".aif", ".au", ".caf", ".wma"):
        return missing
    keys = _keys(folder)
    return None if any("read" in key for key in keys) else f".opus is not read: {len(keys)} samples"


def _keys(folder: Path) -> list[str]:
    run = open_in(folder)
    stage = run.folder(run.dataset)
    sides = [path.name for path in stage.glob("shards/*")]
    return list(chain.from_iterable(ShardDataset.open(stage, side).keys() for side in sides))


def s2(folder: Path) -> str | None:
    path = folder / "long.ogg"
    write_sound(path, "vorbis", "fltp", seconds=8.0)
    data = path.read_bytes()
    pages = [place for place in range(len(data)) if data[place : place + 4] == b"OggS"]
    cut = data[: pages[len(pages) * 2 // 3]]
    try:
        hear(cut, RATE)
    except RushesError:
        return None
    return f"cut at a page, {len(cut):,} of {len(data):,} bytes, and accepted"


def s3(folder: Path) -> str | None:
    root = filled(folder)
    write_sound(root / "low" / "hours.flac", "flac", "s16", seconds=95.0, rate=8000)
    said = _said(folder)
    windows = sum("hours" in key for key in _keys(folder))
    if windows > 1 or (windows == 0 and "hours.flac" in said and "95" in said):
        return None
    return f"95 s, {windows} clip of 1 s, and the rest is told nowhere"


def s4(folder: Path) -> str | None:
    filled(folder, each=3, recipe=CLASSES.replace("0.5, val: 0.25, test: 0.25", "0.7, val: 0.15, test: 0.15"))
    run = open_in(folder)
    sides: dict[str, set[str]] = {}
    for recording in (one for block in run.scan.blocks for one in block.recordings):
        sides.setdefault(recording.label, set()).add(recording.split)
    short = {label: sorted(found) for label, found in sides.items() if len(found) < 3}
    return f"classes of three files stand on {short}" if short else None


def s5(folder: Path) -> str | None:
    filled(folder)
    said = _said(folder).lower()
    known = any(
        word in said for word in ("nobody said", "no group", "are unknown", "unknown group", "not known")
    )
    return None if known else "the audit does not say that groups are unknown"


def s6(folder: Path) -> str | None:
    time = np.arange(RATE) / RATE
    wave = (0.5 * np.sin(2 * np.pi * 440 * time) * 32767).astype("<i2")
    cancelled = _wav(np.stack([wave, -wave], 1).tobytes(), channels=2)
    try:
        heard, _ = hear(cancelled, RATE)
    except RushesError:
        heard = None
    else:
        if np.abs(heard).max() < 1e-3:
            return "exact anti-phase is heard as silence, without a word"
    one_sided, _ = hear(_wav(np.stack([wave, 0 * wave], 1).tobytes(), channels=2), RATE)
    return None if np.abs(one_sided).max() > 0.1 else "one-sided sound is lost"


def s7(folder: Path) -> str | None:
    time = np.arange(2 * 44_100) / 44_100
    found = []
    for hertz, low, high in ((1000, -0.1, 0.1), (7200, -0.5, 0.1), (8800, -200, -80), (10_000, -200, -80)):
        tone = _wav(
            (0.5 * np.sin(2 * np.pi * hertz * time) * (1 << 23)).astype("<i4").tobytes(), bits=32, rate=44_100
        )
        heard = hear(tone, RATE)[0][RATE // 2 : -RATE // 2]
        level = 20 * np.log10(max(1e-12, float(np.sqrt(2 * np.mean(heard**2.0)) / (0.5 / 256))))
        if not low <= level <= high:
            found.append(f"{hertz} Hz comes back at {level:.1f} dB")
    return "; ".join(found) or None


def _wav(
    samples: bytes,
    *,
    channels: int = 1,
    bits: int = 16,
    rate: int = RATE,
    form: int = 1,
    size: int | None = None,
) -> bytes:
    """A WAV with one chunk of samples, which declares ``size`` bytes of them."""
    align = channels * bits // 8
    head = struct.pack("<HHIIHH", form, channels, rate, rate * align, align, bits)
    declared = len(samples) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", declared) + samples
    return b"RIFF" + struct.pack("<I", min(0xFFFFFFFF, len(body))) + body


def s8(folder: Path) -> str | None:
    wave = (np.sin(np.arange(RATE) / 20) * 20_000).astype("<i2")
    plain, _ = hear(_wav(wave.tobytes()), RATE)

    def same(data: bytes) -> str | None:
        heard, length_s = hear(data, RATE)
        if len(heard) != len(plain) or not np.allclose(heard, plain, atol=1e-3):
            return f"other samples, {len(heard):,} of them"
        return None if abs(length_s - 1.0) < 0.01 else f"a length of {length_s} s"

    wide = (wave.astype("<i8") << 48).tobytes()
    swapped = _wav(wave.byteswap().tobytes())
    rifx = (
        b"RIFX"
        + struct.pack(">I", len(swapped) - 8)
        + b"WAVEfmt "
        + struct.pack(">IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    )
    rifx += b"data" + struct.pack(">I", len(wave) * 2) + wave.byteswap().tobytes()
    cases: dict[str, tuple[bytes, bool]] = {
        "from a pipe": (_wav(wave.tobytes(), size=0xFFFFFFFF), True),
        "size 0 and a LIST": (
            _wav(
                wave.tobytes()
                + b"LIST"
                + struct.pack("<I", 26)
                + b"INFOISFT"
                + struct.pack("<I", 14)
                + b"Lavf60.0.100\0\0",
                size=0,
            ),
            False,
        ),
        "smaller than the file": (_wav(wave.tobytes(), size=RATE), False),
        "64-bit integers": (_wav(wide, bits=64), False),
        "RIFX": (rifx, False),
    }
    return "; ".join(
        filter(None, (_kept(name, data, same, needed) for name, (data, needed) in cases.items()))
    ) or _opus(folder)


def _kept(name: str, data: bytes, same: Callable[[bytes], str | None], needed: bool) -> str | None:
    """What is wrong with a sound: read as another, or refused though it must be read."""
    try:
        wrong = same(data)
    except RushesError as error:
        return f"{name}: refused: {error.message}" if needed or not error.cure else None
    return None if wrong is None else f"{name}: {wrong}"


def _opus(folder: Path) -> str | None:
    """Opus with a long pre-skip, and a chained OGG whose length is that of both."""
    path = folder / "a.opus"
    write_sound(path, "libopus", "s16", seconds=2.0)
    data = bytearray(path.read_bytes())
    head = data.index(b"OpusHead")
    struct.pack_into("<H", data, head + 10, 9600)
    data[22:26] = bytes(4)
    struct.pack_into("<I", data, 22, ogg_crc(bytes(data[: data.index(b"OggS", 4)])))
    try:
        hear(bytes(data), RATE)
    except RushesError as error:
        return f"Opus with a pre-skip of .2 s: {error.message}"
    return None


def ogg_crc(page: bytes) -> int:
    """CRC-32 of a page of OGG whose own field is zero: polynomial 04c11db7, nothing reflected."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
    return crc


def s9(folder: Path) -> str | None:
    filled(folder, recipe=CLASSES.replace("[low, high]", "[yes, no, stop]"))
    told = tell("audit", str(folder / RECIPE), "--set", f"source.root={folder / ROOT}")
    return lacks(told.text, "quote")


ROWS = (
    Row("S1", "files of other suffixes are counted; .opus is read", s1),
    Row("S2", "Vorbis cut at a page is refused", s2),
    Row("S3", "a long file is cut into windows, or refused with its length", s3),
    Row("S4", "three files of a class stand on three sides", s4),
    Row("S5", "unknown groups are said", s5),
    Row("S6", "channels that cancel are told; one-sided sound stays", s6),
    Row("S7", "resampling is flat below and silent above", s7),
    Row("S8", "odd WAV and Opus: the decoder's own samples and length, or told", s8),
    Row("S9", "labels that YAML takes for truth: says quote", s9),
)
