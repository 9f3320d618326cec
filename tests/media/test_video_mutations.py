"""Hundreds of damaged files: no crash, no hang, each an error or a recording that holds together."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FRAMES = 20
SOURCES = {
    "h264.mp4": ("libx264", {"bf": "2", "g": "8"}),
    "h264.mkv": ("libx264", {"bf": "2", "g": "8"}),
    "mpeg4.avi": ("mpeg4", {"g": "8"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "8"}),
}
MUTATIONS = ("flips", "cut", "header", "noise")
EACH = 25


def mutate(data: bytes, mutation: str, dice: random.Random) -> bytes:
    """``data`` with flipped bits, cut off, with one byte of its header changed, or with a block of noise."""
    damaged = bytearray(data)
    if mutation == "flips":
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    elif mutation == "cut":
        del damaged[dice.randrange(len(damaged)) :]
    elif mutation == "header":
        damaged[dice.randrange(min(512, len(damaged)))] = dice.randrange(256)
    else:
        start = dice.randrange(len(damaged))
        length = min(dice.choice((16, 64, 512)), len(damaged) - start)
        damaged[start : start + length] = dice.randbytes(length)
    return bytes(damaged)


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, write_video: Callable, picture: Callable
) -> dict[str, dict]:
    """Outcome of every file, whole ones included, by file name; decoded in one child process."""
    sources, folder = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("mutants")
    dice = random.Random(20)
    for name, (codec, options) in SOURCES.items():
        pictures = [picture(index) for index in range(FRAMES)]
        whole = write_video(sources / name, pictures, codec=codec, options=options).read_bytes()
        (folder / f"whole_{name}").write_bytes(whole)
        for mutation in MUTATIONS:
            for trial in range(EACH):
                (folder / f"{mutation}_{trial:02}_{name}").write_bytes(mutate(whole, mutation, dice))
    child = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("decode_child.py")), str(folder)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"the child died after {lines[-1:]}: {child.stderr[-2000:]}"
    return {line.pop("file"): line for line in lines}


def test_every_mutant_is_accounted_for(outcomes: dict[str, dict]) -> None:
    assert len(outcomes) == len(SOURCES) * (1 + len(MUTATIONS) * EACH) >= 300


def test_whole_files_are_never_refused(outcomes: dict[str, dict]) -> None:
    for name in SOURCES:
        found = outcomes[f"whole_{name}"]
        assert (found.get("error"), found["frames"]) == (None, FRAMES)


def test_what_is_accepted_holds_together(outcomes: dict[str, dict]) -> None:
    """Times start at zero and increase; a lost start or end passes only where the clock itself was hit."""
    accepted = {name: found for name, found in outcomes.items() if "error" not in found}
    assert len(accepted) > len(SOURCES)
    assert all(found["increasing"] and found["frames"] <= FRAMES for found in accepted.values())
    short = [name for name, found in accepted.items() if abs(found["end_s"] - (FRAMES - 1) / 25) > 0.121]
    assert len(short) <= len(outcomes) // 100, short
    assert not [name for name in short if name.startswith("cut")]


@pytest.mark.parametrize(
    ("mutation", "source", "share"),
    [
        ("cut", "h264.mp4", 0.95),
        ("cut", "h264.mkv", 0.8),  # less than three frames short are let pass
        ("cut", "mpeg4.avi", 0.8),
        ("cut", "vp9.webm", 0.8),
        ("flips", "h264.mp4", 0.8),
        ("flips", "h264.mkv", 0.8),
        ("noise", "h264.mp4", 0.7),
        ("flips", "mpeg4.avi", 0.5),  # an older code that reads on; VP9 cannot tell at all
    ],
)
def test_most_damage_is_seen(outcomes: dict[str, dict], mutation: str, source: str, share: float) -> None:
    refused = sum("error" in outcomes[f"{mutation}_{trial:02}_{source}"] for trial in range(EACH))
    assert refused >= share * EACH
