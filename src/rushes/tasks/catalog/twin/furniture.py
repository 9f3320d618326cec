"""Drawn furniture: each type of thing out of solids, in the shapes of a style, in metres."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rushes.media.solids import Solid
from rushes.media.surfaces import Material
from rushes.media.things import ball, box, tube

Style = Literal["modern", "rustic", "industrial", "scandinavian", "classic"]
STYLES: tuple[Style, ...] = get_args(Style)

Parts = list[Solid]
"""Of a piece: surface 0 is what it is called by, 1 are its feet and fittings, 2 is light or cloth beside it."""

SOFT: tuple[Material, ...] = ("leather", "fabric", "velvet")
HARD: tuple[Material, ...] = ("wood", "metal", "plastic", "marble", "glass", "rattan")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a piece is built by.

    Attributes:
        style: shape of legs, arms and backs.
        rng: of its measures; the same one gives the same piece.
    """

    style: Style
    rng: np.random.Generator

    def m(self, low: float, high: float) -> float:
        """A measure between two bounds, in metres."""
        return float(self.rng.uniform(low, high))

    def n(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``."""
        return int(self.rng.integers(low, high + 1))


def _legs(plan: Plan, w: float, d: float, h: float, surface: int = 1, thick: float = 0.05) -> Parts:
    """Four legs below a thing that is ``w`` wide, ``d`` deep and begins at the height ``h``."""
    corners = [(sx * (w / 2 - thick), sy * (d / 2 - thick)) for sx in (-1, 1) for sy in (-1, 1)]
    if plan.style == "modern":
        return [box((x, y, h / 2), (thick * 0.7, thick * 0.7, h), surface) for x, y in corners]
    if plan.style == "rustic":
        beams = [
            box((0, sy * (d / 2 - thick), h * 0.3), (w - 2 * thick, thick, thick), surface) for sy in (-1, 1)
        ]
        return [box((x, y, h / 2), (thick * 1.9, thick * 1.9, h), surface) for x, y in corners] + beams
    if plan.style == "industrial":
        bars = [
            box((sx * (w / 2 - thick), 0, thick / 2), (thick, d - thick, thick), surface) for sx in (-1, 1)
        ]
        return [tube((x, y, h / 2), (thick * 0.8, thick * 0.8, h), surface) for x, y in corners] + bars
    if plan.style == "scandinavian":
        size = (thick * 0.7, thick * 0.7, h * 1.04)
        return [
            tube((x, y, h / 2), size, surface, 1.8, x=np.sign(y) * 11, y=-np.sign(x) * 11) for x, y in corners
        ]
    turned = [tube((x, y, h / 2), (thick, thick, h), surface, 1.3) for x, y in corners]
    return turned + [
        ball((x, y, h * z), (thick * 2, thick * 2, thick * 1.6), surface)
        for x, y in corners
        for z in (0.3, 0.75)
    ]


def _back(plan: Plan, w: float, y: float, low: float, high: float, surface: int = 0) -> Parts:
    """A back of a seat, between two heights."""
    h, middle = high - low, (high + low) / 2
    if plan.style == "modern":
        return [box((0, y, middle), (w, 0.05, h), surface, x=-6)]
    if plan.style == "rustic":
        slats = [box((0, y, low + h * z), (w, 0.04, h * 0.17), surface) for z in (0.35, 0.65, 0.93)]
        return slats + [box((s * (w / 2 - 0.03), y, middle), (0.06, 0.06, h), 1) for s in (-1, 1)]
    if plan.style == "industrial":
        frame = [tube((s * (w / 2 - 0.02), y, middle), (0.035, 0.035, h), 1) for s in (-1, 1)]
        return [*frame, box((0, y, low + h * 0.75), (w, 0.04, h * 0.4), surface)]
    if plan.style == "scandinavian":
        return [ball((0, y, low + h * 0.62), (w * 1.04, 0.12, h * 0.8), surface, x=-8)] + [
            tube((s * w * 0.3, y, low + h * 0.2), (0.03, 0.03, h * 0.5), 1) for s in (-1, 1)
        ]
    crest = [
        tube((0, y, high - w * 0.12), (w, w, 0.06), surface, x=90),
        box((0, y, middle - w * 0.1), (w, 0.06, h - w * 0.3), surface),
    ]
    return [*crest, *(ball((s * w / 2, y, high - w * 0.1), (0.08, 0.08, 0.08), 1) for s in (-1, 1))]


def _chair(plan: Plan) -> Parts:
    w, d, seat = plan.m(0.4, 0.5), plan.m(0.4, 0.5), plan.m(0.42, 0.5)
    top = seat + plan.m(0.38, 0.6)
    return [box((0, 0, seat), (w, d, 0.06)), *_legs(plan, w, d, seat), *_back(plan, w, d / 2, seat, top)]


def _stool(plan: Plan) -> Parts:
    w, h = plan.m(0.32, 0.42), plan.m(0.45, 0.78)
    seat = (
        tube((0, 0, h), (w * 1.15, w * 1.15, 0.07))
        if plan.style in ("scandinavian", "classic")
        else box((0, 0, h), (w, w, 0.07))
    )
    return [seat, *_legs(plan, w, w, h)]


def _bench(plan: Plan) -> Parts:
    w, d, h = plan.m(1.1, 1.7), plan.m(0.32, 0.42), plan.m(0.4, 0.5)
    return [box((0, 0, h), (w, d, 0.07)), *_legs(plan, w, d, h, thick=0.06)]


def _arms(plan: Plan, w: float, d: float, low: float, h: float) -> Parts:
    """Both arms of a seat that is ``w`` wide outside."""
    found: Parts = []
    for s in (-1, 1):
        x = s * (w / 2 - 0.08)
        if plan.style == "classic":
            found += [
                box((x, 0, low + h * 0.4), (0.14, d, h * 0.8)),
                tube((x, 0, low + h * 0.85), (0.22, 0.22, d), x=90),
            ]
        elif plan.style in ("scandinavian", "industrial"):
            found.append(box((x, 0, low + h), (0.06, d * 0.95, 0.05), 1))
            found += [tube((x, y * d * 0.42, low + h / 2), (0.04, 0.04, h), 1) for y in (-1, 1)]
        else:
            found.append(box((x, 0, low + h / 2), (0.16 if plan.style == "modern" else 0.22, d, h)))
    return found


def _seating(plan: Plan, w: float, seats: int) -> Parts:
    d, foot, seat = plan.m(0.78, 0.92), plan.m(0.1, 0.2), plan.m(0.2, 0.26)
    back = plan.m(0.4, 0.55)
    inner = (w - 0.32) / seats
    cushions = [
        box((-w / 2 + 0.16 + inner * (n + 0.5), -0.04, foot + seat + 0.06), (inner * 0.97, d * 0.82, 0.14))
        for n in range(seats)
    ]
    rests = [
        box(
            (-w / 2 + 0.16 + inner * (n + 0.5), d / 2 - 0.16, foot + seat + 0.1 + back / 2),
            (inner * 0.97, 0.18, back),
            x=-10,
        )
        for n in range(seats)
    ]
    frame = [
        box((0, 0, foot + seat / 2), (w * 0.98, d, seat)),
        box((0, d / 2 - 0.05, foot + seat + back * 0.4), (w * 0.97, 0.12, back * 0.9)),
    ]
    return [
        *frame,
        *cushions,
        *rests,
        *_arms(plan, w, d, foot + seat * 0.6, 0.36),
        *_legs(plan, w * 0.92, d * 0.9, foot),
    ]


def _armchair(plan: Plan) -> Parts:
    return _seating(plan, plan.m(0.82, 1.0), 1)


def _sofa(plan: Plan) -> Parts:
    seats = plan.n(2, 3)
    return _seating(plan, plan.m(0.68, 0.76) * seats + 0.3, seats)


def _ottoman(plan: Plan) -> Parts:
    w, h = plan.m(0.5, 0.75), plan.m(0.26, 0.34)
    body = [tube((0, 0, 0.1 + h / 2), (w, w, h)), ball((0, 0, 0.1 + h), (w * 0.98, w * 0.98, 0.12))]
    if plan.style in ("modern", "rustic", "industrial"):
        body = [box((0, 0, 0.1 + h / 2), (w, w * 0.85, h)), box((0, 0, 0.12 + h), (w * 0.94, w * 0.8, 0.08))]
    return [*body, *_legs(plan, w * 0.7, w * 0.65, 0.1)]


def _table(plan: Plan) -> Parts:
    w, d, h = plan.m(1.2, 1.9), plan.m(0.75, 0.95), plan.m(0.7, 0.77)
    if plan.style == "classic" or plan.rng.random() < 0.25:
        w = plan.m(1.0, 1.3)
        foot = [tube((0, 0, h / 2), (0.16, 0.16, h), 1), tube((0, 0, 0.04), (w * 0.5, w * 0.5, 0.08), 1, 0.6)]
        return [tube((0, 0, h), (w, w, 0.06)), *foot]
    return [box((0, 0, h), (w, d, 0.06)), *_legs(plan, w, d, h, thick=0.07)]


def _desk(plan: Plan) -> Parts:
    w, d, h = plan.m(1.1, 1.5), plan.m(0.55, 0.7), plan.m(0.72, 0.76)
    side = plan.rng.choice([-1.0, 1.0]) * (w / 2 - 0.22)
    drawers = [box((side, -d / 2 + 0.01, z), (0.34, 0.04, 0.15)) for z in (0.28, 0.45, 0.62)]
    grips = [box((side, -d / 2 - 0.02, z), (0.12, 0.03, 0.025), 1) for z in (0.28, 0.45, 0.62)]
    case = box((side, 0.01, h * 0.62), (0.4, d * 0.92, h * 0.72))
    return [box((0, 0, h), (w, d, 0.045)), case, *drawers, *grips, *_legs(plan, w, d, h)]


def _bookcase(plan: Plan) -> Parts:
    w, d, h, levels = plan.m(0.7, 1.1), plan.m(0.28, 0.36), plan.m(1.5, 2.0), plan.n(4, 6)
    if plan.style == "industrial":
        uprights = [
            tube((sx * w / 2, sy * d / 2, h / 2), (0.035, 0.035, h), 1) for sx in (-1, 1) for sy in (-1, 1)
        ]
    else:
        uprights = [box((s * (w / 2 - 0.02), 0, h / 2), (0.045, d, h)) for s in (-1, 1)]
        uprights.append(box((0, d / 2 - 0.01, h / 2), (w, 0.02, h)))
    boards = [box((0, 0, 0.06 + (h - 0.1) * n / levels), (w, d, 0.045)) for n in range(levels + 1)]
    books = []
    for level in range(levels):
        wide, height = plan.m(0.15, 0.5) * w, (h / levels) * plan.m(0.5, 0.75)
        at = plan.m(-0.45, 0.45) * (w - wide)
        books.append(
            box((at, 0.02, 0.08 + (h - 0.1) * level / levels + height / 2), (wide, d * 0.6, height), 2)
        )
    return [*uprights, *boards, *books]


def _fronts(plan: Plan, w: float, d: float, low: float, h: float, columns: int, rows: int) -> Parts:
    """Doors or drawers before a case, each with its grip."""
    found: Parts = []
    for column in range(columns):
        for row in range(rows):
            x, z = (column + 0.5) * w / columns - w / 2, low + (row + 0.5) * h / rows
            found.append(box((x, -d / 2, z), (w / columns * 0.93, 0.035, h / rows * 0.9)))
            if rows >= columns:
                found.append(box((x, -d / 2 - 0.03, z + h / rows * 0.25), (w / columns * 0.3, 0.03, 0.03), 1))
            else:
                found.append(ball((x + w / columns * 0.36, -d / 2 - 0.03, z), (0.06, 0.05, 0.06), 1))
    return found


def _case(plan: Plan, w: float, d: float, h: float, foot: float, columns: int, rows: int) -> Parts:
    body = [box((0, 0, foot + h / 2), (w, d, h)), *_fronts(plan, w, d, foot, h, columns, rows)]
    if plan.style == "classic":
        body.append(box((0, 0, foot + h + 0.02), (w * 1.06, d * 1.08, 0.05)))
    return [*body, *_legs(plan, w * 0.96, d * 0.92, foot)]


def _sideboard(plan: Plan) -> Parts:
    return _case(
        plan, plan.m(1.3, 1.9), plan.m(0.4, 0.5), plan.m(0.5, 0.65), plan.m(0.12, 0.25), plan.n(2, 4), 1
    )


def _wardrobe(plan: Plan) -> Parts:
    return _case(
        plan, plan.m(0.9, 1.5), plan.m(0.5, 0.6), plan.m(1.7, 2.1), plan.m(0.05, 0.12), plan.n(2, 3), 1
    )


def _dresser(plan: Plan) -> Parts:
    return _case(
        plan, plan.m(0.75, 1.0), plan.m(0.42, 0.5), plan.m(0.75, 1.0), plan.m(0.08, 0.2), 1, plan.n(3, 5)
    )


def _nightstand(plan: Plan) -> Parts:
    return _case(
        plan, plan.m(0.38, 0.5), plan.m(0.34, 0.42), plan.m(0.3, 0.4), plan.m(0.12, 0.26), 1, plan.n(1, 2)
    )


def _bed(plan: Plan) -> Parts:
    w, d, h, head = plan.m(1.0, 1.9), 2.05, plan.m(0.22, 0.34), plan.m(0.85, 1.2)
    frame = [box((0, 0, h), (w, d, 0.14)), *_back(plan, w, d / 2, h * 0.5, head)]
    linen = [box((0, -0.02, h + 0.16), (w * 0.95, d * 0.96, 0.2), 2)]
    linen += [box((s * w * 0.23, d * 0.36, h + 0.31), (w * 0.38, 0.42, 0.12), 2, x=14) for s in (-1, 1)]
    blanket = box((0, -d * 0.22, h + 0.19), (w * 1.0, d * 0.55, 0.19))
    return [*frame, *linen, blanket, *_legs(plan, w, d, h, thick=0.07)]


def _shade(plan: Plan, x: float, z: float) -> Solid:
    wide = plan.m(0.22, 0.5)
    if plan.style == "industrial":
        return tube((x, 0, z), (wide, wide, 0.22), 0, 0.35, y=-25)
    if plan.style == "scandinavian":
        return ball((x, 0, z + 0.12), (wide, wide, wide), 2)
    taper = 1.0 if plan.style == "modern" else 0.55
    return tube((x, 0, z + 0.12), (wide, wide, wide * plan.m(0.4, 1.0)), 2, taper)


def _lamp(plan: Plan) -> Parts:
    """A stem with shades on arms: straight lamps on white are near-duplicates of each other."""
    h, side = plan.m(0.5, 1.1), plan.rng.choice([-1, 1])
    found = [tube((0, 0, 0.03), (plan.m(0.2, 0.6), 0.3, 0.06)), tube((0, 0, h / 2), (0.05, 0.05, h))]
    if plan.style in ("classic", "rustic"):
        found += [ball((0, 0, h * z), (plan.m(0.12, 0.35), 0.17, h * 0.22)) for z in (0.2, 0.42)]
    for number in range(plan.n(1, 3)):
        x, z = side * (-1) ** number * plan.m(0.05, 0.5), h * plan.m(0.6, 1.0)
        found += [box((x / 2, 0, z), (abs(x), 0.04, 0.04), 1), _shade(plan, x, z)]
    return found


def _mirror(plan: Plan) -> Parts:
    """Panes in frames on a shelf with feet; frames alone look alike as well."""
    w, h, shelf, foot = plan.m(0.4, 1.1), plan.m(0.6, 1.4), plan.m(0.05, 0.3), plan.m(0.03, 0.3)
    shape = tube if plan.style in ("scandinavian", "classic") else box
    wide, panes = w * plan.m(0.6, 1.4), plan.n(1, 3)
    found = [box((0, 0, foot + shelf / 2), (wide, 0.2, shelf)), *_legs(plan, wide, 0.2, foot)]
    for number in range(panes):
        x, pane, high = ((number + 0.5) / panes - 0.5) * w, w / panes * 0.97, h * plan.m(0.7, 1.0)
        z = foot + shelf + high / 2
        found.append(shape((x, 0, z), (pane, high, 0.05), x=90))
        found.append(shape((x, -0.03, z), (pane * 0.83, high * 0.88, 0.03), 2, x=90))
    return found


@dataclass(frozen=True, slots=True)
class Type:
    """A type of furniture.

    Attributes:
        build: its solids.
        materials: of which it comes.
        names: what shops call it, the usual name first.
        german: its name in German.
    """

    build: Callable[[Plan], Parts]
    materials: tuple[Material, ...]
    names: tuple[str, ...]
    german: str


_BOARDS: tuple[Material, ...] = ("wood", "metal", "plastic", "rattan")
_TOPS: tuple[Material, ...] = ("wood", "metal", "marble", "glass", "plastic")

TYPES: Mapping[str, Type] = {
    "chair": Type(_chair, (*_BOARDS, *SOFT), ("chair", "dining chair", "side chair"), "Stuhl"),
    "stool": Type(_stool, (*_BOARDS, "leather"), ("stool", "bar stool"), "Hocker"),
    "bench": Type(_bench, (*_BOARDS, "marble", "leather"), ("bench", "hallway bench"), "Bank"),
    "armchair": Type(_armchair, (*SOFT, "rattan"), ("armchair", "lounge chair", "accent chair"), "Sessel"),
    "sofa": Type(_sofa, (*SOFT, "rattan"), ("sofa", "couch", "settee"), "Sofa"),
    "ottoman": Type(_ottoman, (*SOFT, "rattan"), ("ottoman", "pouf", "footstool"), "Polsterhocker"),
    "table": Type(_table, _TOPS, ("table", "dining table", "kitchen table"), "Tisch"),
    "desk": Type(_desk, ("wood", "metal", "plastic", "glass"), ("desk", "writing desk"), "Schreibtisch"),
    "bookcase": Type(_bookcase, _BOARDS, ("bookcase", "bookshelf", "shelving unit"), "Regal"),
    "sideboard": Type(_sideboard, (*_BOARDS, "marble"), ("sideboard", "buffet", "credenza"), "Anrichte"),
    "wardrobe": Type(_wardrobe, _BOARDS, ("wardrobe", "armoire"), "Kleiderschrank"),
    "dresser": Type(_dresser, (*_BOARDS, "marble"), ("dresser", "chest of drawers"), "Kommode"),
    "nightstand": Type(_nightstand, _BOARDS, ("nightstand", "bedside table"), "Nachttisch"),
    "bed": Type(_bed, (*_BOARDS, *SOFT), ("bed", "bed frame"), "Bett"),
    "lamp": Type(_lamp, ("wood", "metal", "plastic", "marble"), ("lamp", "floor lamp"), "Lampe"),
    "mirror": Type(_mirror, _BOARDS, ("mirror", "wall mirror"), "Spiegel"),
}
"""By the usual word for it."""
