"""A rig's files that somebody sends: the answers are those of predict, and what cannot be answered is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from jobs import DRIVING, FRONT, LEFT

from rushes.errors import AnswerError, MediaError, RecipeError, StageError
from rushes.media.limits import DEFAULT_LIMITS, Limits
from rushes.predict.table import read_predictions
from rushes.runs.door.contract import Decoded, Part
from rushes.tasks.driving.predict.table import SCHEMA
from rushes.tasks.driving.preprocessing import QUANTITIES
from rushes.testing import Request, door_checks


@pytest.fixture(scope="module")
def job(open_job, tmp_path_factory):
    job = open_job(DRIVING, tmp_path_factory.mktemp("drive"))
    for stage in ("twin", "prepare", "train", "predict"):
        told = job.tell(stage)
        assert told.code == 0, told.err
    return job


@pytest.fixture(scope="module")
def door(job):
    run = job.run()
    return run.task.doors(run)["predict"]


@pytest.fixture(scope="module")
def files(job, tmp_path_factory) -> dict[str, Path]:
    """What the clip of the reported side recorded, as files, under the names of form fields."""
    run, folder = job.run(), tmp_path_factory.mktemp("sent")
    [clip] = {row["recording"] for row in stored(run)}
    recording = next(one for one in run.scan.recordings if one.key == clip)
    files = {}
    for camera in (FRONT, LEFT):
        member = recording.video(camera)
        with zipfile.ZipFile(member.archive) as archive:
            (folder / f"{camera}.mp4").write_bytes(archive.read(member.name))
        rows = "\n".join(map(repr, recording.frame_times(camera).tolist()))
        (folder / f"{camera}.csv").write_text(f"time_s\n{rows}\n")
        files |= {camera: folder / f"{camera}.mp4", f"{camera}.times": folder / f"{camera}.csv"}
    return files


def stored(run) -> list[dict]:
    rows = read_predictions(run.folder("predict"), SCHEMA).to_pylist()
    return [row for row in rows if row["variant"] == "model"]


def starts(run) -> list[float]:
    rate = run.recipe.preprocessing.rate_hz
    return [int(row["key"].rpartition("_w")[2]) / rate for row in stored(run)]


def opened(door, files, limits: Limits = DEFAULT_LIMITS, **asked) -> Decoded:
    return door.decode(door.asked(**asked))(files, limits)


def parts_of(door, files, **asked) -> list[Part]:
    return list(opened(door, files, **asked).parts)


def answered(door, files, **asked) -> dict:
    decoded = opened(door, files, **asked)
    reply = door.reply(door.asked(**asked), decoded.about)
    [part] = decoded.parts
    [said] = door.answer([part])
    assert reply.add(part, said) is None
    return json.loads(reply.finish().model_dump_json())


def test_what_is_sent_becomes_the_samples_that_were_prepared(job, door, files):
    run = job.run()
    windows = run.samples(run.recipe.evaluate.split)
    assert len(windows) > 1
    for number, start_s in enumerate(starts(run)):
        [part] = parts_of(door, files, start_s=start_s)
        sample = {name: bytes(data) for name, data in windows.sample(number).items()}
        del sample["target.json"]
        meta, prepared = json.loads(part.members["meta.json"]), json.loads(sample.pop("meta.json"))
        assert meta == {name: prepared[name] for name in meta}
        assert {name: bytes(data) for name, data in part.members.items() if name != "meta.json"} == sample


def test_answers_about_windows_together_are_those_of_predict(job, door, files):
    run = job.run()
    rows = stored(run)
    parts = [parts_of(door, files, start_s=start_s)[0] for start_s in starts(run)]
    for row, (answer, window_s) in zip(rows, door.answer(parts), strict=True):
        assert window_s == (row["window_start_s"], row["window_end_s"])
        assert answer.reasoning == row["reasoning"]
        for name in QUANTITIES:
            said = answer.quantities[name]
            assert (said.value, said.low, said.high) == (row[name], row[f"{name}_low"], row[f"{name}_high"])


def test_an_answer_about_one_window_names_its_units(job, door, files):
    run = job.run()
    row, start_s = stored(run)[1], starts(run)[1]
    told = answered(door, files, clip_id="mine", start_s=start_s)
    for name, unit in zip(QUANTITIES, ("m/s", "m/s", "m", "deg"), strict=True):
        assert told[name].pop("unit") == unit
        ends = {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
        assert told.pop(name) == pytest.approx(ends, abs=1e-4)
    assert told["reasoning"] == row["reasoning"]
    assert (told["clip_id"], told["parse_stage"]) == ("mine", "scored")
    assert told["window_s"] == [row["window_start_s"], row["window_end_s"]]


def test_without_tables_the_own_clocks_count_and_start_together(door, files):
    videos = {camera: files[camera] for camera in (FRONT, LEFT)}
    decoded = opened(door, videos)
    [part] = decoded.parts
    meta = json.loads(part.members["meta.json"])
    assert meta["window_start_s"] == 0.0
    assert meta["frame_times_s"] == pytest.approx(np.arange(8) / 10, abs=1e-3)
    assert set(meta["cameras"]) == {FRONT, LEFT}
    assert decoded.about["duration_s"] == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize(
    ("change", "asked", "error", "words"),
    [
        ({}, {"start_s": 1e5}, AnswerError, "has 2. of them"),
        ({f"{LEFT}.times": None}, {}, AnswerError, f"times of {FRONT} are told, and not of the other"),
        ({LEFT: b""}, {}, MediaError, "cannot"),
        ({LEFT: b"no video" * 100}, {}, MediaError, "cannot"),
        ({f"{LEFT}.times": b"time_s\n0\n1\n"}, {}, MediaError, "frames and 2 times"),
        ({f"{LEFT}.times": b"time_s\nnan\n1\n"}, {}, MediaError, "nan"),
        ({f"{LEFT}.times": b"nothing\n"}, {}, MediaError, "without a row"),
    ],
)
def test_what_cannot_be_answered_is_refused(door, files, tmp_path, change, asked, error, words):
    changed = dict(files)
    for name, data in change.items():
        if data is None:
            del changed[name]
        else:
            changed[name] = tmp_path / "changed"
            changed[name].write_bytes(data)
    with pytest.raises(error, match=words):
        parts_of(door, changed, **asked)


def test_a_video_that_breaks_off_is_refused(door, files, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(files[LEFT].read_bytes()[:-2000])
    with pytest.raises(MediaError):
        parts_of(door, files | {LEFT: cut})


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_frames=10),
        Limits(max_duration_s=0.5),
        Limits(max_pixels=500),
        Limits(max_decoded_bytes=999),
    ],
)
def test_limits_hold_for_each_camera(door, files, limits):
    with pytest.raises(MediaError, match="accepted"):
        list(opened(door, files, limits).parts)


@pytest.mark.parametrize("check", door_checks(), ids=lambda check: check.__name__)
def test_the_door_keeps_its_contract(check, door, files, tmp_path):
    check(Request(door, {"start_s": 0.4}, files), tmp_path)


def test_an_untrained_run_answers_nobody_and_no_other_server_is_asked(open_job, tmp_path):
    run = open_job(DRIVING, tmp_path).run()
    with pytest.raises(StageError, match="train, which is not done"):
        run.task.doors(run)["predict"].load()
    with pytest.raises(RecipeError, match="in this process only"):
        run.task.doors(run, engine=object())
