"""CVAT's XML: steps, starts, tracks left open, gaps, attributes and tags; and the table of its audio tasks."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import pytest

from rushes.annotations import About, How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError

AT_10 = How(fps=Fraction(10))


def box(frame, outside=0, attributes=""):
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="0" ytl="0" xbr="9" ybr="9">{attributes}</box>'


def xml(*tracks, start=0, stop=999, frame_filter="", labels="", images=""):
    inside = "".join(
        f'<track id="{n}" label="walk" source="manual">{track}</track>' for n, track in enumerate(tracks)
    )
    return (
        "<annotations><version>1.1</version><meta><task><name>job</name><mode>interpolation</mode>"
        f"<start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame><frame_filter>{frame_filter}</frame_filter>"
        f"<labels>{labels}</labels><source>cam.mp4</source></task></meta>{inside}{images}</annotations>"
    )


def test_frames_count_in_the_source_whatever_step_and_start(put, said):
    path = put("a.xml", xml(box(100) + box(105) + box(125, 1), start=100, frame_filter="step=5"))
    assert recognise(path) == "cvat"
    assert said(read(path, AT_10)) == [("cam.mp4", 10.0, 12.5, "walk")]
    with pytest.raises(SourceError, match="nobody says how many make a second"):
        read(path, How())


def test_an_open_track_lasts_to_the_last_frame_and_a_gap_makes_two(put, said):
    gap = box(10) + box(20, 1) + box(30) + box(40, 1)
    found = said(read(put("a.xml", xml(gap, box(50), stop=99)), AT_10))
    assert found == [
        ("cam.mp4", 1.0, 2.0, "walk"),
        ("cam.mp4", 3.0, 4.0, "walk"),
        ("cam.mp4", 5.0, 10.0, "walk"),
    ]


def test_attributes_that_stay_stand_beside_and_those_that_change_may_be_taken(put):
    def said(what, who):
        return f'<attribute name="what">{what}</attribute><attribute name="who">{who}</attribute>'

    track = (
        box(0, 0, said("sit", "ann")) + box(10, 0, said("stand", "ann")) + box(30, 1, said("stand", "ann"))
    )
    path = put("a.xml", xml(track))
    labels = read(path, AT_10)
    assert labels.marks[0].attributes == (("who", "ann"),)
    assert "attribute 'what' changes within a track" in labels.notes[0].reason
    taken = read(path, How(fps=Fraction(10), tracks=("what",))).marks
    assert [(mark.label, float(mark.start_s), float(mark.end_s)) for mark in taken] == [
        ("sit", 0, 1),
        ("stand", 1, 3),
    ]


def test_tags_that_a_video_export_leaves_out_are_said(put):
    labels = "<label><name>walk</name><type>tag</type></label>"
    notes = read(put("a.xml", xml(labels=labels)), AT_10).notes
    assert [note.reason for note in notes] == [
        'CVAT leaves tags (walk) out of "for video": export "for images"'
    ]


def test_neighbouring_tags_merge(put, said):
    images = "".join(
        f'<image id="{n}" name="frame_{frame:06d}"><tag label="walk"/></image>'
        for n, frame in enumerate((10, 15, 20, 30))
    )
    path = put("a.xml", xml(images=images, frame_filter="step=5"))
    assert said(read(path, AT_10)) == [("cam.mp4", 1.0, 2.5, "walk"), ("cam.mp4", 3.0, 3.5, "walk")]


def test_a_track_to_the_end_is_written_without_a_frame_that_is_not_there(tmp_path):
    mark = Mark(recording="cam.mp4", start_s=Fraction(1), end_s=None, label="walk")
    path = tmp_path / "a.xml"
    labels = Labels((mark,), {"cam.mp4": About(duration_s=Fraction(10))})
    write(labels, path, How(format="cvat", fps=Fraction(10)))
    assert [one.get("frame") for one in ElementTree.parse(path).iterfind("track/box")] == ["10"]
    assert read(path, AT_10).marks[0].end_s == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotations><track label='a'><box outside='0'/></track></annotations>", "no frame number: 'None'"),
        ("<annotations><track label='a'><box frame='-1'/></track></annotations>", "no frame number: '-1'"),
        ("<other/>", "no file of CVAT: <other>"),
        ("<!DOCTYPE a><annotations/>", "DOCTYPE"),
    ],
)
def test_faults_have_a_line_and_a_cure(put, content, message):
    with pytest.raises(SourceError, match=message) as error:
        read(put("a.xml", content), How(format="cvat", fps=Fraction(10)))
    assert error.value.cure


def test_the_table_of_an_audio_task(put, said):
    header = "id\tfilename\tstart\tstop\tlabel\tsource\tscore\tloud\n"
    path = put("a.tsv", header + "0\ta.wav\t00:00:01.500000\t00:00:02\tdog\tmanual\t0.5\tyes\n")
    assert recognise(path) == "cvat_audio"
    labels = read(path, How())
    assert said(labels) == [("a.wav", 1.5, 2.0, "dog")]
    assert (labels.marks[0].annotator, labels.marks[0].score) == ("manual", 0.5)
    assert dict(labels.marks[0].attributes)["loud"] == "yes"


def test_a_day_is_too_long_for_an_audio_task(tmp_path):
    mark = Mark(recording="a.wav", start_s=Fraction(5), end_s=Fraction(86400), label="dog")
    with pytest.raises(SourceError, match="below 24 hours"):
        write(Labels((mark,), {}), tmp_path / "a.tsv", How(format="cvat_audio"))
