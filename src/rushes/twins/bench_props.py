"""The twin of operations, its things: box, goods, tools, labels, and the props that wait for the next operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rushes.twins.bench_look import Colour, Look, Point
from rushes.twins.bench_motion import BACK_TABLE, FORM, GOODS, PRINTER, RACK, SHEET, Box, Tool
from rushes.twins.bench_pen import Pen

WHITE: Colour = (238, 238, 234)
INK: Colour = (40, 40, 46)
TAPE: Colour = (226, 204, 130)
SHEET_GREEN: Colour = (196, 232, 190)
LABEL_YELLOW: Colour = (248, 222, 90)
BEAM_RED: Colour = (238, 48, 40)
CUSHION: Colour = (216, 232, 238)
STEEL: Colour = (62, 64, 70)


def draw_box(pen: Pen, look: Look, box: Box) -> None:
    """The box in work."""
    BOXES[box.form](pen, look, box)


def _flat_box(pen: Pen, look: Look, box: Box) -> None:
    (x, y), up = box.at, box.fold
    half, height = 120 - 35 * up, 30 + 60 * up
    pen.shape(
        [(x - half, y - height), (x + half, y - height), (x + half, y), (x - half, y)], look.carton, 0.95
    )
    pen.shape(
        [(x - half, y - height), (x + half, y - height), (x + half + 25, y - height - 18 - 30 * up),
         (x - half - 25, y - height - 18 - 30 * up)],
        look.carton, 1.12,
    )  # fmt: skip
    pen.limb([(x, y - height), (x, y)], 4, look.carton, 0.6)


def _side_box(pen: Pen, look: Look, box: Box) -> None:
    """Lying with its opening to the right: the bottom seam lies on top, flaps stick out."""
    x, y = box.at
    pen.shape([(x - 95, y), (x + 70, y), (x + 70, y - 78), (x - 95, y - 78)], look.carton, 0.85)
    pen.shape([(x - 95, y - 78), (x + 70, y - 78), (x + 50, y - 118), (x - 80, y - 118)], look.carton, 1.08)
    pen.shape([(x + 70, y), (x + 135, y + 22), (x + 135, y - 60), (x + 70, y - 78)], look.carton, 1.2)
    pen.shape([(x + 70, y - 78), (x + 120, y - 130), (x + 98, y - 150), (x + 50, y - 118)], look.carton, 0.7)
    if box.tape > 0.0:
        end = x - 88 + 150 * box.tape
        pen.shape([(x - 88, y - 90), (end, y - 90), (end, y - 106), (x - 85, y - 106)], TAPE)


def _open_box(pen: Pen, look: Look, box: Box) -> None:
    (x, y), k, fold = box.at, box.scale, box.fold
    half, inner, high, deep = 85 * k, 68 * k, 85 * k, 50 * k
    rim, back = y - high, y - high - deep
    up = 1.0 - 1.7 * fold
    pen.shape([(x - inner, back), (x + inner, back), (x + inner, back - 45 * k * up), (x - inner, back - 45 * k * up)],
              look.carton, 0.9)  # fmt: skip
    pen.shape([(x - inner, back), (x + inner, back), (x + half, rim), (x - half, rim)], look.carton, 0.38)
    if box.fill > 0.3:
        level = rim - 4 * k
        top = level - (deep - 6 * k) * min(1.0, box.fill)
        pen.shape([(x - inner + 4, top), (x + inner - 4, top), (x + half - 8, level), (x - half + 8, level)],
                  CUSHION if box.fill > 0.85 else look.goods[0])  # fmt: skip
    pen.shape([(x - half, y), (x + half, y), (x + half, rim), (x - half, rim)], look.carton)
    reach = 52 * k * (1.0 - 1.6 * fold)
    for side in (-1, 1):
        pen.shape([(x + side * half, rim), (x + side * inner, back), (x + side * (inner + reach), back - 14 * k),
                   (x + side * (half + reach), rim - 10 * k)], look.carton, 1.15)  # fmt: skip
    fall = 34 * k * (1.0 - 2.0 * fold)
    pen.shape([(x - half, rim), (x + half, rim), (x + half + 6, rim + fall), (x - half - 6, rim + fall)],
              look.carton, 1.22)  # fmt: skip


def _closed_box(pen: Pen, look: Look, box: Box) -> None:
    (x, y), k = box.at, box.scale
    half, inner, high, deep = 85 * k, 68 * k, 85 * k, 50 * k
    rim, back = y - high, y - high - deep
    pen.shape([(x - half, y), (x + half, y), (x + half, rim), (x - half, rim)], look.carton)
    pen.shape([(x - inner, back), (x + inner, back), (x + half, rim), (x - half, rim)], look.carton, 1.15)
    if box.tape > 0.0:
        start, end = x - 77 * k, x - 77 * k + 154 * k * box.tape
        pen.shape(
            [(start, rim - 18 * k), (end, rim - 18 * k), (end, rim - 32 * k), (start, rim - 32 * k)], TAPE
        )
        if box.tape >= 1.0:
            pen.block(x - half, rim - 6 * k, x - half + 14 * k, rim + 22 * k, TAPE, 0.95)
            pen.block(x + half - 14 * k, rim - 6 * k, x + half, rim + 22 * k, TAPE, 0.95)
    size = look.prop_scale * k
    if box.label:
        pen.block(x - 24 * size, rim + 20 * k, x + 24 * size, rim + 20 * k + 36 * size, LABEL_YELLOW)
    if box.shipping:
        wide, tall = 40 * size, 32 * size
        pen.shape([(x - wide * 0.9, rim - 8 * k - tall), (x + wide * 0.9, rim - 8 * k - tall),
                   (x + wide, rim - 8 * k), (x - wide, rim - 8 * k)], WHITE)  # fmt: skip
        pen.block(x - wide * 0.6, rim - 14 * k - tall * 0.3, x + wide * 0.6, rim - 13 * k, INK)


BOXES: Mapping[str, Callable[[Pen, Look, Box], None]] = {
    "flat": _flat_box,
    "side": _side_box,
    "open": _open_box,
    "closed": _closed_box,
}


# --- on the bench -------------------------------------------------------------------------------------------


def draw_goods(pen: Pen, look: Look, goods: int, *, tagged: bool) -> None:
    """Goods laid out on the bench, with their white item labels or without."""
    x, y = GOODS[0] + look.spread[0] / 2, GOODS[1]
    for place in range(goods):
        left, low = x - 75 + 58 * place, y + 6 * (place % 2)
        high = 62 + 14 * (place % 2)
        pen.block(left, low - high, left + 50, low, look.goods[place])
        pen.shape([(left, low - high), (left + 50, low - high), (left + 44, low - high - 14),
                   (left + 6, low - high - 14)], look.goods[place], 1.2)  # fmt: skip
        if tagged:
            size = 17 * look.prop_scale
            pen.block(
                left + 25 - size, low - high + 10, left + 25 + size, low - high + 10 + 1.7 * size, WHITE
            )


def draw_sheet(pen: Pen, look: Look, share: float) -> None:
    """The backing sheet that takes the item labels."""
    x, y = SHEET
    pen.shape([(x - 30, y - 40), (x + 95, y - 40), (x + 105, y + 26), (x - 35, y + 26)], SHEET_GREEN)
    for place in range(int(share * 4 + 0.5)):
        left = x - 20 + 30 * place
        pen.block(left, y - 28, left + 20, y - 8, WHITE)


def draw_form(pen: Pen, look: Look, share: float) -> None:
    """The order form laid out, its rows ticked one by one."""
    x, y = FORM
    pen.shape([(x - 80, y - 58), (x + 70, y - 58), (x + 88, y + 28), (x - 92, y + 28)], look.form)
    for row in range(4):
        dark = share * 4 > row
        pen.limb([(x - 60, y - 42 + 18 * row), (x + 30 + 22 * dark, y - 42 + 18 * row)], 5 if dark else 2, INK,
                 1.0 if dark else 2.6)  # fmt: skip


def draw_printer(pen: Pen, look: Look, *, label: bool) -> None:
    """The label printer, with a label hanging out of it or not."""
    x, y = PRINTER[0] + look.spread[0], PRINTER[1]
    pen.shape([(x - 60, y - 62), (x + 60, y - 62), (x + 52, y - 88), (x - 52, y - 88)], STEEL, 1.5)
    pen.block(x - 60, y - 62, x + 60, y, STEEL)
    pen.block(x - 38, y - 34, x + 38, y - 26, INK, 0.5)
    if label:
        wide, tall = 34 * look.prop_scale, 66 * look.prop_scale
        pen.shape([(x - wide, y - 30), (x + wide, y - 30), (x + wide + 5, y - 30 + tall),
                   (x - wide + 5, y - 30 + tall)], WHITE)  # fmt: skip
        pen.block(x - wide * 0.6, y - 14, x + wide * 0.7, y - 4, INK)


def draw_tool(pen: Pen, look: Look, tool: Tool, hand: Point) -> None:
    """What the hand at ``hand`` holds."""
    (x, y), k = hand, look.prop_scale
    if tool == "tape":
        _dispenser(pen, look, x + 6, y + 4)
    elif tool == "scanner":
        _scanner(pen, look, x, y)
    elif tool == "pen":
        pen.limb([(x - 14, y + 26), (x + 22 * k, y - 34 * k)], 9 * k, (30, 60, 170))
    elif tool == "good":
        pen.block(x - 22, y + 2, x + 26, y + 58, look.goods[0])
    elif tool == "goods":
        for place, colour in enumerate(look.goods):
            pen.block(
                x - 108 + 4 * place, y - 18 - 26 * place, x - 14 - 4 * place, y + 8 - 26 * place, colour
            )
    elif tool == "tag":
        pen.block(x - 15 * k, y - 4, x + 15 * k, y + 20 * k, WHITE)
    elif tool == "box label":
        pen.block(x - 26 * k, y - 20 * k, x + 26 * k, y + 20 * k, LABEL_YELLOW)
    elif tool == "shipping label":
        pen.block(x - 44 * k, y - 6, x + 24 * k, y + 52 * k, WHITE)
        pen.block(x - 30 * k, y + 8, x + 14 * k, y + 18, INK)


def draw_beam(pen: Pen, look: Look, hand: Point, target: Point) -> None:
    """The scanner's red light, from the hand to the box."""
    (x, y), wide = hand, 62.0 * look.prop_scale
    pen.shape(
        [(x - 22, y + 8), (target[0] + wide, target[1] + 6), (target[0] - wide, target[1] - 6)], BEAM_RED
    )


