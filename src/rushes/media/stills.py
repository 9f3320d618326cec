"""A camera's pictures as files, JPEG or PNG, in order: how rigs and datasets of single frames have them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from rushes.errors import MediaError, unreadable_as
from rushes.media.folder import frame_geometry, read_file
from rushes.media.frame import DecodedFrame, Frame, JpegFrame, held_bytes
from rushes.media.geometry import Geometry
from rushes.media.limits import Limits
from rushes.records import Stills

SUFFIXES = (".jpg", ".jpeg", ".png")

_PNG = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS = ("1", "L", "LA", "P", "RGB", "RGBA")
_REPLACE = "copy the file again, or remove it together with its time"
_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def decode_stills(stills: Stills, limits: Limits) -> Iterator[Frame]:
    """The pictures in order; zero is the time of the first.

    Raises:
        MediaError: a file that is damaged, of another kind or size than the first, or beyond ``limits``.
        OSError: the machine refuses to read it.
    """
    scaler, size, decoded_bytes = VideoReformatter(), None, 0
    limits.check(stills, frames=len(stills.files), duration_s=stills.times_s[-1] - stills.times_s[0])
    for path, time_s in zip(stills.files, stills.times_s, strict=True):
        frame = _read(path, time_s - stills.times_s[0], scaler, limits)
        found = (frame.width, frame.height)
        size = size or found
        if found != size:
            raise MediaError(
                f"all pictures of a camera have one size; it began with {size[0]}x{size[1]}, found "
                f"{found[0]}x{found[1]}",
                where=path,
            )
        decoded_bytes += prod(size) * 3 // 2
        limits.check(path, decoded_bytes=decoded_bytes)
        yield frame


def _read(path: Path, time_s: float, scaler: VideoReformatter, limits: Limits) -> Frame:
    data = read_file(path, limits)
    if not data.startswith(_PNG):
        geometry = frame_geometry(data, path, limits)
        return JpegFrame(data, time_s, geometry, scaler, path)
    picture = VideoFrame.from_ndarray(_decode_png(data, path, limits), "rgb24")
    geometry = Geometry((picture.width, picture.height))
    return DecodedFrame(picture, time_s, geometry, scaler, held_bytes(picture))


def _decode_png(data: bytes, path: Path, limits: Limits) -> np.ndarray:
    """RGB, uint8 (H, W, 3); its checksums are held against it, transparency is left out."""
    with unreadable_as(MediaError, "cannot read a PNG", where=path, cure=_REPLACE, errors=_BROKEN):
        with Image.open(io.BytesIO(data), formats=["PNG"]) as header:
            limits.check(path, pixels=prod(header.size))
            if header.mode not in _EIGHT_BITS:
                raise MediaError(
                    f"a PNG of 8 bits a channel is read, found mode {header.mode}",
                    where=path,
                    cure="convert it, as with: magick IN -depth 8 OUT.png",
                )
            header.verify()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("RGB"))
