from __future__ import annotations

import csv
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushes.errors import MediaError, SourceError
from rushes.media.video import decode
from rushes.runs.copies import Copies
from rushes.tasks.driving.sources.physical_ai_av.audit import audit
from rushes.tasks.driving.sources.physical_ai_av.clip import Clip as Found
from rushes.tasks.driving.sources.physical_ai_av.layout import CAMERAS
from rushes.tasks.driving.sources.physical_ai_av.sensors import read_camera_times, read_trajectory
from rushes.tasks.driving.sources.physical_ai_av.source import Scan, fingerprint, scan
from rushes.tasks.driving.sources.physical_ai_av.tables import assign_splits, require_clips
from rushes.tasks.driving.sources.trajectory import motion

FRONT, LEFT = "camera_front_wide_120fov", "camera_cross_left_120fov"
PAIR = (FRONT, LEFT)
FRAMES = 20


@dataclass(frozen=True)
class Clip:
    """One row of the index, and which of its sensors are there."""

    id: str
    chunk: int = 0
    split: str = "train"
    valid: bool = True
    cameras: tuple[str, ...] = PAIR
    motion: tuple[str, ...] = ("egomotion",)


CLIPS = (
    Clip("aa-0001"),
    Clip("aa-0002", split="val"),
    Clip("aa-0003", valid=False),
    Clip("aa-0004", cameras=(FRONT,)),
    Clip("aa-0005", motion=()),
    Clip("bb-0001", chunk=7, split="test"),
    Clip("zz-0001", chunk=12),
)
HERE = (0, 7)


def parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def video(seed: int) -> bytes:
    """A few frames of H.264 with B-frames."""
    sink, rng = io.BytesIO(), np.random.default_rng(seed)
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "2", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.thread_count = 1
        tiles = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        for index in range(FRAMES):
            rgb = np.roll(tiles, index, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode(None))
    return sink.getvalue()


def frame_times() -> bytes:
    return parquet({"timestamp": np.arange(FRAMES) * 33_333 - 14_000})


def poses(velocities: bool = True) -> bytes:
    """Straight ahead at 10 m/s, at 90 Hz, from one second before the clip to two behind its frames."""
    times_us = np.arange(-1_000_000, 2_700_000, 11_111)
    x, still = times_us / 1e5, np.zeros(len(times_us))
    columns = {"timestamp": times_us, "qx": still, "qy": still, "qz": still, "qw": still + 1}
    columns |= {"x": x, "y": still, "z": still}
    return parquet(columns | ({"vx": still + 10, "vy": still, "vz": still} if velocities else {}))


