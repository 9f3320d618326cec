"""The twin of operations, its box: flat carton, on its side, open, closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rushes.tasks.operations.twin.look import Look
from rushes.tasks.operations.twin.motion import Box
from rushes.tasks.operations.twin.pen import Pen
from rushes.tasks.operations.twin.props import CUSHION, INK, LABEL_YELLOW, TAPE, WHITE

HALF, INNER, HIGH, DEEP = 85.0, 68.0, 85.0, 50.0
"""Half the width of front and rear edge, height of the front, depth of the top as it is seen; at scale 1."""


def draw_box(pen: Pen, look: Look, box: Box) -> None:
    """The box in work."""
    FORMS[box.form](pen, look, box)


def _flat(pen: Pen, look: Look, box: Box) -> None:
    (x, y), up = box.at, box.fold
    half, top = 120 - 35 * up, y - 30 - 60 * up
    pen.slab(x, (top, half), (y, half), look.carton, 0.95)
    pen.slab(x, (top - 18 - 30 * up, half + 25), (top, half), look.carton, 1.12)
    pen.limb([(x, top), (x, y)], 4, look.carton, 0.6)


def _on_side(pen: Pen, look: Look, box: Box) -> None:
    """Its opening to the right, so that the seam of its bottom lies on top; flaps stick out."""
    x, y = box.at
    pen.shape([(x + 58, y - 78), (x + 112, y - 138), (x + 88, y - 156), (x + 40, y - 118)], look.carton, 0.7)
    pen.block(x - 95, y - 78, x + 58, y, look.carton, 0.85)
    pen.shape([(x - 95, y - 78), (x + 58, y - 78), (x + 40, y - 118), (x - 80, y - 118)], look.carton, 1.08)
    pen.shape(
        [(x + 58, y), (x + 58, y - 78), (x + 40, y - 118), (x + 84, y - 108), (x + 92, y - 8)],
        look.carton,
        0.38,
    )
    pen.shape([(x + 58, y), (x + 92, y - 8), (x + 145, y + 16), (x + 112, y + 30)], look.carton, 1.2)
    if box.tape > 0.0:
        pen.block(x - 88, y - 106, x - 88 + 150 * box.tape, y - 90, TAPE)


def _open(pen: Pen, look: Look, box: Box) -> None:
    (x, y), k, fold = box.at, box.scale, box.fold
    half, inner, rim, back = HALF * k, INNER * k, y - HIGH * k, y - (HIGH + DEEP) * k
    pen.slab(x, (back - 45 * k * (1.0 - 1.7 * fold), inner), (back, inner), look.carton, 0.9)
    pen.slab(x, (back, inner), (rim, half), look.carton, 0.38)
    if box.fill > 0.3:
        level = rim - 4 * k
        stuff = CUSHION if box.fill > 0.85 else look.goods[0]
        pen.slab(x, (level - (DEEP - 6) * k * min(1.0, box.fill), inner - 4), (level, half - 8), stuff)
    pen.block(x - half, rim, x + half, y, look.carton)
    reach = 52 * k * (1.0 - 1.6 * fold)
    for side in (-1, 1):
        outer = [(x + side * (inner + reach), back - 14 * k), (x + side * (half + reach), rim - 10 * k)]
        pen.shape([(x + side * half, rim), (x + side * inner, back), *outer], look.carton, 1.15)
    pen.slab(x, (rim, half), (rim + 34 * k * (1.0 - 2.0 * fold), half + 6), look.carton, 1.22)


def _closed(pen: Pen, look: Look, box: Box) -> None:
    (x, y), k = box.at, box.scale
    half, rim = HALF * k, y - HIGH * k
    pen.block(x - half, rim, x + half, y, look.carton)
    pen.slab(x, (rim - DEEP * k, INNER * k), (rim, half), look.carton, 1.15)
    start = x - 77 * k
    if box.tape > 0.0:
        pen.block(start, rim - 32 * k, start + 154 * k * box.tape, rim - 18 * k, TAPE)
    if box.tape >= 1.0:
        pen.block(x - half, rim - 6 * k, x - half + 14 * k, rim + 22 * k, TAPE, 0.95)
        pen.block(x + half - 14 * k, rim - 6 * k, x + half, rim + 22 * k, TAPE, 0.95)
    size = look.prop_scale * k
    if box.label:
        pen.block(x - 26 * size, rim + 20 * k, x + 26 * size, rim + 20 * k + 38 * size, LABEL_YELLOW)
    if box.shipping:
        low, wide, tall = rim - 6 * k, 42 * size, 32 * size
        pen.slab(x, (low - tall, 0.9 * wide), (low, wide), WHITE)
        pen.block(x - wide * 0.6, low - tall * 0.5, x + wide * 0.6, low - tall * 0.25, INK)


FORMS: Mapping[str, Callable[[Pen, Look, Box], None]] = {
    "flat": _flat,
    "side": _on_side,
    "open": _open,
    "closed": _closed,
}
