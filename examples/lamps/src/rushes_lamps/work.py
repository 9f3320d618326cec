"""What is drawn, cut, learnt, asked and measured. Whatever is costly to import stands here."""

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
from torch.nn import Linear, functional

from rushes.evaluate.clusters import clusters, codes
from rushes.evaluate.parts import Measured, part_of, scorecard_of
from rushes.evaluate.scorecard import System
from rushes.metrics.jackknife import Jackknife
from rushes.predict.table import read_predictions, write_predictions
from rushes.recipe import Recipe
from rushes.recipe.preprocessing import Preprocessing
from rushes.recipe.sections import Count, Prepare, Section, Share
from rushes.runs.drawing import Written, draw_units
from rushes.runs.preview import preview
from rushes.runs.run import Run
from rushes.runs.stage import METRICS_FILE, Made, Tell
from rushes.runs.usual_work import Raw, Sample, prepare_samples, report
from rushes.stages import OpenStage, weights_sha256, write_atomic
from rushes.train.batches import ShardSamples
from rushes.train.loop import LoopSettings, StepOutput, fit
from rushes_lamps.doors import power_of

SIDES, LABELS = ("train", "val", "test"), ("left", "right")
SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "group", "truth", "said")])


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


class LampRecipe(Recipe):
    """A whole job."""

    task: Literal["lamps"] = "lamps"
    name: str = "lamps"
    twin: LampTwin = LampTwin()
    preprocessing: LampPreprocessing = LampPreprocessing()
    prepare: Prepare = Prepare(workers=0)


def _draw(root: Path, room: tuple[str, int], asked: LampTwin) -> Written:
    """Clips of 64 moments: two sines of different rates under noise, and which lamp blinks faster."""
    side, number = room
    rng, moments, clips = np.random.default_rng([asked.seed, SIDES.index(side), number]), np.arange(64), []
    for _ in range(asked.clips):
        rates, phases = rng.uniform(0.05, 0.25, (2, 1)), rng.random((2, 1))
        light = np.sin(2 * np.pi * (rates * moments + phases)) + rng.normal(0, 2 * asked.noise, (2, 64))
        clips.append({"label": LABELS[int(rates.argmax())], "light": light.round(3).tolist()})
    write_atomic(root / f"{side}-{number}.json", json.dumps({"side": side, "clips": clips}))
    return Written((f"{side}-{number}.json",))


def twin(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Draw a file for each room."""
    asked = run.recipe.twin
    rooms = {f"{side}-{number}": (side, number) for side in SIDES for number in range(asked.rooms)}
    return draw_units(run, stage, tell, rooms, partial(_draw, asked=asked))


def _cut(room: Path, moments: int) -> Iterator[Sample]:
    for number, clip in enumerate(json.loads(room.read_bytes())["clips"]):
        fields = {"power.json": power_of(clip["light"], moments)}
        yield Sample(key=f"{room.stem}-{number}", fields=fields, group=room.stem, label=clip["label"])


def prepare(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Cut every room into clips."""
    raw = {path.stem: Raw(side=path.stem.split("-")[0], content=path) for path in run.scan.recordings}
    return prepare_samples(run, stage, tell, raw, partial(_cut, moments=run.recipe.preprocessing.moments))


def _power(key: str, fields: Any) -> tuple[str, torch.Tensor]:
    return key, torch.tensor(json.loads(bytes(fields["power.json"])))


def net_of(run: Run[LampRecipe]) -> Linear:  # noqa: D103
    torch.manual_seed(run.recipe.train.seed)
    return Linear(run.recipe.preprocessing.moments, len(LABELS))


def train(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Fit a linear map from powers to the two answers."""
    net, samples, seed = net_of(run), run.samples("train"), run.recipe.train.seed
    truth = dict(zip(samples.keys(), map(LABELS.index, samples.labels()), strict=True))

    def collate(batch: Any, rngs: Any) -> dict[str, torch.Tensor]:
        keys, powers = zip(*batch, strict=True)
        return {"powers": torch.stack(powers), "labels": torch.tensor([truth[key] for key in keys])}

    def step(model: torch.nn.Module, batch: Any) -> StepOutput:
        loss = functional.cross_entropy(model(batch["powers"]), batch["labels"], reduction="sum")
        return StepOutput(loss, weight=len(batch["labels"]))

    how, shards = LoopSettings(150, 32, learning_rate=0.1, seed=seed), ShardSamples(samples, _power)
    result = fit(net, step, shards, collate, how, stage.folder, stage.spec.signature)
    write_atomic(stage.folder / "model" / "model.safetensors", save(net.state_dict()))
    return {"steps": result.steps, "weights": weights_sha256(stage.folder / "model")}, {}


def predict(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Ask the map about every clip of the side that is reported."""
    net, samples = net_of(run), run.samples(run.recipe.evaluate.split)
    net.load_state_dict(load_file(run.folder("train") / "model" / "model.safetensors"))
    powers = torch.stack([_power("", samples.sample(number))[1] for number in range(len(samples))])
    said = [LABELS[answer] for answer in net(powers).argmax(dim=1)]
    columns = (samples.keys(), samples.groups(), samples.labels(), said)
    write_predictions(pa.table([list(column) for column in columns], SCHEMA), stage.folder)
    return {}, {"answers": len(said)}


def evaluate(run: Run[LampRecipe], stage: OpenStage, tell: Tell) -> Made:
    """Measure the answers beside the label that is most frequent in training."""
    table = read_predictions(run.folder("predict"), SCHEMA).to_pydict()
    truth, figures = np.array(table["truth"]), run.task.figures
    most = max(LABELS, key=list(run.samples("train").labels()).count)
    among = clusters({"room": codes(np.array(table["group"]))}, np.arange(len(truth)))
    answers = {"model": np.array(table["said"]), "majority": np.full(len(truth), most)}
    jackknife = Jackknife.of(among.ids)
    measures = {name: {"accuracy": Measured.mean(jackknife, said == truth)} for name, said in answers.items()}
    systems = {"model": System(role="model", what="the map"), "majority": System(role="baseline", what=most)}
    parts, split = [part_of(measures, figures, systems, among)], run.recipe.evaluate.split
    card = scorecard_of("lamps", split, figures, systems, parts, provenance=run.provenance())
    card.write(stage.folder / METRICS_FILE)
    return {}, {"answers": len(truth)}


WORK = {work.__name__: work for work in (twin, prepare, train, predict, evaluate, report)} | {"look": preview}
