"""Pages of every report, campaign, service and arena: one theme, one table, one wording.

A report is a head and sections; a section is a title and `Markup`, made by the functions below, by a template
of one's own (`render`), or drawn by hand (`tag`, `drawing`)::

    head = Head(title=run.name, what="report of a run", date=measured, command="rushes report r.yaml",
                model="tinycnn, 23,491 parameters", sizes={"test clips": 602})
    text = page(head, [
        Section("Result", result(card)),
        Section("All systems", systems(card)),
        Section("Classes", parts(card, "class")),
        Section("Clips", gallery([Clip(image(jpeg, "frames"), "Tape", right=True, label="Tape")], "clips")),
        Section("Provenance", facts(card.provenance)),
    ])

Charts stand in modules of their own, since Altair takes half a second to import: `charts` (calibration,
curves), `whiskers` (figures with intervals), and `vega.drawn` for a chart of one's own.
"""

from markupsafe import Markup

from rushes.evaluate.markup import data_uri, join, tag
from rushes.evaluate.pages.account import account
from rushes.evaluate.pages.blocks import (
    differences,
    facts,
    framed,
    legend,
    meanings,
    note,
    parts,
    pill,
    remarks,
    result,
    side_by_side,
    systems,
    verdict_legend,
)
from rushes.evaluate.pages.draw import Plane, drawing, ticks, words
from rushes.evaluate.pages.found import Found, Strip, found
from rushes.evaluate.pages.gallery import Clip, gallery, image
from rushes.evaluate.pages.matrix import confusion
from rushes.evaluate.pages.page import Head, Section, page
from rushes.evaluate.pages.render import block, render
from rushes.evaluate.pages.tables import (
    EMPTY,
    Cell,
    Column,
    Row,
    interval,
    number,
    places,
    table,
    value_cell,
)
from rushes.evaluate.pages.theme import palette
from rushes.evaluate.pages.timeline import fell_into_one_class, strips, timelines

__all__ = [
    "EMPTY",
    "Cell",
    "Clip",
    "Column",
    "Found",
    "Head",
    "Markup",
    "Plane",
    "Row",
    "Section",
    "Strip",
    "account",
    "block",
    "confusion",
    "data_uri",
    "differences",
    "drawing",
    "facts",
    "fell_into_one_class",
    "found",
    "framed",
    "gallery",
    "image",
    "interval",
    "join",
    "legend",
    "meanings",
    "note",
    "number",
    "page",
    "palette",
    "parts",
    "pill",
    "places",
    "remarks",
    "render",
    "result",
    "side_by_side",
    "strips",
    "systems",
    "table",
    "tag",
    "ticks",
    "timelines",
    "value_cell",
    "verdict_legend",
    "words",
]
