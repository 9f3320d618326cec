"""What tasks have in common whose questions a vision language model answers, or another model in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from rushes.runs.stage import Cost, Stage
from rushes.runs.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rushes.models.base import Base
    from rushes.predict.units import Questions
    from rushes.recipe import VlmRecipe
    from rushes.recipe.sections import Precision
    from rushes.runs.admission.values import Fault
    from rushes.runs.exported import Exported
    from rushes.runs.run import Run

V = TypeVar("V", bound="VlmRecipe")


def _taught(part: Mapping[str, Any], clips: Mapping[str, int], dataset: Mapping[str, Any]) -> float:
    """Samples that pass through the model in all phases."""
    return float(sum(one["steps"] * one["batch_size"] * one["accumulate"] for one in part["train"]["phases"]))


TAUGHT = Cost(amount=_taught, of_samples=False, of_model=True)


class VlmTask(Task[V]):
    """A task whose answers a fine-tuned vision language model gives.

    Where its recipe has the family ``frozen`` as well, a head on the features of a frozen encoder can answer.
    """

    @property
    def questions(self) -> Questions:
        """How its model is asked; ``QUESTIONS`` of ``predict/table.py`` beside the task."""
        questions: Questions = self.room("predict.table").QUESTIONS
        return questions

    @property
    def collator(self) -> Callable[..., Any]:
        """Model, what a phase asks, whether pictures are changed -> samples as batches.

        ``Collator`` of ``train.py`` beside the task.
        """
        collator: Callable[..., Any] = self.room("train").Collator
        return collator

    @property
    def questions_of_features(self) -> Questions:
        """The same questions, of a head; ``QUESTIONS_OF_FEATURES`` beside ``QUESTIONS``."""
        questions: Questions = self.room("predict.table").QUESTIONS_OF_FEATURES
        return questions

    @property
    def lessons(self) -> Callable[..., Any]:
        """Preprocessing -> samples with features as batches; ``Lessons`` of ``train.py`` beside the task."""
        lessons: Callable[..., Any] = self.room("train").Lessons
        return lessons

    def export(
        self,
        run: Run[V],
        folder: Path,
        precision: Precision | None = None,
        tell: Callable[[int, int, str], None] = lambda done, total, what: None,
    ) -> Exported:
        """See `Task.export`: an adapter becomes part of its base."""
        from rushes.runs.exported import export_run

        return export_run(run, folder, precision, tell=tell)

    def faults(self, recipe: V) -> Iterator[tuple[str, str]]:
        """See `Task.faults`: a frozen encoder whose packages are not installed."""
        from rushes.recipe.frozen import INSTALL, missing_packages
        from rushes.recipe.sections import Frozen

        if isinstance(recipe.model, Frozen) and (missing := missing_packages()):
            yield "model.name", f"frozen needs {' and '.join(missing)}, not installed here: {INSTALL}"

    def base(self, recipe: V) -> Base | None:
        """See `Task.base`; the encoder of a frozen model is signed by its features."""
        from rushes.models.base import Base
        from rushes.recipe.sections import Frozen

        model = recipe.model
        return None if isinstance(model, Frozen) else Base(model.name, model.revision)

    def admission(self, run: Run[Any]) -> Iterator[Fault]:
        """Every variant answers what it is asked, and the model does not always say the same."""
        from rushes.runs.admission.answers import check_answers

        yield from check_answers(run, self.questions)

    def measured(self, run: Run[Any]) -> list[tuple[str, str]]:
        """What the trained model was asked, beside what would have been right, as the predictions say."""
        from rushes.runs.admission.answers import rows_of

        return rows_of(run, self.questions)

    def notes(self, run: Run[V], stage: Stage) -> tuple[str, ...]:
        """See `Task.notes`; of training, the memory that it takes."""
        from rushes.recipe.sections import Frozen

        model = run.recipe.model
        if isinstance(model, Frozen):
            return tuple(_notes_of_head(run, stage)) or super().notes(run, stage)
        if stage.makes != "weights":
            return super().notes(run, stage)
        from rushes.models.machine import memory
        from rushes.models.memory import estimate_training

        phases = run.recipe.train.phases
        largest = max(phase.batch_size for phase in phases)
        lora = None if model.adapter is None else model.adapter.rank
        estimate = estimate_training(
            model.name, run.recipe.preprocessing, largest, lora, model.nf4, precision=model.precision
        )
        smaller = (
            "lower train.phases' batch_size" if lora is not None else "train model.adapter, not all weights"
        )
        fits = memory().compared(estimate.peak_gib, f"{smaller}, or plan on another machine")
        if run.base_identity is not None:
            return estimate.text(), fits
        return (
            estimate.text(),
            fits,
            to_download(model.name, stage.name),
        )


def to_download(name: str, stage: str) -> str:
    """A note of a stage whose base is not on this machine."""
    return (
        f"{name} is not on this machine: it is downloaded first, and the signatures from {stage} on follow from the "
        "commit that it then has; model.revision pins one"
    )


def _notes_of_head(run: Run[Any], stage: Stage) -> Iterator[str]:
    """Of features, their room; of training, how large the head is."""
    from rushes.recipe.frozen import ENCODING

    if stage.makes == "features":
        frames, width = run.recipe.preprocessing.frames, ENCODING.width
        yield (
            f"{ENCODING.name} at {ENCODING.side} pixels, {width:,} features a frame, "
            f"{2 * frames * width / 1e3:,.0f} kB a sample"
        )
    elif stage.makes == "weights":
        from rushes.models.head import FRAMES_PER_S, build
        from rushes.runs.costs import duration

        head = build(run.recipe.preprocessing, seed=0)
        size = sum(weight.numel() for weight in head.parameters())
        phases, frames = run.recipe.train.phases, run.recipe.preprocessing.frames
        seen = frames * sum(phase.steps * phase.batch_size * phase.accumulate for phase in phases)
        yield (
            f"{size:,} parameters on a frozen {ENCODING.name}, about {duration(seen / FRAMES_PER_S)} on one core"
        )
