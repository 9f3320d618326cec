"""A small contrastive training in a process of its own: what the tests of kills and of many processes run.

Usage: contrastive_worker.py FOLDER '{"settings": {...}, "towers": {...}, "precision": "float32"}'
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from towers import Towers, pairs

from rushes.recipe.contrastive import ContrastiveTrain
from rushes.train.contrastive import train


def main(folder, settings, towers, precision="float32"):
    torch.set_num_threads(1)

    def tell(event):
        print(event["kind"], event.get("step", ""), flush=True)

    samples = pairs(40, grouped=True)
    train(
        Towers(**towers),
        samples,
        samples[:12],
        ContrastiveTrain(**settings),
        Path(folder),
        "worker",
        precision=precision,
        on_event=tell,
    )
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], **json.loads(sys.argv[2]))
