"""Recordings without labels through a trained model, from the command line."""

from __future__ import annotations

import html
import json
import os
import shutil
import signal
import time
from fractions import Fraction
from pathlib import Path

import pytest
from html_tree import Tree
from jobs import Job, begin

from rushes.annotations import About, How, match, read_all
from rushes.predict.ticks import Stretch
from rushes.runs.apply.found import find, key_of
from rushes.runs.apply.labelled import Labelled
from rushes.runs.apply.labels import file_name, write_labels
from rushes.stages import Claim


@pytest.fixture(scope="module")
def video(finished) -> Path:
    """A drawn session that the model of the finished job never saw: a minute and a few seconds."""
    return finished.job.one("twin", "raw/U0102/**/*.mp4")


def apply(job: Job, folder: Path, out: Path, *options: str):
    return job.tell("apply", str(folder), "--out", str(out), "--workers", "0", *options)


def result(out: Path) -> dict[str, bytes]:
    """Everything below ``out`` but what says when and where it was made."""
    own = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    when = ("DONE", "recipe.json", "lock")
    return {name: path.read_bytes() for name, path in own.items() if path.name not in when}


# --- what comes of a folder -----------------------------------------------------------------------------------


FORMATS_ASKED = ("csv", "eaf", "vtt", "labelstudio")


