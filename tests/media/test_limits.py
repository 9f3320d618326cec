"""What is refused says why in a word that programs can rely on, and early where it can be known early."""

from __future__ import annotations

import copy
import io
import pickle
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from rushes.errors import MediaError
from rushes.media import audio, picture
from rushes.media.limits import Limits
from rushes.media.video import decode
from rushes.records import Media

SERVICE = Limits(max_frames=432_000, max_duration_s=4 * 3600.0, foresee=True)
LONG = [number * 10 for number in range(1100)]  # milliseconds: 100 a second


def tiny(path: Path, stamps_ms: Sequence[int], codec: str = "mpeg4") -> Path:
    """One picture of 16x16 over and over, shown at these times."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=100)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        blank = av.VideoFrame(16, 16, "yuv420p")
        for plane in blank.planes:
            plane.update(bytes(plane.buffer_size))
        [packet] = [*stream.encode(blank), *stream.encode(None)]
        for stamp in stamps_ms:
            shown = av.Packet(bytes(packet))
            shown.pts = shown.dts = stamp
            shown.time_base, shown.stream, shown.is_keyframe = Fraction(1, 1000), stream, True
            out.mux(shown)
    return path


def reason(path: Path, limits: Limits = SERVICE) -> str | int:
    """Why a video is refused, or how many frames it has."""
    try:
        return sum(1 for _ in decode(Media("video", path), limits))
    except MediaError as error:
        return error.reason


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (Limits(max_pixels=255), "pixels"),
        (Limits(max_frames=2), "frames"),
        (Limits(max_duration_s=0.01), "duration_s"),
        (Limits(max_decoded_bytes=400), "decoded_bytes"),
        (Limits(), 3),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_bound_is_named(tmp_path: Path, suffix: str, limits: Limits, found: str | int) -> None:
    assert reason(tiny(tmp_path / f"a.{suffix}", [0, 10, 20]), limits) == found


def test_a_file_of_another_kind_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    whole = tiny(tmp_path / "whole.mp4", [0, 10, 20]).read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("whole.mp4", whole)
    path = tmp_path / "upload.mp4"
    for data, found in ((packed.getvalue(), "kind"), (b"#EXTM3U\n", "kind"), (whole[:60], "damaged")):
        path.write_bytes(data)
        assert reason(path) == found
    assert reason(tiny(tmp_path / "old.mkv", [0, 10, 20], "mpeg2video")) == "kind"


def test_a_sound_and_a_picture_say_it_too() -> None:
    packed, drawn = io.BytesIO(), io.BytesIO()
    with av.open(packed, "w", format="wav") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame("s16", "mono", 8000)
        frame.sample_rate = 8000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    Image.new("RGB", (20, 20)).save(drawn, "PNG")
    for data, longest_s, found in (
        (b"text, no sound" * 9, 9.0, "kind"),
        (packed.getvalue(), 0.5, "duration_s"),
    ):
        with pytest.raises(MediaError) as caught:
            audio.decode(data, sample_rate=8000, longest_s=longest_s)
        assert caught.value.reason == found
    for data, most, found in ((b"text", 400, "kind"), (drawn.getvalue(), 399, "pixels")):
        with pytest.raises(MediaError) as caught:
            picture.read_picture(data, max_pixels=most)
        assert caught.value.reason == found


def test_too_many_frames_are_foreseen_where_a_service_asks(tmp_path: Path) -> None:
    # Three hours at 100 a second were 1,080,000; the header counts none of them.
    path = tiny(tmp_path / "dense.mkv", [*LONG, 3 * 3600 * 1000])
    assert reason(path) == "frames"
    assert reason(path, Limits(max_frames=432_000)) == len(LONG) + 1
    # Counted in the header: what is there, is there.
    assert reason(tiny(tmp_path / "dense.mp4", [*LONG, 3 * 3600 * 1000])) == len(LONG) + 1
    assert reason(tiny(tmp_path / "hour.mkv", [*LONG, 3600 * 1000])) == len(LONG) + 1


@pytest.mark.parametrize(
    ("count", "rate", "duration_s", "refused"),
    [
        (8192, 30.0, 4 * 3600.0, False),
        (8192, 32.0, 4 * 3600.0, True),
        (1024, 60.0, 4 * 3600.0, False),  # it may become calmer
        (1024, 61.0, 4 * 3600.0, True),
        (1024, 999.0, None, False),
        (1024, 1001.0, None, True),
    ],
)
def test_what_a_beginning_promises(count: int, rate: float, duration_s: float | None, refused: bool) -> None:
    time_s = (count - 1) / rate
    Limits(max_frames=432_000).check_beginning("a", count, time_s, duration_s)
    if refused:
        with pytest.raises(MediaError, match="at most 432,000"):
            SERVICE.check_beginning("a", count, time_s, duration_s)
    else:
        SERVICE.check_beginning("a", count, time_s, duration_s)


def test_the_reason_crosses_a_process_border() -> None:
    error = MediaError("wide", where="a", cure="narrow it", reason="pixels")
    for found in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(found), str(found), found.reason) == (MediaError, str(error), "pixels")
    assert pickle.loads(pickle.dumps(MediaError("b"))).reason == "damaged"
