import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import MediaError, SourceError
from rushes.media.folder import list_frames
from rushes.media.limits import DEFAULT_LIMITS
from rushes.records import Media, Recording, Segment
from rushes.tasks.operations.sources.openpack.footage import (
    FRAME_S,
    find_footage,
    fingerprint,
    read_frame_times,
    read_video_start,
)
from rushes.tasks.operations.sources.openpack.layout import (
    frames_dir,
    operations_csv,
    video_file,
    video_sidecar,
)
from rushes.tasks.operations.sources.openpack.source import scan
from rushes.tasks.operations.sources.openpack.tables import load_label_set
from rushes.tasks.operations.sources.sessions import check_coverage

WriteSession = Callable[..., Path]
ORIGIN_MS = 1648531511030


def test_the_sample_starts_at_its_first_frame(openpack_sample: Path) -> None:
    footage = find_footage(openpack_sample, "U0209", "S0500", "frames")
    assert footage.origin_us == ORIGIN_MS * 1000
    assert footage.duration_s == pytest.approx(0.933 + FRAME_S)
    assert footage.longest_hole_s == 0.067


def test_frames_and_sidecar_agree_on_the_start(write_session: WriteSession) -> None:
    root = write_session()
    frames, video = (find_footage(root, "U0101", "S0100", kind) for kind in ("frames", "video"))
    assert frames.origin_us == video.origin_us == ORIGIN_MS * 1000
    assert frames.duration_s == pytest.approx(10.0, abs=0.002)
    assert video.duration_s is None


def test_a_hole_in_the_frames_is_measured(write_session: WriteSession) -> None:
    root = write_session()
    for frame in frames_dir(root, "U0101", "S0100").rglob("*_1425[1][2-6]_*.jpg"):
        frame.unlink()
    assert find_footage(root, "U0101", "S0100", "frames").longest_hole_s > 5.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read"),
        (b'{"start": "2022-', "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[]", "says no start"),
        (b'{"begin": "2022-03-29T14:25:11.030+09:00"}', "says no start"),
        (b'{"start": 1648531511.03}', "says no start"),
        (b'{"start": "2022-03-29T14:25:11.030"}', "time zone"),
        (b'{"start": "NaN"}', "not a time"),
    ],
)
def test_a_garbled_sidecar_is_an_error(content: bytes, says: str, tmp_path: Path) -> None:
    sidecar = tmp_path / "S0100.json"
    sidecar.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        read_video_start(sidecar)
    assert caught.value.where == str(sidecar)
    assert "\n" not in caught.value.message
    assert caught.value.cure


def test_a_missing_sidecar_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="without its sidecar"):
        read_video_start(tmp_path / "S0100.json")


def test_times_are_those_of_the_media_floor(write_session: WriteSession) -> None:
    folder = frames_dir(write_session(), "U0101", "S0100")
    (folder / "20220329_142659_999.JPEG").write_bytes(b"")
    (folder / "20220329_151259_001.jpg").write_bytes(b"")
    (folder / ".20220329_142511_031.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("hello")
    times_ms = read_frame_times(folder)
    assert times_ms == [file.unix_ms for file in list_frames(folder, DEFAULT_LIMITS)]
    assert len(times_ms) == 152


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("IMG_0001.jpg", "found IMG_0001.jpg"),
        ("20220329_142561_030.jpg", "found 20220329_142561_030.jpg"),
        ("20220230_142511_030.jpg", "named YYYYmmdd_HHMMSS_mmm.jpg"),
        ("20220329_142511_030.jpg", "two frames of one time, 20220329_142511_030.jpg"),
    ],
)
def test_a_frame_without_a_time_of_its_own_is_an_error(
    name: str, says: str, write_session: WriteSession
) -> None:
    folder = frames_dir(write_session(), "U0101", "S0100")
    (folder / name).write_bytes(b"")
    with pytest.raises((SourceError, MediaError), match=says) as caught:
        read_frame_times(folder)
    assert str(folder) in str(caught.value.where)
    assert caught.value.cure


