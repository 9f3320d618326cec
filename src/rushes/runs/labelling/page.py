"""The page of labels: title, picture and answer side by side, those first that contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rushes.errors import LabelError, MediaError
from rushes.evaluate.markup import join, tag
from rushes.evaluate.pages import (
    Cell,
    Clip,
    Column,
    Head,
    Markup,
    Row,
    Section,
    facts,
    gallery,
    image,
    note,
    page,
    table,
)
from rushes.label.desk import Desk
from rushes.label.ledger import Labelled
from rushes.media.image import encode_jpeg
from rushes.media.picture import letterbox_white
from rushes.stages import write_atomic

PAGE = "page.html"
SHOWN = 48
"""Items with a picture in each section."""

_SIDE_PX = 224
_VALUES = 200  # an attribute with more of them is free text, and no word of a title contradicts it
_SEEN = 2  # answers that make a value known
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A title that names one value of an attribute, and an answer that names another.

    Attributes:
        item: with its answer.
        attribute: name.
        titled: what the title says.
        said: what the model says.
    """

    item: Labelled
    attribute: str
    titled: str
    said: str


def write_page(desk: Desk, name: str, command: str) -> Path:
    """Write ``page.html``; where it stands.

    Args:
        desk: with the answers.
        name: of the run.
        command: that writes it again.

    Raises:
        LabelError: nothing is answered yet.
    """
    attempts = desk.limits.attempts
    counts = _counted(desk.ledger.labelled(attempts), desk.question.attributes)
    closed = {one: found for one, found in counts.items() if len(found) <= _VALUES}
    against: list[Contradiction] = []
    others: list[Labelled] = []
    number: Counter[str] = Counter()
    answered = 0
    for item in desk.ledger.labelled(attempts):
        if item.answer is None:
            continue
        answered += 1
        found = list(contradictions(item, closed))
        number.update(one.attribute for one in found)
        if found and len(against) < SHOWN:
            against.append(found[0])
        elif not found and len(others) < SHOWN:
            others.append(item)
    if not answered:
        raise LabelError("nothing is answered yet", where=desk.folder, cure="`rushes label run RECIPE` asks")
    pictures = _pictures(desk, {one.key for one in (*(one.item for one in against), *others)})
    sections = [
        Section("Title against picture", _against(against, pictures, number, answered)),
        Section("Others", gallery([_clip(one, pictures, ()) for one in others], "others", least=230)),
        Section("Answers", _answers(counts, answered)),
        Section("Without an answer", _unanswered(desk)),
        Section("Files of requests", _files(desk)),
        Section("What was asked", _asked(desk)),
    ]
    head = Head(
        title=name,
        what="attributes as a language model gives them, for a look before they are used",
        date=_last_answer(desk),
        command=command,
        model=", ".join(sorted(_models(desk))),
        sizes={"items": desk.items, "answered": answered, "titles against pictures": sum(number.values())},
    )
    path = desk.folder / PAGE
    write_atomic(path, page(head, sections))
    return path


