"""What the tasks that fine-tune a vision language model share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rushes.engine import LOCAL
from rushes.errors import ModelError
from rushes.runs.costs import rate
from rushes.runs.proof import require_whole
from rushes.runs.run import Run, RunJob
from rushes.runs.stage import Made, Tell
from rushes.runs.vlm_task import VlmTask
from rushes.stages import OpenStage, weights_sha256

if TYPE_CHECKING:
    from rushes.models.vlm import Vlm
    from rushes.predict.units import Chunk, Questions, Row, Variant
    from rushes.recipe import VlmRecipe
    from rushes.recipe.preprocessing import FramePreprocessing
    from rushes.shards.read import ShardDataset

V = TypeVar("V", bound="VlmRecipe")


def base_model(run: Run[V]) -> Vlm[FramePreprocessing]:
    """The model before training.

    Raises:
        ModelError: the base is not the one that the run's signatures name.
    """
    from rushes.models import vlm as family

    model = run.recipe.model
    vlm = family.load(
        model.name,
        run.recipe.preprocessing,
        seed=run.recipe.train.seed,
        precision=model.precision,
        nf4=model.nf4,
        revision=model.revision,
    )
    if vlm.origin is not None and vlm.origin.identity != run.base_identity:
        raise ModelError(
            f"the base is not what this run was planned with: {run.base_identity}; it is {vlm.origin.identity}",
            where=model.name,
            cure="run again: it becomes a run of its own; if not, delete hashes.json in the workspace first",
        )
    if model.adapter is None:
        return vlm
    return family.adapt(vlm, model.adapter.rank, model.adapter.alpha, model.adapter.dropout)


def trained_model(run: Run[V]) -> Vlm[FramePreprocessing]:
    """The model after training."""
    from rushes.models.trained import restore

    model = run.recipe.model
    return restore(
        run.folder("train") / "model",
        type(run.recipe.preprocessing),
        base=run.base,
        precision=model.precision,
        nf4=model.nf4,
    )


def _task(run: Run[V]) -> VlmTask[V]:
    assert isinstance(run.task, VlmTask), "only tasks that fine-tune such a model have this work"
    return run.task


def train_model(run: Run[V], stage: OpenStage, tell: Tell) -> Made:
    """Train on the prepared samples; a `rushes.runs.stage.Work`."""
    from rushes.train.batches import ShardSamples
    from rushes.train.phases import train

    task = _task(run)
    settings = run.recipe.train
    samples = ShardSamples(run.training_samples(settings.order), task.questions.sample_of)
    total = sum(phase.steps for phase in settings.phases)

    home = run.home("train")

    def on_event(event: Mapping[str, Any]) -> None:
        if event["kind"] == "checkpoint":
            home.checkpoint(Path(event["checkpoint"]))
        elif event["kind"] == "train":
            speed = f"loss {event['loss']:.3f}, {rate(event['samples_per_s'], 'sample')}"
            tell("train", event["before"] + event["step"], total, f"{event['phase']}: {speed}")

    vlm = base_model(run)
    results = train(
        vlm,
        samples,
        partial(task.collator, vlm, augmented=settings.augment),
        settings,
        stage.folder,
        stage.spec.signature,
        precision=run.recipe.model.precision,
        on_event=on_event,
    )
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
    """

    job: RunJob

    @cached_property
    def run(self) -> Run[Any]:
        """The run, here."""
        return self.job.run()

    @cached_property
    def questions(self) -> Questions:
        """How its task asks."""
        return _task(self.run).questions

    @cached_property
    def samples(self) -> ShardDataset:
        """The split that is reported."""
        self.run.bring(self.run.dataset)
        return self.run.samples(self.run.recipe.evaluate.split)

    @cached_property
    def trained(self) -> Any:
        """Answers with the model after training."""
        self.run.bring("train")
        return self._answerer(trained_model(self.run))

    @cached_property
    def untrained(self) -> Any:
        """Answers with the model before training."""
        return self._answerer(base_model(self.run))

    def _answerer(self, vlm: Vlm[Any]) -> Any:
        from rushes.models.vlm import on_best_device

        return self.questions.answerer(on_best_device(vlm), self.run.recipe.evaluate.batch_size)

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

    questions = _task(run).questions
    asked, samples = run.recipe.evaluate, run.samples(run.recipe.evaluate.split)
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
