"""The audit foretells what prepare makes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import av

from rushes.records import Segment
from rushes.runs.source import Fault
from rushes.tasks.operations.audit import audit_sessions, foresee
from rushes.tasks.operations.prepare.clips import Cutting
from rushes.tasks.operations.prepare.unit import prepare_unit
from rushes.tasks.operations.sources.openpack.tables import assign_splits
from rushes.tasks.operations.sources.sessions import Scan, Tally


def test_audit_foretells_what_prepare_makes(make_recording, make_job, preprocessing, tmp_path):
    recording = make_recording()
    found = foresee(recording, Cutting(), with_windows=True)
    receipt = prepare_unit(make_job(recording))
    assert (found.duration_s, found.clips, found.outcome) == (receipt["duration_s"], receipt["clips"], None)
    scan = Scan(tmp_path, (recording,), (), (), {}, Tally())
    told = audit_sessions(
        scan,
        assign_splits(scan.recordings, {"test": ["U0101"]}, scan.faults),
        preprocessing,
        Cutting(),
        ["test"],
    )
    assert told.clips == {"test": receipt["samples"]}
    assert told.bytes == receipt["samples"] * round(6 * 224 * 224 * 0.14)
    assert sum(told.operations.values()) == len(recording.segments)


def test_audit_names_what_would_be_refused(make_recording, preprocessing, tmp_path):
    good = make_recording()
    late = replace(good, key="U0101_S0200", segments=(Segment(20.0, 45.0, "Pick"),))
    gone = replace(good, key="U0101_S0300", media=replace(good.media, path=tmp_path / "gone.mp4"))
    other = replace(gone, key="U0104_S0100", subject="U0104", group="U0104")
    scan = Scan(tmp_path, (late, gone, good, other), (), (), {}, Tally())
    told = audit_sessions(
        scan, assign_splits(scan.recordings, {"train": ["U0101"]}, scan.faults), preprocessing, Cutting(), []
    )
    assert [fault["where"] for fault in told.faults] == [str(late.media.path), str(gone.media.path)]
    assert "outside" in told.faults[0]["message"]
    assert "no such video" in told.faults[1]["message"]
    assert told.clips == {"train": foresee(good, Cutting(), with_windows=False).clips.total()}
    assert {key: (claim.fate, claim.reason) for key, claim in told.outcomes.items()} == {
        late.key: ("faulty", told.faults[0]["message"]),
        gone.key: ("faulty", told.faults[1]["message"]),
        other.key: ("skipped", "on no side of the split"),
    }
    assert told.foreseen.summary().startswith("4 recordings: 1 used, 2 faulty (1 ")


def test_a_recording_without_a_clip_is_told_with_its_reason(
    make_recording, make_job, preprocessing, tmp_path
):
    recording = replace(make_recording(), segments=(Segment(2.0, 6.0, "Pick"),))
    scan = Scan(tmp_path, (recording,), (), (), {}, Tally())
    told = audit_sessions(
        scan,
        assign_splits(scan.recordings, {"train": ["U0101"]}, scan.faults),
        preprocessing,
        Cutting(),
        [],
        needed=["train"],
    )
    reason = "longer than a clip of 5 s, and one labelled operation: nothing says what comes next"
    assert told.foreseen.summary() == f"1 recording: 1 empty (1 {reason})"
    assert told.faults[0]["message"] == "side train of the split would have no clip"
    assert prepare_unit(make_job(recording, split="train"))["empty"] == reason


def test_a_subject_whose_sessions_do_not_hold_is_not_called_absent(preprocessing, tmp_path):
    faulty = Fault("U0101_S0100", "SourceError", "no rows", "a.csv", "fetch it", "U0101")
    stranger = replace(faulty, key="U0109_S0100", owner="U0109")
    scan = Scan(tmp_path, (), (faulty, stranger), (), {}, Tally())
    told = audit_sessions(
        scan,
        assign_splits(scan.recordings, {"train": ["U0101"], "test": ["U0102"]}, scan.faults),
        preprocessing,
        Cutting(),
        [],
    )
    assert told.absent == ("U0102",)
    assert [fault["message"] for fault in told.faults] == ["no rows"]
    assert told.outcomes["U0109_S0100"].fate == "skipped"


def test_what_a_file_leaves_open_is_a_note(make_recording, preprocessing, tmp_path):
    one = make_recording()
    with (
        av.open(one.media.path) as source,
        av.open(tmp_path / "live.mkv", "w", options={"live": "1"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    live = replace(one, media=replace(one.media, path=tmp_path / "live.mkv"))
    scan = Scan(tmp_path, (live, replace(live, key="U0101_S0200")), (), (), {}, Tally())
    told = audit_sessions(
        scan, assign_splits(scan.recordings, {"train": ["U0101"]}, scan.faults), preprocessing, Cutting(), []
    )
    assert not told.faults
    assert "declares no end of its pictures" in told.notes[0]["message"]
    assert told.text().endswith(f"  where: {tmp_path / 'live.mkv'}, and 1 more")
