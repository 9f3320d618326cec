from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from rushes.errors import MediaError
from rushes.media.limits import Limits
from rushes.media.video import decode, probe
from rushes.media.zipped import members
from rushes.records import Media, Member

MILLI = Fraction(1, 1000)


def video(path: Path) -> Media:
    return Media("video", path)


def times(path: Path) -> list[float]:
    return [frame.time_s for frame in decode(video(path))]


def lumas_by_seek(path: Path, wanted: list[int]) -> list[np.ndarray]:
    """Full luma planes of frames by number, each found by a seek of its own and a search for its PTS."""
    with av.open(str(path)) as container:
        stamps = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)
    planes = []
    for index in wanted:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(stamps[index], stream=stream, backward=True)
            frame = next(frame for frame in container.decode(stream) if frame.pts == stamps[index])
            planes.append(frame.to_ndarray(format="gray"))
    return planes


def test_presentation_order_with_b_frames(b_frame_video: Path) -> None:
    with av.open(str(b_frame_video)) as container:
        decode_order = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert decode_order != sorted(decode_order)  # the file has B-frames indeed
    assert times(b_frame_video) == [index / 25 for index in range(40)]


def test_frames_equal_an_independent_seek(b_frame_video: Path) -> None:
    wanted = [0, 1, 11, 12, 13, 25, 38, 39]
    frames = list(decode(video(b_frame_video)))
    for index, expected in zip(wanted, lumas_by_seek(b_frame_video, wanted), strict=True):
        assert np.abs(frames[index].luma((128, 96)).astype(int) - expected).max() <= 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg binary to compare with")
