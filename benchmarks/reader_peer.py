"""One pass over shards with the `webdataset` package; needs nothing else. Started by reader.py.

    python reader_peer.py {sequential,random} PASSES SHARD...

Prints a JSON list of [samples, bytes, seconds], one entry a pass.
"""

from __future__ import annotations

import json
import sys
import time


def one_pass(order: str, shards: list[str]) -> tuple[int, int, float]:
    import webdataset

    started = time.perf_counter()
    samples = size = 0
    dataset = webdataset.WebDataset(shards, shardshuffle=100 if order == "random" else False, seed=1)
    for sample in dataset.shuffle(1000, seed=1) if order == "random" else dataset:
        samples += 1
        size += sum(len(content) for content in sample.values() if isinstance(content, bytes))
    return samples, size, time.perf_counter() - started


if __name__ == "__main__":
    order, passes, *shards = sys.argv[1:]
    print(json.dumps([one_pass(order, shards) for _ in range(int(passes))]))
