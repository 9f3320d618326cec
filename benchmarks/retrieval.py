"""Exact search against FAISS and float64, files of vectors, an approximate index, and figures of ranked items.

    python benchmarks/retrieval.py [--quick] [--json] [--items N] [--parts search,files,index,metrics]

`search`: the best 10 of N items of 512 numbers, for one query and for 64, beside FAISS's flat index of float16 in the
same process, in turns, each with as many threads as OMP_NUM_THREADS or the cores say; a figure is the median ratio of
wall times of a turn. FAISS takes one thread for one query, so the ratio of CPU seconds stands beside it. Some vectors
are copies of others, so that ids are compared with float64 brute force where scores tie as well. `files`: CPU seconds
to read one column of a file of vectors. `index`: recall of the approximate index against exact search on texts.
`metrics`: see `retrieval_metrics.py`. --quick: 200,000 items, fewer turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit
from retrieval_metrics import metric_figures

from rushes.errors import AnswerError
from rushes.predict.approximate import DEPTH, approximate
from rushes.predict.nearest import Gallery
from rushes.predict.vectors import (
    QUERIES,
    VECTORS,
    queries_schema,
    read_vectors,
    vectors_schema,
    writing_vectors,
)

PARTS = ("search", "files", "index", "metrics")
WIDTH, BLOCK = 512, 20_000
SHOP = 66_603
"""Items of the catalogue whose logs the earlier system published."""


def drawn(n: int, seed: int, *, copies: float = 0.0, centres: int = 0) -> NDArray[np.float16]:
    """Unit vectors (n, 512): a share of them copies of the first, around some centres where there are any."""
    rng = np.random.default_rng(seed)
    middle = np.random.default_rng(0).standard_normal((centres, WIDTH), np.float32)
    vectors = np.empty((n, WIDTH), np.float16)
    for begin in range(0, n, BLOCK):
        block = rng.standard_normal((min(BLOCK, n - begin), WIDTH), np.float32)
        if centres:
            block = middle[rng.integers(0, centres, len(block))] + 0.7 * block
        vectors[begin : begin + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    copied = rng.random(n) < copies
    vectors[copied] = vectors[rng.integers(0, 100, int(copied.sum()))]
    return vectors


def gallery(vectors: NDArray[np.float16]) -> Gallery:
    """With keys in another order than the rows."""
    keys = np.array([f"{number:016x}" for number in range(len(vectors))], object)
    np.random.default_rng(1).shuffle(keys)
    return Gallery(keys, vectors)


def queries(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """64 unit vectors (64, 512): some at random, some near items, some near items with copies."""
    rng = np.random.default_rng(2)
    asked = rng.standard_normal((64, WIDTH), np.float32)
    asked[16:40] = vectors[rng.integers(0, len(vectors), 24)] + 0.02 * asked[16:40]
    asked[40:] = vectors[:24] + 0.02 * asked[40:]
    unit: NDArray[np.float32] = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    return unit


# --- search -------------------------------------------------------------------------------------------------


def search_figures(n: int, turns: int) -> Iterator[Figure]:
    """Time beside FAISS, and ids beside brute force."""
    vectors = drawn(n, 3, copies=0.01)
    began_s = time.process_time()
    ours = gallery(vectors)
    yield Figure(f"opening {n:,} items, CPU s", time.process_time() - began_s)
    flat = faiss.IndexScalarQuantizer(WIDTH, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    for begin in range(0, n, BLOCK):
        flat.add(vectors[begin : begin + BLOCK].astype(np.float32))
    asked = queries(vectors)
    for count, bar, times in ((1, 1.15, turns), (64, 0.5, max(3, turns // 4))):
        part = asked[:count]
        wall, cpu, ms = ratios(
            lambda part=part: ours.nearest(part, DEPTH), lambda part=part: flat.search(part, DEPTH), times
        )
        what = f"best 10 of {n:,}, {count} {'query' if count == 1 else 'queries'}"
        yield Figure(f"{what}: ours, wall ms", ms)
        yield at_most(f"{what}: wall over FAISS fp16 flat", wall, bar)
        yield Figure(f"{what}: CPU over FAISS fp16 flat", cpu)
    same = ours.nearest(asked, DEPTH).rows == brute(ours, asked)
    yield at_least("share of ids that are those of float64 brute force, ties by key", float(same.mean()), 1.0)


def ratios(
    ours: Callable[[], object], theirs: Callable[[], object], turns: int
) -> tuple[float, float, float]:
    """Median ratios of wall and CPU time over turns, and the median wall time of ours in ms."""
    ours(), theirs()
    found = []
    for turn in range(turns):
        order = (ours, theirs) if turn % 2 else (theirs, ours)
        took = {}
        for work in order:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            work()
            took[work] = time.perf_counter() - wall_s, time.process_time() - cpu_s
        found.append((*took[ours], *took[theirs]))
    wall = statistics.median(one[0] / one[2] for one in found)
    cpu = statistics.median(one[1] / one[3] for one in found)
    return wall, cpu, statistics.median(one[0] for one in found) * 1e3


def brute(items: Gallery, asked: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows (q, 10) of the best items by products in float64, equal ones in order of keys."""
    wide, n = asked.astype(np.float64), len(items)
    scores = np.empty((len(asked), n))
    for begin in range(0, n, BLOCK):
        scores[:, begin : begin + BLOCK] = wide @ items.vectors[begin : begin + BLOCK].astype(np.float64).T
    rows = []
    for query, row in zip(wide, scores, strict=True):
        near = np.flatnonzero(row >= np.partition(row, -DEPTH)[-DEPTH] - 1e-12)
        # Once more row by row: a matrix product may give equal vectors other last bits in another place.
        again = (items.vectors[near].astype(np.float64) * query).sum(axis=1)
        rows.append(near[np.lexsort((items.keys[near].astype(str), -again))][:DEPTH])
    return np.array(rows)


