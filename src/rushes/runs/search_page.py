"""The page of a search: what was asked, and what was found, with its pictures inside of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages import Clip, Head, Markup, Section, facts, gallery, image, note, page
from rushes.media.image import encode_jpeg
from rushes.media.picture import letterbox_white, read_picture
from rushes.runs.search import Hit

LEAST_PX = 170
"""Width of a picture that was found."""

ASKED_PX = 200
"""Side of the picture that was asked."""

FIRST = 4
"""Fields that stand below a picture; all unfold."""

_ONE_LINE = "flex:1; white-space:nowrap; overflow:hidden; text-overflow:ellipsis"


def search_page(
    head: Head,
    words: str | None,
    asked: bytes | None,
    hits: Sequence[Hit],
    picture: Callable[[str], bytes],
) -> str:
    """The whole page as text.

    Args:
        head: of the page.
        words, asked: what was asked: words, bytes of a picture file, or both.
        hits: what was found.
        picture: reads the JPEG of an item.
    """
    question = []
    if words:
        question.append(tag("p", tag("b", words)))
    if asked is not None:
        shown = encode_jpeg(letterbox_white(read_picture(asked), ASKED_PX))
        question.append(image(shown, "the picture that was asked", style=f"width:{ASKED_PX}px"))
    said = note("Best first, with the cosine of its vector to that of the question.")
    found = gallery([_clip(hit, picture) for hit in hits], "found", least=LEAST_PX)
    return page(head, [Section("Asked", join(question)), Section("Found", join((said, found)))])


def _clip(hit: Hit, picture: Callable[[str], bytes]) -> Clip:
    title = str(hit.fields.get("title", hit.key))
    fields = [(name, value) for name, value in hit.fields.items() if name != "title"]
    first = ", ".join(str(value) for _, value in fields[:FIRST])
    rest = tag("details", tag("summary", f"{len(fields)} fields"), facts(dict(fields)))
    caption = Markup('<b>{}</b> <span style="{}" title="{}">{}</span> <small>{:.3f}</small>')
    return Clip(
        join((image(picture(hit.key), title), tag("small", first), rest if len(fields) > FIRST else None)),
        caption.format(hit.rank, _ONE_LINE, title, title, hit.score),
    )
