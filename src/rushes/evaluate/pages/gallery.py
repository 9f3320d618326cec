"""Clips and samples as pictures that enlarge, and that can be filtered by right and wrong and by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from rushes.evaluate.markup import data_uri, tag
from rushes.evaluate.pages.render import block


@dataclass(frozen=True, slots=True)
class Clip:
    """A picture of a gallery.

    Attributes:
        picture: an image, a drawing, a video.
        caption: above it: what is asked, the truth, the answer.
        right: whether it was answered rightly; None where that is no question of yes or no.
        label: the class that it is found by; empty for none.
        heading: under which it stands; clips of one heading must follow each other.
    """

    picture: Markup
    caption: Markup | str
    right: bool | None = None
    label: str = ""
    heading: str = ""


def gallery(clips: Sequence[Clip], name: str, *, least: int = 300) -> Markup:
    """Pictures beside each other, with buttons for right and wrong and a choice of classes.

    Args:
        clips: in order.
        name: of the gallery, one of its own on the page, of letters and hyphens.
        least: pixels that a picture needs; 700 gives one a line.
    """
    if not clips:
        return block("note", "No clips to show.")
    groups = [
        (heading, [_view(clip) for clip in found])
        for heading, found in groupby(clips, lambda clip: clip.heading)
    ]
    verdicts = ["right", "wrong"] if {True, False} <= {clip.right for clip in clips} else []
    labels = list(dict.fromkeys(clip.label for clip in clips if clip.label))
    return block("gallery", name, groups, verdicts, labels if len(labels) > 1 else [], least)


def _view(clip: Clip) -> dict[str, object]:
    verdict = {True: "right", False: "wrong", None: ""}[clip.right]
    return {"picture": clip.picture, "caption": clip.caption, "verdict": verdict, "label": clip.label}


def image(
    data: bytes | memoryview, alt: str, *, kind: str = "image/jpeg", style: str | None = None
) -> Markup:
    """A picture with its bytes inside of the page."""
    return tag("img", src=data_uri(data, kind), alt=alt, style=style)