# --- files and index ----------------------------------------------------------------------------------------


def file_figures() -> Iterator[Figure]:
    """CPU seconds to read the vectors of a shop, and its keys."""
    vectors = drawn(SHOP, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with writing_vectors(folder / VECTORS, vectors_schema(WIDTH, ["style"])) as writer:
            for begin in range(0, SHOP, 1000):
                part = vectors[begin : begin + 1000]
                ids = [f"{number:016x}" for number in range(begin, begin + len(part))]
                texts = dict.fromkeys(("id", "side", "group", "label", "title", "text"), ids)
                kinds = ("base_picture", "base_text", "model_picture", "model_text")
                writer.add(
                    {**texts, "fields": [{"style": "modern"}] * len(part), **dict.fromkeys(kinds, part)}
                )
        with writing_vectors(folder / QUERIES, queries_schema(WIDTH)):
            pass
        took = []
        for _ in range(5):
            began_s = time.process_time()
            found = read_vectors(folder)
            read = found.picture("model")
            took.append(time.process_time() - began_s)
            assert np.array_equal(read, vectors)
        what = f"reading {SHOP:,} x {WIDTH} from Parquet"
        yield at_most(f"{what}, CPU s", statistics.median(took), 0.5)
        began_s = time.process_time()
        assert len(found.keys) == SHOP
        yield Figure(f"{what}: their keys, CPU s", time.process_time() - began_s)


def index_figures(n: int) -> Iterator[Figure]:
    """What an approximate index finds and takes, of items in clusters and of items without any structure."""
    for kind, centres in (("in clusters", 500), ("without structure", 0)):
        items, asked = gallery(drawn(n, 5, centres=centres)), drawn(1000, 6, centres=centres)
        with tempfile.TemporaryDirectory() as folder:
            yield from one_index(f"approximate, {n:,} items {kind}", Path(folder) / "of.faiss", items, asked)


def one_index(what: str, path: Path, items: Gallery, asked: NDArray[np.float16]) -> Iterator[Figure]:
    """The figures of an index, or why it was refused."""
    began_s = time.process_time()
    try:
        index = approximate(path, items, asked)
    except AnswerError as refused:
        yield Figure(what, refused.message.partition(";")[0])
        return
    yield Figure(f"{what}: built, CPU s", time.process_time() - began_s)
    yield at_least(f"{what}: recall of the best 10", index.recall, 0.95)
    query = asked[:1].astype(np.float32)
    wall = ratios(lambda: index.candidates(query[0], DEPTH), lambda: items.nearest(query, DEPTH), 15)[0]
    yield Figure(f"{what}: wall over exact search", wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, help="1,000,000; 200,000 with --quick")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"among {','.join(PARTS)}")
    asked = parser.parse_args()
    parts = asked.parts.split(",")
    if strange := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(strange))}; there are {', '.join(PARTS)}")
    n = asked.items or (200_000 if asked.quick else 1_000_000)
    faiss.omp_set_num_threads(torch.get_num_threads())
    work: dict[str, Callable[[], Iterator[Figure]]] = {
        "search": lambda: search_figures(n, 9 if asked.quick else 25),
        "files": file_figures,
        "index": lambda: index_figures(min(n, 20_000 if asked.quick else SHOP)),
        "metrics": lambda: metric_figures(asked.quick),
    }
    emit((figure for part in parts for figure in work[part]()), asked.json)


if __name__ == "__main__":
    main()
