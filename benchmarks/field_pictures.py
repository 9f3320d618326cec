"""Rows P1 to P11: pictures as they are displayed, times as they pass, and nothing lost on the way."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
from field_readings import RECIPE, ROOT, WORKSPACE, open_in, told_by_sums
from field_recordings import OPERATIONS, SUBJECTS, write_sessions
from field_row import Row, ffmpeg, lacks, png_of, tell
from PIL import Image

from rushes.errors import RushesError
from rushes.media.image import decode_jpeg
from rushes.media.sampling import SAMPLERS
from rushes.media.video import decode
from rushes.records import Media
from rushes.runs.do import do
from rushes.tasks.operations.sources.openpack import layout
from rushes.testing.subject import silent

LUMA_ERROR = 2.0


def _base(folder: Path, *how: object) -> Path:
    """``base.mp4`` of the list, or another made alike."""
    path = folder / "base.mp4"
    source = "testsrc2=size=320x180:rate=25:duration=1"
    ffmpeg("-f", "lavfi", "-i", source, *how, *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", 25), path)
    return path


def _grey(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The first frame as we show it inside of ``size``, uint8 (height, width)."""
    frame = next(iter(decode(Media("video", path))))
    return np.asarray(Image.fromarray(decode_jpeg(frame.jpeg(size, 95))).convert("L"))


def _shown(path: Path) -> np.ndarray:
    """The first frame as FFmpeg shows it, pixels made square."""
    return png_of(
        ffmpeg(
            "-i",
            path,
            "-vf",
            "scale=iw*sar:ih,setsar=1",
            "-frames:v",
            1,
            "-f",
            "image2pipe",
            "-c:v",
            "png",
            "-",
        )
    )


def _differs(path: Path) -> str | None:
    """How far our picture is from the one that FFmpeg shows; None within `LUMA_ERROR`."""
    shown = _shown(path)
    height, width = (side - side % 2 for side in shown.shape)
    ours = _grey(path, (width, height))
    error = float(np.abs(ours.astype(float) - shown[:height, :width]).mean())
    return None if error <= LUMA_ERROR else f"{path.name}: mean luma error {error:.1f}"


def p1(folder: Path) -> str | None:
    base, found = _base(folder), []
    for name, how in {
        "hflip": ("-display_hflip",),
        "vflip": ("-display_vflip",),
        "90": ("-display_rotation", 90),
        "90 and hflip": ("-display_rotation", 90, "-display_hflip"),
        "270 and vflip": ("-display_rotation", 270, "-display_vflip"),
    }.items():
        path = folder / f"{name}.mp4"
        ffmpeg(*how, "-i", base, "-c", "copy", path)
        found.append(_differs(path))
    return "; ".join(filter(None, found)) or None


def p2(folder: Path) -> str | None:
    found = []
    for number, ratio in enumerate(("4/3", "128/117", "64/51")):
        (folder / str(number)).mkdir()
        path = _base(folder / str(number), "-vf", f"setsar={ratio}")
        picture = _grey(path, (240, 240))
        rows, columns = (picture > 24).any(1).nonzero()[0], (picture > 24).any(0).nonzero()[0]
        shape = (columns[-1] - columns[0] + 1) / (rows[-1] - rows[0] + 1)
        right = 320 / 180 * float(Fraction(ratio))
        if abs(shape / right - 1) > 0.03:
            found.append(f"setsar={ratio}: {shape:.3f} wide, {right:.3f} is right")
    return "; ".join(found) or None


def p3(folder: Path) -> str | None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:8], picture[:, :8] = 255, 128
    found = []
    for orientation in range(1, 9):
        root = folder / str(orientation)
        for number in range(3):
            path = root / layout.frame_name(1_648_531_511_030 + 66 * number)
            path.parent.mkdir(parents=True, exist_ok=True)
            exif = Image.Exif()
            exif[0x0112] = orientation
            Image.fromarray(picture).save(path, "JPEG", quality=95, exif=exif)
        turned = _turned(picture[:, :, 0], orientation)
        frame = next(iter(decode(Media("frames", root))))
        ours = decode_jpeg(frame.jpeg((turned.shape[1], turned.shape[0]), 95))[:, :, 0]
        if np.abs(ours.astype(float) - turned).mean() > LUMA_ERROR:
            found.append(str(orientation))
    return f"not as displayed: orientation {', '.join(found)}" if found else None


def _turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """A picture as EXIF's orientation says that it is to be shown."""
    flips = {2: np.fliplr, 4: np.flipud, 5: np.transpose, 7: lambda one: np.transpose(one)[::-1, ::-1]}
    turns = {1: 0, 3: 2, 6: 3, 8: 1}
    return flips[orientation](picture) if orientation in flips else np.rot90(picture, turns[orientation])


def p4(folder: Path) -> str | None:
    path = folder / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in ((64, 36), (320, 180)):
            stream = container.add_stream("libx264", 10)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        streams[0].disposition, streams[1].disposition = 0, av.stream.Disposition.default
        for number in range(10):
            for stream in streams:
                frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    frame = next(iter(decode(Media("video", path))))
    return None if (frame.width, frame.height) == (320, 180) else f"took {frame.width}x{frame.height}"


def p5(folder: Path) -> str | None:
    base, path = _base(folder, "-bf", 2), folder / "b.avi"
    ffmpeg("-i", base, "-c", "copy", path)
    right = [frame.luma((80, 45)) for frame in decode(Media("video", base))]
    try:
        ours = [frame.luma((80, 45)) for frame in decode(Media("video", path))]
    except RushesError as error:
        return f"refused: {error.message}"
    same = len(ours) == len(right) and all(map(np.array_equal, ours, right))
    return None if same else f"{len(ours)} of {len(right)} frames, or not in the order of presentation"


