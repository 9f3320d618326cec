import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import SourceError
from rushes.records import KEY, Segment
from rushes.tasks.operations.sources.openpack.layout import (
    frames_dir,
    operations_csv,
    video_file,
    video_sidecar,
)
from rushes.tasks.operations.sources.openpack.source import Tally, scan
from rushes.tasks.operations.sources.openpack.tables import load_label_set

WriteSession = Callable[..., Path]
OPENPACK, CLASSES10 = load_label_set("openpack"), load_label_set("classes10")


@pytest.mark.parametrize("media", ["frames", "video"])
def test_a_session_becomes_a_recording_on_the_clock_of_its_footage(
    media: str, write_session: WriteSession
) -> None:
    found = scan(write_session(), OPENPACK, media)
    assert not found.faults
    assert not found.notes
    (recording,) = found.recordings
    assert (recording.key, recording.group, recording.subject, recording.session) == (
        "U0101_S0100",
        "U0101",
        "U0101",
        "S0100",
    )
    assert recording.media.kind == media
    assert recording.origin_unix_s == 1648531511.03
    assert recording.segments == (
        Segment(0.5, 3.0, "Picking"),
        Segment(3.0, 4.25, "Relocate Item Label"),
        Segment(6.25, 8.000001, "Assemble Box"),
    )
    assert found.gaps == Tally(1, 2.0)
    assert found.masked == {"Null": Tally(1, 1.499999)}


def test_what_the_label_set_has_no_target_for_is_masked_and_counted(write_session: WriteSession) -> None:
    write_session("U0102")
    found = scan(write_session("U0101"), CLASSES10, "video")
    assert [segment.label for segment in found.recordings[0].segments] == ["Box Setup"]
    assert {name: tally.n for name, tally in found.masked.items()} == {
        "Picking": 2,
        "Relocate Item Label": 2,
        "Null": 2,
    }
    assert found.masked["Picking"].seconds == 5.0


def test_two_ids_of_one_person_are_one_group(write_session: WriteSession) -> None:
    for user in ("U0103", "U0210", "U0206"):
        root = write_session(user)
    assert [r.group for r in scan(root, OPENPACK, "video").recordings] == ["U0103", "U0206", "U0103"]


# --- the published sample ---------------------------------------------------------------------------------


def test_the_sample_is_set_aside_for_its_fifteen_frames(openpack_sample: Path) -> None:
    found = scan(openpack_sample, OPENPACK, "frames")
    assert not found.recordings
    (fault,) = found.faults
    assert fault.key == "U0209_S0500"
    assert fault.message.startswith("the footage lasts 1.000 s, its labels 1417.883 s: 193 of 193 labelled")
    assert fault.where.endswith("frames/S0500")
    assert "fetch the missing footage" in fault.cure


def test_the_sample_mapped_to_the_earlier_classes_keeps_124_of_193(openpack_sample: Path) -> None:
    found = scan(openpack_sample, CLASSES10, "frames", tolerance_s=1e6)
    (recording,) = found.recordings
    assert len(recording.segments) == 124
    assert sum(segment.duration_s for segment in recording.segments) == pytest.approx(910, abs=0.5)
    assert sum(tally.n for tally in found.masked.values()) == 193 - 124
    assert found.gaps.n == 5
    assert (
        scan(openpack_sample, OPENPACK, "frames", tolerance_s=1e6).recordings[0].segments[0].start_s == 11.113
    )


# --- faults -----------------------------------------------------------------------------------------------


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


ANNOTATION, SIDECAR, VIDEO, FRAMES = (
    place(Path(), "U0102", "S0100") for place in (operations_csv, video_sidecar, video_file, frames_dir)
)

