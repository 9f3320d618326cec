"""The twin of operations, its things: goods, tools, labels, and the props that wait for an operation."""

from __future__ import annotations

from rushes.tasks.operations.twin.look import Colour, Look, Point
from rushes.tasks.operations.twin.motion import (
    BACK_TABLE,
    FORM_TRAY,
    GOODS,
    PRINTER,
    RACK,
    SHEET,
    SPARE,
    Tool,
)
from rushes.tasks.operations.twin.pen import Pen

WHITE: Colour = (238, 238, 234)
INK: Colour = (40, 40, 46)
STEEL: Colour = (62, 64, 70)
TAPE: Colour = (226, 204, 130)
SHEET_GREEN: Colour = (176, 232, 168)
LABEL_YELLOW: Colour = (248, 222, 70)
CUSHION: Colour = (206, 226, 238)
BEAM_RED: Colour = (238, 48, 40)
PEN_BLUE: Colour = (30, 60, 170)


# --- on the bench -----------------------------------------------------------------------------------------


def draw_goods(pen: Pen, look: Look, goods: int, *, tagged: bool) -> None:
    """Goods laid out on the bench, with their white item labels or without."""
    x, y = GOODS[0] + look.spread[0] / 2, GOODS[1]
    size = 17 * look.prop_scale
    for place, colour in enumerate(look.goods[:goods]):
        middle, low = x - 52 + 60 * place, y + 6 * (place % 2)
        top = low - 66 - 12 * (place % 2)
        pen.block(middle - 27, top, middle + 27, low, colour)
        pen.slab(middle, (top - 14, 20), (top, 27), colour, 1.2)
        if tagged:
            pen.block(middle - size, top + 10, middle + size, top + 10 + 1.7 * size, WHITE)


def draw_sheet(pen: Pen, share: float, at: Point = SHEET) -> None:
    """The backing sheet, with the share of item labels that it has taken so far."""
    x, y = at
    pen.slab(x, (y - 58, 92), (y + 28, 112), SHEET_GREEN)
    for place in range(int(share * 4 + 0.5)):
        left = x - 78 + 42 * place
        pen.block(left, y - 42, left + 30, y - 12, WHITE)


def draw_form(pen: Pen, look: Look, at: Point, share: float) -> None:
    """The order form, the share ``share`` of its rows ticked."""
    x, y = at
    pen.slab(x, (y - 66, 98), (y + 30, 116), look.form)
    for row in range(4):
        height, ticked = y - 44 + 19 * row, share * 4 > row
        if ticked:
            pen.limb([(x - 76, height), (x + 74, height)], 8, INK)
        else:
            pen.limb([(x - 76, height), (x + 40, height)], 2, INK, 2.6)


def draw_printer(pen: Pen, look: Look, *, label: bool) -> None:
    """The label printer, with a label hanging out of it or not."""
    x, y = PRINTER[0] + look.spread[0], PRINTER[1]
    pen.slab(x, (y - 88, 52), (y - 62, 60), STEEL, 1.5)
    pen.block(x - 60, y - 62, x + 60, y, STEEL)
    pen.block(x - 38, y - 34, x + 38, y - 26, INK, 0.5)
    if label:
        wide, tall = 34 * look.prop_scale, 66 * look.prop_scale
        pen.slab(x + 5, (y - 30, wide), (y - 30 + tall, wide), WHITE, slant=-5)
        pen.block(x - wide * 0.6, y - 14, x + wide * 0.7, y - 4, INK)


# --- in the hand ------------------------------------------------------------------------------------------


def draw_tool(pen: Pen, look: Look, tool: Tool, hand: Point) -> None:
    """What the hand at ``hand`` holds."""
    (x, y), k = hand, look.prop_scale
    match tool:
        case "tape":
            _draw_dispenser(pen, look, (x + 6, y + 4))
        case "scanner":
            _draw_scanner(pen, look, hand)
        case "pen":
            pen.limb([(x - 14, y + 26), (x + 22 * k, y - 40 * k)], 10 * k, PEN_BLUE)
        case "good":
            pen.block(x - 26, y + 2, x + 28, y + 62, look.goods[0])
        case "goods":
            for place, colour in enumerate(look.goods):
                height = y - 18 - 26 * place
                pen.block(x - 108 + 4 * place, height, x - 14 - 4 * place, height + 26, colour)
        case "tag":
            pen.block(x - 15 * k, y - 4, x + 15 * k, y + 20 * k, WHITE)
        case "box label":
            pen.block(x - 28 * k, y - 22 * k, x + 28 * k, y + 22 * k, LABEL_YELLOW)
        case "shipping label":
            pen.block(x - 44 * k, y - 6, x + 24 * k, y + 52 * k, WHITE)
            pen.block(x - 30 * k, y + 8, x + 14 * k, y + 18, INK)