def p6(folder: Path) -> str | None:
    path = folder / "crop.mp4"
    ffmpeg("-i", _base(folder), "-c", "copy", "-bsf:v", "h264_metadata=crop_left=20:crop_top=10", path)
    frame = next(iter(decode(Media("video", path))))
    return None if (frame.width, frame.height) == (300, 170) else f"{frame.width}x{frame.height}"


def p7(folder: Path) -> str | None:
    times = np.cumsum(np.concatenate([np.full(60, 0.02), np.full(20, 0.2)]))
    chosen = SAMPLERS["uniform"](times, np.ones(80), np.ones(80), 8)
    steps = np.diff(times[chosen])
    if steps.max() > 2 * steps.mean():
        return f"uniform steps from {steps.min():.2f} to {steps.max():.2f} s"
    woven = folder / "woven.mp4"
    ffmpeg("-i", _base(folder), "-vf", "interlace", "-flags", "+ildct+ilme", "-c:v", "libx264", woven)
    return _told_or_even(folder, woven)


def _told_or_even(folder: Path, woven: Path) -> str | None:
    """Interlaced footage is said in the audit, or its picture is no comb."""
    said = _said_of(folder / "sessions", woven)
    if "interlace" in said.lower():
        return None
    grey = _grey(woven, (320, 180)).astype(float)
    comb = np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean() / np.abs(grey[2:] - grey[:-2]).mean()
    return None if comb < 0.7 else "interlaced, and nothing says so"


def _said_of(folder: Path, video: Path) -> str:
    """Everything that audit and prepare say where this video stands in a dataset."""
    folder.mkdir()
    (folder / RECIPE).write_text(OPERATIONS)
    write_sessions(folder / ROOT)
    layout.video_file(folder / ROOT, "U0101", "S0100").write_bytes(video.read_bytes())
    asked = (
        str(folder / RECIPE),
        "--set",
        f"source.root={folder / ROOT}",
        "--workspace",
        str(folder / WORKSPACE),
    )
    said = [tell(verb, *asked).text for verb in ("audit", "prepare")]
    stage = open_in(folder).folder("prepare")
    said += [path.read_text() for path in sorted(stage.glob("*/*.json")) if path.parent.name in SETTLED]
    return "\n".join(said)


SETTLED = ("units", "quarantine")


def p8(folder: Path) -> str | None:
    whole, cut = folder / "whole.mkv", folder / "cut.mkv"
    ffmpeg("-i", _base(folder), "-c", "copy", "-live", 1, whole)
    cut.write_bytes(whole.read_bytes()[: round(0.6 * whole.stat().st_size)])
    said = _said_of(folder / "sessions", cut)
    return (
        None
        if "no end" in said or "end is declared" in said
        else "cut at 60 %, and nothing says that it has no end"
    )


def p9(folder: Path) -> str | None:
    page = Path(__file__).parents[1] / "docs" / "damage.md"
    if missing := lacks(page.read_text(), "H.264", "HEVC", "MJPEG", "VP8", "VP9", "MP3", "WAV", "SHA256SUMS"):
        return missing
    return unseen_by_sums(folder)


def unseen_by_sums(folder: Path) -> str | None:
    """Whether an audit finds a video whose bytes are not those that ``SHA256SUMS`` lists."""
    write_sessions(folder / "whole" / ROOT)
    shutil.copytree(folder / "whole", folder / "damaged")
    video = layout.video_file(folder / "damaged" / ROOT, "U0101", "S0100")
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 1
    video.write_bytes(data)
    seen = told_by_sums(folder / "whole", folder / "damaged", OPERATIONS)
    return (
        None if seen else "SHA256SUMS lies beside the recordings, and the audit does not tell the damaged one"
    )


def p10(folder: Path) -> str | None:
    (folder / RECIPE).write_text(OPERATIONS.replace("clip_s: 3.0", "clip_s: 5.0"))
    write_sessions(folder / ROOT)
    for subject in SUBJECTS:
        footage.make_noise(layout.video_file(folder / ROOT, subject, "S0100"), 40, 0, 10)
        path = layout.operations_csv(folder / ROOT, subject, "S0100")
        path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    run = open_in(folder)
    try:
        do(run, run.dataset, silent)
    except RushesError as error:
        return None if "clip_s" in str(error) else f"no clip, and no reason: {str(error)[:200]}"
    return None


def p11(folder: Path) -> str | None:
    one, other = (footage.make_noise(folder / f"a.{suffix}", 30, 1, 10) for suffix in ("mp4", "ts"))
    right = [frame.luma((96, 72)) for frame in decode(Media("video", one))]
    try:
        ours = [frame.luma((96, 72)) for frame in decode(Media("video", other))]
    except RushesError as error:
        return f"MPEG-TS is refused: {error.message}"
    same = len(ours) == len(right) and all(map(np.array_equal, ours, right))
    return None if same else f"{len(ours)} of {len(right)} frames, or others"


ROWS = (
    Row("P1", "mirrored and turned pictures are shown as FFmpeg shows them", p1),
    Row("P2", "pixels that are not square", p2),
    Row("P3", "EXIF orientation of frames, all eight", p3),
    Row("P4", "the default video stream is taken", p4),
    Row("P5", "B-frames in AVI in order of presentation", p5),
    Row("P6", "crop of H.264", p6),
    Row("P7", "sampling is in time; interlaced footage is deinterlaced or told", p7),
    Row("P8", "a live Matroska that was cut has no declared end, and that is told", p8),
    Row("P9", "damage that decodes is named in the docs and found by SHA256SUMS", p9),
    Row("P10", "recordings shorter than clip_s give clips, or their reason", p10),
    Row("P11", "MPEG-TS is read", p11),
)
