"""Long recordings with labels: matched, put on sides, cut into windows by a stated rule, and accounted for."""

import re
from pathlib import Path

import numpy as np
import pytest
from night_files import RATE, draw, write_night, write_nights
from sound_files import encoded

from rushes.errors import SourceError
from rushes.records import Segment
from rushes.stages import take_inventory
from rushes.tasks.sounds.preprocessing import SoundPreprocessing
from rushes.tasks.sounds.recipe import RecordingSource
from rushes.tasks.sounds.sources.recordings import NO_LABEL, Recordings
from rushes.tasks.sounds.sources.recordings_audit import audit_of_recordings
from rushes.tasks.sounds.sources.windows import LEFT_OUT, Cutting
from rushes.testing import source_checks

LABELS = ("quiet", "snore", "cough")
PREPROCESSING = SoundPreprocessing(labels=LABELS, sample_rate=RATE, high_hz=4000.0, clip_s=1.0)
WEARERS = {"ann": 1, "bob": 1, "cem": 1}
SPLIT = {"train": ["ann"], "val": ["bob"], "test": ["cem"]}


def source(**said) -> Recordings:
    asked = {
        "annotation": {"files": "**/*.txt", "format": "audacity"},
        "background": "quiet",
        "groups": {"pattern": "(?P<group>[^/]+)/.*"},
        "split": SPLIT,
    }
    recipe = RecordingSource(**asked | said)
    return Recordings(recipe, Cutting.of(recipe, PREPROCESSING))


@pytest.fixture
def root(tmp_path) -> Path:
    write_nights(tmp_path, WEARERS, 20.0)
    return tmp_path


def audit(found: Recordings, root: Path):
    return audit_of_recordings(found.scan(root), found.cutting)


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_the_contract_of_sources(check, root, tmp_path_factory):
    check(source(), root, tmp_path_factory.mktemp("copies"))


# --- what is found ----------------------------------------------------------------------------------------


def test_an_empty_label_track_beside_others_is_a_night_without_events(root):
    (root / "ann" / "night0.txt").write_text("")
    annotation = {"files": "**/*.txt"}
    [ann, *_] = source(annotation=annotation).scan(root).recordings
    assert ann.segments == (Segment(0.0, 20.0, "quiet"),)
    (root / "bob" / "night0.txt").write_text("file,start,end,label\nbob/night0,1,2,snore\n")
    told = [fault.message for fault in source(annotation=annotation).scan(root).faults]
    assert "no format of label files is recognised here" in told


def test_recordings_have_their_labels_their_wearer_and_their_side(root):
    found = source().scan(root)
    assert [(one.group, one.split, one.path.name) for one in found.recordings] == [
        ("ann", "train", "night0.flac"),
        ("bob", "val", "night0.flac"),
        ("cem", "test", "night0.flac"),
    ]
    for place, one in enumerate(found.recordings):
        events = draw(100 * place, 20.0)[1]
        labelled = [segment for segment in one.segments if segment.label != "quiet"]
        assert one.length_s == 20.0
        assert [(one.start_s, one.end_s, one.label) for one in labelled] == [
            (pytest.approx(start), pytest.approx(end), label) for start, end, label in events
        ]
        assert sum(segment.duration_s for segment in one.segments) == pytest.approx(20.0)  # quiet in between
    assert not found.faults


def test_a_table_of_all_nights_and_a_column_for_each_wearer_and_side(root):
    rows = ["file;start;end;label;who;side"]
    for wearer, side in (("ann", "train"), ("bob", "val"), ("cem", "test")):
        rows += [
            f"{wearer}/night0.flac;1,5;3,0;snore;{wearer} x;{side}",
            f"{wearer}/night0;5;6;cough;{wearer} x;{side}",
        ]
    (root / "labels.csv").write_text("\n".join(rows))
    found = source(
        annotation={"files": "labels.csv"}, groups={"column": "who"}, split="column", side_column="side"
    ).scan(root)
    assert [(one.group, one.split) for one in found.recordings] == [
        ("ann x", "train"),
        ("bob x", "val"),
        ("cem x", "test"),
    ]
    assert [(one.start_s, one.end_s) for one in found.recordings[0].segments if one.label == "snore"] == [
        (1.5, 3.0)
    ]


