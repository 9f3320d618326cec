"""What is drawn, cut, learnt, asked and measured. Everything costly to import stands here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from safetensors.torch import load_file, save

from rushes.evaluate.clusters import clusters, codes
from rushes.evaluate.parts import Measured, part_of, scorecard_of
from rushes.evaluate.scorecard import System
from rushes.metrics.jackknife import Jackknife
from rushes.predict.table import read_predictions, write_predictions
from rushes.recipe import Recipe
from rushes.recipe.preprocessing import Preprocessing
from rushes.recipe.sections import Count, Evaluate, Prepare, Section, Share, Source, Train
from rushes.runs.drawing import Written, draw_units
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, Made, Tell
from rushes.runs.usual_work import Raw, Sample, prepare_samples, report
from rushes.stages import OpenStage, weights_sha256, write_atomic
from rushes.train.batches import ShardSamples
from rushes.train.loop import LoopSettings, StepOutput, fit

SIDES = ("train", "val", "test")
SCHEMA = pa.schema([("key", pa.string()), ("group", pa.string()), ("truth", pa.string()), ("said", pa.string())])


class LampTwin(Section):
    """How many rooms each side has, how many clips each room, and how much the light wavers."""

    rooms: Annotated[int, Field(ge=5)] = 8
    clips: Count = 12
    noise: Share = 0.4
    seed: int = 0


class LampPreprocessing(Preprocessing):
    """The power of both lamps at every frequency, over the first ``moments`` of a clip."""

    task: Literal["lamps"] = "lamps"
    moments: Annotated[int, Field(ge=8, le=64, multiple_of=2)] = 64
    labels: tuple[str, str] = ("left", "right")


class LampRecipe(Recipe):
    """A whole job."""

    task: Literal["lamps"] = "lamps"
    name: str = "lamps"
    source: Source = Source()
    twin: LampTwin = LampTwin()
    preprocessing: LampPreprocessing = LampPreprocessing()
    prepare: Prepare = Prepare(workers=0)
    train: Train = Train()
    evaluate: Evaluate = Evaluate()


def _draw(root: Path, room: tuple[str, int], asked: LampTwin) -> Written:
    """Two sines a clip, the faster one anywhere, under noise."""
    side, number = room
    rng, moments, clips = np.random.default_rng([asked.seed, SIDES.index(side), number]), np.arange(64), []
    for _ in range(asked.clips):
        rates = rng.uniform(0.05, 0.25, (2, 1))
        light = np.sin(2 * np.pi * (rates * moments + rng.random((2, 1)))) + rng.normal(0, 2 * asked.noise, (2, 64))
        clips.append({"label": ("left", "right")[int(rates.argmax())], "light": light.round(3).tolist()})
    write_atomic(root / f"{side}-{number}.json", json.dumps({"side": side, "clips": clips}))
    return Written((f"{side}-{number}.json",))


def twin(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    asked = run.recipe.twin
    rooms = {f"{side}-{number}": (side, number) for side in SIDES for number in range(asked.rooms)}
    return draw_units(run, stage, tell, rooms, partial(_draw, asked=asked))


def _cut(content: tuple[str, list[dict[str, Any]]], moments: int) -> Iterator[Sample]:
    room, clips = content
    for number, clip in enumerate(clips):
        power = np.abs(np.fft.rfft(np.array(clip["light"])[:, :moments]))[:, 1:] / moments
        fields = {"power.json": json.dumps(power.ravel().tolist()).encode(), "label.txt": clip["label"].encode()}
        yield Sample(key=f"{room}-{number}", fields=fields, group=room, label=clip["label"])


def prepare(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    rooms = {path.stem: json.loads(path.read_bytes()) for path in run.scan.recordings}
    raw = {key: Raw(side=room["side"], content=(key, room["clips"])) for key, room in rooms.items()}
    return prepare_samples(run, stage, tell, raw, partial(_cut, moments=run.recipe.preprocessing.moments))


def _tensors(key: str, fields: Any) -> tuple[torch.Tensor, int]:
    return torch.tensor(json.loads(bytes(fields["power.json"]))), int(bytes(fields["label.txt"]) == b"right")


def _net(run: Run[LampRecipe]) -> torch.nn.Linear:
    torch.manual_seed(run.recipe.train.seed)
    return torch.nn.Linear(run.recipe.preprocessing.moments, 2)


def train(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    def collate(samples: Any, rngs: Any) -> dict[str, torch.Tensor]:
        powers, labels = zip(*samples, strict=True)
        return {"powers": torch.stack(powers), "labels": torch.tensor(labels)}

    def step(model: torch.nn.Module, batch: Any) -> StepOutput:
        loss = torch.nn.functional.cross_entropy(model(batch["powers"]), batch["labels"], reduction="sum")
        return StepOutput(loss, weight=len(batch["labels"]))

    net, asked = _net(run), run.recipe.train
    settings = LoopSettings(steps=150, batch_size=32, learning_rate=0.1, seed=asked.seed, checkpoint_every=asked.checkpoint_every)
    result = fit(net, step, ShardSamples(run.samples("train"), _tensors), collate, settings, stage.folder, stage.spec.signature)
    write_atomic(stage.folder / "model" / "model.safetensors", save(net.state_dict()))
    return {"steps": result.steps, "weights": weights_sha256(stage.folder / "model")}, {}


def predict(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    net, samples = _net(run), run.samples(run.recipe.evaluate.split)
    net.load_state_dict(load_file(run.folder("train") / "model" / "model.safetensors"))
    tensors = [_tensors(samples.key(number), samples.sample(number)) for number in range(len(samples))]
    said = net(torch.stack([powers for powers, _ in tensors])).argmax(dim=1).tolist()
    labels = run.recipe.preprocessing.labels
    rows = zip(samples.keys(), samples.groups(), (labels[truth] for _, truth in tensors), (labels[one] for one in said), strict=True)
    write_predictions(pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA), stage.folder)
    return {}, {"answers": len(said)}


def evaluate(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    table = read_predictions(run.folder("predict"), SCHEMA).to_pydict()
    truth, said, figures = np.array(table["truth"]), np.array(table["said"]), run.task.figures
    most = max(run.recipe.preprocessing.labels, key=list(run.samples("train").labels()).count)
    among = clusters({"room": codes(np.array(table["group"]))}, np.arange(len(truth)))
    jackknife = Jackknife.of(among.ids)
    answers = {"model": said, "majority": np.full(len(said), most)}
    measures = {name: {"accuracy": Measured.mean(jackknife, one == truth)} for name, one in answers.items()}
    systems = {"model": System(role="model", what="the trained map"), "majority": System(role="baseline", what=f"always {most}")}
    card = scorecard_of("lamps", run.recipe.evaluate.split, figures, systems, [part_of(measures, figures, systems, among)], provenance=run.provenance())
    card.write(stage.folder / METRICS_FILE)
    return {}, {"answers": len(truth)}


WORK = {"twin": twin, "prepare": prepare, "train": train, "predict": predict, "evaluate": evaluate, "report": report}
