"""Which pair of encoders is adapted to pictures with their words, and what of it learns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from rushes.recipe.frozen import ENCODING, SENTENCES
from rushes.recipe.sections import TINY, Lora, Precision, Section, require_checkpoint
from rushes.recipe.signing import UNSIGNED, Signs

LOCKED: Final = "locked"
LOCKED_PICTURES = ENCODING.model_copy(update={"side": 224})
"""The encoder of pictures at the size that it was trained with, to which every picture is scaled."""

LOCKED_WIDTH = 256
"""Numbers of a vector."""

LOCKED_DROPOUT = 0.6
"""Share of features that a map does not see in a step of training: R@10 of unseen furniture .72 in place of .62."""

TINY_VERSION = 1
"""Raised when ``tiny`` becomes another model: another size, other tokens."""

Scenario = Literal["zero_shot", "linear_probe", "vision_lora", "text_lora", "dual_lora"]
"""What learns: nothing, the two projections, or these with LoRA on one tower or on both."""

Side = Literal["pictures", "texts"]

LEARNING: Final[Mapping[Scenario, frozenset[Side]]] = {
    "zero_shot": frozenset(),
    "linear_probe": frozenset(),
    "vision_lora": frozenset({"pictures"}),
    "text_lora": frozenset({"texts"}),
    "dual_lora": frozenset({"pictures", "texts"}),
}
"""Towers that learn in each scenario; maps, scale and bias do in all of them but the first."""

Target = Literal["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


class TowerLora(Lora):
    """LoRA on the linear layers of a tower.

    Attributes:
        targets: layers of each block that are adapted.
    """

    targets: Annotated[tuple[Target, ...], Field(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "out_proj",
        "fc1",
        "fc2",
    )


class Clip(Section):
    """A CLIP to start from, and what of it learns.

    Attributes:
        name: ``tiny``, built from nothing and pretrained on drawn pictures of another domain; ``locked``, two small
            frozen encoders from the package registry with maps between them; a checkpoint folder; or a name on the hub.
        revision: of a name on the hub: a commit, or a branch or tag; null is its main branch.
        scenario: what learns.
        adapter: LoRA of the towers that the scenario names.
        precision: of the computation; weights that learn stay in float32.
        drawn_pairs: drawn pictures with words on which ``tiny`` is pretrained.
    """

    name: Annotated[str, Field(min_length=1), UNSIGNED] = TINY
    revision: Annotated[Annotated[str, Field(min_length=1)] | None, UNSIGNED] = None
    scenario: Scenario = "dual_lora"
    adapter: TowerLora = TowerLora()
    precision: Precision = "float32"
    drawn_pairs: Annotated[int, Field(ge=128), Signs("pretrain")] = 2000

    @property
    def is_tiny(self) -> bool:
        """Whether it is built from nothing, and pretrained on drawings."""
        return self.name == TINY

    @field_validator("name")
    @classmethod
    def _exists(cls, name: str) -> str:
        return require_checkpoint(
            name, f"{TINY}, {LOCKED}, or a name on the hub such as openai/clip-vit-base-patch32"
        )

    @model_validator(mode="after")
    def _can_learn(self) -> Clip:
        if self.name == LOCKED and self.scenario not in ("zero_shot", "linear_probe"):
            raise ValueError(
                f"the encoders of {LOCKED} are frozen: write scenario: linear_probe or zero_shot"
            )
        if self.revision is not None and (self.name in (TINY, LOCKED) or Path(self.name).is_dir()):
            raise ValueError("only a name on the hub has a revision: leave model.revision out")
        return self


def made_of(model: Clip) -> Mapping[str, Any]:
    """What a model is made of that neither its checkpoint nor its recipe tells, for signatures."""
    if model.name == TINY:
        return {"tiny": TINY_VERSION}
    if model.name == LOCKED:
        encodings = (LOCKED_PICTURES.model_dump(mode="json"), SENTENCES.model_dump(mode="json"))
        return {LOCKED: {"encodings": encodings, "width": LOCKED_WIDTH, "dropout": LOCKED_DROPOUT}}
    return {}
