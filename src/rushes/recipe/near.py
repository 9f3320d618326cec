"""What counts as a near-duplicate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rushes.recipe.sections import Section


class NearDuplicates(Section):
    """Which pictures are near-duplicates, so that they stand on one side.

    Attributes:
        same_bits: of 256: pictures whose difference hashes differ in at most so many bits belong together.
        similar_bits: of 256: likewise where also size, name or colour agree.
        namesakes: items that may share a name for it to join them whatever they look like: a name that more share is
            that of a type of product.
        least_variance: of brightness (0 to 255, squared); a picture below it is too uniform for its hash to tell
            anything.
    """

    same_bits: Annotated[int, Field(ge=0, le=64)] = 16
    similar_bits: Annotated[int, Field(ge=0, le=96)] = 32
    namesakes: Annotated[int, Field(ge=0)] = 8
    least_variance: Annotated[float, Field(ge=0.0)] = 25.0

    @model_validator(mode="after")
    def _is_wider(self) -> NearDuplicates:
        if self.similar_bits < self.same_bits:
            raise ValueError(f"similar_bits is {self.similar_bits}, less than same_bits, {self.same_bits}")
        return self
