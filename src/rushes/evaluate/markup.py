"""HTML and SVG written in Python, for drawings: every text is escaped unless it is `Markup` already.

Pages and tables come from templates, see `rushes.evaluate.pages`; both share `markupsafe.Markup`.

>>> tag("p", "Tape < Pack & ", tag("b", "done"), class_="note")
Markup('<p class="note">Tape &lt; Pack &amp; <b>done</b></p>')
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from markupsafe import Markup, escape

VOID = frozenset({"meta", "img", "br", "rect", "line", "circle", "path", "polyline", "polygon", "image"})


def tag(name: str, /, *content: object, **attributes: object) -> Markup:
    """One element.

    Args:
        name: of the element.
        content: children; whatever is not `Markup` is escaped, None is left out.
        attributes: values are escaped, None is left out. ``class_`` stands for ``class`` and ``stroke_width``
            for ``stroke-width``; numbers are written with at most two decimals.
    """
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = join(content)
    if name in VOID and not inside:
        return Markup(f"<{name}{named}/>")
    return Markup(f"<{name}{named}>{inside}</{name}>")


def join(content: Iterable[object]) -> Markup:
    """Children one after the other, escaped unless they are `Markup`; None is left out."""
    return Markup("").join(escape(child) for child in content if child is not None)


def data_uri(data: bytes | memoryview, kind: str) -> str:
    """Bytes as a ``data:`` address, so that the page needs no other file; ``kind`` is e.g. ``image/jpeg``."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
