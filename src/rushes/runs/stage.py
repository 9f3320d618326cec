"""A stage of a task, as data: verbs, plans, proofs, repairs and costs all follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rushes.recipe import Recipe
    from rushes.runs.run import Run
    from rushes.stages import OpenStage

StageName = str

Makes = Literal["recordings", "dataset", "features", "weights", "answers", "figures", "files", "page"]
"""What a stage leaves behind. ``recordings``, ``dataset`` and ``features`` are made unit by unit, each with its
receipt; ``weights`` by way of checkpoints; everything else in one go. ``features`` are the samples of the
dataset once more, with what a frozen encoder sees in place of their pictures."""

METRICS_FILE, REPORT_FILE = "metrics.json", "report.html"

READ: Mapping[Makes, tuple[str, ...]] = {
    "recordings": ("units/*",),
    "dataset": ("manifest.json", "recordings.json"),
    "features": ("manifest.json",),
    "weights": ("model/*",),
    "figures": (METRICS_FILE,),
    "page": (REPORT_FILE,),
}
"""Files that later stages read of a stage, or that prove what they read."""

Tell = Callable[[StageName, float, float, str], None]
"""Told the stage, how much is done, of how much, and a few words."""

Made = tuple[Mapping[str, Any], Mapping[str, int]]
"""A summary and counts, for the stage's DONE."""

Work = Callable[["Run[Any]", "OpenStage", Tell], Made]
"""Fills the folder of a stage."""

Amount = Callable[[Mapping[str, Any], Mapping[str, int], Mapping[str, Any]], float | None]
"""Signed part of a stage, samples on each side, signed part of its dataset -> how much there is to do.

None where the samples of a side are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the length of a stage grows with.

    Attributes:
        amount: how much there is to do; None where it takes as long whatever the recipe asks.
        of_samples: whether that depends on how many samples there are, which a plan may not know yet.
        of_model: whether it takes longer with a larger model, so that only stages of the same one tell.
        assumed_s: seconds for one of that, until a finished stage tells; None where there is no guess.
    """

    amount: Amount | None = None
    of_samples: bool = True
    of_model: bool = False
    assumed_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step of a run with a signature and a folder of its own.

    Attributes:
        name: of its verb, and of its folder unless ``like`` names another.
        purpose: help text of its verb.
        makes: what it leaves behind.
        sections: keys of the recipe that it depends on, less those marked for other stages, see
            `rushes.recipe.signing`.
        signs: what else of the recipe it depends on.
        inputs: stages whose folders it reads; one that this recipe does not have is left out.
        version: raised when the same inputs no longer give the same result.
        asked: whether a recipe has it.
        like: the stage whose folder it shares: a teacher is the ``train`` of another run.
        reads: files that later stages read of it, where `READ` has none.
        units: whether its work is cut into units, so that an engine can spread them.
        shared: whether runs of a campaign share it beyond what is `of_recordings`.
        apart: whether its own verb alone does it, after the stages that it reads; no run has it.
        cost: what its length grows with.
    """

    name: StageName
    purpose: str
    makes: Makes
    sections: tuple[str, ...] = ()
    signs: Callable[[Any], Mapping[str, Any]] = lambda recipe: {}
    inputs: tuple[StageName, ...] = ()
    version: int = 1
    asked: Callable[[Any], bool] = lambda recipe: True
    like: StageName | None = None
    reads: tuple[str, ...] = ()
    units: bool = False
    shared: bool = False
    apart: bool = False
    cost: Cost = Cost()

    @property
    def kind(self) -> StageName:
        """First part of its folder's name."""
        return self.like or self.name

    @property
    def of_recordings(self) -> bool:
        """Whether it works through the recordings: the same for every run of them, and costly."""
        return self.makes in ("recordings", "dataset", "features")

    @property
    def read(self) -> tuple[str, ...]:
        """Patterns of the files that later stages read of its folder, or that prove what they read."""
        return self.reads or READ[self.makes]

    def signed(self, recipe: Recipe) -> dict[str, Any]:
        """The part of a recipe that it depends on, resolved."""
        from rushes.recipe.signing import signed

        return {"task": recipe.task, **signed(recipe, self.sections, self.kind), **self.signs(recipe)}


def is_drawn(recipe: Recipe) -> bool:
    """Whether a recipe's recordings are a twin's; a `Stage.asked`."""
    return recipe.source.root is None
