"""Damaged datasets through a whole prepare stage: detected or right, nothing silent, the account closed."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from driving_damage import CASES, FEWER, REFUSED, RIGHT, SKIPPED, Case, flip_anywhere
from driving_footage import make_twin
from driving_once import prepare_root
from driving_oracle import samples_of, tiles_right
from report import Figure, at_least, at_most

from rushes.prepare.stage import Prepared
from rushes.shards.read import ShardDataset
from rushes.shards.verify import verify_dataset
from rushes.stages import read_receipt
from rushes.stages.units import read_quarantine
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.twin.script import DrivingSettings, units

CLIPS = 4
SAME = "same"


def twin_settings() -> DrivingSettings:
    """Two chunks of two clips of 4 s, B-frames in every video, nothing missing."""
    return DrivingSettings(
        train=CLIPS,
        val=0,
        test=0,
        clip_s=4.0,
        cameras=tuple(sorted(RigPreprocessing().setup.cameras)),
        size=(192, 112),
        b_frames=2,
        missing_share=0.0,
        without_egomotion=0,
        invalid=0,
        chunk_clips=2,
    )


@dataclass(frozen=True, slots=True)
class Result:
    """A dataset that was prepared from a root.

    Attributes:
        root: the source.
        folder: of the dataset.
        prepared: the stage's own account.
    """

    root: Path
    folder: Path
    prepared: Prepared

    @classmethod
    def of(cls, root: Path, workspace: Path, preprocessing: RigPreprocessing) -> Result:
        """Prepare all of ``root``, however much of it is bad."""
        prepared = prepare_root(root, workspace, preprocessing, max_quarantine=1.0)
        assert prepared is not None
        return cls(root, next(workspace.glob("prepare-*")), prepared)

    def shards(self, clip: str) -> list[str]:
        """Hashes of a clip's shards."""
        return [shard["sha256"] for shard in read_receipt(self.folder, clip)["shards"]]

    def samples(self, clip: str) -> dict[str, dict[str, bytes]]:
        """The windows of a clip."""
        dataset = ShardDataset.open(self.folder, "train", check=True)
        return {
            key: {name: bytes(data) for name, data in fields.items()}
            for key, fields, _ in samples_of(dataset, clip)
        }

    def faults(self) -> list[str]:
        """What does not hold of the whole: the account, or the files."""
        counts = self.prepared.account.counts
        settled = counts["done"] + counts["quarantined"] + counts["skipped"]
        told = [] if counts["planned"] == settled == CLIPS else [f"the account does not close: {counts}"]
        return told + [fault.reason for fault in verify_dataset(self.folder)]


def outcome(found: Result, sound: Result, clip: str, preprocessing: RigPreprocessing, folder: Path) -> str:
    """What came of a clip: ``refused``, ``skipped``, ``same``, ``fewer``, ``right``, or what is wrong."""
    account = found.prepared.account
    if clip in account.skipped:
        return SKIPPED
    if clip in account.quarantined:
        reason = next(entry["reason"] for entry in read_quarantine(found.folder) if entry["unit"] == clip)
        whole = reason["type"] in ("MediaError", "SourceError") and reason["message"] and reason["where"]
        left = list(found.folder.glob(f"shards/*/{clip}-*"))
        return REFUSED if whole and not left else f"WRONG: {reason}, left {left}"
    if found.shards(clip) == sound.shards(clip):
        return SAME
    return _changed(found, sound, clip, preprocessing, folder)


def _changed(found: Result, sound: Result, clip: str, preprocessing: RigPreprocessing, folder: Path) -> str:
    """Whether a result that differs from the sound one is right, every window of it."""
    receipt, windows, right = read_receipt(found.folder, clip), found.samples(clip), sound.samples(clip)
    left_out = receipt["refused_frames"] + receipt["refused_poses"]
    if len(windows) + left_out != len(right) or not set(windows) <= set(right):
        return f"WRONG: {len(windows)} windows and {left_out} left out of {len(right)}"
    if not all(_same_labels(windows[key], right[key]) for key in windows):
        return "WRONG: labels"
    if all(_pictures(windows[key]) == _pictures(right[key]) for key in windows):
        return FEWER if left_out else SAME
    recording = next(
        one for one in scan(found.root, preprocessing.setup.cameras).recordings if one.key == clip
    )
    tiles = tiles_right(ShardDataset.open(found.folder, "train"), recording, preprocessing, folder)
    whole = tiles[0] == tiles[1] == len(windows) * preprocessing.frames * len(preprocessing.setup.cameras)
    return RIGHT if whole else f"WRONG: {tiles[0]} of {tiles[1]} pictures are the right frame"


