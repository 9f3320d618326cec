"""A trained folder in the library's own processor; needs transformers and torchvision. Started by formats.py.

    python processor_peer.py MODEL ASKED.json VIDEOS.npz

ASKED.json holds the conversation; VIDEOS.npz the frames (T, H, W, 3) uint8 of each of its videos in order, and what
we made of them: ``ids``, ``patches`` and ``grids``. Prints JSON: whether ids and grids are the same, and the largest
difference of a patch.
"""

from __future__ import annotations

import json
import sys

import numpy as np


def compare(model: str, asked: str, videos: str) -> dict[str, bool | float]:
    import torch

    # Wheels of torchvision for CUDA do not load their operators beside a CPU build of torch, and will not be
    # imported unless these two are known. No processor calls them.
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            form = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", form)
    from transformers import AutoProcessor

    with open(asked) as file:
        messages = json.load(file)
    ours = np.load(videos, allow_pickle=False)
    processor = AutoProcessor.from_pretrained(model)
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    shown = [ours[f"video_{number}"] for number in range(sum(name.startswith("video_") for name in ours))]
    clocks = [
        {"fps": 1.0, "total_num_frames": len(frames), "frames_indices": list(range(len(frames)))}
        for frames in shown
    ]
    theirs = processor(text=[text], videos=shown, video_metadata=clocks, return_tensors="np")
    same = theirs["pixel_values_videos"].shape == ours["patches"].shape
    return {
        "ids": theirs["input_ids"][0].tolist() == ours["ids"].tolist(),
        "grids": by_moment(theirs["video_grid_thw"]) == by_moment(ours["grids"]),
        "patches": float(np.abs(theirs["pixel_values_videos"] - ours["patches"]).max())
        if same
        else float("inf"),
    }


def by_moment(grids: np.ndarray) -> list[list[int]]:
    """Grids cut into single moments: the vision tower attends within each, so one grid of two is two grids of one."""
    return [[1, int(rows), int(columns)] for count, rows, columns in grids for _ in range(int(count))]


if __name__ == "__main__":
    print(json.dumps(compare(*sys.argv[1:])))