def _dispenser(pen: Pen, look: Look, x: float, y: float) -> None:
    k = look.prop_scale
    pen.shape([(x - 44 * k, y + 14 * k), (x + 40 * k, y + 14 * k), (x + 30 * k, y - 26 * k), (x - 20 * k, y - 20 * k)],
              look.dispenser)  # fmt: skip
    pen.disc(x + 8 * k, y - 16 * k, 24 * k, TAPE)
    pen.disc(x + 8 * k, y - 16 * k, 10 * k, INK)


def _scanner(pen: Pen, look: Look, x: float, y: float) -> None:
    k = look.prop_scale
    pen.shape(
        [
            (x - 44 * k, y - 22 * k),
            (x + 24 * k, y - 34 * k),
            (x + 28 * k, y - 4 * k),
            (x - 40 * k, y + 6 * k),
        ],
        INK,
    )
    pen.shape(
        [(x + 2 * k, y - 4 * k), (x + 24 * k, y - 4 * k), (x + 34 * k, y + 44 * k), (x + 12 * k, y + 44 * k)],
        STEEL,
    )


# --- waiting for the next operation ---------------------------------------------------------------------------


def draw_rack_goods(pen: Pen, look: Look) -> None:
    """Goods of the next order in the rack."""
    x, y, k = RACK[0] + look.spread[0], RACK[1] + look.spread[1], look.prop_scale
    for place in range(3):
        left = x - 105 + 62 * place
        pen.block(left, y - 66 * k, left + 54, y, look.goods[place])
        pen.block(left + 6, y - 100 * k, left + 46, y - 66 * k, look.goods[(place + 1) % 3])


