"""A recording as a trained model labels it, and how sure the model is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from rushes.annotations.mark import About
from rushes.predict.ticks import Stretch, Ticks, stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A recording with its labels.

    Attributes:
        name: below its folder.
        key: of its unit.
        about: its length and frame rate.
        stretches: in order of time.
        asked: the same of the most probable labels.
        confidence: mean probability of the label that is shown, over the ticks that were asked about.
        unasked_s: seconds in which nothing could be asked, since the footage has a hole there.
    """

    name: str
    key: str
    about: About
    stretches: Sequence[Stretch]
    asked: Sequence[Stretch]
    confidence: float
    unasked_s: float

    @classmethod
    def of(
        cls,
        name: str,
        key: str,
        receipt: Mapping[str, Any],
        ticks: Ticks,
        shown: Ticks,
        background: Collection[str],
    ) -> Self:
        """Of the answers about a recording.

        Args:
            name, key: of the recording.
            receipt: of its unit.
            ticks: its answers.
            shown: the same with the labels that a reader is shown.
            background: labels without a stretch.
        """
        own = [
            row[ticks.names.index(label)]
            for row, label in zip(shown.probabilities, shown.said, strict=True)
            if label is not None
        ]
        return cls(
            name=name,
            key=key,
            about=About(
                duration_s=Fraction(repr(receipt["duration_s"])),
                fps=None if receipt["rate"] is None else Fraction(receipt["rate"]),
            ),
            stretches=tuple(stretches(shown, receipt["duration_s"], background)),
            asked=tuple(stretches(ticks, receipt["duration_s"], background)),
            confidence=float(np.mean(own)),
            unasked_s=float((~ticks.asked).sum() * ticks.stride_s),
        )

    @property
    def duration_s(self) -> float:
        """Its length."""
        assert self.about.duration_s is not None, "answers are about footage of a known length"
        return float(self.about.duration_s)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "name": self.name,
            "duration_s": self.duration_s,
            "segments": len(self.stretches),
            "confidence": round(self.confidence, 6),
            "unasked_s": self.unasked_s,
        }


def least_sure_first(rows: Iterable[Labelled]) -> list[Labelled]:
    """In the order in which correcting them teaches most, as far as the model's own doubt tells."""
    return sorted(rows, key=lambda row: (row.confidence, row.name))
