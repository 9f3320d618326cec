"""How the words of an item become captions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from rushes.recipe.sections import Section

TEMPLATES = (
    "a photo of a {attributes} {title}",
    "a high-quality image of a {attributes} {title}",
    "a professional product shot of a {attributes} {title}",
    "a {attributes} {title} in a studio setting",
    "a centred view of a {attributes} {title}",
    "a product photo featuring a {attributes} {title}",
    "this is a {attributes} {title}",
    "a close-up of a {attributes} {title}",
)


class Captions(Section):
    """Captions from a title and attributes.

    Attributes:
        templates: with the places ``{attributes}`` and ``{title}``; one is drawn for each caption.
        attributes: fields that go into ``{attributes}``, in this order, where an item has them and its title does not.
        per_item: captions that are drawn for each item, each with a template of its own as far as they reach; training
            takes one of them at random each time.
        fields: fields whose values alone are further captions.
        seed: of the draw.
    """

    templates: Annotated[tuple[str, ...], Field(min_length=1)] = TEMPLATES
    attributes: tuple[str, ...] = ("style", "color", "material")
    per_item: Annotated[int, Field(ge=1, le=64)] = 1
    fields: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0)] = 0

    @field_validator("templates")
    @classmethod
    def _have_a_title(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        if lacking := [one for one in templates if "{title}" not in one]:
            raise ValueError(f"no place {{title}} in {lacking[0]!r}")
        return templates
