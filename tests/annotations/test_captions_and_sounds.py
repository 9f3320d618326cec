"""Captions, Audacity's tracks, Raven's selections and DCASE's tables."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rushes.annotations import How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError

VTT = """WEBVTT - made by hand

STYLE
::cue { color: red }

NOTE --> not a caption

intro
00:01.500 --> 00:02.250 align:start
<v Ann>say <b>&lt;hi&gt;</b> &amp; go

1:00:00.000 --> 1:00:01.000
two
lines

00:00:05,500 --> 00:00:06,000
comma

00:00:07.000 --> 00:00:08.000
"""


def test_webvtt(put, said):
    path = put("cam.vtt", VTT)
    assert recognise(path) == "webvtt"
    labels = read(path, How())
    assert said(labels) == [
        ("cam", 1.5, 2.25, "say <hi> & go"),
        ("cam", 3600.0, 3601.0, "two\nlines"),
        ("cam", 5.5, 6.0, "comma"),
    ]
    assert [mark.track for mark in labels.marks] == ["Ann", "", ""]
    assert [(note.reason, note.where) for note in labels.notes] == [
        ("times with a comma, which WebVTT does not have, are read", f"{path}:16"),
        ("a caption without text is left out", f"{path}:19"),
    ]


def test_srt_with_a_mark_and_windows_lines(put, said):
    path = put(
        "cam.srt",
        "\ufeff1\r\n00:00:01,500 --> 00:00:02,250\r\n<i>walk</i>\r\n\r\n2\r\n0:0:05,5 --> 0:0:04,0\r\nsit\r\n",
    )
    assert recognise(path) == "srt"
    assert said(read(path, How())) == [("cam", 1.5, 2.25, "<i>walk</i>"), ("cam", 5.5, 4.0, "sit")]


def test_lines_that_belong_to_no_caption_are_told(put):
    path = put("cam.srt", "1\n00:00:01,500 --> 00:00:02,250\nwalk\n\nsit down\n")
    with pytest.raises(SourceError, match="no caption: 'sit down'") as error:
        read(path, How())
    assert error.value.where == f"{path}:5"


@pytest.mark.parametrize("name", ["webvtt", "srt"])
def test_captions_hold_no_blank_line_and_no_moment(tmp_path, name):
    mark = Mark(recording="cam", start_s=Fraction(1), end_s=Fraction(2), label="a\n\nb")
    with pytest.raises(SourceError, match="blank line"):
        write(Labels((mark,), {}), tmp_path / "cam.vtt", How(format=name))
    moment = Mark(recording="cam", start_s=Fraction(1), end_s=Fraction(1), label="a", kind="point")
    lost = write(Labels((moment,), {}), tmp_path / "cam.vtt", How(format=name))
    assert [str(note) for note in lost] == [
        f"a point is left out of {'WebVTT' if name == 'webvtt' else 'SRT'}: 1, first at cam 'a'"
    ]


def test_audacity_with_frequencies_commas_points_and_labels_without_text(put):
    path = put("night.txt", "1,5\t2,25\tsnore\n\\\t100,5\t-1\n3.0\t3.0\tclick\n4\t5\n\\\t7\t8\n6\t7\tx\n")
    assert recognise(path) == "audacity"
    labels = read(path, How())
    assert [
        (float(m.start_s), float(m.end_s), m.label, m.kind, m.low_hz, m.high_hz) for m in labels.marks
    ] == [
        (1.5, 2.25, "snore", "interval", 100.5, None),
        (3, 3, "click", "point", None, None),
        (6, 7, "x", "interval", None, None),
    ]
    assert [str(note) for note in labels.notes] == [f"a label without text is left out: 1, first at {path}:4"]


def test_audacity_with_spaces_in_place_of_tabs_is_told(put):
    path = put("night.txt", "1.5\t2.25\tsnore\n3.0 4.0 x\n")
    with pytest.raises(SourceError, match=r"no label of Audacity's: '3\.0 4\.0 x'") as error:
        read(path, How())
    assert error.value.where == f"{path}:2"


RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\t"
    "Low Freq (Hz)\tHigh Freq (Hz)\tBegin File\tFile Offset (s)\tSpecies\n"
    "1\tWaveform 1\t1\t61.5\t62.0\t0\t9000\tb.wav\t1.5\towl\n"
    "1\tSpectrogram 1\t1\t61.5\t62.0\t300\t900\tb.wav\t1.5\towl\n"
    "2\tSpectrogram 1\t2\t5.0\t6.0\t100\t200\ta.wav\t5.0\tfox\n"
)


def test_raven_has_a_row_a_view_and_a_clock_over_all_files(put, said):
    path = put("night.selections.txt", RAVEN)
    assert recognise(path) == "raven"
    labels = read(path, How())
    assert said(labels) == [("b.wav", 1.5, 2.0, "owl"), ("a.wav", 5.0, 6.0, "fox")]
    assert (labels.marks[1].channel, labels.marks[1].low_hz, labels.marks[1].high_hz) == (1, 100, 200)
    assert ("a second view of a selection", 1) in [(note.reason, note.count) for note in labels.notes]


def test_raven_asks_which_column_holds_the_labels(put, said):
    path = put(
        "night.txt",
        RAVEN.replace("Species", "Species\tCall").replace("owl", "owl\thoot").replace("fox", "fox\tbark"),
    )
    with pytest.raises(SourceError, match="which column holds the labels\\? There are Species, Call"):
        read(path, How())
    assert said(read(path, How(columns={"label": "Call"})))[0][3] == "hoot"


def test_dcase_names_files_without_events(put, said):
    path = put("weak.tsv", "filename\tonset\toffset\tevent_label\na.wav\t0\t1\tDog\nb.wav\t\t\t\n")
    assert recognise(path) == "dcase"
    labels = read(path, How())
    assert said(labels) == [("a.wav", 0.0, 1.0, "Dog")]
    assert list(labels.about) == ["a.wav", "b.wav"]
    assert [note.reason for note in labels.notes] == ["a recording without labels"]
    write(labels, path, How(format="dcase"))
    assert path.read_text() == "filename\tonset\toffset\tevent_label\na.wav\t0\t1\tDog\nb.wav\t\t\t\n"