def contradictions(item: Labelled, known: Mapping[str, Counter[str]]) -> Iterator[Contradiction]:
    """Where the words of a title name a value of an attribute, and the answer has another.

    Args:
        item: with an answer.
        known: attribute -> its values, by how often they were answered.

    >>> known = {"color": Counter({"red": 9, "blue": 4})}
    >>> item = Labelled("k", "Red chair", "", {"color": "blue"}, "answered", "m", "stop", "", 1, 0)
    >>> [(one.titled, one.said) for one in contradictions(item, known)]
    [('red', 'blue')]
    """
    words = _words(item.title)
    for name, values in known.items():
        said = (item.answer or {}).get(name)
        if said is None or _words(said) & words:
            continue
        titled = [value for value, count in values.items() if count >= _SEEN and _words(value) <= words]
        if titled:
            yield Contradiction(item, name, max(titled, key=lambda value: (len(value), value)), said)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _counted(items: Iterable[Labelled], names: Iterable[str]) -> dict[str, Counter[str]]:
    """Attribute -> its values, by how often they were answered; of free text the first ones alone."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for item in items:
        for name, value in (item.answer or {}).items():
            if value is not None and (value in counts[name] or len(counts[name]) <= _VALUES):
                counts[name][value] += 1
    return counts


def _pictures(desk: Desk, keys: set[str]) -> dict[str, bytes]:
    """Small JPEGs of these items; of one that cannot be read there is none."""
    found = {}
    for row in desk.rows():
        if row.key in keys:
            try:
                found[row.key] = encode_jpeg(letterbox_white(row.picture(), _SIDE_PX), 80)
            except MediaError:
                continue
    return found


def _against(
    shown: Sequence[Contradiction], pictures: Mapping[str, bytes], number: Counter[str], answered: int
) -> Markup:
    told = ", ".join(f"{name} {count:,}" for name, count in number.most_common()) or "none"
    said = note(
        f"Titles that name one value of an attribute while the model answers another, of {answered:,} answers: {told}. "
        "The model was told that the picture is right; see whether it is."
    )
    clips = [_clip(one.item, pictures, (one,)) for one in shown]
    return join((said, gallery(clips, "against", least=230) if clips else None))


def _clip(item: Labelled, pictures: Mapping[str, bytes], against: Sequence[Contradiction]) -> Clip:
    loud = {one.attribute: one for one in against}
    rows = [
        tag(
            "div",
            tag("b", name.replace("_", " ")),
            " ",
            tag("span", value or "not told", class_="bad" if name in loud else None if value else "none"),
            tag("small", f" title: {loud[name].titled}") if name in loud else None,
            style="width:100%",
        )
        for name, value in (item.answer or {}).items()
    ]
    shown = pictures.get(item.key)
    picture = image(shown, item.title) if shown else tag("p", "the picture cannot be read", class_="none")
    return Clip(picture, join((tag("i", item.title), *rows)), label=against[0].attribute if against else "")


def _answers(counts: Mapping[str, Counter[str]], answered: int) -> Markup:
    rows = []
    for name, values in counts.items():
        free = len(values) > _VALUES
        most = ", ".join(f"{value} {count:,}" for value, count in values.most_common(_LISTED))
        told = None if free else sum(values.values())
        share = None if told is None else Cell(f"{100 * told / answered:.1f}", told / answered)
        number = Cell(f"more than {_VALUES}" if free else f"{len(values):,}", len(values))
        rows.append(Row([name, number, share, most]))
    return table(
        ["attribute", Column("values"), Column("answered", unit="%"), Column("most frequent", text=True)],
        rows,
    )


def _unanswered(desk: Desk) -> Markup:
    states = {name: count for name, count in desk.states().items() if count and name != "answered"}
    if not states:
        return note("Every item has its answer.")
    reasons = desk.ledger.reasons()
    said = note(
        "refused: by the service, or for a picture that cannot be read; exhausted: asked as often as "
        "label.limits.attempts allows. quarantine.jsonl has these one by one."
    )
    errors = table(["last error", "items"], _pairs(reasons)) if reasons else None
    return join((table(["state", "items"], _pairs(states)), errors, said))


def _pairs(counts: Mapping[str, int]) -> list[Row]:
    return [Row([name, count]) for name, count in counts.items()]


def _files(desk: Desk) -> Markup:
    names = ("asked", "ok", "error", "missing", "duplicates", "strangers", "unreadable")
    rows = [
        Row([name, *(getattr(account, column) for column in names)])
        for name, account in desk.ledger.accounts().items()
    ]
    said = note(
        "asked = ok + error + missing. Further lines about an item that has one, lines about nobody who was asked, and "
        "lines that are no JSON are counted and not used."
    )
    return join((table(["file", *names], rows), said))


def _asked(desk: Desk) -> Markup:
    question = desk.question
    return join(
        (
            facts(
                {
                    "question": question.digest,
                    "model": question.model,
                    "picture": question.picture.model_dump(mode="json"),
                    "effort": question.effort or "not given",
                }
            ),
            tag("pre", question.instructions),
        )
    )


def _models(desk: Desk) -> set[str]:
    """Who answered."""
    return {item.model for item in desk.ledger.labelled(desk.limits.attempts) if item.answer is not None}


def _last_answer(desk: Desk) -> datetime | None:
    """When the last answers came."""
    times = [path.stat().st_mtime for path in desk.tickets.answered.glob("*.jsonl")]
    return datetime.fromtimestamp(max(times), UTC) if times else None
