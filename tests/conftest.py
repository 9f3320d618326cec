"""Small datasets, really written into shards, and a drawn drive.

A clip of work has a colour for each operation, so that a model can learn them; drives come from the twin.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rushes.media.image import encode_jpeg
from rushes.records import Clip, Media, Recording, Segment
from rushes.shards.member import json_member
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.tasks.driving.prepare.unit import Job, prepare_unit
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.recipe import PrepareWindows
from rushes.tasks.driving.sources.physical_ai_av.source import scan
from rushes.tasks.driving.twin.script import DrivingSettings, units
from rushes.tasks.driving.twin.writer import assemble, remove_parts, write_unit
from rushes.tasks.operations.prepare.clips import Cutting, boundary_clips, windows
from rushes.tasks.operations.prepare.sample import target_member
from rushes.tasks.operations.preprocessing import ClipPreprocessing

pytest_plugins = ["jobs", "web_server", "chromium"]

COLOURS = {"Pick": (200, 40, 40), "Tape": (40, 200, 40), "Press": (40, 40, 200), "Label": (200, 200, 40)}
UNLABELLED = (128, 128, 128)

CRUCIFORM = RigPreprocessing().setup

MakeClips = Callable[..., ShardDataset]
MakeDrives = Callable[..., ShardDataset]

# A shell that runs the tests in its background has them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _ordinary_scheduling() -> Iterator[None]:
    """No test leaves this process in the real-time class: it, and all that it starts, would starve the rest."""
    yield
    if hasattr(os, "sched_getscheduler"):
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.fixture(scope="session")
def clips_contract() -> ClipPreprocessing:
    return ClipPreprocessing(frames=4, frame_size=(56, 56), labels=tuple(COLOURS))


@pytest.fixture(scope="session")
def work() -> Callable[[int, int], Recording]:
    """A session of ``count`` operations of random lengths; after every fifth, nobody labelled two seconds."""

    def make(seed: int, count: int) -> Recording:
        rng = np.random.default_rng(seed)
        segments, time_s = [], 1.0
        for number in range(count):
            length_s = float(rng.uniform(1.2, 7.0))
            segments.append(Segment(time_s, time_s + length_s, list(COLOURS)[int(rng.integers(4))]))
            time_s += length_s + (2.0 if number % 5 == 4 else 0.0)
        key, subject = f"U{seed:04d}_S0100", f"U{seed:04d}"
        media = Media("video", Path("none.mp4"))
        return Recording(key, subject, subject, "S0100", media, tuple(segments), 0.0)

    return make


def _fields(recording: Recording, clip: Clip, preprocessing: ClipPreprocessing) -> dict[str, bytes]:
    rng = np.random.default_rng([*clip.key.encode()])
    times_s = np.sort(rng.uniform(0.0, preprocessing.clip_s, preprocessing.frames))
    times_s[0] = 0.0
    later = [segment.label for segment in recording.segments if segment.start_s >= clip.end_s - 1e-6]
    meta = {
        "recording": recording.key,
        "subject": recording.subject,
        "session": recording.session,
        "group": recording.group,
        "kind": clip.kind,
        "clip_start_s": clip.start_s,
        "clip_end_s": clip.end_s,
        "asked_s": clip.asked_s,
        "frame_times_s": times_s.tolist(),
    }
    after = later[0] if later else None
    fields = {"meta.json": json_member(meta), "target.json": target_member(clip, after)}
    width, height = preprocessing.frame_size
    for number, time_s in enumerate(times_s):
        label = next((segment.label for segment in clip.segments if segment.contains(time_s)), None)
        picture = rng.normal(COLOURS.get(label, UNLABELLED), 20.0, (height, width, 3))
        fields[f"frame_{number:02d}.jpg"] = encode_jpeg(np.clip(picture, 0, 255).astype(np.uint8))
    return fields


@pytest.fixture(scope="session")
def make_clips(work: Callable, clips_contract: ClipPreprocessing) -> MakeClips:
    """Cut one session of ``count`` operations, with its timeline if it is asked for, and open the shards."""

    def make(folder: Path, seed: int = 1, count: int = 12, timeline: bool = False) -> ShardDataset:
        recording = work(seed, count)
        duration_s, cutting = recording.segments[-1].end_s + 6.0, Cutting(stride_s=2.5)
        clips = [*boundary_clips(recording, duration_s, cutting)]
        if timeline:
            clips += windows(recording, duration_s, cutting)
        with ShardWriter(folder, recording.key) as writer:
            for clip in clips:
                writer.write(clip.key, _fields(recording, clip, clips_contract))
            infos = writer.close()
        return ShardDataset([folder / info.name for info in infos], infos)

    return make


@dataclass(frozen=True)
class RoadTwin:
    """Six drives of 2.6 s in two chunks: one without poses, one not valid, one without a camera."""

    root: Path
    settings: DrivingSettings


@pytest.fixture(scope="session")
def road_twin(tmp_path_factory: pytest.TempPathFactory) -> RoadTwin:
    root = tmp_path_factory.mktemp("road")
    settings = DrivingSettings(
        train=4,
        val=1,
        test=1,
        clip_s=2.6,
        cameras=tuple(sorted(CRUCIFORM.cameras)),
        size=(64, 36),
        fps=12,
        missing_share=0.17,
        chunk_clips=4,
        seed=7,
    )
    for unit in units(settings):
        write_unit(root, unit, settings)
    assemble(root, settings)
    remove_parts(root)
    return RoadTwin(root, settings)


@pytest.fixture(scope="session")
def drives_contract() -> RigPreprocessing:
    """Eight moments in 0.7 s, in tiles of 56x56 of which the pictures fill 56x32."""
    return RigPreprocessing(frames=8, tile_size=(56, 56), signal_size=(32, 18))


@pytest.fixture(scope="session")
def make_drives(road_twin: RoadTwin, drives_contract: RigPreprocessing) -> MakeDrives:
    """Prepare the first drive of the twin, and open its shards."""

    def make(folder: Path, preprocessing: RigPreprocessing = drives_contract) -> ShardDataset:
        recording = scan(road_twin.root, preprocessing.setup.cameras).recordings[0]
        jobs = Job.of([recording], {recording.key: "train"}, folder, preprocessing, PrepareWindows(stride=4))
        receipt = prepare_unit(jobs[recording.key])
        home = folder / "shards" / "train"
        return ShardDataset.of_shards([home / shard["name"] for shard in receipt["shards"]])

    return make


@pytest.fixture
def no_file_opens() -> Callable[[], AbstractContextManager[None]]:
    """A machine at its limit of open files: inside the block, none can be opened."""

    @contextmanager
    def at_limit() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return at_limit