def test_shares_move_no_old_wearer(tmp_path):
    write_nights(tmp_path, {f"w{number}": 1 for number in range(12)}, 10.0)
    found = source(split="shares", shares={"train": 0.5, "val": 0.25, "test": 0.25})
    before = {one.group: one.split for one in found.scan(tmp_path).recordings}
    write_nights(tmp_path, {"new": 1, "newer": 2}, 10.0)
    after = {one.group: one.split for one in found.scan(tmp_path).recordings}
    assert before.items() < after.items()


def test_a_side_without_a_wearer_names_the_seed_that_mends_it(tmp_path):
    write_nights(tmp_path, {"ann": 1, "bob": 1, "cem": 2}, 10.0)
    shares = {"train": 0.5, "val": 0.25, "test": 0.25, "seed": 1}
    told = r"none of 3 groups falls on side test with source\.shares\.seed 1"
    with pytest.raises(SourceError, match=told) as refused:
        source(split="shares", shares=shares).scan(tmp_path)
    seed = int(re.search(r"source\.shares\.seed: (\d+)", refused.value.cure)[1])
    mended = source(split="shares", shares=shares | {"seed": seed}).scan(tmp_path)
    assert {one.split for one in mended.recordings} == {"train", "val", "test"}
    with pytest.raises(SourceError, match="3 sides and 1 groups") as refused:
        source(split="shares", groups={"pattern": ".*/(?P<group>night)[0-9].*"}).scan(tmp_path)
    assert "source.groups" in refused.value.cure


def test_every_file_is_accounted_for(root):
    wave, events = draw(7, 10.0)
    write_night(root, "dan/unlabelled", wave, ())
    (root / "dan" / "unlabelled.txt").unlink()
    write_night(root, "eve/nobody", wave, events)
    write_night(root, "ann/late", wave, [(99.0, 100.0, "snore")])
    (root / "ann" / "broken.flac").write_bytes(b"fLaC" + bytes(50))
    (root / "ann" / "broken.txt").write_text("0\t1\tsnore\n")
    (root / "ann" / "gone.txt").write_text("0\t1\tsnore\n")
    (root / "notes.pdf").write_bytes(b"%PDF")
    found = source()
    scan = found.scan(root)
    account = take_inventory(root, found.claims(scan), scan.root)
    assert {(line.fate, line.reason.split(":")[0][:40], line.files) for line in account.lines} == {
        ("used", "recordings", 3),
        ("read", "labels", 7),
        ("faulty", "'snore' at 99.000 s lies outside of its ", 1),
        ("faulty", "cannot open as FLAC", 1),
        ("skipped", NO_LABEL, 1),
        ("skipped", "on no side of the split", 1),
        ("unread", ".pdf", 1),
    }
    assert sorted(Path(fault.where.split(":")[0]).name for fault in scan.faults) == [
        "broken.flac",
        "gone.txt",
        "late.txt",
    ]


def test_a_night_without_an_event_is_background_throughout(root):
    wave, _ = draw(9, 10.0)
    write_night(root, "ann/calm", wave, ())
    (one,) = [one for one in source().scan(root).recordings if "calm" in one.key]
    assert [(segment.start_s, segment.end_s, segment.label) for segment in one.segments] == [
        (0.0, 10.0, "quiet")
    ]


def test_labels_that_nobody_learns_are_neither_events_nor_background(root):
    (root / "ann" / "night0.txt").write_text("2\t6\ttalk\n8\t9\tsnore\n10\t11\thust\n")
    found = source(merge={"hust": "cough"})
    (one,) = [one for one in found.scan(root).recordings if one.group == "ann"]
    assert [(s.start_s, s.end_s, s.label) for s in one.segments] == [
        (0, 2, "quiet"),
        (6, 8, "quiet"),
        (8, 9, "snore"),
        (9, 10, "quiet"),
        (10, 11, "cough"),
        (11, 20, "quiet"),
    ]
    assert any("'talk' is ignored" in note for note in found.scan(root).notes)