# What is done to the session of U0102, the file at fault, and words of the message.
FAULTS: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "torn row": ("video", lambda r: _append(r / ANNOTATION, "op:9,U01"), f"{ANNOTATION}:6", "cells under"),
    "empty annotation": ("video", lambda r: (r / ANNOTATION).write_text(""), f"{ANNOTATION}:1", "empty file"),
    "no annotation": (
        "video",
        lambda r: (r / ANNOTATION).unlink(),
        f"{ANNOTATION}",
        "without its annotation",
    ),
    "annotation of another": (
        "video",
        lambda r: shutil.copy(operations_csv(r, "U0101", "S0100"), r / ANNOTATION),
        f"{ANNOTATION}:2",
        "'U0101' 'S0100' in the annotation of U0102 S0100",
    ),
    "annotation is a folder": (
        "video",
        lambda r: ((r / ANNOTATION).unlink(), (r / ANNOTATION).mkdir()),
        f"{ANNOTATION}",
        "without its annotation",
    ),
    "no video": ("video", lambda r: (r / VIDEO).unlink(), f"{VIDEO}", "though there are frames"),
    "no footage": (
        "video",
        lambda r: ((r / VIDEO).unlink(), shutil.rmtree(r / FRAMES)),
        f"{VIDEO}",
        "an annotation without its video",
    ),
    "no frames": ("frames", lambda r: shutil.rmtree(r / FRAMES), f"{FRAMES}", "though there are video"),
    "no sidecar": ("video", lambda r: (r / SIDECAR).unlink(), f"{SIDECAR}", "without its sidecar"),
    "torn sidecar": ("video", lambda r: (r / SIDECAR).write_text("{"), f"{SIDECAR}", "cannot be read"),
    "frames end early": (
        "frames",
        lambda r: [
            frame.unlink()
            for seconds in ("1[7-9]", "2?")
            for frame in (r / FRAMES).rglob(f"*_1425{seconds}_*.jpg")
        ],
        f"{FRAMES}",
        "1 of 3 labelled operations lie outside",
    ),
    "frames start late": (
        "frames",
        lambda r: [frame.unlink() for frame in (r / FRAMES).rglob("*_14251[1-4]_*.jpg")],
        f"{FRAMES}",
        "before the first frame",
    ),
    "a frame without a time": (
        "frames",
        lambda r: (r / FRAMES / "IMG_0001.jpg").write_bytes(b""),
        f"{FRAMES}/IMG_0001.jpg",
        "found IMG_0001.jpg",
    ),
    "empty frames": (
        "frames",
        lambda r: (shutil.rmtree(r / FRAMES), (r / FRAMES).mkdir()),
        f"{FRAMES}",
        "without a frame",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_bad_session_is_a_fault_and_leaves_the_others_alone(case: str, write_session: WriteSession) -> None:
    media, spoil, where, says = FAULTS[case]
    write_session("U0102")
    root = write_session("U0101")
    spoil(root)
    found = scan(root, OPENPACK, media)
    assert [recording.key for recording in found.recordings] == ["U0101_S0100"]
    (fault,) = found.faults
    assert (fault.key, fault.owner, fault.where) == ("U0102_S0100", "U0102", str(root / where))
    assert says in fault.message
    assert fault.cure
    assert set(fault.reason()) == {"type", "message", "where", "cure"}
    assert fault.kind in ("SourceError", "MediaError")


def test_frames_without_labels_are_a_fault_like_u0103_s0100(write_session: WriteSession) -> None:
    root = write_session("U0103")
    write_session("U0103", "S0200")
    operations_csv(root, "U0103", "S0100").unlink()
    found = scan(root, OPENPACK, "frames")
    assert [fault.key for fault in found.faults] == ["U0103_S0100"]
    assert [recording.key for recording in found.recordings] == ["U0103_S0200"]


def test_a_subject_whom_nobody_knows_is_a_fault_unless_told(write_session: WriteSession) -> None:
    root = write_session("U0999")
    (fault,) = scan(root, OPENPACK, "video").faults
    assert "nobody is known behind subject id 'U0999'" in fault.message
    assert scan(root, OPENPACK, "video", persons={"U0999": "Aiko"}).recordings[0].group == "Aiko"


def test_a_session_with_a_name_that_is_no_key_is_a_fault_under_a_key(write_session: WriteSession) -> None:
    (fault,) = scan(write_session(session="S 01,00"), OPENPACK, "video").faults
    assert fault.key == "U0101_S-01-00"
    assert KEY.fullmatch(fault.key)


def test_a_session_without_any_target_is_a_fault(write_session: WriteSession) -> None:
    root = write_session(work=[(8100, "Null", 0.0, 5.0)])
    (fault,) = scan(root, OPENPACK, "video").faults
    assert "none of the 1 operations has a label in 'openpack'" in fault.message


def test_long_gaps_and_holes_are_noted_not_refused(write_session: WriteSession) -> None:
    root = write_session()
    for frame in frames_dir(root, "U0101", "S0100").rglob("*_14251[2-6]_*.jpg"):
        frame.unlink()
    found = scan(root, OPENPACK, "frames", max_gap_s=1.5)
    assert len(found.recordings) == 1
    assert [note.message.split(" for ")[0] for note in found.notes] == ["no label", "no frame"]
    assert "2.000 s from 2022-03-29 14:25:15.280000+09:00" in found.notes[0].message
    assert not scan(root, OPENPACK, "frames").notes


def test_hidden_files_are_no_sessions(write_session: WriteSession) -> None:
    root = write_session()
    annotation = operations_csv(root, "U0101", "S0100")
    shutil.copy(annotation, annotation.with_name("._S0100.csv"))
    shutil.copytree(root / "U0101", root / ".cache")
    found = scan(root, OPENPACK, "video")
    assert (len(found.recordings), len(found.faults)) == (1, 0)


# --- the root ---------------------------------------------------------------------------------------------


def test_the_release_folder_may_stand_in_between(write_session: WriteSession) -> None:
    root = write_session()
    (root.parent / "dataset").mkdir()
    root.rename(root.parent / "dataset" / "v1.0.0")
    found = scan(root.parent / "dataset", OPENPACK, "video")
    assert found.root.name == "v1.0.0"
    assert len(found.recordings) == 1


def test_what_is_no_root_is_an_error_that_says_what_was_found(
    write_session: WriteSession, tmp_path: Path
) -> None:
    root = write_session()
    for place, found in [
        (tmp_path / "nowhere", "found no folder at all"),
        (tmp_path, "found raw"),
        (operations_csv(root, "U0101", "S0100"), "found no folder at all"),
    ]:
        with pytest.raises(SourceError, match="not the root of an OpenPack dataset") as caught:
            scan(place, OPENPACK, "video")
        assert found in caught.value.message
        assert "subject ids" in str(caught.value.cure)
    with pytest.raises(SourceError) as caught:
        scan(root / "U0101", OPENPACK, "video")
    assert caught.value.cure == f"give {root}, the folder above this subject"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_annotation_is_a_fault(write_session: WriteSession) -> None:
    root = write_session()
    operations_csv(root, "U0101", "S0100").chmod(0)
    (fault,) = scan(root, OPENPACK, "video").faults
    assert "cannot be read" in fault.message
