"""What a look at a folder finds and doubts, and the recipe that comes of it."""

from __future__ import annotations

import doctest
import json
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from jobs import Told, tell

from rushes.errors import MediaError, RecipeError, SourceError
from rushes.media import headers
from rushes.media.encode import write_video
from rushes.media.headers import read_header
from rushes.media.image import encode_jpeg
from rushes.media.video import probe
from rushes.records import Media
from rushes.runs.begin import find as finding
from rushes.runs.begin import found as founds
from rushes.runs.begin import names, proposal
from rushes.runs.begin.find import Asked, find, patterns_of
from rushes.runs.begin.names import patterns_in
from rushes.runs.begin.proposal import Line, recipe_text, tree_of
from rushes.runs.begin.who import who_in
from rushes.storage import open_workspace
from rushes.tasks import load_recipe, open_run

HEAD = "file,start_s,end_s,label\n"


@pytest.mark.parametrize("module", [names, proposal, founds, finding, headers], ids=lambda one: one.__name__)
def test_the_examples_of_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


def film(path: Path, seconds: float = 2.0, fps: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = (np.full((32, 48, 3), 9 * number % 256, np.uint8) for number in range(round(seconds * fps)))
    write_video(path, pictures, (48, 32), fps, {}, lambda number, luma: None)
    return path


@pytest.fixture
def work(tmp_path) -> Path:
    """Four people at work, three recordings each, with labels of two operations."""
    root, rows = tmp_path / "work", []
    for person in range(1, 5):
        for take in range(1, 4):
            name = f"p{person:02d}_take{take}.mp4"
            film(root / name, 4.0)
            rows += [f"{name},0.0,2.0,pick", f"{name},2.0,4.0,place"]
    (root / "labels.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return root


def init(root: Path, *options: str) -> Told:
    return tell("init", str(root), "--out", str(root.parent / "r.yaml"), "--force", *options)


def tree(root: Path) -> dict:
    return yaml.safe_load((root.parent / "r.yaml").read_text())


# --- headers and names --------------------------------------------------------------------------------------


def test_a_header_is_read_where_nothing_could_be_decoded(tmp_path):
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin : begin + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(MediaError):
        probe(Media("video", path))
    header = read_header(path, "video")
    assert (header.duration_s, header.rate, header.size, header.steady) == (2.0, Fraction(10), (48, 32), True)


@pytest.mark.parametrize(
    ("told", "who", "groups"),
    [
        ("S001C001P001R001A001_rgb.avi S001C002P002R001A001_rgb.avi", "person", ["P001", "P002"]),
        ("day/subject-3 wave.mp4 day/subject-4 wave.mp4", "person", ["subject-3", "subject-4"]),
        ("P1/a.mp4 P2/a.mp4", "person", ["P1", "P2"]),
        ("ann/a.mp4 bob/a.mp4", "folder", ["ann", "bob"]),
        ("front_20240101_1200.mp4 front_20240102_1200.mp4", "day", ["20240101", "20240102"]),
    ],
)
def test_names_tell_who_is_in_recordings(told, who, groups):
    listed = (
        told.replace("day/subject-3 ", "day/subject-3~").replace("day/subject-4 ", "day/subject-4~").split()
    )
    first = patterns_in([name.replace("~", " ") for name in listed])[0]
    assert (first.who, list(first.groups)) == (who, groups)


@pytest.mark.parametrize("told", ["asl-eat.mkv asl-no.mkv", "p01_a.mp4 p01_b.mp4", "p01.mp4 other.mp4"])
def test_names_tell_nothing_that_not_all_have_or_that_is_the_same_in_all(told):
    assert patterns_in(told.split()) == ()


def test_what_is_the_class_is_nobody(tmp_path):
    for label in ("wave", "nod"):
        for take in (1, 2):
            film(tmp_path / "clips" / label / f"{take}.mp4", 1.0)
    found = find(tmp_path / "clips", Asked())
    assert found.patterns[0].who == "folder"
    assert who_in(list(found.by_name), None, {name: name.split("/")[0] for name in found.by_name}).by is None


# --- a recipe as text ---------------------------------------------------------------------------------------


def test_whatever_is_proposed_comes_back_as_it_was():
    drawn = random.Random(0)
    words = [
        "no",
        "yes",
        "1e5",
        "null",
        "~",
        "a: b",
        "# c",
        "- d",
        "ü, [x]",
        "",
        " ",
        "0012",
        "it's",
        '"',
        "\n",
        "\udcff",
    ]
    for _ in range(300):
        lines = [
            Line(
                f"{section}.{key}",
                drawn.choice([drawn.choices(words, k=3), drawn.choice(words), 1.5, {"a": "no"}, []]),
                why,
            )
            for section in ("source", "source.annotation", "train")
            for key, why in zip("abc", drawn.choices([*words, "why " * 60, "a\nb: c"], k=3), strict=True)
        ]
        assert yaml.safe_load(recipe_text(drawn.choices(words, k=2), lines)) == tree_of(lines)


def test_patterns_fit_the_label_files_and_no_other_file():
    assert patterns_of(["a/1.eaf", "a/2.eaf"], ["a/1.eaf", "a/2.eaf", "b.csv"]) == ("a/*.eaf",)
    assert patterns_of(["1.csv", "2.csv"], ["1.csv", "2.csv", "3.csv"]) == ("1.csv", "2.csv")
    assert patterns_of(["take [1].csv"], ["take [1].csv"]) == ("take [[]1].csv",)


# --- from a folder to a run ---------------------------------------------------------------------------------


def test_a_folder_with_a_table_becomes_a_recipe_whose_recordings_hold(work):
    told = init(work)
    assert told.code == 0, told.err
    assert "12 videos, 48.0 s" in told.out
    assert "24 labels on 12 of the 12 recordings" in told.out
    recipe = tree(work)
    assert recipe["source"]["root"] == "work"
    assert recipe["source"]["labels"] == ["pick", "place"]
    run = open_run(load_recipe(work.parent / "r.yaml"), open_workspace(work.parent / "workspace"))
    audit = run.audit()
    assert (audit.faults, sum(audit.samples.values()) > 0) == ((), True)
    assert {group for _, group in ((one.key, one.group) for one in run.scan.recordings)} == {
        "p01",
        "p02",
        "p03",
        "p04",
    }


def test_sides_are_foreseen_as_the_source_deals_them(work):
    told = init(work, "--json")
    found = json.loads(told.out)
    run = open_run(load_recipe(work.parent / "r.yaml"), open_workspace(work.parent / "workspace"))
    assert set(run.task.source(run.recipe).sides(run.scan).side_of.values()) == {"train", "test"}
    assert not [doubt for doubt in found["doubts"] if "side" in doubt]


def test_every_line_that_was_assumed_has_its_reason_above_it(work):
    found = init(work, "--json").json
    lines = (work.parent / "r.yaml").read_text().splitlines()
    assert {one["key"] for one in found["assumed"]} >= {"source.kind", "source.groups.pattern", "model.name"}
    for one in found["assumed"]:
        key = one["key"].rpartition(".")[2]
        assert any(
            row.strip().startswith(f"{key}:") and before.strip().startswith("#")
            for before, row in pairwise(lines)
        ), one


def test_an_empty_label_track_says_that_nothing_happens(work):
    (work / "labels.csv").unlink()
    for number, path in enumerate(sorted(work.glob("**/*.mp4"))):
        path.with_suffix(".txt").write_text("0\t1\ttape\n1\t2\tpack\n" if number else "")
    (work / "notes.txt").touch()
    [found] = find(work, Asked()).label_files
    assert found.annotation.format == "audacity"
    assert sorted(map(len, found.marks.values()))[:2] == [0, 2]
    assert "notes.txt" not in found.files


def test_labels_that_count_frames_need_a_rate(work):
    labels = work / "labels.csv"
    rows = labels.read_text().replace("start_s,end_s", "start_frame,end_frame").replace("0.0,2.0", "0,20")
    labels.write_text(rows.replace("2.0,4.0", "20,40"))
    refused = init(work)
    assert refused.code == 2
    assert "nobody says how many make a second" in refused.err
    assert "--fps 10," in refused.err
    assert not (work.parent / "r.yaml").exists()
    assert init(work, "--fps", "10").code == 0
    assert tree(work)["source"]["annotation"]["fps"] == "10"
    assert "not a frame rate" in init(work, "--fps", "often").err


def test_a_side_that_the_labels_name_is_taken(work):
    rows = (work / "labels.csv").read_text().splitlines()
    sides = {"p01": "train", "p02": "train", "p03": "val", "p04": "test"}
    told = [f"{row},{sides.get(row[:3], 'split')}" for row in rows]
    (work / "labels.csv").write_text("\n".join(told))
    assert init(work).code == 0
    source = tree(work)["source"]
    assert (source["split"], source["side_column"], "shares" in source) == ("column", "split", False)


def test_one_of_several_label_files_can_be_asked_for(work):
    text = (work / "labels.csv").read_text().replace("pick", "grasp")
    (work / "second.tsv").write_text(text.replace(",", "\t"))
    told = init(work, "--json").json
    assert tree(work)["source"]["annotation"]["files"] == ["labels.csv"]
    assert any("--labels second.tsv takes it instead" in doubt for doubt in told["doubts"])
    assert init(work, "--labels", str(work / "second.tsv")).code == 0
    assert tree(work)["source"]["labels"] == ["grasp", "place"]
    outside = work.parent / "labels.csv"
    outside.write_text(text)
    assert "move it into" in init(work, "--labels", str(outside)).err


def test_a_column_of_labels_that_is_called_otherwise_is_asked_for(work):
    labels = work / "labels.csv"
    labels.write_text(labels.read_text().replace("label", "sign", 1))
    (work / "sizes.csv").write_text("file,bytes\np01_take1.mp4,9\n")
    refused = init(work)
    assert (refused.code, (work.parent / "r.yaml").exists()) == (2, False)
    assert "labels.csv: table, columns file, start_s, end_s, sign" in refused.out
    assert "no column of labels; there are file, start_s, end_s, sign" in refused.err
    assert "rushes init --column label=sign" in refused.err
    assert init(work, "--column", "label=sign").code == 0
    assert tree(work)["source"]["annotation"] == {
        "files": ["labels.csv"],
        "format": "table",
        "columns": {"label": "sign"},
    }
    assert tree(work)["source"]["labels"] == ["pick", "place"]
    assert "no label file with the column 'gesture'" in init(work, "--column", "label=gesture").err
    assert "did you mean label?" in init(work, "--column", "lable=sign").err
    assert "--column label=HEADER" in init(work, "--column", "sign").err


def test_files_of_one_class_each_are_asked_for_their_column_where_nothing_else_tells(tmp_path):
    root = tmp_path / "signs"
    film(root / "a.mp4", 1.5), film(root / "b.mp4", 1.5)
    (root / "signs.csv").write_text("file,sign\na.mp4,eat\nb.mp4,no\n")
    assert "rushes init --column label=sign" in init(root).err
    assert init(root, "--column", "label=sign", "--json").json["found"]["labels"][0]["classes"].keys() == {
        "eat",
        "no",
    }
    film(root / "eat" / "a.mp4", 1.5), film(root / "no" / "b.mp4", 1.5)
    (root / "a.mp4").unlink(), (root / "b.mp4").unlink()
    assert init(root).code == 0
    assert tree(root)["source"]["annotation"]["format"] == "names"


DOUBTS = {
    "names": ("gone.mp4,0,1,pick", "1 of 13 names in labels.csv are no file here: gone.mp4 (no such file"),
    "outside": ("p01_take1.mp4,9,10,pick", "1 labels lie outside of what their recordings declare to last"),
    "overlap": ("p01_take1.mp4,1,3,hold", "labels overlap 2 times under different names"),
    "rare": ("p02_take1.mp4,0,1,wave", "fewer than 5 labels of a class teach and tell little: wave (1)"),
    "alone": (
        "p02_take1.mp4,0,1,wave",
        "classes that one group alone has cannot be told from whose they are: wave",
    ),
    "side": ("p02_take1.mp4,0,1,wave", "has none of 1 of the 3 classes: wave"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_is_doubtful_is_said_on_the_screen_and_in_the_recipe(work, name):
    assert not [one for one in init(work, "--json").json["doubts"] if DOUBTS[name][1] in one]
    row, expected = DOUBTS[name]
    with (work / "labels.csv").open("a") as file:
        file.write(row + "\n")
    told = init(work)
    assert expected in told.out
    assert "# Doubt: " in (work.parent / "r.yaml").read_text()
    assert ("overlaps" in tree(work)["source"]) == (name in ("overlap", "rare", "alone", "side"))


def test_recordings_without_labels_and_those_that_do_not_open_are_said(work):
    film(work / "p05_take1.mp4")
    (work / "p06_take1.mp4").write_bytes(b"no video")
    told = init(work)
    assert "2 recordings have no label and are left out: p05_take1.mp4, p06_take1.mp4" in told.out
    assert "1 recordings do not open: p06_take1.mp4" in told.out


def test_nobody_in_the_names_is_a_doubt_and_recordings_are_dealt_out(tmp_path):
    rows = []
    for name in ("eat", "no", "yes", "milk"):
        film(tmp_path / "signs" / f"asl-{name}.mp4", 1.5)
        rows.append(f"asl-{name}.mp4,{name}")
    (tmp_path / "signs" / "labels.csv").write_text("file,label\n" + "\n".join(rows))
    told = init(tmp_path / "signs", "--json").json
    assert any("tell who is in them" in one for one in told["doubts"])
    recipe = tree(tmp_path / "signs")
    assert "groups" not in recipe["source"]
    assert recipe["preprocessing"]["clip_s"] == 2.0
    run = open_run(load_recipe(tmp_path / "r.yaml"), open_workspace(tmp_path / "workspace"))
    assert sum(run.audit().samples.values()) > 0


def test_folders_of_frames_that_are_named_by_their_times_are_videos(tmp_path):
    root, rows = tmp_path / "shop", []
    picture = encode_jpeg(np.full((32, 48, 3), 90, np.uint8))
    for number in range(1, 5):
        for frame in range(40):
            place = (
                root
                / f"p{number:02d}_day/2022/03/29/14/25/20220329_1425{10 + frame // 10}_{frame % 10}00.jpg"
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(picture)
        rows += [f"p{number:02d}_day,0.0,2.0,pick", f"p{number:02d}_day,2.0,4.0,place"]
    (root / "cover.jpg").write_bytes(picture)
    (root / "labels.csv").write_text(HEAD + "\n".join(rows) + "\n")
    told = init(root)
    assert told.code == 0, told.err
    assert "4 videos, 16.0 s" in told.out
    assert "4 of them as frames in folders; 4.0 s to 4.0 s each; 10 frames a second" in told.out
    assert "1 other files: .jpg  such as cover.jpg" in told.out
    run = open_run(load_recipe(tmp_path / "r.yaml"), open_workspace(tmp_path / "workspace"))
    assert (run.audit().faults, sum(run.audit().samples.values()) > 0) == ((), True)
    (root / "p04_day" / "cover.jpg").write_bytes(picture)
    assert "p04_day: a frame is named YYYYmmdd_HHMMSS_mmm.jpg by its time, found cover.jpg" in init(root).out


# --- folders that are no good -------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_used_is_told_why(tmp_path):
    root = tmp_path / "folder"
    assert "there is no such folder" in init(root).err
    root.mkdir()
    assert "the folder is empty" in init(root).err
    for number in range(3):
        (root / f"{number}.jpg").write_bytes(b"x")
    assert "3 pictures, and no video and no sound" in init(root).err
    (root / "notes.docx").write_bytes(b"x")
    film(root / "a.mp4")
    assert "no label file that is read" in init(root).err
    assert "file,start,end,label" in init(root).err
    (root / "labels.csv").write_text("file,start,end,label\na.mp4,0,0.5,wave\na.mp4,0.5,1,nod\n")
    assert "1 recording, and 2 sides (train, test): none can be both learnt from" in init(root).err
    assert "this is a file" in init(root / "a.mp4").err
    assert not (tmp_path / "r.yaml").exists()


def test_one_label_is_nothing_to_tell_apart(work):
    text = (work / "labels.csv").read_text().replace("place", "pick")
    (work / "labels.csv").write_text(text)
    assert "one label, pick: there is nothing to tell apart" in init(work).err


def test_labels_that_no_answer_can_hold_are_refused_before_a_recipe_is_written(work):
    text = (work / "labels.csv").read_text()
    (work / "labels.csv").write_text(text.replace("place", "Pick"))
    refused = init(work)
    assert (refused.code, (work.parent / "r.yaml").exists()) == (2, False)
    assert "labels that differ in case or spaces alone: 'pick' and 'Pick'" in refused.err
    assert "correct the labels there" in refused.err


def test_a_recipe_that_does_not_hold_is_not_written_and_replaces_none(work):
    names = [f"{number:03d}{'x' * 800}" for number in range(150)]
    rows = [
        f"p{1 + number % 4:02d}_take{1 + number % 3}.mp4,0.0,2.0,{name}" for number, name in enumerate(names)
    ]
    (work / "labels.csv").write_text(HEAD + "\n".join(rows))
    refused = init(work)
    assert (refused.code, (work.parent / "r.yaml").exists()) == (2, False)
    assert "a recipe is at most 100000 bytes long" in refused.err
    (work.parent / "r.yaml").write_text("precious")
    assert init(work).code == 2
    assert (work.parent / "r.yaml").read_text() == "precious"


def test_a_recipe_may_lie_in_the_folder_or_elsewhere(work, tmp_path, monkeypatch):
    monkeypatch.chdir(work)
    assert tell("init", ".").code == 0
    assert yaml.safe_load(Path("work.yaml").read_text())["source"]["root"] == "."
    (tmp_path / "far").mkdir()
    assert tell("init", ".", "--out", str(tmp_path / "far" / "r.yaml")).code == 0
    assert yaml.safe_load((tmp_path / "far" / "r.yaml").read_text())["source"]["root"] == str(work)


def test_of_a_huge_folder_headers_are_read_of_some(work, monkeypatch):
    monkeypatch.setattr(finding, "HEADERS", 4)
    told = []
    found = find(work, Asked(), lambda *progress: told.append(progress))
    assert (found.unlooked, sum(one.header is not None for one in found.recordings)) == (8, 4)
    assert told[-1][:2] == (12, 12)
    assert "the headers of 8 were not read" in found.text()


def test_a_look_refuses_what_is_no_folder(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        find(tmp_path / "gone", Asked())
    assert issubclass(RecipeError, Exception)


# --- label files that are not read, of several formats, or a model's -----------------------------------------


def folders(root: Path) -> Path:
    """The same recordings, each in a folder of its person."""
    for path in sorted(root.glob("*.mp4")):
        (root / f"line {path.name[:3]}").mkdir(exist_ok=True)
        path.rename(root / f"line {path.name[:3]}" / path.name)
    return root


def latin(text: str) -> bytes:
    return text.replace("pick", "prüfen").encode("latin-1")


def short_of_a_cell(text: str) -> bytes:
    return text.replace(",label", ",label,who").encode()


def foreign(text: str) -> bytes:
    return text.replace(HEAD, "datei,von,bis,etikett\n").encode()


UNREAD = {
    latin: ("neither UTF-8 nor UTF-16", "save the file as UTF-8"),
    short_of_a_cell: ("a row of 4 cells under a header of 5", "quote each cell"),
    foreign: ("there are datei, von, bis, etikett", "--column label=HEADER"),
}


@pytest.mark.parametrize("spoilt", UNREAD)
def test_why_a_label_file_is_not_read_is_said_with_its_cure(work, spoilt):
    labels = work / "labels.csv"
    labels.write_bytes(spoilt(labels.read_text()))
    refused = init(work)
    reason, cure = UNREAD[spoilt]
    assert refused.code == 2
    assert (reason in refused.err, cure in refused.err, "labels.csv" in refused.err) == (True, True, True)
    assert "write labels.csv there" not in refused.err


@pytest.mark.parametrize("spoilt", [latin, short_of_a_cell])
def test_folders_are_not_taken_for_classes_where_a_label_file_does_not_hold(work, spoilt):
    labels = folders(work) / "labels.csv"
    labels.write_bytes(spoilt(labels.read_text()))
    assert UNREAD[spoilt][0] in init(work).err
    assert not (work.parent / "r.yaml").exists()


def test_folders_that_are_taken_for_classes_beside_a_strange_table_say_so_first(tmp_path):
    root = tmp_path / "acts"
    for label in ("wave", "nod"):
        for person in range(4):
            film(root / label / f"p{person}_1.mp4")
    (root / "signs.csv").write_bytes(foreign(HEAD))
    told = init(root, "--json").json
    assert told["doubts"][0].startswith("1 tables are not read as labels: signs.csv: no usual header")
    assert "no label file is read: folders are taken for classes" in told["doubts"][1]


def test_a_label_file_that_does_not_hold_is_a_doubt_beside_one_that_does(work):
    (work / "second.csv").write_bytes(short_of_a_cell((work / "labels.csv").read_text()))
    told = init(work, "--json").json
    [doubt] = [one for one in told["doubts"] if "second.csv" in one]
    assert "cannot be read: a row of 4 cells under a header of 5 at second.csv:2; quote each cell" in doubt


@pytest.fixture
def two_tools(work) -> Path:
    """Two people labelled in a table, and two in a subtitle for each recording."""
    rows = (work / "labels.csv").read_text().splitlines(keepends=True)
    (work / "labels.csv").write_text("".join(row for row in rows if row[:3] not in ("p03", "p04")))
    for path in [*work.glob("p03*.mp4"), *work.glob("p04*.mp4")]:
        path.with_suffix(".vtt").write_text(
            "WEBVTT\n\n00:00.000 --> 00:02.000\npick\n\n00:02.000 --> 00:04.000\nplace\n"
        )
    return work


def test_label_files_of_two_formats_are_taken_together_as_the_doubt_says(two_tools):
    [doubt] = [one for one in init(two_tools, "--json").json["doubts"] if "takes both" in one]
    assert (
        "*.vtt (webvtt) labels 6 other recordings; --labels labels.csv --labels '*.vtt' takes both" in doubt
    )
    told = init(two_tools, "--labels", "labels.csv", "--labels", "*.vtt")
    assert told.code == 0, told.err
    assert "24 labels on 12 of the 12 recordings" in told.out
    assert tree(two_tools)["source"]["annotation"] == {"files": ["labels.csv", "*.vtt"]}
    run = open_run(load_recipe(two_tools.parent / "r.yaml"), open_workspace(two_tools.parent / "workspace"))
    assert (run.audit().faults, len(run.scan.recordings)) == ((), 12)


def test_a_pattern_of_label_files_may_be_named_from_here(two_tools, monkeypatch):
    monkeypatch.chdir(two_tools.parent)
    assert init(two_tools, "--labels", f"{two_tools}/**/*.vtt").code == 0
    assert tree(two_tools)["source"]["annotation"]["files"] == ["**/*.vtt"]
    assert "no file **/*.eaf below the root" in init(two_tools, "--labels", "**/*.eaf").err


def test_less_than_half_of_the_recordings_with_labels_is_a_doubt(work):
    rows = (work / "labels.csv").read_text().splitlines(keepends=True)
    kept = ("fil", "p01_take1", "p02_take1")
    (work / "labels.csv").write_text("".join(row for row in rows if row.startswith(kept)))
    told = init(work)
    assert told.code == 0, told.err
    assert "doubt: only 17% of the recordings are taken: 2 videos have labels in labels.csv" in told.out


def test_labels_that_a_model_made_are_a_doubt_and_a_note(work):
    head, *rows = (work / "labels.csv").read_text().splitlines()
    made = [f"{row},bench 0123456789ab,0.9" if row < "p02" else f"{row},Ann," for row in rows]
    (work / "labels.csv").write_text("\n".join([f"{head},annotator,score", *made]))
    told = init(work)
    expected = "of 3 recordings were made by a model: on the test side they measure it against itself"
    assert f"doubt: 6 labels {expected}" in told.out
    run = open_run(load_recipe(work.parent / "r.yaml"), open_workspace(work.parent / "workspace"))
    [note] = [note["message"] for note in run.audit().notes]
    assert note == f"labels {expected}; correct them first: 6"


def test_predictions_of_label_studio_are_a_models(work):
    (work / "labels.csv").unlink()
    tasks = [
        {"data": {"video": path.name}, "predictions": [{"model_version": "yolo", "result": result}]}
        for path in sorted(work.glob("*.mp4"))
        for result in [
            [
                {
                    "id": str(first),
                    "type": "timelinelabels",
                    "value": {"ranges": [{"start": first, "end": first + 19}], "timelinelabels": [label]},
                }
                for first, label in ((1, "pick"), (21, "place"))
            ]
        ]
    ]
    (work / "tasks.json").write_text(json.dumps(tasks))
    assert "doubt: 24 labels of 12 recordings were made by a model" in init(work, "--fps", "10").out