def draw_back_boxes(pen: Pen, look: Look) -> None:
    """Packed boxes that fill the back table."""
    x, y = BACK_TABLE[0] + look.spread[0], BACK_TABLE[1] + look.spread[1]
    for left, low, wide, high in ((-95, 0, 95, 62), (5, 0, 100, 70), (-75, -62, 80, 48), (15, -70, 78, 46)):
        pen.block(x + left, y + low - high, x + left + wide, y + low, look.carton, 0.8 if low else 0.92)
        pen.block(x + left + wide * 0.4, y + low - high, x + left + wide * 0.55, y + low, TAPE, 0.9)


def draw_waiting(pen: Pen, look: Look, operation: str) -> None:
    """The prop that ``operation`` will need, in its place on the bench; see also the two above."""
    k = look.prop_scale
    if operation == "Relocate Item Label":
        draw_goods(pen, look, 3, tagged=True)
    elif operation == "Insert Items":
        draw_goods(pen, look, 3, tagged=False)
    elif operation == "Close Box":
        _dispenser(pen, look, 215.0, 445.0)
    elif operation == "Attach Box Label":
        pen.shape(
            [(296, 420), (296 + 74 * k, 420), (302 + 84 * k, 420 + 44 * k), (286, 420 + 44 * k)], LABEL_YELLOW
        )
        pen.disc(300, 425 + 18 * k, 22 * k, WHITE, flat=0.7)
    elif operation == "Scan Label":
        _scanner(pen, look, 420.0, 432.0)
        pen.disc(372 + 10 * (1 - k), 425, 13 * k, BEAM_RED)
    elif operation == "Fill out Order":
        draw_form(pen, look, 0.0)


def draw_leaning_carton(pen: Pen, look: Look) -> None:
    """A flat carton that leans at the bench, ready to be folded."""
    pen.shape([(70, 300), (205, 300), (222, 300 - 118 * look.prop_scale), (92, 300 - 118 * look.prop_scale)],
              look.carton, 1.1)  # fmt: skip
    pen.limb([(138, 300), (157, 300 - 118 * look.prop_scale)], 4, look.carton, 0.65)
