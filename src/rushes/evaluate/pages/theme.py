"""One theme for all pages: colours and type, for HTML, for charts and for drawings alike.

The rules that use them stand in ``templates/theme.css``; there every colour is a variable of the same name.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

from rushes.metrics.verdict import Verdict

COLOURS = {
    "ink": "#22303c",
    "muted": "#6b7884",
    "faint": "#b4bdc5",
    "line": "#e3e6e8",
    "nothing": "#eef0f2",
    "paper": "#faf9f6",
    "card": "#ffffff",
    "accent": "#1f6f8b",
    "rival": "#d98e32",
    "good": "#2c7a55",
    "warn": "#9a6700",
    "bad": "#b83a24",
}
INK, MUTED, LINE = (COLOURS[name] for name in ("ink", "muted", "line"))
NOTHING, ACCENT, RIVAL = (COLOURS[name] for name in ("nothing", "accent", "rival"))
WARN, BAD = (COLOURS[name] for name in ("warn", "bad"))

SERIES = (ACCENT, RIVAL, "#5b8c5a", "#8a5a9e")
"""Of lines in one chart."""

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

LOOKS: Mapping[Verdict, str] = {"better": "good", "cannot be told": "warn", "worse": "bad"}
"""The one colour of each verdict."""

_TABLEAU = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2"),
    *("#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#6b7a8f"),
)


def palette(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label: ten that are easily told apart, further ones around the circle of hues."""
    extra = [
        "#"
        + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(0.13 + i * 0.618 % 1, 0.6, 0.45))
        for i in range(max(len(labels) - len(_TABLEAU), 0))
    ]
    return dict(zip(labels, (*_TABLEAU, *extra), strict=False))


def ink_on(colour: str) -> str:
    """Dark or white, whichever can be read on ``#rrggbb``.

    >>> ink_on("#edc948"), ink_on("#4e79a7")
    ('#22303c', '#ffffff')
    """
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 170 else "#ffffff"
