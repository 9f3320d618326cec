"""The twin of operations, its picture: one frame of a packing bench, seen from the front.

Far to near: curtains, rack and back table (drawn once a session), what stands on them, the worker, the bench
(drawn once), what lies on it, the arms, the tool. Nothing is written in the picture, no letter and no number,
and every shape is a thing that a packing bench has.
"""

from __future__ import annotations

from math import hypot

from PIL import Image

from rushes.tasks.operations.twin.box import draw_box
from rushes.tasks.operations.twin.look import Colour, Look, Point
from rushes.tasks.operations.twin.motion import BACK_TABLE, FORM, RACK, Body, Moment
from rushes.tasks.operations.twin.pen import Pen
from rushes.tasks.operations.twin.props import (
    STEEL,
    draw_back_boxes,
    draw_beam,
    draw_form,
    draw_goods,
    draw_leaning_carton,
    draw_printer,
    draw_rack_goods,
    draw_sheet,
    draw_tool,
    draw_waiting,
)

BENCH_Y = 292.0
"""Rear edge of the bench in the canonical picture."""

TROUSERS: Colour = (52, 56, 74)
UPPER_ARM, FOREARM = 92.0, 98.0


class BenchScene:
    """The bench of one session, drawn frame by frame.

    Args:
        look: person, bench, camera and light.
        size: width and height of the frames, pixels.
    """

    def __init__(self, look: Look, size: tuple[int, int]) -> None:
        self.look = look
        self._back = Image.new("RGB", size)
        _draw_room(Pen(self._back, look), look)
        whole = self._back.copy()
        pen = Pen(whole, look)
        _draw_bench(pen, look)
        self._bench_top = max(0, round(pen.to_pixels(0.0, BENCH_Y)[1]))
        self._bench = whole.crop((0, self._bench_top, *size))

    def draw(self, moment: Moment) -> Image.Image:
        """The picture of a moment, RGB, without the sensor's noise."""
        look, body, waiting = self.look, moment.body, moment.waiting
        image = self._back.copy()
        pen = Pen(image, look)
        if "Picking" in waiting:
            draw_rack_goods(pen, look)
        if "Put on Back Table" not in waiting:
            draw_back_boxes(pen, look)
        _draw_worker(pen, look, body)
        if "Assemble Box" in waiting:
            draw_leaning_carton(pen, look)
        image.paste(self._bench, (0, self._bench_top))
        draw_printer(pen, look, label="Attach Shipping Label" in waiting)
        box_on_bench = moment.box is not None and body.scale > 0.99
        if moment.box is not None and box_on_bench:
            draw_box(pen, look, moment.box)
        for operation in sorted(waiting):
            draw_waiting(pen, look, operation)
        if moment.goods:
            draw_goods(pen, look, moment.goods, tagged=moment.tagged)
        if moment.sheet is not None:
            draw_sheet(pen, moment.sheet)
        if moment.form is not None:
            draw_form(pen, look, FORM, moment.form)
        if moment.box is not None and not box_on_bench:
            draw_box(pen, look, moment.box)
        if moment.beam is not None:
            draw_beam(pen, look, body.right, moment.beam)
        _draw_arms(pen, look, body)
        if moment.tool is not None:
            draw_tool(pen, look, moment.tool, body.right if moment.tool_right else body.left)
        return image


def _draw_room(pen: Pen, look: Look) -> None:
    pen.block(-400, -200, 1040, 110, look.wall, 1.12)
    for left in (-120, 90, 330, 560):
        pen.block(left, 18, left + 130, 30, (244, 246, 246))
    pen.block(-400, 60, 1040, 320, look.curtain, 0.85)
    for fold in range(-6, 20):
        pen.block(fold * 52, 60, fold * 52 + 18, 320, look.curtain, 0.78)
    pen.block(-400, 262, 1040, 700, (92, 94, 104))
    for x, y in (RACK, BACK_TABLE):
        x, y = x + look.spread[0], y + look.spread[1]
        pen.block(x - 115, y, x + 115, y + 12, (214, 214, 210))
        for leg in (-105, 97):
            pen.block(x + leg, y + 12, x + leg + 8, y + 90, STEEL)


def _draw_bench(pen: Pen, look: Look) -> None:
    pen.block(-400, BENCH_Y, 1040, 700, look.bench)
    pen.block(-400, BENCH_Y, 1040, BENCH_Y + 6, look.bench, 1.15)
    pen.block(-400, 470, 1040, 700, look.bench, 0.6)
    pen.block(-40, 304, 40, 350, (60, 110, 170))
    pen.block(-40, 304, 40, 312, (60, 110, 170), 0.6)
    pen.disc((60, 322), 17, (222, 206, 150))
    pen.disc((60, 322), 8, (90, 70, 50))
    pen.block(618, 390, 700, 440, (180, 180, 176), 0.9)


def _draw_worker(pen: Pen, look: Look, body: Body) -> None:
    x, y, k = body.x, body.y, body.scale
    pen.slab(x, (y + 150 * k, 46 * k), (330, 50 * k), TROUSERS)
    shade = 0.85 if body.turned else 1.0
    pen.slab(x, (y - 10 * k, 38 * k), (y + 9 * k, 62 * k), look.shirt, shade)
    pen.slab(x, (y + 8 * k, 62 * k), (y + 165 * k, 50 * k), look.shirt, shade)
    head_y = y - (52 - 26 * body.bow) * k
    pen.block(x - 14 * k, head_y + 18 * k, x + 14 * k, y - 2, look.skin, 0.8)
    pen.disc((x, head_y), 33 * k, look.hair if body.turned else look.skin, flat=1.15)
    if not body.turned:
        pen.disc((x, head_y - (17 - 12 * body.bow) * k), 34 * k, look.hair, flat=0.72 + 0.2 * body.bow)


def _draw_arms(pen: Pen, look: Look, body: Body) -> None:
    for side, hand in ((-1, body.left), (1, body.right)):
        shoulder = (body.x + side * 54 * body.scale, body.y + 12 * body.scale)
        elbow = _elbow(shoulder, hand, body.scale, side)
        width = 30 * body.scale
        pen.limb([shoulder, elbow], width, look.shirt, 0.9)
        pen.disc(elbow, width / 2, look.shirt, 0.9)
        pen.limb([elbow, hand], width * 0.85, look.skin, 0.95)
        pen.disc(hand, 19 * body.scale, look.glove)


def _elbow(shoulder: Point, hand: Point, scale: float, side: int) -> Point:
    """Where the elbow lies: out and down, so that both halves of the arm keep their length if they can."""
    dx, dy = hand[0] - shoulder[0], hand[1] - shoulder[1]
    apart = max(1.0, hypot(dx, dy))
    upper, fore = UPPER_ARM * scale, FOREARM * scale
    along = min(1.0, max(0.25, (upper**2 - fore**2 + apart**2) / (2.0 * apart**2)))
    out = max(0.0, upper**2 - (along * apart) ** 2) ** 0.5
    out = min(out, 55.0 * scale)
    bend = -side * out / apart
    return shoulder[0] + along * dx - bend * dy, shoulder[1] + along * dy + bend * dx