def test_what_is_missing_is_refused_with_a_cure(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        source().scan(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="no sound that is read"):
        source().scan(tmp_path)
    (tmp_path / "a.flac").write_bytes(encoded(np.zeros(RATE), RATE, "flac", "flac"))
    with pytest.raises(SourceError, match=r"no file \*\*/\*\.txt"):
        source().scan(tmp_path)
    (tmp_path / "b.txt").write_text("0\t1\tsnore\n")
    with pytest.raises(SourceError, match="no such file"):
        source().scan(tmp_path)


@pytest.mark.parametrize("label", ["1\t6\tsnore\n", "1\t2\tsnore\n9\t11\tsnore\n"])
def test_a_label_beyond_a_cut_recording_says_that_it_is_cut(root, label):
    (root / "ann" / "cut.wav").write_bytes(encoded(draw(7, 20.0)[0], RATE, "wav", "pcm_s16le")[: RATE * 10])
    (root / "ann" / "cut.txt").write_text(label)
    [fault] = source().scan(root).faults
    assert re.match(r"cut short: 320,000 bytes of samples are declared, 79,\d+ follow", fault.message), fault
    assert Path(fault.where).name == "cut.wav"


def test_the_fingerprint_is_of_labels_and_sounds(root):
    found = source()
    before = found.fingerprint(found.scan(root))
    (root / "notes.pdf").write_bytes(b"%PDF")
    assert found.fingerprint(found.scan(root)) == before
    (root / "ann" / "night0.txt").write_text("8\t9\tsnore\n")
    assert found.fingerprint(found.scan(root)) != before


# --- windows ------------------------------------------------------------------------------------------------


def cut(share=0.5, background="quiet", clip_s=1.0, hop_s=0.5) -> Cutting:
    return Cutting(LABELS, background, clip_s, hop_s, share)


def plain_place(cutting: Cutting, segments, start: float) -> int:
    """By a grid of milliseconds."""
    moments = (np.arange(round(1000 * cutting.clip_s)) + 0.5) / 1000 + start
    of = {label: 0 for label in LABELS}
    for one in segments:
        of[one.label] += int(((moments >= one.start_s) & (moments < one.end_s)).sum())
    best = max(cutting.events, key=lambda label: of[label])
    if of[best] >= cutting.share * len(moments):
        return LABELS.index(best)
    if cutting.background is not None and sum(of.values()) > len(moments) / 2:
        return LABELS.index(cutting.background)
    return LEFT_OUT


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("background", ["quiet", None])
def test_the_class_of_a_window_follows_its_rule(share, background):
    rng, cutting = np.random.default_rng(0), cut(share, background)
    for _ in range(30):
        borders = np.sort(rng.choice(20_000, 12, replace=False)) / 1000
        segments = [
            Segment(
                start, end, str(rng.choice([label for label in LABELS if background or label != "quiet"]))
            )
            for start, end in borders.reshape(-1, 2).tolist()
        ]
        starts = cutting.starts(20.0)
        assert cutting.places(segments, starts).tolist() == [
            plain_place(cutting, segments, start) for start in starts
        ]


@pytest.mark.parametrize(("length_s", "count"), [(0.4, 1), (1.0, 1), (1.4, 1), (1.5, 2), (20.0, 39)])
def test_windows_lie_within_the_recording(length_s, count):
    assert len(cut().starts(length_s)) == count


def test_the_audit_counts_hours_windows_and_events(root):
    found = audit(source(), root)
    assert found.samples == {"train": 39, "val": 39, "test": 39}
    assert found.hours["train"] == pytest.approx(20 / 3600)
    assert found.groups == {"train": 1, "val": 1, "test": 1}
    for side, place in (("train", 0), ("val", 100), ("test", 200)):
        labels = [label for *_, label in draw(place, 20.0)[1]]
        assert found.events[side] == {label: labels.count(label) for label in sorted(set(labels))}
    text = found.text()
    assert "windows of 1 s, one every 0.5 s" in text
    assert "events of snore" in text
    assert "117 windows" in found.summary()


def test_the_audit_says_that_nobody_said_who_is_in_recordings(root):
    found = audit(
        source(groups={}, split={side: [f"{w}/night0.flac" for w in who] for side, who in SPLIT.items()}),
        root,
    )
    assert any("nobody said who is in the 3 recordings" in note for note in found.notes)


def test_copies_on_two_sides_are_found(root):
    (root / "cem" / "again.flac").write_bytes((root / "ann" / "night0.flac").read_bytes())
    (root / "cem" / "again.txt").write_text("1\t2\tsnore\n")
    assert audit(source(), root).copies.count == 1
