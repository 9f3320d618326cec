"""What any task shows of its scorecard: result, all systems, parts of the side, differences, facts.

Every function takes a `Scorecard` and returns `Markup` for a `Section`; none of them writes anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from rushes.evaluate.markup import join
from rushes.evaluate.pages.render import block
from rushes.evaluate.pages.tables import Cell, Column, Row, places, table, value_cell
from rushes.evaluate.pages.theme import LOOKS
from rushes.evaluate.pages.tiles import tiles
from rushes.evaluate.scorecard import (
    FigureRow,
    Part,
    PartKind,
    Scorecard,
    Value,
    clusters_sentence,
    counted,
    standing_remarks,
)

COLUMNS = 7
"""Figures in one table; more are cut into tables of about the same width."""

_QUIET = ("ceiling", "reference", "ablation")


def note(text: str | Markup) -> Markup:
    """A line in small print."""
    return block("note", text)


def pill(words: str, look: str) -> Markup:
    """A word on colour: ``good``, ``warn`` or ``bad``."""
    return block("pill", words, look)


def remarks(lines: Sequence[str], *, fine: bool = False) -> Markup:
    """Sentences that a reader must not miss; nothing without any."""
    return block("remarks", lines, fine) if lines else Markup("")


def facts(values: Mapping[str, Any]) -> Markup:
    """Names and values, nested ones with a dot."""
    return block("facts", list(_flat(values)))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{above}{name}", ", ".join(map(str, value))
        else:
            yield f"{above}{name}", str(value)


def legend(colours: Mapping[str, str], present: Iterable[str] | None = None) -> Markup:
    """Labels with their colours; with ``present`` only those that occur."""
    there = None if present is None else set(present)
    return block(
        "legend", {name: colour for name, colour in colours.items() if there is None or name in there}
    )


def framed(title: str, content: Markup, note: str = "") -> Markup:
    """A tile with a heading."""
    return block("framed", title, content, note)


def side_by_side(items: Sequence[Markup], least: int = 440) -> Markup:
    """Tiles beside each other, as many in a line as fit with ``least`` pixels each."""
    return block("grid", items, least)


def result(card: Scorecard, part: Part | None = None) -> Markup:
    """The first section: tiles, in words where the model is not better, and what the figures rest on.

    Args:
        card: the scorecard; its remarks are of the whole side, so they are told there alone.
        part: the whole side if None.
    """
    part = part or card.all
    own = card.remarks if part is card.all else ()
    said = list(dict.fromkeys((*own, *standing_remarks(card.figures, part, card.model))))
    better = [card.figures[name].title for name, one in part.standings.items() if one.verdict == "better"]
    fine = ""
    if part.standings and len(better) == len(part.standings):
        fine = f"Better than the best of its baselines on every compared figure: {', '.join(better)}."
    rests = note(
        f"{clusters_sentence(part)}. {card.intervals} On the line of a tile: the {card.model} with its interval, "
        "orange the best baseline, grey the others, dashed what no model has to beat."
    )
    return join((tiles(card, part), remarks([fine], fine=True) if fine else None, remarks(said), rests))


def systems(
    card: Scorecard,
    part: Part | None = None,
    figures: Sequence[str] | None = None,
    *,
    folded: bool = False,
) -> Markup:
    """All figures of all systems on a part, and what figures and systems are.

    Args:
        card: the scorecard.
        part: the whole side if None.
        figures: all that somebody has a value of if None.
        folded: whether the meanings are folded, for all but the first such table of a page.
    """
    part = part or card.all
    names = [
        name for name in figures or card.figures if any(name in values for values in part.estimates.values())
    ]
    known = [name for name in card.systems if any(figure in part.estimates.get(name, {}) for figure in names)]
    tables = [_systems(card, part, known, some) for some in _cut(names)]
    said = verdict_legend(f"{clusters_sentence(part)}.")
    return join((said, *tables, meanings(card, names, known, folded=folded)))


def _cut(names: Sequence[str]) -> list[Sequence[str]]:
    """Figures of tables of about the same width."""
    size = ceil(len(names) / ceil(len(names) / COLUMNS)) if names else 1
    return [names[start : start + size] for start in range(0, len(names), size)]


def _systems(card: Scorecard, part: Part, known: Sequence[str], names: Sequence[str]) -> Markup:
    digits = _digits(part.estimates.values(), names)
    rows = []
    for system in known:
        values = part.estimates[system]
        cells = []
        for name in names:
            found, standing = values.get(name), part.standings.get(name)
            look = ""
            if standing is not None and system == card.model:
                look = LOOKS[standing.verdict]
            elif standing is not None and system == standing.rival:
                look = "best"
            fewer = (f"n={found.n:,}",) if found is not None and found.n != part.n else ()
            cells.append(value_cell(found, digits[name], look=look, below=fewer))
        role = card.systems[system].role
        row_look = "model" if system == card.model else "quiet" if role in _QUIET else ""
        rows.append(Row([Cell(system, system, (role,) if role != system else ()), *cells], row_look))
    return table(["system", *(Column.of(card.figures[name]) for name in names)], rows)


def verdict_legend(before: str = "", against: str = "the best baseline (underlined)") -> Markup:
    """Which colour stands for which verdict against what, after a sentence of one's own."""
    return block("verdicts", before, against, LOOKS)


