"""What one window costs: ours, in a whole prepare run, against the per-sample ways of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import peers
from report import Figure, at_least, not_measured

from rushes.media.geometry import letterbox
from rushes.shards.read import ShardDataset
from rushes.tasks.driving.preprocessing import RigPreprocessing
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times
from rushes.tasks.driving.sources.physical_ai_av.source import scan

WAYS = {
    "opencv": ("opencv", 10.0, "extract, OpenCV, seek for each frame"),
    "decord": ("decord", 1.0, "decord for each window"),
    "torchcodec": ("torchcodec", 1.0, "torchcodec for each window"),
    "torchcodec-once": ("torchcodec", 1.0, "torchcodec, all windows of a camera at once"),
    "physical_ai_av": ("physical_ai_av", 1.0, "the dataset's own kit for each window"),
}
"""Way -> peer, by what factor we must be ahead, and what it does."""


def peer_plan(
    root: Path, dataset: Path, preprocessing: RigPreprocessing, source: tuple[int, int]
) -> dict[str, Any]:
    """The frames of the first clip's windows, found again by their times, and where they go."""
    cameras = preprocessing.setup.cameras
    recording = scan(root, cameras, limit=1).recordings[0]
    times_of = {one.camera: read_camera_times(one.times) for one in recording.cameras}
    samples = ShardDataset.open(dataset, recording.split)
    metas = [json.loads(bytes(samples.sample(n)["meta.json"])) for n in range(len(samples))]
    windows = [
        {
            camera: [
                int(np.abs(times_of[camera] - meta["window_start_s"] - time_s).argmin())
                for time_s in meta["cameras"][camera]["times_s"]
            ]
            for camera in cameras
        }
        for meta in metas
        if meta["recording"] == recording.key
    ]
    box, (width, height) = letterbox(source, preprocessing.tile_size), preprocessing.tile_size
    return {
        "videos": {one.camera: [str(one.video.archive), one.video.name] for one in recording.cameras},
        "windows": windows,
        "content": box.content,
        "canvas": preprocessing.picture_size,
        "places": {
            camera: [
                preprocessing.setup.place(camera)[1] * width + box.left,
                preprocessing.setup.place(camera)[0] * height + box.top,
            ]
            for camera in cameras
        },
    }


def peer_figures(plan: dict[str, Any], ours_s: float, windows: int, folder: Path) -> list[Figure]:
    """CPU for one window, theirs over ours.

    Args:
        plan: of all windows of a clip; the way that takes them together gets all of it.
        ours_s: CPU seconds of one window in a whole prepare run.
        windows: so many are taken of the plan, spread over it.
        folder: for plans.
    """
    chosen = np.linspace(0, len(plan["windows"]) - 1, windows).astype(int)
    few = plan | {"windows": [plan["windows"][n] for n in chosen]}
    figures = [Figure("prepare, CPU ms for one window, 4 cameras", round(1e3 * ours_s, 1))]
    for way, (peer, bar, words) in WAYS.items():
        figure = f"CPU for one window over prepare's, 4 cameras: {words}"
        asked = plan if way == "torchcodec-once" else few
        path = folder / f"{way}.json"
        path.write_text(json.dumps(asked))
        try:
            told = peers.ask(peer, "driving_peer.py", way, path)
        except peers.Unavailable as why:
            figures.append(not_measured(figure, f">= {bar:g}", why))
            continue
        moments = sum(len(next(iter(window.values()))) for window in asked["windows"])
        if told["pictures"] != moments:
            raise RuntimeError(f"{way} gave {told['pictures']} pictures of {moments}")
        figures.append(at_least(figure, round(told["cpu_s"] / len(asked["windows"]) / ours_s, 2), bar))
    return figures