# --- coverage ---------------------------------------------------------------------------------------------


def recording(*segments: Segment) -> Recording:
    return Recording("U_S", "U", "U", "S", Media("video", Path("a.mp4")), segments, 0.0)


def test_labels_may_stick_out_by_the_tolerance_and_no_more() -> None:
    inside = recording(Segment(-0.5, 4.0, "Tape"), Segment(4.0, 10.5, "Pack"))
    check_coverage(inside, 10.0, tolerance_s=0.5)
    with pytest.raises(SourceError, match=r"Tape starts 0\.500 s before the first frame"):
        check_coverage(inside, 10.0, tolerance_s=0.4999)
    late = recording(Segment(0.0, 4.0, "Tape"), Segment(4.0, 10.5, "Pack"))
    with pytest.raises(
        SourceError, match=r"lasts 10\.000 s, its labels 10\.500 s: 1 of 2 .* last is Pack"
    ) as caught:
        check_coverage(late, 10.0, tolerance_s=0.4999)
    assert "fetch the missing footage" in str(caught.value.cure)
    check_coverage(recording(), 0.0)


# --- fingerprint ------------------------------------------------------------------------------------------


@pytest.fixture
def print_of(write_session: WriteSession) -> Callable[[str], str]:
    write_session("U0101")
    write_session("U0102", media=("frames", "video"))

    def of(media: str) -> str:
        found = scan(write_session("U0103"), load_label_set("openpack"), media)
        assert len(found.recordings) == 3
        return fingerprint(found.root, reversed(found.recordings))

    return of


@pytest.mark.parametrize("media", ["frames", "video"])
def test_the_fingerprint_survives_moving_copying_and_touching(
    media: str, print_of: Callable[[str], str], tmp_path: Path
) -> None:
    before = print_of(media)
    moved = tmp_path / "elsewhere" / "v1.0.0"
    shutil.copytree(tmp_path / "raw", moved)
    for path in moved.rglob("*.*"):
        os.utime(path, (1, 1))
    found = scan(moved.parent, load_label_set("classes10"), media)
    assert found.root == moved
    assert fingerprint(found.root, found.recordings) == before


def test_the_fingerprint_changes_with_annotation_footage_and_start(
    print_of: Callable[[str], str], tmp_path: Path
) -> None:
    root, seen = tmp_path / "raw", {print_of("video")}
    annotation = operations_csv(root, "U0102", "S0100")
    annotation.write_text(annotation.read_text().replace("act:b", "act:c"))
    seen.add(print_of("video"))
    sidecar = video_sidecar(root, "U0102", "S0100")
    sidecar.write_text(json.dumps({"start": "2022-03-29T14:25:11.031+09:00"}))
    seen.add(print_of("video"))
    video = video_file(root, "U0102", "S0100")
    for change in (lambda b: b[:-1] + b"!", lambda b: b"!" + b[1:], lambda b: b[: 2**17] + b[2**17 + 1 :]):
        video.write_bytes(change(video.read_bytes()))
        seen.add(print_of("video"))
    assert len(seen) == 6

    seen = {print_of("frames")}
    frame = next(frames_dir(root, "U0102", "S0100").rglob("*.jpg"))
    frame.write_bytes(frame.read_bytes() + b"!")
    seen.add(print_of("frames"))
    frame.unlink()
    seen.add(print_of("frames"))
    assert len(seen) == 3


def test_a_video_shorter_than_the_sampled_bytes_counts_whole(
    tmp_path: Path, write_session: WriteSession
) -> None:
    root, seen = write_session(), set()
    for content in (b"", b"a", b"b", b"ab"):
        video_file(root, "U0101", "S0100").write_bytes(content)
        found = scan(root, load_label_set("openpack"), "video")
        seen.add(fingerprint(found.root, found.recordings))
    assert len(seen) == 4
