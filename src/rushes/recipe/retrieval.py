"""What is measured of a search."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rushes.recipe.sections import Count, Evaluate
from rushes.recipe.signing import Signs


class EvaluateRetrieval(Evaluate):
    """What is measured, on what.

    Attributes:
        ks: depths of recall, precision and nDCG; the last one is the headline.
        gallery: ``side`` looks among the products of the side that is reported, ``all`` among those of every side.
        languages: titles in these are asked as well, see ``source.columns.languages``.
    """

    ks: Annotated[tuple[Count, ...], Field(min_length=1), Signs("evaluate")] = (1, 5, 10)
    gallery: Annotated[Literal["side", "all"], Signs("evaluate")] = "side"
    languages: tuple[str, ...] = ()
