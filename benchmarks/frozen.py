"""A first model without a GPU: what the frozen encoder costs, and what a head on it learns.

    python benchmarks/frozen.py [--quick] [--json] [--parts encoder,reads,twin,signs] [--videos DIR]

`encoder`: frames a second of CPU on one thread at 160 pixels, ONNX Runtime and torch in turns, decoding apart, and
how far their features are apart. `reads`: random reads of features from their shards. `twin`: the recipe
`operations-frozen-twin.yaml` through the command's own stages; the time is of features, train and predict together,
each from the start of its process, CPU and wall. `signs`: six real clips of a sign each, 1.6 to 2.2 s, joined into
sessions in many orders, every take cropped, lit and timed anew. There is one clip of each sign, so nobody and nothing
new can be held out: with `takes` both sides show all of every clip, which tests the plumbing alone; with `halves` the
training side shows the first half of every clip, slowed to its whole length, and the test side the second, and once
more the other way round. --quick: fewer frames, one seed, one way round.

CPU seconds are those of this process and its children, so that other work beside does not count, but for caches.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from footage import DATA
from numpy.typing import NDArray
from report import Figure, at_least, at_most, emit, not_measured

from rushes.evaluate.scorecard import Scorecard
from rushes.models.encoder import BATCH, Runtime, encoder
from rushes.recipe.frozen import ENCODING, FEATURES
from rushes.runs.do import do
from rushes.runs.run import Run
from rushes.shards.member import array_member, json_member, read_array
from rushes.shards.read import ShardDataset
from rushes.shards.write import ShardWriter
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

RECIPE = Path(__file__).parents[1] / "recipes" / "operations-frozen-twin.yaml"
TINY_VLM = {"oca": 1.0, "tiou_50": 0.991, "aa_1": 0.931}
"""Of `recipes/operations-twin.yaml`, the same seeds and the same 116 clips: docs/LOG.md, 2026-11-30."""
PARTS = ("encoder", "reads", "twin", "signs")
FIGURES = {"oca": "OCA", "tiou_50": "tIoU@0.5", "aa_1": "AA@1"}

SIGNS = """\
task: operations
name: signs
source: {{kind: table, root: raw, split: column, annotation: {{files: labels.csv}}}}
preprocessing: {{sampler: uniform, frames: 16, clip_s: 4.0, frame_size: [224, 168]}}
prepare: {{window_splits: [test]}}
model: {{name: frozen}}
train: {{seed: {seed}}}
"""


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


# --- what it costs ------------------------------------------------------------------------------------------


def encoder_figures(quick: bool) -> Iterator[Figure]:
    """Both runtimes in turns, on the same squares."""
    import torch

    torch.set_num_threads(1)
    side, turns, count = ENCODING.side, 3 if quick else 9, BATCH * (4 if quick else 16)
    squares = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    names: tuple[Runtime, ...] = ("onnxruntime", "torch")
    rates: dict[str, list[float]] = {name: [] for name in names}
    found = {name: encoder(runtime=name).encode(squares[:BATCH]) for name in names}  # and both are warm
    for _ in range(turns):
        for name in names:
            began = time.process_time()
            encoder(runtime=name).encode(squares)
            rates[name].append(count / (time.process_time() - began))
    of = {name: statistics.median(rate) for name, rate in rates.items()}
    yield at_least(
        "features at 160 px, frames a second of CPU, one thread, ONNX Runtime", round(of[names[0]]), 110
    )
    yield Figure("the same, torch", round(of[names[1]]))
    yield at_least("ONNX Runtime over torch, median of turns", round(of[names[0]] / of[names[1]], 2), 1.5)
    yield at_most(
        "greatest difference of a feature between both",
        float(np.abs(found[names[0]] - found[names[1]]).max()),
        1e-4,
    )


def reads_figures(quick: bool, folder: Path) -> Iterator[Figure]:
    """Samples of 16 frames in random order: as the reader hands them out, and as float16 arrays, members checked."""
    count, frames = 2_000 if quick else 8_000, 16
    features = np.random.default_rng(0).random((frames, ENCODING.width)).astype(np.float16)
    with ShardWriter(folder, "reads") as writer:
        for number in range(count):
            meta = json_member({"asked_s": 1.0, "frame_times_s": [float(at) for at in range(frames)]})
            writer.write(f"t{number:07d}", {FEATURES: array_member(features), "meta.json": meta})
        infos = writer.close()
    tars = [folder / info.name for info in infos]
    order = np.random.default_rng(1).permutation(count).tolist()
    for what, check, read, bar in (
        (
            "random reads of features, samples a second of CPU",
            False,
            lambda fields: read_array(fields[FEATURES]),
            20_000,
        ),
        (
            "the same, every member held against its CRC-32",
            True,
            lambda fields: read_array(fields[FEATURES]),
            None,
        ),
    ):
        dataset = ShardDataset(tars, infos, check=check)
        rates = []
        for _ in range(3):
            began = time.process_time()
            for number in order:
                read(dataset.sample(number))
            rates.append(count / (time.process_time() - began))
        rate = round(statistics.median(rates))
        yield Figure(what, rate) if bar is None else at_least(what, rate, bar)


# --- what it learns -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learnt:
    """A finished run: its scorecard, and CPU and wall seconds of features, train and predict."""

    card: Scorecard
    spent_s: float
    took_s: float


def finish(recipe: Path, workspace: Path, *overrides: str) -> Learnt:
    """Do every stage but the report."""
    run: Run[Any] = open_run(load_recipe(recipe, overrides), open_workspace(workspace))
    spent_s = took_s = 0.0
    for name in [name for name in run.stages if name != "report"]:
        began, wall = cpu_s(), time.perf_counter()
        do(run, name, lambda *said: None)
        if name in ("features", "train", "predict"):
            spent_s, took_s = spent_s + cpu_s() - began, took_s + time.perf_counter() - wall
    return Learnt(run.scorecard(), spent_s, took_s)


def twin_figures(folder: Path) -> Iterator[Figure]:
    """The demo with a frozen model beside what the tiny vision language model reached on the same clips."""
    learnt = finish(RECIPE, folder / "twin")
    yield at_most("twin: features, train and predict, CPU seconds", round(learnt.spent_s), 360)
    yield at_most("twin: the same, wall seconds on two cores", round(learnt.took_s), 180)
    yield from answers("twin", [learnt.card], TINY_VLM)


def answers(
    what: str, cards: Sequence[Scorecard], beside: Mapping[str, float] | None = None
) -> Iterator[Figure]:
    """Figures of the model, means over runs, each against its best baseline; better in every run holds."""
    wholes = [card.parts[0] for card in cards]
    for name, title in FIGURES.items():
        value = statistics.mean(whole.estimates["model"][name].value for whole in wholes)
        best = statistics.mean(whole.standings[name].value for whole in wholes)
        rivals = ", ".join(sorted({whole.standings[name].rival for whole in wholes}))
        yield Figure(
            f"{what}: {title}, {sum(whole.n for whole in wholes)} clips",
            round(value, 3),
            f"better than {rivals}, {best:.3f}",
            all(whole.standings[name].verdict == "better" for whole in wholes),
        )
        for ablation in ("untrained", "shuffled"):
            found = statistics.mean(whole.estimates[ablation][name].value for whole in wholes)
            yield Figure(f"{what}: {title} of {ablation}", round(found, 3))
        if beside is not None:
            yield Figure(f"{what}: {title} of the tiny vision language model, as recorded", beside[name])


# --- real footage -------------------------------------------------------------------------------------------

SIZE, RATE = (224, 168), 25
CLIPS_IN_SESSION, SESSIONS, TESTED = 20, 10, 2
Part = tuple[float, float]
"""Of a clip's length, from 0 to 1."""