def draw_beam(pen: Pen, look: Look, hand: Point, target: Point) -> None:
    """The scanner's red light, from the hand to where it falls."""
    (x, y), wide = hand, 62.0 * look.prop_scale
    pen.shape(
        [(x - 22, y + 8), (target[0] + wide, target[1] + 6), (target[0] - wide, target[1] - 6)], BEAM_RED
    )


def _draw_dispenser(pen: Pen, look: Look, at: Point) -> None:
    (x, y), k = at, look.prop_scale
    pen.slab(x, (y - 24 * k, 26 * k), (y + 14 * k, 44 * k), look.dispenser)
    pen.disc((x + 8 * k, y - 16 * k), 24 * k, TAPE)
    pen.disc((x + 8 * k, y - 16 * k), 10 * k, INK)


def _draw_cushion(pen: Pen, look: Look, at: Point) -> None:
    """A bag of air that goes on top of the goods, last of all."""
    (x, y), k = at, look.prop_scale
    for place in (-1, 0, 1):
        pen.disc((x + 48 * k * place, y - 14), 32 * k, CUSHION, 0.94 + 0.06 * place, flat=1.1)


def _draw_scanner(pen: Pen, look: Look, at: Point) -> None:
    (x, y), k = at, look.prop_scale
    head = ((-44, -22), (24, -34), (28, -4), (-40, 6))
    grip = ((2, -4), (24, -4), (34, 44), (12, 44))
    pen.shape([(x + k * dx, y + k * dy) for dx, dy in head], INK)
    pen.shape([(x + k * dx, y + k * dy) for dx, dy in grip], STEEL)


# --- waiting for an operation -----------------------------------------------------------------------------


def draw_rack_goods(pen: Pen, look: Look) -> None:
    """Goods that wait in the rack to be picked."""
    x, y, k = RACK[0] + look.spread[0], RACK[1] + look.spread[1], look.prop_scale
    for place in range(3):
        left = x - 105 + 62 * place
        pen.block(left, y - 60 * k, left + 54, y, look.goods[place])
        pen.block(left + 6, y - 90 * k, left + 46, y - 60 * k, look.goods[(place + 1) % 3])


def draw_back_boxes(pen: Pen, look: Look) -> None:
    """Packed boxes that fill the back table; it is cleared before one more can be put there."""
    x, y = BACK_TABLE[0] + look.spread[0], BACK_TABLE[1] + look.spread[1]
    for left, low, wide, high in ((-95, 0, 95, 62), (5, 0, 100, 70), (-75, -62, 80, 48), (15, -70, 78, 46)):
        pen.block(x + left, y + low - high, x + left + wide, y + low, look.carton, 0.8 if low else 0.92)
        pen.block(x + left + wide * 0.4, y + low - high, x + left + wide * 0.55, y + low, TAPE, 0.9)


def draw_leaning_carton(pen: Pen, look: Look) -> None:
    """A flat carton that leans at the bench, ready to be folded."""
    top = 300 - 118 * look.prop_scale
    pen.slab(137, (top, 66), (300, 68), look.carton, 1.1, slant=20)
    pen.limb([(137, 300), (157, top)], 4, look.carton, 0.65)


def draw_waiting(pen: Pen, look: Look, operation: str) -> None:
    """The prop that ``operation`` needs, waiting on the bench; none if its prop waits elsewhere."""
    k = look.prop_scale
    match operation:
        case "Relocate Item Label":
            draw_goods(pen, look, 3, tagged=True)
            draw_sheet(pen, 0.0, SPARE)
        case "Insert Items":
            draw_goods(pen, look, 3, tagged=False)
        case "Close Box":
            _draw_dispenser(pen, look, (215, 445))
            _draw_cushion(pen, look, SPARE)
        case "Attach Box Label":
            pen.slab(330, (418, 38 * k), (418 + 46 * k, 50 * k), LABEL_YELLOW)
            pen.disc((330 - 34 * k, 424 + 18 * k), 21 * k, WHITE, flat=0.7)
        case "Scan Label":
            _draw_scanner(pen, look, (425, 430))
            pen.disc((425 - 50 * k, 424), 15 * k, BEAM_RED)
        case "Fill out Order":
            draw_form(pen, look, FORM_TRAY, 0.0)
