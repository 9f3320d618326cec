"""Names that label files write, and the files that they mean."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import pytest

from rushes.annotations import How, match, places, rates
from rushes.annotations.matching import Names
from rushes.errors import SourceError

FILES = ["day1/cam.mp4", "day2/cam.mp4", "my cam.mp4", "v_abc.mp4", "P01.left.mp4", "session"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("day1/cam.mp4", "day1/cam.mp4"),
        (r"C:\clips\day2\cam.mp4", "day2/cam.mp4"),
        ("file:///home/me/my%20cam.mp4", "my cam.mp4"),
        ("https://host/x/my%20cam.mp4?token=1", "my cam.mp4"),
        ("/data/local-files/?d=day1/cam.mp4", "day1/cam.mp4"),
        ("/data/upload/1/ab12cd34-my cam.mp4", "my cam.mp4"),
        ("./day1/cam", "day1/cam.mp4"),
        ("abc", "v_abc.mp4"),
        ("P01.left", "P01.left.mp4"),
        ("my cam.avi", "my cam.mp4"),
        ("session", "session"),
        ("P01.left.WAV", "P01.left.mp4"),
        ("http://[x/day1/cam.mp4", "day1/cam.mp4"),
    ],
)
def test_ways_to_name_a_file(name, file):
    assert match([name], FILES) == {name: file}


def test_a_name_in_other_letters_is_asked_for():
    assert places(["SESSION", "MY CAM.MP4"], FILES)[1] == {
        "SESSION": "no such file; do you mean session?",
        "MY CAM.MP4": "no such file; do you mean my cam.mp4 or day1/cam.mp4?",
    }


def test_what_follows_a_point_is_no_suffix_unless_it_is_a_medium():
    matched, faults = places(["session.left", "cam.mp4.left"], FILES)
    assert matched == {}
    assert set(faults) == {"session.left", "cam.mp4.left"}


def test_signs_are_compared_as_they_look():
    composed, apart = (unicodedata.normalize(form, "Küche.mp4") for form in ("NFC", "NFD"))
    assert match([composed], [apart]) == {composed: apart}
    assert match([apart], [composed]) == {apart: composed}


def test_names_that_several_files_have_or_none_are_told_together():
    with pytest.raises(SourceError) as error:
        match(["cam.mp4", "my cat.mp4", "xyz", "day1/cam.mp4"], FILES)
    assert str(error.value).splitlines()[:4] == [
        "3 names that the labels use have no recording of their own:",
        "  - cam.mp4: may be day1/cam.mp4, day2/cam.mp4",
        "  - my cat.mp4: no such file; do you mean my cam.mp4 or day1/cam.mp4?",
        "  - xyz: no such file",
    ]
    assert error.value.cure
    matched, faults = places(["cam.mp4", "abc"], FILES)
    assert (matched, list(faults)) == ({"abc": "v_abc.mp4"}, ["cam.mp4"])


def test_a_long_list_is_cut():
    with pytest.raises(SourceError, match=r"(?s)25 names .* and 15 more") as error:
        match([f"missing {number}" for number in range(25)], FILES)
    assert len(str(error.value).splitlines()) < 15


def test_frame_rates_are_found_by_the_same_names():
    how = How(fps=Fraction(25), fps_of=rates({"day1/cam.mp4": Fraction(30)}))
    assert (how.rate("cam"), how.rate("other.mp4")) == (30, 25)


def test_folders_that_contradict_a_name_do_not_fit_it():
    names = Names(["anna/tuesday.mp4", "bob/monday.mp4", "plain.mp4"])
    assert names.find("bob/tuesday.mp4") == []
    assert names.find("/home/me/bob/tuesday.mp4") == []
    for name in ("tuesday.mp4", "footage/anna/tuesday.mov", "labels/tuesday", r"D:\clips\tuesday.mp4"):
        assert names.find(name) == ["anna/tuesday.mp4"]
    assert names.find("footage/plain.mp4") == ["plain.mp4"]


def test_a_file_that_is_called_by_its_name_is_no_other_that_is_called_alike():
    matched, faults = places(["anna/cam.mp4", "cleo/cam.mp4", "cam"], ["anna/cam.mp4", "bob/x.mp4"])
    assert matched == {"anna/cam.mp4": "anna/cam.mp4", "cam": "anna/cam.mp4"}
    assert faults == {"cleo/cam.mp4": "no such file; anna/cam.mp4 has labels by its own name"}