def meanings(
    card: Scorecard, figures: Sequence[str], systems: Sequence[str] = (), *, folded: bool = False
) -> Markup:
    """What figures and systems are, in words."""
    told = [(card.figures[name].title, _meaning(card.figures[name])) for name in figures]
    who = [(name, f"{card.systems[name].role}: {card.systems[name].what}") for name in systems]
    title = "What the figures and systems are" if who else "What the figures are"
    return block("meanings", title, [pairs for pairs in (told, who) if pairs], folded)


def _meaning(figure: FigureRow) -> str:
    unit = f"in {figure.unit}, " if figure.unit else ""
    return f"{figure.meaning}; {unit}{figure.better} is better"


def _digits(rows: Collection[Mapping[str, Value]], names: Iterable[str]) -> dict[str, int]:
    """Decimals of each figure, the same in all rows."""
    return {name: places(values[name].value for values in rows if name in values) for name in names}


def parts(
    card: Scorecard,
    kind: PartKind,
    condition: str = "",
    *,
    figures: Sequence[str] | None = None,
    more: Mapping[str, Mapping[str, Cell | str | int | None]] | None = None,
) -> Markup:
    """The model on each class, group, band or subset, with the best baseline there below it.

    Args:
        card: the scorecard.
        kind: of the parts.
        condition: of bands.
        figures: all that the model has a value of in one of the parts if None.
        more: further columns: title -> name of the part -> cell.

    Returns:
        A table; nothing where there are no such parts.
    """
    found = card.of_kind(kind, condition)
    if not found:
        return Markup("")
    own = [part.estimates.get(card.model, {}) for part in found]
    names = [name for name in figures or card.figures if any(name in values for values in own)]
    digits = _digits(own, names)
    rows = []
    for part, values in zip(found, own, strict=True):
        cells: list[Cell | str | int | None] = [column.get(part.name) for column in (more or {}).values()]
        cells += [_against_best(part, values, name, digits[name]) for name in names]
        by = counted(part.clusters.count, part.clusters.by)
        rows.append([part.name, Cell(f"{part.n:,}", part.n, (by,)), *cells])
    columns: list[Column | str] = [
        condition or kind,
        "answers",
        *(more or {}),
        *(Column.of(card.figures[name]) for name in names),
    ]
    said = None
    if any(part.standings for part in found):
        said = verdict_legend("Below a figure: its interval, and the best baseline there.")
    return join((said, table(columns, rows), meanings(card, names, folded=True)))


def _against_best(part: Part, values: Mapping[str, Any], name: str, digits: int) -> Cell:
    standing = part.standings.get(name)
    if standing is None:
        return value_cell(values.get(name), digits)
    rival = f"{standing.rival} {standing.value:.{digits}f}"
    return value_cell(values.get(name), digits, look=LOOKS[standing.verdict], below=(rival,))


def differences(
    card: Scorecard,
    part: Part | None = None,
    *,
    figures: Sequence[str] | None = None,
    systems: Sequence[str] | None = None,
) -> Markup:
    """The model less each other system, on the same answers.

    Args:
        card: the scorecard.
        part: the whole side if None.
        figures: all that are compared if None.
        systems: all others if None.

    Returns:
        A table; nothing where nothing was compared.
    """
    part = part or card.all
    names = [name for name in figures or card.figures if name in part.against]
    rivals = [
        name for name in systems or card.systems if any(name in part.against[figure] for figure in names)
    ]
    if not rivals:
        return Markup("")
    said = f"The {card.model}'s figure less that of the other system, on the same answers, with its interval."
    return join((note(said), *(_differences(card, part, rivals, some) for some in _cut(names))))


def _differences(card: Scorecard, part: Part, rivals: Sequence[str], names: Sequence[str]) -> Markup:
    digits = {name: places(one.difference.value for one in part.against[name].values()) for name in names}
    rows = []
    for rival in rivals:
        cells = []
        for name in names:
            standing = part.against[name].get(rival)
            look = LOOKS[standing.verdict] if standing else ""
            found = standing.difference if standing else None
            cells.append(value_cell(found, digits[name], look=look, sign=True))
        role = card.systems[rival].role
        rows.append(Row([Cell(rival, rival, (role,)), *cells], "quiet" if role in _QUIET else ""))
    columns: list[Column | str] = [f"{card.model} less", *(Column.of(card.figures[name]) for name in names)]
    return table(columns, rows)
