"""On disk: what the twin writes is OpenPack's layout, and the source reads it back."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from rushes.media.folder import frame_unix_ms
from rushes.tasks.operations.sources.openpack import layout
from rushes.tasks.operations.sources.openpack.footage import read_video_start
from rushes.tasks.operations.sources.openpack.rows import read_operations
from rushes.tasks.operations.twin.script import TwinSettings, TwinUnit, plan_session, units
from rushes.tasks.operations.twin.writer import look_of_unit, start_of, write_unit

SETTINGS = TwinSettings(
    subjects=1, boxes=1, media=("video", "frames"), video_size=(160, 120), frame_size=(64, 36)
)


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin")
    (unit,) = units(SETTINGS)
    return root, unit, write_unit(root, unit, SETTINGS)


def test_same_seed_same_bytes(twin, tmp_path):
    root, unit, written = twin
    assert write_unit(tmp_path, unit, SETTINGS) == written
    assert contents(tmp_path) == contents(root)


def duration_s(unit):
    return plan_session(unit, SETTINGS)[-1].end_s


def test_files_are_where_openpack_has_them_and_none_is_left_over(twin):
    root, unit, written = twin
    names = set(contents(root))
    assert {name for name in names if not name.endswith(".jpg")} == {
        "U0101/annotation/openpack-operations/S0100.csv",
        "U0101/annotation/openpack-operations-1hz/S0100.csv",
        "U0101/kinect/color-masked/video/S0100.mp4",
        "U0101/kinect/color-masked/video/S0100.json",
    }
    frames = [name for name in names if name.endswith(".jpg")]
    assert all(name.startswith("U0101/kinect/color-masked/frames/S0100/2022/") for name in frames)
    assert set(written.files) - names == {"U0101/kinect/color-masked/frames/S0100"}
    assert written.frames == len(frames) + int(duration_s(unit) * 25)


def test_video_is_what_the_earlier_systems_normalised_to(twin):
    root, unit, _ = twin
    with av.open(str(layout.video_file(root, unit.subject, unit.session))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 160, 120)
        assert stream.average_rate == 25
        frames = list(container.decode(stream))
    assert len(frames) == int(duration_s(unit) * 25)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(len(frames)) / 25)
    keys = [place for place, frame in enumerate(frames) if frame.key_frame]
    assert keys[0] == 0
    assert max(np.diff(keys)) <= 50


def test_source_reads_the_annotation_back(twin):
    root, unit, _ = twin
    rows = read_operations(
        layout.operations_csv(root, unit.subject, unit.session), unit.subject, unit.session
    )
    start_us = read_video_start(layout.video_sidecar(root, unit.subject, unit.session))
    assert start_us == start_of(unit, SETTINGS)
    steps = [step for step in plan_session(unit, SETTINGS) if step.operation is not None]
    assert [row.operation for row in rows] == [step.operation for step in steps]
    assert [(row.start_us - start_us) / 1e6 for row in rows] == [step.start_s for step in steps]
    assert [(row.end_us - start_us) / 1e6 for row in rows] == [step.end_s for step in steps]
    written = layout.operations_1hz_csv(root, unit.subject, unit.session).read_text().splitlines()
    seconds = layout.seconds_of(rows)
    assert [line.split(",")[0] for line in written] == ["unixtime", *(str(row.unix_ms) for row in seconds)]
    assert [line.split(",")[-1] for line in written] == ["id", *(str(row.id) for row in seconds)]


def test_frames_are_named_by_their_time_66_or_67_ms_apart(twin):
    root, unit, _ = twin
    folder = layout.frames_dir(root, unit.subject, unit.session)
    paths = sorted(folder.rglob("*.jpg"))
    times_ms = [frame_unix_ms(path) for path in paths]
    assert times_ms[0] == start_of(unit, SETTINGS) // 1000
    assert {later - earlier for earlier, later in pairwise(times_ms)} == {66, 67}
    with Image.open(paths[0]) as image:
        assert (image.format, image.size) == ("JPEG", (64, 36))


def test_video_and_frames_show_the_same(twin):
    """The picture at 4 s, small: as JPEG frame and as video frame."""
    root, unit, _ = twin
    paths = sorted(layout.frames_dir(root, unit.subject, unit.session).rglob("*.jpg"))
    with av.open(str(layout.video_file(root, unit.subject, unit.session))) as container:
        frames = [frame for frame in container.decode(video=0) if frame.time <= 4.0]
    still = np.asarray(Image.open(paths[60]).convert("RGB").crop((8, 0, 56, 36)).resize((32, 24))).astype(int)
    film = np.asarray(Image.fromarray(frames[-1].to_ndarray(format="rgb24")).resize((32, 24))).astype(int)
    assert np.abs(still - film).mean() < 14
    assert np.corrcoef(still.ravel(), film.ravel())[0, 1] > 0.9


def test_frames_are_noisy_and_without_difficulty_are_not(twin, tmp_path):
    def flicker(root, unit):
        paths = sorted(layout.frames_dir(root, unit.subject, unit.session).rglob("*.jpg"))[:2]
        first, second = (np.asarray(Image.open(path)).astype(int)[:10, :10] for path in paths)
        return np.abs(first - second).mean()

    root, unit, _ = twin
    easy = replace(SETTINGS, media=("frames",), difficulty=0.0)
    write_unit(tmp_path, unit, easy)
    assert flicker(tmp_path, unit) < 0.2
    assert flicker(root, unit) > 0.5


def test_two_ids_of_a_person_look_alike_and_do_different_things():
    settings = TwinSettings(subjects=("U0103", "U0210"))
    one, other = TwinUnit("U0103", "S0100"), TwinUnit("U0210", "S0100")
    assert look_of_unit(one, settings) == look_of_unit(other, settings)
    assert plan_session(one, settings) != plan_session(other, settings)
    assert start_of(one, settings) != start_of(other, settings)
