"""How a picture is shown, by two judges that share no code with ours: the ffmpeg program, and arrays of numpy.

The program is that of the package `imageio-ffmpeg`, or the one on the path; where neither is, `program` is None.
Display matrices are `(a, b, c, d)` of whole numbers: the point (x, y) is shown at (a x + c y, b x + d y).
"""

from __future__ import annotations

import importlib
import re
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

MATRICES = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (-1, 0, 0, -1),
    "flipped": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "clockwise": (0, 1, -1, 0),
    "transverse": (0, -1, -1, 0),
    "anticlockwise": (0, -1, 1, 0),
}
"""The eight orientations, in the order of EXIF's numbers."""

Matrix = tuple[int, int, int, int]


def program() -> str | None:
    """Path of the ffmpeg program; None also of one before 7.0, which does not cut what a header cuts off."""
    try:
        found: str | None = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        return None
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stdout
    number = re.match(r"ffmpeg version n?(\d+)\.", said)  # nightly builds have none, and are newer
    return found if number is None or int(number[1]) >= 7 else None


def scene(width: int = 320, height: int = 180) -> np.ndarray:
    """A smooth picture, uint8 (h, w, 3), that is like none of its mirror images."""
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    luma = 40 + 90 * x + 70 * y * y
    luma[(x - 0.25) ** 2 + (y - 0.3) ** 2 < 0.02] = 235
    luma[(x > 0.6) & (x < 0.9) & (y > 0.55) & (y < 0.75)] = 20
    return np.clip(luma[..., None] + [20, 0, -20] * x[..., None], 0, 255).astype(np.uint8)


def write_scene(path: Path, rgb: np.ndarray, aspect: Fraction, crop: tuple[int, int]) -> Path:
    """Three frames of H.264 whose header says ``aspect`` and cuts ``crop`` (left, top) off."""
    raw = path.with_name(f"raw-{path.stem}.h264")
    with av.open(str(raw), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8", "bf": "0"})
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode(None))
    said = f"h264_metadata=sample_aspect_ratio={aspect.numerator}/{aspect.denominator}"
    said += f":crop_left={crop[0]}:crop_top={crop[1]}" if any(crop) else ""
    with av.open(str(raw)) as source, av.open(str(path), "w") as target:
        taken = source.streams.video[0]
        stream = target.add_stream_from_template(taken)
        said_in = av.bitstream.BitStreamFilterContext(said, taken, stream)
        packets = (
            changed for packet in source.demux(taken) if packet.size for changed in said_in.filter(packet)
        )
        for number, packet in enumerate(packets):
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.duration = 1
            target.mux(packet)
    return path


def with_matrix(path: Path, matrix: Matrix, to: Path) -> Path:
    """Copy an mp4 of one track with another display matrix in its track's header."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 4 + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    to.write_bytes(data)
    return to


def shown_by_ffmpeg(path: Path, size: tuple[int, int], ffmpeg: str) -> np.ndarray:
    """Full-range luma, float64 (h, w), of the first frame as the program shows it, scaled to ``size``."""
    chain = f"scale={size[0]}:{size[1]}:flags=area:out_range=full,format=gray"
    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(path), "-vf", chain]
    command += ["-frames:v", "1", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(size[::-1]).astype(np.float64)


def shown_by_arrays(rgb: np.ndarray, aspect: Fraction, crop: tuple[int, int], matrix: Matrix) -> np.ndarray:
    """Luma, uint8 (h, w), of a stored picture cropped, stretched to square pixels and laid as ``matrix`` says."""
    luma = Image.fromarray(rgb[crop[1] :, crop[0] :]).convert("L")
    stretched = np.asarray(luma.resize((round(luma.width * aspect), luma.height), Image.Resampling.BICUBIC))
    y, x = np.mgrid[: stretched.shape[0], : stretched.shape[1]]
    a, b, c, d = matrix
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1), np.uint8)
    shown[down, across] = stretched
    return shown


def scaled(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``luma`` at another size, float64 (h, w)."""
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), np.float64)
