"""The families of models that answer the same questions: how each is built, taught, found again and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rushes.recipe.sections import FamilyName, Model, Precision, family_of
from rushes.runs.run import Run
from rushes.runs.stage import Makes
from rushes.runs.vlm_task import VlmTask
from rushes.stages import OpenStage

if TYPE_CHECKING:
    from rushes.models.vlm import Vlm
    from rushes.predict.answerer import Answerer
    from rushes.predict.units import Questions
    from rushes.recipe.preprocessing import FramePreprocessing
    from rushes.train.batches import ShardSamples
    from rushes.train.events import Event
    from rushes.train.loop import FitResult

AnyRun = Run[Any]


Sees = Callable[[str, Mapping[str, bytes | memoryview]], Mapping[str, bytes | memoryview]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the models of a family have in common.

    Attributes:
        samples: the stage that makes what they see.
        sees: makes what turns a prepared sample, key and members, into the members that they see.
        questions: how those of a task are asked.
        base: the model of a run before training.
        trained: after it.
        ready: a model where it answers fastest.
        share: lets who answers keep what windows that overlap have in common.
        train: run, stage, model, samples, and who is told -> what came of each phase; the model is in ``model/``.
    """

    samples: Makes
    sees: Callable[[], Sees]
    questions: Callable[[VlmTask[Any]], Questions]
    base: Callable[[AnyRun], Any]
    trained: Callable[[AnyRun], Any]
    ready: Callable[[Any], Any]
    share: Callable[[Any], None]
    train: Callable[[AnyRun, OpenStage, Any, ShardSamples, Callable[[Event], None]], list[FitResult]]


def family_of_run(run: AnyRun) -> Family:
    """The family of the model of a run."""
    return FAMILIES[family_of(run.recipe.model)]


def task_of(run: AnyRun) -> VlmTask[Any]:
    """The task of a run."""
    assert isinstance(run.task, VlmTask), "only tasks with such models have this work"
    return run.task


# --- vision language models ---------------------------------------------------------------------------------


def _model_of(run: AnyRun) -> Model:
    assert isinstance(run.recipe.model, Model), "of another family"
    return run.recipe.model


def base_model(run: AnyRun) -> Vlm[FramePreprocessing]:
    """The vision language model before training.

    Raises:
        ModelError: the base is not the one that the run's signatures name.
    """
    from rushes.models import vlm as library

    model = _model_of(run)
    vlm = library.load(
        model.name,
        run.recipe.preprocessing,
        seed=run.recipe.train.seed,
        precision=model.precision,
        nf4=model.nf4,
        revision=model.revision,
    )
    run.require_base(vlm.origin)
    if model.adapter is None:
        return vlm
    return library.adapt(vlm, model.adapter.rank, model.adapter.alpha, model.adapter.dropout)


def trained_model(
    run: AnyRun, *, precision: Precision | None = None, nf4: bool | None = None
) -> Vlm[FramePreprocessing]:
    """The vision language model after training; in another precision, or with a whole base, if that is asked."""
    from rushes.models.trained import restore

    model = _model_of(run)
    return restore(
        run.folder("train") / "model",
        type(run.recipe.preprocessing),
        base=run.base,
        precision=precision or model.precision,
        nf4=model.nf4 if nf4 is None else nf4,
    )


def _ready_vlm(vlm: Vlm[Any]) -> Vlm[Any]:
    from rushes.models.vlm import on_best_device

    return on_best_device(vlm)


def _share_pairs(answerer: Answerer[Any, Any, Any]) -> None:
    from rushes.models.pair_features import PairFeatures

    answerer.pairs = PairFeatures(answerer.vlm)


def _train_vlm(
    run: AnyRun, stage: OpenStage, vlm: Vlm[Any], samples: ShardSamples, on_event: Callable[[Event], None]
) -> list[FitResult]:
    from rushes.train.phases import train

    settings = run.recipe.train
    return train(
        vlm,
        samples,
        partial(task_of(run).collator, vlm, augmented=settings.augment),
        settings,
        stage.folder,
        stage.spec.signature,
        precision=_model_of(run).precision,
        on_event=on_event,
    )


# --- heads on a frozen encoder ------------------------------------------------------------------------------


def _base_head(run: AnyRun) -> Any:
    from rushes.models.head import build

    return build(run.recipe.preprocessing, seed=run.recipe.train.seed)


def _trained_head(run: AnyRun) -> Any:
    from rushes.models.head import load

    return load(run.folder("train") / "model", type(run.recipe.preprocessing))


def _with_features() -> Sees:
    from rushes.models.encoder import encoder
    from rushes.prepare.features import SeenFrames
    from rushes.recipe.frozen import ENCODING

    return SeenFrames(encoder(ENCODING)).members


def _train_head(
    run: AnyRun, stage: OpenStage, head: Any, samples: ShardSamples, on_event: Callable[[Event], None]
) -> list[FitResult]:
    from rushes.train.head import train

    return train(
        head,
        samples,
        task_of(run).lessons(run.recipe.preprocessing),
        run.recipe.train,
        stage.folder,
        stage.spec.signature,
        on_event=on_event,
    )


FAMILIES: Mapping[FamilyName, Family] = {
    "vlm": Family(
        samples="dataset",
        sees=lambda: lambda key, members: members,
        questions=lambda task: task.questions,
        base=base_model,
        trained=trained_model,
        ready=_ready_vlm,
        share=_share_pairs,
        train=_train_vlm,
    ),
    "frozen": Family(
        samples="features",
        sees=_with_features,
        questions=lambda task: task.questions_of_features,
        base=_base_head,
        trained=_trained_head,
        ready=lambda head: head,
        share=lambda answerer: None,  # frames are shared where they are seen
        train=_train_head,
    ),
}
