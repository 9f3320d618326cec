"""Recordings of anybody: what becomes of each file, each label and each mistake."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushes.annotations import How, by_recording, read, write
from rushes.errors import SourceError
from rushes.media.image import encode_jpeg
from rushes.records import Segment
from rushes.stages import take_inventory
from rushes.tasks.operations.recipe import TableSource
from rushes.tasks.operations.sources.table.names import key_of
from rushes.tasks.operations.sources.table.source import Table, TableScan
from rushes.testing import source_checks

WriteTable = Callable[..., Path]

HEAD = "file,start_s,end_s,label,person,split\n"
WORK = (
    HEAD
    + "a.mp4,0.5,2.0,take,ann,train\n"
    + "a.mp4,2.0,3.5,put,ann,train\n"
    + "day 1/b.mov,0,2.25,put,bob,test\n"
    + "day 1/b.mov,2.25,4,take,bob,test\n"
)


def table(**asked: Any) -> Table:
    return Table(TableSource.model_validate({"kind": "table", **asked}))


def scan(root: Path, **asked: Any) -> TableScan:
    return table(**asked).scan(root)


def told(root: Path, found: TableScan, source: Table) -> dict[tuple[str, str], int]:
    lines = take_inventory(root, source.claims(found), found.root).lines
    return {(line.fate, line.reason): line.files for line in lines}


# --- what holds -------------------------------------------------------------------------------------------


def test_rows_become_segments_of_their_own_words(write_table: WriteTable):
    found = scan(write_table("a.mp4", "day 1/b.mov", labels=WORK), groups={"column": "person"})
    first, second = found.recordings
    assert (first.key, first.session, first.group, first.subject) == ("a", "a.mp4", "ann", "ann")
    assert first.segments == (Segment(0.5, 2.0, "take"), Segment(2.0, 3.5, "put"))
    assert (second.session, second.group, second.alone) == ("day 1/b.mov", "bob", False)
    assert second.key.startswith("b-")
    assert (found.faults, found.notes, found.gaps.n) == ((), (), 0)


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_the_source_keeps_its_contract(check, write_table: WriteTable, tmp_path: Path):
    root = write_table("a.mp4", "day 1/b.mov", labels=WORK)
    check(table(groups={"column": "person"}), root, tmp_path / "checked")


def test_every_file_has_a_fate(write_table: WriteTable):
    root = write_table("a.mp4", "day 1/b.mov", "spare.mkv", labels=WORK, other="x,y\n")
    (root / "talk.wmv").write_bytes(b"x")
    source = table()
    found = source.scan(root)
    assert told(root, found, source) == {
        ("used", "video"): 2,
        ("read", "labels"): 1,
        ("skipped", "no label of it in the annotation"): 1,
        ("unread", ".csv"): 1,
        ("unread", ".wmv"): 1,
    }
    assert source.sides(found).skipped == {"spare": "no label of it in the annotation"}


def test_one_label_a_file_lasts_as_long_as_the_file(write_table: WriteTable):
    found = scan(write_table("a.mp4", "b.mp4", labels="file,label\na.mp4,yes\nb.mp4,no\n"))
    assert [one.segments for one in found.recordings] == [
        (Segment(0.0, 4.0, "yes"),),
        (Segment(0.0, 4.0, "no"),),
    ]
    assert all(one.alone for one in found.recordings)


def test_merged_ignored_and_background_labels(write_table: WriteTable):
    rows = "a.mp4,0.5,1,take,,\na.mp4,1,1.5,grab,,\na.mp4,2,2.5,noise,,\na.mp4,3,3.5,put,,\n"
    asked = {"merge": {"grab": "take"}, "ignore": ["noise"], "background": "idle"}
    found = scan(write_table("a.mp4", labels=HEAD + rows), **asked)
    assert found.recordings[0].segments == (
        Segment(0.5, 1.0, "take"),
        Segment(1.0, 1.5, "take"),
        Segment(1.5, 2.0, "idle"),
        Segment(2.5, 3.0, "idle"),
        Segment(3.0, 3.5, "put"),
    )
    assert any("'noise' is ignored: 1" in note.message for note in found.notes)


def test_labels_that_are_not_listed_are_left_out_and_counted(write_table: WriteTable):
    rows = "a.mp4,0,1,take,,\na.mp4,1,2,put,,\na.mp4,2,3,wipe,,\n"
    found = scan(write_table("a.mp4", labels=HEAD + rows), labels=["put", "take", "tkae"])
    assert [one.label for one in found.recordings[0].segments] == ["take", "put"]
    notes = "\n".join(note.message for note in found.notes)
    assert "'wipe' is ignored: 1" in notes
    assert "source.labels names 'tkae', which the annotation does not have; did you mean take?" in notes


def test_a_recording_of_which_no_label_is_left_is_skipped_with_its_reason(write_table: WriteTable):
    rows = "a.mp4,0,2,take,,\na.mp4,2,3,put,,\nc.mp4,0,1,noise,,\n"
    root = write_table("a.mp4", "c.mp4", labels=HEAD + rows)
    source = table(ignore=["noise"])
    assert source.sides(source.scan(root)).skipped == {"c": "none of its labels is learnt"}


def test_a_file_without_events_is_background_where_the_recipe_says_so(write_table: WriteTable):
    root = write_table("a.mp4", "b.mp4", labels="file,start_s,end_s,label\na.mp4,0,1.5,take\nb.mp4,,,\n")
    asked = {"background": "idle", "background_in": "recording"}
    assert [one.segments for one in scan(root, **asked).recordings] == [
        (Segment(0.0, 1.5, "take"), Segment(1.5, 4.0, "idle")),
        (Segment(0.0, 4.0, "idle"),),
    ]
    source = table(background="idle")
    assert source.sides(source.scan(root)).skipped == {"b": "no label of it in the annotation"}


def test_a_folder_of_frames_is_a_recording(write_table: WriteTable):
    root = write_table(labels="file,start_s,end_s,label\ncam 1,0.0,0.5,take\ncam 1,0.5,1.0,put\n")
    for number in range(11):
        place = root / "cam 1" / "2022/03/29/14/25" / f"20220329_1425{10 + number // 10}_{number % 10}00.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number))
    (recording,) = scan(root).recordings
    assert (recording.media.kind, recording.media.path) == ("frames", root / "cam 1")
    assert [one.end_s for one in recording.segments] == [0.5, 1.0]


def jpeg(number: int) -> bytes:
    return encode_jpeg(np.full((48, 64, 3), number, np.uint8), 90)


def test_names_of_any_script_have_keys_of_their_own(write_table: WriteTable):
    names = ["取る.mp4", "置く.mp4", "Müller.mp4", "Mu\u0308ller 2.mp4", "a b.mp4", "a-b.mp4"]
    rows = "".join(f"{name},0,1,take,,\n{name},1,2,put,,\n" for name in names)
    found = scan(write_table(*names, labels=HEAD + rows))
    assert {one.session for one in found.recordings} == set(names)
    assert len({one.key for one in found.recordings}) == len(names)
    assert "a-b" in {one.key for one in found.recordings}


def test_a_copy_that_takes_letters_apart_keeps_its_keys():
    apart, together = (unicodedata.normalize(form, "Müller 2.mp4") for form in ("NFD", "NFC"))
    assert apart != together
    assert key_of(apart) == key_of(together)


# --- what does not hold -----------------------------------------------------------------------------------


def test_labels_of_a_file_that_is_not_there_are_a_fault_with_line_and_the_nearest_name(
    write_table: WriteTable,
):
    root = write_table(
        "a.mp4", "cam-2.mp4", labels=HEAD + "a.mp4,0,1,take,,\na.mp4,1,2,put,,\ncam_2.mp4,0,1,put,,\n"
    )
    (fault,) = scan(root).faults
    assert fault.message == "labels of cam_2.mp4: no such file; do you mean cam-2.mp4 or a.mp4?"
    assert fault.where == f"{root / 'labels.csv'}:4"
    assert "write the name as the file is called" in fault.cure


def test_an_annotation_that_is_not_there_is_an_error_with_the_nearest_name(write_table: WriteTable):
    root = write_table("a.mp4", labels=WORK)
    with pytest.raises(SourceError, match=r"no file lables\.csv below the root; do you mean labels\.csv\?"):
        scan(root, annotation={"files": "lables.csv"})


def test_names_of_which_none_is_there_are_an_error_that_lists_them(write_table: WriteTable):
    root = write_table("x.mp4", labels=WORK)
    with pytest.raises(SourceError, match=r"a\.mp4"):
        scan(root)


@pytest.mark.parametrize(
    ("row", "message", "line"),
    [
        ("a.mp4,3,2,take,,", "'take' ends at 2.000 s, before it starts at 3.000 s", 2),
        ("a.mp4,9,12,take,,", "'take' at 9.000 s lies outside of its recording of 4.000 s", 2),
        ("a.mp4,0,1.6,take,,", "'take' until 1.600 s overlaps 'put' from 1.000 s", 3),
    ],
)
def test_a_label_that_cannot_be_is_a_fault_of_its_recording(
    write_table: WriteTable, row: str, message: str, line: int
):
    rest = "a.mp4,1,2,put,,\nb.mp4,0,1,take,,\nb.mp4,1,2,put,,\n"
    root = write_table("a.mp4", "b.mp4", labels=f"{HEAD}{row}\n{rest}")
    found = scan(root)
    (fault,) = found.faults
    assert message in fault.message
    assert fault.where == f"{root / 'labels.csv'}:{line}"
    assert [one.key for one in found.recordings] == ["b"]


def test_overlaps_by_a_stated_rule(write_table: WriteTable):
    rows = "a.mp4,0,2,take,,\na.mp4,1,3,put,,\n"
    found = scan(write_table("a.mp4", labels=HEAD + rows), overlaps="last")
    assert found.recordings[0].segments == (Segment(0.0, 1.0, "take"), Segment(1.0, 3.0, "put"))


def test_a_video_that_is_none_is_a_fault(write_table: WriteTable):
    root = write_table("a.mp4", "day 1/b.mov", labels=WORK)
    (root / "a.mp4").write_bytes(b"no video")
    found = scan(root)
    (fault,) = found.faults
    assert (fault.key, fault.kind) == ("a", "MediaError")
    assert found.claims["a.mp4"].fate == "faulty"


def test_two_labelled_files_that_differ_in_their_suffix_alone_are_refused(write_table: WriteTable):
    root = write_table("a.mp4", "a.mov", labels=WORK.replace("day 1/b.mov", "a.mov"))
    with pytest.raises(SourceError, match=r"a\.mov and a\.mp4 would both be called a"):
        scan(root)


def test_one_of_them_without_labels_takes_no_name_away(write_table: WriteTable):
    root = write_table("a.avi", "a.mp4", "day 1/b.mov", labels=WORK)
    found = scan(root)
    assert found.recordings[0].key == "a"
    assert len({claim.recording for claim in found.claims.values()}) == 3


def test_a_folder_without_footage_says_what_is_there(write_table: WriteTable):
    root = write_table(labels=WORK)
    (root / "talk.wmv").write_bytes(b"x")
    with pytest.raises(
        SourceError, match=r"no video and no folder of frames: 2 files: 2 unread \(\.csv; \.wmv\)"
    ):
        scan(root)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["take"], "1 label: there is nothing to tell apart"),
        (["take", "Take"], "labels that differ in case or spaces alone: 'take' and 'Take'"),
        (["take", 'say "hi"'], "a label is a text without quotes"),
    ],
)
def test_labels_that_no_answer_can_hold_are_refused(write_table: WriteTable, labels: list[str], message: str):
    quoted = [label.replace('"', '""') for label in labels]
    rows = "".join(f'a.mp4,{n},{n + 1},"{label}",,\n' for n, label in enumerate(quoted))
    root = write_table("a.mp4", labels=HEAD + rows)
    with pytest.raises(SourceError) as caught:
        scan(root)
    assert message.replace("'take' and 'Take'", "'Take' and 'take'") in caught.value.message
    assert "source.merge" in caught.value.cure


def test_a_torn_label_file_is_a_fault_beside_others(write_table: WriteTable):
    root = write_table(
        "a.mp4", "b.mp4", a="start_s,end_s,label\n0,1,take\n1,2,put\n", b="start_s,end_s,label\n0,x,put\n"
    )
    found = scan(root, annotation={"files": "*.csv"})
    (fault,) = found.faults
    assert (fault.key, fault.where) == ("b", f"{root / 'b.csv'}:2")
    assert [one.key for one in found.recordings] == ["a"]


def test_a_root_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match="no such folder"):
        scan(tmp_path / "nowhere")


# --- labels in names, and in the files of tools --------------------------------------------------------------


def test_labels_in_the_names_of_recordings(write_table: WriteTable):
    root = write_table("take/ann_1.mp4", "put/bob_1.mov", "odd.mp4")
    source = table(
        annotation={"files": "**/*.m*", "format": "names", "pattern": "(?P<label>[^/]+)/(?P<who>[^_]+)_.*"},
        groups={"column": "who"},
    )
    found = source.scan(root)
    assert [(one.group, one.segments[0].label) for one in found.recordings] == [
        ("ann", "take"),
        ("bob", "put"),
    ]
    assert [fault.message for fault in found.faults] == ["a name that does not fit the pattern: 'odd'"]
    assert told(root, found, source) == {("used", "video"): 2, ("faulty", found.faults[0].message): 1}


@pytest.mark.parametrize(
    ("format", "suffix", "rate", "tolerance_s"),
    [
        ("elan", "eaf", None, 1e-3),
        ("webvtt", "vtt", None, 1e-3),
        ("table", "csv", None, 1e-9),
        ("cvat", "xml", Fraction(10), 0.1),
        ("label_studio", "json", Fraction(10), 0.1),
    ],
)
def test_files_of_tools_beside_the_recordings(
    write_table: WriteTable, format: str, suffix: str, rate: Fraction | None, tolerance_s: float
):
    root = write_table("a.mp4", "day 1/b.mov", labels=WORK)
    truth = scan(root).recordings
    labels = read(root / "labels.csv", How())
    for name, own in by_recording(labels).items():
        path = (root / name).with_suffix(f".{suffix}")
        plain = replace(own, marks=tuple(replace(mark, attributes=()) for mark in own.marks))
        write(plain, path, How(format=format, fps=rate))
    (root / "labels.csv").unlink()
    asked = {"files": f"**/*.{suffix}", "format": format, "fps": None if rate is None else str(rate)}
    found = scan(root, annotation=asked)
    assert [one.key for one in found.recordings] == [one.key for one in truth]
    for ours, theirs in zip(found.recordings, truth, strict=True):
        assert [one.label for one in ours.segments] == [one.label for one in theirs.segments]
        for mine, right in zip(ours.segments, theirs.segments, strict=True):
            assert abs(mine.start_s - right.start_s) <= tolerance_s
            assert abs(mine.end_s - right.end_s) <= tolerance_s
