"""The section of a recipe for recordings of anybody, whose labels stand in files of whatever tool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rushes.recipe.annotation import Annotation, Background, Overlaps
from rushes.recipe.pattern import Pattern, groups_of
from rushes.recipe.sections import NAMED, Section, Source, SplitBySides, form_of_split
from rushes.recipe.shares import Shares

Word = Annotated[str, Field(min_length=1)]


class Groups(Section):
    """How a recording tells whose it is: who must not stand on two sides. With neither key nobody says.

    Attributes:
        column: of the annotation, that names the group of each recording.
        pattern: regular expression on a recording's name below ``root``, with the named group ``group``.
    """

    column: Word | None = None
    pattern: Pattern | None = None

    @model_validator(mode="after")
    def _one_way_to_a_group(self) -> Groups:
        if self.column is not None and self.pattern is not None:
            raise ValueError("column and pattern both say what a group is: leave one out")
        if self.pattern is not None and "group" not in groups_of(self.pattern):
            raise ValueError("pattern has no named group group; write it as (?P<group>...)")
        return self


class LabelledSource(Source):
    """Recordings with labels in the files of whatever tool.

    Attributes:
        annotation: the files of labels, and how they are read.
        merge: label as written -> the label that it counts as.
        ignore: labels whose time is left out.
        background: label of the time that nobody labelled; null leaves it unlabelled.
        background_in: where that is: between the first label of a recording and the last, or in all of it.
        overlaps: which of two labels keeps the time that both have, see `rushes.recipe.annotation.Overlaps`.
        groups: how a recording tells whose it is.
        split: ``shares`` deals groups out by ``shares``, ``column`` takes the sides that the annotation names in
            ``side_column``, or lists of groups under train, val and test; where nobody says whose a recording
            is, the recording itself is its group.
        side_column: of the annotation.
        shares: of each side.
    """

    annotation: Annotation = Annotation()
    merge: Annotated[dict[Word, Word], Field(default_factory=dict)]
    ignore: tuple[Word, ...] = ()
    background: Word | None = None
    background_in: Background = "labels"
    overlaps: Overlaps = "refuse"
    groups: Groups = Groups()
    split: Annotated[
        Annotated[Literal["shares", "column"], Tag(NAMED)] | SplitBySides, Discriminator(form_of_split)
    ] = "shares"
    side_column: Word = "split"
    shares: Shares = Shares()
