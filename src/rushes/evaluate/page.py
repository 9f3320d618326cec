"""The frame of every report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from rushes.evaluate.markup import tag
from rushes.evaluate.style import CSS


def page(title: str, sections: Mapping[str, Markup]) -> str:
    """The whole page as text: its sections in order, with links to them."""
    anchors = {name: name.lower().replace(" ", "-") for name in sections}
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(CSS)),
    )
    links = (tag("a", name, href=f"#{anchors[name]}") for name in sections)
    body = (tag("section", tag("h2", name), content, id=anchors[name]) for name, content in sections.items())
    content = tag("body", tag("nav", tag("b", title), *links), tag("main", *body))
    return Markup("<!doctype html>\n") + tag("html", head, content, lang="en") + "\n"


def facts(values: Mapping[str, Any]) -> Markup:
    """Names and values, nested ones with a dot."""
    return tag("dl", *(part for name, value in _flat(values) for part in (tag("dt", name), tag("dd", value))))


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{above}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{above}{name}", ", ".join(map(str, value))))
        else:
            found.append((f"{above}{name}", str(value)))
    return found