def _pictures(fields: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in fields.items() if name.endswith(".jpg")}


def _same_labels(found: Mapping[str, bytes], right: Mapping[str, bytes]) -> bool:
    """Equal to .1 mm: a spline feels at its end that poses behind it are gone."""
    one, other = (json.loads(fields["target.json"]) for fields in (found, right))
    return all(np.allclose(one[name], other[name], rtol=0, atol=1e-4) for name in other)


def judge(case: Case, found: Result, sound: Result, preprocessing: RigPreprocessing, folder: Path) -> str:
    """What came of the damaged clip, or what is wrong with it or with any other."""
    if faults := found.faults():
        return f"WRONG: {faults[0]}"
    first, *others = units(twin_settings())
    for unit in others:
        what = outcome(found, sound, unit.key, preprocessing, folder)
        beside = case.whole_chunk and unit.chunk == first.chunk
        if what != SAME and not (beside and what in (REFUSED, SKIPPED)):
            return f"WRONG: an untouched clip is {what}"
    return outcome(found, sound, first.key, preprocessing, folder)


def corruption_figures(twin: Path, folder: Path, flips: int, seed: int) -> list[Figure]:
    """Every case, then ``flips`` datasets with random bytes of a random archive changed.

    Args:
        twin: where it stands, or is made.
        folder: for damaged copies.
        flips: how many.
        seed: of the flips.
    """
    make_twin(twin, twin_settings())
    preprocessing, rng = RigPreprocessing(tile_size=(84, 56)), random.Random(seed)
    sound = Result.of(twin, folder / "sound", preprocessing)
    if sound.faults() or len(sound.prepared.account.done) != CLIPS:
        raise RuntimeError(f"the undamaged twin does not prepare: {sound.faults()}")
    first = units(twin_settings())[0].key
    figures = []
    for case in CASES:
        root = _copy(twin, folder)
        case.damage(root, first)
        told = judge(case, Result.of(root, folder / "workspace", preprocessing), sound, preprocessing, folder)
        figures.append(Figure(case.name, told, case.expected, told == case.expected))
    told = Counter(_flipped(_copy(twin, folder), sound, rng, preprocessing, folder) for _ in range(flips))
    silent = [what for what in told if what.startswith("WRONG")]
    listing = ", ".join(f"{count} {what}" for what, count in sorted(told.items()))
    figures.append(Figure("random bytes changed: datasets that told, or were as before", listing))
    figures.append(at_most("random bytes changed: something silent", sum(told[what] for what in silent), 0))
    held = sum(figure.holds is True for figure in figures[: len(CASES)])
    figures.append(at_least("cases detected or right", held, len(CASES)))
    return figures


def _copy(twin: Path, folder: Path) -> Path:
    """A fresh copy to be damaged, and no workspace."""
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(folder / "workspace", ignore_errors=True)
    return Path(shutil.copytree(twin, root))


def _flipped(
    root: Path, sound: Result, rng: random.Random, preprocessing: RigPreprocessing, folder: Path
) -> str:
    """What a few changed bytes came to: every clip refused, skipped or as before."""
    archive = flip_anywhere(root, rng)
    found = Result.of(root, folder / "workspace", preprocessing)
    if faults := found.faults():
        return f"WRONG: {faults[0]}"
    what = {outcome(found, sound, unit.key, preprocessing, folder) for unit in units(twin_settings())}
    if not what <= {REFUSED, SKIPPED, SAME}:
        return f"WRONG: {archive}: {', '.join(sorted(what))}"
    return "told" if what - {SAME} else "as before"
