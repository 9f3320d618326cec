"""Sides that are dealt out by shares of the groups."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rushes.recipe.sections import Section

Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class Shares(Section):
    """How many of the groups stand on each side.

    Attributes:
        train, val, test: share of the groups; together all of them.
        seed: of the draw. The side of a group depends on its name, the seed and the shares alone, so that new
            recordings move no old one; ``rushes init`` takes the seed that spreads the classes best.
    """

    train: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    val: Rate = 0.15
    test: Rate = 0.15
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def of_sides(self) -> dict[str, float]:
        """Side -> its share."""
        return {"train": self.train, "val": self.val, "test": self.test}

    @model_validator(mode="after")
    def _are_all(self) -> Shares:
        if abs(self.train + self.val + self.test - 1.0) > 1e-6:
            raise ValueError(f"shares add up to {self.train + self.val + self.test:g}, not to 1")
        return self
