"""What Vega draws, made fit for a page: half the bytes, the page's own type, figures under the pointer."""

from __future__ import annotations

import hashlib
import re
from xml.etree import ElementTree

from markupsafe import Markup

_SVG = "{http://www.w3.org/2000/svg}"
_LEFT_OUT = frozenset(
    {"role", "aria-roledescription", "aria-hidden", "font-family", "pointer-events", "class"}
)
_LONG = re.compile(r"-?\d+\.\d{2,}")


def tidy(svg: str, *, label: str, width: float | None = None, look: str = "") -> Markup:
    """An SVG of Vega as inline markup.

    Every mark's description becomes its ``<title>``, which browsers show under the pointer; attributes that a
    picture with one label does not need are dropped; ids are made its own, since several drawings share a page.

    Args:
        svg: as `vl_convert.vegalite_to_svg` returns it.
        label: of the whole picture, for who does not see it.
        width: pixels that it takes at most; as drawn if None.
        look: class of the ``svg``.
    """
    root = ElementTree.fromstring(svg)
    _clean(root)
    own = "v" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    wide, high = root.attrib["width"], root.attrib["height"]
    root.attrib = {
        "viewBox": f"0 0 {wide} {high}",
        "role": "img",
        "aria-label": label,
        "style": f"max-width:{width or float(wide):g}px",
        **({"class": look} if look else {}),
    }
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    text = (
        text.replace(' xmlns:ns0="http://www.w3.org/2000/svg"', "")
        .replace("<ns0:", "<")
        .replace("</ns0:", "</")
    )
    text = re.sub(r'\bid="([^"]+)"', rf'id="{own}-\1"', text)
    return Markup(re.sub(r"url\(#([^)]+)\)", rf"url(#{own}-\1)", text))


def _clean(element: ElementTree.Element) -> None:
    """Drop what is not seen, and tell what is by a title."""
    for child in list(element):
        if _empty(child):
            element.remove(child)
        else:
            _clean(child)
    said = element.attrib.pop("aria-label", None)
    shape = element.tag in (f"{_SVG}path", f"{_SVG}line", f"{_SVG}text") and element.attrib.get("role")
    for name in _LEFT_OUT & element.attrib.keys():
        del element.attrib[name]
    for name in ("transform", "d", "x2", "y2"):
        if name in element.attrib:
            element.attrib[name] = _LONG.sub(lambda found: f"{float(found[0]):.1f}", element.attrib[name])
    for name, usual in (("opacity", "1"), ("stroke-width", "1"), ("transform", "translate(0,0)")):
        if element.attrib.get(name) == usual:
            del element.attrib[name]
    if said and shape:
        title = ElementTree.Element(f"{_SVG}title")
        title.text = said
        element.insert(0, title)


def _empty(element: ElementTree.Element) -> bool:
    """Backgrounds that nothing is seen of."""
    if element.attrib.get("display") == "none":
        return True
    return element.tag == f"{_SVG}path" and element.attrib.get("d") in ("", "M0,0h0v0h0Z")
