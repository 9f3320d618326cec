"""The audit foretells what prepare makes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

from rushes.records import Segment
from rushes.tasks.operations.audit import audit_sessions, foresee
from rushes.tasks.operations.prepare.clips import Cutting
from rushes.tasks.operations.prepare.unit import prepare_unit
from rushes.tasks.operations.sources.openpack.source import Scan, Tally


def test_audit_foretells_what_prepare_makes(make_recording, make_job, preprocessing, tmp_path):
    recording = make_recording()
    found = foresee(recording, Cutting(), with_windows=True)
    receipt = prepare_unit(make_job(recording))
    assert found == (receipt["duration_s"], receipt["clips"], None)
    scan = Scan(tmp_path, (recording,), (), (), {}, Tally())
    told = audit_sessions(scan, {"test": ["U0101"]}, preprocessing, Cutting(), ["test"])
    assert told.clips == {"test": receipt["samples"]}
    assert told.bytes == receipt["samples"] * round(6 * 224 * 224 * 0.14)
    assert sum(told.operations.values()) == len(recording.segments)


def test_audit_names_what_would_be_refused(make_recording, preprocessing, tmp_path):
    good = make_recording()
    late = replace(good, key="U0101_S0200", segments=(Segment(20.0, 45.0, "Pick"),))
    gone = replace(good, key="U0101_S0300", media=replace(good.media, path=tmp_path / "gone.mp4"))
    other = replace(gone, key="U0104_S0100", subject="U0104", group="U0104")
    scan = Scan(tmp_path, (late, gone, good, other), (), (), {}, Tally())
    told = audit_sessions(scan, {"train": ["U0101"]}, preprocessing, Cutting(), [])
    assert [fault["where"] for fault in told.faults] == [late.key, gone.key]
    assert "outside" in told.faults[0]["message"]
    assert "no such video" in told.faults[1]["message"]
    assert told.clips == {"train": foresee(good, Cutting(), with_windows=False).clips.total()}
    assert told.skipped == (other.key,)
