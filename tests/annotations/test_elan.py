"""ELAN's files: slots without time, references, origins; and what may not be in an XML file."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import pytest

from rushes.annotations import About, How, Labels, Mark, read, recognise, write
from rushes.errors import SourceError

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
  <HEADER TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/clips/my%20cam.mp4" MIME_TYPE="video/mp4"{origin}/>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
    <TIME_SLOT TIME_SLOT_ID="ts2"/>
    <TIME_SLOT TIME_SLOT_ID="ts3"/>
    <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="4000"/>
  </TIME_ORDER>
  <TIER TIER_ID="hand" LINGUISTIC_TYPE_REF="time" PARTICIPANT="Ann" ANNOTATOR="me">
    {aligned}
  </TIER>
  <TIER TIER_ID="parts" LINGUISTIC_TYPE_REF="divides" PARENT_REF="hand">{parts}</TIER>
  <TIER TIER_ID="gloss" LINGUISTIC_TYPE_REF="says" PARENT_REF="parts">{gloss}</TIER>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="time"/>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="divides" CONSTRAINTS="Symbolic_Subdivision"/>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="says" CONSTRAINTS="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""


def aligned(number, start, end, label, more=""):
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}"'
        f"{more}><ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def refers(number, parent, label, previous=""):
    before = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r{number}" ANNOTATION_REF="{parent}"{before}>'
        f"<ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def eaf(annotations, parts="", gloss="", origin=""):
    return FILE.format(aligned=annotations, parts=parts, gloss=gloss, origin=origin)


def test_slots_without_time_stand_evenly_between_those_that_have_one(put, said):
    three = (
        aligned(1, "ts1", "ts2", "reach")
        + aligned(2, "ts2", "ts3", "grip")
        + aligned(3, "ts3", "ts4", "lift")
    )
    path = put("cam.eaf", eaf(three))
    assert recognise(path) == "elan"
    labels = read(path, How())
    name = "file:///C:/clips/my%20cam.mp4"
    assert said(labels) == [(name, 1.0, 2.0, "reach"), (name, 2.0, 3.0, "grip"), (name, 3.0, 4.0, "lift")]
    assert [(note.reason, note.count) for note in labels.notes] == [
        ("a slot without time is set evenly between its neighbours", 4)
    ]
    first = labels.marks[0]
    assert (first.track, first.annotator, first.attributes) == ("hand", "me", (("participant", "Ann"),))
    assert first.where == f"{path}:13"


def test_references_have_the_time_of_what_they_refer_to_or_their_part_of_it(put):
    parts = refers(2, "a1", "close", "r1") + refers(1, "a1", "open") + refers(3, "a1", "hold", "r2")
    path = put("cam.eaf", eaf(aligned(1, "ts1", "ts4", "grip"), parts, refers(4, "r2", "zu")))
    found = {
        mark.label: (float(mark.start_s), float(mark.end_s), mark.track) for mark in read(path, How()).marks
    }
    assert found == {
        "grip": (1, 4, "hand"),
        "open": (1, 2, "parts"),
        "close": (2, 3, "parts"),
        "hold": (3, 4, "parts"),
        "zu": (2, 3, "gloss"),
    }
    assert {mark.track for mark in read(path, How(tracks=("gloss",))).marks} == {"gloss"}


def test_origin_of_time_is_added_and_told(put, said):
    path = put("cam.eaf", eaf(aligned(1, "ts1", "ts4", "grip"), origin=' TIME_ORIGIN="500"'))
    labels = read(path, How())
    assert said(labels)[0][1:3] == (1.5, 4.5)
    assert labels.notes[0].reason == "annotation time 0 is 500 ms in the medium: added"


def test_reference_to_a_vocabulary_is_kept(put):
    path = put("cam.eaf", eaf(aligned(1, "ts1", "ts4", "grip", ' CVE_REF="cve7"')))
    assert dict(read(path, How()).marks[0].attributes)["cve_ref"] == "cve7"


def test_annotations_without_text_and_further_media_are_counted(put):
    text = eaf(aligned(1, "ts1", "ts4", " ") + aligned(2, "ts1", "ts4", "grip"))
    text = text.replace("  </HEADER>", '<MEDIA_DESCRIPTOR MEDIA_URL="file:///b.mp4" MIME_TYPE="x"/></HEADER>')
    labels = read(put("cam.eaf", text), How())
    assert [note.reason for note in labels.notes] == [
        "several media: the labels are taken for the first",
        "an annotation without text is left out",
    ]
    assert len(labels.marks) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (eaf(aligned(1, "ts1", "ts9", "x")), "no time slot 'ts9'"),
        (eaf(aligned(1, "ts2", "ts3", "x")), "an annotation without time, and none before and after it"),
        (eaf(aligned(1, "ts2", "ts2", "x")), "an annotation without time, and none before and after it"),
        (
            eaf(aligned(1, "ts1", "ts4", "x"), refers(1, "r2", "y"), refers(2, "r1", "z")),
            "refers to none that has a time",
        ),
        (
            eaf(aligned(1, "ts1", "ts4", "x").replace("ALIGNABLE_", "OTHER_")),
            "an annotation of kind OTHER_ANNOTATION",
        ),
        (eaf("").replace("milliseconds", "NTSC-frames"), "no ELAN file in milliseconds"),
        (eaf("").replace("</HEADER>", ""), "not XML"),
        (eaf("").replace('"1000"', '"soon"'), "no time in ms: 'soon'"),
    ],
)
def test_faults_have_a_place_and_a_cure(put, content, message):
    path = put("cam.eaf", content)
    with pytest.raises(SourceError, match=message) as error:
        read(path, How(format="elan"))
    assert error.value.where.startswith(str(path))
    assert error.value.cure


def test_a_document_type_is_refused_before_anything_grows(put):
    bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>'
    path = put("cam.eaf", eaf(aligned(1, "ts1", "ts4", "&y;")).replace("?>\n", f"?>\n{bomb}\n", 1))
    with pytest.raises(SourceError, match="DOCTYPE") as error:
        read(path, How())
    assert error.value.where == f"{path}:2"


def test_an_encoding_that_nobody_knows_is_told(put):
    path = put("cam.eaf", '<?xml version="1.0" encoding="klingon"?>\n<ANNOTATION_DOCUMENT/>')
    with pytest.raises(SourceError, match="not XML: unknown encoding: klingon"):
        read(path, How())


def test_overlaps_are_written_into_tiers_of_their_own_and_come_back(tmp_path):
    marks = tuple(
        Mark(
            recording="cam.mp4",
            start_s=Fraction(start),
            end_s=Fraction(end),
            label=label,
            track="hand",
            score=0.5,
        )
        for start, end, label in [(0, 4, "hold"), (1, 2, "turn"), (2, 3, "press"), (4, 5, "hold")]
    )
    path = tmp_path / "cam.eaf"
    assert write(Labels(marks, {"cam.mp4": About()}), path, How(format="elan")) == ()
    tiers = [tier.get("TIER_ID") for tier in ElementTree.parse(path).iterfind("TIER")]
    assert tiers == ["hand", "hand#score", "hand ~2", "hand ~2#score"]
    again = read(path, How()).marks
    assert {(mark.start_s, mark.label, mark.track, mark.score) for mark in again} == {
        (mark.start_s, mark.label, "hand", 0.5) for mark in marks
    }
    first = path.read_bytes()
    write(Labels(marks, {"cam.mp4": About()}), path, How(format="elan"))
    assert path.read_bytes() == first


def test_a_tier_that_is_called_as_ours_is_a_tier(put):
    path = put(
        "cam.eaf",
        eaf(aligned(1, "ts1", "ts4", "grip"), refers(1, "a1", "high")).replace("parts", "hand#score"),
    )
    assert [(mark.track, mark.label, mark.score) for mark in read(path, How()).marks] == [
        ("hand", "grip", None),
        ("hand#score", "high", None),
    ]


def test_what_xml_cannot_hold_is_refused(tmp_path):
    mark = Mark(recording="a", start_s=Fraction(0), end_s=Fraction(1), label="bell \x07")
    with pytest.raises(SourceError, match="a character that XML cannot hold"):
        write(Labels((mark,), {}), tmp_path / "a.eaf", How(format="elan"))
    assert not (tmp_path / "a.eaf").exists()
