"""A run of the sounds task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from rushes.contract import SoundContract
from rushes.recipe import SoundsRecipe
from rushes.recipe.sounds import SoundModel, TrainOnSounds
from rushes.runs.chain import add, begin
from rushes.runs.run import Audit, Run, StageName
from rushes.stages import StageSpec

BYTES_PER_SOUND = 2e5
"""Of the twin's archives, as measured."""


class SoundsRun(Run[SoundsRecipe]):
    """Short sounds, from files to a small net and the device that it fits on."""

    dataset: ClassVar[StageName] = "features"

    @classmethod
    def faults(cls, recipe: SoundsRecipe) -> Iterator[tuple[str, str]]:
        """Sides and classes that the twin or the kind of source does not have."""
        from rushes.sources.dreamcatcher import LABELS

        source, drawn = recipe.source, recipe.source.root is None
        if drawn and source.kind != "dreamcatcher":
            yield "source.root", "missing; the twin has the layout dreamcatcher, not folder"
        if drawn and source.split != "index":
            yield "source.split", "the twin has its own sides; write index, or give source.root"
        if source.kind != "dreamcatcher":
            return
        if source.table is not None:
            yield "source.table", "dreamcatcher has its classes in its archives; take folder"
        if not drawn and source.split != "index":
            yield "source.split", "dreamcatcher has its own sides; write index, or take folder"
        if strange := set(recipe.preprocessing.labels) - set(LABELS):
            yield (
                "preprocessing.labels",
                f"dreamcatcher has no class {', '.join(sorted(strange))}; it has {', '.join(LABELS)}",
            )

    @property
    def contract(self) -> SoundContract:
        """The preprocessing contract."""
        return self.recipe.preprocessing

    @cached_property
    def specs(self) -> Mapping[StageName, StageSpec]:
        """The stages in order, and what each depends on."""
        recipe, specs = self.recipe, begin(self)
        features = {
            "source": recipe.source.model_dump(mode="json", exclude={"root"}),
            "preprocessing": self.contract.model_dump(mode="json"),
            "shard_bytes": recipe.prepare.shard_bytes,
        }
        add(specs, "features", 2, features, "twin", raw=self.raw_fingerprint)
        pupil: Mapping[str, Any] = {"distil": None}
        if recipe.distil is not None:
            teacher = recipe.distil.teacher
            # The teacher is the `train` of a run of its own, down to the signature: trained once for all.
            how = {**_training(teacher.model, teacher.train), "distil": None}
            add(specs, "teacher", 1, how, "features", kind="train")
            add(specs, "logits", 1, {}, "features", "teacher")
            pupil = {"distil": recipe.distil.model_dump(mode="json", exclude={"teacher"})}
        add(specs, "train", 1, {**_training(recipe.model, recipe.train), **pupil}, "features", "logits")
        asked = recipe.evaluate
        add(specs, "predict", 1, {"split": asked.split}, "features", "teacher", "train")
        measured = {"split": asked.split, "resamples": asked.resamples}
        add(specs, "evaluate", 1, measured, "features", "train", "predict")
        deploy = recipe.deploy.model_dump(mode="json")
        add(specs, "export", 2, {"split": asked.split, **deploy}, "features", "train")
        seen: tuple[StageName, ...] = ("features", "teacher", "train", "predict", "evaluate", "export")
        add(specs, "report", 1, {"name": recipe.name}, *seen)
        return specs

    @cached_property
    def scan(self) -> Any:
        """The blocks of recordings; no sound is decoded."""
        from rushes.sources import dreamcatcher, sound_folder

        kinds = {"dreamcatcher": dreamcatcher.scan, "folder": sound_folder.scan}
        return kinds[self.recipe.source.kind](self.raw(), self.contract.labels, **self._layout)

    @property
    def _layout(self) -> dict[str, Any]:
        """How a copy of the recordings is to be read, beside its root and the classes."""
        source = self.recipe.source
        if source.kind == "dreamcatcher":
            return {"pattern": source.pattern}
        return {
            "pattern": source.pattern,
            "table": source.table,
            "split": source.split,
            "shares": source.shares.model_dump(),
        }

    @property
    def twin_settings(self) -> Any:
        """How much is drawn, and how hard it is."""
        from rushes.twins.sounds import SleepSettings

        return SleepSettings(**self.recipe.twin.model_dump())

    def twin_part(self) -> Mapping[str, Any]:
        """What is drawn."""
        return {"twin": self.recipe.twin.model_dump(mode="json")}

    def to_draw(self) -> str:
        """Wearers, their sounds and the room that these take."""
        asked = self.recipe.twin
        wearers = asked.train + asked.val + asked.test
        sounds = wearers * asked.clips
        return f"{sounds:,} sounds of {wearers} wearers, about {sounds * BYTES_PER_SOUND / 1e6:,.0f} MB"

    def fingerprint(self) -> str:
        """Of the sound files."""
        from rushes.sources import dreamcatcher, sound_folder

        kinds = {"dreamcatcher": dreamcatcher.fingerprint, "folder": sound_folder.fingerprint}
        return kinds[self.recipe.source.kind](self.raw())

    def audit(self) -> Audit:
        """What there is of each class on each side."""
        from rushes.sources import dreamcatcher, sound_folder

        kinds = {"dreamcatcher": dreamcatcher.audit, "folder": sound_folder.audit}
        return kinds[self.recipe.source.kind](self.raw(), self.contract.labels, **self._layout)

    def notes(self, name: StageName) -> tuple[str, ...]:
        """What is to be heard, and how large the nets are."""
        nets = {"train": self.recipe.model}
        if self.recipe.distil is not None:
            nets["teacher"] = self.recipe.distil.teacher.model
        if name not in nets:
            return super().notes(name)
        from rushes.models.sound_cost import macs, parameters

        contract = self.contract
        size = parameters(nets[name], contract.labels)
        per_s = macs(nets[name], contract) / contract.clip_s
        return (f"{size:,} parameters, {per_s / 1e6:.1f} million multiplications and additions a second",)

    def headline(self) -> dict[str, Any]:
        """Macro-F1 and its company, and those of the baselines."""
        from rushes.evaluate.sounds.tables import headline

        return headline(self.metrics())

    def print_metrics(self, console: Any) -> None:
        """The net among its baselines."""
        from rushes.evaluate.sounds.tables import print_metrics

        print_metrics(self.metrics(), console)

    @classmethod
    def figures(cls) -> Mapping[str, bool]:
        """Shares of clips, loss and calibration error."""
        from rushes.evaluate.sounds.names import FIGURES, LOWER_IS_BETTER

        return {name: name in LOWER_IS_BETTER for name in FIGURES}

    def systems(self) -> Mapping[str, Any]:
        """See `Run.systems`."""
        return self.metrics()["systems"]

    def weights_sha256(self) -> str:
        """Hash of the net's weights."""
        from rushes.models.sound import weights_sha256

        return weights_sha256(self.folder("train") / "model")


def _training(model: SoundModel, train: TrainOnSounds) -> dict[str, Any]:
    """What the weights of a net depend on beside its teacher."""
    how = train.model_dump(mode="json", exclude={"checkpoint_every", "keep", "log_every"})
    return {"model": model.model_dump(mode="json"), "train": how}