def write_zip(path: Path, content: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def archive(root: Path, feature: str, chunk: int = 0) -> Path:
    folder = "camera" if feature.startswith("camera") else "labels"
    return root / folder / feature / f"{feature}.chunk_{chunk:04d}.zip"


def write_features(root: Path, features: Iterable[str]) -> None:
    sink = io.StringIO()
    rows = csv.writer(sink)
    rows.writerow(("feature", "directory", "chunk_path", "clip_files_in_zip"))
    for name in features:
        kind = "camera" if name.startswith("camera") else "labels"
        files = {"egomotion": f"{{clip_id}}.{name}.parquet"}
        if kind == "camera":
            ends = {"video": "mp4", "frame_timestamps": "timestamps.parquet"}
            files = {what: f"{{clip_id}}.{name}.{end}" for what, end in ends.items()}
        rows.writerow((name, kind, f"{kind}/{name}/{name}.chunk_{{chunk_id:04d}}.zip", json.dumps(files)))
    path = "calibration/vehicle_dimensions/vehicle_dimensions.chunk_{chunk_id:04d}.parquet"
    rows.writerow(("vehicle_dimensions", "calibration", path, ""))
    (root / "features.csv").write_text(sink.getvalue())


def write_dataset(root: Path, clips: Iterable[Clip] = CLIPS, here: Iterable[int] = HERE) -> Path:
    """A copy in the dataset's layout that holds the chunks ``here``."""
    clips = list(clips)
    (root / "metadata").mkdir(parents=True)
    write_features(root, (*CAMERAS, "egomotion", "egomotion.offline"))
    index = {
        "clip_id": [clip.id for clip in clips],
        "chunk": [clip.chunk for clip in clips],
        "split": [clip.split for clip in clips],
        "clip_is_valid": [clip.valid for clip in clips],
    }
    (root / "clip_index.parquet").write_bytes(parquet(index))
    presence = {"clip_id": index["clip_id"], "radar_config": ["low"] * len(clips)}
    presence |= {camera: [camera in clip.cameras for clip in clips] for camera in PAIR}
    (root / "metadata/feature_presence.parquet").write_bytes(parquet(presence))
    collection = {"clip_id": index["clip_id"], "country": ["Italy"] * len(clips)}
    collection |= {"hour_of_day": list(range(len(clips))), "month": [None] * len(clips)}
    (root / "metadata/data_collection.parquet").write_bytes(parquet(collection))
    for chunk in here:
        inside = [clip for clip in clips if clip.chunk == chunk]
        for camera in PAIR:
            content = {}
            for seed, clip in enumerate(inside, 100 * chunk):
                if camera in clip.cameras:
                    content[f"{clip.id}.{camera}.mp4"] = video(seed)
                    content[f"{clip.id}.{camera}.timestamps.parquet"] = frame_times()
            write_zip(archive(root, camera, chunk), content)
        for kind in ("egomotion", "egomotion.offline"):
            tables = {
                f"{clip.id}.{kind}.parquet": poses(kind == "egomotion")
                for clip in inside
                if kind in clip.motion
            }
            if tables:
                write_zip(archive(root, kind, chunk), tables)
    return root


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pai") / "raw")


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(written, tmp_path / "raw"))


