"""The twin of operations, its pen: shapes in canonical places, seen by one camera under one light."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from rushes.tasks.operations.twin.look import CENTRE, Colour, Look, Point


class Pen:
    """Draws shapes given in the canonical picture (640 x 480) into a picture of any size.

    The canonical picture fills the height of the target; a wider target sees more on both sides.

    Args:
        image: RGB, drawn into.
        look: camera and light.
    """

    def __init__(self, image: Image.Image, look: Look) -> None:
        width, height = image.size
        scale = height / (2.0 * CENTRE[1])
        self._draw = ImageDraw.Draw(image)
        self._zoom = look.zoom * scale
        self._zoom_x = -self._zoom if look.mirrored else self._zoom
        self._x = width / 2.0 + look.shift[0] * scale
        self._y = height / 2.0 + look.shift[1] * scale
        self._gain = look.gain

    def to_pixels(self, x: float, y: float) -> Point:
        """Where a canonical point lies in the picture, pixels."""
        return self._x + self._zoom_x * (x - CENTRE[0]), self._y + self._zoom * (y - CENTRE[1])

    def shaded(self, colour: Colour, shade: float = 1.0) -> Colour:
        """The colour under this light, within 16 to 239, so that the sensor's noise finds room."""
        gain = self._gain * shade
        red, green, blue = (min(239, max(16, round(part * gain))) for part in colour)
        return red, green, blue

    def shape(self, points: Sequence[Point], colour: Colour, shade: float = 1.0) -> None:
        """A filled polygon."""
        self._draw.polygon([self.to_pixels(x, y) for x, y in points], fill=self.shaded(colour, shade))

    def slab(
        self, x: float, upper: Point, lower: Point, colour: Colour, shade: float = 1.0, *, slant: float = 0.0
    ) -> None:
        """A filled trapezoid around the upright through ``x``.

        Args:
            x: middle of the lower edge.
            upper: height of the upper edge and half of its length.
            lower: the same of the lower edge.
            colour: before light and shade.
            shade: its brightness is multiplied by this.
            slant: how far the upper edge lies to the right.
        """
        (top, half_top), (bottom, half_bottom) = upper, lower
        corners = [(x + slant - half_top, top), (x + slant + half_top, top)]
        self.shape([*corners, (x + half_bottom, bottom), (x - half_bottom, bottom)], colour, shade)

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, shade: float = 1.0) -> None:
        """A filled upright rectangle between two corners."""
        (ax, ay), (bx, by) = self.to_pixels(x0, y0), self.to_pixels(x1, y1)
        corners = (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        self._draw.rectangle(corners, fill=self.shaded(colour, shade))

    def disc(
        self, at: Point, radius: float, colour: Colour, shade: float = 1.0, *, flat: float = 1.0
    ) -> None:
        """A filled ellipse, ``flat`` times as high as wide."""
        (x, y), wide = self.to_pixels(*at), radius * self._zoom
        corners = (x - wide, y - wide * flat, x + wide, y + wide * flat)
        self._draw.ellipse(corners, fill=self.shaded(colour, shade))

    def limb(self, points: Sequence[Point], width: float, colour: Colour, shade: float = 1.0) -> None:
        """A thick line with round joints."""
        pixels = [self.to_pixels(x, y) for x, y in points]
        thick = max(1, round(width * self._zoom))
        self._draw.line(pixels, fill=self.shaded(colour, shade), width=thick, joint="curve")
