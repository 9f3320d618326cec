"""Footage without labels through a trained model: the answers are those that predict gives of the same windows."""

from __future__ import annotations

import json
import shutil

import av
import numpy as np
import pytest
from jobs import OPERATIONS

from rushes.errors import MediaError
from rushes.models.encoder import missing_packages
from rushes.predict.table import read_predictions
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run
from rushes.tasks.operations.predict.table import SCHEMA


@pytest.fixture(scope="module")
def run(finished):
    return finished.job.run()


@pytest.fixture(scope="module")
def applied(run):
    return run.task.apply(run)


@pytest.fixture(scope="module")
def video(finished):
    return finished.job.one("twin", "raw/U0102/**/*.mp4")


def cut(video, path, seconds: float) -> None:
    """The beginning of a video, its packets as they are."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts * stream.time_base >= seconds:
                continue
            packet.stream = copy
            target.mux(packet)


def windows_of(run) -> list[dict]:
    rows = read_predictions(run.folder("predict"), SCHEMA).to_pylist()
    windows = [row for row in rows if row["variant"] == "model" and row["kind"] == "window"]
    return sorted(windows, key=lambda row: row["clip_start_s"] + row["asked_s"])


def test_answers_are_those_of_predict_bit_by_bit(run, applied, video):
    windows = windows_of(run)
    ticks, about = applied.ticks(video)
    assert len(windows) == len(ticks.said) > 5
    assert list(ticks.said) == [row["operation"] for row in windows]
    assert np.array_equal(ticks.probabilities, [row["probabilities"] for row in windows])
    assert about.fps == 25


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_packages()), reason="the encoder is not installed")
def test_a_frozen_model_gives_the_answers_of_predict_too(open_job, tmp_path):
    """Its windows overlap by three quarters: a frame that was seen is not encoded again, and no answer changes.

    Which clips share a batch with a window does move the last bits of a head's sums.
    """
    job = open_job(OPERATIONS.replace("preprocessing:", "model: {name: frozen}\npreprocessing:"), tmp_path)
    shorter = (
        "--set",
        "train={phases: [{ask: clips, steps: 2, batch_size: 2, accumulate: 1}], augment: false}",
    )
    more = ("--set", "prepare.window_stride_s=1", "--set", "twin.boxes=1")
    for stage in ("twin", "prepare", "features", "train", "predict"):
        told = job.tell(stage, *shorter, *more)
        assert told.code == 0, told.err
    run = job.run(*shorter[1::2], *more[1::2])
    [video] = run.folder("twin").glob("raw/U0102/**/*.mp4")
    ticks, _ = run.task.apply(run).ticks(video)
    expected = windows_of(run)
    assert len(expected) > 50
    assert list(ticks.said) == [row["operation"] for row in expected]
    found = [row["probabilities"] for row in expected]
    np.testing.assert_allclose(ticks.probabilities, found, rtol=0, atol=1e-6)


def test_labels_are_smoothed_as_in_the_report_or_as_they_come_where_that_found_more(applied, video):
    ticks, _ = applied.ticks(video)
    shown = applied.shown(ticks)
    assert applied.remark.startswith(("as they come: ", "smoothed by "))
    assert (shown.said == ticks.said) == applied.remark.startswith("as they come")


def test_without_figures_labels_are_smoothed(copy_of, video):
    run = copy_of("twin", "prepare", "train").run()
    applied = run.task.apply(run)
    assert applied.remark == "smoothed by the order of the training sessions"
    ticks, _ = applied.ticks(video)
    assert len(applied.shown(ticks).said) == len(ticks.said)


@pytest.mark.parametrize("seconds", [0.7, 3.0])
def test_a_recording_shorter_than_a_clip_is_one_tick(applied, video, tmp_path, seconds):
    cut(video, tmp_path / "short.mp4", seconds)
    ticks, about = applied.ticks(tmp_path / "short.mp4")
    assert len(ticks.said) == 1
    assert ticks.said[0] in applied.labels
    assert ticks.stride_s == pytest.approx(float(about.duration_s), abs=1e-6)
    assert float(about.duration_s) == pytest.approx(seconds, abs=0.2)


def test_a_recording_of_a_frame_is_refused(applied, video, tmp_path):
    cut(video, tmp_path / "frame.mp4", 0.01)
    with pytest.raises(MediaError):
        applied.ticks(tmp_path / "frame.mp4")


@pytest.mark.parametrize(("kind", "files"), [("csv", "segments.csv"), ("eaf", "elan/**/*.eaf")])
def test_label_files_come_back_as_labels_of_the_recordings(finished, video, tmp_path, kind, files):
    """They are the annotation of a source of its own, as corrected files would be."""
    footage = tmp_path / "footage"
    (footage / "line 2").mkdir(parents=True)
    for name in ("a.mp4", "line 2/a.mp4"):
        shutil.copy(video, footage / name)
    words = ("--out", str(tmp_path / "out"), "--workers", "0", "--as", kind, "--json")
    told = finished.job.tell("apply", str(footage), *words)
    assert told.code == 0, told.err
    for path in (tmp_path / "out").glob("segments.csv" if kind == "csv" else "elan"):
        shutil.move(path, footage)
    recipe = {"kind": "table", "root": str(footage), "annotation": {"files": files}, "split": "shares"}
    (tmp_path / "next.yaml").write_text(json.dumps({"task": "operations", "name": "next", "source": recipe}))
    scan = open_run(load_recipe(tmp_path / "next.yaml"), open_workspace(tmp_path / "next")).scan
    assert [fault.message for fault in scan.faults] == []
    found = {recording.media.path.relative_to(footage).as_posix(): recording for recording in scan.recordings}
    assert found.keys() == {"a.mp4", "line 2/a.mp4"}
    for row in told.json["recordings"]:
        segments = found[row["name"]].segments
        assert len(segments) == row["segments"]
        assert (segments[0].start_s, segments[-1].end_s) == (0.0, pytest.approx(row["duration_s"], abs=1e-3))