def pictures_of(clip: Path) -> NDArray[np.uint8]:
    """All frames of a clip, (T, H, W, 3) uint8 RGB, a sixth wider and higher than they will be shown."""
    width, height = (side * 7 // 6 for side in SIZE)
    with av.open(str(clip)) as container:
        frames = [
            frame.to_ndarray(width=width, height=height, format="rgb24")
            for frame in container.decode(video=0)
        ]
    return np.stack(frames)


def take(pictures: NDArray[np.uint8], part: Part, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a clip as somebody else might have filmed it: cropped, lit, timed and grained anew.

    The part is shown over the whole clip's length, .8 to 1.2 times as fast: half a clip at half its speed.
    """
    first, last = (round(at * len(pictures)) for at in part)
    length = round(len(pictures) * RATE / 30 * rng.uniform(0.8, 1.2))
    shown = pictures[first + (np.arange(length) * (last - first) // length)]
    top, left = (
        int(rng.integers(0, room - side + 1)) for room, side in zip(shown.shape[1:3], SIZE[::-1], strict=True)
    )
    cut = shown[:, top : top + SIZE[1], left : left + SIZE[0]].astype(np.float32)
    gain, shift = rng.uniform(0.8, 1.2, 3), rng.uniform(-20.0, 20.0)
    grain = rng.normal(0.0, 4.0, cut.shape).astype(np.float32)
    return np.clip((cut - 128.0) * gain + 128.0 + shift + grain, 0, 255).astype(np.uint8)


def write_sessions(
    folder: Path, clips: Mapping[str, NDArray[np.uint8]], train: Part, test: Part, seed: int
) -> None:
    """Sessions of takes in orders of their own, as videos with one table of labels."""
    folder.mkdir(parents=True)
    rows = ["file,start_s,end_s,label,split"]
    for number in range(SESSIONS):
        rng, side = np.random.default_rng([seed, number]), "test" if number < TESTED else "train"
        order = [
            name for _ in range(-(-CLIPS_IN_SESSION // len(clips))) for name in rng.permutation(list(clips))
        ]
        path, at = folder / f"session-{number}.mp4", 0
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "21"})
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            for name in order[:CLIPS_IN_SESSION]:
                shown = take(clips[name], test if side == "test" else train, rng)
                for picture in shown:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
                rows.append(f"{path.name},{at / RATE},{(at + len(shown)) / RATE},{name},{side}")
                at += len(shown)
            container.mux(stream.encode())
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def signs_figures(quick: bool, folder: Path, videos: Path) -> Iterator[Figure]:
    """Six signs, each from one clip."""
    paths = sorted(videos.glob("asl-*.mkv"))
    if not paths:
        yield not_measured("signs", None, f"no asl-*.mkv at {videos}")
        return
    clips = {path.stem.removeprefix("asl-"): pictures_of(path) for path in paths}
    whole, halves = (0.0, 1.0), ((0.0, 0.5), (0.5, 1.0))
    ways = {
        "signs, other takes of the same clips": [(whole, whole)],
        "signs, the other half of each clip": [halves] if quick else [halves, halves[::-1]],
    }
    for number, (what, sides) in enumerate(ways.items()):
        cards = []
        for seed in range(1 if quick else 3):
            for train, test in sides:
                place = folder / f"{number}-{seed}-{train[0]}"
                write_sessions(place / "raw", clips, train, test, seed)
                recipe = place / "signs.yaml"
                recipe.write_text(SIGNS.format(seed=seed))
                cards.append(finish(recipe, place / "workspace").card)
        yield from answers(what, cards)
        for system in ("model", "smoothed", "majority"):
            yield Figure(f"{what}: F1@50 of whole sessions, {system}", round(timeline(cards, system), 1))


def timeline(cards: Sequence[Scorecard], system: str) -> float:
    """Mean segmental F1@50, 0 to 100, of a labelling of whole sessions."""
    parts = [part for card in cards for part in card.parts if part.kind == "timeline"]
    return statistics.mean(part.estimates[system]["f1_50"].value for part in parts)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer frames, one seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s")
    parser.add_argument(
        "--videos", type=Path, default=DATA, help="folder of the sign clips (default: %(default)s)"
    )
    asked = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: Mapping[str, Callable[[], Iterator[Figure]]] = {
            "encoder": lambda: encoder_figures(asked.quick),
            "reads": lambda: reads_figures(asked.quick, folder),
            "twin": lambda: twin_figures(folder),
            "signs": lambda: signs_figures(asked.quick, folder / "signs", asked.videos),
        }
        for part in asked.parts.split(","):
            figures += parts[part]()
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
