"""Runs that fine-tune a vision language model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from rushes.recipe import VlmRecipe
from rushes.recipe.sections import HOW_TO_PREPARE
from rushes.runs.chain import add, begin
from rushes.runs.run import Run, StageName
from rushes.stages import StageSpec

VlmRecipes = TypeVar("VlmRecipes", bound=VlmRecipe)


class VlmRun(Run[VlmRecipes]):
    """The chain twin, prepare, train, predict, evaluate, report."""

    #: Raised when the same input no longer gives the same dataset, answers, or page.
    prepare_version: ClassVar[int] = 2
    predict_version: ClassVar[int] = 1
    report_version: ClassVar[int] = 1

    @cached_property
    def specs(self) -> Mapping[StageName, StageSpec]:
        """The stages in order, and what each depends on."""
        recipe, specs = self.recipe, begin(self)
        of_units = recipe.prepare.model_dump(mode="json", exclude=HOW_TO_PREPARE)
        prepare = {
            "source": recipe.source.model_dump(mode="json", exclude={"root"}),
            "preprocessing": self.contract.model_dump(mode="json"),
            "prepare": of_units,
        }
        add(specs, "prepare", self.prepare_version, prepare, "twin", raw=self.raw_fingerprint)
        how = recipe.train.model_dump(mode="json", exclude={"checkpoint_every", "keep", "log_every"})
        add(specs, "train", 1, {"model": recipe.model.model_dump(mode="json"), "train": how}, "prepare")
        asked = recipe.evaluate.model_dump(mode="json", include={"split", "compare"})
        add(specs, "predict", self.predict_version, asked, "prepare", "train")
        measured = recipe.evaluate.model_dump(mode="json", exclude={"compare", "batch_size", "workers"})
        add(specs, "evaluate", 1, measured, "prepare", "train", "predict")
        seen: tuple[StageName, ...] = ("prepare", "train", "predict", "evaluate")
        add(specs, "report", self.report_version, {"name": recipe.name}, *seen)
        return specs

    def notes(self, name: StageName) -> tuple[str, ...]:
        """What is to be prepared, and the memory that training takes."""
        if name != "train":
            return super().notes(name)
        from rushes.models.memory import estimate_training

        model, phases = self.recipe.model, self.recipe.train.phases
        largest = max(phase.batch_size for phase in phases)
        lora = None if model.adapter is None else model.adapter.rank
        estimate = estimate_training(
            model.name, self.contract, largest, lora, model.nf4, precision=model.precision
        )
        return (estimate.text(),)

    def systems(self) -> Mapping[str, Any]:
        """See `Run.systems`; on all clips or windows of the side."""
        return self.metrics()["all"]["systems"]

    def weights_sha256(self) -> str:
        """Hash of the model's weights, or of its adapter's."""
        from rushes.models.vlm import weights_sha256

        return weights_sha256(self.folder("train") / "model")
