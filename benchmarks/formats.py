"""What strangers open: shards, index and trained folders of every task, in the readers that people have.

    python benchmarks/formats.py [--json] [--quick]

Small twins of all tasks are prepared. Then webdataset, HF datasets and Ray Data read every shard, and each JSON
member, the labels among them, must be what was written; duckdb counts labels by side from the index alone; and the
library's AutoProcessor must give the tokens and patches that training gave. Each reader has an environment of its
own, see peers.py. About two minutes; --quick is the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from formats_peer import digest
from peers import Unavailable, ask
from report import Figure, at_most, emit, not_measured

from rushes.models import trained
from rushes.models import vlm as family
from rushes.models.pixels import PAIR, Pictures
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.shards.manifest import load_manifest
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
SMALL = {
    "operations": ("source.split={train: [U0101], test: [U0102]}", "twin.subjects=2", "twin.boxes=1"),
    "driving": ("twin.train=3", "twin.val=1", "twin.test=1", "twin.clip_s=2.0"),
    "sounds": ("twin.train=2", "twin.val=2", "twin.test=2", "twin.clips=12"),
}
ASKED = {
    "operations": ((), ("preprocessing.time_marks=false",)),
    "driving": ((), ("preprocessing.layout=separate",)),
}
READERS = {"webdataset": "webdataset", "datasets": "formats", "ray": "formats"}
"""Reader -> the peer that has it."""


def silent(*told: object) -> None:
    """Nobody listens."""


def prepared(task: str, workspace: Path, *more: str) -> Run[Any]:
    """A small run of a task, its dataset done."""
    recipe = load_recipe(RECIPES / f"{task}-twin.yaml", (*SMALL[task], "prepare.workers=0", *more))
    run = open_run(recipe, open_workspace(workspace))
    for name in list(run.stages)[: list(run.stages).index(run.dataset) + 1]:
        do(run, name, silent)
    return run


def written(run: Run[Any]) -> dict[str, Any]:
    """What every reader must find."""

    def samples() -> Iterator[dict[str, Any]]:
        for split in load_manifest(run.folder(run.dataset)).splits:
            opened = run.samples(split)
            for number, key in enumerate(opened.keys()):
                fields = {name: bytes(content) for name, content in opened.sample(number).items()}
                texts = {name: json.loads(fields[name]) for name in fields if name.endswith(".json")}
                yield {"__key__": key, **fields, **texts}

    return digest(samples())


def counted(run: Run[Any]) -> list[list[Any]]:
    """Rows [split, label, samples]; none is without a label but windows of operations where nothing is labelled."""
    rows = []
    for split in load_manifest(run.folder(run.dataset)).splits:
        counts = Counter(run.samples(split).labels())
        rows += [
            [split, label, counts[label]]
            for label in sorted(counts, key=lambda label: (label is None, label))
        ]
    return sorted(rows, key=lambda row: (row[0], row[1] is None, row[1]))


def readers(task: str, run: Run[Any]) -> Iterator[Figure]:
    """Each reader on the shards, duckdb on the index."""
    folder, expected = run.folder(run.dataset), written(run)
    for reader, peer in READERS.items():
        figure = f"{task}, {reader}: samples or labels that differ, of {expected['samples']}"
        try:
            found = ask(peer, "formats_peer.py", reader, folder)
        except Unavailable as why:
            yield not_measured(figure, "<= 0", why)
            continue
        same = found == expected
        yield at_most(figure, 0 if same else max(abs(found["samples"] - expected["samples"]), 1), 0)
    rows = counted(run)
    figure = f"{task}, duckdb on the index: rows of side and label that differ, of {len(rows)}"
    try:
        found = ask("formats", "formats_peer.py", "duckdb", folder)
    except Unavailable as why:
        yield not_measured(figure, "<= 0", why)
        return
    yield at_most(figure, sum(row not in rows for row in found) + sum(row not in found for row in rows), 0)


def processors(task: str, run: Run[Any], folder: Path) -> Iterator[Figure]:
    """AutoProcessor of a trained folder, on the first sample that is asked about."""
    samples, questions = run.samples(run.recipe.evaluate.split), run.task.questions
    sample = next(questions.samples_of(samples, [0]))
    asked = questions.question(sample, "model", 0)
    vlm = family.load("tiny", run.recipe.preprocessing)
    trained.save(vlm, folder / "model")
    chat, shown = vlm.chat(), Pictures.of(asked.views)
    question, _ = chat.turn(vlm.preprocessing.asking())
    opening = chat.tokens(vlm.preprocessing.asking().answer[0])
    ids = [*chat.prompt(shown.view, asked.times_s).ids, *question[: -len(opening)]]
    pairs = [np.stack(pair) for pair in _videos(asked.views, vlm.preprocessing.time_marks)]
    videos = {f"video_{number}": frames for number, frames in enumerate(pairs)}
    np.savez(folder / "videos.npz", ids=ids, patches=shown.patches, grids=shown.grids, **videos)
    (folder / "asked.json").write_text(json.dumps(chat.messages(asked.times_s)))
    what = (
        f"{task}, {len(asked.views)} views, {'time marks' if vlm.preprocessing.time_marks else 'one video'}"
    )
    figure = f"AutoProcessor, {what}"
    try:
        found = ask(
            "processor", "processor_peer.py", folder / "model", folder / "asked.json", folder / "videos.npz"
        )
    except Unavailable as why:
        yield not_measured(figure, None, why)
        return
    yield at_most(f"{figure}: token ids and grids that differ", 2 - found["ids"] - found["grids"], 0)
    yield at_most(f"{figure}: largest difference of a patch", found["patches"], 1e-5)


def _videos(views: Any, time_marks: bool) -> Iterator[tuple[np.ndarray, ...]]:
    """The frames of each video of the prompt in order."""
    if not time_marks:
        yield tuple(views[0])
        return
    for start in range(0, len(views[0]), PAIR):
        yield from (tuple(view[start : start + PAIR]) for view in views)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="rushes-formats-") as scratch:
        for task in SMALL:
            figures += readers(task, prepared(task, Path(scratch) / "workspace"))
        for task, variants in ASKED.items():
            for number, more in enumerate(variants):
                folder = Path(scratch) / f"{task}-{number}"
                folder.mkdir()
                figures += processors(task, prepared(task, Path(scratch) / "workspace", *more), folder)
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
