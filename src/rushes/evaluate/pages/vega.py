"""Vega-Lite specifications by Altair, drawn when the page is written, in the theme of all pages.

Vega-Lite draws them here, as SVG, so that a page holds no drawing library (900 kB), is whole with JavaScript
off, and prints. Altair takes half a second to import: only what draws imports this module.

A chart of a task is made with Altair and handed to `drawn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from rushes.evaluate.markup import join
from rushes.evaluate.pages.render import block
from rushes.evaluate.pages.svg import tidy
from rushes.evaluate.pages.theme import ACCENT, FONT, INK, LINE, MUTED, SERIES

_AXIS = {
    "domainColor": MUTED,
    "gridColor": LINE,
    "labelColor": MUTED,
    "labelFontSize": 12,
    "labelPadding": 6,
    "tickColor": MUTED,
    "tickSize": 4,
    "titleColor": INK,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
}
THEME: Mapping[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"grid": False, "titleAnchor": "end", "titlePadding": 8},
    "axisY": {
        "domain": False,
        "ticks": False,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleX": -34,
        "titleY": -14,
    },
    "header": {"labelColor": MUTED, "labelFontSize": 12, "title": None},
    "legend": {"labelColor": INK, "labelFontSize": 12, "title": None, "orient": "top", "symbolSize": 70},
    "range": {"category": list(SERIES)},
    "mark": {"color": ACCENT},
    "text": {"color": INK, "fontSize": 12},
}
"""Vega-Lite's configuration of every chart."""


def drawn(
    chart: alt.TopLevelMixin,
    *,
    label: str,
    width: float | None = None,
    narrow: alt.TopLevelMixin | None = None,
) -> Markup:
    """A chart as inline SVG.

    Args:
        chart: of Altair, its data inside of it. What a mark is under the pointer is its ``description``.
        label: what it shows, for who does not see it.
        width: pixels that it takes at most; as drawn if None.
        narrow: the same for a telephone; the chart shrinks if None.
    """
    svg = tidy(_svg(chart), label=label, width=width)
    return svg if narrow is None else join((tidy(_svg(narrow), label=label, look="narrow"), svg))


def _svg(chart: alt.TopLevelMixin) -> str:
    spec = chart.to_dict() | {"config": THEME}
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return svg


def framed_chart(drawing: Markup, *, behind: Markup | str = "", caption: Markup | str = "") -> Markup:
    """A drawing with its caption, and the table of its exact figures folded below it."""
    return block("chart", drawing, caption, behind)


def layer_of(rows: Iterable[Mapping[str, Any]]) -> alt.Chart:
    """A chart with these rows inside of it, to be marked and encoded."""
    return alt.Chart(alt.InlineData(values=list(rows)))