def test_frames_equal_the_ffmpeg_binary(b_frame_video: Path) -> None:
    wanted = [0, 7, 12, 39]
    choice = "+".join(f"eq(n\\,{index})" for index in wanted)
    chain = f"select={choice},setpts=N/TB/25,format=gray"
    command = ["ffmpeg", "-v", "error", "-i", b_frame_video, "-vf", chain, "-r", "25", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    expected = np.frombuffer(raw, np.uint8).reshape(len(wanted), 96, 128).astype(int)
    frames = list(decode(video(b_frame_video)))
    for index, plane in zip(wanted, expected, strict=True):
        assert np.abs(frames[index].luma((128, 96)) - plane).max() <= 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate_and_a_start_that_is_not_zero(
    tmp_path: Path, write_video: Callable, picture: Callable, suffix: str
) -> None:
    stamps = [5000, 5040, 5107, 5173, 5500, 5501, 6000]
    path = write_video(
        tmp_path / f"a.{suffix}",
        map(picture, range(len(stamps))),
        pts=stamps,
        time_base=MILLI,
        options={"bf": "2"},
    )
    assert times(path) == pytest.approx([(stamp - 5000) / 1000 for stamp in stamps], abs=1e-9)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_late_start_is_no_part_of_the_duration(
    tmp_path: Path, write_video: Callable, picture: Callable, suffix: str
) -> None:
    stamps = list(range(5000, 6000, 40))
    path = write_video(
        tmp_path / f"a.{suffix}", map(picture, range(25)), pts=stamps, time_base=MILLI, options={"bf": "0"}
    )
    assert probe(video(path)).duration_s == pytest.approx(1.0, abs=0.05)
    assert len(times(path)) == 25


def test_times_are_the_nearest_float_of_the_exact_fraction(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    base = Fraction(1001, 30000)
    path = write_video(
        tmp_path / "a.mp4", map(picture, range(30)), pts=list(range(30)), time_base=base, options={"bf": "0"}
    )
    assert times(path) == [float(index * base) for index in range(30)]


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mkv", "libx264", {"bf": "2"}),
        ("avi", "mpeg4", {}),
        ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("webm", "libvpx", {"deadline": "realtime", "cpu-used": "8"}),
        ("mp4", "libx265", {"x265-params": "log-level=none:pools=none"}),
        ("mkv", "libsvtav1", {"preset": "12"}),
        ("avi", "mjpeg", {}),
    ],
)
def test_every_codec_on_the_list(
    tmp_path: Path, write_video: Callable, picture: Callable, suffix: str, codec: str, options: dict
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot encode {codec}")
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(
        tmp_path / f"a.{suffix}", map(picture, range(12)), codec=codec, options=options, pix_fmt=pix_fmt
    )
    assert times(path) == pytest.approx([index / 25 for index in range(12)], abs=0.0011)
    assert probe(video(path)).duration_s == pytest.approx(12 / 25, abs=0.05)


def test_matroska_declares_no_count_and_all_frames_come(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    path = write_video(tmp_path / "a.mkv", map(picture, range(20)))
    assert probe(video(path)).frame_count is None
    assert len(times(path)) == 20


def test_files_that_are_no_video(tmp_path: Path, write_video: Callable, picture: Callable) -> None:
    path = tmp_path / "a.mp4"
    for content, message in (
        (b"", "0 bytes"),
        (b"notes\n" * 100, "cannot open"),
        (bytes(5000), "cannot open"),
    ):
        path.write_bytes(content)
        for read in (probe, times_of):
            with pytest.raises(MediaError, match=message):
                read(video(path))
    for missing in (tmp_path / "none.mp4", tmp_path, Path("http://127.0.0.1:9/a.mp4"), Path("concat:a|b")):
        with pytest.raises(MediaError, match="no such video file"):
            probe(video(missing))


def times_of(media: Media) -> list[float]:
    return [frame.time_s for frame in decode(media)]


def test_a_playlist_cannot_reach_other_files(tmp_path: Path, b_frame_video: Path) -> None:
    """FFmpeg's playlist formats open what they name; they are not on the list of containers."""
    for name, text in (
        ("a.ffconcat", f"ffconcat version 1.0\nfile '{b_frame_video}'\n"),
        ("a.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\n{b_frame_video}\n#EXT-X-ENDLIST\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(MediaError, match="cannot open"):
            times(path)


def test_codecs_off_the_list_and_sound_alone(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    path = write_video(tmp_path / "a.avi", map(picture, range(3)), codec="ffv1")
    with pytest.raises(MediaError, match=r"among av1, h264, hevc, .* found ffv1"):
        times(path)
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        times(sound)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, options={})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        times(path)


@pytest.mark.parametrize(
    ("suffix", "codec", "container_options"),
    [
        ("mp4", "libx264", {"movflags": "faststart"}),
        ("mkv", "libx264", {}),
        ("avi", "mpeg4", {}),
        ("webm", "libvpx-vp9", {}),
    ],
)
def test_a_file_cut_short_is_an_error_at_once_or_after_its_good_frames(
    tmp_path: Path, write_video: Callable, picture: Callable, suffix: str, codec: str, container_options: dict
) -> None:
    path = write_video(
        tmp_path / f"a.{suffix}",
        map(picture, range(50)),
        codec=codec,
        container_options=container_options,
        options={"g": "12"},
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    good: list[float] = []
    with pytest.raises(MediaError, match=r"cut short|breaks off after \d+ whole frames"):
        good.extend(frame.time_s for frame in decode(video(path)))
    assert 10 < len(good) < 45 if suffix == "mp4" else not good  # the others say how many bytes they have


def test_an_mp4_without_its_table_cannot_be_opened(b_frame_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    whole = b_frame_video.read_bytes()
    path.write_bytes(whole[: whole.index(b"moov") - 4])
    with pytest.raises(MediaError, match="cannot open"):
        times(path)


def test_flipped_bits_in_h264_do_not_pass_for_pictures(b_frame_video: Path, tmp_path: Path) -> None:
    """FFmpeg conceals the damage and says so on the frame alone; at least nine of ten are seen."""
    whole = b_frame_video.read_bytes()
    start = whole.index(b"mdat") + 800
    length = whole.index(b"moov") - start
    seen = 0
    for trial in range(20):
        damaged = bytearray(whole)
        damaged[start + length * trial // 20] ^= 0x55
        damaged[start + length * trial // 20 + 1] ^= 0xAA
        path = tmp_path / "a.mp4"
        path.write_bytes(damaged)
        try:
            times(path)
        except MediaError:
            seen += 1
    assert seen >= 18


def test_a_lost_beginning_is_not_a_shifted_clock(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    """Without its first key frame a stream has no picture for a while; zero must not slide along."""
    whole = write_video(tmp_path / "a.mp4", map(picture, range(50)), options={"g": "25", "bf": "0"})
    cut = tmp_path / "cut.mkv"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts >= 10 * packet.duration:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(MediaError, match=r"the first 0\.\d+ s cannot be decoded|breaks off after 0"):
        times(cut)


def test_sound_that_outlasts_the_picture_is_no_cut(tmp_path: Path, picture: Callable) -> None:
    for suffix in ("mp4", "mkv"):
        path = tmp_path / f"a.{suffix}"
        with av.open(str(path), "w") as container:
            pictures = container.add_stream("libx264", rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 128, 96, "yuv420p"
            sound = container.add_stream("aac", rate=8000)
            for index in range(10):
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
            container.mux(pictures.encode(None))
            for _ in range(16):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                frame.sample_rate = 8000
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        assert len(times(path)) == 10
        assert probe(video(path)).duration_s == pytest.approx(0.4, abs=0.05)


def repeated_times(path: Path, to: Path) -> Path:
    """Copy an mp4 without B-frames whose table of times gives its first sample a duration of zero."""
    data = bytearray(path.read_bytes())
    table = data.index(b"stts") + 4
    entries, count, _ = struct.unpack_from(">3I", data, table + 4)
    assert entries == 1
    struct.pack_into(">3I", data, table + 4, 1, count, 0)
    to.write_bytes(data)
    return to


def test_a_clock_that_stands_still_is_refused(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    path = write_video(tmp_path / "a.mp4", map(picture, range(6)), options={"bf": "0"})
    with pytest.raises(MediaError, match="times must increase"):
        times(repeated_times(path, tmp_path / "b.mp4"))


@pytest.mark.parametrize(
    ("limits", "figure"),
    [
        (Limits(max_pixels=128 * 96 - 1), "pixels: at most 12,287 accepted, found 12,288"),
        (Limits(max_frames=39), "frames: at most 39 accepted, found 40"),
        (Limits(max_duration_s=1.5), "duration s: at most 1.5 accepted"),
        (Limits(max_decoded_bytes=128 * 96 * 30), "decoded bytes: at most 368,640 accepted"),
    ],
)
def test_limits_hold_against_declared_and_decoded_figures(
    b_frame_video: Path, tmp_path: Path, limits: Limits, figure: str
) -> None:
    with pytest.raises(MediaError, match=figure):
        times_within(b_frame_video, limits)
    silent = tmp_path / "a.mkv"  # matroska declares no count, and a live one no duration either
    with av.open(str(b_frame_video)) as source, av.open(str(silent), "w", options={"live": "1"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe(video(silent)).duration_s is None
    with pytest.raises(MediaError, match=figure.split(" accepted")[0]):
        times_within(silent, limits)


def times_within(path: Path, limits: Limits) -> list[float]:
    return [frame.time_s for frame in decode(video(path), limits)]


def test_a_decompression_bomb_stops_at_the_bound(tmp_path: Path, write_video: Callable) -> None:
    """200 black frames of 1024 x 1024 are some ten kB as a file and 300 MB decoded."""
    black = np.zeros((1024, 1024, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", [black] * 200, options={"preset": "ultrafast"})
    assert path.stat().st_size < 100_000
    with pytest.raises(MediaError, match="decoded bytes: at most 20,000,000"):
        times_within(path, Limits(max_decoded_bytes=20_000_000))


def test_a_change_of_size_in_the_middle_is_refused(
    tmp_path: Path, write_video: Callable, picture: Callable
) -> None:
    parts = [
        write_video(tmp_path / f"{size[0]}.h264", [picture(i, *size) for i in range(3)], options={"bf": "0"})
        for size in ((128, 96), (64, 48))
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    path = tmp_path / "a.mkv"
    with av.open(str(joined)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.stream, packet.pts, packet.dts = stream, 40 * index, 40 * index
            packet.time_base = MILLI
            target.mux(packet)
    with pytest.raises(MediaError, match="changes from"):
        times(path)


def test_real_recordings(samples: Path) -> None:
    paths = sorted((samples / "videos").glob("*.m*"))
    assert len(paths) == 7
    for path in paths:
        found = times(path)
        info = probe(video(path))
        assert all(later > earlier for earlier, later in pairwise(found))
        assert found[-1] + 1 / float(info.rate) == pytest.approx(info.duration_s, abs=0.04)
        if path.suffix == ".mkv":
            assert info.frame_count is None
        wanted = [0, len(found) // 3, len(found) - 1]
        frames = {i: f.luma((f.width, f.height)) for i, f in enumerate(decode(video(path))) if i in wanted}
        for index, expected in zip(wanted, lumas_by_seek(path, wanted), strict=True):
            plane = frames[index].astype(int)
            assert np.abs(plane - expected).max() <= 1


# --- videos that lie in archives ----------------------------------------------------------------------------


def zipped_video(path: Path) -> Member:
    """The video as the second member of an archive beside it."""
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("odd.txt", b"so that the video begins at no round place")
        opened.writestr(path.name, path.read_bytes())
    return members(archive)[1]


def outcome(media: Media | Member) -> tuple[list[float], str | None]:
    """Times of the frames that came, and the message of the error that ended them."""
    found: list[float] = []
    try:
        found.extend(frame.time_s for frame in decode(media))
    except MediaError as error:
        return found, error.message
    return found, None


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "libx264", {"bf": "2", "g": "12"}),
        ("mkv", "libx264", {"bf": "2"}),
        ("avi", "mpeg4", {}),
        ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ],
)
def test_a_video_in_an_archive_is_the_video(
    tmp_path: Path, write_video: Callable, picture: Callable, suffix: str, codec: str, options: dict
) -> None:
    path = write_video(tmp_path / f"a.{suffix}", map(picture, range(30)), codec=codec, options=options)
    member = zipped_video(path)
    assert probe(member) == probe(video(path))
    pairs = zip(decode(video(path)), decode(member), strict=True)
    assert all(a.time_s == b.time_s and a.jpeg((64, 48)) == b.jpeg((64, 48)) for a, b in pairs)


def test_frames_outlive_the_archive(b_frame_video: Path, tmp_path: Path) -> None:
    member = zipped_video(Path(shutil.copy(b_frame_video, tmp_path)))
    frames = list(decode(member))
    member.archive.unlink()
    assert [f.jpeg((64, 48)) for f in frames] == [f.jpeg((64, 48)) for f in decode(video(b_frame_video))]


def test_a_decode_that_is_left_early_lets_go_of_the_archive(b_frame_video: Path, tmp_path: Path) -> None:
    member = zipped_video(Path(shutil.copy(b_frame_video, tmp_path)))
    frames = decode(member)
    kept = next(frames)
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc to look into")
    assert str(member.archive) in maps.read_text()
    frames.close()
    assert str(member.archive) not in maps.read_text()
    assert kept.luma((128, 96)).any()


def test_a_flipped_byte_in_an_archive_gives_no_frame(b_frame_video: Path, tmp_path: Path) -> None:
    """One byte deep in the pictures, of which FFmpeg may say nothing: the checksum is asked first."""
    member = zipped_video(Path(shutil.copy(b_frame_video, tmp_path)))
    data = bytearray(member.archive.read_bytes())
    data[member.offset + member.size // 2] ^= 0x10
    member.archive.write_bytes(data)
    for read in (lambda: next(decode(member)), lambda: probe(member)):
        with pytest.raises(MediaError, match=f"declares CRC32 {member.crc32:08x}, its bytes have") as caught:
            read()
        assert caught.value.where == f"{tmp_path}/b.zip/b.mp4"


def test_damage_in_an_archive_is_told_as_in_a_file(b_frame_video: Path, tmp_path: Path) -> None:
    """What was damaged before it was archived passes its checksum; its outcome is that of the file."""
    whole, dice = b_frame_video.read_bytes(), random.Random(3)
    damaged = [b"", bytes(500), whole[:2000], whole[: len(whole) // 2]]
    for trial in range(60):
        mutant = bytearray(whole)
        for _ in range(1 + trial % 4):
            mutant[dice.randrange(len(whole)) if trial % 2 else dice.randrange(1, 64)] ^= 1 << dice.randrange(
                8
            )
        damaged.append(bytes(mutant))
    told = 0
    for data in damaged:
        path = tmp_path / "a.mp4"
        path.write_bytes(data)
        found = outcome(zipped_video(path))
        assert found == outcome(video(path))
        told += found[1] is not None
    assert told > 20


def test_too_little_memory_is_not_called_a_broken_file(b_frame_video: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from rushes.media.video import probe\n"
        "from rushes.records import Media\n"
        "media = Media('video', Path(sys.argv[1]))\n"
        "probe(media)\n"  # so that every module is loaded
        "resource.setrlimit(resource.RLIMIT_DATA, (0, 0))\n"
        "held, size = [], 1 << 20\n"
        "while size > 1 << 12:\n"
        "    try: held.append(bytearray(size))\n"
        "    except MemoryError: size //= 2\n"
        "try: probe(media)\n"
        "except Exception as error:\n"
        "    held.clear()\n"  # Python 3.13 needs memory of its own to say what went wrong
        "    print(type(error).__name__, error.message)\n"
    )
    told = subprocess.run([sys.executable, "-c", script, b_frame_video], capture_output=True, text=True)
    assert told.stdout == "MediaError there is not enough memory to decode it\n", told.stderr


def test_what_the_machine_refuses_to_open_is_no_damage(b_frame_video: Path, no_file_opens: Callable) -> None:
    media = Media("video", b_frame_video)
    probe(media)  # so that every module is loaded
    for refused in (lambda: probe(media), lambda: next(decode(media))):
        with pytest.raises(OSError, match="Too many open files"), no_file_opens():
            refused()
