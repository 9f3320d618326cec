"""The section of a recipe that says where the labels are and how to read them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rushes.recipe.pattern import Pattern
from rushes.recipe.sections import Section

FormatName = Literal[
    "table",
    "elan",
    "label_studio",
    "cvat",
    "cvat_audio",
    "via",
    "boris",
    "activitynet",
    "epic",
    "frames_text",
    "webvtt",
    "srt",
    "textgrid",
    "audacity",
    "dcase",
    "raven",
    "names",
]
"""Label files that are read; ``names`` reads the names of the recordings themselves."""

Column = Literal[
    "file",
    "start",
    "end",
    "duration",
    "label",
    "track",
    "annotator",
    "score",
    "channel",
    "low_hz",
    "high_hz",
    "comment",
    "fps",
]
"""What a column of a table can say."""

Overlaps = Literal["refuse", "first", "last", "shorter", "longer"]
"""Of marks that overlap under different labels, which keeps the time: the one that starts first or last, or
is the shorter or the longer one; of equals, the one that the file has first. The other keeps what is left of it."""

Background = Literal["labels", "recording"]
"""Where time without a label is background: from the first label to the last, or in the whole recording."""

Unit = Literal["s", "ms", "frames"]
"""Of times that are written as bare numbers."""

_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.95": 48, "47.952": 48, "59.94": 60, "119.88": 120}
_MAX_FPS = 100_000


def rate_of(value: Any) -> Fraction:
    """A frame rate as a fraction; the rounded rates of NTSC mean what they stand for.

    >>> rate_of(25), rate_of("30000/1001") == rate_of(29.97) == Fraction(30000, 1001)
    (Fraction(25, 1), True)

    Raises:
        ValueError: no rate between 0 and 100,000.
    """
    text = str(value).strip()[:40]
    try:
        rate = Fraction(_NTSC[text] * 1000, 1001) if text in _NTSC else Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"not a frame rate such as 25, 29.97 or 30000/1001: {text!r}") from None
    if not 0 < rate <= _MAX_FPS:
        raise ValueError(f"a frame rate is above 0 and at most {_MAX_FPS:,}, found {text}")
    return rate


Rate = Annotated[str, BeforeValidator(lambda value: str(rate_of(value)))]
"""A frame rate in a recipe, kept as the text of a fraction."""


class Annotation(Section):
    """Where the labels are, and how to read them.

    Attributes:
        files: patterns of the label files below ``source.root``, such as ``labels.csv`` or ``labels/*.eaf``;
            with format ``names``, of the recordings.
        format: of them; null looks into each file.
        columns: of a table: what is said -> the header of the column that says it, where the header is no
            usual word for it.
        unit: of bare numbers in a table whose header does not say it.
        fps: frame rate of labels that count frames, where the file does not say it.
        fps_of: name of a recording -> the same, where it differs.
        frame_base: number of the first frame, where it is not the format's own.
        inclusive: whether the last frame of a mark is the one that is written as its end.
        tracks: tiers, attributes or subjects to take; all of them where none is named.
        annotators: likewise.
        mapping: table ``number name`` of labels that are written as numbers, below ``source.root``.
        pattern: of names that tell a label, with the named group ``label``; other named groups are columns.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)] = ("labels.csv",)
    format: FormatName | None = None
    columns: dict[Column, str] = Field(default_factory=dict)
    unit: Unit | None = None
    fps: Rate | None = None
    fps_of: dict[str, Rate] = Field(default_factory=dict)
    frame_base: Annotated[int, Field(ge=0, le=1)] | None = None
    inclusive: bool | None = None
    tracks: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    mapping: str | None = None
    pattern: Pattern | None = None

    @field_validator("files", mode="before")
    @classmethod
    def _one_is_enough(cls, files: Any) -> Any:
        return (files,) if isinstance(files, str) else files

    @field_validator("mapping")
    @classmethod
    def _stays_below_the_root(cls, mapping: str | None) -> str | None:
        if mapping is not None and (
            PurePosixPath(mapping).is_absolute() or ".." in PurePosixPath(mapping).parts
        ):
            raise ValueError(f"a mapping lies below source.root, not at {mapping}: move it there")
        return mapping

    @model_validator(mode="after")
    def _fits(self) -> Annotation:
        if self.pattern is not None and self.format not in (None, "names"):
            raise ValueError(f"only format names has a pattern, not {self.format}: leave it out")
        return self
