"""Label files together, as a recipe names them; what is written of any format comes back."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from rushes.annotations import FORMATS, About, How, Labels, Mark, files_of, read, read_all, recognise, write
from rushes.errors import SourceError
from rushes.recipe.annotation import Annotation

VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nwalk\n"


def test_files_are_found_below_the_root_and_read_together(put, tmp_path, said):
    put("labels/day 1/cam.vtt", VTT)
    put("labels/day 2/cam.mp4.vtt", VTT)
    put("labels/more.csv", "file,start,end,label\nx.mp4,0.5,1,sit\n")
    labels = read_all(tmp_path, ["labels/**/*.vtt", "labels/more.csv"], How())
    assert said(labels) == [
        ("labels/day 1/cam", 1.0, 2.0, "walk"),
        ("labels/day 2/cam.mp4", 1.0, 2.0, "walk"),
        ("x.mp4", 0.5, 1.0, "sit"),
    ]
    assert files_of(tmp_path, ["**/cam.*"]) == ["labels/day 1/cam.vtt", "labels/day 2/cam.mp4.vtt"]
    assert files_of(tmp_path, ["*.csv"], ["b.csv", "c/d.csv"]) == ["b.csv"]


@pytest.mark.parametrize("pattern", ["../*.csv", "/etc/*.csv", "labels/../../x.csv"])
def test_no_pattern_leaves_the_root(tmp_path, pattern):
    with pytest.raises(SourceError, match="label files lie below the root"):
        read_all(tmp_path, [pattern], How())


def test_a_pattern_without_a_file_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"no file labels\.csv below the root") as error:
        read_all(tmp_path, ["labels.csv"], How())
    assert "annotation: {files: labels/*.eaf}" in error.value.cure
    assert "file,start,end,label" in error.value.cure


def test_a_recipe_says_how(tmp_path):
    section = {
        "files": "*.csv",
        "fps": 29.97,
        "fps_of": {"a": "25"},
        "columns": {"label": "Was"},
        "mapping": "m.txt",
    }
    annotation = Annotation.model_validate(section)
    assert annotation.files == ("*.csv",)
    assert Annotation.model_validate(annotation.model_dump(mode="json")) == annotation
    how = How.of(annotation, tmp_path)
    assert (how.fps, how.rate("a"), how.rate("b")) == (Fraction(30000, 1001), 25, Fraction(30000, 1001))
    assert (how.columns, how.mapping) == ({"label": "Was"}, tmp_path / "m.txt")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"files": []}, "at least 1 item"),
        ({"files": "a", "fps": "fast"}, "not a frame rate such as 25"),
        ({"files": "a", "fps": "1/0"}, "not a frame rate"),
        ({"files": "a", "fps": -5}, "above 0"),
        ({"files": "a", "format": "elan", "pattern": "(?P<label>.*)"}, "only format names has a pattern"),
        ({"files": "a", "columns": {"colour": "x"}}, "colour"),
        ({"files": "a", "mapping": "/etc/passwd"}, "lies below source.root, not at /etc/passwd"),
        ({"files": "a", "mapping": "../m.txt"}, "lies below source.root, not at ../m.txt"),
    ],
)
def test_a_section_that_does_not_hold(section, message):
    with pytest.raises(ValidationError, match=message):
        Annotation.model_validate(section)


def test_what_a_format_cannot_hold_is_counted(tmp_path):
    mark = Mark(recording="a", start_s=Fraction(1), end_s=Fraction(2), label="x", track="t", score=0.5)
    lost = write(Labels((mark, mark), {}), tmp_path / "a.srt", How(format="srt"))
    assert [str(note) for note in lost] == [
        "track: not kept in SRT: 2, first at a 'x'",
        "score: not kept in SRT: 2, first at a 'x'",
    ]


def test_labels_without_an_end_are_written_as_such_or_to_the_end_of_their_recording(tmp_path):
    begun = Mark(recording="a", start_s=Fraction(1), end_s=None, label="x")
    whole = Mark(recording="a", start_s=Fraction(0), end_s=None, label="y", kind="file")
    labels = Labels((begun, whole), {"a": About(duration_s=Fraction(9))})

    def again(name):
        path = tmp_path / f"a{FORMATS[name].suffix}"
        write(labels, path, How(format=name))
        return [(mark.kind, mark.end_s) for mark in read(path, How(format=name)).marks]

    assert again("table") == [("interval", None), ("file", None)]
    assert again("via") == [("interval", 9), ("file", None)]
    assert again("audacity") == [("interval", 9), ("interval", 9)]


def test_nothing_in_elan_is_shorter_than_a_millisecond(tmp_path):
    mark = Mark(recording="a", start_s=Fraction(1), end_s=Fraction("1.0001"), label="x")
    write(Labels((mark,), {}), tmp_path / "a.eaf", How(format="elan"))
    assert read(tmp_path / "a.eaf", How()).marks[0].end_s == Fraction("1.001")


def test_what_cannot_be_written_is_refused(tmp_path):
    mark = Mark(recording="a", start_s=Fraction(1), end_s=None, label="x")
    with pytest.raises(SourceError, match="whose length is not known"):
        write(Labels((mark,), {}), tmp_path / "a.srt", How(format="srt"))
    with pytest.raises(SourceError, match="format epic is read only") as error:
        write(Labels((mark,), {}), tmp_path / "a.csv", How(format="epic"))
    assert "webvtt" in error.value.cure
    with pytest.raises(SourceError, match="a file of SRT holds one recording, not 2"):
        write(Labels((mark,), {"b": About()}), tmp_path / "a.srt", How(format="srt"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("annotations")


def test_all_that_is_written_comes_back(bench, tmp_path):
    assert {case.format for case in bench.CASES} == {
        name for name, one in FORMATS.items() if one.write is not None
    }
    found = list(bench.round_trips(30, tmp_path))
    assert [figure for figure in found if not figure.holds] == []


def test_a_difference_would_be_seen(bench):
    case = bench.CASES[0]
    one, other = (bench.drawn(case, 20, Random(seed)) for seed in (0, 1))
    assert bench.differing(case, one, one) == 0
    assert bench.differing(case, one, other) == 40
    assert bench.differing(case, one, Labels(one.marks[1:], one.about)) == 1


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "names"])
def test_damage_is_told_and_never_something_else(bench, tmp_path, name):
    """Cut, mixed and random bytes of a file of every format: labels, or an error of the source."""
    case = next((case for case in bench.CASES if case.format == name), None)
    path, how = tmp_path / "file", How(format=name, fps=bench.FPS, unit=case.unit if case else None)
    if case is None:
        path.write_text(
            "video_id,start_timestamp,stop_timestamp,verb,noun\nP,00:00:01.5,00:00:02,open,door\n" * 2
        )
    else:
        write(bench.drawn(case, 5, Random(2)), path, how)
    whole, random = path.read_bytes(), Random(name)
    for _ in range(60):
        damaged = bytearray(whole[: random.randrange(len(whole))] if random.random() < 0.3 else whole)
        for _ in range(random.randrange(1, 6)):
            if damaged:
                damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged)
        recognise(path)
        with suppress(SourceError):
            read(path, how, "x")


JSON = {
    "label_studio": [
        {
            "data": {"video": "a.mp4"},
            "annotations": [
                {
                    "completed_by": {"id": 1, "email": "x"},
                    "result": [
                        {
                            "id": "r",
                            "type": "timelinelabels",
                            "score": 0.5,
                            "value": {"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["walk"]},
                        },
                        {
                            "id": "s",
                            "type": "labels",
                            "original_length": 9,
                            "value": {"start": 1, "end": 2, "labels": ["x"]},
                        },
                        {"id": "r", "type": "textarea", "value": {"text": ["slow"]}},
                    ],
                }
            ],
        },
        {"video": "b.mp4", "tl": [{"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["walk"]}]},
    ],
    "via": {
        "project": {"vid_list": ["1"]},
        "config": {"file": {"loc_prefix": {"1": "clips/"}}},
        "attribute": {
            "1": {"aname": "act", "type": 2, "options": {"0": "walk"}},
            "2": {"aname": "score", "type": 1},
        },
        "file": {"1": {"fname": "a.mp4", "loc": 1, "src": "a.mp4"}},
        "view": {"1": {"fid_list": [1]}},
        "metadata": {"1_a": {"vid": "1", "z": [1.2, 3.4], "xy": [], "av": {"1": "0", "2": "0.5"}}},
    },
    "activitynet": {
        "database": {"v": {"duration": 9, "annotations": [{"segment": [1, 2], "label": "x", "score": 1}]}}
    },
    "boris": {
        "behaviors_conf": {"0": {"code": "walk", "type": "State event"}},
        "observations": {
            "x": {
                "file": {"1": ["a.mp4"]},
                "media_info": {"length": {"a.mp4": 9}},
                "time offset": 0,
                "events": [[1.5, "ann", "walk", "", ""], [3, "ann", "walk", "", ""]],
            }
        },
    },
}


@pytest.mark.parametrize("name", JSON)
def test_json_of_another_shape_is_told(tmp_path, name):
    """Every value of a file in turn becomes something else."""
    path, how = tmp_path / "file.json", How(format=name, fps=Fraction(25))
    path.write_text(json.dumps(JSON[name]))
    assert read(path, how).marks
    for place in places_in(JSON[name]):
        for other in (None, True, -1, 10**400, "x", [], ["x"], {"a": 1}):
            path.write_text(json.dumps(changed(JSON[name], place, other)))
            with suppress(SourceError):
                read(path, how)


def places_in(value, place=()):
    yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places_in(one, (*place, key))


def changed(value, place, other):
    if not place:
        return other
    copy = value.copy()
    copy[place[0]] = changed(value[place[0]], place[1:], other)
    return copy


def test_the_page_names_every_format_and_whether_it_is_written():
    page = (Path(__file__).parents[2] / "docs" / "annotations.md").read_text()
    rows = {
        name: line
        for line in page.splitlines()
        for name in FORMATS
        if f"`{name}`" in line.partition(" | ")[0]
    }
    assert set(rows) == set(FORMATS)
    assert {name for name, row in rows.items() if row.split(" | ")[3] == "no"} == {
        name for name, format in FORMATS.items() if format.write is None
    }