def repack(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Write an archive anew with other content."""
    with zipfile.ZipFile(path) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    change(content)
    write_zip(path, content)


def keys(found: Scan) -> tuple[list[str], list[str], list[str]]:
    return tuple([entry.key for entry in part] for part in (found.recordings, found.faults, found.skipped))


# --- scan --------------------------------------------------------------------------------------------------


def test_every_clip_of_the_chunks_here_is_accounted_for(written: Path) -> None:
    found = scan(written, PAIR)
    assert keys(found) == (["aa-0001", "aa-0002", "bb-0001"], [], ["aa-0003", "aa-0004", "aa-0005"])
    assert sum(map(len, keys(found))) == 6
    assert [entry.message for entry in found.skipped] == [
        "the clip index calls it invalid",
        f"{LEFT} was not recorded",
        "egomotion is not in its archive",
    ]
    assert {entry.kind for entry in found.skipped} == {"Skipped"}
    [note] = found.notes
    assert (note.message, note.key) == ("1 chunks of the clip index are not here", "")


def test_a_recording_knows_where_everything_lies(written: Path) -> None:
    recording = scan(written, (LEFT, FRONT)).recordings[1]
    assert (recording.key, recording.group, recording.split, recording.chunk) == ("aa-0002",) * 2 + ("val", 0)
    assert recording.tags == (("country", "Italy"), ("hour_of_day", "1"))
    assert [footage.camera for footage in recording.cameras] == [LEFT, FRONT]
    front = recording.camera(FRONT)
    assert (front.video.archive, front.video.name) == (archive(written, FRONT), f"aa-0002.{FRONT}.mp4")
    times_s = read_camera_times(front.times)
    assert times_s[:2] == pytest.approx([-0.014, 0.019333])
    assert len(list(decode(front.video))) == len(times_s) == FRAMES
    moved = motion(read_trajectory(recording.egomotion).at(times_s))
    assert moved.displacement_m[-1] == pytest.approx(10 * (times_s[-1] - times_s[0]), abs=1e-6)


def test_chunks_and_a_limit(written: Path) -> None:
    assert keys(scan(written, PAIR, chunks=[7])) == (["bb-0001"], [], [])
    assert keys(scan(written, PAIR, limit=1)) == (["aa-0001"], [], [])
    asked = scan(written, PAIR, chunks=[12])
    assert keys(asked) == ([], [], ["zz-0001"])  # asked for by number, it is planned and not merely noted
    assert asked.skipped[0].message == "; ".join(
        f"the archive of {name} is not here" for name in (*PAIR, "egomotion")
    )
    with pytest.raises(SourceError, match="knows no chunk 3, 99") as caught:
        scan(written, PAIR, chunks=[0, 3, 99])
    assert "0 to 12" in caught.value.cure


def test_fewer_cameras_make_more_recordings(written: Path) -> None:
    assert "aa-0004" in keys(scan(written, [FRONT]))[0]
    assert keys(scan(written))[0] == []  # no clip has all seven


@pytest.mark.parametrize("cameras", [["camera_top"], [], [FRONT, FRONT], ["egomotion"]])
def test_cameras_that_are_none(written: Path, cameras: list[str]) -> None:
    with pytest.raises(SourceError, match=r"no cameras|each camera once") as caught:
        scan(written, cameras)
    assert ", ".join(CAMERAS) in caught.value.cure


def test_the_older_presence_table_and_none_at_all(root: Path) -> None:
    table = root / "metadata/feature_presence.parquet"
    expected = scan(root, PAIR)
    table.rename(root / "metadata/sensor_presence.parquet")
    assert scan(root, PAIR) == expected
    (root / "metadata/sensor_presence.parquet").unlink()
    assert scan(root, PAIR).skipped[1].message == f"{LEFT} is not in its archive"
    (root / "metadata/data_collection.parquet").unlink()
    assert scan(root, PAIR).recordings[0].tags == ()


def test_an_index_as_pandas_writes_a_nameless_one(root: Path) -> None:
    expected = scan(root, PAIR)
    table = pq.read_table(root / "clip_index.parquet")
    table = table.rename_columns(["__index_level_0__", *table.column_names[1:]])
    pq.write_table(
        table.set_column(2, "split", table["split"].dictionary_encode()), root / "clip_index.parquet"
    )
    assert scan(root, PAIR) == expected


def test_a_missing_archive_is_data(root: Path) -> None:
    archive(root, LEFT).unlink()
    found = scan(root, PAIR)
    assert keys(found)[0] == ["bb-0001"]
    assert found.skipped[0].message == f"the archive of {LEFT} is not here"
    assert sum(map(len, keys(found))) == 6


def test_a_cut_archive_costs_its_clips_and_no_others(root: Path) -> None:
    path = archive(root, LEFT)
    os.truncate(path, path.stat().st_size - 100)
    found = scan(root, PAIR)
    assert keys(found) == (["bb-0001"], ["aa-0001", "aa-0002", "aa-0004", "aa-0005"], ["aa-0003"])
    assert sum(map(len, keys(found))) == 6
    reason = found.faults[0].reason()
    assert reason["type"] == "MediaError"
    assert "cannot read it as a zip" in reason["message"]
    assert reason["where"] == str(path)


def test_a_video_without_its_timestamps_is_a_fault(root: Path) -> None:
    for camera, name in ((FRONT, "timestamps.parquet"), (LEFT, "mp4")):
        repack(archive(root, camera), lambda content, n=f"aa-0001.{camera}.{name}": content.pop(n))
        found = scan(root, [camera])
        assert "aa-0001" in keys(found)[1]
        assert found.faults[0].kind == "SourceError"
        assert f"found no aa-0001.{camera}.{name}" in found.faults[0].message


def test_a_hostile_archive_is_a_fault(root: Path) -> None:
    repack(archive(root, FRONT), lambda content: content.update({"../../escape": b"x"}))
    found = scan(root, PAIR)
    assert len(found.faults) == 4
    assert "may not be called '../../escape'" in found.faults[0].message


# --- offline motion ---------------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path: Path) -> Path:
    clips = (Clip("a", motion=("egomotion", "egomotion.offline")), Clip("b", motion=("egomotion.offline",)))
    return write_dataset(tmp_path / "raw", (*clips, Clip("c")), here=[0])


def test_the_offline_motion_is_taken_where_it_is_asked_for_or_alone(both: Path) -> None:
    found = scan(both, PAIR)
    names = [recording.egomotion.name for recording in found.recordings]
    assert names == ["a.egomotion.parquet", "b.egomotion.offline.parquet", "c.egomotion.parquet"]
    assert [(note.key, note.kind) for note in found.notes] == [("b", "Note")]
    assert "only the offline motion" in found.notes[0].message
    asked = scan(both, PAIR, offline=True)
    assert [r.egomotion.name for r in asked.recordings] == [
        f"{key}.egomotion.offline.parquet" for key in "ab"
    ]
    assert asked.skipped[0].message == "egomotion.offline is not in its archive"
    assert asked.notes == ()


def test_offline_tables_beside_the_others(both: Path) -> None:
    """A layout whose one archive holds both, and whose table of features knows no offline feature."""
    with zipfile.ZipFile(archive(both, "egomotion.offline")) as opened:
        offline = {name: opened.read(name) for name in opened.namelist()}
    repack(archive(both, "egomotion"), lambda content: content.update(offline))
    archive(both, "egomotion.offline").unlink()
    write_features(both, (*CAMERAS, "egomotion"))
    assert [r.egomotion.name.partition(".")[2] for r in scan(both, PAIR).recordings] == [
        "egomotion.parquet",
        "egomotion.offline.parquet",
        "egomotion.parquet",
    ]
    found = scan(both, PAIR, offline=True)
    assert keys(found) == (["a", "b"], [], ["c"])
    assert audit(both, PAIR, offline=True).chunks[0].usable == 2
    assert audit(both, PAIR).chunks[0].features[-1].foreign == 0


# --- roots and tables that do not hold ----------------------------------------------------------------------


def test_what_is_no_root(tmp_path: Path, root: Path) -> None:
    with pytest.raises(SourceError, match=r"no features\.csv and no clip_index\.parquet; found no folder"):
        scan(tmp_path / "none", PAIR)
    (root / "features.csv").unlink()
    with pytest.raises(SourceError, match="found camera, clip_index"):
        scan(root, PAIR)


def test_no_archive_of_what_is_wanted(root: Path) -> None:
    for folder in ("camera", "labels"):
        shutil.rmtree(root / folder)
    with pytest.raises(SourceError, match=rf"not even camera/{FRONT}/{FRONT}\.chunk_0000\.zip"):
        scan(root, PAIR)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"clip_id": ["a", "a"]}, "clip 'a' stands twice"),
        ({"clip_id": ["a", "../b"]}, r"a clip id is made of .* found '\.\./b'"),
        ({"clip_id": ["a", None]}, "clip_id should hold text in every row"),
        ({"chunk": [0.5, 1.0]}, "chunk should hold whole numbers, found double"),
        ({"chunk": [0, None]}, "with 1 holes"),
        ({"clip_is_valid": ["yes", "no"]}, "clip_is_valid should hold true or false"),
        ({"clip_is_valid": [True, None]}, "clip_is_valid should hold true or false"),
        ({"split": None}, r"no column split; the table has chunk, clip_id, clip_is_valid"),
    ],
)
def test_an_index_that_does_not_hold(root: Path, columns: dict[str, Any], message: str) -> None:
    whole = {"clip_id": ["a", "b"], "chunk": [0, 1], "split": ["train"] * 2, "clip_is_valid": [True] * 2}
    table = {name: values for name, values in (whole | columns).items() if values is not None}
    (root / "clip_index.parquet").write_bytes(parquet(table))
    with pytest.raises(SourceError, match=message) as caught:
        scan(root, PAIR)
    assert caught.value.where == str(root / "clip_index.parquet")


def test_an_index_that_is_no_parquet(root: Path) -> None:
    whole = (root / "clip_index.parquet").read_bytes()
    for data in (b"", b"PAR1 and nothing else PAR1", whole[:-20]):
        (root / "clip_index.parquet").write_bytes(data)
        with pytest.raises(SourceError, match="cannot read it as parquet"):
            scan(root, PAIR)


# --- splits -------------------------------------------------------------------------------------------------


def test_sides_of_the_index_and_of_lists(written: Path) -> None:
    recordings = scan(written, PAIR).recordings
    by_index = {"aa-0001": "train", "aa-0002": "val", "bb-0001": "test"}
    assert assign_splits(recordings, "index") == by_index
    lists = {"train": ["bb-0001", "zz-0009"], "test": ["aa-0001"]}
    assert assign_splits(recordings, lists) == {"aa-0001": "test", "bb-0001": "train"}
    with pytest.raises(SourceError, match="listed in train and in test"):
        assign_splits(recordings, {"train": ["aa-0001"], "test": ["aa-0001"]})
    with pytest.raises(SourceError, match="no side 'dev'"):
        assign_splits(recordings, {"dev": ["aa-0001"]})


def write_split(root: Path, name: str, sides: dict[str, str | None]) -> None:
    (root / "splits").mkdir(exist_ok=True)
    table = parquet({"clip_id": list(sides), "split": pa.array(sides.values(), pa.string())})
    (root / f"splits/{name}.parquet").write_bytes(table)


def sides(root: Path, split: str = "default") -> dict[str, str]:
    return assign_splits(scan(root, PAIR, split=split).recordings, split)


def test_a_table_of_splits_stands_above_the_clip_index_as_in_the_publishers_kit(root: Path) -> None:
    by_index = {"aa-0001": "train", "aa-0002": "val", "bb-0001": "test"}
    assert sides(root) == by_index
    write_split(
        root, "default", {"aa-0001": "test", "aa-0002": None, "zz-0001": "train"}
    )  # bb-0001 is left out
    write_split(root, "small", {"aa-0001": "train", "aa-0002": "val", "bb-0001": "test"})
    assert sides(root) == {"aa-0001": "test"}
    assert sides(root, "small") == sides(root, "index") == by_index
    found = scan(root, PAIR)
    assert [recording.split for recording in found.recordings] == ["test", "", ""]
    assert fingerprint(root, found.recordings) != fingerprint(
        root, scan(root, PAIR, split="index").recordings
    )


def test_a_split_that_contradicts_the_clip_index_is_told(root: Path) -> None:
    def told(split: str = "default") -> list[str]:
        return [note.message for note in scan(root, PAIR, split=split).notes if "elsewhere" in note.message]

    whole = {clip.id: clip.split for clip in CLIPS}
    write_split(root, "default", whole)
    assert told() == told("index") == []
    write_split(root, "default", whole | {"aa-0001": "test", "zz-0001": "test", "aa-0002": None})
    moved = "it puts 3 of 7 clips elsewhere than the clip index (2 from train to test, 1 from val to no side)"
    assert told() == [f"splits/default.parquet is taken: {moved}"]
    assert told("index") == [f"splits/default.parquet is not taken, though the publisher's kit does: {moved}"]


def test_an_index_without_sides_will_do_beside_a_table_of_splits(root: Path) -> None:
    path = root / "clip_index.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["split"]), path)
    with pytest.raises(SourceError, match="no column split"):
        scan(root, PAIR)
    write_split(root, "default", {"bb-0001": "val"})
    assert sides(root) == {"bb-0001": "val"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"clip_id": ["aa-0001", "qq-1"], "split": ["train", "val"]},
            "labels 1 clips that are not in .* as qq-1",
        ),
        (
            {"clip_id": ["aa-0001"] * 2, "split": ["train", "val"]},
            "clip 'aa-0001' stands twice in default.parquet",
        ),
        ({"clip_id": ["aa-0001"], "split": [7]}, "column split should hold text, found 7"),
        ({"clip_id": ["aa-0001"], "side": ["train"]}, "no column split; the table has clip_id, side"),
    ],
)
def test_a_table_of_splits_that_does_not_hold(root: Path, columns: dict[str, Any], message: str) -> None:
    (root / "splits").mkdir()
    (root / "splits/default.parquet").write_bytes(parquet(columns))
    with pytest.raises(SourceError, match=message) as caught:
        scan(root, PAIR)
    assert caught.value.where == str(root / "splits/default.parquet")
    assert caught.value.cure


def test_an_unknown_split_lists_those_there_are(root: Path) -> None:
    for names in ((), ("small", "default")):
        for name in names:
            write_split(root, name, {"aa-0001": "train"})
        with pytest.raises(SourceError, match="no split 'smal' beside the clip index") as caught:
            scan(root, PAIR, split="smal")
        known = ", ".join(sorted({"default", "index", *names}))
        assert caught.value.cure == f"set source.split to {known}, or list clips by side"


def test_clips_that_are_nowhere_are_named(written: Path) -> None:
    require_clips(written, ["aa-0001", "bb-0001", "aa-0001"])
    require_clips(written, [])
    with pytest.raises(SourceError, match="knows no clip 'aa-0o01', 'zz-9'") as caught:
        require_clips(written, ["zz-9", "bb-0001", "aa-0o01"])
    assert caught.value.where == str(written / "clip_index.parquet")
    assert caught.value.cure.startswith("did you mean aa-0001")
    with pytest.raises(SourceError, match="'q0', 'q1', 'q2', 'q3', 'q4' and 4 more") as caught:
        require_clips(written, [f"q{number}" for number in range(9)])
    assert caught.value.cure == "list clips of the column clip_id"


def test_a_group_stands_on_one_side(written: Path) -> None:
    recordings = [replace(recording, group="drive") for recording in scan(written, PAIR).recordings]
    with pytest.raises(
        SourceError, match="group drive stands on two sides: aa-0001 in train, aa-0002 in val"
    ):
        assign_splits(recordings, "index")
    together = {"train": [recording.key for recording in recordings]}
    assert set(assign_splits(recordings, together).values()) == {"train"}


def test_a_drive_makes_a_group(root: Path) -> None:
    path = root / "metadata/data_collection.parquet"
    table = pq.read_table(path)
    drives = pa.array(["d1", "d1", None, None, None, "d2", None])
    pq.write_table(table.append_column("drive_id", drives), path)
    found = scan(root, PAIR).recordings
    assert [recording.group for recording in found] == ["d1", "d1", "d2"]
    assert "drive_id" not in dict(found[0].tags)


# --- fingerprint --------------------------------------------------------------------------------------------


def test_the_fingerprint_is_that_of_the_content(written: Path, root: Path) -> None:
    def of(place: Path) -> str:
        found = scan(place, PAIR)
        return fingerprint(found.root, found.recordings)

    before = of(written)
    assert before == of(root)  # another place, another time of writing
    os.utime(archive(root, FRONT))
    assert before == of(root)
    found = scan(root, PAIR)
    assert fingerprint(root, reversed(found.recordings)) == before
    assert fingerprint(root, found.recordings[1:]) != before
    name = f"aa-0001.{FRONT}.timestamps.parquet"
    repack(archive(root, FRONT), lambda content: content.update({name: frame_times()[:-1] + b"x"}))
    assert of(root) != before


# --- audit --------------------------------------------------------------------------------------------------


def test_the_audit_counts_what_is_there(root: Path) -> None:
    def disturb(content: dict[str, bytes]) -> None:
        content.pop(f"aa-0002.{FRONT}.timestamps.parquet")
        content[f"stranger.{FRONT}.mp4"] = b"x"
        content[f"aa-0001.{LEFT}.mp4"] = b"y"

    repack(archive(root, FRONT), disturb)
    found = audit(root, PAIR)
    zero, seven = found.chunks
    front, left, egomotion = zero.features
    assert (front.feature, front.state, front.archive) == (
        FRONT,
        "here",
        f"camera/{FRONT}/{FRONT}.chunk_0000.zip",
    )
    assert (front.complete, front.torn, front.missing, front.not_indexed, front.foreign) == (3, 1, 0, 1, 1)
    assert (left.complete, left.torn, left.missing, left.not_indexed, left.foreign) == (3, 0, 1, 0, 0)
    assert (egomotion.complete, egomotion.missing) == (3, 1)
    assert (zero.clips, zero.invalid, zero.usable, zero.samples) == (4, 1, 1, 24)
    assert (seven.usable, found.absent, found.windows) == (1, 1, 24)
    recordings = scan(root, PAIR).recordings
    total = found.to_json()["total"]
    assert total["usable"] == len(recordings) == 2
    assert total["bytes"] == sum(map(size_of, recordings))
    assert json.loads(json.dumps(found.to_json()))["chunks"][0]["features"][0]["torn"] == 1
    text = found.text()
    assert "2 of 5 valid clips in 2 chunks have all 2 cameras and their motion: about 48 samples" in text
    assert text.splitlines()[1].split()[:6] == ["0", FRONT, "3", "1", "0", "2"]


def size_of(recording: Found) -> int:
    footage = sum(f.video.size + f.times.size for f in recording.cameras)
    return footage + recording.egomotion.size


def test_the_audit_reports_archives_that_are_absent_or_damaged(root: Path) -> None:
    archive(root, LEFT, 7).unlink()
    os.truncate(archive(root, FRONT), 1000)
    zero, seven = audit(root, PAIR, stride_s=1.5).chunks
    assert (zero.features[0].state, zero.features[0].missing, zero.usable) == ("unreadable", 4, 0)
    assert "cannot read it as a zip" in zero.features[0].message
    assert (seven.features[1].state, seven.features[1].missing, seven.usable) == ("absent", 1, 0)
    assert seven.features[0].samples == 13
    assert "unreadable: cannot read it" in audit(root, PAIR).text()
    [asked] = audit(root, PAIR, chunks=[12]).chunks
    assert [feature.state for feature in asked.features] == ["absent"] * 3


def test_neither_scan_nor_audit_reads_a_member(root: Path) -> None:
    """All content is destroyed; names, sizes and checksums are as they were."""
    before = scan(root, PAIR), audit(root, PAIR)
    for recording in before[0].recordings:
        for footage in recording.cameras:
            for member in (footage.video, footage.times, recording.egomotion):
                with member.archive.open("r+b") as file:
                    file.seek(member.offset)
                    file.write(bytes(member.size))
    assert (scan(root, PAIR), audit(root, PAIR)) == before
    for read in (read_trajectory, read_camera_times):
        member = recording.egomotion if read is read_trajectory else footage.times
        with pytest.raises(MediaError, match="CRC32"):
            read(member)


def test_copies_of_a_video_on_two_sides_are_named(root: Path) -> None:
    def copy(content: dict[str, bytes]) -> None:
        content[f"aa-0002.{FRONT}.mp4"] = content[f"aa-0001.{FRONT}.mp4"]  # train and val
        content[f"aa-0004.{FRONT}.mp4"] = content[f"aa-0001.{FRONT}.mp4"]  # both train

    assert audit(root, PAIR).copies == Copies()
    repack(archive(root, FRONT), copy)
    pair = (f"aa-0002.{FRONT}.mp4", f"aa-0001.{FRONT}.mp4")
    found = audit(root, PAIR)
    assert found.copies == Copies(1, (pair,))
    assert found.summary().endswith("MB to read; 1 video has the same bytes as one on another side")
    assert found.text().splitlines()[-2:] == [
        "note: 1 video has the same bytes as one on another side",
        "  {} = {}".format(*pair),
    ]
    assert json.loads(json.dumps(found.to_json()))["copies"] == {"count": 1, "named": [list(pair)]}
    together = {"train": ("aa-0001", "aa-0002"), "test": ("bb-0001",)}
    assert audit(root, PAIR, split=together).copies == Copies()
