from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import reference_decoder as reference
from PIL import Image, ImageOps

from rushes.errors import MediaError
from rushes.media.frame import Frame
from rushes.media.geometry import EXIF_ORIENTATIONS, UPRIGHT, Geometry, letterbox
from rushes.media.image import decode_jpeg_luma, encode_jpeg, jpeg_orientation
from rushes.media.video import decode, probe
from rushes.media.zipped import members
from rushes.records import Media

ASPECTS = (Fraction(1), Fraction(4, 3), Fraction(64, 51), Fraction(1, 2))
CROPS = ((0, 0), (20, 10))
FRAME = (224, 168)

Case = tuple[Fraction, tuple[int, int], str]
CASES = list(product(ASPECTS, CROPS, reference.MATRICES))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """The scene as mp4: shape of its pixels, crop, orientation."""
    folder = tmp_path_factory.mktemp("geometry")
    plain = {
        (aspect, crop): reference.write_scene(folder / f"{number}.mp4", reference.scene(), aspect, crop)
        for number, (aspect, crop) in enumerate(product(ASPECTS, CROPS))
    }

    def write(case: Case) -> Path:
        aspect, crop, name = case
        to = folder / "case.mp4"
        return reference.with_matrix(plain[aspect, crop], reference.MATRICES[name], to)

    return write


def first(path: Path) -> Frame:
    return next(decode(Media("video", path)))


def content(frame: Frame) -> np.ndarray:
    """Luma of the picture inside of the letterboxed JPEG; around it everything is black."""
    luma = decode_jpeg_luma(frame.jpeg(FRAME, 95)).astype(float)
    box = frame.geometry.letterbox(FRAME)
    inside = np.zeros(luma.shape, bool)
    inside[box.top : box.top + box.content[1], box.left : box.left + box.content[0]] = True
    assert luma[~inside].mean() < 2 if (~inside).any() else True
    return luma[inside].reshape(box.content[::-1])


def error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - expected).mean())


def named(case: Case) -> str:
    aspect, crop, name = case
    return f"{aspect.numerator}-{aspect.denominator}-{'cropped' if any(crop) else 'whole'}-{name.replace(' ', '-')}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_video_is_shown_as_its_header_says(written: Callable, case: Case) -> None:
    """Eight orientations, four shapes of pixels, with and without crop, against arrays."""
    aspect, crop, name = case
    expected = reference.shown_by_arrays(reference.scene(), aspect, crop, reference.MATRICES[name])
    frame = first(written(case))
    size = (frame.width, frame.height)
    assert size == expected.shape[::-1]
    assert error(frame.luma(size), expected) < 2
    inside = content(frame)
    assert error(inside, reference.scaled(expected, inside.shape[::-1])) < 2


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_video_is_shown_as_ffmpeg_shows_it(written: Callable, case: Case) -> None:
    ffmpeg = reference.program()
    if ffmpeg is None:
        pytest.skip("no ffmpeg program to compare with: pip install imageio-ffmpeg")
    path = written(case)
    frame = first(path)
    size = (frame.width, frame.height)
    assert error(frame.luma(size), reference.shown_by_ffmpeg(path, size, ffmpeg)) < 2
    inside = content(frame)
    assert error(inside, reference.shown_by_ffmpeg(path, inside.shape[::-1], ffmpeg)) < 2


