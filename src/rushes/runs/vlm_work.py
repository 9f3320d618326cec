"""What the tasks share whose questions a vision language model answers, or another model in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rushes.engine import LOCAL
from rushes.runs.costs import rate
from rushes.runs.families import Family, family_of_run, task_of
from rushes.runs.proof import require_whole
from rushes.runs.run import Run, RunJob
from rushes.runs.stage import Made, Tell
from rushes.stages import OpenStage, read_json, weights_sha256

if TYPE_CHECKING:
    from rushes.predict.units import Chunk, Questions, Row, Variant
    from rushes.recipe import VlmRecipe
    from rushes.shards.read import ShardDataset

V = TypeVar("V", bound="VlmRecipe")


def take_features(run: Run[V], stage: OpenStage, tell: Tell) -> Made:
    """Let the frozen encoder see every prepared frame, once; a `rushes.runs.stage.Work`.

    Every prepared sample gets its features: no unit may stay in quarantine.
    """
    from rushes.prepare.features import encode_unit, jobs_of
    from rushes.prepare.stage import RECORDINGS, Planned, prepare
    from rushes.recipe.frozen import ENCODING
    from rushes.shards.manifest import load_manifest

    name, dataset, asked = stage.spec.name, run.folder(run.dataset), run.recipe.prepare
    sides = {side: run.samples(side) for side, count in load_manifest(dataset).samples.items() if count}
    jobs = jobs_of(sides, read_json(dataset / RECORDINGS), ENCODING, stage.folder, asked.shard_bytes)
    prepared = prepare(
        Planned(jobs=jobs, splits=sides, needed=sides),
        encode_unit,
        run.home(name),
        run.recipe.preprocessing,
        asked.model_copy(update={"max_quarantine": 0.0}),
        engine=run.engine,
        on_progress=partial(tell, name),
    )
    # There are no files beside those that the dataset accounts for.
    return {**prepared.summary(), "account": [prepared.outcomes.summary()]}, prepared.account.counts


def train_model(run: Run[V], stage: OpenStage, tell: Tell) -> Made:
    """Train on the prepared samples; a `rushes.runs.stage.Work`."""
    from rushes.train.batches import ShardSamples

    family, settings = family_of_run(run), run.recipe.train
    questions = family.questions(task_of(run))
    samples = ShardSamples(run.training_samples(settings.order, family.samples), questions.sample_of)
    total = sum(phase.steps for phase in settings.phases)

    home = run.home("train")

    def on_event(event: Mapping[str, Any]) -> None:
        if event["kind"] == "checkpoint":
            home.checkpoint(Path(event["checkpoint"]))
        elif event["kind"] == "train":
            speed = f"loss {event['loss']:.3f}, {rate(event['samples_per_s'], 'sample')}"
            tell("train", event["before"] + event["step"], total, f"{event['phase']}: {speed}")

    results = family.train(run, stage, family.base(run), samples, on_event)
    last = results[-1]
    summary = {
        "steps": sum(result.steps for result in results),
        "loss": last.last_loss,
        "samples_per_s": last.samples_per_s,
        "data_wait_share": last.data_wait_share,
        "weights": weights_sha256(stage.folder / "model"),
    }
    return summary, {"samples": len(samples)}


@dataclass(frozen=True)
class Panel:
    """The models of a run before a split, in this process or in one that a panel was sent to.

    Samples and models are opened when they are first asked for, and stay open.

    Attributes:
        job: what makes the run again.
        shares: whether windows that overlap share what they have in common; answers then depend, in their last
            bits, on what was asked before.
    """

    job: RunJob
    shares: bool = False

    @cached_property
    def run(self) -> Run[Any]:
        """The run, here."""
        return self.job.run()

    @cached_property
    def questions(self) -> Questions:
        """How its task asks."""
        return self.family.questions(task_of(self.run))

    @cached_property
    def family(self) -> Family:
        """Of its model."""
        return family_of_run(self.run)

    @cached_property
    def samples(self) -> ShardDataset:
        """The split that is reported."""
        self.run.bring(self.run.maker(self.family.samples))
        return self.run.samples(self.run.recipe.evaluate.split, self.family.samples)

    @cached_property
    def trained(self) -> Any:
        """Answers with the model after training."""
        self.run.bring("train")
        return self._answerer(self.family.trained(self.run))

    @cached_property
    def untrained(self) -> Any:
        """Answers with the model before training."""
        return self._answerer(self.family.base(self.run))

    def _answerer(self, model: Any) -> Any:
        answerer = self.questions.answerer(self.family.ready(model), self.run.recipe.evaluate.batch_size)
        if self.shares:
            self.family.share(answerer)
        return answerer

    def rows_of(self, chunk: Chunk) -> Sequence[Row]:
        """Answer a chunk of questions."""
        from rushes.train.threads import one_thread

        answerer = self.untrained if chunk.variant == "untrained" else self.trained
        split, seed = self.run.recipe.evaluate.split, self.run.recipe.train.seed
        with one_thread():
            return self.questions.rows_of(answerer, self.samples, chunk, split, seed)


def let_answer(run: Run[V], stage: OpenStage, tell: Tell) -> Made:
    """Let the trained model, and what it is compared with, answer; a `rushes.runs.stage.Work`."""
    from rushes.predict.table import write_predictions
    from rushes.predict.units import predict

    family, asked = family_of_run(run), run.recipe.evaluate
    questions, samples = family.questions(task_of(run)), run.samples(asked.split, family.samples)
    variants: tuple[Variant, ...] = ("model", *asked.compare)
    numbers = {variant: questions.asked_about(samples, variant) for variant in variants}
    away = run.engine.kind != LOCAL.kind
    table = predict(
        Panel(RunJob.of(run)).rows_of,
        numbers,
        questions.schema,
        batch_size=asked.batch_size,
        workers=asked.workers or (run.recipe.prepare.workers if away else 0),
        engine=run.engine,
        on_progress=lambda done, total: tell("predict", done, total, "answers"),
    )
    write_predictions(table, stage.folder)
    return {"variants": list(numbers)}, {"answers": len(table)}


def _number_of_phase(events: Path) -> int:
    return int(events.parent.name.split("-")[1])


def losses(run: Run[V]) -> dict[str, list[tuple[int, float]]]:
    """The (step, loss) points of each phase of training.

    Raises:
        StageError: the log of a phase was changed or taken away since it was written.
    """
    from rushes.train.events import read_events

    require_whole(run, "train", ("phase-*/events.jsonl",))
    return {
        path.parent.name: [
            (event["step"], event["loss"]) for event in read_events(path) if event["kind"] == "train"
        ]
        for path in sorted(run.folder("train").glob("phase-*/events.jsonl"), key=_number_of_phase)
    }
