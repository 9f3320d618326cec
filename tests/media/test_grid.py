"""Tiles on a canvas: each at its place, nothing elsewhere, and the way back to the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from rushes.media.frame import CompactFrame
from rushes.media.grid import encode_tiles
from rushes.media.image import decode_jpeg
from rushes.media.video import decode
from rushes.records import Media

COLOURS = {(0, 0): (220, 40, 40), (0, 2): (40, 200, 40), (1, 1): (60, 60, 230)}


@pytest.fixture
def make_tile(write_video, tmp_path: Path):
    """A picture of one colour with a white mark, through a real video, at the size of a tile."""

    def make(colour, tile, source=(320, 180), mark=None) -> CompactFrame:
        pixels = np.full((source[1], source[0], 3), colour, np.uint8)
        if mark is not None:
            x, y = mark
            pixels[y - 8 : y + 8, x - 8 : x + 8] = 255
        name = "-".join(map(str, (*colour, *source, *(mark or ())))) + ".mp4"
        path = write_video(tmp_path / name, [pixels] * 2, options={"crf": "5"})
        return next(decode(Media("video", path))).compact(tile)

    return make


@pytest.mark.parametrize("tile", [(84, 56), (112, 84), (196, 84)])
def test_tiles_land_at_their_places_and_the_rest_is_black(make_tile, tile):
    tiles = {place: make_tile(colour, tile) for place, colour in COLOURS.items()}
    canvas = decode_jpeg(encode_tiles(tiles, (3, 2), tile, 95)).astype(int)
    width, height = tile
    assert canvas.shape == (2 * height, 3 * width, 3)
    shown = np.zeros(canvas.shape[:2], bool)
    for (row, column), colour in COLOURS.items():
        box = tiles[row, column].box
        top, left = row * height + box.top, column * width + box.left
        inside = np.s_[top : top + box.content[1], left : left + box.content[0]]
        shown[inside] = True
        assert np.abs(canvas[inside][8:-8, 8:-8] - colour).max() < 24
        assert np.abs(np.median(canvas[inside], axis=(0, 1)) - colour).max() < 4
    # A block of a JPEG that a border runs through rings by a few levels; blocks have 16 pixels a side.
    reached = binary_dilation(shown, iterations=17, structure=np.ones((3, 3)))
    assert canvas[~reached].max() == 0
    assert canvas[~shown].mean() < 10
    assert (~reached).mean() > 0.1  # most of the places without a picture
    assert 0.2 < shown.mean() < 0.5


@pytest.mark.parametrize("source", [(320, 180), (180, 320), (200, 200)])
@pytest.mark.parametrize("place", [(0, 0), (1, 1)])
def test_a_point_of_the_source_is_found_again(make_tile, source, place):
    """Through place, offset and scale, which is what a sample's meta says."""
    tile, mark = (112, 84), (source[0] // 4, source[1] * 2 // 3)
    picture = make_tile((20, 20, 20), tile, source, mark)
    canvas = decode_jpeg(encode_tiles({place: picture}, (2, 2), tile, 95)).astype(int).sum(axis=2)
    rows, columns = np.nonzero(canvas > 380)
    x, y = columns.mean() + 0.5 - place[1] * tile[0], rows.mean() + 0.5 - place[0] * tile[1]
    box = picture.box
    assert box.source == source
    for found, offset, scale, expected in zip((x, y), (box.left, box.top), box.scale, mark, strict=True):
        assert abs((found - offset) / scale - expected) < 1.5 / scale


def test_a_tile_on_the_canvas_is_the_tile_alone(make_tile):
    """One decoder's planes: joined or alone, the same pixels, but where colours of two tiles meet."""
    tile = (112, 64)
    picture = make_tile((90, 140, 30), tile, mark=(80, 60))
    alone = decode_jpeg(picture.jpeg(95))
    joined = decode_jpeg(encode_tiles({(0, 1): picture, (1, 0): picture}, (2, 2), tile, 95))
    np.testing.assert_array_equal(joined[:63, 113:], alone[:63, 1:])
    np.testing.assert_array_equal(joined[65:, :111], alone[1:, :111])


def test_better_quality_takes_more_bytes(make_tile):
    picture = make_tile((90, 140, 30), (112, 84), mark=(80, 60))
    sizes = [len(encode_tiles({(0, 0): picture}, (1, 1), (112, 84), quality)) for quality in (40, 70, 95)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