def test_a_video_in_an_archive_is_shown_like_the_file(written: Callable, tmp_path: Path) -> None:
    path = written((Fraction(4, 3), (20, 10), "transverse"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.mp4")
    member, file = next(decode(members(tmp_path / "a.zip")[0])), first(path)
    assert (member.width, member.height) == (170, 400)
    assert member.jpeg(FRAME) == file.jpeg(FRAME)
    assert (member.luma((17, 40)) == file.luma((17, 40))).all()


@pytest.mark.parametrize("number", range(1, 9))
def test_a_frame_folder_is_shown_as_exif_says(tmp_path: Path, write_frame: Callable, number: int) -> None:
    path = write_frame(tmp_path, "20220329_142511_030", np.zeros((8, 8, 3), np.uint8))
    stored = Image.fromarray(reference.scene())
    tags = Image.Exif()
    tags[0x0112] = number
    stored.save(path, quality=95, exif=tags)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("L"))
    (frame,) = decode(Media("frames", tmp_path))
    size = (frame.width, frame.height)
    assert size == expected.shape[::-1]
    assert error(frame.luma(size), expected) < 1
    inside = content(frame)
    assert error(inside, reference.scaled(expected, inside.shape[::-1])) < 2
    matrix = list(reference.MATRICES.values())[number - 1]
    assert (reference.shown_by_arrays(reference.scene(), Fraction(1), (0, 0), matrix).shape) == expected.shape


def test_frames_that_lie_differently_are_of_one_size_as_shown(tmp_path: Path, write_frame: Callable) -> None:
    for second, number in (("11", 1), ("12", 3), ("13", 6)):
        path = write_frame(tmp_path, f"20220329_1425{second}_030", reference.scene())
        tags = Image.Exif()
        tags[0x0112] = number
        Image.fromarray(reference.scene()).save(path, exif=tags)
    good = []
    with pytest.raises(MediaError, match="began with 320x180, found 180x320"):
        good.extend(decode(Media("frames", tmp_path)))
    assert len(good) == 2
    assert error(good[1].luma((320, 180)), good[0].luma((320, 180))[::-1, ::-1]) < 1


def with_exif(block: bytes) -> bytes:
    """A JPEG with this in its EXIF segment."""
    picture = encode_jpeg(reference.scene())
    segment = b"Exif\0\0" + block
    return picture[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + picture[2:]


def exif_block(order: str, kind: int, value: int, directory: int = 8) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}IHHHIHH", directory, 1, 0x0112, kind, 1, value, 0)


@pytest.mark.parametrize("order", "<>")
def test_an_orientation_that_cannot_be_read_leaves_the_picture_as_it_is_stored(order: str) -> None:
    whole = exif_block(order, 3, 6)
    assert jpeg_orientation(with_exif(whole)) == EXIF_ORIENTATIONS[6]
    broken = [whole[:length] for length in range(20)]  # where the number would begin to be whole
    broken += [exif_block(order, 3, value) for value in (0, 9, 65535)]
    broken += [exif_block(order, 2, 6), exif_block(order, 3, 6, directory=1 << 31), b"XX" + whole[2:]]
    for block in broken:
        assert jpeg_orientation(with_exif(block)) == UPRIGHT
    data = with_exif(whole)
    for length in range(2, 30):
        assert jpeg_orientation(data[:length]) == UPRIGHT
    assert jpeg_orientation(data[:2] + b"\xff\xff" + data[2:]) == EXIF_ORIENTATIONS[6]  # padding is legal


@pytest.mark.parametrize("aspect", [Fraction(9), Fraction(1, 100)])
def test_pixels_of_an_absurd_shape_are_refused(tmp_path: Path, aspect: Fraction) -> None:
    path = reference.write_scene(tmp_path / "a.mp4", reference.scene(), aspect, (0, 0))
    for read in (first, lambda path: probe(Media("video", path))):
        with pytest.raises(MediaError, match=f"declares {aspect.numerator}:{aspect.denominator}") as caught:
            read(path)
        assert caught.value.where == str(path)


def test_a_matrix_that_squeezes_the_picture_into_a_line_is_refused(written: Callable, tmp_path: Path) -> None:
    plain = written((Fraction(1), (0, 0), "upright"))
    with pytest.raises(MediaError, match="display matrix says"):
        first(reference.with_matrix(plain, (1, 0, 1, 0), tmp_path / "a.mp4"))
    nothing = reference.with_matrix(plain, (0, 0, 0, 0), tmp_path / "b.mp4")
    assert first(nothing).geometry.orientation == UPRIGHT


def test_the_letterbox_is_that_of_the_shown_picture() -> None:
    geometry = Geometry((720, 576), Fraction(16, 15), EXIF_ORIENTATIONS[6])
    assert geometry.displayed == (576, 768)
    assert geometry.letterbox((336, 336)) == letterbox((576, 768), (336, 336))
    assert geometry.turned((252, 336)) == (336, 252)
