"""Which stream of a file is read, on which clock, and what is said of it: AVI, MPEG-TS, live recordings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import reference_decoder as reference

from rushes.errors import MediaError
from rushes.media.video import decode, probe
from rushes.records import Media


def video(path: Path) -> Media:
    return Media("video", path)


def times(path: Path) -> list[float]:
    return [frame.time_s for frame in decode(video(path))]


def remux(path: Path, to: Path, later_s: float = 0.0, **options: str) -> Path:
    """The same packets in another container, ``later_s`` later on its clock."""
    with av.open(str(path)) as source, av.open(str(to), "w", options=options) as target:
        taken = source.streams.video[0]
        stream = target.add_stream_from_template(taken)
        plain = "h264_mp4toannexb" if taken.codec_context.name == "h264" and to.suffix == ".avi" else "null"
        filtered = av.bitstream.BitStreamFilterContext(plain, taken, stream)
        offset = round(later_s / taken.time_base)
        for packet in source.demux(taken):
            for kept in filtered.filter(packet) if packet.dts is not None else ():
                kept.pts, kept.dts = kept.pts + offset, kept.dts + offset
                kept.stream = stream
                target.mux(kept)
    return to


# --- which stream -------------------------------------------------------------------------------------------

SMALL, MIDDLE, LARGE = (64, 36), (160, 90), (320, 180)


def write_streams(path: Path, sizes: list[tuple[int, int]], flags: list[str]) -> Path:
    """Streams of three frames each; of each its size and its disposition."""
    with av.open(str(path), "w") as container:
        streams = []
        for size, flag in zip(sizes, flags, strict=True):
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
            stream.disposition = av.stream.Disposition[flag] if flag else av.stream.Disposition(0)
            streams.append(stream)
        for _ in range(3):
            for stream, size in zip(streams, sizes, strict=True):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(reference.scene(*size), "rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("sizes", "flags", "read"),
    [
        ([SMALL, MIDDLE, LARGE], ["", "default", ""], MIDDLE),
        ([SMALL, LARGE], ["", ""], LARGE),
        ([SMALL, LARGE, MIDDLE], ["default", "default", ""], LARGE),
    ],
)
def test_the_stream_that_a_player_would_show_is_read_and_said(
    tmp_path: Path, sizes: list[tuple[int, int]], flags: list[str], read: tuple[int, int]
) -> None:
    path = write_streams(tmp_path / "a.mkv", sizes, flags)
    frame = next(decode(video(path)))
    assert (frame.width, frame.height) == read
    (note,) = probe(video(path)).notes
    said, passed_over = note.split("passed over: ")
    assert f"{read[0]}x{read[1]}" in said
    assert all(f"{w}x{h}" in passed_over for w, h in sizes if (w, h) != read)


def test_a_cover_is_no_second_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        streams = {
            container.add_stream("mjpeg", rate=25): (LARGE, "yuvj420p", av.stream.Disposition.attached_pic),
            container.add_stream("libx264", rate=25): (SMALL, "yuv420p", av.stream.Disposition.default),
        }
        for stream, (size, pix_fmt, disposition) in streams.items():
            (stream.width, stream.height), stream.pix_fmt, stream.disposition = size, pix_fmt, disposition
        for stream, (size, _, _) in streams.items():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(reference.scene(*size), "rgb24")))
            container.mux(stream.encode(None))
    frame = next(decode(video(path)))
    assert (frame.width, frame.height) == SMALL
    assert probe(video(path)).notes == ()


# --- AVI ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("remuxed", [False, True])
def test_avi_gives_the_frames_and_times_of_the_same_stream_in_mp4(
    tmp_path: Path, write_video: Callable, picture: Callable, codec: str, remuxed: bool
) -> None:
    options = {"bf": "2", "g": "12"}
    mp4 = write_video(tmp_path / "a.mp4", map(picture, range(40)), codec=codec, options=options)
    avi = tmp_path / "a.avi"
    if remuxed:
        remux(mp4, avi)
    else:
        write_video(avi, map(picture, range(40)), codec=codec, options=options)
    with av.open(str(mp4)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps != sorted(stamps)  # there are B-frames indeed
    assert times(avi) == pytest.approx(times(mp4), abs=1e-9)
    assert probe(video(avi)).duration_s == pytest.approx(1.6, abs=0.05)
    if remuxed:
        for ours, theirs in zip(decode(video(avi)), decode(video(mp4)), strict=True):
            assert (ours.luma((64, 48)) == theirs.luma((64, 48))).all()


PAUSED = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 20]
"""Ticks of ten a second at which there is a picture; AVI counts the others as well."""


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_pauses_of_an_avi_are_kept(
    tmp_path: Path, write_video: Callable, picture: Callable, codec: str, pix_fmt: str
) -> None:
    clock = {"pts": PAUSED, "time_base": Fraction(1, 10), "rate": 10}
    pictures = map(picture, range(len(PAUSED)))
    avi = write_video(tmp_path / "a.avi", pictures, codec=codec, pix_fmt=pix_fmt, **clock)
    assert times(avi) == pytest.approx([tick / 10 for tick in PAUSED])


def test_an_avi_does_not_tell_before_which_of_reordered_pictures_a_pause_is(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    clock = {"pts": PAUSED, "time_base": Fraction(1, 10), "rate": 10}
    pictures = map(picture, range(len(PAUSED)))
    avi = write_video(tmp_path / "a.avi", pictures, options={"bf": "2"}, **clock)
    with pytest.raises(MediaError, match="an AVI with pauses"):
        times(avi)


def test_pictures_that_avi_counts_and_that_never_come_are_told(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    """A picture that stores nothing but "as before" gives no frame: those behind it would be early."""
    avi = write_video(tmp_path / "a.avi", map(picture, range(20)), codec="mpeg4")
    with av.open(str(avi)) as source, av.open(str(tmp_path / "b.avi"), "w") as target:
        taken = source.streams.video[0]
        stream = target.add_stream_from_template(taken)
        for number, packet in enumerate(packet for packet in source.demux(taken) if packet.size):
            # A P picture of which the bit "coded" is not set.
            kept = packet if number != 9 else av.Packet(bytes.fromhex("000001b6") + not_coded(bytes(packet)))
            kept.pts = kept.dts = number
            kept.duration, kept.time_base, kept.stream = 1, Fraction(1, 25), stream
            target.mux(kept)
    good = []
    with pytest.raises(MediaError, match="1 of the pictures in the file gave no frame, so times"):
        good.extend(decode(video(tmp_path / "b.avi")))
    assert len(good) == 19


def chunks(avi: bytes) -> list[int]:
    """Where the pictures of an AVI with one stream begin: at the names of their chunks."""
    end, places = avi.rindex(b"idx1"), []
    place = avi.index(b"movi") + 4
    while place < end:
        if avi[place : place + 4] == b"00dc":
            places.append(place)
        place += 8 + int.from_bytes(avi[place + 4 : place + 8], "little")
        place += place % 2
    return places


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
@pytest.mark.parametrize("damage", ["cut at a picture", "hole", "doubled"])
def test_an_avi_that_holds_other_pictures_than_it_counts_is_told(
    tmp_path: Path, write_video: Callable, picture: Callable, codec: str, damage: str
) -> None:
    """Every picture is an even step of its clock, so that one that is lost shifts those behind it."""
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"g": "1"}
    path = write_video(
        tmp_path / "a.avi", map(picture, range(30)), codec=codec, pix_fmt=pix_fmt, options=options
    )
    assert len(times(path)) == 30
    whole = path.read_bytes()
    place = chunks(whole)
    assert len(place) == 30
    path.write_bytes(
        {
            "cut at a picture": whole[: place[12]],
            "hole": whole[: place[12]] + bytes(place[13] - place[12]) + whole[place[13] :],
            "doubled": whole + whole,
        }[damage]
    )
    with pytest.raises(MediaError, match=r"cut short|too long|breaks off"):
        times(path)


def test_a_picture_of_which_the_decoder_makes_nothing_is_told(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    """A picture of HEVC overwritten by filler, of which its decoder says nothing: 29 frames with a gap."""
    if "libx265" not in av.codecs_available:
        pytest.skip("this PyAV cannot encode libx265")
    options = {"x265-params": "log-level=none:pools=none:bframes=2"}
    path = write_video(tmp_path / "a.mp4", map(picture, range(30)), codec="libx265", options=options)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    place, size = [(at, n) for at, n in packets if data[at + 4] == 0x00][3]  # a picture that no other needs
    filler = b"\x4c\x01" + b"\xff" * (size - 7) + b"\x80"
    data[place : place + size] = (size - 4).to_bytes(4, "big") + filler
    path.write_bytes(data)
    good = []
    with pytest.raises(MediaError, match="1 of the pictures in the file gave no frame"):
        good.extend(decode(video(path)))
    assert len(good) == 29


def test_pictures_that_take_no_time_are_told_by_the_header(b_frame_video: Path, tmp_path: Path) -> None:
    data = bytearray(b_frame_video.read_bytes())
    place = data.index(b"mdhd") + 4 + 12  # behind version, flags and two dates: the scale and the duration
    data[place : place + 8] = bytes(8)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    for read in (lambda: probe(video(path)), lambda: times(path)):
        with pytest.raises(MediaError, match="40 pictures that take no time"):
            read()


def not_coded(picture: bytes) -> bytes:
    """The head of an MPEG-4 picture at 25 per second: kind P, its time, and that nothing is coded."""
    bits = "".join(f"{byte:08b}" for byte in picture[4:10])
    seconds = bits.index(
        "0", 2
    )  # ones that count seconds, then a zero, a marker, five bits of time, a marker
    head = "01" + bits[2 : seconds + 8] + "0"
    head += "0" + "1" * (-(len(head) + 1) % 8)
    return int(head, 2).to_bytes(len(head) // 8, "big")


# --- no end that is declared --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("mkv", {"live": "1"}), ("mp4", {"movflags": "frag_keyframe+empty_moov"}), ("ts", {})],
)
def test_a_file_that_declares_no_end_is_read_and_says_so(
    b_frame_video: Path, tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    path = remux(b_frame_video, tmp_path / f"a.{suffix}", **options)
    assert times(path) == pytest.approx(times(b_frame_video), abs=1e-3)
    (note,) = probe(video(path)).notes
    assert "no end of its pictures" in note


def test_a_live_recording_that_was_cut_gives_what_there_is(b_frame_video: Path, tmp_path: Path) -> None:
    path = remux(b_frame_video, tmp_path / "a.mkv", live="1")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert 10 < len(times(path)) < 40
    assert any("cut short" in note for note in probe(video(path)).notes)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "avi"])
def test_a_file_that_lacks_its_last_bytes_is_no_shorter_one(
    b_frame_video: Path, tmp_path: Path, suffix: str
) -> None:
    path = remux(b_frame_video, tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[:-1] if suffix == "mkv" else path.read_bytes()[:-2000])
    with pytest.raises(MediaError):
        times(path)


# --- MPEG-TS ------------------------------------------------------------------------------------------------

WRAP_S = 2**33 / 90_000
"""When the clock of MPEG-TS begins anew."""


@pytest.mark.parametrize("later_s", [0.0, 3600.0, WRAP_S - 2.2, WRAP_S - 1.4 - 0.04])
def test_a_transport_stream_is_read_over_the_wrap_of_its_clock(
    b_frame_video: Path, tmp_path: Path, later_s: float
) -> None:
    path = remux(b_frame_video, tmp_path / "a.ts", later_s)
    assert times(path) == pytest.approx(times(b_frame_video), abs=1e-9)
    assert probe(video(path)).duration_s == pytest.approx(1.6, abs=0.05)
    frames = zip(decode(video(path)), decode(video(b_frame_video)), strict=True)
    assert all((ours.luma((64, 48)) == theirs.luma((64, 48))).all() for ours, theirs in frames)


def test_a_transport_stream_of_hevc(tmp_path: Path, write_video: Callable, picture: Callable) -> None:
    if "libx265" not in av.codecs_available:
        pytest.skip("this PyAV cannot encode libx265")
    options = {"x265-params": "log-level=none:pools=none"}
    path = write_video(tmp_path / "a.ts", map(picture, range(12)), codec="libx265", options=options)
    assert times(path) == pytest.approx([index / 25 for index in range(12)], abs=1e-9)


@pytest.mark.parametrize("second_s", [60.0, 0.0])
def test_two_recordings_in_one_transport_stream_are_told(
    b_frame_video: Path, tmp_path: Path, second_s: float
) -> None:
    parts = [remux(b_frame_video, tmp_path / f"{later_s}.ts", later_s) for later_s in (0.5, second_s)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match="joined of several"):
        times(both)


def write_with_pause(path: Path, write_video: Callable, picture: Callable, pause_s: int) -> list[float]:
    """A second of pictures, a pause and another second, on one clock; their times."""
    begins = 1000 * pause_s + 1000
    stamps = [*range(0, 1000, 40), *range(begins, begins + 1000, 40)]
    write_video(
        path,
        map(picture, range(len(stamps))),
        pts=stamps,
        time_base=Fraction(1, 1000),
        options={"bf": "0"},
    )
    return [stamp / 1000 for stamp in stamps]


def test_a_pause_is_no_jump(tmp_path: Path, write_video: Callable, picture: Callable) -> None:
    """A camera that records on motion stops for a while; its clock goes on."""
    expected = write_with_pause(tmp_path / "a.ts", write_video, picture, 8)
    assert times(tmp_path / "a.ts") == pytest.approx(expected, abs=1e-4)


def test_a_clock_that_jumps_is_told_where_clocks_may_begin_anew(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    expected = write_with_pause(tmp_path / "a.ts", write_video, picture, 60)
    with pytest.raises(MediaError, match=r"the clock jumps by 60\.0 s before frame 25"):
        times(tmp_path / "a.ts")
    write_with_pause(tmp_path / "a.mkv", write_video, picture, 60)
    assert times(tmp_path / "a.mkv") == pytest.approx(expected, abs=1e-4)


def test_a_transport_stream_that_lost_packets_is_told(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    """A picture that is lost as a whole leaves nothing for the decoder to complain of; the numbers do.

    But for the first ones, which FFmpeg has read already to find the streams.
    """
    path = write_video(tmp_path / "a.ts", map(picture, range(60)), options={"g": "25"})
    whole, told = path.read_bytes(), 0
    packets = [whole[start : start + 188] for start in range(0, len(whole), 188)]
    with av.open(str(path)) as container:
        number = container.streams.video[0].id
    footage = [i for i, packet in enumerate(packets) if int.from_bytes(packet[1:3]) & 0x1FFF == number]
    for lost in footage[11:-1:9]:
        path.write_bytes(b"".join(packets[:lost] + packets[lost + 1 :]))
        with pytest.raises(MediaError, match=r"is lost, or it was joined|breaks off"):
            times(path)
        told += 1
    assert told > 10


def test_a_transport_stream_that_was_cut_before_a_key_frame_is_told(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    path = write_video(tmp_path / "a.ts", map(picture, range(60)), options={"g": "25"})
    whole = path.read_bytes()
    path.write_bytes(whole[len(whole) // 6 // 188 * 188 :])
    with pytest.raises(MediaError, match=r"cannot be decoded|breaks off after 0"):
        times(path)


# --- interlaced ---------------------------------------------------------------------------------------------


def test_interlaced_pictures_are_said(tmp_path: Path, write_video: Callable, picture: Callable) -> None:
    options = {"flags": "+ilme+ildct", "x264-params": "tff=1"}
    path = write_video(tmp_path / "a.mp4", map(picture, range(10)), options=options)
    (note,) = probe(video(path)).notes
    assert "interlaced" in note
    assert len(times(path)) == 10


# --- the shape of pixels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mkv", "avi", "ts"])
def test_the_shape_of_pixels_is_found_in_every_container(tmp_path: Path, suffix: str) -> None:
    mp4 = reference.write_scene(tmp_path / "a.mp4", reference.scene(), Fraction(4, 3), (20, 10))
    frame = next(decode(video(remux(mp4, tmp_path / f"a.{suffix}"))))
    assert (frame.width, frame.height) == (400, 170)
    assert np.abs(frame.luma((400, 170)).astype(int) - next(decode(video(mp4))).luma((400, 170))).max() == 0


def write_turned(path: Path, write_video: Callable, picture: Callable, degrees: list[int]) -> Path:
    """H.264 of eight frames for each number, whose first picture alone says how all of them lie."""
    raws = []
    for number, turn in enumerate(degrees):
        raw = write_video(
            path.with_name(f"{number}.h264"), map(picture, range(8)), options={"bf": "0", "g": "100"}
        )
        said = f"h264_metadata=display_orientation=insert:rotate={turn}"
        with av.open(str(raw)) as source:
            filtered = av.bitstream.BitStreamFilterContext(said, source.streams.video[0])
            raws += [bytes(kept) for packet in source.demux(video=0) for kept in filtered.filter(packet)]
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join(raws))
    with av.open(str(raw)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 25), 1
            packet.pts = packet.dts = number
            target.mux(packet)
    return path


def test_an_orientation_that_is_said_once_holds_until_another_is(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    once = write_turned(tmp_path / "a.mkv", write_video, picture, [90])
    frames = list(decode(video(once)))
    assert {(frame.width, frame.height) for frame in frames} == {(96, 128)}
    assert len(frames) == 8
    twice = write_turned(tmp_path / "b.mkv", write_video, picture, [90, 270])
    with pytest.raises(MediaError, match="frame 8 changes from"):
        times(twice)