@pytest.fixture(scope="module")
def hostile(video, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("a.mp4", "a.mkv", "Tag 1/Müller\n.MP4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(video, folder / name)
    (folder / "zero.mp4").touch()
    (folder / "torn.mp4").write_bytes(video.read_bytes()[:100_000])
    (folder / "notes.txt").write_text("bench 3")
    (folder / "out.mp4").symlink_to(video)
    (folder / "again.mp4").symlink_to("a.mp4")
    (folder / "disk").symlink_to("/")
    os.mkfifo(folder / "pipe.mp4")
    return folder


@pytest.fixture(scope="module")
def applied(finished, hostile, tmp_path_factory):
    out = tmp_path_factory.mktemp("applied") / "out"
    formats = [word for name in FORMATS_ASKED for word in ("--as", name)]
    return out, apply(finished.job, hostile, out, *formats, "--json")


def test_every_recording_is_labelled_or_in_quarantine_and_every_file_is_counted(applied, hostile):
    _, told = applied
    assert told.code == 4
    names = {one["name"]: one for one in told.json["recordings"]}
    assert names.keys() == {"a.mp4", "a.mkv", "Tag 1/Müller\n.MP4"}
    assert {one["name"] for one in told.json["quarantine"]} == {"zero.mp4", "torn.mp4"}
    files = told.json["account"]["files"]
    fates = {
        (line["fate"], line["reason"]): line["files"] for line in files["lines"] if line["fate"] != "faulty"
    }
    assert fates == {
        ("used", "recordings"): 3,
        ("skipped", "a link that leads out of the folder"): 1,
        ("skipped", "a link to what lies in the folder"): 1,
        ("skipped", "no regular file"): 1,
        ("unread", ".txt"): 1,
        ("unread", "no suffix"): 1,
    }
    assert sum(line["files"] for line in files["lines"]) == files["files"] == len(os.listdir(hostile))
    assert told.json["account"]["recordings"]["planned"] == 5


@pytest.mark.parametrize("pattern", ["segments.csv", "label_studio.json", "elan/**/*.eaf", "webvtt/**/*.vtt"])
def test_label_files_read_back_as_labels_of_the_recordings(applied, hostile, pattern):
    out, told = applied
    labels = read_all(out, [pattern], How(fps=Fraction(25)))
    names = [path.relative_to(hostile).as_posix() for path in hostile.rglob("*") if path.is_file()]
    if pattern.startswith(("elan", "webvtt")):
        assert len(labels.about) == 3
    else:
        assert set(match(labels.about, names).values()) == {"a.mp4", "a.mkv", "Tag 1/Müller\n.MP4"}
    rows = {row["name"]: row for row in told.json["recordings"]}
    assert len(labels.marks) == sum(row["segments"] for row in rows.values()) > 3
    marks = [mark for mark in labels.marks if mark.recording.endswith("a.mkv")]
    assert len(marks) == rows["a.mkv"]["segments"]
    assert marks[0].start_s == 0
    assert abs(marks[-1].end_s - Fraction(repr(rows["a.mkv"]["duration_s"]))) < Fraction(1, 1000)


def test_the_page_plays_what_lies_beside_it_and_says_what_to_correct_first(applied, hostile):
    out, told = applied
    page = html.unescape((out / "index.html").read_text())
    assert "media-src data: 'self' file:;" in page
    assert page.count("<video ") == 3
    Tree((out / "index.html").read_text())
    sources = [part.split('"', 1)[0] for part in page.split(' src="')[1:]]
    assert "Tag%201/M%C3%BCller%0A.MP4" in sources[0] + sources[1] + sources[2]
    first = told.json["recordings"][0]
    assert first["confidence"] == min(one["confidence"] for one in told.json["recordings"])
    assert page.index("Correct these first") < page.index("Least sure stretches")


def test_a_folder_without_a_recording_ends_with_4(finished, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    told = apply(finished.job, tmp_path / "in", tmp_path / "out")
    assert told.code == 4
    assert "no recording in this folder; 1 file: 1 unread (.txt)" in told.err
    assert not (tmp_path / "out").exists()


# --- again ------------------------------------------------------------------------------------------------------


def test_the_same_command_labels_what_is_new_alone_and_forgets_what_is_gone(finished, video, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    assert apply(finished.job, folder, out).code == 0
    [receipt] = out.glob("apply-*/units/*.json")
    stamp = receipt.stat().st_mtime_ns
    shutil.copy(video, folder / "b.mp4")
    told = apply(finished.job, folder, out, "--json")
    assert [one["name"] for one in told.json["recordings"]] == ["a.mp4", "b.mp4"]
    assert receipt.stat().st_mtime_ns == stamp
    (folder / "a.mp4").unlink()
    told = apply(finished.job, folder, out, "--json")
    assert [one["name"] for one in told.json["recordings"]] == ["b.mp4"]
    assert "a.mp4" not in (out / "segments.csv").read_text()


def test_a_recording_that_changed_is_answered_again(finished, video, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    apply(finished.job, folder, out)
    (folder / "a.mp4").write_bytes(b"no video")
    told = apply(finished.job, folder, out, "--json")
    assert (told.code, told.json["recordings"]) == (4, [])
    assert [one["name"] for one in told.json["quarantine"]] == ["a.mp4"]


def test_label_files_that_somebody_corrected_stay(finished, video, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    apply(finished.job, folder, out)
    corrected = (out / "segments.csv").read_text().replace("Scan Label", "Pack")
    (out / "segments.csv").write_text(corrected)
    shutil.copy(video, folder / "b.mp4")
    told = apply(finished.job, folder, out)
    assert (out / "segments.csv").read_text() == corrected
    assert "kept: segments.csv was changed since it was written" in told.out
    (out / "segments.csv").unlink()
    assert apply(finished.job, folder, out, "--json").json["labels"]["kept"] == []
    assert "b.mp4" in (out / "segments.csv").read_text()


def test_a_file_that_a_format_cannot_hold_is_refused_alone(tmp_path):
    """MS-TCN has a label for every frame, and a recording with a hole has none there."""
    rows = [labelled("a.mp4", [(0.0, 4.0)], 4.0), labelled("b.mp4", [(0.0, 2.0), (3.0, 4.0)], 4.0)]
    written = write_labels(rows, tmp_path / "out", tmp_path, ["frames_text", "table"], "me", "video")
    assert written.each == ("frames_text/a.mp4.txt",)
    assert written.refused.keys() == {"frames_text/b.mp4.txt"}
    assert (tmp_path / "out" / "segments.csv").is_file()
    assert len((tmp_path / "out" / "frames_text" / "a.mp4.txt").read_text().splitlines()) == 100


def test_what_a_format_does_not_keep_is_told_with_a_count(tmp_path):
    rows = [labelled("a.mp4", [(0.0, 2.0), (2.0, 4.0)], 4.0), labelled("b.mp4", [(0.0, 4.0)], 4.0)]
    written = write_labels(rows, tmp_path / "out", tmp_path, ["table", "webvtt"], "me", "video")
    lost = {note.reason: note.count for note in written.lost}
    assert lost == {"annotator: not kept in WebVTT": 3, "score: not kept in WebVTT": 3}


@pytest.mark.parametrize("order", [["table", "label_studio"], ["label_studio", "table"]])
def test_a_command_that_breaks_off_between_two_files_leaves_none_that_looks_corrected(tmp_path, order):
    """It breaks off after the table got its new content, or before: both times the next labels go there."""
    first, second, third = ([labelled("a.mp4", [(0.0, end_s)], 4.0)] for end_s in (2.0, 3.0, 4.0))

    def write(rows):
        return write_labels(rows, tmp_path, tmp_path, order, "me", "video")

    write(first)
    (tmp_path / "label_studio.json").unlink()
    (tmp_path / "label_studio.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write(second)
    (tmp_path / "label_studio.json").rmdir()
    assert write(third).kept == ()
    assert "a.mp4,0,4,Tape" in (tmp_path / "segments.csv").read_text()


def labelled(name: str, spans: list[tuple[float, float]], duration_s: float) -> Labelled:
    stretches = tuple(Stretch(start_s, end_s, "Tape", 0.5, "Pack", 0.2) for start_s, end_s in spans)
    about = About(duration_s=Fraction(duration_s), fps=Fraction(25))
    return Labelled(
        name=name, key="k", about=about, stretches=stretches, asked=stretches, confidence=0.5, unasked_s=0.0
    )


@pytest.mark.slow
def test_killed_and_resumed_it_leaves_the_same_bytes(finished, video, tmp_path):
    """Killed twice after another receipt each, in a process of its own."""
    for place in ("whole", "broken"):
        (tmp_path / place / "in").mkdir(parents=True)
        for number in range(4):
            shutil.copy(video, tmp_path / place / "in" / f"{number}.mp4")
    words = ["apply", str(finished.job.recipe), "in", "--out", "out", "--workers", "0"]
    words += ["--workspace", str(finished.job.workspace)]
    for count in (1, 3):
        process = begin(*words, cwd=tmp_path / "broken")
        while len(list((tmp_path / "broken" / "out").glob("apply-*/units/*.json"))) < count:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for place in ("broken", "whole"):
        process = begin(*words, cwd=tmp_path / place)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert result(tmp_path / "broken" / "out") == result(tmp_path / "whole" / "out")
    assert len(list((tmp_path / "broken" / "out").glob("apply-*/units/*.json"))) == 4


# --- what is refused ----------------------------------------------------------------------------------------------


def test_a_model_that_is_not_trained_is_not_trained_unasked(copy_of, tmp_path, video):
    job = copy_of("twin", "prepare")
    told = apply(job, video.parent, tmp_path / "out")
    assert told.code == 1
    assert "apply needs train, which is not done" in told.err
    assert "run `rushes train RECIPE`, or `rushes run RECIPE` for all stages" in told.err
    assert job.run().status("train").state == "absent"
    assert not (tmp_path / "out").exists()


def test_answers_of_another_model_do_not_mix(finished, video, tmp_path):
    out = tmp_path / "out"
    other = out / "apply-0123456789ab"
    other.mkdir(parents=True)
    (other / "recipe.json").write_text(
        json.dumps({"stage": "apply", "version": 1, "recipe": {}, "inputs": {}, "fingerprint": None})
    )
    told = apply(finished.job, video.parent, out)
    assert told.code == 1
    assert "another model's answers stand there" in told.err
    assert "give --out a new folder" in told.err


@pytest.mark.parametrize(
    ("folder", "out", "options", "said"),
    [
        ("nowhere", "out", (), "no such folder of recordings"),
        ("in", "in", (), "answers would lie among the recordings"),
        ("in/a.mp4", "out", (), "give its folder, not the recording itself"),
        ("in", "out", ("--as", "docx"), "no label file can be written as docx"),
    ],
)
def test_what_cannot_be_is_refused_with_2(finished, tmp_path, folder, out, options, said):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").touch()
    told = apply(finished.job, tmp_path / folder, tmp_path / out, *options)
    assert told.code == 2
    assert said in told.err


def test_a_task_without_labels_over_time_says_so(open_job, tmp_path):
    from jobs import DRIVING

    job = open_job(DRIVING, tmp_path)
    (tmp_path / "in").mkdir()
    told = apply(job, tmp_path / "in", tmp_path / "out")
    assert told.code == 2
    assert "gives no labels over time" in told.err


# --- names --------------------------------------------------------------------------------------------------------


def test_answers_in_the_folder_itself_are_no_recordings(tmp_path):
    (tmp_path / "out" / "labels").mkdir(parents=True)
    (tmp_path / "out" / "old.mp4").touch()
    (tmp_path / "a.mp4").touch()
    found = find(tmp_path, tmp_path / "out", lambda name: name)
    assert list(found.names.values()) == ["a.mp4"]
    assert {claim: line.files for claim, line in found.inventory.of.items()} == {
        Claim("used", "recordings", key_of("a.mp4")): 1,
        Claim("skipped", "answers of this command"): 1,
    }


def test_no_two_recordings_have_the_same_unit_or_label_file():
    names = [
        "a.mp4",
        "a.mkv",
        "x/a.mp4",
        "x a.mp4",
        "a%0A.mp4",
        "a\n.mp4",
        "a\udcff.mp4",
        "x" * 250,
        "x" * 249,
    ]
    assert len({key_of(name) for name in names}) == len(names)
    assert len({file_name(name, key_of(name)) for name in names}) == len(names)
    assert all(file_name(name, key_of(name)).isprintable() for name in names)
