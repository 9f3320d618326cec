"""Praat's TextGrid in its long and short form, in UTF-16, with quotes and ends of lines in labels."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rushes.annotations import About, How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25
            text = "say ""hi"" in
item [1]: two lines"
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "intervals [9]:"
    item [2]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 2
            mark = "a ""bell"" rings"
"""
SHORT = """File type = "ooTextFile short"
"TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"words"
0
2.5
3
0
0.5
""
0.5
1.25
"say ""hi"" in
item [1]: two lines"
1.25
2.5
"intervals [9]:"
"TextTier"
"bells"
0
2.5
1
2
"a ""bell"" rings"
"""


@pytest.mark.parametrize(
    "content", [LONG, SHORT, LONG.encode("utf-16"), SHORT.encode("utf-16-be"), "\ufeff" + LONG]
)
def test_all_forms_say_the_same(put, said, content):
    path = put("cam.TextGrid", content)
    assert recognise(path) == "textgrid"
    labels = read(path, How())
    assert said(labels) == [
        ("cam", 0.5, 1.25, 'say "hi" in\nitem [1]: two lines'),
        ("cam", 1.25, 2.5, "intervals [9]:"),
        ("cam", 2.0, 2.0, 'a "bell" rings'),
    ]
    assert [mark.track for mark in labels.marks] == ["words", "words", "bells"]
    assert labels.about["cam"].duration_s == Fraction(5, 2)


def test_overlaps_are_written_into_two_tiers(tmp_path):
    marks = tuple(
        Mark(recording="cam", start_s=Fraction(start), end_s=Fraction(end), label=label, track="hand")
        for start, end, label in [(0, 3, "hold"), (1, 2, "turn")]
    )
    path = tmp_path / "cam.TextGrid"
    write(Labels(marks, {"cam": About(duration_s=Fraction(5))}), path, How(format="textgrid"))
    assert 'name = "hand ~2"' in path.read_text()
    labels = read(path, How())
    assert {(mark.start_s, mark.track) for mark in labels.marks} == {(0, "hand"), (1, "hand")}
    assert labels.about["cam"].duration_s == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LONG[:300], "is missing in a TextGrid"),
        (LONG.replace("TextGrid", "PitchTier"), "no TextGrid: 'PitchTier'"),
        (LONG.replace("xmax = 1.25", "xmax = 1.2.5"), "the end of a label is no number"),
        (LONG.replace("size = 3", "size = 999999999"), "is missing in a TextGrid"),
    ],
)
def test_faults_have_a_line_and_a_cure(put, content, message):
    with pytest.raises(SourceError, match=message) as error:
        read(put("cam.TextGrid", content), How(format="textgrid"))
    assert error.value.cure
