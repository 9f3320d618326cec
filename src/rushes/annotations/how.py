"""What a label file does not say of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

from rushes.annotations.clock import require_bounded, require_fps
from rushes.annotations.matching import Names
from rushes.recipe.annotation import Annotation, Column, FormatName, Unit

RateOf = Callable[[str], Fraction | None]
"""Name of a recording, as a label file writes it -> its frame rate, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to read a label file, or to write one.

    Attributes:
        format: None looks into the file.
        columns: of a table: what is said -> the header of the column that says it.
        unit: of bare numbers in a table whose header does not say it.
        fps: frame rate of labels that count frames.
        fps_of: the same of one recording; comes before ``fps``.
        frame_base: number of the first frame; None is the format's own.
        inclusive: whether the end that is written is the last frame inside; None is the format's own.
        tracks, annotators: to take; all where none is named.
        mapping: file ``number name`` of labels that are written as numbers.
        pattern: of names that tell a label.
        control: names of the tags of a Label Studio configuration that a prediction belongs to: of the
            labels, of the object.
        version: of a Label Studio prediction whose marks name no annotator.
    """

    format: FormatName | None = None
    columns: Mapping[Column, str] = field(default_factory=dict)
    unit: Unit | None = None
    fps: Fraction | None = None
    fps_of: RateOf = lambda recording: None
    frame_base: int | None = None
    inclusive: bool | None = None
    tracks: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    mapping: Path | None = None
    pattern: str | None = None
    control: tuple[str, str] = ("label", "video")
    version: str = "rushes"

    @classmethod
    def of(cls, annotation: Annotation, root: Path) -> How:
        """As a recipe says it of the label files below ``root``."""
        return cls(
            format=annotation.format,
            columns=annotation.columns,
            unit=annotation.unit,
            fps=None if annotation.fps is None else Fraction(annotation.fps),
            fps_of=rates({name: Fraction(rate) for name, rate in annotation.fps_of.items()}),
            frame_base=annotation.frame_base,
            inclusive=annotation.inclusive,
            tracks=annotation.tracks,
            annotators=annotation.annotators,
            mapping=None if annotation.mapping is None else Path(root) / annotation.mapping,
            pattern=annotation.pattern,
        )

    def rate(self, recording: str) -> Fraction | None:
        """Frame rate of a recording, where anybody says it."""
        return self.fps_of(recording) or self.fps

    def frame_s(self, number: Fraction | int, recording: str, where: str, base: int) -> Fraction:
        """Time at which a frame begins.

        Args:
            number: of the frame, as written.
            recording: as written.
            where: the place in the file.
            base: number of the first frame in this format; `frame_base` comes before it.

        Raises:
            SourceError: nobody says the frame rate, or a time beyond thirty years.
        """
        first = base if self.frame_base is None else self.frame_base
        return require_bounded((Fraction(number) - first) / require_fps(self.rate(recording), where), where)


def rates(of: Mapping[str, Fraction]) -> RateOf:
    """Frame rates by the names of recordings, looked up as `rushes.annotations.match` does."""
    names = Names(of)

    @cache  # of each row's name, of which there are few
    def rate_of(recording: str) -> Fraction | None:
        found = names.find(recording)
        return of[found[0]] if len(found) == 1 else None

    return rate_of
