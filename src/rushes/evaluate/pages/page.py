"""A page: one HTML file that needs nothing else, and may fetch nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from rushes.evaluate.pages.render import render, text_of
from rushes.evaluate.pages.theme import COLOURS, FONT

BESIDE = " 'self' file:"
"""Files of the place that a page comes from; of one opened from a disk, browsers take no file for its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a reader is told before anything else.

    Attributes:
        title: name of the run, campaign or service.
        what: what this page is, in a few words: "report of a run".
        date: when the figures were measured; taken from the record of that stage, so that the page of a run
            has the same bytes whenever it is written. None where nothing is measured yet.
        command: that gives these figures again.
        model: what was trained, in a few words.
        sizes: what was counted: {"training clips": 1234, "test clips": "602 of 8 persons"}.
        more: further facts.
        closing: sections with which every page of this kind ends.
    """

    title: str
    what: str
    date: datetime | None
    command: str
    model: str
    sizes: Mapping[str, object]
    more: Mapping[str, object] = field(default_factory=dict)
    closing: Sequence[Section] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page, with a link to it at the top."""

    title: str
    content: Markup


def page(head: Head, sections: Iterable[Section], *, plays: bool = False) -> str:
    """The whole page as text, the sections before those of its head. Sections without content are left out.

    The browser itself is told to fetch nothing and to run no script but the one of these pages.

    Args:
        head: of the page.
        sections: in order.
        plays: whether it may play recordings that lie where it lies.
    """
    script = text_of("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data:{BESIDE if plays else ''}; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    text = render(
        "rushes.evaluate.pages/page.html.j2",
        head=head,
        facts=_facts(head),
        sections=_anchored(section for section in (*sections, *head.closing) if section.content),
        policy=policy,
        css=Markup(_css()),
        script=Markup(script),
    )
    return str(text)


def _css() -> str:
    variables = "; ".join(f"--{name}:{colour}" for name, colour in COLOURS.items())
    return f":root {{ {variables}; --font:{FONT} }}\n{text_of('theme.css')}"


def _facts(head: Head) -> list[tuple[str, object, bool]]:
    """Name, value and whether it takes two columns."""
    command = Markup("<code>{}</code>").format(head.command)
    date = "nothing is measured yet" if head.date is None else f"{head.date:%Y-%m-%d %H:%M %Z}".rstrip()
    facts = [("date", date, False), ("model", head.model, len(head.model) > 40)]
    counted = {
        name: f"{value:,}" if isinstance(value, int) else value
        for name, value in {**head.sizes, **head.more}.items()
    }
    return [
        *facts,
        *((name, value, len(str(value)) > 40) for name, value in counted.items()),
        ("command", command, True),
    ]


def _anchored(sections: Iterable[Section]) -> list[dict[str, str]]:
    """Sections with an anchor each, of the letters of its title; no two alike."""
    taken: set[str] = set()
    found = []
    for section in sections:
        stem = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        anchor = stem if stem not in taken else f"{stem}-{len(taken)}"
        taken.add(anchor)
        found.append({"title": section.title, "content": section.content, "anchor": anchor})
    return found
